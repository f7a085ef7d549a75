package cot

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"nfcot/internal/nfhead"
	"nfcot/internal/tensor"
	"nfcot/internal/tensor/kernel"
	"nfcot/internal/tensor/tensortest"
	"nfcot/internal/transformer"
)

// learners are a small model of every method and of every way to train it.
func learners() map[string]struct {
	Learner
	*tensor.Params
} {
	type learner = struct {
		Learner
		*tensor.Params
	}
	all := map[string]learner{}
	add := func(name string, l Learner, p *tensor.Params) { all[name] = learner{l, p} }
	m, p := shakenNFCoT(nfOptions)
	add("nfcot", Stage{NFCoT: m}, p)
	m, p = shakenNFCoT(nfOptions)
	add("nfcot, flow held", Stage{NFCoT: m, FreezeFlow: true}, p)
	expected := nfOptions
	expected.Expectation = true
	m, p = shakenNFCoT(expected)
	add("nfcot, flow held, expectation", Stage{NFCoT: m, FreezeFlow: true}, p)
	guided := nfOptions
	guided.MeanWeight = 0.2
	m, p = shakenNFCoT(guided)
	add("nfcot, flow held, means weighted", Stage{NFCoT: m, FreezeFlow: true}, p)
	fitted := expected
	fitted.MeanWeight = 0.2
	mixed := expected
	mixed.Components = 3
	m, p = shakenNFCoT(mixed)
	add("nfcot, flow held, mixture", Stage{NFCoT: m, FreezeFlow: true}, p)
	m, p = shakenNFCoT(fitted)
	add("nfcot, fitted flow held, expectation, means weighted", Stage{NFCoT: m, FreezeFlow: true, Fitted: true}, p)
	fitted.Components, fitted.MeanWeight = 3, 0 // guidance holds the common mean, which differences do not
	m, p = shakenNFCoT(fitted)
	add("nfcot, fitted flow held, mixture", Stage{NFCoT: m, FreezeFlow: true, Fitted: true}, p)
	m, p = shakenNFCoT(nfOptions)
	add("nfcot, flow fitted to the marginal", Stage{NFCoT: m, Marginal: true}, p)
	m, p = shakenDual(nfOptions)
	add("nfcot-dual", Stage{NFCoT: m}, p)
	m, p = shakenDual(guided)
	add("nfcot-dual, flow held, means weighted", Stage{NFCoT: m, FreezeFlow: true}, p)
	regressing, p := shakenLaVAE(guided)
	add("lavae", regressing, p)
	read := expected
	read.ReadBack = 0.3
	m, p = shakenNFCoT(read)
	m.VAE = reader("local")
	add("nfcot, flow held, read back", Stage{NFCoT: m, FreezeFlow: true}, p)
	read.Components = 3
	m, p = shakenDual(read)
	m.VAE = reader("causal")
	for q := range p.All() {
		for i := 2 * read.D; q.Name == "nf_head.bias" && i < 5*read.D; i++ {
			q.Data[i] += float32(4 * (i/read.D - 3)) // far apart: which one is nearest does not change within a difference
		}
	}
	add("nfcot-dual, flow held, mixture, read back", Stage{NFCoT: m, FreezeFlow: true}, p)
	regressing, p = shakenLaVAE(read)
	regressing.VAE = reader("full")
	add("lavae, read back", regressing, p)
	for _, process := range []string{"flow", "ddim"} {
		diffusing, p := shakenLaDiR(nfOptions, process)
		add("ladir, "+process, diffusing, p)
	}
	m, p = shakenNFCoT(nfOptions)
	add("reading", m.Reading(), p)
	for replaced := range 4 { // lines: at step 2
		feeding, p := shakenCoconut()
		feeding.First, feeding.Steps = 2-replaced, 4
		add(fmt.Sprintf("coconut, %d lines", replaced), feeding, p)
	}
	for _, phase := range []int{0, 3, 8} { // of 8 tokens that are removed: at step 2
		losing, p := shakenICoT()
		losing.First, losing.Steps, losing.Options.Last = 2-phase, 9, 0.1
		add(fmt.Sprintf("icot, %d tokens", phase), losing, p)
	}
	text, p := shakenText(false)
	add("direct", text, p)
	text, p = shakenText(true)
	add("cot", text, p)
	text, p = shakenText(true)
	text.DirectShare = 0.4
	add("cot, some direct", text, p)
	text, p = shakenText(false)
	add("lm", NewPlain(text.LM, Special{EOS: 0, BOT: -1, CoT: -1, Ans: -1}), p)
	return all
}

func TestLossGradients(t *testing.T) {
	batch, random := examples(2), StepRand{Seed: 1, Step: 2}
	for name, m := range learners() {
		t.Run(name, func(t *testing.T) {
			var params []*tensor.Tensor
			for q := range m.All() {
				own := strings.Contains(name, "held") || strings.Contains(name, "marginal") // the flow learns nothing, or see TestMarginal
				if !own || !strings.HasPrefix(q.Name, "flow.") {
					params = append(params, q.Tensor)
				}
			}
			tensortest.GradCheck(t, func(t *tensor.Tape) *tensor.Tensor {
				return m.Loss(t, batch, m.Size(batch), random).Total
			}, params...)
		})
	}
}

// A loss does not depend on what else is in the batch but through what it is
// divided by: the losses of parts add up to the whole, and so do their gradients.
func TestPartsAddUpToTheWhole(t *testing.T) {
	batch, random := examples(7), StepRand{Seed: 1, Step: 2}
	for name, m := range learners() {
		t.Run(name, func(t *testing.T) {
			whole := m.Size(batch)
			all := m.Loss(nil, batch, whole, random)
			all.Terms = slices.Clone(all.Terms)
			want := gradients(m.Params, func(t *tensor.Tape) *tensor.Tensor { return m.Loss(t, batch, whole, random).Total })
			for _, parts := range []int{2, 3, 7} {
				var total, flops float64
				var size Size
				var terms Terms
				var losses []func(t *tensor.Tape) *tensor.Tensor
				for i := range parts {
					part := batch[i*len(batch)/parts : (i+1)*len(batch)/parts]
					size = size.Add(m.Size(part))
					loss := m.Loss(nil, part, whole, random)
					total, flops = total+loss.total(), flops+loss.FLOPs
					terms = terms.Plus(loss.Terms)
					losses = append(losses, func(t *tensor.Tape) *tensor.Tensor { return m.Loss(t, part, whole, random).Total })
				}
				if size != whole {
					t.Errorf("%d parts have size %+v, the whole %+v", parts, size, whole)
				}
				if flops != all.FLOPs {
					t.Errorf("%d parts take %g operations, the whole %g", parts, flops, all.FLOPs)
				}
				rounding.CheckScalar(t, "total", total, all.total())
				for j, p := range all.Terms {
					rounding.CheckScalar(t, p.Name, terms[j].Value, p.Value)
				}
				tensortest.Tolerance{Rel: 1e-5, Abs: 1e-6}.Check(t, "gradient", gradients(m.Params, losses...), tensortest.Float64s(want))
			}
		})
	}
}

// An example's numbers are the same bits packed as alone, with and without a
// tape, whatever the threads.
func TestPackedIsAlone(t *testing.T) {
	defer kernel.SetThreads(kernel.Threads())
	batch, random := examples(9), StepRand{Seed: 4}
	m, _ := shakenNFCoT(nfOptions)
	K := m.Options.K
	forward := func(t *tensor.Tape, batch []Encoded) (u, logDet *tensor.Tensor, next nfhead.Prediction, text *tensor.Tensor) {
		_, noisy := m.codes(nil, batch, random)
		u, logDet = m.Flow.Forward(t, noisy, nil)
		next, text = m.forward(t, m.layout(nil, batch, StepRand{}), u, 1)
		return
	}
	for _, threads := range []int{1, 4} {
		kernel.SetThreads(threads)
		u, logDet, next, text := forward(nil, batch)
		token := 0
		for i := range batch {
			for _, tape := range []*tensor.Tape{nil, new(tensor.Tape)} {
				u1, logDet1, next1, text1 := forward(tape, batch[i:i+1])
				same(t, "u", rowRange(u, i*K, (i+1)*K).Data, u1.Data)
				same(t, "log-determinant", logDet.Row(i), logDet1.Data)
				same(t, "mu", rowRange(next.Mu, i*K, (i+1)*K).Data, next1.Mu.Data)
				same(t, "log sigma", rowRange(next.LogSigma, i*K, (i+1)*K).Data, next1.LogSigma.Data)
				same(t, "log p of tokens", text.Data[token:token+text1.Rows()], text1.Data)
			}
			token += len(batch[i].Answer) + 1
		}
	}
	for name, m := range learners() { // a batch of one example, said twice
		size := m.Size(batch[:1])
		kernel.SetThreads(1)
		want := m.Loss(nil, batch[:1], size, random).total()
		kernel.SetThreads(4)
		if got := m.Loss(new(tensor.Tape), batch[:1], size, random).total(); got != want {
			t.Errorf("%s: loss %v, with tape and threads %v", name, want, got)
		}
	}
}

// simple is an NF-CoT model whose head does not look: it predicts N(mean, sigma²)
// for every number of every thought.
func simple(o NFOptions, mean, sigma float64) *NFCoT {
	m, p := newNFCoT(o)
	for q := range p.Sub("nf_head").All() {
		clear(q.Data)
		if strings.HasSuffix(q.Name, "bias") {
			for d := range o.D {
				q.Data[d] = float32(mean)
				q.Data[o.D+d] = float32(o.SigmaLimit * math.Atanh(math.Log(sigma)/o.SigmaLimit))
			}
		}
	}
	return m
}

func flowLoss(t *testing.T, s Stage, batch []Encoded, random StepRand) float64 {
	t.Helper()
	return s.Loss(nil, batch, s.Size(batch), random).term(t, "flow_nats_per_dim")
}

// normalNLL is -log N(x; mean, sigma²), with variance noise² of x added.
func normalNLL(x, mean, sigma, noise float64) float64 {
	return ((x-mean)*(x-mean)+noise*noise)/(2*sigma*sigma) + math.Log(sigma) + 0.5*math.Log(2*math.Pi)
}

// By hand: what the flow loss is, with noise and in expectation over it, and that
// it goes down when the codes become likelier.
func TestFlowLossByHand(t *testing.T) {
	batch, random := examples(4), StepRand{Seed: 1, Step: 3}
	for _, tt := range []struct {
		mean, sigma float64
		expectation bool
	}{{0, 1, false}, {0, 1, true}, {0.7, 0.5, false}, {-1.2, 2, true}} {
		o := nfOptions
		o.Expectation = tt.expectation
		m := simple(o, tt.mean, tt.sigma)
		e, noisy := m.codes(nil, batch, random)
		x, noise := noisy, 0.0
		if tt.expectation {
			x, noise = e, o.Noise
		}
		var want float64
		for _, v := range x.Data {
			want += normalNLL(float64(v), tt.mean, tt.sigma, noise) / float64(len(x.Data))
		}
		tensortest.Likelihood.CheckScalar(t, fmt.Sprintf("%+v", tt), flowLoss(t, Stage{NFCoT: m, FreezeFlow: true}, batch, random), want)
	}

	var near, far float64 // codes at the mean, and one sigma away
	for _, ex := range batch {
		for i := range ex.Codes.Data {
			ex.Codes.Data[i] = 2
		}
	}
	near = flowLoss(t, Stage{NFCoT: simple(nfOptions, 2, 1), FreezeFlow: true}, batch, random)
	far = flowLoss(t, Stage{NFCoT: simple(nfOptions, 1, 1), FreezeFlow: true}, batch, random)
	if !(near < far) {
		t.Errorf("the loss of likely codes is %g, that of unlikely ones %g", near, far)
	}
}

// Dequantisation noise is fresh every step, has the standard deviation it should
// have, belongs to the example and not to its place in the batch, and is added
// to the codes.
func TestDequantisation(t *testing.T) {
	batch := examples(3)
	o := nfOptions
	m, _ := newNFCoT(o)
	each := o.K * o.D
	var mean, variance float64
	const steps = 400
	for step := range steps {
		e, noisy := m.codes(nil, batch, StepRand{Seed: 2, Step: step})
		_, swapped := m.codes(nil, []Encoded{batch[2], batch[0]}, StepRand{Seed: 2, Step: step})
		same(t, "noisy codes at another place", swapped.Data, slices.Concat(noisy.Data[2*each:], noisy.Data[:each]))
		for i, ex := range batch {
			same(t, "codes", e.Data[i*each:(i+1)*each], ex.Codes.Data)
		}
		for i := range e.Data {
			n := float64(noisy.Data[i]-e.Data[i]) / o.Noise
			mean += n / float64(steps*len(e.Data))
			variance += n * n / float64(steps*len(e.Data))
		}
	}
	five := 5 / math.Sqrt(float64(steps*len(batch)*each))
	if math.Abs(mean) > five || math.Abs(variance-1) > five*math.Sqrt2 {
		t.Errorf("noise has mean %g and variance %g in its own units", mean, variance)
	}
}

// The loss in expectation is the mean of the loss over many draws of the noise,
// for a model whose inputs carry that noise too.
func TestExpectationIsMeanOverNoise(t *testing.T) {
	batch := examples(4)
	m, _ := shakenNFCoT(nfOptions)
	expected := nfOptions
	expected.Expectation = true
	e, _ := shakenNFCoT(expected)
	const n = 2000
	var mean, squares, level float64
	for step := range n {
		random := StepRand{Seed: 1, Step: step}
		in := flowLoss(t, Stage{NFCoT: e, FreezeFlow: true}, batch, random)
		d := flowLoss(t, Stage{NFCoT: m, FreezeFlow: true}, batch, random) - in
		mean, squares, level = mean+d/n, squares+d*d/n, level+in/n
	}
	standardError := math.Sqrt((squares - mean*mean) / n)
	if math.Abs(mean) > 4*standardError {
		t.Errorf("over %d random the loss is %g away from its expectation %g, standard error %g", n, mean, level, standardError)
	}
	_, noisy := m.codes(nil, batch, StepRand{Seed: 1})
	next, _ := m.forward(nil, m.layout(nil, batch, StepRand{}), noisy, 1)
	logSigma := next.LogSigma
	var share float64 // of the noise, in the loss in expectation
	for _, l := range logSigma.Data {
		share += nfOptions.Noise * nfOptions.Noise / (2 * math.Exp(2*float64(l))) / float64(len(logSigma.Data))
	}
	if share < 10*standardError {
		t.Errorf("the noise adds %g, standard error %g: the test sees nothing", share, standardError)
	}
}

// A flow at the identity is a flow that is not there.
func TestHeldFlowIsFreeFlowAtIdentity(t *testing.T) {
	batch, random := examples(5), StepRand{Seed: 1}
	m, p := shakenNFCoT(nfOptions)
	for q := range p.Sub("flow").All() {
		if strings.Contains(q.Name, "proj_out") {
			clear(q.Data)
		}
	}
	held := Stage{NFCoT: m, FreezeFlow: true}.Loss(nil, batch, m.Size(batch), random)
	held.Terms = slices.Clone(held.Terms)
	free := Stage{NFCoT: m}.Loss(nil, batch, m.Size(batch), random)
	if held.total() != free.total() || !slices.Equal(held.Terms, free.Terms) {
		t.Errorf("held %v, %v, free %v, %v", held.total(), held.Terms, free.total(), free.Terms)
	}
	m.Options.Expectation = true
	if got := (Stage{NFCoT: m}).Loss(nil, batch, m.Size(batch), random); got.total() != free.total() {
		t.Errorf("a free flow has loss %v, in expectation %v", free.total(), got.total())
	}
	if got := (Stage{NFCoT: m, FreezeFlow: true}).Loss(nil, batch, m.Size(batch), random); got.total() == held.total() {
		t.Error("in expectation the loss is what it was")
	}
}

// By hand: a flow that shrinks all thoughts after the first by e^-c has
// log-determinant -c(K-1)D, which the likelihood of the codes gains.
func TestLogDetByHand(t *testing.T) {
	batch, random := examples(4), StepRand{Seed: 1}
	o := nfOptions
	for _, c := range []float64{-0.5, 0.8} {
		p := tensor.NewParams(1)
		oneBlock := flowShape
		oneBlock.Blocks = 1
		m := NewNFCoT(p, transformer.NewLM(p, lmShape), special, oneBlock, o)
		for q := range p.All() {
			switch {
			case strings.HasSuffix(q.Name, "proj_out.bias"):
				for d := range o.D {
					q.Data[d] = float32(c)
				}
			case strings.HasPrefix(q.Name, "nf_head."):
				clear(q.Data) // N(0, 1)
			}
		}
		_, noisy := m.codes(nil, batch, random)
		var want float64
		for i, v := range noisy.Data {
			x := float64(v)
			if i/o.D%o.K > 0 {
				x *= math.Exp(-c)
				want += c // -log|det|
			}
			want += normalNLL(x, 0, 1, 0)
		}
		tensortest.Likelihood.CheckScalar(t, fmt.Sprintf("c = %g", c), flowLoss(t, Stage{NFCoT: m}, batch, random), want/float64(len(noisy.Data)))
	}
}

func TestLambdas(t *testing.T) {
	batch, random := examples(4), StepRand{Seed: 1}
	for _, l := range [][2]float64{{1, 1}, {0.5, 2}, {0, 1}, {3, 0}} {
		o := nfOptions
		o.LambdaFlow, o.LambdaText = l[0], l[1]
		m, _ := shakenNFCoT(o)
		loss := Stage{NFCoT: m}.Loss(nil, batch, m.Size(batch), random)
		want := l[0]*loss.term(t, "flow_nats_per_dim") + l[1]*loss.term(t, "text_nats_per_token")
		rounding.CheckScalar(t, fmt.Sprintf("weights %v", l), loss.total(), want)
	}
}

// By hand: a model that finds all tokens equally likely says log V a token,
// whatever the prompt and however long the answers.
func TestTextLossByHand(t *testing.T) {
	batch, random := examples(4), StepRand{Seed: 1}
	for name, m := range learners() {
		for q := range m.All() {
			if q.Name == "lm_head.weight" {
				clear(q.Data)
			}
		}
		if name == "cot, some direct" || strings.HasPrefix(name, "coconut") || strings.HasPrefix(name, "icot") { // divided by all tokens, of which some are not there
			continue
		}
		term := "text_nats_per_token"
		if name == "reading" {
			term = "chain_nats_per_token"
		}
		rounding.CheckScalar(t, name, m.Loss(nil, batch, m.Size(batch), random).term(t, term), math.Log(float64(lmShape.Vocab)))
	}
}

// The chain of thought reaches NF-CoT through the codes alone: with these given,
// its words change no bit of loss or gradient. Nor do they reach method direct.
func TestChainDoesNotLeak(t *testing.T) {
	random := StepRand{Seed: 1}
	for name, m := range learners() {
		var losses []float64
		var slopes [][]float32
		for _, steps := range [][][]int{nil, {{4, 5}, {6}}, {{7, 7, 7, 7, 7}}} {
			batch := examples(4)
			for i := range batch {
				batch[i].Steps = steps
			}
			losses = append(losses, m.Loss(nil, batch, m.Size(batch), random).total())
			slopes = append(slopes, gradients(m.Params, func(t *tensor.Tape) *tensor.Tensor {
				return m.Loss(t, batch, m.Size(batch), random).Total
			}))
		}
		learnsChain := strings.HasPrefix(name, "cot") || strings.HasPrefix(name, "coconut") || strings.HasPrefix(name, "icot") // which divide by the chain's length in every stage
		for i := range losses[1:] {
			if (losses[i+1] == losses[0]) == learnsChain || slices.Equal(slopes[i+1], slopes[0]) == learnsChain {
				t.Errorf("%s: loss %v with one chain, %v with another", name, losses[0], losses[i+1])
			}
		}
	}
}

// Of the examples, about the share that DirectShare names is shown without its
// chain; which ones is drawn anew every step. The normaliser does not move.
func TestDirectShare(t *testing.T) {
	batch := examples(40)
	m, _ := shakenText(true)
	size := m.Size(batch)
	direct := 0
	const steps = 25
	differ := false
	for _, share := range []float64{0, 0.3, 1} {
		m.DirectShare = share
		direct = 0
		for step := range steps {
			for _, ex := range batch {
				if !m.chain(nil, ex, StepRand{Seed: 1, Step: step}) {
					direct++
				}
				differ = differ || m.chain(nil, ex, StepRand{Seed: 1, Step: step}) != m.chain(nil, ex, StepRand{Seed: 1, Step: step + 1})
			}
		}
		n := float64(steps * len(batch))
		if math.Abs(float64(direct)-n*share) > 5*math.Sqrt(n*share*(1-share)) {
			t.Errorf("share %g: %d of %g examples are direct", share, direct, n)
		}
		if m.Size(batch) != size {
			t.Errorf("share %g: size %+v, want %+v", share, m.Size(batch), size)
		}
	}
	if !differ {
		t.Error("the same examples are direct in every step")
	}
	m.Chain, m.DirectShare = false, 0
	if m.chain(nil, batch[0], StepRand{}) {
		t.Error("method direct shows a chain")
	}
}

// By hand: while the flow is held, MeanWeight adds the squared error of the means
// at the variance of the noise.
func TestMeanWeight(t *testing.T) {
	const weight = 0.3
	batch, random := examples(4), StepRand{Seed: 1}
	m := simple(nfOptions, 0.4, 2)
	without := Stage{NFCoT: m, FreezeFlow: true}.Loss(nil, batch, m.Size(batch), random)
	without.Terms = slices.Clone(without.Terms)
	m.Options.MeanWeight = weight
	loss := Stage{NFCoT: m, FreezeFlow: true}.Loss(nil, batch, m.Size(batch), random)
	var want float64
	for _, ex := range batch {
		for _, v := range ex.Codes.Data {
			want += math.Pow(float64(v)-0.4, 2) / (2 * nfOptions.Noise * nfOptions.Noise) / float64(m.Size(batch).Dims)
		}
	}
	tensortest.Likelihood.CheckScalar(t, "mean error", loss.term(t, "mean_error_per_dim"), want)
	tensortest.Likelihood.CheckScalar(t, "total", loss.total(), without.total()+weight*want)
	free := Stage{NFCoT: m}.Loss(nil, batch, m.Size(batch), random)
	if len(free.Terms) != len(without.Terms) {
		t.Errorf("a free flow has terms %v", free.Terms)
	}
}

// With Marginal the flow's gradient is that of the density of codes alone, under thoughts of N(0, I); what all else
// learns is as without it, and TestLossGradients has its gradient.
func TestMarginal(t *testing.T) {
	batch, random := examples(4), StepRand{Seed: 1}
	o := nfOptions
	o.LambdaFlow = 0.7
	nf, nfParams := shakenNFCoT(o)
	dual, dualParams := shakenDual(o)
	for i, m := range []*NFCoT{nf, dual} {
		_, noisy := m.codes(nil, batch, random)
		u, logDet := m.Flow.Forward(nil, noisy, nil)
		want := -float64Sum(logDet.Data)
		for _, v := range u.Data {
			want += normalNLL(float64(v), 0, 1, 0)
		}
		want /= float64(len(u.Data))
		s := Stage{NFCoT: m, Marginal: true}
		free := Stage{NFCoT: m}.Loss(nil, batch, m.Size(batch), random)
		free.Terms = slices.Clone(free.Terms)
		loss := s.Loss(nil, batch, m.Size(batch), random)
		tensortest.Likelihood.CheckScalar(t, "marginal", loss.term(t, "marginal_nats_per_dim"), want)
		tensortest.Likelihood.CheckScalar(t, "total", loss.total(), free.total()+o.LambdaFlow*want)
		if !slices.Equal(loss.Terms[:len(free.Terms)], free.Terms) {
			t.Errorf("terms are %v, without the marginal %v", loss.Terms, free.Terms)
		}
		var flow []*tensor.Tensor
		for q := range []*tensor.Params{nfParams, dualParams}[i].Sub("flow").All() {
			flow = append(flow, q.Tensor)
		}
		tensortest.GradCheck(t, func(t *tensor.Tape) *tensor.Tensor {
			if t != nil { // the gradient of all, which is compared with differences of the marginal
				return s.Loss(t, batch, m.Size(batch), random).Total
			}
			u, logDet := m.Flow.Forward(nil, noisy, nil)
			return t.Scale(float32(o.LambdaFlow), s.marginal(nil, u, logDet, m.Size(batch)))
		}, flow...)
	}
}

// What Diagnose says of each thought, by hand.
func TestDiagnose(t *testing.T) {
	batch, random := examples(5), StepRand{Seed: 1}
	const sigma = 0.6
	m := simple(nfOptions, 0.2, sigma)
	_, noisy := m.codes(nil, batch, random)
	sigmas, nlls := diagnosed(Stage{NFCoT: m, FreezeFlow: true}.Diagnose(nil, batch, random))
	for k := range m.Options.K {
		var nll float64
		for b := range batch {
			for _, v := range noisy.Row(b*m.Options.K + k) {
				nll += normalNLL(float64(v), 0.2, sigma, 0) / float64(len(batch)*m.Options.D)
			}
		}
		tensortest.Likelihood.CheckScalar(t, "sigma", sigmas[k], sigma)
		tensortest.Likelihood.CheckScalar(t, "nll", nlls[k], nll)
	}

	m, _ = shakenNFCoT(nfOptions) // all thoughts together are the flow loss
	for _, hold := range []bool{true, false} {
		s := Stage{NFCoT: m, FreezeFlow: hold}
		_, nlls := diagnosed(s.Diagnose(nil, batch, random))
		tensortest.Likelihood.CheckScalar(t, fmt.Sprintf("hold %v: mean NLL", hold), sum(nlls)/float64(len(nlls)), flowLoss(t, s, batch, random))
	}
}

// diagnosed takes apart what Diagnose says.
func diagnosed(parts []Term) (sigmas, nlls []float64) {
	for _, p := range parts {
		if strings.HasPrefix(p.Name, "sigma_") {
			sigmas = append(sigmas, p.Value)
		} else {
			nlls = append(nlls, p.Value)
		}
	}
	return sigmas, nlls
}

// Rows are those of the streams that the loss lays out.
func TestRows(t *testing.T) {
	batch := examples(20)
	nf, _ := shakenNFCoT(nfOptions)
	dual, _ := shakenDual(nfOptions)
	for _, m := range []*NFCoT{nf, dual} {
		if got, want := m.Rows(batch, StepRand{}), len(m.layout(nil, batch, StepRand{}).rows.Spans); got != want {
			t.Errorf("twice %v: %d rows, want %d", m.dualPath, got, want)
		}
	}
	reading, want := nf.Reading(), 0
	for _, ex := range batch {
		want += 3*nf.Options.K + ex.chainTokens() // BOT, a thought and CoT each; Ans is read by no one
	}
	if got := reading.Rows(batch, StepRand{}); got != want {
		t.Errorf("reading: %d rows, want %d", got, want)
	}
	for _, m := range []*Text{{}, {Chain: true}, {Chain: true, DirectShare: 0.4}} {
		for step := range 5 {
			var s packed
			random := StepRand{Seed: 1, Step: step}
			for _, ex := range batch {
				m.lay(&s, ex.Prompt, ex.Steps, m.chain(nil, ex, random), true, ex.Answer, m.Special.EOS)
			}
			if got, want := m.Rows(batch, random), len(s.rows.Spans); got != want {
				t.Errorf("%+v, step %d: %d rows, want %d", m, step, got, want)
			}
		}
	}
}

// Mean guidance of a mixture moves the common mean to the codes, as without components,
// and the nearest component to what the common mean misses; sigma and weights it leaves
// alone. In the biases of the head this is seen by itself.
func TestGuidanceOfMixture(t *testing.T) {
	o := nfOptions
	o.Components = 3
	batch, random := examples(5), StepRand{Seed: 1}
	biases := func(weight float64) (m *NFCoT, grad []float32) {
		o.MeanWeight = weight
		m, p := shakenNFCoT(o)
		gradients(p, func(t *tensor.Tape) *tensor.Tensor {
			return Stage{NFCoT: m, FreezeFlow: true}.Loss(t, batch, m.Size(batch), random).Total
		})
		for q := range p.All() {
			if q.Name == "nf_head.bias" {
				grad = q.Grad
			}
		}
		return m, grad
	}
	m, without := biases(0)
	_, with := biases(1)
	e, noisy := m.codes(nil, batch, random)
	next, _ := m.forward(nil, m.layout(nil, batch, StepRand{}), noisy, 1)
	want := make([]float64, len(with))
	used := map[int]bool{}
	for r := range e.Rows() {
		miss := func(c, d int) float64 { // of component c; of the common mean for c < 0
			x := float64(next.Mu.Row(r)[d] - e.Row(r)[d])
			if c >= 0 {
				x += float64(next.Delta.Row(r)[c*o.D+d])
			}
			return x
		}
		nearest, least := 0, math.Inf(1)
		for c := range o.Components {
			away := 0.0
			for d := range o.D {
				away += miss(c, d) * miss(c, d)
			}
			if away < least {
				nearest, least = c, away
			}
		}
		used[nearest] = true
		for d := range o.D {
			scale := 1 / (o.Noise * o.Noise * float64(e.Rows()*o.D))
			want[d] += scale * miss(-1, d)
			want[2*o.D+nearest*o.D+d] += scale * miss(nearest, d)
		}
	}
	if len(used) < 2 {
		t.Error("one component is nearest to every code: the test sees nothing")
	}
	got := make([]float32, len(with))
	for i := range got {
		got[i] = with[i] - without[i]
	}
	tensortest.Tolerance{Rel: 1e-4, Abs: 1e-5}.Check(t, "gradient of the guidance", got, want)
}

// Any number of terms add up.
func TestTermsAddUp(t *testing.T) {
	var sum Terms
	for _, part := range []Terms{{{"a", 1}, {"b", 2}, {"c", 3}, {"d", 4}, {"e", 5}}, {{"a", 10}, {"b", 20}, {"c", 30}, {"d", 40}, {"e", 50}}} {
		sum = sum.Plus(part)
	}
	if want := (Terms{{"a", 11}, {"b", 22}, {"c", 33}, {"d", 44}, {"e", 55}}); !slices.Equal(sum, want) {
		t.Errorf("%v, want %v", sum, want)
	}
}
