package study

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"nfcot/internal/ckpt"
	"nfcot/internal/cot/experiment"
)

// Steps are the steps of a training's stages: of each a share of those that a measuring entry's budget is enough for.
type Steps struct {
	Of    Ref              `yaml:"of" ref:"measure"`
	Share map[string]Share `yaml:"share"` // by stage
}

// A Share is a sum of whole numbers and fractions, like 4/5 or 3/4 - 1/30. Of a number of steps each term is rounded
// down by itself.
type Share struct{ terms []term }

// A term is a fraction of a share, below 0 where it is taken away.
type term struct{ num, den int }

// aShare is how shares are written.
var aShare = regexp.MustCompile(`^\d+(/[1-9]\d*)?( [+-] \d+(/[1-9]\d*)?)*$`)

// ParseShare reads a share.
func ParseShare(text string) (Share, error) {
	var s Share
	if !aShare.MatchString(text) {
		return s, fmt.Errorf("the share is %q; want whole numbers and fractions like 3/4 - 1/30", text)
	}
	sign := 1
	for _, word := range strings.Fields(text) {
		switch word {
		case "+":
			sign = 1
		case "-":
			sign = -1
		default:
			above, below, _ := strings.Cut(word, "/")
			t := term{den: 1}
			var err error
			if t.num, err = strconv.Atoi(above); err == nil && below != "" {
				t.den, err = strconv.Atoi(below)
			}
			if err != nil {
				return s, fmt.Errorf("the share %q: %w", text, err)
			}
			t.num *= sign
			s.terms = append(s.terms, t)
		}
	}
	return s, nil
}

// UnmarshalYAML implements yaml.Unmarshaler.
func (s *Share) UnmarshalYAML(n *yaml.Node) (err error) {
	*s, err = ParseShare(n.Value)
	return err
}

// Expected says what a share is in a plan.
func (*Share) Expected() string { return "whole numbers and fractions like 3/4 - 1/30" }

// Of is the share of n steps.
func (s Share) Of(n int) int {
	sum := 0
	for _, t := range s.terms {
		sum += n * t.num / t.den
	}
	return sum
}

// String writes the share as ParseShare reads it.
func (s Share) String() string {
	var b strings.Builder
	for i, t := range s.terms {
		switch {
		case i > 0 && t.num < 0:
			b.WriteString(" - ")
			t.num = -t.num
		case i > 0:
			b.WriteString(" + ")
		}
		fmt.Fprint(&b, t.num)
		if t.den != 1 {
			fmt.Fprintf(&b, "/%d", t.den)
		}
	}
	return b.String()
}

// Affordable is the number of steps that a budget of FLOPs of the backbone is enough for, from the mean of what the
// steps of a run took: a multiple of 10, at least 20.
func Affordable(run string, budget float64) (int, error) {
	path := filepath.Join(run, experiment.MetricsFile)
	type metrics struct {
		FLOPs float64 `json:"backbone_flops"`
	}
	lines, err := ckpt.ReadAllJSONL[metrics](path)
	if err != nil {
		return 0, err
	}
	sum := 0.0
	for _, line := range lines {
		sum += line.FLOPs
	}
	steps := budget / (sum / float64(len(lines)))
	if !(steps <= 1e9) {
		return 0, fmt.Errorf("%s: %g FLOPs are enough for %g steps of what it has as backbone_flops; want at most 1e9", path, budget, steps)
	}
	return max(20, int(steps/10)*10), nil
}
