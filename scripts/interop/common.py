"""What the checks share: the program, a folder to work in, and how a check tells what it found."""
import json
import os
import pathlib
import subprocess


class Failed(Exception):
    """A check found something else than it expected."""


class Work:
    """The program and a folder for what it makes, each thing once for all checks."""

    def __init__(self, nfcot, folder):
        self.program, self.dir = os.path.abspath(nfcot), pathlib.Path(folder)

    def nfcot(self, *args, stdin=None):
        """What a command prints."""
        command = [self.program, *map(str, args)]
        done = subprocess.run(command, cwd=self.dir, input=stdin, capture_output=True, text=True)
        if done.returncode:
            raise Failed(f"nfcot {' '.join(command[1:])}: exit code {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def lines(self, *args, **more):
        """What a command prints as JSON lines."""
        return [json.loads(line) for line in self.nfcot(*args, "--json", "--quiet", **more).splitlines()]

    def make(self, name, *args):
        """The path of a file or folder that a command makes with -o."""
        if not (self.dir / name).exists():
            self.nfcot(*args, "--quiet", "-o", name)
        return self.dir / name

    def write(self, name, text):
        (self.dir / name).write_text(text, encoding="utf-8")
        return self.dir / name

    def metrics(self, name):
        return [json.loads(line) for line in (self.dir / name / "metrics.jsonl").read_text().splitlines()]

    def examples(self):
        return self.make("train.jsonl", "data", "--split", "train", "-n", 240)

    def problems(self):
        return self.make("test.jsonl", "data", "--split", "test", "-n", 4)

    def thoughts(self):
        """A thoughts folder with a tokenizer of ours."""
        words = self.make("words", "tokenize", "train", "--in", self.examples())
        return self.make("thoughts", "distill", "--data", self.examples(), "--tokenizer", words, "--steps", 20)

    def trained(self, name, method, *settings):
        """A run from nothing, trained a little, so that its answers are more than noise."""
        change = [arg for s in ("stages.joint.steps=60", "stages.joint.warmup=5", *settings) for arg in ("--set", s)]
        return self.make(name, "train", "--method", method, "--thoughts", self.thoughts(), *change)

    def smollm2(self):
        """A language model of others, as a GGUF file."""
        return pathlib.Path(os.environ["NFCOT_SMOLLM2"])


def within(what, found, limit):
    """What is said of a difference, which must not be larger than limit."""
    if not found <= limit:
        raise Failed(f"{what}: {found:.3g}; expected at most {limit:g}")
    return f"{what} {found:.2g} (at most {limit:g})"


def equal(what, found, expected):
    """What is said of things that must be the same."""
    if found != expected:
        raise Failed(f"{what}: found {found!r:.300}; expected {expected!r:.300}")
    return f"{what} the same"
