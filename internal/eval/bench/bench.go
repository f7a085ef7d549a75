// Package bench reads the public benchmarks, of code (HumanEval, MBPP, EvalPlus's
// two, LiveCodeBench) and of answers that are compared (GSM8K, ProsQA,
// multiplication), from the files that their makers publish, and knows the
// recipes by which the usual harnesses turn a problem into a prompt and a
// completion into a program. It runs nothing, and no problem's text is part of it.
package bench

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"nfcot/internal/eval"
	"nfcot/internal/eval/answer"
)

// A Benchmark is a set of problems and what its recipes need to know of it.
type Benchmark struct {
	Name     string // as it was asked for
	Problems []eval.Problem

	// DefaultRecipe names the recipe of those who ask for none.
	DefaultRecipe string

	// Rule is how answers are compared unless another rule is asked for; empty where
	// one has to be, and where programs are judged.
	Rule answer.Rule

	kind  kind
	shots []eval.Problem    // of MBPP: the tasks that a prompt with examples shows
	where map[string]string // the file and line of each task; nil where problems are made
}

// A set is a published set of problems: where its file lies, and where it comes from.
type set struct {
	name   string // NAME or NAME:VARIANT
	about  string
	folder string // the folder of the file within a folder of several benchmarks, or several parted by |
	file   string // its name, or a pattern for the names of several, or such patterns parted by |, the first that is there; .gz or .zst may follow
	source string // what to download
	format eval.Format
	split  [2]int // the first and the last task that belong to the set; zeros: all
	rule   answer.Rule
}

const (
	fromEvalPlus = "of github.com/evalplus/"
	fromGoogle   = "of github.com/google-research/google-research"
	fromICoT     = "of github.com/da03/Internalize_CoT_Step_by_Step"
)

// sets are the published sets. The splits of MBPP are those of its paper.
var sets = []set{
	{"humaneval", "164 problems", "humaneval", "HumanEval.jsonl", "data/HumanEval.jsonl.gz of github.com/openai/human-eval", eval.HumanEval, [2]int{}, ""},
	{"humaneval+", "the same with more tests", "humaneval_plus", "HumanEvalPlus.jsonl", "HumanEvalPlus.jsonl.gz " + fromEvalPlus + "humanevalplus_release", eval.EvalPlus, [2]int{}, ""},
	{"humaneval+:mini", "with fewer of those tests", "humaneval_plus", "HumanEvalPlus-Mini.jsonl", "HumanEvalPlus-Mini.jsonl.gz " + fromEvalPlus + "humanevalplus_release", eval.EvalPlus, [2]int{}, ""},
	{"humaneval+:origin", "in HumanEval's own format, whose verdicts differ", "humaneval_plus", "HumanEvalPlus-OriginFmt.jsonl", "HumanEvalPlus-OriginFmt.jsonl.gz " + fromEvalPlus + "humanevalplus_release", eval.HumanEval, [2]int{}, ""},
	{"mbpp", "the 500 problems of the test split", "mbpp", "mbpp.jsonl", "mbpp/mbpp.jsonl " + fromGoogle, eval.MBPP, [2]int{11, 510}, ""},
	{"mbpp:all", "all 974 problems", "mbpp", "mbpp.jsonl", "mbpp/mbpp.jsonl " + fromGoogle, eval.MBPP, [2]int{}, ""},
	{"mbpp:sanitized", "the 427 problems that were checked by hand", "mbpp", "sanitized-mbpp.json", "mbpp/sanitized-mbpp.json " + fromGoogle, eval.MBPP, [2]int{}, ""},
	{"mbpp+", "378 of those with more tests", "mbpp_plus", "MbppPlus.jsonl", "MbppPlus.jsonl.gz " + fromEvalPlus + "mbppplus_release", eval.EvalPlus, [2]int{}, ""},
	{"mbpp+:origin", "in a format near MBPP's, whose verdicts differ", "mbpp_plus", "MbppPlus-OriginFmt.jsonl", "MbppPlus-OriginFmt.jsonl.gz " + fromEvalPlus + "mbppplus_release", eval.HumanEval, [2]int{}, ""},
	{"livecodebench", "all test*.jsonl of the folder, or all *.jsonl if it has none", "livecodebench", "test*.jsonl|*.jsonl", "test.jsonl, test2.jsonl, ... of huggingface.co/datasets/livecodebench/code_generation_lite", eval.LiveCodeBench, [2]int{}, ""},
	{"gsm8k", "1,319 problems of school mathematics; numbers are compared", "cot|gsm8k", "gsm8k_test.jsonl|test.jsonl", "grade_school_math/data/test.jsonl of github.com/openai/grade-school-math", eval.Answers, [2]int{}, answer.Strict},
	{"prosqa", "300 questions of the validation set, which logic decides; answers are sentences", "cot|prosqa", "prosqa_valid.json", "data/prosqa_valid.json of github.com/facebookresearch/coconut", eval.Answers, [2]int{}, answer.Exact},
	{"multiply:4x4", "1,000 products, digits from the lowest to the highest", "cot|multiply", "mult_4x4_test.txt", "data/4_by_4_mult/test_bigbench.txt, as mult_4x4_test.txt, " + fromICoT, eval.Answers, [2]int{}, answer.Exact},
	{"multiply:5x5", "1,000 of larger factors", "cot|multiply", "mult_5x5_test.txt", "data/5_by_5_mult/test_bigbench.txt, as mult_5x5_test.txt, " + fromICoT, eval.Answers, [2]int{}, answer.Exact},
}

// Names are the names of the published sets.
func Names() []string {
	names := make([]string, len(sets))
	for i, s := range sets {
		names[i] = s.name
	}
	return names
}

// Help says of every published set what it is, and where its data is published, a line each.
func Help() string {
	var b strings.Builder
	for _, s := range sets {
		fmt.Fprintf(&b, "%-18s %s: %s\n", s.name, s.about, s.source)
	}
	return b.String()
}

// Plain is a benchmark of programs to continue, for models that end their answers
// themselves.
func Plain(name string, problems ...eval.Problem) *Benchmark {
	return &Benchmark{Name: name, Problems: problems, DefaultRecipe: "plain"}
}

// Load reads a published set from data: its file, or a folder that holds it,
// beside others or in the set's own folder; empty if the user named none. Any
// other name is that of a file in the format of HumanEval, MBPP, EvalPlus or
// LiveCodeBench, or of questions with answers ("-": standard input), and data is
// not looked at.
func Load(name, data string) (*Benchmark, error) {
	if i := slices.IndexFunc(sets, func(s set) bool { return s.name == name }); i >= 0 {
		return sets[i].load(data)
	}
	return read(set{name: name}, name)
}

func (s set) load(data string) (*Benchmark, error) {
	files, err := s.find(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.name, err)
	}
	b, err := read(s, files...)
	if err != nil {
		return nil, err
	}
	if found := b.Problems[0].Format; found != s.format {
		return nil, fmt.Errorf("%s: found %s, expected %s; download %s", files[0], formatName(found), formatName(s.format), s.source)
	}
	if s.split != [2]int{} {
		b.Problems = slices.DeleteFunc(b.Problems, func(p eval.Problem) bool {
			n, err := strconv.Atoi(p.TaskID)
			return err != nil || n < s.split[0] || n > s.split[1]
		})
		if len(b.Problems) == 0 {
			return nil, fmt.Errorf("%s: found no task from %d to %d", files[0], s.split[0], s.split[1])
		}
	}
	return b, nil
}

// find is where the set's files are. A folder may hold the file itself, or the
// set's own folder with the file in it.
func (s set) find(data string) ([]string, error) {
	if data == "" {
		return nil, fmt.Errorf("its data is not part of this program; download %s, and give the file, or its folder, as --data or $NFCOT_DATA", s.source)
	}
	info, err := os.Stat(data)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("data %s does not exist; download %s there", data, s.source)
	}
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{data}, nil
	}
	for folder := range strings.SplitSeq(s.folder+"|", "|") { // the last one is data itself
		folder = filepath.Join(data, folder)
		entries, err := os.ReadDir(folder)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		for pattern := range strings.SplitSeq(s.file, "|") {
			if files := among(folder, entries, pattern); files != nil {
				return files, nil
			}
		}
	}
	return nil, fmt.Errorf("found no %s (or .gz, .zst) in %s, nor in its folder %s; download %s there", or(s.file), data, or(s.folder), s.source)
}

// or is a list of names that are parted by |, for people.
func or(names string) string { return strings.ReplaceAll(names, "|", " or ") }

// among are the files of a folder that a pattern matches, each as it is rather
// than compressed if it is there twice.
func among(folder string, entries []fs.DirEntry, pattern string) []string {
	found := map[string]bool{}
	var files []string
	for _, ending := range []string{"", ".gz", ".zst"} {
		for _, e := range entries {
			name := strings.TrimSuffix(e.Name(), ending)
			if ok, _ := filepath.Match(pattern+ending, e.Name()); ok && !e.IsDir() && !found[name] {
				found[name] = true
				files = append(files, filepath.Join(folder, e.Name()))
			}
		}
	}
	slices.Sort(files)
	return files
}
