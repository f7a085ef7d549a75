package experiment

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nfcot/internal/cot"
	"nfcot/internal/cot/data"
)

// What is left of examples for which the model has too few positions: of answers their beginning, without an end, of
// conversations whole turns, and of those that would have nothing to learn nothing.
func TestTooLong(t *testing.T) {
	targets := func(marks string) (all []bool) {
		for _, m := range marks {
			all = append(all, m == 'x')
		}
		return all
	}
	numbers := func(n int) (ids []int) {
		for i := range n {
			ids = append(ids, i)
		}
		return ids
	}
	text := func(marks string, turns bool) cot.Encoded {
		return cot.Encoded{Tokens: numbers(len(marks)), Targets: targets(marks), Turns: turns}
	}
	for _, tt := range []struct {
		method, how string
		room        int
		data        []cot.Encoded
		want, said  string // what is left of them
	}{
		{"cot", "", 9, []cot.Encoded{{Prompt: numbers(2), Steps: [][]int{{1}, {2}}, Answer: numbers(3)}}, "3", ""},
		{"cot", refuseTooLong, 8, []cot.Encoded{{}, {Prompt: numbers(2), Steps: [][]int{{1}, {2}}, Answer: numbers(3)}}, "F: example 2 has 9 tokens, more than the model's 8 positions", ""},
		{"cot", dropTooLong, 8, []cot.Encoded{{Answer: numbers(1)}, {Prompt: numbers(2), Steps: [][]int{{1}, {2}}, Answer: numbers(3)}}, "1",
			"of 2 examples 1 have more than the model's 8 positions: 0 are cut, 1 left out"},
		{"cot", cutTooLong, 7, []cot.Encoded{{Prompt: numbers(2), Steps: [][]int{{1}, {2}}, Answer: numbers(3)}, {Prompt: numbers(9), Answer: numbers(2)}}, "1 cut",
			"of 2 examples 2 have more than the model's 7 positions: 1 are cut, 1 left out"},
		{"nfcot", cutTooLong, 9, []cot.Encoded{{Prompt: numbers(2), Answer: numbers(5)}}, "3 cut", "1 are cut"}, // of two thoughts
		{"coconut", cutTooLong, 9, []cot.Encoded{{Prompt: numbers(2), Steps: [][]int{{1}, {2}}, Answer: numbers(3)}}, "1 cut", "1 are cut"},
		{LM, "", 5, []cot.Encoded{text("..xxx", false)}, "..xxx", ""},
		{LM, "", 4, []cot.Encoded{text("..xxx", false)}, "F: example 1 has 5 tokens, more than the model's 4 positions", ""},
		{LM, cutTooLong, 4, []cot.Encoded{text("..xxx", false), text("....xx", false)}, "..xx", "1 are cut, 1 left out"},
		{LM, cutTooLong, 7, []cot.Encoded{text("..xx..xxx", true), text("..xx.xxxx", true), text("..xxxxxxx", true), text("..xx..x.x", true), text(".......x", true)}, "..xx ..xx ..xx..x", "3 are cut, 2 left out"},
		{LM, dropTooLong, 4, []cot.Encoded{text("..xxx", true), text("..xx", true)}, "..xx", "0 are cut, 1 left out"},
	} {
		e := Experiment{Config: tiny(tt.method), Source: Source{Data: data.Source{Files: data.Files{"F"}}, TooLong: tt.how}}
		e.Model.MaxTokens = tt.room
		if tt.method != "nfcot" {
			e.NF.K = 0
		}
		if tt.method != "coconut" {
			e.Coconut.Lines = 0
		}
		before := fingerprint(tt.data)
		said := ""
		left, err := e.shorten(tt.data, func(format string, args ...any) { said += fmt.Sprintf(format, args...) })
		var got []string
		for _, ex := range left {
			switch {
			case ex.Tokens != nil:
				marks := ""
				for _, is := range ex.Targets {
					marks += map[bool]string{true: "x", false: "."}[is]
				}
				if !slices.Equal(ex.Tokens, numbers(len(marks))) {
					t.Errorf("tokens %v with marks %s", ex.Tokens, marks)
				}
				got = append(got, marks)
			case ex.Cut:
				got = append(got, fmt.Sprint(len(ex.Answer), " cut"))
			default:
				got = append(got, fmt.Sprint(len(ex.Answer)))
			}
		}
		if err != nil {
			got = []string{err.Error()}
		}
		if all := strings.Join(got, " "); !strings.HasPrefix(all, tt.want) || err == nil && all != tt.want || !strings.Contains(said, tt.said) || (said == "") != (tt.said == "") {
			t.Errorf("%s, %s %d: %s, %q, want %s, %q", tt.method, tt.how, tt.room, all, said, tt.want, tt.said)
		}
		if fingerprint(tt.data) != before {
			t.Errorf("%s, %s %d: the data themselves have changed", tt.method, tt.how, tt.room)
		}
	}
	x := Experiment{Config: tiny("cot"), Source: Source{TooLong: "squeeze"}}
	if _, _, err := Prepare(x, filepath.Join(t.TempDir(), "run"), 0, t.Logf); err == nil || !strings.Contains(err.Error(), `source.too_long is "squeeze"; want refuse, cut or drop`) {
		t.Error(err)
	}
}
