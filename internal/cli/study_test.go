package cli

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"nfcot/internal/ckpt"
	"nfcot/internal/cot/experiment"
	"nfcot/internal/cot/probe"
	"nfcot/internal/eval"
	"nfcot/internal/eval/harness"
)

// A fakeMethod is what fakeStudy makes up about a method.
type fakeMethod struct {
	name, method       string
	pass               float64 // mean of pass@1
	spread             float64 // of the samples of a problem: 0: all alike
	positions, cost    float64 // MFLOP of thinking
	afterRL, rlSpreads float64
}

var fakeMethods = []fakeMethod{
	{"Direct", "direct", 0.22, 1, 0, 0, 0, 0},
	{"Explicit CoT", "cot", 0.71, 1, 34.2, 60, 0.80, 0.2},
	{"Coconut", "coconut", 0.35, 0.1, 5, 8, 0, 0},
	{"LaVAE", "lavae", 0.60, 0.1, 5, 8, 0, 0},
	{"LaDiR", "ladir", 0.68, 0.8, 5, 45, 0, 0},
	{"Soft Thinking", "softthinking", 0.69, 0.6, 34.2, 61, 0, 0},
	{"Soft Thinking with Gumbel noise", "softthinking", 0.70, 0.8, 34.2, 61, 0, 0},
	{"NF-CoT, two passes", "nfcot-dual", 0.73, 1, 5, 17, 0, 0},
	{"NF-CoT", "nfcot", 0.82, 1, 5, 9, 0.90, 0.9},
}

// fakeStudy writes a whole study with plausible numbers into dir: every part,
// three seeds.
func fakeStudy(t testing.TB, dir string) {
	t.Helper()
	rng := rand.New(rand.NewPCG(7, 7))
	var entries []map[string]any
	add := func(entry map[string]any) { entries = append(entries, entry) }
	for seed := 1; seed <= 3; seed++ {
		in := func(name string) string { return fmt.Sprintf("seed%d/%s", seed, name) }
		for _, m := range fakeMethods {
			run, evaluation := in("run "+m.name), in("eval "+m.name)
			fakeRun(t, filepath.Join(dir, run), m, 400, rng)
			fakeEvaluation(t, filepath.Join(dir, evaluation), m, seed, m.pass, m.spread, rng)
			add(map[string]any{"part": "methods", "name": m.name, "method": m.method, "seed": seed, "run": run, "eval": evaluation})
			if m.afterRL > 0 {
				run, evaluation := in("rl "+m.name), in("eval rl "+m.name)
				fakeRL(t, filepath.Join(dir, run), m, rng)
				fakeEvaluation(t, filepath.Join(dir, evaluation), m, seed, m.afterRL, m.rlSpreads, rng)
				add(map[string]any{"part": "rl", "name": m.name + " + RL", "method": m.method, "seed": seed, "before": m.name, "run": run, "eval": evaluation})
			}
			if seed == 1 && slices.Contains([]string{"cot", "nfcot", "ladir"}, m.method) {
				evaluation := "cost " + m.name
				fakeEvaluation(t, filepath.Join(dir, evaluation), m, seed, m.pass, m.spread, rng)
				add(map[string]any{"part": "cost", "name": m.name, "seed": 1, "eval": evaluation})
				for i, steps := range []int{100, 200, 400, 800} {
					run, evaluation := fmt.Sprintf("budget %s %d", m.name, steps), fmt.Sprintf("eval budget %s %d", m.name, steps)
					fakeRun(t, filepath.Join(dir, run), m, steps, rng)
					fakeEvaluation(t, filepath.Join(dir, evaluation), m, seed, m.pass*(0.4+0.2*float64(i)), m.spread, rng)
					add(map[string]any{"part": "curve", "name": m.name, "seed": 1, "x": "training TFLOP", "run": run, "eval": evaluation})
				}
			}
		}
		for _, ablation := range []struct {
			name string
			loss float64
		}{{"stage 1 left out", 0.06}, {"shallow flow left out", 0.12}, {"identity permutations", 0.01}, {"no dequantisation noise", 0.2},
			{"flow unfrozen from the start of training", 0.3}, {"thoughts at temperature 0", -0.01}, {"oracle codes", -0.15}} {
			name, loss := ablation.name, ablation.loss
			evaluation := in("eval " + name)
			m := fakeMethods[len(fakeMethods)-1]
			fakeEvaluation(t, filepath.Join(dir, evaluation), m, seed, m.pass-loss, m.spread, rng)
			add(map[string]any{"part": "ablations", "name": name, "method": "nfcot", "seed": seed, "eval": evaluation})
		}
		report := map[string]any{"model": "m", "bench": "b", "samples": 100, "seed": seed}
		var scales []probe.PerturbedScale
		for _, s := range []float64{0, 0.5, 1, 2, 3} {
			jitter := 0.02 * rng.Float64() * s
			scales = append(scales, probe.PerturbedScale{
				Scale: s, Cosine: 1 / math.Sqrt(1+s*s*9), PassOne: probe.PassOne{Pass1: 0.82 - 0.03*s - jitter, Low: 0.78 - 0.03*s, High: 0.86 - 0.03*s},
				Agreement: 1 - 0.04*s - jitter, Exact: 1 - 0.22*s - jitter,
			})
		}
		report["scales"] = scales
		if err := ckpt.WriteJSON(filepath.Join(dir, in("perturb.json")), report); err != nil {
			t.Fatal(err)
		}
		add(map[string]any{"part": "perturb", "name": "NF-CoT", "seed": seed, "probe": in("perturb.json")})
	}
	if err := ckpt.WriteJSONL(filepath.Join(dir, studyFile), slices.Values(entries)); err != nil {
		t.Fatal(err)
	}
}

// fakeEvaluation writes an evaluation of 24 problems with 8 samples each.
func fakeEvaluation(t testing.TB, dir string, m fakeMethod, seed int, pass, spread float64, rng *rand.Rand) {
	t.Helper()
	var problems []eval.Problem
	var verdicts []eval.Verdict
	for i := range 24 {
		task := fmt.Sprintf("task/%d", i)
		problems = append(problems, eval.Problem{TaskID: task})
		skill := min(1, max(0, pass+0.25*rng.NormFloat64()))
		all := rng.Float64() < skill
		for range 8 {
			v := eval.Verdict{Sample: eval.Sample{TaskID: task, Completion: "x", Finished: true, AnswerTokens: 13, ReasoningPositions: int(m.positions + 0.5*rng.Float64()),
				ThinkSeconds: m.cost * 1e-4 * (1 + 0.1*rng.Float64()), AnswerSeconds: 8e-4, ThinkFLOPs: m.cost * 1e6, AnswerFLOPs: 9e6}}
			v.Passed = all
			if rng.Float64() < spread {
				v.Passed = rng.Float64() < skill
			}
			v.Result = "failed: no"
			if v.Passed {
				v.Result = "passed"
			}
			verdicts = append(verdicts, v)
		}
	}
	report, err := eval.Summarize(problems, verdicts, []int{1, 4, 8})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	x := harness.Evaluation{Settings: harness.Settings{Method: m.method, Bench: "fake", ProblemsHash: fmt.Sprint("problems ", seed)}, Report: report}
	if err := ckpt.WriteJSONL(filepath.Join(dir, "verdicts.jsonl"), slices.Values(verdicts)); err != nil {
		t.Fatal(err)
	}
	if err := ckpt.WriteJSON(filepath.Join(dir, "report.json"), x); err != nil {
		t.Fatal(err)
	}
}

func fakeRun(t testing.TB, dir string, m fakeMethod, steps int, rng *rand.Rand) {
	t.Helper()
	var lines []map[string]any
	for step := 1; step <= steps; step++ {
		progress := 1 - math.Exp(-float64(step)/80)
		line := map[string]any{"step": step, "stage": 2, "loss": 6 - 4*progress, "lr": 0.001, "grad_norm": 3 - 2*progress + 0.2*rng.Float64(),
			"backbone_flops": 2e9 + m.cost*1e7, "tokens_per_second": 30000, "seconds": 0.05}
		if step%50 == 0 {
			line["held_out_flow_nats_per_dim"] = 0.4 - progress
			line["held_out_text_nats_per_token"] = 1.8 - m.pass*progress + 0.02*rng.Float64()
			for k := 1; m.method == "nfcot" && k <= 5; k++ {
				line[fmt.Sprintf("held_out_sigma_thought_%d", k)] = 1 - progress*(0.75-0.08*float64(k))
				line[fmt.Sprintf("held_out_nll_thought_%d_nats_per_dim", k)] = 1.4 - progress*(1.3-0.1*float64(k))
			}
		}
		lines = append(lines, line)
	}
	writeRun(t, dir, lines)
	if err := ckpt.Write(filepath.Join(dir, experiment.ModelFile), []ckpt.Tensor{{Name: "w", Shape: []int{100, 3}, Data: make([]float32, 300)}}, nil); err != nil {
		t.Fatal(err)
	}
}

func fakeRL(t testing.TB, dir string, m fakeMethod, rng *rand.Rand) {
	t.Helper()
	var lines []map[string]any
	for step := 1; step <= 150; step++ {
		progress := 1 - math.Exp(-float64(step)/60)
		line := map[string]any{"step": step, "reward": m.pass + (m.afterRL-m.pass)*progress + 0.02*rng.NormFloat64(), "reward_std": 0.3, "kl_text": 0.02 * progress,
			"kl_thoughts": 0, "entropy_text": 0.5 - m.cost/300*progress, "clip_thoughts": 0, "clip_text": 0.05 * rng.Float64(), "rollouts": step * 64, "seconds": 1.5}
		if m.method == "nfcot" {
			line["kl_thoughts"], line["clip_thoughts"] = 0.05*progress, 0.1+0.05*rng.Float64()
		}
		lines = append(lines, line)
	}
	writeRun(t, dir, lines)
}

func writeRun(t testing.TB, dir string, lines []map[string]any) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := ckpt.WriteJSONL(filepath.Join(dir, experiment.MetricsFile), slices.Values(lines)); err != nil {
		t.Fatal(err)
	}
}
