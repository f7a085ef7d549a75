package cot

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"nfcot/internal/tensor"
)

// TestNoDistribution: some tokens may be impossible, not all.
func TestNoDistribution(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, tt := range []struct {
		logits []float32
		want   string
	}{
		{[]float32{1, -inf, -math.MaxFloat32}, ""},
		{[]float32{-inf, math.MaxFloat32}, ""},
		{[]float32{-inf, -inf}, "-Inf for all tokens"},
		{[]float32{0, inf}, "+Inf"},
		{[]float32{0, -inf, nan}, "NaN"},
		{nil, "-Inf for all tokens"},
	} {
		if got := noDistribution(tt.logits); got != tt.want {
			t.Errorf("%v: %q, want %q", tt.logits, got, tt.want)
		}
	}
}

// overflow sets one weight of the table of logits, so that the logit of its token is of an
// infinite size, up or down, for some states.
func overflow(p *tensor.Params, token int, weight float64) {
	for x := range p.All() {
		if x.Name == "lm_head.weight" {
			for i := range x.Row(token) {
				x.Row(token)[i] = 0
			}
			x.Row(token)[0] = float32(weight)
		}
		if x.Name == "model.norm.weight" {
			for i := range x.Data {
				x.Data[i] = 20
			}
		}
	}
}

// TestSamplesOfBrokenModels: a sample whose logits make no distribution ends with an error, and
// no other does.
func TestSamplesOfBrokenModels(t *testing.T) {
	for name, weight := range map[string]float64{"NaN": math.NaN(), "overflow": -3e38} {
		for _, greedy := range []bool{false, true} {
			m, p := shakenNFCoT(nfOptions)
			overflow(p, 7, weight)
			o := Options{Sampling: Sampling{Seed: 1, Temp: 1, ThoughtTemp: 1, MaxTokens: 3}, LogProbs: true, TopLogProbs: lmShape.Vocab}
			if greedy {
				o.Temp = 0
			}
			drawn := 0
			o.OnToken = func(*Sample, int) { drawn++ }
			failed, fine, impossible := 0, 0, 0
			for _, s := range slices.Concat(m.Sample([][]int{{4, 5}, {6, 8, 9}, {10}, {11, 12}, {13, 14}}, 4, o)...) {
				drawn -= s.Drawn()
				if s.Finished {
					drawn++ // of EOS nobody is told
				}
				if s.Err != nil {
					failed++
					if !errors.As(s.Err, new(NonFinite)) || !strings.Contains(s.Err.Error(), "logits of token") {
						t.Errorf("%s: error %v", name, s.Err)
					}
					continue
				}
				fine++
				for _, token := range s.TokenLogProbs {
					if len(token.Top) != lmShape.Vocab {
						t.Errorf("%s: %d alternatives, want all", name, len(token.Top))
					}
					for _, alternative := range token.Top {
						if math.IsInf(alternative.LogProb, -1) {
							impossible++
						}
					}
				}
			}
			if failed == 0 || name == "NaN" && fine > 0 || name == "overflow" && (fine == 0 || impossible == 0) {
				t.Errorf("%s: %d failed, %d did not, with %d impossible alternatives", name, failed, fine, impossible)
			}
			if drawn != 0 {
				t.Errorf("%s: OnToken was told of %d tokens more than there are", name, drawn)
			}
		}
	}
}

// TestThoughtsOfBrokenModels: thoughts without a likelihood are an error, too.
func TestThoughtsOfBrokenModels(t *testing.T) {
	m, p := shakenNFCoT(nfOptions)
	for x := range p.All() {
		if strings.HasPrefix(x.Name, "nf_head.") {
			x.Data[0] = float32(math.NaN())
		}
	}
	o := Options{Sampling: Sampling{Seed: 1, Temp: 1, ThoughtTemp: 1, MaxTokens: 4}}
	for _, s := range m.Sample([][]int{{4, 5}}, 2, o)[0] {
		if s.Err == nil || !strings.Contains(s.Err.Error(), "thoughts up to number 1 are NaN") || s.Drawn() != 0 {
			t.Errorf("error %v after %d tokens", s.Err, s.Drawn())
		}
	}
}
