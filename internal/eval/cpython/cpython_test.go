package cpython

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"nfcot/internal/eval"
	"nfcot/internal/eval/sandbox"
	"nfcot/internal/shared"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == sandbox.Subcommand {
		os.Exit(sandbox.Main(os.Args[2:]))
	}
	os.Exit(m.Run())
}

// dataFile is a file of the folder with benchmark data.
func dataFile(t testing.TB, name string) string {
	t.Helper()
	return filepath.Join(shared.Data(t), name)
}

// lines returns the lines of a file of JSON lines.
func lines(t testing.TB, name string) []json.RawMessage {
	t.Helper()
	f, err := os.Open(dataFile(t, name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	scanner := bufio.NewScanner(f)
	if strings.HasSuffix(name, ".gz") {
		z, err := gzip.NewReader(f)
		if err != nil {
			t.Fatal(err)
		}
		scanner = bufio.NewScanner(z)
	}
	scanner.Buffer(nil, 64<<20)
	var all []json.RawMessage
	for scanner.Scan() {
		all = append(all, json.RawMessage(strings.Clone(scanner.Text())))
	}
	if err := scanner.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

func decode[T any](t testing.TB, line json.RawMessage) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(line, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// testOptions adds the interpreter of $NFCOT_PYTHON and this program's confined half.
func testOptions(o Options) Options {
	o.Python = os.Getenv("NFCOT_PYTHON")
	o.Sandbox.Command = []string{os.Args[0], sandbox.Subcommand}
	return o
}

// open opens an Executor for the time of a test.
func open(t testing.TB, o Options) *Executor {
	t.Helper()
	x, err := Open(t.Context(), testOptions(o))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := x.Close(); err != nil {
			t.Error(err)
		}
	})
	return x
}

// humanEval, evalPlus and mbpp return problems and their own solutions.
func humanEval(t testing.TB) []eval.Problem {
	var problems []eval.Problem
	for _, line := range lines(t, "humaneval/HumanEval.jsonl.gz") {
		problems = append(problems, decode[eval.Problem](t, line))
	}
	return problems
}

var infinity = regexp.MustCompile(`([\[,:] *-?)(Infinity|NaN)\b`)

func evalPlus(t testing.TB, name string) []eval.Problem {
	var problems []eval.Problem
	for _, line := range lines(t, name) {
		// Infinity is no JSON, but stands in MBPP+.
		p := decode[eval.Problem](t, infinity.ReplaceAll(line, []byte("${1}0")))
		p.Format, p.Raw = eval.EvalPlus, line
		problems = append(problems, p)
	}
	return problems
}

func mbppProblem(t testing.TB, line json.RawMessage) eval.Problem {
	p := decode[struct {
		TaskID int `json:"task_id"`
		Code   string
	}](t, line)
	return eval.Problem{TaskID: fmt.Sprint("Mbpp/", p.TaskID), CanonicalSolution: p.Code, Format: eval.MBPP, Raw: line}
}

func mbpp(t testing.TB) []eval.Problem {
	var problems []eval.Problem
	for _, line := range lines(t, "mbpp/mbpp.jsonl") {
		problems = append(problems, mbppProblem(t, line))
	}
	return problems
}

func sanitizedMBPP(t testing.TB) []eval.Problem {
	data, err := os.ReadFile(dataFile(t, "mbpp/sanitized-mbpp.json"))
	if err != nil {
		t.Fatal(err)
	}
	var problems []eval.Problem
	for _, line := range decode[[]json.RawMessage](t, data) {
		problems = append(problems, mbppProblem(t, line))
	}
	return problems
}

// each calls f for the numbers below n, two at a time.
func each(n int, f func(i int)) {
	var group sync.WaitGroup
	for w := range 2 {
		group.Go(func() {
			for i := w; i < n; i += 2 {
				f(i)
			}
		})
	}
	group.Wait()
}

// needObjects are the problems whose tests make objects of the candidate's classes.
var needObjects = []string{"Mbpp/367", "Mbpp/601", "Mbpp/927"}

func TestCanonicalSolutionsPass(t *testing.T) {
	sets := []struct {
		name     string
		problems func(t testing.TB) []eval.Problem
		some     int // how many of them do for every day
	}{
		{"HumanEval", humanEval, 60},
		{"MBPP", mbpp, 60},
		{"MBPP sanitized", sanitizedMBPP, 40},
		{"HumanEval+", func(t testing.TB) []eval.Problem { return evalPlus(t, "humaneval_plus/HumanEvalPlus.jsonl.gz") }, 12},
		{"MBPP+", func(t testing.TB) []eval.Problem { return evalPlus(t, "mbpp_plus/MbppPlus.jsonl.gz") }, 25},
	}
	for _, set := range sets {
		t.Run(set.name, func(t *testing.T) {
			all := set.problems(t)
			problems := spread(all, set.some)
			for _, p := range all {
				if slices.Contains(needObjects, p.TaskID) && !slices.ContainsFunc(problems, func(q eval.Problem) bool { return q.TaskID == p.TaskID }) {
					problems = append(problems, p)
				}
			}
			o := Options{Workers: 2}
			if problems[0].Format == eval.MBPP {
				o.Timeout = 20 * time.Second // Mbpp/123 takes several
			}
			x := open(t, o)
			each(len(problems), func(i int) {
				p := problems[i]
				o, err := x.Execute(t.Context(), p, p.Prompt+p.CanonicalSolution)
				if err != nil {
					t.Error(err)
				} else if o.Kind != eval.Passed {
					t.Errorf("%s: %s; base %s, plus %s", p.TaskID, o.Result(), o.Base, o.Plus)
				} else if o.InProcess != slices.Contains(needObjects, p.TaskID) {
					t.Errorf("%s: in process: %v", p.TaskID, o.InProcess)
				}
			})
		})
	}
}

// BenchmarkHumanEval judges HumanEval's own solutions with two workers. The
// reference harness takes 2.4 to 3.1 s for that on a machine with two
// processors.
func BenchmarkHumanEval(b *testing.B) {
	problems := humanEval(b)
	x := open(b, Options{Workers: 2})
	for b.Loop() {
		each(len(problems), func(i int) {
			p := problems[i]
			if o, err := x.Execute(b.Context(), p, p.Prompt+p.CanonicalSolution); err != nil || o.Kind != eval.Passed {
				b.Errorf("%s: %s, %v", p.TaskID, o.Result(), err)
			}
		})
	}
}
