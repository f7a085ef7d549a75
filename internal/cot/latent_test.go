package cot

import (
	"math"
	"testing"

	"nfcot/internal/nfhead"
	"nfcot/internal/tensor"
	"nfcot/internal/transformer"
)

// At the model's own scales proj_in makes of codes with their noise what has about the root mean square of embeddings, and
// the head predicts alike from states of any size.
func TestStartsAtTheModelsScales(t *testing.T) {
	const rows = 200
	rootMeanSquare := func(x []float32) float64 {
		sum := 0.0
		for _, v := range x {
			sum += float64(v) * float64(v) / float64(len(x))
		}
		return math.Sqrt(sum)
	}
	for _, scale := range []float32{0.02, 1, 5} {
		o := NFOptions{K: 2, D: 16, Noise: 0.3, MLP: 8, Fit: true}
		p := tensor.NewParams(1)
		lm := transformer.NewLM(p, transformer.Config{Hidden: 64, Layers: 1, Heads: 2, KVHeads: 2, HeadDim: 32, FFN: 32, Vocab: 30, Tied: true, Theta: 1e4, NormEps: 1e-6, MaxTokens: 20})
		for q := range p.All() {
			if q.Name == transformer.EmbeddingName || q.Name == "model.norm.weight" {
				for i := range q.Data {
					q.Data[i] *= scale
				}
			}
		}
		m := NewNFCoT(p, lm, Special{}, nfhead.Config{}, o)
		u, h, rng := tensor.New(rows, o.D), tensor.New(rows, lm.Hidden), tensor.Rand(2, "scales")
		for i := range u.Data {
			u.Data[i] = float32(math.Sqrt(1+o.Noise*o.Noise) * rng.NormFloat64())
		}
		for i := range h.Data {
			h.Data[i] = scale * float32(rng.NormFloat64())
		}
		if ratio := rootMeanSquare(m.project(nil, u).Data) / lm.EmbeddingRMS(); math.Abs(ratio-1) > 0.15 {
			t.Errorf("scale %g: what proj_in makes is %.2f times as large as embeddings", scale, ratio)
		}
		if got, want := rootMeanSquare(m.Head.Predict(nil, h).Mu.Data), 0.02*math.Sqrt(float64(lm.Hidden)); math.Abs(got/want-1) > 0.15 {
			t.Errorf("scale %g: means of %.3f, want about %.3f", scale, got, want)
		}
	}
}
