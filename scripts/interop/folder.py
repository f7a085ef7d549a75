"""Runs that began from folders that transformers has written."""
import torch
from common import equal
from reading import Reading
from strings import strings
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import AutoModelForCausalLM, AutoTokenizer, GPT2Config, LlamaConfig, PreTrainedTokenizerFast, Qwen3Config

TEMPLATE = "{{ bos_token }}{% for m in messages %}[{{ m.role }}]{{ m.content }}<|end|>\n{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}"


def words():
    """A tokenizer with BOS before every text, two tokens that end an answer, and a chat template."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(strings(), trainers.BpeTrainer(vocab_size=400, special_tokens=["<s>", "</s>", "<|end|>"], initial_alphabet=alphabet))
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="<|end|>", chat_template=TEMPLATE)


def models_of_others(tokenizer):
    """Tiny models of random weights, by name."""
    torch.manual_seed(5)
    size = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1, "intermediate_size": 48}
    tokens = {"vocab_size": len(tokenizer), "bos_token_id": 0, "eos_token_id": [1, 2]}
    yield "llama", LlamaConfig(**size, **tokens, max_position_embeddings=512, rope_parameters={"rope_type": "default", "rope_theta": 5e5})
    yield "qwen3", Qwen3Config(**size, **tokens, head_dim=16, max_position_embeddings=512, tie_word_embeddings=True)
    yield "gpt2", GPT2Config(n_embd=32, n_layer=2, n_head=2, n_positions=512, **tokens)


def kept(work):
    tokenizer, said = words(), []
    for name, config in models_of_others(tokenizer):
        model = AutoModelForCausalLM.from_config(config)
        model.generation_config.update(eos_token_id=[1, 2], pad_token_id=1, temperature=0.6, top_p=0.9, do_sample=True)
        model.save_pretrained(work.dir / f"{name}-model")
        tokenizer.save_pretrained(work.dir / f"{name}-model")
        run = work.make(name, "train", "--method", "direct", "--init", f"{name}-model", "--data", work.examples(), "--set", "stages.joint.steps=2")
        reading = Reading(work, run, ["<|answer|>"])
        said.append(f"{name}: {reading.all()}")
        equal("architecture", reading.model.config.architectures, config.architectures or model.config.architectures)
        generation = reading.model.generation_config
        ends = reading.tokenizer.convert_ids_to_tokens(generation.eos_token_id)
        equal("ends and settings", (ends, generation.temperature, generation.top_p), (["<|endoftext|>", "</s>", "<|end|>"], 0.6, 0.9))
        again = AutoTokenizer.from_pretrained(run)
        equal("special tokens", (again.bos_token, again.eos_token, again.pad_token), ("<s>", "<|end|>", None))
        messages = [{"role": "user", "content": "hi"}]
        [line] = reading.draw("--chat", "--prompt", "hi")
        equal("chat template", line["prompt"], tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))
    return "; ".join(said)
