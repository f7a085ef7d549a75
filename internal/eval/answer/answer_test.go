package answer

import (
	"context"
	"encoding/json"
	"errors"
	"math/big"
	"os/exec"
	"strings"
	"testing"

	"nfcot/internal/eval"
)

// question is a problem with a right answer.
func question(right string, choices ...string) eval.Problem {
	return eval.Problem{TaskID: "q", Prompt: "?", CanonicalSolution: right, Choices: choices, Format: eval.Answers}
}

// An item is a text that answers a question whose right answer is a number.
type item struct {
	Right string `json:"right"`
	Text  string `json:"text"`
}

// items are more than 300 answers, each of many shapes once with the right number, once with
// another, spelled in many ways. None is a number alone.
func items() []item {
	shapes := []string{
		"So it is N.\n#### N", "#### N", "#### N.", "####N", "####  N", "#### $N", "#### N dollars", "#### N%\n", "### N", "##### N",
		"#### in words is #### N", "#### N\n\nQuestion: and then?\nAnswer: #### 6", "4 + 5 = 9\n#### N\r\n", "#### -N", "#### +N", "#### N/2", "#### N,", "#### N...",
		"The total is N, altogether.", "She has $N left.", "It costs N$.", "N apples and 3 pears", "from 3 to N", "3-N", "x = -N", "N!!", "It is N ...", "It is N..",
		"<<1+2=N>>N", "There is no number.", "", "####", "#### ", "#### .", "#### ,", "N:00", "(N)", "**N**", "about 1,0 or N", "N e", "the 2nd is N", "\\boxed{N}",
		"#### N\n#### 6", "#### x\nN", "a.b.c, N", "N\u00a0km", "½ of N", "N–7", "−N",
	}
	numbers := []struct{ right, text string }{
		{"18", "18"}, {"18", "18.0"}, {"18", "81"}, {"1,450,000", "1450000"}, {"1450000", "1,450,000"}, {"0.5", ".5"}, {"0.5", "5"}, {"-5", "5"}, {"7", "07"}, {"1500", "1,500.00"},
	}
	var all []item
	for _, shape := range shapes {
		for _, n := range numbers {
			all = append(all, item{n.right, strings.ReplaceAll(shape, "N", n.text)})
		}
	}
	return all
}

// grade asks the executor.
func grade(t *testing.T, r Rule, p eval.Problem, text string) eval.Outcome {
	t.Helper()
	o, err := Executor{r}.Execute(t.Context(), p, text)
	if err != nil {
		t.Fatal(err)
	}
	if o.Kind != eval.Passed && o.Kind != eval.Failed || (o.Kind == eval.Failed) == (o.Detail == "") {
		t.Errorf("%q: %+v", text, o)
	}
	return o
}

// scanStrict finds what stands behind the first "#### " with a number, and scanFlexible the
// last number, both in another way than the package: byte by byte.
func scanStrict(text string) string {
	for i := range text {
		rest, ok := strings.CutPrefix(text[i:], "#### ")
		if !ok {
			continue
		}
		n := span(rest, strings.HasPrefix(rest, "-"), "0123456789.,")
		if strings.Trim(rest[:n], "-") != "" {
			return strings.TrimSuffix(strings.ReplaceAll(rest[:n], ",", ""), ".")
		}
	}
	return "none"
}

func scanFlexible(text string) string {
	last := "none"
	for i := 0; i < len(text); {
		minus := text[i] == '-'
		body := i
		if minus {
			body++
		}
		long, short := span(text[body:], false, "0123456789.,$"), span(text[body:], false, "0123456789")
		switch {
		case long >= 2:
			last, i = text[i:body+long], body+long
		case short >= 1:
			last, i = text[i:body+short], body+short
		default:
			i++
		}
	}
	return strings.TrimSuffix(strings.NewReplacer(",", "", "$", "").Replace(last), ".")
}

// span is the number of bytes at the beginning of a text that are among some, a sign before
// them included.
func span(text string, sign bool, among string) int {
	n := 0
	if sign {
		n = 1
	}
	for n < len(text) && strings.IndexByte(among, text[n]) >= 0 {
		n++
	}
	return n
}

// equal compares numbers as numbers.
func equal(a, b string) bool {
	x, ok := new(big.Rat).SetString(strings.TrimPrefix(strings.ReplaceAll(a, ",", ""), "+"))
	y, both := new(big.Rat).SetString(strings.ReplaceAll(b, ",", ""))
	return ok && both && x.Cmp(y) == 0
}

// TestScanned compares verdicts with those of another implementation.
func TestScanned(t *testing.T) {
	right := map[Rule]int{}
	for _, x := range items() {
		for rule, scan := range map[Rule]func(string) string{Strict: scanStrict, Flexible: scanFlexible} {
			want := equal(scan(x.Text), x.Right)
			o := grade(t, rule, question(x.Right), x.Text)
			if (o.Kind == eval.Passed) != want {
				t.Errorf("%s: %q for %q: %s, want passed: %v", rule, x.Text, x.Right, o.Result(), want)
			}
			if want {
				right[rule]++
			}
		}
	}
	if n := len(items()); n < 300 || right[Strict] < n/20 || right[Flexible] < n/5 || right[Flexible] > n/2 {
		t.Errorf("of %d answers %v pass: too few or too many to say anything", n, right)
	}
}

// harness are the rules as GSM8K's grader and lm-evaluation-harness write them. It prints
// for every item the verdicts of strings that are compared as these do, and of the
// same extractions compared as numbers.
const harness = `
import json, re, sys
from decimal import Decimal, InvalidOperation

def clean(text):
    for pattern in [",", r"\$", r"(?s).*#### ", r"\.$"]:
        text = re.sub(pattern, "", text)
    return text

def gsm8k(text):
    m = re.compile(r"#### (\-?[0-9\.\,]+)").search(text)
    return m.group(1).strip().replace(",", "") if m else "[invalid]"

def strict_match(text):
    m = re.findall(r"#### (\-?[0-9\.\,]+)", text)
    return clean(m[0].strip()) if m else "[invalid]"

def flexible_extract(text):
    m = re.findall(r"(-?[$0-9.,]{2,})|(-?[0-9]+)", text)
    return clean([g for g in m[-1] if g][0].strip()) if m else "[invalid]"

def same(a, b):
    try:
        return Decimal(a) == Decimal(b)
    except InvalidOperation:
        return a == b

for line in sys.stdin:
    item = json.loads(line)
    right = item["right"].replace(",", "")
    print(json.dumps([f(*[g(item["text"]), right]) for f in (str.__eq__, same) for g in (gsm8k, strict_match, flexible_extract)]))
`

// TestHarnesses compares verdicts with those of the regular expressions of the harnesses
// themselves, in Python. Ours are those of the same extractions compared as numbers.
func TestHarnesses(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("needs python3")
	}
	all := items()
	var lines strings.Builder
	for _, x := range all {
		line, err := json.Marshal(x)
		if err != nil {
			t.Fatal(err)
		}
		lines.Write(append(line, '\n'))
	}
	command := exec.CommandContext(t.Context(), python, "-c", harness)
	command.Stdin = strings.NewReader(lines.String())
	out, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	spelled := 0 // answers that are right as numbers and wrong as texts
	decoder := json.NewDecoder(strings.NewReader(string(out)))
	for _, x := range all {
		var v [6]bool // as texts, then as numbers, each by the three extractions
		if err := decoder.Decode(&v); err != nil {
			t.Fatal(err)
		}
		strict, flexible := grade(t, Strict, question(x.Right), x.Text).Kind == eval.Passed, grade(t, Flexible, question(x.Right), x.Text).Kind == eval.Passed
		if strict != v[4] || flexible != v[5] || v[3] && !strict { // GSM8K's own takes "18.0." for no number
			t.Errorf("%q for %q: strict %v, flexible %v; the harnesses' extractions, as numbers: %v", x.Text, x.Right, strict, flexible, v[3:])
		}
		if v[0] && !strict || v[1] && !strict || v[2] && !flexible {
			t.Errorf("%q for %q: strict %v, flexible %v; right by the harnesses: %v", x.Text, x.Right, strict, flexible, v[:3])
		}
		if strict && !v[1] || flexible && !v[2] {
			spelled++
		}
	}
	if spelled == 0 || spelled > len(all)/3 {
		t.Errorf("%d of %d answers are right as numbers and not as texts", spelled, len(all))
	}
}

// TestNumbers has odd cases with their verdicts by hand.
func TestNumbers(t *testing.T) {
	for _, tt := range []struct {
		right, text      string
		strict, flexible bool
	}{
		{"18", "18", true, true}, // a number alone has no need of ####
		{"18", " $18.00\n", true, true},
		{"18", "18 eggs", false, true},
		{"2,125", "2125", true, true},
		{"He pays 9.\n#### 2,125", "#### 2125.0", true, true},
		{"#### $1,500", "1500", true, true},
		{"1500", "#### $1,500", false, true}, // as in GSM8K
		{"500", "#### $1,500", false, false},
		{"-5", "#### 5", false, false},
		{"5", "#### 5\n\nQuestion: ... #### 6", true, false}, // the first ####, the last number
		{"12", "#### in the text is #### 12", true, true},
		{"1", "#### 1234", false, false},
		{"7000", "#### 000", false, false},
		{"4", "4 8", false, false},
		{"4", "8 4", false, true},
		{"0.5", "#### .50", true, true},
		{"3", "three", false, false},
	} {
		for rule, want := range map[Rule]bool{Strict: tt.strict, Flexible: tt.flexible} {
			if o := grade(t, rule, question(tt.right), tt.text); (o.Kind == eval.Passed) != want {
				t.Errorf("%s: %q for %q: %s", rule, tt.text, tt.right, o.Result())
			}
		}
	}
}

func TestExact(t *testing.T) {
	for _, tt := range []struct {
		right, text string
		want        bool
	}{
		{"Tom is a lempus.", "Tom is a lempus.", true},
		{"Tom is a lempus.", "  Tom is\ta\nlempus ", true},
		{"Tom is a lempus", "### steps\n#### Tom is a lempus.", true},
		{"Tom is a lempus.", "Tom is a scrompus.", false},
		{"Tom is a lempus.", "tom is a lempus.", false},
		{"Tom is a lempus.", "Tom is a lempus..", false},
		{"Tom is a lempus.", "", false},
		{"#### 1 2", "1 2", true},
		{"1 2", "12", false},
	} {
		if o := grade(t, Exact, question(tt.right), tt.text); (o.Kind == eval.Passed) != tt.want {
			t.Errorf("%q for %q: %s", tt.text, tt.right, o.Result())
		}
	}
}

func TestChoice(t *testing.T) {
	colours := []string{"red", "a dark green.", "B"}
	for _, tt := range []struct {
		text, want string // the letter found
	}{
		{"A", "A"}, {"(B)", "B"}, {"B)", "B"}, {"B. a dark green", "B"}, {"A: red", "A"}, {"A, since", "A"}, {"**A**", "A"}, {"`A`.", "A"},
		{"red", "A"}, {"a dark green", "B"}, {"a  dark green.", "B"}, {"B", "C"}, // it is the text of a choice
		{"I think the answer is (A).", "A"}, {"The answer is red", "A"}, {"Answer: A", "A"}, {"answer: B, no, the answer is A", "A"}, {"#### A", "A"},
		{"A red one", ""}, {"D", ""}, {"a", ""}, {"green", ""}, {"", ""}, {"The answer is green", ""}, {"I do not know", ""},
	} {
		form, ok := Choice.Find(question("A", colours...), tt.text)
		if form != tt.want || ok != (tt.want != "") {
			t.Errorf("%q: found %q, want %q", tt.text, form, tt.want)
		}
	}
	for right, text := range map[string]string{"A": "red", "a dark green.": "(B)", "red": "A"} {
		if o := grade(t, Choice, question(right, colours...), text); o.Kind != eval.Passed {
			t.Errorf("%q for %q: %s", text, right, o.Result())
		}
	}
	if o := grade(t, Choice, question("D"), "(D)"); o.Kind != eval.Passed { // choices that only the prompt has
		t.Errorf("D: %s", o.Result())
	}
}

// TestDetails: verdicts say what was found and what was expected.
func TestDetails(t *testing.T) {
	long := strings.Repeat("x", 500)
	for _, tt := range []struct {
		rule        Rule
		right, text string
		answer      string
		want        string
	}{
		{Strict, "#### 1,800", "#### 17", "17", "failed: found 17, expected 1800"},
		{Strict, "18", "It is 18, I think", "", "failed: found no number after ####, expected 18"},
		{Flexible, "18", "none", "", "failed: found no number, expected 18"},
		{Exact, "Tom is a lempus.", "Tom is\n a scrompus", "Tom is a scrompus", "failed: found Tom is a scrompus, expected Tom is a lempus"},
		{Exact, "a", long, long, "failed: found " + long[:120] + ", expected a"},
		{Exact, "a", "\xff", "\xff", `failed: found \xff, expected a`},
		{Choice, "B", "A", "A", "failed: found A, expected B"},
		{Choice, "B", "well", "", "failed: found no choice, expected B"},
		{Exact, "a", " a ", "a", "passed"},
	} {
		if o := grade(t, tt.rule, question(tt.right), tt.text); o.Result() != tt.want || o.Answer != tt.answer {
			t.Errorf("%q: %s with answer %q, want %s", tt.text, o.Result(), o.Answer, tt.want)
		}
	}
}

// TestRight: the right answer passes by every rule that has one, and others are refused.
func TestRight(t *testing.T) {
	for rule, texts := range map[Rule][]string{
		Exact: {"a", "x\n#### b."}, Strict: {"1", "x 3\n#### $1,500", "#### -2\r\n", "50%"}, Flexible: {"1", "9\n#### 3"}, Choice: {"A", "(C)", "red"},
	} {
		for _, text := range texts {
			p := question(text, "red", "green", "blue")
			right, err := rule.Right(p)
			if err != nil {
				t.Errorf("%s: %v", rule, err)
			}
			if o := grade(t, rule, p, right); o.Kind != eval.Passed {
				t.Errorf("%s: %q: %s", rule, right, o.Result())
			}
		}
	}
	for rule, wrong := range map[Rule][]string{
		Exact: {"", " . "}, Strict: {"", "####", "No mark, so 7", "#### 7 eggs", "#### "}, Flexible: {"It is 7", "7 8"}, Choice: {"D", "purple", ""},
	} {
		for _, text := range wrong {
			if right, err := rule.Right(question(text, "red", "green", "blue")); err == nil || !strings.Contains(err.Error(), "the right answer is ") {
				t.Errorf("%s: %q is read as %q, %v", rule, text, right, err)
			}
		}
	}
	if _, err := (Executor{Strict}).Execute(t.Context(), question("seven"), "7"); err == nil || !strings.Contains(err.Error(), "q: the right answer is") {
		t.Errorf("without a right answer: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := (Executor{Exact}).Execute(ended, question("a"), "a"); !errors.Is(err, context.Canceled) {
		t.Errorf("at an end: %v", err)
	}
}

func TestParseRule(t *testing.T) {
	for name, want := range map[string]Rule{"exact": Exact, "strict": Strict, "flexible": Flexible, "number": Flexible, "choice": Choice} {
		if got, err := ParseRule(name); got != want || err != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		if !strings.Contains(Help(), name) {
			t.Errorf("help says nothing of %s", name)
		}
	}
	if _, err := ParseRule("fuzzy"); err == nil || !strings.Contains(err.Error(), `no rule "fuzzy"`) || !strings.Contains(err.Error(), "exact, strict, flexible, choice") {
		t.Errorf("fuzzy: %v", err)
	}
}
