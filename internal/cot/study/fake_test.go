package study

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"nfcot/internal/ckpt"
	"nfcot/internal/cot/experiment"
	"nfcot/internal/cot/probe"
	"nfcot/internal/eval"
)

// fakePass are means of pass@1 of made-up evaluations, by their ids; others have 0.75.
var fakePass = map[string]float64{
	"eval-nfcot": 0.82, "eval-cot": 0.71, "eval-lavae": 0.60, "eval-ladir": 0.68, "eval-coconut": 0.35, "eval-nfcot-dual": 0.73, "eval-direct": 0.22,
	"eval-many-nfcot-rl": 0.9, "eval-many-cot-rl": 0.8, "eval-nfcot-50": 0.5, "eval-cot-50": 0.4,
}

// fakeStudy writes plausible numbers for all that the report of scripts/study-tiny.yaml is made of, under three seeds, and
// returns the plan.
func fakeStudy(t testing.TB, dir string) *Plan {
	t.Helper()
	p, err := ReadPlan("../../../scripts/study-tiny.yaml")
	if err != nil {
		t.Fatal(err)
	}
	p.Seeds["all"] = []uint64{1, 2, 3}
	fakeResults(t, p, dir)
	return p
}

// fakeResults writes what the report of a plan is made of.
func fakeResults(t testing.TB, p *Plan, dir string) {
	t.Helper()
	rng := rand.New(rand.NewPCG(7, 7))
	for i := range p.Entries {
		e := &p.Entries[i]
		for _, s := range p.seeds(e) {
			path := filepath.Join(dir, e.file(s))
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			switch e.kind {
			case "train":
				fakeRun(t, path, e, rng)
			case "rl":
				fakeRL(t, path, p.method(e), rng)
			case "eval":
				fakeEvaluation(t, path, e, p.method(e), s, rng)
			case "probe":
				fakeProbe(t, path, e.Probe.Kind, s, rng)
			}
		}
	}
}

func fakeProbe(t testing.TB, path, kind string, s seed, rng *rand.Rand) {
	t.Helper()
	switch kind {
	case "oracle":
		writeJSON(t, path, fakeComparison(0.5, nil, 2, 1))
	case "intervene":
		fakeInterventions(t, path, float64(s.value))
	case "likelihood":
		writeJSON(t, path, map[string]any{"problems": []any{map[string]float64{"logp_answer": -rng.Float64()}}})
	case "read":
		no := false
		writeJSON(t, path, probe.Readings{Problems: []probe.Reading{{TaskID: "task/0", Prompt: "def f(x):\n",
			Samples: []probe.ReadSample{{Thoughts: []probe.ReadThought{{Text: "x is 3\n"}, {Text: "x | 4", Right: &no}}, Answer: "  y = x\n  return y\n"}}}}})
	default:
		fakePerturbation(t, path, rng)
	}
}

func writeJSON(t testing.TB, path string, value any) {
	t.Helper()
	text, err := json.Marshal(value)
	if err == nil {
		err = os.WriteFile(path, text, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func fakePerturbation(t testing.TB, path string, rng *rand.Rand) {
	t.Helper()
	var scales []map[string]float64
	for _, s := range []float64{0, 0.5, 1, 2, 3} {
		jitter := 0.02 * rng.Float64() * s
		scales = append(scales, map[string]float64{"scale": s, "cosine": 1 / math.Sqrt(1+s*s*9), "pass1": 0.82 - 0.03*s - jitter,
			"verdict_agreement": 1 - 0.04*s - jitter, "exact_match": 1 - 0.22*s - jitter})
	}
	writeJSON(t, path, map[string]any{"scales": scales})
}

func fakeInterventions(t testing.TB, path string, seed float64) {
	t.Helper()
	row := func(thoughts string, own, donor float64) map[string]any {
		return map[string]any{"thoughts": thoughts, "problems": 12, "own_pass1": map[string]float64{"pass1": own}, "donor_pass1": map[string]float64{"pass1": donor},
			"own_logp_program": map[string]float64{"value": -seed}, "donor_logp_program": map[string]float64{"value": -8}}
	}
	writeJSON(t, path, map[string]any{"interventions": []any{row("own", 0.8, 0.01*seed), row("other", 0.1, 0.75)}})
}

// fakeEvaluation writes an evaluation of 12 problems with 4 samples each.
func fakeEvaluation(t testing.TB, dir string, e *Entry, method string, s seed, rng *rand.Rand) {
	t.Helper()
	pass, ok := fakePass[e.ID]
	if !ok {
		pass = 0.75
	}
	positions, megaflops := 5, 9.0
	if method == "cot" {
		positions, megaflops = 40, 60
	}
	var problems []eval.Problem
	var verdicts []eval.Verdict
	for i := range 12 {
		task := fmt.Sprintf("task/%d", i)
		problems = append(problems, eval.Problem{TaskID: task})
		skill := min(1, max(0, pass+0.1*rng.NormFloat64()))
		for range 4 {
			v := eval.Verdict{Sample: eval.Sample{TaskID: task, Completion: "x", Finished: true, AnswerTokens: 13, ReasoningPositions: positions,
				ThinkSeconds: megaflops * 1e-4 * (1 + 0.1*rng.Float64()), AnswerSeconds: 8e-4, ThinkFLOPs: megaflops * 1e6, AnswerFLOPs: 9e6}}
			v.Passed = rng.Float64() < skill
			v.Result = "failed: no"
			if v.Passed {
				v.Result = "passed"
			}
			verdicts = append(verdicts, v)
		}
	}
	report, err := eval.Summarize(problems, verdicts, []int{1, 4})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := ckpt.WriteJSONL(filepath.Join(dir, "verdicts.jsonl"), slices.Values(verdicts)); err != nil {
		t.Fatal(err)
	}
	writeJSON(t, filepath.Join(dir, "report.json"), struct {
		Method       string `json:"method"`
		Bench        string `json:"bench"`
		ProblemsHash string `json:"problems_sha256"`
		eval.Report
	}{method, "fake", "problems " + e.Eval.Problems.ID + e.Eval.Bench + s.String(), report})
}

// fakeRun writes a run of 400 steps, or of as many as its id ends with.
func fakeRun(t testing.TB, dir string, e *Entry, rng *rand.Rand) {
	t.Helper()
	var lines []map[string]any
	steps, err := strconv.Atoi(e.ID[strings.LastIndex(e.ID, "-")+1:])
	if err != nil {
		steps = 400
	}
	for step := 1; step <= steps; step++ {
		progress := 1 - math.Exp(-float64(step)/80)
		line := map[string]any{"step": step, "stage": 2, "loss": 6 - 4*progress, "lr": 0.001, "grad_norm": 3 - 2*progress + 0.2*rng.Float64(),
			"backbone_flops": 2e9 * (1 + rng.Float64()), "tokens_per_second": 30000, "seconds": 0.05}
		if step%50 == 0 {
			line["held_out_flow_nats_per_dim"] = 0.4 - progress
			line["held_out_text_nats_per_token"] = 1.8 - progress + 0.02*rng.Float64()
			for k := 1; e.Train.Method == "nfcot" && k <= 5; k++ {
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

func fakeRL(t testing.TB, dir, method string, rng *rand.Rand) {
	t.Helper()
	var lines []map[string]any
	for step := 1; step <= 150; step++ {
		progress := 1 - math.Exp(-float64(step)/60)
		line := map[string]any{"step": step, "reward": 0.7 + 0.1*progress + 0.02*rng.NormFloat64(), "reward_std": 0.3, "kl_text": 0.02 * progress,
			"kl_thoughts": 0, "entropy_text": 0.5 - 0.1*progress, "clip_thoughts": 0, "clip_text": 0.05 * rng.Float64(), "rollouts": step * 64, "seconds": 1.5}
		if method == "nfcot" {
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

// planOf reads a plan that a text is.
func planOf(t testing.TB, text string) (*Plan, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "plan.yaml")
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(text, "\t", "  ")), 0o644); err != nil {
		t.Fatal(err)
	}
	return ReadPlan(path)
}
