#!/usr/bin/env python3
"""Measures nfcot beside OpenBLAS and PyTorch, alternating, and prints docs/performance.md's tables.

    scripts/peers.py --nfcot ./nfcot --peers DIR [--rounds 3] [gemm] [train]

DIR holds the programs that measure the others: ob (OpenBLAS sgemm) and train_torch.py (PyTorch training step).
A round runs theirs, then ours; every number is the median over the rounds, every ratio the median of the rounds' ratios.
"""
import argparse, json, math, os, re, statistics, subprocess, sys

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--nfcot", required=True, help="the nfcot binary")
parser.add_argument("--peers", required=True, help="folder of the programs that measure the others")
parser.add_argument("--rounds", type=int, default=3, help="rounds (default 3)")
parser.add_argument("--python", default="/usr/bin/python3", help="interpreter that has PyTorch")
parser.add_argument("groups", nargs="*", default=[], help="gemm, train (default: both)")
args = parser.parse_args()

# Some machines name a processor for OpenBLAS: it shall choose its fastest kernels itself.
environment = {k: v for k, v in os.environ.items() if not k.startswith("OPENBLAS_")} | {"OMP_WAIT_POLICY": "PASSIVE"}


def output(*command):
    return subprocess.run(command, cwd=args.peers, env=environment, check=True, capture_output=True, text=True).stdout


def ours(group, threads):
    report = json.loads(output(os.path.abspath(args.nfcot), "bench", "--json", "--quiet", "--only", group, "--threads", str(threads)))
    peaks.append((threads, report["peak_gflops"], report["peak_gbps"]))
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


def measure(theirs, mine):
    rounds = [(theirs(), mine()) for _ in range(args.rounds)]
    return [t for t, _ in rounds], [m for _, m in rounds]


def row(name, t, m):
    ratio = statistics.median(b / a for a, b in zip(t, m))
    print(f"| {name} | {statistics.median(t):.4g} | {statistics.median(m):.4g} | {ratio:.2f} |")
    sys.stdout.flush()
    return ratio


peaks = []
groups = args.groups or ["gemm", "train"]
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
if "train" in groups:
    t, m = measure(torch, lambda: ours("train", 2))
    print("\n| training step, 2 threads | PyTorch, tokens/s | nfcot, tokens/s | ratio |\n|---|---|---|---|")
    for group, name, n in m[0]:
        row(name, [x["train", name.split(" ", 1)[1], 2] for x in t], [x[group, name, n] for x in m])
for threads in sorted({p[0] for p in peaks}):
    some = [p for p in peaks if p[0] == threads]
    print(f"\npeak of this machine, {threads} thread(s): {statistics.median(p[1] for p in some):.0f} GFLOP/s, {statistics.median(p[2] for p in some):.1f} GB/s")
