package cot
import ("testing";"nfcot/internal/tensor")
func BenchmarkDraw(b *testing.B) {
	rng := tensor.Rand(1, "words")
	logits := make([]float32, 151936)
	for i := range logits { logits[i] = float32(rng.NormFloat64()*2) }
	for _, o := range []Options{{TextTemp:1},{TextTemp:0.7},{},{TextTemp:0.7,Truncation:Truncation{TopP:0.95}},{TextTemp:0.6,Truncation:Truncation{TopP:0.95,TopK:20}}} {
		b.Run("", func(b *testing.B) { d := new(dice); for b.Loop() { d.draw(logits, &o, rng) } })
	}
}
