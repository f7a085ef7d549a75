"""What transformers and numpy make of a run of NF-CoT: python3 nfcot_run.py RUN [PROMPT]"""
import json
import sys

import numpy as np
import torch
import yaml
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer, DynamicCache


class Run:
    """A run of method nfcot: a language model, and the tensors that `nfcot inspect RUN` lists beside it."""

    def __init__(self, folder):
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.lm = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        self.tensors = load_file(f"{folder}/model.safetensors")
        with open(f"{folder}/config.yaml") as config:
            self.nf = yaml.safe_load(config)["nf"]
        ends = self.lm.generation_config.eos_token_id
        self.ends = ends if isinstance(ends, list) else [ends]

    def mlp(self, name, x):
        """The layer beside a linear map, where nf.mlp has given it a width."""
        t = self.tensors
        if f"{name}.mlp.up.weight" not in t:
            return 0
        up = torch.nn.functional.gelu(x @ t[f"{name}.mlp.up.weight"].T + t[f"{name}.mlp.up.bias"])
        return up @ t[f"{name}.mlp.down.weight"].T

    def embed(self, ids):
        return self.lm.get_input_embeddings()(torch.tensor(ids, dtype=torch.long))

    def read(self, u):
        """Thoughts [n, D] as inputs of the backbone."""
        return u @ self.tensors["proj_in.weight"].T + self.tensors["proj_in.bias"] + self.mlp("proj_in", u)

    def hidden(self, inputs, cache=None):
        """The states after the last norm of inputs [n, H], and of those that a cache remembers."""
        out = self.lm.base_model(inputs_embeds=inputs[None], cache=cache, use_cache=cache is not None)
        return out.last_hidden_state[0]  # older versions of transformers call the cache past_key_values

    def predict(self, h):
        """The density of the thought that follows each state [n, H]: M components' weights, means, and log sigma."""
        d, limit = self.nf["dims"], self.nf["log_sigma_limit"]
        out = h @ self.tensors["nf_head.weight"].T + self.tensors["nf_head.bias"]
        mu, log_sigma = out[:, :d] + self.mlp("nf_head", h), out[:, d : 2 * d]
        if limit > 0:
            log_sigma = limit * torch.tanh(log_sigma / limit)
        m = max(1, self.nf["components"])
        if m == 1:
            return torch.zeros(len(h), 1), mu[:, None], log_sigma
        delta, logits = out[:, 2 * d : (2 + m) * d].view(-1, m, d), out[:, (2 + m) * d :]
        return logits.log_softmax(-1), mu[:, None] + delta, log_sigma

    @torch.no_grad()
    def sample(self, prompt, thought_temp=0.9, temp=0.6, max_tokens=256):
        """Draws K thoughts from the NF head, then text from the LM head. At temperature 0 both are the likeliest."""
        bot = self.tokenizer.convert_tokens_to_ids("<|think|>")
        cache = DynamicCache()
        h = self.hidden(self.embed(self.tokenizer(prompt).input_ids + [bot]), cache)
        thoughts = []
        for _ in range(self.nf["thoughts"]):
            weights, means, log_sigma = self.predict(h[-1:])
            if thought_temp > 0:
                m = torch.distributions.Categorical(logits=weights[0] / thought_temp).sample()
            else:
                m = weights[0].argmax()
            u = means[:, m] + thought_temp * log_sigma.exp() * torch.randn_like(log_sigma)
            thoughts.append(u)
            h = self.hidden(self.read(u), cache)
        answer = []
        while len(answer) < max_tokens:
            logits = self.lm.get_output_embeddings()(h[-1])
            token = logits.argmax() if temp == 0 else torch.distributions.Categorical(logits=logits / temp).sample()
            if int(token) in self.ends:
                break
            answer.append(int(token))
            h = self.hidden(self.embed(answer[-1:]), cache)
        return torch.cat(thoughts), self.tokenizer.decode(answer)

    @torch.no_grad()
    def score(self, line):
        """log p(thoughts | prompt) and log p(text | prompt, thoughts) of a line of samples.jsonl, in nats."""
        ids = self.tokenizer(line["prompt"]).input_ids + [self.tokenizer.convert_tokens_to_ids("<|think|>")]
        u = torch.tensor(np.array(line["thoughts"], dtype=np.float32))
        text = list(line["answer_ids"])
        if line["finished"] and not line.get("stopped"):
            text.append(self.ends[line.get("ended_by", 0)])
        h = self.hidden(torch.cat([self.embed(ids), self.read(u), self.embed(text)]))
        weights, means, log_sigma = self.predict(h[len(ids) - 1 :][: len(u)])
        density = torch.distributions.Normal(means, log_sigma.exp()[:, None]).log_prob(u[:, None]).sum(-1)
        logits = self.lm.get_output_embeddings()(h[len(ids) + len(u) - 1 :][: len(text)])
        words = logits.log_softmax(-1)[range(len(text)), text]
        return (weights + density).logsumexp(-1).double().sum().item(), words.double().sum().item()


def read_samples(path):
    """The lines of a samples.jsonl. thoughts is [K, D]; logp_thoughts and logp_text are nfcot's own."""
    with open(path) as lines:
        return [json.loads(line) for line in lines]


if __name__ == "__main__":
    run = Run(sys.argv[1])
    thoughts, text = run.sample(sys.argv[2] if len(sys.argv) > 2 else "def f(x):\n")
    print(f"# {len(thoughts)} thoughts of {thoughts.shape[1]} numbers\n{text}")
