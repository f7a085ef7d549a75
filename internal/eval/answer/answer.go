// Package answer compares answers with right ones: the executor of problems that ask a
// question rather than for a program. It compares in its own process, and runs nothing.
//
// A rule reads an answer out of a text and writes it in one form, so that answers are equal
// if their forms are. The right answer of a problem is read by the same rule.
package answer

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"nfcot/internal/eval"
)

// A Rule says what of a text is its answer.
type Rule string

// The rules.
const (
	Exact    Rule = "exact"    // the whole text
	Strict   Rule = "strict"   // the number after the first #### that has one, or a text that is one number
	Flexible Rule = "flexible" // the last number in the text
	Choice   Rule = "choice"   // the letter of a choice, or its text
)

// A reading is what is known of a rule.
type reading struct {
	Rule
	about string // what it reads, for people to choose by
	wants string // what a text without an answer lacks
	right string // what a right answer has to be
}

const aNumber = "one number, alone or behind ####"

var readings = []reading{
	{Exact, "the whole text, or what follows its last ####, but for white space and a full stop at its end", "answer", "a text"},
	{Strict, "the number after ####, as GSM8K's own grader finds it, or a text that is one number", "number after ####", aNumber},
	{Flexible, "the last number (also called number)", "number", aNumber},
	{Choice, "the letter of a choice, or its text", "choice", "the letter or the text of a choice"},
}

// of returns what is known of a rule.
func (r Rule) of() reading {
	return readings[slices.IndexFunc(readings, func(x reading) bool { return x.Rule == r })]
}

// ParseRule reads the name of a rule.
func ParseRule(name string) (Rule, error) {
	if name == "number" {
		return Flexible, nil
	}
	var names []string
	for _, r := range readings {
		if names = append(names, string(r.Rule)); string(r.Rule) == name {
			return r.Rule, nil
		}
	}
	return "", fmt.Errorf("there is no rule %q to compare answers by; want %s, or number for %s", name, strings.Join(names, ", "), Flexible)
}

// Help says of every rule what it reads, in one line.
func Help() string {
	var all []string
	for _, r := range readings {
		all = append(all, string(r.Rule)+", "+r.about)
	}
	return strings.Join(all, "; ")
}

// Right is the right answer of a problem in the rule's form. It fails where the problem's
// own text has none that is beyond doubt: a number has to stand alone, or behind ####.
func (r Rule) Right(p eval.Problem) (string, error) {
	text := p.CanonicalSolution
	form, ok := "", false
	switch r {
	case Strict, Flexible:
		form, ok = eval.Number(behindMark(text))
	default:
		form, ok = r.Find(p, text)
	}
	if !ok {
		return "", fmt.Errorf("the right answer is %q, expected %s", fmt.Sprintf(short, text), r.of().right)
	}
	return form, nil
}

// Find is the answer that a text gives to a problem, in the rule's form. ok is false where
// the rule finds none.
func (r Rule) Find(p eval.Problem, text string) (form string, ok bool) {
	switch r {
	case Strict:
		return strict(text)
	case Flexible:
		return flexible(text)
	case Choice:
		return choice(p, text)
	}
	form = plain(text)
	return form, form != ""
}

// mark stands before the answer in GSM8K and where others follow it.
const mark = "####"

// behindMark is what stands behind the last mark; the whole text where there is none.
func behindMark(text string) string {
	if i := strings.LastIndex(text, mark); i >= 0 {
		return text[i+len(mark):]
	}
	return text
}

// marked is GSM8K's own way to find an answer, which the strict match of
// lm-evaluation-harness has, too; the first place counts.
var marked = regexp.MustCompile(mark + ` (-?[0-9.,]+)`)

func strict(text string) (string, bool) {
	if m := marked.FindStringSubmatch(text); m != nil {
		return numberOf(m[1])
	}
	return eval.Number(text)
}

// number is what the flexible extraction of lm-evaluation-harness takes for one.
var number = regexp.MustCompile(`-?[$0-9.,]{2,}|-?[0-9]+`)

func flexible(text string) (string, bool) {
	all := number.FindAllString(text, -1)
	if all == nil {
		return "", false
	}
	return numberOf(all[len(all)-1])
}

// numberOf makes a number of what a harness has extracted. As there commas and dollar signs
// do not count wherever they stand, nor does one full stop at the end.
func numberOf(text string) (string, bool) {
	text = strings.TrimSuffix(strings.NewReplacer(",", "", "$", "").Replace(text), ".")
	if strings.Count(text, ".") > 1 {
		return "", false // "18..." is no number there, either
	}
	return eval.Number(text)
}

// plain is a text behind its last mark with single blanks between words, and no full stop.
func plain(text string) string {
	text = strings.Join(strings.Fields(behindMark(text)), " ")
	return strings.TrimSpace(strings.TrimSuffix(text, "."))
}

// said is what people write before a letter.
var said = regexp.MustCompile(`(?i)\banswer(?: is)?:? `)

// choice is the letter of a text that is a choice, or says after the words "answer is" or
// "answer:", the last time that they come, which one it takes.
func choice(p eval.Problem, text string) (string, bool) {
	text = plain(text)
	if letter, ok := chosen(p, text); ok {
		return letter, true
	}
	if all := said.FindAllStringIndex(text, -1); all != nil {
		return chosen(p, text[all[len(all)-1][1]:])
	}
	return "", false
}

// letter is a capital alone, or before a bracket, full stop, colon or comma.
var letter = regexp.MustCompile(`^\(?([A-Z])(?:[).:,]|$)`)

// chosen is the letter of a text that begins with one, or is the text of a choice.
func chosen(p eval.Problem, text string) (string, bool) {
	text = strings.Trim(text, "*\"'` ")
	if i := slices.IndexFunc(p.Choices, func(c string) bool { return plain(c) == text }); i >= 0 {
		return Letter(i), true
	}
	m := letter.FindStringSubmatch(text)
	if m == nil || p.Choices != nil && m[1] >= Letter(len(p.Choices)) {
		return "", false
	}
	return m[1], true
}

// Letter is that of choice i, counted from 0, of at most 26.
func Letter(i int) string { return string(rune('A' + i)) }

// An Executor compares answers by a rule (eval.Executor).
type Executor struct{ Rule }

// Execute compares an answer with that of the problem.
func (x Executor) Execute(ctx context.Context, p eval.Problem, text string) (eval.Outcome, error) {
	if err := ctx.Err(); err != nil {
		return eval.Outcome{}, err
	}
	right, err := x.Right(p)
	if err != nil {
		return eval.Outcome{}, fmt.Errorf("%s: %w", p.TaskID, err)
	}
	found, ok := x.Find(p, text)
	if ok && found == right {
		return eval.Outcome{Kind: eval.Passed, Answer: found}, nil
	}
	detail := fmt.Sprintf("found "+short+", expected "+short, cmp.Or(found, "no "+x.of().wants), right)
	return eval.Outcome{Kind: eval.Failed, Detail: eval.OneLine(detail), Answer: found}, nil
}

// short is the verb of an answer that may be long, so that both fit into one detail.
const short = "%.120s"
