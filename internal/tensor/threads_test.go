package tensor_test

import (
	"slices"
	"testing"

	"nfcot/internal/tensor"
	"nfcot/internal/tensor/kernel"
)

// A step of a small language model with a Gaussian head, large enough for every
// operation to be cut into several pieces.
func midSized(p *tensor.Params) func(tp *tape) *mat {
	const sequences, length, heads, kvHeads, hd, vocab = 6, 60, 4, 2, 16, 400
	const rowCount, H = sequences * length, heads * hd
	var (
		see    []tensor.Span
		pos    []int
		target []int
		owner  []int
	)
	for r := range rowCount {
		from := r - r%length
		see = append(see, tensor.Span{From: from, To: r + 1})
		pos = append(pos, r%length)
		target = append(target, r*37%vocab-1)
		owner = append(owner, r/length)
	}
	rot := tensor.NewRotary(tensor.Frequencies(hd, 1e4), 1, length)
	x := p.Normal("x", 1, rowCount, H)
	w, b := p.Const("norm.w", 1, H), p.Const("norm.b", 0, H)
	headNorm := p.Const("head norm", 1, hd)
	qkv, qkvBias := p.Normal("qkv", 0.2, (heads+2*kvHeads)*hd, H), p.Normal("qkv.b", 0.2, (heads+2*kvHeads)*hd)
	gate, up := p.Normal("gate", 0.2, 3*H, H), p.Normal("up", 0.2, 3*H, H)
	square := p.Normal("square", 0.1, H, H)
	down := p.Normal("down", 0.2, H, 3*H)
	vocabulary := p.Normal("vocabulary", 0.2, vocab, H)
	gauss := p.Normal("gauss", 0.1, 3*H, H)
	return func(tp *tape) *mat {
		h := tp.LayerNorm(x, w, b, 1e-5)
		const queries, keys = heads * hd, kvHeads * hd
		all := tp.Linear(h, qkv, qkvBias)
		qk := tp.NormRope(all.Part(0, queries+keys), heads, headNorm, headNorm, 1e-6, pos, rot)
		h = tp.Add(h, tp.Attention(qk.Part(0, queries), qk.Part(queries, keys), all.Part(queries+keys, keys), tp.Mask(see), hd))
		h = tp.Add(h, tp.Rope(tp.RMSNorm(h, headNorm, 1e-6).All(), pos, rot))
		h = tp.Sub(h, tp.Linear(tp.SwiGLU(tp.Linear(h, gate, nil).All(), tp.Linear(h, up, nil).All()), down, nil))
		h = tp.AddLinear(h, h, square, nil)
		h = tp.RMSNorm(h, w, 1e-6)
		h = tp.Add(tp.GELU(h), tp.Tanh(tp.Mul(h, tp.Exp(tp.Scale(-0.5, h)))))
		text := tp.CategoricalLogProb(h, vocabulary, target)
		gaussians := tp.Linear(h, gauss, nil)
		g := []*mat{tp.Columns(gaussians.Part(0, H)), tp.Columns(gaussians.Part(H, H)), tp.Columns(gaussians.Part(2*H, H))}
		density := tp.GaussianLogProb(g[0], g[1], g[2], 0.3)
		kl := tp.GaussianKL(g[1], g[2])
		sums := tp.SumBy(tp.Stack(tp.Add(text, density), kl), append(owner, owner...), sequences)
		return tp.Sum(tp.SumCols(tp.Gather(sums, []int{5, 4, 3, 2, 1, 0, -1, 0})))
	}
}

func TestThreadsChangeNoBit(t *testing.T) {
	defer kernel.SetThreads(kernel.Threads())
	run := func(threads int) (results [][]float32) {
		kernel.SetThreads(threads)
		p := tensor.NewParams(1)
		f := midSized(p)
		tp := new(tape)
		loss := f(tp)
		tp.Backward(loss)
		results = append(results, loss.Data)
		for q := range p.All() {
			results = append(results, slices.Clone(q.Grad)) // Step clears it
		}
		o := tensor.NewAdamW(p)
		o.Step(1e-3, 1)
		for q := range p.All() {
			results = append(results, q.Data)
		}
		return results
	}
	want := run(1)
	for i, x := range want {
		if !slices.ContainsFunc(x, func(v float32) bool { return v != 0 }) || slices.ContainsFunc(x, func(v float32) bool { return v != v }) {
			t.Fatalf("result %d is all zero, or not a number: %v", i, x[:1])
		}
	}
	for _, threads := range []int{2, 4, 4, 4, 7} {
		for i, got := range run(threads) {
			if !slices.Equal(got, want[i]) {
				t.Errorf("result %d differs between 1 and %d threads", i, threads)
			}
		}
	}
}
