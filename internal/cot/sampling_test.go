package cot

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
)

// TestRecordsOfSampling: what evaluations have written before is written alike, and
// equal settings have equal records.
func TestRecordsOfSampling(t *testing.T) {
	all := Sampling{ThoughtTemp: 0.9, Temp: 0.6, Denoise: true, DenoiseSteps: 4, Thinking: "soft", Truncation: Truncation{TopK: 3, TopP: 0.5, MinP: 0.1},
		RepeatPenalty: 1.2, Stops: []string{"x"}, MaxTokens: 5, Seed: 7}
	for _, c := range []struct {
		s    Sampling
		want string
	}{
		{DefaultSampling(), `{"thought_temp":0.9,"temp":0.6,"max_tokens":256}`},
		{Sampling{}, `{"thought_temp":0,"temp":0,"max_tokens":0}`},
		{all, `{"thought_temp":0.9,"temp":0.6,"denoise":true,"denoise_steps":4,"thinking":"soft","top_k":3,"top_p":0.5,"min_p":0.1,"repeat_penalty":1.2,"stops":["x"],"max_tokens":5}`},
	} {
		got, err := json.Marshal(c.s.Canonical())
		if err != nil || string(got) != c.want {
			t.Errorf("record %s, %v; want %s", got, err, c.want)
		}
	}
}

func TestSamplingChecks(t *testing.T) {
	spell := func(key string) string { return "<" + key + ">" }
	for want, change := range map[string]func(s *Sampling){
		"":                            func(*Sampling) {},
		"<temp> is -1":                func(s *Sampling) { s.Temp = -1 },
		"<thought_temp> NaN":          func(s *Sampling) { s.ThoughtTemp = math.NaN() },
		"<thought_temp> +Inf":         func(s *Sampling) { s.ThoughtTemp = math.Inf(1) },
		"<denoise_steps> is 1001":     func(s *Sampling) { s.DenoiseSteps = 1001 },
		"<top_k> is -1":               func(s *Sampling) { s.TopK = -1 },
		"<top_p> 0,":                  func(s *Sampling) { s.TopP = 0 },
		"<min_p> 1.1":                 func(s *Sampling) { s.MinP = 1.1 },
		"<repeat_penalty> is 0":       func(s *Sampling) { s.RepeatPenalty = 0 },
		`<thinking> is "hard"`:        func(s *Sampling) { s.Thinking = "hard" },
		"<stops> is empty":            func(s *Sampling) { s.Stops = []string{"a", ""} },
		"<max_tokens> is 0; it must ": func(s *Sampling) { s.MaxTokens = 0 },
	} {
		s := DefaultSampling()
		change(&s)
		wantError(t, s.Check(spell), want)
	}
	for want, change := range map[string]func(s *Sampling){
		"":                       func(s *Sampling) { s.TopP, s.RepeatPenalty, s.Stops = 1, 1, []string{"a"} },
		"<thought_temp> is 0":    func(s *Sampling) { s.ThoughtTemp = 0 },
		"<temp> 0;":              func(s *Sampling) { s.Temp = 0 },
		"<temp> +Inf":            func(s *Sampling) { s.Temp = math.Inf(1) },
		"<top_k>, ":              func(s *Sampling) { s.TopK = 1 },
		"<top_p>, ":              func(s *Sampling) { s.TopP = 0.9 },
		"<min_p>, ":              func(s *Sampling) { s.MinP = 0.9 },
		"<repeat_penalty>, ":     func(s *Sampling) { s.RepeatPenalty = 1.1 },
		"<denoise>, ":            func(s *Sampling) { s.Denoise = true },
		"<denoise_steps> and ":   func(s *Sampling) { s.DenoiseSteps = 1 },
		"<thinking> are nothing": func(s *Sampling) { s.Thinking = "soft" },
		"<stops> is empty":       func(s *Sampling) { s.Stops = []string{""} },
		"<max_tokens> is 0":      func(s *Sampling) { s.MaxTokens = 0 },
	} {
		s := Sampling{ThoughtTemp: 1, Temp: 1, MaxTokens: 1}
		change(&s)
		wantError(t, s.CheckDensity(spell), want)
	}
}

// wantError wants an error that says something, or none for "".
func wantError(t *testing.T, err error, want string) {
	t.Helper()
	if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
		t.Errorf("error %v; want %q", err, want)
	}
}
