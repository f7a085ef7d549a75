package data

import (
	"regexp"
	"strings"

	"nfcot/internal/eval"
)

// Extractions are the ways to take a chain of thought out of an answer:
//
//	think           what stands between <think> and </think>; the answer is what follows
//	gsm8k           what stands before the last ####, without its <<...>>; the answer is the number behind it
//	gsm8k-equations the <<...>> before the last ####, one a line; the answer is the number behind it
var Extractions = []string{"think", "gsm8k", "gsm8k-equations"}

// take takes the chain out of an answer by a rule of Extractions. Why it cannot is in wrong.
func take(rule, answer string) (chain, rest, wrong string) {
	if rule == "think" {
		return takeThinking(answer)
	}
	return takeGSM8K(answer, rule == "gsm8k-equations")
}

// takeThinking divides an answer of a model that thinks. One that does not think has no chain;
// one whose thoughts were begun by its prompt has no <think>.
func takeThinking(answer string) (chain, rest, wrong string) {
	const begin, end = "<think>", "</think>"
	chain, rest, closed := strings.Cut(answer, end)
	before, inner, opened := strings.Cut(chain, begin)
	if opened {
		chain = inner
	}
	switch {
	case opened && !closed:
		return "", "", "<think> without </think>"
	case !closed:
		return "", answer, ""
	case opened && strings.TrimSpace(before) != "", strings.Contains(chain, begin), strings.Contains(rest, begin), strings.Contains(rest, end):
		return "", "", "more than one stretch of thought"
	}
	return strings.TrimSpace(chain), strings.TrimLeft(rest, " \t\r\n"), ""
}

// annotation is what GSM8K's calculator reads, and what steps are made of.
var annotation = regexp.MustCompile(`<<[^<>]*>>`)

// takeGSM8K divides a worked answer of GSM8K.
func takeGSM8K(answer string, bare bool) (chain, rest, wrong string) {
	i := strings.LastIndex(answer, "####")
	if i < 0 {
		return "", "", "no #### in the answer"
	}
	number, ok := eval.Number(answer[i+len("####"):])
	if !ok {
		return "", "", "no number behind ####"
	}
	chain = strings.TrimSpace(strings.ReplaceAll(answer[:i], "\r\n", "\n"))
	if bare {
		chain, wrong = equations(chain)
		return chain, number, wrong
	}
	return strings.TrimSpace(annotation.ReplaceAllString(chain, "")), number, ""
}

// equations are the annotations of a chain, one a line. Why there are none is in wrong.
func equations(chain string) (lines, wrong string) {
	found := annotation.FindAllString(chain, -1)
	if found == nil {
		return "", "no <<...>> in the chain of thought"
	}
	return strings.Join(found, "\n"), ""
}
