package cot

import (
	"math"
	"strings"
	"testing"

	"nfcot/internal/tensor"
	"nfcot/internal/tensor/tensortest"
)

// What is read back is the chain from the predicted means, as the decoder reads it, token by token; it is a
// term of its own, which nothing else of the loss knows of. The VAE has no gradients.
func TestReadBackByHand(t *testing.T) {
	const weight = 0.7
	batch, random := examples(5), StepRand{Seed: 1, Step: 2}
	for _, components := range []int{1, 3} {
		for _, encoder := range Encoders {
			o := nfOptions
			o.Components, o.ReadBack, o.MeanWeight = components, weight, 0.2
			m, p := shakenNFCoT(o)
			s := Stage{NFCoT: m, FreezeFlow: true}
			without := s.Loss(nil, batch, s.Size(batch), random)
			if len(without.Terms) != 3 || s.Size(batch).Chain != 0 {
				t.Errorf("%v of a loss that reads nothing back", without.Terms)
			}
			base, head := without.total(), without.HeadFLOPs
			m.VAE = reader(encoder)
			loss := s.Loss(nil, batch, s.Size(batch), random)

			e, noisy := m.codes(nil, batch, random)
			next, _ := m.forward(nil, m.layout(nil, batch, StepRand{}), m.reads(nil, noisy, noisy), 1)
			var ce float64
			tokens := 0
			for i, ex := range batch {
				z := tensor.New(o.K, o.D)
				for k := range o.K {
					r := i*o.K + k
					best, least := next.Mu.Row(r), math.Inf(1)
					for c := 0; components > 1 && c < components; c++ {
						mean, away := make([]float32, o.D), 0.0
						for d := range mean {
							mean[d] = next.Mu.Row(r)[d] + next.Delta.Row(r)[c*o.D+d]
							away += math.Pow(float64(mean[d]-e.Row(r)[d]), 2)
						}
						if away < least {
							best, least = mean, away
						}
					}
					for d, x := range best {
						z.Row(k)[d] = x*m.VAE.Std[d] + m.VAE.Mean[d]
					}
				}
				logits, target := m.VAE.decode(nil, z, [][][]int{ex.Segments})
				for r, id := range target {
					sum := 0.0
					for _, l := range logits.Row(r) {
						sum += math.Exp(float64(l))
					}
					ce += math.Log(sum) - float64(logits.Row(r)[id])
				}
				tokens += len(target)
			}
			if n := s.Size(batch).Chain; n != tokens {
				t.Errorf("%s: %d tokens are read back, want %d", encoder, n, tokens)
			}
			tensortest.Likelihood.CheckScalar(t, encoder+": read back", loss.term(t, "read_back_nats_per_token"), ce/float64(tokens))
			tensortest.Likelihood.CheckScalar(t, encoder+": total", loss.total(), base+weight*ce/float64(tokens))
			if loss.FLOPs != without.FLOPs || loss.HeadFLOPs <= head {
				t.Errorf("%s: the backbone takes %g operations, want %g; all else %g, with what is read back more than %g", encoder, loss.FLOPs, without.FLOPs, loss.HeadFLOPs, head)
			}
			gradients(p, func(t *tensor.Tape) *tensor.Tensor { return s.Loss(t, batch, s.Size(batch), random).Total })
			for q := range m.VAE.Params.All() {
				if q.Grad != nil {
					t.Errorf("%s: %s, which is frozen, has a gradient", encoder, q.Name)
				}
			}
		}
	}
}

// Where a flow stands between thoughts and codes nothing is read back.
func TestNothingIsReadThroughAFlow(t *testing.T) {
	batch, random := examples(3), StepRand{Seed: 1}
	o := nfOptions
	o.ReadBack = 1
	for _, s := range []Stage{{}, {FreezeFlow: true, Fitted: true}} {
		s.NFCoT, _ = shakenNFCoT(o)
		want := s.Loss(nil, batch, s.Size(batch), random).total()
		s.VAE = reader("local")
		loss := s.Loss(nil, batch, s.Size(batch), random)
		if loss.total() != want || len(loss.Terms) != 2 {
			t.Errorf("%+v: loss %v of %v, want %v", s.FreezeFlow, loss.total(), loss.Terms, want)
		}
	}
}

// The decoder's work is counted as the backbone's is.
func TestReadBackCountsWhatItDoes(t *testing.T) {
	batch := examples(4)
	o := nfOptions
	o.ReadBack = 1
	m, _ := shakenLaVAE(o)
	without := m.Loss(nil, batch, m.Size(batch), StepRand{}).HeadFLOPs
	m.VAE = reader("causal")
	row, seen := 0, 0
	for q := range m.VAE.Params.All() {
		if strings.HasPrefix(q.Name, "decoder.layers.") && len(q.Shape) == 2 {
			row += len(q.Data)
			if strings.HasSuffix(q.Name, "q_proj.weight") {
				seen += 2 * q.Shape[0]
			}
		}
	}
	want := 0
	for _, ex := range batch {
		n := o.K + ex.chainTokens() // each code, and behind it its step
		want += n*row + n*(n+1)/2*seen
		want += (o.K + ex.chainTokens()) * lmShape.Vocab * m.VAE.Config.Hidden // each token, and the ends of K steps
		want += o.K * m.VAE.Config.Hidden * o.D
	}
	checkFLOPs(t, "reading back", m.Loss(nil, batch, m.Size(batch), StepRand{}).HeadFLOPs-without, 3*want)
}
