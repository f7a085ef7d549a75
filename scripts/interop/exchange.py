"""What other programs get of a run, and what a run gets of theirs: fused models, adapters of peft, GGUF files."""
import json

import llama_cpp
import lora
import numpy as np
import torch
from common import equal, within
from peft import LoraConfig, PeftModel, get_peft_model
from reading import Reading
from strings import strings
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

GREEDY = ["-n", 1, "--temp", 0, "--max-tokens", 16, "--logprobs", 0, "--bench"]


@torch.no_grad()
def likelihoods(model, prompt, lines):
    """The largest difference between log-probabilities that nfcot has recorded and those of a model."""
    worst = 0
    for line in lines:
        drawn = line["logprobs"]["content"]
        ids = prompt(line) + [token["id"] for token in drawn]
        rows = model(torch.tensor([ids])).logits[0].float().log_softmax(-1)[-len(drawn) - 1 :]
        worst = max([worst] + [abs(row[token["id"]].item() - token["logprob"]) for row, token in zip(rows, drawn)])
    return worst


def fused(work):
    """Adapters in peft over the model they began from, and fused in bfloat16."""
    run = lora.adapted(work)
    lines = work.lines("sample", "--model", run, *GREEDY, work.problems())
    tokenizer = AutoTokenizer.from_pretrained(run)
    opening = tokenizer.convert_tokens_to_ids(["<|cot|>"])
    model = PeftModel.from_pretrained(lora.base(work, run), run).eval()
    worst = likelihoods(model, lambda line: tokenizer(line["prompt"]).input_ids + opening, lines)
    whole = Reading(work, work.make("fused", "fuse", "--model", run, "--dtype", "bf16"), ["<|cot|>"], "--weights", "f32")  # in bfloat16 products may round both factors
    dtype = equal("type of fused weights", str(AutoConfig.from_pretrained(whole.run).dtype), "torch.bfloat16")
    return f"{within('adapters in peft: log-probabilities differ by', worst, 1e-3)}; {dtype}, {whole.logits()}"


def adapter(work):
    """An adapter that peft has made, over a model of others."""
    torch.manual_seed(3)
    path = work.smollm2()
    model = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32)
    config = LoraConfig(r=4, lora_alpha=16, target_modules=["q_proj", "v_proj", "down_proj"], use_rslora=True, init_lora_weights=False)
    model = get_peft_model(model, config).eval()
    model.save_pretrained(work.dir / "peft")
    lines = work.lines("sample", "--model", "peft", "--base", path, *GREEDY, work.problems())
    tokenizer = lora.reading(work).tokenizer
    return within("log-probabilities differ by", likelihoods(model, lambda line: tokenizer(line["prompt"]).input_ids, lines), 1e-3)


@torch.no_grad()
def gguf(work):
    """GGUF files of a run in llama.cpp."""
    run, reading, said = lora.full(work), lora.reading(work), []
    texts = [text for text in strings() if "\0" not in text]
    path = work.write("texts.txt", "".join(text + "\n" for text in texts))
    ours = [json.loads(line) for line in work.nfcot("tokenize", "encode", "--tokenizer", run, "--in", path, "--quiet").splitlines()]
    for kind in "f32", "f16", "bf16", "q8_0":
        file = work.make(f"{kind}.gguf", "export", "--model", run, "--gguf", kind)
        model = llama_cpp.Llama(str(file), n_ctx=512, logits_all=True, verbose=False, type_k=0, type_v=0)  # keys and values in float32
        equal(f"{kind}: ids", [model.tokenize(text.encode(), add_bos=False, special=True) for text in texts], ours)
        worst, same = 0, 0
        for line in reading.lines:
            prompt = reading.prompt(line)
            drawn = [token["id"] for token in line["logprobs"]["content"]]
            model.reset()
            model.eval(prompt + drawn)
            theirs = np.array(model.scores[: len(prompt + drawn)])
            expected = reading.model(torch.tensor([prompt + drawn])).logits[0].numpy()
            worst = max(worst, np.abs(theirs - expected).max() / np.abs(expected).max())
            same += (theirs[len(prompt) - 1 : -1].argmax(-1) == drawn).all()
        if kind == "f32":
            equal("f32: greedy texts", same, len(reading.lines))
        said.append(within(f"{kind}: {same} of {len(reading.lines)} greedy texts the same, logits differ by", worst, 3e-5 if kind == "f32" else 5e-2))
        file.unlink()
    return f"ids of {len(texts)} strings the same, " + ", ".join(said)
