package cot

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Segmentations are the ways to divide a chain of thought into the steps that codes stand for:
//
//	lines:     a step is a line
//	sentences: a step ends with a sentence, or with a line
//	equations: a step ends with an equation, <<...>> where the chain has any, or what follows an =;
//	           what stands behind the last one is part of its step
//	even:      K parts of the same number of tokens (the paper's)
//
// beforeMarks and some characters, as in "before:+(", is one more: a step begins with each of these characters.
var Segmentations = []string{"lines", "sentences", "equations", "even"}

// beforeMarks begins the way to divide a chain whose steps begin with certain characters.
const beforeMarks = "before:"

// checkSegments refuses what is no way to divide a chain.
func checkSegments(by string) error {
	if marks, ok := strings.CutPrefix(by, beforeMarks); ok && strings.TrimSpace(marks) == marks && marks != "" || slices.Contains(Segmentations, by) {
		return nil
	}
	return fmt.Errorf("segments is %q; want one of %q, or %sCHARACTERS, with which steps begin", by, Segmentations, beforeMarks)
}

// Steps divides a chain of thought into steps, which together are the chain, in tokens. The
// chain ends with a line end, whether it is written or not.
func (c VAEConfig) Steps(tok Tokenizer, chain string) [][]int {
	var steps [][]int
	for _, step := range divide(chain, c.Segments) {
		steps = append(steps, tok.Encode(step))
	}
	return steps
}

// divide returns the steps of a chain.
func divide(chain, by string) []string {
	if chain == "" {
		return nil
	}
	if !strings.HasSuffix(chain, "\n") {
		chain += "\n"
	}
	if marks, ok := strings.CutPrefix(by, beforeMarks); ok {
		return parted(chain, marked(chain, marks))
	}
	switch by {
	case "sentences":
		return parted(chain, sentenceEnds(chain))
	case "equations":
		return parted(chain, equationEnds(chain))
	}
	var lines []string
	for line := range strings.Lines(chain) {
		lines = append(lines, line)
	}
	return lines
}

// parted cuts a text at ascending places. A part without anything but white space belongs to
// the one before it, and so do line ends.
func parted(text string, places []int) []string {
	var parts []string
	from := 0
	for _, at := range append(places, len(text)) {
		for at < len(text) && text[at] == '\n' {
			at++
		}
		switch part := text[from:max(from, at)]; {
		case part == "":
		case strings.TrimSpace(part) == "" && len(parts) > 0:
			parts[len(parts)-1] += part
		default:
			parts = append(parts, part)
		}
		from = max(from, at)
	}
	return parts
}

var (
	// sentenceEnd is what may end a sentence: its marks with quotes and brackets behind them, and what follows.
	sentenceEnd = regexp.MustCompile(`([.!?]+["')\]”’]*)\s+\S|\n+`)
	// abbreviation is what does not, although it has a point.
	abbreviation = regexp.MustCompile(`(^|[\s("'])(Mr|Mrs|Ms|Dr|St|No|vs|approx|e\.g|i\.e|etc|[A-Z])\.$`)

	annotated = regexp.MustCompile(`<<[^<>]*>>[-+]?[\d.,]*\d|<<[^<>]*>>`)
	// equation is an = with what is equal, numbers and their operators, up to a number or a bracket.
	equation = regexp.MustCompile(`[=≈](?:[-+*/x×÷()$€£%=≈\d \t]|[.,]\d)*(?:[\d)%]|[.,]\d)`)
)

// marked are the places before the characters marks of a text, and before the blanks in front of them.
func marked(text, marks string) (places []int) {
	for i, c := range text {
		if strings.ContainsRune(marks, c) {
			places = append(places, len(strings.TrimRight(text[:i], " ")))
		}
	}
	return places
}

// sentenceEnds are the places behind the sentences of a text.
func sentenceEnds(text string) (places []int) {
	for at := 0; at < len(text); {
		m := sentenceEnd.FindStringSubmatchIndex(text[at:])
		if m == nil {
			break
		}
		if m[2] < 0 { // the end of a line
			places = append(places, at+m[1])
			at += m[1]
			continue
		}
		end, next := at+m[3], text[at+m[1]-1]
		if lower := next >= 'a' && next <= 'z'; !lower && !abbreviation.MatchString(text[:end]) {
			places = append(places, end)
		}
		at = end
	}
	return places
}

// equationEnds are the places behind the equations of a text, but for the last one.
func equationEnds(text string) (places []int) {
	found := equation.FindAllStringIndex(text, -1)
	if inMarks := annotated.FindAllStringIndex(text, -1); inMarks != nil {
		found = inMarks
	}
	for _, m := range found {
		places = append(places, m[1])
	}
	if len(places) > 0 {
		places = places[:len(places)-1]
	}
	return places
}
