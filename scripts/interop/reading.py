"""Runs as transformers reads them: ids, log-probabilities, and texts."""
import json

import torch
from common import equal, within
from strings import strings
from transformers import AutoModelForCausalLM, AutoTokenizer


class Reading:
    """A run, and what nfcot draws of it at temperature 0. opening is what a method puts behind a prompt."""

    def __init__(self, work, run, opening, *how):
        self.work, self.run, self.how = work, run, how
        self.tokenizer = AutoTokenizer.from_pretrained(run)
        self.model = AutoModelForCausalLM.from_pretrained(run, dtype=torch.float32).eval()
        self.opening = self.tokenizer.convert_tokens_to_ids(opening)
        self.lines = self.draw("--bench", work.problems())

    def draw(self, *asked):
        return self.work.lines("sample", "--model", self.run, *asked, "-n", 1, "--temp", 0, "--max-tokens", 16, "--logprobs", 5, *self.how)

    def prompt(self, line):
        return self.tokenizer(line["prompt"], add_special_tokens=not line.get("chat")).input_ids + self.opening

    def ids(self):
        """The ids of AutoTokenizer are those of nfcot."""
        texts = strings()
        path = self.work.write("strings.txt", "".join(text + "\n" for text in texts))
        ours = self.work.nfcot("tokenize", "encode", "--tokenizer", self.run, "--in", path, "--quiet").splitlines()
        wrong = [text for text, line in zip(texts, ours, strict=True) if json.loads(line) != self.tokenizer(text).input_ids]
        return equal(f"ids of {len(texts)} strings", wrong, [])

    @torch.no_grad()
    def logits(self):
        """Log-probabilities of the tokens drawn, and of the likeliest in their places, are those of transformers."""
        worst, n = 0, 0
        for line in self.lines:
            drawn = line["logprobs"]["content"]
            prompt = self.prompt(line)
            rows = self.model(torch.tensor([prompt + [token["id"] for token in drawn]])).logits[0].log_softmax(-1)
            for row, token in zip(rows[len(prompt) - 1 :], drawn):
                for one in [token, *token["top_logprobs"]]:
                    worst, n = max(worst, abs(row[one["id"]].item() - one["logprob"])), n + 1
        return within(f"{n} log-probabilities differ by", worst, 1e-3)

    @torch.no_grad()
    def greedy(self):
        """generate() says the same, and ends at the same place."""
        theirs, ends = [], self.model.generation_config.eos_token_id
        for line in self.lines:
            prompt = self.prompt(line)
            out = self.model.generate(torch.tensor([prompt]), do_sample=False, max_new_tokens=16)[0, len(prompt) :].tolist()
            ended = out[-1] in (ends if isinstance(ends, list) else [ends])
            theirs.append((self.tokenizer.decode(out, skip_special_tokens=True), ended))
        ended = sum(end for _, end in theirs)
        return equal(f"{len(theirs)} greedy texts ({ended} ended)", [(line["completion"], line["finished"]) for line in self.lines], theirs)

    def all(self):
        return f"{self.ids()}, {self.logits()}, {self.greedy()}"
