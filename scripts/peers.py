#!/usr/bin/env python3
"""Measures nfcot beside OpenBLAS, PyTorch and llama.cpp, alternating, and prints docs/performance.md's tables.

    scripts/peers.py --nfcot ./nfcot --peers DIR [--rounds 3] [gemm] [gemv] [train] [model]

DIR holds the programs that measure the others: ob (OpenBLAS sgemm), train_torch.py (PyTorch training step), llama_bench.mjs (llama.cpp) with
bf16.gguf and q8.gguf, models of random weights in the shape of Qwen3-0.6B.
A round runs theirs, then ours; every number is the median over the rounds, every ratio the median of the rounds' ratios.
"""
import argparse, json, math, os, re, statistics, subprocess, sys

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--nfcot", required=True, help="the nfcot binary")
parser.add_argument("--peers", required=True, help="folder of the programs that measure the others")
parser.add_argument("--rounds", type=int, default=3, help="rounds (default 3)")
parser.add_argument("--python", default="/usr/bin/python3", help="interpreter that has PyTorch")
parser.add_argument("groups", nargs="*", default=[], help="gemm, gemv, train, model (default: all)")
args = parser.parse_args()

# Some machines name a processor for OpenBLAS: it shall choose its fastest kernels itself.
environment = {k: v for k, v in os.environ.items() if not k.startswith("OPENBLAS_")} | {"OMP_WAIT_POLICY": "PASSIVE"}


def output(*command):
    return subprocess.run(command, cwd=args.peers, env=environment, check=True, capture_output=True, text=True).stdout


def ours(group, threads):
    report = json.loads(output(os.path.abspath(args.nfcot), "bench", "--json", "--quiet", "--only", group, "--threads", str(threads)))
    peaks.append((threads, report["peak_gflops"], report["peak_gbps"]))
    shares.update({(r["group"], r["name"]): shares.get((r["group"], r["name"]), []) + [r["share"]] for r in report["results"]})
    return {(r["group"], r["name"], threads): r["value"] for r in report["results"]}


def openblas():
    found = {}
    for line in output(os.path.join(args.peers, "ob")).splitlines():
        shape = re.match(r"M\s*(\d+) N\s*(\d+) K\s*(\d+)", line)
        for threads, median in re.findall(r"T(\d) NT\s+[\d.]+/\s*([\d.]+)/", line):
            found["gemm", "x".join(shape.groups()), int(threads)] = float(median)
    return found


def torch():
    found = {}
    for d, layers, median in re.findall(r" d=(\d+) L=(\d+) .* tok/s [\d.]+/([\d.]+)/", output(args.python, "train_torch.py", "2")):
        found["train", f"d{d} L{layers}", 2] = float(median)
    return found


def llama():
    found = {}
    for ours, name in ("bf16", "bf16"), ("int8", "q8"):
        line = output("node", "llama_bench.mjs", f"{name}.gguf", "2", "0")
        for work, speeds in re.findall(r"(prefill512|decode128) tok/s ([\d./]+)", line):
            found["model", f"{ours} {work[:-3]} {work[-3:]}", 2] = statistics.median(map(float, speeds.split("/")))
    return found


def measure(theirs, mine):
    rounds = [(theirs(), mine()) for _ in range(args.rounds)]
    return [t for t, _ in rounds], [m for _, m in rounds]


def row(name, t, m):
    ratio = statistics.median(b / a for a, b in zip(t, m))
    print(f"| {name} | {statistics.median(t):.4g} | {statistics.median(m):.4g} | {ratio:.2f} |")
    sys.stdout.flush()
    return ratio


peaks, shares = [], {}
groups = args.groups or ["gemm", "gemv", "train", "model"]
if "gemm" in groups:
    t, m = measure(openblas, lambda: ours("gemm", 1) | ours("gemm", 2))
    shapes = list(m[0])
    for threads in 1, 2:
        print(f"\n| M x N x K, {threads} thread(s) | OpenBLAS | nfcot | ratio |\n|---|---|---|---|")
        ratios = []
        for group, name, n in shapes:
            if n == threads:
                shape = name.split()[1]
                ratios.append(row(shape, [x["gemm", shape, n] for x in t], [x[group, name, n] for x in m]))
        print(f"| geometric mean | | | {math.exp(statistics.mean(map(math.log, ratios))):.3f} |")
if "gemv" in groups:
    print("\n| weights, 2 threads | GB/s | of the bandwidth |\n|---|---|---|")
    m = [ours("gemv", 2) for _ in range(args.rounds)]
    for key in m[0]:
        print(f"| {key[1]} | {statistics.median(x[key] for x in m):.1f} | {statistics.median(shares[key[:2]]):.0%} |")
if "train" in groups:
    t, m = measure(torch, lambda: ours("train", 2))
    print("\n| training step, 2 threads | PyTorch, tokens/s | nfcot, tokens/s | ratio |\n|---|---|---|---|")
    for group, name, n in m[0]:
        row(name, [x["train", name.split(" ", 1)[1], 2] for x in t], [x[group, name, n] for x in m])
if "model" in groups:
    t, m = measure(llama, lambda: ours("model", 2))
    print("\n| Qwen3-0.6B, 2 threads | llama.cpp, tokens/s | nfcot, tokens/s | ratio | of the bandwidth |\n|---|---|---|---|---|")
    for key in m[0]:
        mine, share = [x[key] for x in m], f"{statistics.median(shares[key[:2]]):.0%}" if "decode" in key[1] else ""
        if key in t[0]:
            print(f"| {key[1]} | {statistics.median(x[key] for x in t):.4g} | {statistics.median(mine):.4g} | {statistics.median(b / a[key] for a, b in zip(t, mine)):.2f} | {share} |")
        else:
            print(f"| {key[1]} | | {statistics.median(mine):.4g} | | {share} |")
for threads in sorted({p[0] for p in peaks}):
    some = [p for p in peaks if p[0] == threads]
    print(f"\npeak of this machine, {threads} thread(s): {statistics.median(p[1] for p in some):.0f} GFLOP/s, {statistics.median(p[2] for p in some):.1f} GB/s")
