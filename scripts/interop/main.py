#!/usr/bin/env python3
"""Checks that programs of others read what nfcot writes. scripts/interop.sh runs it with the packages that it needs.

    main.py [--dir DIR] NFCOT [CHECK...]     a line a check; exit code 1 if one fails
"""
import argparse
import logging
import os
import pathlib
import sys
import tempfile
import time
import warnings

os.environ |= {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1", "TRANSFORMERS_VERBOSITY": "error", "TQDM_DISABLE": "1", "OMP_WAIT_POLICY": "PASSIVE"}
logging.getLogger("tensorboard").setLevel(logging.ERROR)

import board
import exchange
import folder
import lora
import torch
import transformers
from common import Failed, Work, equal, within
from nfcot_run import Run, read_samples
from reading import Reading


def own(work):
    """A model and a tokenizer from nothing."""
    return Reading(work, work.trained("direct", "direct"), ["<|answer|>"]).all()


def pretrained(work):
    """A run that began from a GGUF file of others, and its chat template."""
    reading = lora.reading(work)
    said, lines = reading.all(), reading.lines
    reading.lines = [line] = reading.draw("--chat", "--prompt", "Say hi.")
    message = [{"role": "user", "content": "Say hi."}]
    template = reading.tokenizer.apply_chat_template(message, tokenize=False, add_generation_prompt=True)
    equal("prompts of the chat template", line["prompt"], template)
    ends = reading.tokenizer.convert_ids_to_tokens(reading.model.generation_config.eos_token_id)
    equal("tokens that end an answer", ends, ["<|endoftext|>", "<|im_end|>"])
    equal("end of an answer in a chat", ends[line.get("ended_by", 0)], "<|im_end|>")
    said += f"; in a chat: template the same, {reading.greedy()}"
    reading.lines = lines
    return f"{reading.model.config.architectures[0]}, {said}"


def thoughts(work):
    """A run of NF-CoT: its samples have in transformers the likelihoods that nfcot gives them."""
    said = []
    for name, settings in ("gaussian", []), ("mixture", ["nf.components=2", "nf.mlp=32"]):
        folder = work.trained(name, "nfcot", *settings)
        samples = work.make(f"{name}.jsonl", "sample", "--model", folder, "--bench", work.problems(), "-n", 3, "--max-tokens", 48)
        run, lines, worst = Run(folder), read_samples(samples), [0, 0]
        for line in lines:
            for i, (key, value) in enumerate(zip(("logp_thoughts", "logp_text"), run.score(line))):
                worst[i] = max(worst[i], abs(value - line[key]))
        [greedy] = work.lines("sample", "--model", folder, "--prompt", "def f(x):\n", "-n", 1, "--temp", 0, "--thought-temp", 0, "--max-tokens", 32)
        u, text = run.sample("def f(x):\n", thought_temp=0, temp=0, max_tokens=32)
        equal("the likeliest text", text, greedy["completion"])
        torch.manual_seed(1)
        again = run.sample("def f(x):\n", max_tokens=4)[0]
        equal("the shape of thoughts drawn", again.shape, u.shape)
        said += [
            within(f"{name}: {len(lines)} samples, log p(thoughts) differs by", worst[0], 1e-3), within("log p(text) by", worst[1], 1e-3),
            within("the likeliest thoughts by", (u - torch.tensor(greedy["thoughts"])).abs().max().item(), 1e-3),
        ]
    return ", ".join(said)


CHECKS = {
    "own": own, "folder": folder.kept, "pretrained": pretrained, "nfcot": thoughts, "tensorboard": board.train, "tensorboard-rl": board.rl,
    "lora": lora.curve, "sft": lora.conversations, "fuse": exchange.fused, "adapter": exchange.adapter, "gguf": exchange.gguf,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("nfcot", help="the program")
    parser.add_argument("checks", nargs="*", default=list(CHECKS), help=", ".join(CHECKS))
    parser.add_argument("--dir", help="where what is made goes, and stays (default: a folder that is removed at the end)")
    args = parser.parse_args()
    transformers.utils.logging.disable_progress_bar()
    warnings.simplefilter("ignore", FutureWarning)
    failed = False
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(args.dir or scratch)
        folder.mkdir(parents=True, exist_ok=True)
        work = Work(args.nfcot, folder)
        for name in args.checks or CHECKS:
            start = time.monotonic()
            try:
                said = "ok: " + CHECKS[name](work)
            except Failed as error:
                said, failed = f"FAILED: {error}", True
            except Exception as error:  # the others shall still be done
                said, failed = f"FAILED: {type(error).__name__}: {error}", True
            print(f"{name:15} {time.monotonic() - start:5.1f} s  {said}", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
