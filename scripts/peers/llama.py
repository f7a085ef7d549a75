"""Prefill of 512 tokens and decoding of 128 in llama.cpp, through llama-cpp-python: tokens/s, medians, as JSON.

    llama.py MODEL.gguf THREADS
"""
import ctypes, json, statistics, sys, time

import llama_cpp

path, threads = sys.argv[1], int(sys.argv[2])
quiet = llama_cpp.llama_log_callback(lambda level, text, data: None)
llama_cpp.llama_log_set(quiet, None)
llm = llama_cpp.Llama(path, n_ctx=1024, n_batch=512, n_ubatch=512, n_threads=threads, n_threads_batch=threads, flash_attn=True, verbose=False)
vocabulary = llm.n_vocab()


def decode(tokens):
    """One llama_decode, without the copies that Llama.eval makes of logits."""
    array = (llama_cpp.llama_token * len(tokens))(*tokens)
    if llama_cpp.llama_decode(llm.ctx, llama_cpp.llama_batch_get_one(array, len(tokens))):
        sys.exit("llama.py: llama_decode failed")
    return llama_cpp.llama_get_logits_ith(llm.ctx, -1)


def prompt(n):
    llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(llm.ctx), True)
    return decode([(i * 7919 + 13) % (vocabulary - 100) for i in range(n)])


sampler = llama_cpp.llama_sampler_init_greedy()
prefill, decoding = [], []
for _ in range(5):
    start = time.perf_counter()
    prompt(512)
    prefill.append(512 / (time.perf_counter() - start))
for _ in range(4):
    prompt(32)
    start = time.perf_counter()
    for _ in range(128):
        decode([llama_cpp.llama_sampler_sample(sampler, llm.ctx, -1)])
    decoding.append(128 / (time.perf_counter() - start))
print(json.dumps({"prefill 512": statistics.median(prefill), "decode 128": statistics.median(decoding)}))
