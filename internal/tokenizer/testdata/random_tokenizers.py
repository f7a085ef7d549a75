"""Makes random tokenizers and says what Hugging Face's `tokenizers` (0.23) does with odd texts.

    python3 random_tokenizers.py SEED COUNT > random_tokenizers.jsonl

Each line is a tokenizer.json, texts with their ids (without and with the post-processor's tokens), and lists of ids with
their texts (special tokens kept and left out). All of it is drawn from the seed.
"""
import json
import random
import sys

from tokenizers import Tokenizer

rand = random.Random()

ALPHABET = ["a", "b", "ab", "aa", "ba", "x", " ", " ", "  ", "   ", "\t", "\n", "\r\n", "0", "1", "12", "٣", "½", "²", "Ⅷ", ".", ",", "!", "-",
            "_", "'s", "'", "é", "e\u0301", "É", "ß", "ﬁ", "İ", "Σ", "ж", "世", "界", "가", "\u1100\u1161", "😀", "👩\u200d💻", "\u0301", "\u0323",
            "\u00a0", "\u3000", "\u200b", "\u0085", "\u2028", "▁", "▁a", "▁▁", "<s>", "</s>", "<unk>", "<x>", "<xy", "<0x41>", "Ġ", "\ufffd", "\x00", "\x7f", "z"]


def words(n):
    return "".join(rand.choice(ALPHABET) for _ in range(rand.randint(0, n)))


def byte_letters():
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [b for b in range(256) if b not in printable]
    return [chr(b) for b in printable] + [chr(256 + i) for i in range(len(rest))]


def maybe(p):
    return rand.random() < p


def grow(vocab, merges, letters, count):
    """Random merges, some of which make a token that is there."""
    known = list(letters)
    for _ in range(count):
        a, b = rand.choice(known), rand.choice(known)
        if len(a + b) > 8 or [a, b] in merges:
            continue
        merges.append([a, b])
        if a + b not in vocab:
            vocab[a + b] = len(vocab)
            known += [a + b] * 2


def model(byte_level):
    vocab, merges = {}, []
    m = {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": rand.choice([None, ""]), "end_of_word_suffix": None,
         "fuse_unk": maybe(0.5), "byte_fallback": False, "ignore_merges": maybe(0.3)}
    if maybe(0.5):
        for t in ["<unk>", "<s>", "</s>"]:
            vocab[t] = len(vocab)
        if maybe(0.7):
            m["unk_token"] = "<unk>"
    if byte_level:
        letters = byte_letters()
        if maybe(0.3):
            letters = [c for c in letters if maybe(0.9)]
        seeds = [c for c in letters if c in "abx Ġ01ĊÃ©e.'sĿ"]
    else:
        m["byte_fallback"] = maybe(0.6)
        if m["byte_fallback"]:
            for b in range(256):
                if b < 250 or maybe(0.8):
                    vocab[f"<0x{b:02X}>"] = len(vocab)
        letters = [c for c in "▁abxe01.,!é世가Σ" if maybe(0.93)] + ([" "] if maybe(0.3) else [])
        seeds = letters
    for c in letters:
        if c not in vocab:
            vocab[c] = len(vocab)
    grow(vocab, merges, seeds or letters, rand.choice([0, 10, 60]))
    m["vocab"], m["merges"] = vocab, merges if maybe(0.5) else [" ".join(p) for p in merges]
    if any(" " in t for t in vocab):
        m["merges"] = merges
    return m


PATTERNS = [r"\s+", r"\p{N}", r"\p{N}{1,3}", r"[ab]+", r" ?\p{L}+", r"(?<=a)b", r"x*", r"(?=b)", r"a|ab", r"\s+(?!\S)|\s+", r"[\p{P}$]", r"\r?\n", r"[^\s\p{L}]+",
            r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"]
STRINGS = [" ", "a", "ab", "▁", ".", "▁▁", "  ", "|", "\\", "e\u0301"]
BEHAVIORS = ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]


def pattern():
    return {"Regex": rand.choice(PATTERNS)} if maybe(0.6) else {"String": rand.choice(STRINGS)}


def byte_level_part():
    return {"type": "ByteLevel", "add_prefix_space": maybe(0.3), "trim_offsets": True, "use_regex": maybe(0.6)}


def metaspace(full=True):
    m = {"type": "Metaspace", "replacement": rand.choice("▁▁▁_"), "prepend_scheme": rand.choice(["always", "first", "never"])}
    if maybe(0.8):
        m["split"] = maybe(0.5)
    return m


def pre_tokenizer(byte_level):
    parts = []
    for _ in range(rand.choice([0, 0, 1, 1, 2, 3])):
        parts.append(rand.choice([
            lambda: {"type": "Digits", "individual_digits": maybe(0.5)},
            lambda: {"type": "Split", "pattern": pattern(), "behavior": rand.choice(BEHAVIORS), "invert": maybe(0.3)},
            lambda: {"type": "Split", "pattern": pattern(), "behavior": rand.choice(BEHAVIORS), "invert": maybe(0.3)},
            lambda: {"type": rand.choice(["Whitespace", "WhitespaceSplit"])},
            metaspace,
        ])())
    if byte_level:
        parts.insert(rand.randint(0, len(parts)) if maybe(0.15) else len(parts), byte_level_part())
    elif maybe(0.6):
        parts.insert(0, metaspace())
    if not parts:
        return None
    if len(parts) == 1 and maybe(0.7):
        return parts[0]
    return {"type": "Sequence", "pretokenizers": parts}


def normalizer():
    parts = []
    for _ in range(rand.choice([0, 0, 0, 1, 1, 2, 3])):
        parts.append(rand.choice([
            lambda: {"type": rand.choice(["NFC", "NFD", "NFKC", "NFKD"])},
            lambda: {"type": "Lowercase"},
            lambda: {"type": "Prepend", "prepend": rand.choice(["▁", " ", "ab"])},
            lambda: {"type": "Replace", "pattern": pattern(), "content": rand.choice(["▁", "", "a", " ", "é"])},
            lambda: {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
            lambda: {"type": "Strip", "strip_left": maybe(0.5), "strip_right": maybe(0.5)},
        ])())
    if not parts and maybe(0.8):
        return None
    if len(parts) == 1 and maybe(0.7):
        return parts[0]
    return {"type": "Sequence", "normalizers": parts}


def decoder(byte_level):
    if maybe(0.6):
        if byte_level:
            return byte_level_part()
        return {"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"},
                                                 {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]}
    parts = []
    for _ in range(rand.choice([0, 1, 2, 3, 4])):
        parts.append(rand.choice([
            lambda: {"type": "Replace", "pattern": pattern(), "content": rand.choice(["", " ", "a"])},
            lambda: {"type": "ByteFallback"},
            lambda: {"type": "Fuse"},
            lambda: {"type": "Strip", "content": rand.choice(" a▁"), "start": rand.randint(0, 2), "stop": rand.choice([0, 0, 1])},
            metaspace,
            byte_level_part,
        ])())
    if not parts and maybe(0.5):
        return None
    return {"type": "Sequence", "decoders": parts}


def added(vocab):
    out, next_id, taken = [], len(vocab), set()
    for content in ["<s>", "</s>", "<x>", "<xy>", "a b", "ab", " x", "é", "e\u0301!", "\n", "Ġq", "日本", "12", "X"]:
        if not maybe(0.3):
            continue
        i = vocab.get(content)
        if i is None:
            i, next_id = next_id, next_id + 1
        out.append({"id": i, "content": content, "single_word": maybe(0.2), "lstrip": maybe(0.2), "rstrip": maybe(0.2), "normalized": maybe(0.3),
                    "special": maybe(0.5)})
    return out


def post_processor(tokens):
    if not tokens or maybe(0.5):
        return rand.choice([None, {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": True}])
    t = rand.choice(tokens)
    piece = {"SpecialToken": {"id": t["content"], "type_id": 0}}
    text = {"Sequence": {"id": "A", "type_id": 0}}
    template = {"type": "TemplateProcessing", "single": rand.choice([[piece, text], [text, piece], [piece, text, piece], [text]]),
                "pair": [text, {"Sequence": {"id": "B", "type_id": 1}}], "special_tokens": {t["content"]: {"id": t["content"], "ids": [t["id"]], "tokens": [t["content"]]}}}
    if maybe(0.5):
        return template
    return {"type": "Sequence", "processors": [{"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": True}, template]}


def tokenizer():
    byte_level = maybe(0.5)
    m = model(byte_level)
    tokens = added(m["vocab"])
    padding = {"strategy": "BatchLongest", "direction": "Right", "pad_to_multiple_of": None, "pad_id": 0, "pad_type_id": 0, "pad_token": "<pad>"}
    truncation = {"direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0}
    return {"version": "1.0", "truncation": truncation if maybe(0.1) else None, "padding": padding if maybe(0.1) else None, "added_tokens": tokens,
            "normalizer": normalizer(), "pre_tokenizer": pre_tokenizer(byte_level), "post_processor": post_processor(tokens),
            "decoder": decoder(byte_level), "model": m}


def case(texts):
    doc = tokenizer()
    try:
        tok = Tokenizer.from_str(json.dumps(doc))
        for a in doc["added_tokens"]:
            if tok.token_to_id(a["content"]) != a["id"]:
                return None
        looked_for = [tok.normalizer.normalize_str(a["content"]) if a["normalized"] and tok.normalizer else a["content"] for a in doc["added_tokens"]]
        if len(set(looked_for)) < len(looked_for):
            return None  # which of two equal ones is found is not defined
    except BaseException:
        return None
    tok.no_truncation()
    tok.no_padding()
    out = {"tokenizer": doc, "encode": [], "decode": []}
    for _ in range(texts):
        text = words(12)
        try:
            out["encode"].append({"text": text, "ids": tok.encode(text, add_special_tokens=False).ids, "prompt": tok.encode(text).ids})
        except BaseException:
            pass
        ids = [rand.randrange(tok.get_vocab_size() + 2) for _ in range(rand.randint(0, 8))]
        if maybe(0.5):
            ids = out["encode"][-1]["prompt"] if out["encode"] else ids
        if maybe(0.3) and doc["model"]["byte_fallback"]:
            ids = ids[:3] + [doc["model"]["vocab"].get(f"<0x{b:02X}>", 0) for b in rand.choice(["é世", "a😀", "ж"]).encode()[rand.choice([0, 0, 1]):]] + ids[3:]
        try:
            out["decode"].append({"ids": ids, "text": tok.decode(ids, skip_special_tokens=False), "skipped": tok.decode(ids)})
        except BaseException:
            pass
    return out


rand.seed(int(sys.argv[1]))
left = int(sys.argv[2])
while left > 0:
    if c := case(4):
        print(json.dumps(c, ensure_ascii=False, separators=(",", ":")))
        left -= 1
