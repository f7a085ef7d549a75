package minicode

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"nfcot/internal/cot"
)

func examples(t testing.TB, s Spec, split string, seed uint64, n int) []cot.Example {
	t.Helper()
	list, err := s.Examples(split, seed, n)
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != n {
		t.Fatalf("%s: %d examples, asked for %d", s, len(list), n)
	}
	return list
}

// The benchmark must not change by accident: results would no longer compare.
func TestGolden(t *testing.T) {
	for name, want := range map[string]string{
		"minicode:all:easy":   "0eb8226678326126",
		"minicode:all:medium": "f6da145ab7c2afc1",
		"minicode:all:hard":   "f2e20ffa37e52d4d",

		"minicode:story:easy":   "bac7deec1ec19cd2",
		"minicode:story:medium": "7afb07f037686574",
		"minicode:story:hard":   "52a6621e49c0e4a5",
	} {
		spec, err := ParseName(name)
		if err != nil {
			t.Fatal(err)
		}
		hash := sha256.New()
		for _, split := range splits {
			for _, seed := range []uint64{0, 1 << 63} {
				if err := json.NewEncoder(hash).Encode(examples(t, spec, split, seed, 40)); err != nil {
					t.Fatal(err)
				}
			}
		}
		if got := hex.EncodeToString(hash.Sum(nil)[:8]); got != want {
			t.Errorf("%s: hash %s, want %s", name, got, want)
		}
	}
}

func TestFirstExamplesDoNotDependOnTheNumber(t *testing.T) {
	for _, s := range append(everySpec(), Spec{Families: Families(), Level: "easy"}) {
		for _, split := range splits {
			few, many := examples(t, s, split, 7, 50), examples(t, s, split, 7, 200)
			if !slices.Equal(few, many[:50]) {
				t.Errorf("%s %s: the first 50 of 200 are not those of 50", s, split)
			}
		}
	}
}

func TestFamiliesTakeTurnsWithTheirOwnExamples(t *testing.T) {
	mixed := examples(t, Spec{Families: Families(), Level: "medium"}, "dev", 3, 42)
	next := map[string]int{}
	for i, ex := range mixed {
		name := Families()[i%len(families)]
		alone := examples(t, Spec{Families: []string{name}, Level: "medium"}, "dev", 3, 11)
		if ex != alone[next[name]] {
			t.Errorf("example %d is %s, want %s", i, ex.TaskID, alone[next[name]].TaskID)
		}
		next[name]++
	}
}

func TestSeedsAndSplitsGiveDifferentExamples(t *testing.T) {
	for _, s := range everySpec() {
		a, b := examples(t, s, "train", 1, 50), examples(t, s, "train", 2, 50)
		same := 0
		for i := range a {
			if a[i].Prompt == b[i].Prompt {
				same++
			}
		}
		if same > 5 {
			t.Errorf("%s: %d of 50 prompts do not depend on the seed", s, same)
		}
	}
}

// No problem is in two splits, whatever the seeds; within a call none comes twice.
func TestSplitsAreDisjoint(t *testing.T) {
	for _, s := range everySpec() {
		owner := map[string]string{}
		for _, split := range splits {
			for _, seed := range []uint64{0, 1, 99} {
				ids, prompts := map[string]bool{}, map[string]bool{}
				for _, ex := range examples(t, s, split, seed, 300) {
					if by, known := owner[ex.Prompt]; known && by != split {
						t.Fatalf("%s: %q is in %s and in %s", s, ex.Prompt, by, split)
					}
					owner[ex.Prompt] = split
					if ids[ex.TaskID] || prompts[ex.Prompt] {
						t.Fatalf("%s: %s comes twice in one call", s, ex.TaskID)
					}
					ids[ex.TaskID], prompts[ex.Prompt] = true, true
				}
			}
		}
	}
}

// rule:easy is small enough to be used up: 210 triples of x, 28 functions.
func TestSmallFamilyIsUsedUp(t *testing.T) {
	const problems = 210 * 28
	s := Spec{Families: []string{"rule"}, Level: "easy"}
	seen := map[string]bool{}
	train := examples(t, s, "train", 5, problems)
	for i, ex := range train {
		if seen[ex.Prompt] {
			t.Logf("train has %d problems", i)
			break
		}
		seen[ex.Prompt] = true
	}
	inTrain := len(seen)
	if inTrain < problems*77/100 || inTrain > problems*83/100 {
		t.Errorf("train repeats after %d of %d problems, want about 80 %%", inTrain, problems)
	}
	_, err := s.Examples("test", 5, problems)
	if err == nil {
		t.Fatal("test gives more problems than there are")
	}
	var inTest int
	if _, err := fmt.Sscanf(err.Error(), "minicode:rule:easy: the test split has no more than about %d", &inTest); err != nil {
		t.Fatalf("unclear error %q", err)
	}
	examples(t, s, "test", 5, inTest)
	dev := map[string]bool{}
	for _, ex := range examples(t, s, "dev", 5, problems-inTrain-inTest) {
		dev[ex.Prompt] = true
	}
	if inTrain+inTest+len(dev) != problems {
		t.Errorf("splits hold %d + %d + %d problems, want %d in all", inTrain, len(dev), inTest, problems)
	}
}

func TestOrders(t *testing.T) {
	for _, s := range everySpec() {
		_, sc := lookup(s.Families[0], s.Level)
		counts := map[order]int{}
		for _, ex := range examples(t, s, "train", 2, 400) {
			plan, _, _ := strings.Cut(ex.CoT, "\n")
			counts[order(strings.TrimPrefix(plan, "plan "))]++
		}
		for o, count := range counts {
			if !slices.Contains(sc.orders, o) {
				t.Errorf("%s: order %q occurs", s, o)
			}
			if share := 400 / len(sc.orders); count < share*8/10 {
				t.Errorf("%s: order %q %d times in 400, want about %d", s, o, count, share)
			}
		}
		if len(counts) != len(sc.orders) {
			t.Errorf("%s: %d orders occur, want %d", s, len(counts), len(sc.orders))
		}
		if both := s.Level != "easy" && s.Families[0] != "trace"; both != (len(counts) == 2) {
			t.Errorf("%s: %d orders", s, len(counts))
		}
	}
}

// Guessing must not pay: no answer may be frequent.
func TestNoAnswerIsFrequent(t *testing.T) {
	const n = 3000
	for _, s := range everySpec() {
		counts := map[string]int{}
		for _, ex := range examples(t, s, "train", 4, n) {
			counts[ex.Answer]++
		}
		top := slices.Max(slices.Collect(maps.Values(counts)))
		t.Logf("%s: %d answers, the most frequent %.1f %%", s, len(counts), 100*float64(top)/n)
		if top > n*8/100 {
			t.Errorf("%s: one answer covers %d of %d problems", s, top, n)
		}
		if len(counts) < 28 {
			t.Errorf("%s: only %d different answers", s, len(counts))
		}
	}
}

// The text keeps to what the package comment promises.
func TestText(t *testing.T) {
	answerLine := regexp.MustCompile(`^    return \S.*\n$`)
	for _, s := range everySpec() {
		shapes := map[string]bool{} // of the lines after the plan
		lines := 0
		for _, ex := range examples(t, s, "train", 6, 500) {
			if !strings.HasPrefix(ex.Prompt, "def f(") || !strings.HasSuffix(ex.Prompt, "\n    \"\"\"\n") {
				t.Fatalf("%s: prompt %q", ex.TaskID, ex.Prompt)
			}
			if !answerLine.MatchString(ex.Answer) {
				t.Fatalf("%s: answer %q", ex.TaskID, ex.Answer)
			}
			for _, text := range []string{ex.Prompt, ex.CoT, ex.Answer} {
				checkNumbers(t, ex.TaskID, text)
			}
			chain := strings.Split(ex.CoT, "\n")
			lines = max(lines, len(chain))
			if len(pretokens(chain[0])) != 4 {
				t.Fatalf("%s: plan %q", ex.TaskID, chain[0])
			}
			for _, line := range chain[1:] {
				shapes[shape(line)] = true
			}
		}
		steps := 0
		for _, name := range s.Families {
			_, sc := lookup(name, s.Level)
			steps = max(steps, sc.maxSteps)
		}
		if lines != 1+steps {
			t.Errorf("%s: the longest chain has %d lines, want a plan and %d steps", s, lines, steps)
		}
		if len(shapes) != 1 {
			t.Errorf("%s: chain lines of several shapes: %q", s, slices.Sorted(maps.Keys(shapes)))
		}
	}
}

// checkNumbers requires a leading space of every number, except of the one that
// numbers a chain's line.
func checkNumbers(t *testing.T, id, text string) {
	t.Helper()
	unnumbered := regexp.MustCompile(`(?m)^\d+\)`).ReplaceAllString(text, "")
	for _, token := range pretokens(unnumbered) {
		if token[0] >= '0' && token[0] <= '9' {
			t.Fatalf("%s: %q has a number without a leading space", id, text)
		}
	}
}

// shape is a line with operands and results, whatever stands in their places,
// taken out: the words before the arrow vary with the instruction.
func shape(line string) string {
	before, after, _ := strings.Cut(line, " ->")
	return fmt.Sprint(len(pretokens(before)), " ->", regexp.MustCompile(`\d+|yes|no`).ReplaceAllString(after, "?"))
}

var pretoken = regexp.MustCompile(` ?\pL+| ?\pN+| ?[^\s\pL\pN]+|\s+`)

// pretokens splits text as GPT-2 does: a run of white space leaves its last
// character to what follows it. (The benchmark has no apostrophes.)
func pretokens(text string) []string {
	var tokens []string
	for len(text) > 0 {
		token := pretoken.FindString(text)
		if len(token) > 1 && len(token) < len(text) && strings.TrimSpace(token) == "" {
			token = token[:len(token)-1]
		}
		tokens = append(tokens, token)
		text = text[len(token):]
	}
	return tokens
}

func TestPretokens(t *testing.T) {
	got := pretokens("    return (x * 3)\n    1) a += -> 10")
	want := []string{"   ", " return", " (", "x", " *", " 3", ")", "\n   ", " 1", ")", " a", " +=", " ->", " 10"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
