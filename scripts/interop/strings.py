"""Strings to encode: what tokenizers get wrong."""
import random

PARTS = [
    "", " ", "  ", "   ", "\t", " \t ", "\u00a0", "\u3000", "\u200b", "\u2028", "\ufeff", "\u0085", "\x0b", "\x0c", "\x00", "\x01", "\x7f", "\x1b[0m",
    "0", "12", "123", "1999", "3.14159", "1,000,000", "0x7f", "1e-5", "²³", "½", "٣٤", "१२",
    "a", "I'm", "don't", "we'll", "THEY'RE", "naïve", "café", "cafe\u0301", "e\u0301\u0302\u0327", "ñ", "n\u0303", "Å", "\u212b", "ﬁ", "İi",
    "def f(x):", "    return x", "x==1", "a//b", "!=", "->", "...", "?!", "\"'\"", "\\n", "%s", "#", "_x_", "{[()]}", "&amp;", "http://a.b/c?d=e",
    "Привет, мир", "γειά σου", "שלום", "مرحبا", "नमस्ते", "你好，世界", "こんにちは", "안녕", "ไทย", "𝔘𝔫𝔦", "𐍈",
    "🙂", "👩‍👩‍👧‍👦", "🏳️‍🌈", "👍🏽", "🇩🇪", "☃︎", "\u202eabc\u202c", "\ud7ff", "\ue000", "\U0010ffff", "\ufffd",
    "<|endoftext|>", "<|think|>", "<|cot|>", "<|answer|>", "<|im_start|>", "<|im_end|>", "<|endoftext|", "|think|>", "<|Think|>", "<s>", "</s>", "[INST]",
]


def strings():
    """650 strings without line breaks, always the same."""
    r = random.Random(1)
    found = list(PARTS) + [a + " " + a for a in PARTS]
    while len(found) < 650:
        found.append(r.choice(["", " "]).join(r.choice(PARTS) for _ in range(r.randint(2, 7))))
    return found
