package eval

import (
	"regexp"
	"strings"
)

// number is a decimal number as people write it in an answer: with a sign, a currency
// sign before or after the sign, commas between groups of three digits, and a decimal point.
var number = regexp.MustCompile(`^([+-]?)[$€£]?([+-]?)((?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d*)?|\.\d+)$`)

// Number returns the canonical form of a text that is one number and nothing else but
// white space around it and a full stop or a percent sign behind it: digits without commas, no zeros
// that change nothing, a point only before a fraction, a sign only if it is negative.
// "$1,500.00" and "1500." are both "1500". ok is false for any other text.
func Number(text string) (canonical string, ok bool) {
	text = strings.TrimSuffix(strings.TrimSuffix(strings.TrimSpace(text), "."), "%")
	m := number.FindStringSubmatch(text)
	if m == nil || m[1] != "" && m[2] != "" {
		return "", false
	}
	whole, fraction, _ := strings.Cut(strings.ReplaceAll(m[3], ",", ""), ".")
	whole, fraction = strings.TrimLeft(whole, "0"), strings.TrimRight(fraction, "0")
	if whole == "" {
		whole = "0"
	}
	if fraction != "" {
		whole += "." + fraction
	}
	if (m[1] == "-" || m[2] == "-") && whole != "0" {
		whole = "-" + whole
	}
	return whole, true
}
