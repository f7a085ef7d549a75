"""Training from a language model of others: whole, and through adapters beside peft."""
import functools
import json
import math

import torch
import yaml
from common import Failed, equal
from peft import PeftModel
from reading import Reading
from transformers import AutoModelForCausalLM, AutoTokenizer

SETTINGS = ["batch=2", "held_out=0", "eval_every=0", "save_every=0"]


def pair(work):
    """The two shortest examples. A batch of both is the same in any order."""
    lines = work.examples().read_text().splitlines()
    return work.write("pair.jsonl", "".join(line + "\n" for line in sorted(lines, key=len)[:2]))


def train(work, name, method, *settings, data=None, more=()):
    change = [arg for s in (*SETTINGS, *settings) for arg in ("--set", s)]
    return work.make(name, "train", "--method", method, "--init", work.smollm2(), "--data", data or pair(work), *more, *change)


def full(work):
    """A run of all parameters."""
    return train(work, "full", "direct", "stages.joint.steps=2", "stages.joint.lr=1e-5", "stages.joint.warmup=1")


@functools.cache
def reading(work):
    """That run as transformers reads it."""
    return Reading(work, full(work), ["<|answer|>"])


def adapted(work):
    """A run of adapters."""
    return train(work, "adapters", "cot", "stages.joint.steps=10", "stages.joint.lr=2e-3", "stages.joint.warmup=3", more=("--lora", 4))


def base(work, run):
    """SmolLM2 as transformers reads it, with room for the tokens that a run has added: their rows are the adapter's."""
    path = work.smollm2()
    model = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32)
    model.resize_token_embeddings(settings(run)["model"]["vocab"], mean_resizing=False)
    return model


def settings(run):
    return yaml.safe_load((run / "config.yaml").read_text())


def rate(c, step):
    """The learning rate of a step, counted from 1: linear warm-up, then a cosine to min_lr of it."""
    stage = c["stages"]["joint"]
    if step <= stage["warmup"]:
        return stage["lr"] * step / stage["warmup"]
    least = stage["lr"] * c["min_lr"]
    return least + (stage["lr"] - least) / 2 * (1 + math.cos(math.pi * (step - stage["warmup"]) / (stage["steps"] - stage["warmup"])))


def sequence(tokenizer, example):
    """Prompt, chain and answer in tokens, and what is predicted of them."""
    def encode(text):
        return tokenizer(text, add_special_tokens=False).input_ids

    think, say, end = tokenizer.convert_tokens_to_ids(["<|cot|>", "<|answer|>", "<|endoftext|>"])
    prompt = tokenizer(example["prompt"]).input_ids + [think]
    said = [i for line in example["cot"].splitlines() for i in encode(line + "\n")] + [say] + encode(example["answer"]) + [end]
    return torch.tensor([prompt + said]), torch.tensor([[-100] * len(prompt) + said])


def curve(work):
    """The losses of ten steps are those of peft and torch from the same adapters."""
    start = train(work, "adapters-start", "cot", "stages.joint.steps=1", "stages.joint.lr=1e-30", more=("--lora", 4))
    run = adapted(work)
    tokenizer = AutoTokenizer.from_pretrained(run)
    return losses(work, start, run, [sequence(tokenizer, json.loads(line)) for line in pair(work).read_text().splitlines()])


def talk(work):
    """Two conversations, one of two turns and with a space where it may be lost."""
    first, second = (json.loads(line) for line in pair(work).read_text().splitlines())
    turns = (
        [("user", first["prompt"]), ("assistant", first["answer"]), ("user", " Thanks é!\n"), ("assistant", "")],
        [("system", "Be brief."), ("user", second["prompt"]), ("assistant", "  " + second["answer"])],
    )
    return work.write("talk.jsonl", "".join(json.dumps({"messages": [{"role": r, "content": c} for r, c in t]}) + "\n" for t in turns))


def marked(tokenizer, messages):
    """A conversation in tokens up to the last one that is the assistant's, and what is predicted of it."""
    whole, said = "message['content'] + '<|im_end|>'", "{% generation %}{{ message['content'] + '<|im_end|>' }}{% endgeneration %}"
    template = tokenizer.chat_template.replace(
        f" + {whole} + '\n'", " }}{% if message['role'] == 'assistant' %}" + said + "{% else %}{{ " + whole + " }}{% endif %}{{ '\n'"
    )
    out = tokenizer.apply_chat_template(messages, chat_template=template, return_dict=True, return_assistant_tokens_mask=True)
    end = len(out["input_ids"]) - out["assistant_masks"][::-1].index(1)
    ids, mask = out["input_ids"][:end], out["assistant_masks"][:end]
    return torch.tensor([ids]), torch.tensor([[id if m else -100 for id, m in zip(ids, mask)]])


def conversations(work):
    """So are those of a language model that learns conversations, whose targets transformers finds."""
    steps = ["stages.joint.lr=1e-3", "stages.joint.warmup=2"]
    start = train(work, "sft-start", "lm", "stages.joint.steps=1", "stages.joint.lr=1e-30", data=talk(work), more=("--lora", 4))
    run = train(work, "sft", "lm", "stages.joint.steps=5", *steps, data=talk(work), more=("--lora", 4))
    tokenizer = AutoTokenizer.from_pretrained(run)
    return losses(work, start, run, [marked(tokenizer, json.loads(line)["messages"]) for line in talk(work).read_text().splitlines()])


def losses(work, start, run, batch):
    """The losses of a run are those of peft and torch, with the adapters of another that has not learned yet."""
    c, ours = settings(run), [line["loss"] for line in work.metrics(run.name)]
    model = PeftModel.from_pretrained(base(work, start), start, is_trainable=True)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, betas=(0.9, 0.95), eps=1e-8, weight_decay=c["decay"])
    tokens = sum((labels != -100).sum().item() for _, labels in batch)
    theirs = []
    for step in range(1, len(ours) + 1):
        loss = 0
        for ids, labels in batch:
            logits = model(ids).logits[:, :-1]
            part = torch.nn.functional.cross_entropy(logits[0], labels[0, 1:], reduction="sum") / tokens
            part.backward()
            loss += part.item()
        theirs.append(loss)
        torch.nn.utils.clip_grad_norm_(trained, c["clip"])
        for group in optimizer.param_groups:
            group["lr"] = rate(c, step)
        optimizer.step()
        optimizer.zero_grad()
    equal("number of steps", len(ours), c["stages"]["joint"]["steps"])
    worst = max(abs(a - b) / b for a, b in zip(ours, theirs))
    said = f"losses of {len(ours)} steps, {theirs[0]:.3f} to {theirs[-1]:.3f}, differ by {100 * worst:.2g} % (at most 1 %)"
    if not worst <= 0.01:
        raise Failed(f"{said}: found {ours}; peft has {theirs}")
    return said
