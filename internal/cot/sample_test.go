package cot

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"testing"

	"nfcot/internal/nfhead"
	"nfcot/internal/tensor"
	"nfcot/internal/tensor/kernel"
)

// samplers are a small model of every method.
func samplers() map[string]Sampler {
	nf, _ := shakenNFCoT(nfOptions)
	direct, _ := shakenText(false)
	chain, _ := shakenText(true)
	dual, _ := shakenDual(nfOptions)
	regressing, _ := shakenLaVAE(nfOptions)
	diffusing, _ := shakenLaDiR(nfOptions, "flow")
	noising, _ := shakenLaDiR(nfOptions, "ddim")
	feeding, _ := shakenCoconut()
	losing, _ := shakenICoT()
	return map[string]Sampler{"icot": losing, "coconut": feeding, "ladir": diffusing, "ladir, ddim": noising, "nfcot": nf, "nfcot-dual": dual, "lavae": regressing, "direct": direct, "cot": chain, "lm": bareText(), "soft": soft(false), "gumbel": soft(true)}
}

// A sampleScorer knows the likelihoods of its own samples.
type sampleScorer interface {
	Sampler
	Scorer
}

// scorers are those samplers that can score.
func scorers() map[string]sampleScorer {
	all := map[string]sampleScorer{}
	for name, m := range samplers() {
		if s, ok := m.(sampleScorer); ok {
			all[name] = s
		}
	}
	return all
}

// sameSample compares all of two samples but the time they took.
func sameSample(t *testing.T, what string, a, b Sample) {
	t.Helper()
	sameInts(t, what+": prompt", a.Prompt, b.Prompt)
	sameInts(t, what+": chain", a.Chain, b.Chain)
	sameInts(t, what+": answer", a.Answer, b.Answer)
	if (a.Thoughts == nil) != (b.Thoughts == nil) {
		t.Errorf("%s: one sample has thoughts", what)
	} else if a.Thoughts != nil {
		same(t, what+": thoughts", a.Thoughts.Data, b.Thoughts.Data)
	}
	if a.ChainClosed != b.ChainClosed || a.Finished != b.Finished || a.LogThoughts != b.LogThoughts || a.LogText != b.LogText ||
		a.ThinkCost.FLOPs != b.ThinkCost.FLOPs || a.AnswerCost.FLOPs != b.AnswerCost.FLOPs {
		t.Errorf("%s: %+v and %+v", what, a, b)
	}
}

// Sample i of a prompt depends on the seed, the prompt and i alone: not on other
// prompts, on how many samples there are, on what they say, or on threads. So
// samples of one prompt share no cache.
func TestSampleDependsOnSeedPromptAndNumber(t *testing.T) {
	defer kernel.SetThreads(kernel.Threads())
	kernel.SetThreads(1)
	o := Options{Sampling: Sampling{ThoughtTemp: 1, Temp: 1, MaxTokens: 8, Seed: 11}}
	for name, m := range samplers() {
		t.Run(name, func(t *testing.T) {
			qs := prompts(5)
			all := m.Sample(qs, 6, o)
			for p, q := range qs {
				for _, n := range []int{1, 2, 6} {
					for i, x := range m.Sample([][]int{q}, n, o)[0] {
						sameSample(t, fmt.Sprintf("prompt %d, sample %d of %d alone", p, i, n), x, all[p][i])
					}
				}
			}
			slices.Reverse(qs)
			for p, xs := range m.Sample(qs, 3, o) {
				for i, x := range xs {
					sameSample(t, "in reverse order", x, all[len(qs)-1-p][i])
				}
			}
			slices.Reverse(qs)
			kernel.SetThreads(4)
			for p, xs := range m.Sample(qs, 6, o) {
				for i, x := range xs {
					sameSample(t, "with 4 threads", x, all[p][i])
				}
			}
			kernel.SetThreads(1)

			distinct := map[string]bool{}
			other := o
			other.Seed++
			for _, xs := range append(m.Sample(qs, 6, other), all...) {
				for _, x := range xs {
					distinct[fmt.Sprint(x.Prompt, x.Thoughts, x.Chain, x.Answer, x.LogText)] = true
				}
			}
			if len(distinct) < 50 && name != "soft" { // whose samples think the same, and few come to an answer
				t.Errorf("60 samples of 5 prompts and 2 seeds, only %d of them distinct", len(distinct))
			}
		})
	}
}

// What a sample is among 64 others, all drawn from one prompt or each from its
// own, it is alone, byte for byte as it would be written.
func TestSampleAmong64(t *testing.T) {
	o := Options{Sampling: Sampling{ThoughtTemp: 1, Temp: 1, MaxTokens: 8, Seed: 12}}
	for name, m := range samplers() {
		qs := prompts(64)
		siblings, strangers := m.Sample(qs[:1], 64, o)[0], m.Sample(qs, 1, o)
		for i := range 64 {
			if alone := m.Sample(qs[i:i+1], 1, o)[0][0]; !bytes.Equal(sampleBytes(alone), sampleBytes(strangers[i][0])) {
				t.Errorf("%s: sample of prompt %d alone: %+v; among 64 prompts: %+v", name, i, alone, strangers[i][0])
			}
			if alone := m.Sample(qs[:1], i+1, o)[0][i]; !bytes.Equal(sampleBytes(alone), sampleBytes(siblings[i])) {
				t.Errorf("%s: sample %d the last: %+v; among 64: %+v", name, i, alone, siblings[i])
			}
		}
	}
}

// A sample that is one of several forked off a prefill, among others that end before
// it, is byte for byte what it is when drawn by itself, with a prefill and a cache of
// its own, token by token: with weights as they are packed to be sampled from.
func TestForkedSamplesAreSeparateSamples(t *testing.T) {
	o := Options{Sampling: Sampling{ThoughtTemp: 1, Temp: 1, Truncation: Truncation{TopP: 0.95}, RepeatPenalty: 1.1, MaxTokens: 12, Seed: 5}}
	type separate func(prompt []int, i int) Sample
	methods := map[string]func(kernel.Format) (Sampler, separate){
		"nfcot": func(format kernel.Format) (Sampler, separate) {
			m, p := shakenNFCoT(nfOptions)
			m.LM.Pack(p, format)
			return m, func(prompt []int, i int) Sample { return drawNFCoT(m, prompt, i, o) }
		},
	}
	for name, shape := range map[string]Text{"cot": {Chain: true}, "direct": {}, "lm": {Bare: true}} {
		methods[name] = func(format kernel.Format) (Sampler, separate) {
			m, p := shakenText(shape.Chain)
			m.Bare = shape.Bare
			m.LM.Pack(p, format)
			return m, func(prompt []int, i int) Sample { return drawText(m, prompt, i, o) }
		}
	}
	for name, method := range methods {
		for _, format := range []kernel.Format{kernel.F32, kernel.BF16, kernel.Int8, kernel.W8A8} {
			m, separate := method(format)
			lengths := map[int]bool{}
			for p, samples := range m.Sample(prompts(4), 6, o) {
				for i, x := range samples {
					x.ThinkCost, x.AnswerCost = Cost{}, Cost{}
					if alone := separate(prompts(4)[p], i); !bytes.Equal(sampleBytes(x), sampleBytes(alone)) {
						t.Errorf("%s, %v: sample %d of prompt %d is %s; drawn by itself %s", name, format, i, p, sampleBytes(x), sampleBytes(alone))
					}
					lengths[len(x.Chain)+len(x.Answer)] = true
				}
			}
			if len(lengths) < 4 {
				t.Errorf("%s, %v: samples have lengths %v: none leaves others behind", name, format, lengths)
			}
		}
	}
}

// drawNFCoT is sample i of a prompt, by itself.
func drawNFCoT(m *NFCoT, prompt []int, i int, o Options) Sample {
	x := Sample{Prompt: prompt, Thoughts: tensor.New(m.Options.K, m.Options.D)}
	w := walk(m.LM, append(slices.Clone(prompt), m.Special.BOT)...)
	for k := range m.Options.K {
		next := m.Head.Predict(nil, w.h)
		u := rowRange(x.Thoughts, k, k+1)
		next.Draw(u.Data, 0, o.ThoughtTemp, nfhead.Noise{}, tensor.Rand(o.Seed, "thoughts", append(slices.Clone(prompt), i, k)...))
		x.LogThoughts += float64(next.LogProb(nil, u, 0).Data[0])
		w.feed(m.project(nil, u))
	}
	return drawWords(w, m.Special, sequence{Sample: x}, i, o)
}

// drawText is sample i of a prompt, by itself.
func drawText(m *Text, prompt []int, i int, o Options) Sample {
	return drawWords(walk(m.LM, append(slices.Clone(prompt), m.opening()...)...), m.Special, sequence{Sample: Sample{Prompt: prompt}, thinking: m.Chain}, i, o)
}

// drawWords draws the tokens of s after what w has read.
func drawWords(w *walker, special Special, s sequence, i int, o Options) Sample {
	rng := tensor.Rand(o.Seed, "words", append(slices.Clone(s.Prompt), i)...)
	for range o.MaxTokens {
		id, logp := new(tokenSampler).draw(w.lm.Logits(nil, w.h).Data, &o, rng, s.Prompt, s.Chain, s.Answer)
		s.LogText += logp
		if s.accept(id, special); s.Finished {
			break
		}
		w.feed(w.lm.Embed(nil, []int{id}))
	}
	return s.Sample
}

// sampleBytes is all of a sample but the time it took, in bytes.
func sampleBytes(s Sample) []byte {
	s.ThinkCost.Seconds, s.AnswerCost.Seconds = 0, 0
	text, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return text
}

// One thread and four, with streams enough for every operation to be shared out.
func TestThreadsChangeNoSample(t *testing.T) {
	defer kernel.SetThreads(kernel.Threads())
	o := Options{Sampling: Sampling{ThoughtTemp: 1, Temp: 1, MaxTokens: 5}}
	for name, m := range samplers() {
		kernel.SetThreads(1)
		want := slices.Concat(m.Sample(prompts(30), 20, o)...)
		kernel.SetThreads(4)
		for i, x := range slices.Concat(m.Sample(prompts(30), 20, o)...) {
			sameSample(t, fmt.Sprintf("%s: sample %d", name, i), x, want[i])
		}
	}
}

// At temperature 0 every thought is the mean that its own past predicts, and
// every token the likeliest.
func TestTemperatureZero(t *testing.T) {
	m, _ := shakenNFCoT(nfOptions)
	for _, xs := range m.Sample(prompts(4), 2, Options{Sampling: Sampling{MaxTokens: 6}}) {
		sameSample(t, "two samples without noise", xs[0], xs[1])
		x := xs[0]
		w := walk(m.LM, append(slices.Clone(x.Prompt), m.Special.BOT)...)
		for k := range m.Options.K {
			mu := m.Head.Predict(nil, w.h).Mu
			same(t, "thought", x.Thoughts.Row(k), mu.Data)
			w.feed(m.project(nil, mu))
		}
		for _, id := range drawnTokens(x, m.Special) {
			if best := argmax(m.LM.Logits(nil, w.h).Data); id != best {
				t.Errorf("token %d was drawn, the likeliest is %d", id, best)
			}
			w.feed(m.LM.Embed(nil, []int{id}))
		}
	}
}

// Temperature scales sigma and nothing else: the first thought is mu + T·sigma·z
// with the same z for every T, and z is a standard normal.
func TestThoughtTemperature(t *testing.T) {
	m, _ := shakenNFCoT(nfOptions)
	q := prompts(1)
	const n = 1000
	first := func(temp float64) (u []float32) {
		for _, x := range m.Sample(q, n, Options{Sampling: Sampling{ThoughtTemp: temp, Seed: 3}})[0] {
			u = append(u, x.Thoughts.Row(0)...)
		}
		return u
	}
	D := m.Options.D
	w := walk(m.LM, append(slices.Clone(q[0]), m.Special.BOT)...)
	next := m.Head.Predict(nil, w.h)
	mu, logSigma := next.Mu, next.LogSigma
	cold, warm := first(0), first(1)
	half, hot := first(0.5), first(3)
	var mean, variance float64
	for i := range warm {
		sigma := math.Exp(float64(logSigma.Data[i%D]))
		at := float64(mu.Data[i%D])
		z := (float64(warm[i]) - at) / sigma
		mean += z / float64(len(warm))
		variance += z * z / float64(len(warm))
		rounding.CheckScalar(t, "thought at T_z 0", float64(cold[i]), at)
		rounding.CheckScalar(t, "thought at T_z 0.5", float64(half[i]), at+0.5*sigma*z)
		rounding.CheckScalar(t, "thought at T_z 3", float64(hot[i]), at+3*sigma*z)
	}
	five := 5 / math.Sqrt(float64(len(warm))) // standard errors
	if math.Abs(mean) > five || math.Abs(variance-1) > five*math.Sqrt2 {
		t.Errorf("z has mean %g and variance %g over %d random", mean, variance, len(warm))
	}
}

// The noise of all numbers of all thoughts of two prompts is independent: where
// the head says N(0, 1) whatever it sees, covariances are those of the unit
// matrix.
func TestThoughtsAreIndependent(t *testing.T) {
	m := simple(nfOptions, 0, 1)
	const n = 2000
	size := 2 * m.Options.K * m.Options.D
	covariance := make([]float64, size*size)
	samples := m.Sample(prompts(2), n, Options{Sampling: Sampling{ThoughtTemp: 1, Seed: 4}})
	for s := range n {
		z := slices.Concat(samples[0][s].Thoughts.Data, samples[1][s].Thoughts.Data)
		for i, a := range z {
			for j, b := range z {
				covariance[i*size+j] += float64(a) * float64(b) / n
			}
		}
	}
	for i, c := range covariance {
		want, doubt := 0.0, 5/math.Sqrt(n)
		if i/size == i%size {
			want, doubt = 1, doubt*math.Sqrt2
		}
		if math.Abs(c-want) > doubt {
			t.Errorf("covariance of numbers %d and %d is %g, want about %g", i/size, i%size, c, want)
		}
	}
}

// Tokens are drawn with the probabilities softmax(logits/T), and scored with
// those at T = 1.
func TestDrawHasItsDistribution(t *testing.T) {
	const n = 20000
	logits := []float32{1, -0.5, 0.3, 2, -30}
	softmax := func(temp float64) []float64 {
		p := make([]float64, len(logits))
		var z float64
		for i, l := range logits {
			p[i] = math.Exp(float64(l) / temp)
			z += p[i]
		}
		for i := range p {
			p[i] /= z
		}
		return p
	}
	plain := softmax(1)
	for _, temp := range []float64{0.4, 1, 2.5} {
		rng := tensor.Rand(1, "words")
		counts := make([]float64, len(logits))
		for range n {
			id, logp := new(tokenSampler).draw(logits, &Options{Sampling: Sampling{Temp: temp}}, rng)
			counts[id]++
			rounding.CheckScalar(t, "log-probability", logp, math.Log(plain[id]))
		}
		for i, p := range softmax(temp) {
			if math.Abs(counts[i]-n*p) > 5*math.Sqrt(n*p*(1-p)) {
				t.Errorf("T_x %g: token %d drawn %g times of %d, want about %g", temp, i, counts[i], n, n*p)
			}
		}
	}
	id, logp := new(tokenSampler).draw([]float32{1, 4, 4, -2}, &Options{}, tensor.Rand(1, "words"))
	if want := -math.Log(2 + math.Exp(-3) + math.Exp(-6)); id != 1 || math.Abs(logp-want) > 1e-6 {
		t.Errorf("at T_x 0 token %d with %g, want the first of the likeliest, 1, with %g", id, logp, want)
	}
}

// The tokens that are kept with their log-probabilities are all that was drawn, EOS
// included; they add up to the likelihood of the text, each is the model's own at
// temperature 1, and the likeliest in its place come in their order. Who keeps none
// gets the same samples.
func TestLogProbsOfTokens(t *testing.T) {
	const top = 5
	for name, m := range samplers() {
		special := special
		if text, ok := m.(*Text); ok {
			special = text.Special
		}
		_, soft := m.(*Soft)
		o := Options{Sampling: Sampling{ThoughtTemp: 0.9, Temp: 0.7, Truncation: Truncation{TopK: 7}, RepeatPenalty: 1.2, MaxTokens: 12, Seed: 2}}
		plain := slices.Concat(m.Sample(prompts(3), 6, o)...)
		o.LogProbs, o.TopLogProbs = true, top
		finished := 0
		for i, x := range slices.Concat(m.Sample(prompts(3), 6, o)...) {
			var ids []int
			var sum float64
			for _, s := range x.TokenLogProbs {
				ids, sum = append(ids, s.ID), sum+s.LogProb
				if len(s.Top) != top {
					t.Fatalf("%s: %d likeliest tokens, want %d", name, len(s.Top), top)
				}
				for j, alternative := range s.Top {
					if alternative.ID == s.ID && alternative.LogProb != s.LogProb {
						t.Errorf("%s: token %d was drawn with %g and is listed with %g", name, s.ID, s.LogProb, alternative.LogProb)
					}
					if j > 0 && alternative.LogProb > s.Top[j-1].LogProb {
						t.Errorf("%s: the likeliest tokens are not in order: %v", name, s.Top)
					}
				}
				if inside := slices.ContainsFunc(s.Top, func(a TokenLogProb) bool { return a.ID == s.ID }); !inside && s.LogProb > s.Top[top-1].LogProb {
					t.Errorf("%s: token %d with %g is likelier than one of %v", name, s.ID, s.LogProb, s.Top)
				}
			}
			drawn := x
			if soft { // which draws no token while it thinks
				drawn.Chain, drawn.ChainClosed, drawn.Finished = nil, false, x.Finished && x.ChainClosed
			}
			sameInts(t, name+": tokens", ids, drawnTokens(drawn, special))
			if sum != x.LogText {
				t.Errorf("%s: the tokens' log-probabilities add up to %v, the text has %v", name, sum, x.LogText)
			}
			if plain[i].TokenLogProbs != nil {
				t.Errorf("%s: log-probabilities are kept that nobody asked for", name)
			}
			sameSample(t, name+": keeping log-probabilities", x, plain[i])
			if x.Finished {
				finished++
			}
		}
		if finished == 0 && !soft {
			t.Errorf("%s: no sample was finished", name)
		}
	}
	got := new(tokenSampler)
	got.draw([]float32{1, 4, 4, -2}, &Options{}, tensor.Rand(1, "words"))
	z := math.Log(math.Exp(1) + 2*math.Exp(4) + math.Exp(-2))
	for i, a := range got.likeliest([]float32{1, 4, 4, -2}, 9) {
		want := []TokenLogProb{{1, 4 - z}, {2, 4 - z}, {0, 1 - z}, {3, -2 - z}}[i]
		if a.ID != want.ID || math.Abs(a.LogProb-want.LogProb) > 1e-6 {
			t.Errorf("rank %d is token %d with %g, want %d with %g", i, a.ID, a.LogProb, want.ID, want.LogProb)
		}
	}
}

// Given thoughts take the place of drawn ones and are scored as such.
func TestReplacedThoughts(t *testing.T) {
	m, _ := shakenNFCoT(nfOptions)
	given := func(p, i int) *tensor.Tensor { return random(uint64(10*p+i), nfOptions.K, nfOptions.D) }
	for p, xs := range m.Sample(prompts(2), 3, Options{Sampling: Sampling{ThoughtTemp: 1, Temp: 1, MaxTokens: 4}, Replace: given}) {
		for i, x := range xs {
			same(t, "thoughts", x.Thoughts.Data, given(p, i).Data)
			u, _ := replayNF(m, x)
			if x.LogThoughts != float64Sum(u) {
				t.Errorf("prompt %d, sample %d: log p(u) is %g, want %g", p, i, x.LogThoughts, float64Sum(u))
			}
			x.Thoughts.Data[0]++ // a sample owns its thoughts
		}
	}
}

// Samples that are given back their own thoughts are the same samples: the draws of
// tokens do not depend on where thoughts come from.
func TestOwnThoughtsReplaced(t *testing.T) {
	for name, m := range samplers() {
		o := Options{Sampling: Sampling{ThoughtTemp: 1, Temp: 1, MaxTokens: 8, Seed: 5}}
		want := m.Sample(prompts(3), 4, o)
		if want[0][0].Thoughts == nil {
			continue
		}
		o.Replace = func(p, i int) *tensor.Tensor { return want[p][i].Thoughts }
		for p, xs := range m.Sample(prompts(3), 4, o) {
			for i, x := range xs {
				x.ThinkCost = want[p][i].ThinkCost // LaDiR has nothing to denoise
				sameSample(t, fmt.Sprintf("%s, prompt %d, sample %d", name, p, i), x, want[p][i])
			}
		}
	}
}

// An answer that is given is scored as if it had been drawn, after the same thoughts.
func TestGivenAnswers(t *testing.T) {
	for name, m := range samplers() {
		o := Options{Sampling: Sampling{ThoughtTemp: 1, Temp: 1, MaxTokens: 8, Seed: 5}}
		drawn := m.Sample(prompts(3), 4, o)
		if drawn[0][0].ChainClosed || drawn[0][0].Chain != nil {
			continue // where words are thought, they are drawn before
		}
		o.Answer = func(p, i int) []int { return drawn[p][i].Answer }
		o.MaxTokens++ // EOS follows
		for p, xs := range m.Sample(prompts(3), 4, o) {
			for i, x := range xs {
				want := drawn[p][i]
				if !slices.Equal(x.Answer, want.Answer) || !x.Finished {
					t.Errorf("%s, prompt %d, sample %d: the answer is %v, finished %v; %v was given", name, p, i, x.Answer, x.Finished, want.Answer)
				}
				if want.Finished && want.EndedBy == 0 && x.LogText != want.LogText || !want.Finished && !(x.LogText < want.LogText) {
					t.Errorf("%s, prompt %d, sample %d: log p(text) is %g, drawn with %g", name, p, i, x.LogText, want.LogText)
				}
			}
		}
	}
}

// Scoring a sample among others is scoring it alone, bit for bit.
func TestScoresPackedAreScoresAlone(t *testing.T) {
	defer kernel.SetThreads(kernel.Threads())
	for name, m := range scorers() {
		samples := slices.Concat(m.Sample(prompts(9), 3, Options{Sampling: Sampling{ThoughtTemp: 1, Temp: 1, MaxTokens: 7}})...)
		for _, threads := range []int{1, 4} {
			kernel.SetThreads(threads)
			thoughts, text := m.LogProb(nil, samples, untempered)
			for i := range samples {
				alone, textAlone := m.LogProb(nil, samples[i:i+1], untempered)
				same(t, name+": thoughts", alone.Data, thoughts.Data[i:i+1])
				same(t, name+": text", textAlone.Data, text.Data[i:i+1])
			}
		}
	}
}

// The score has a gradient for every parameter that the policy depends on, and
// none for the flow, which sampling never runs.
func TestScoreGradient(t *testing.T) {
	m, p := shakenNFCoT(nfOptions)
	checkScoreGradient(t, m, p)
	m, p = shakenDual(nfOptions)
	checkScoreGradient(t, m, p)
	mixed := nfOptions
	mixed.Components = 3
	m, p = shakenNFCoT(mixed)
	checkScoreGradient(t, m, p)
}

func checkScoreGradient(t *testing.T, m *NFCoT, p *tensor.Params) {
	t.Helper()
	samples := slices.Concat(m.Sample(prompts(3), 2, Options{Sampling: Sampling{ThoughtTemp: 1, Temp: 1, MaxTokens: 5}})...)
	gradients(p, func(t *tensor.Tape) *tensor.Tensor {
		thoughts, text := m.LogProb(t, samples, untempered)
		return t.Sum(t.Add(thoughts, text))
	})
	for q := range p.All() {
		moved := slices.ContainsFunc(q.Grad, func(g float32) bool { return g != 0 })
		if inFlow := len(q.Name) > 5 && q.Name[:5] == "flow."; moved == inFlow {
			t.Errorf("%s has a gradient: %v", q.Name, moved)
		}
	}
}

// What OnToken is told while sampling is the answers, token by token, each after its
// thinking is complete; who listens changes nothing.
func TestHeard(t *testing.T) {
	nf, _ := shakenNFCoT(nfOptions)
	words, _ := shakenText(true)
	for name, m := range map[string]Sampler{"nfcot": nf, "cot": words} {
		o := Options{Sampling: Sampling{ThoughtTemp: 1, Temp: 1, MaxTokens: 12, Seed: 3}}
		want := m.Sample(prompts(3), 4, o)
		told := map[*Sample][]int{}
		o.OnToken = func(s *Sample, token int) {
			if s.Thoughts == nil && !s.ChainClosed {
				t.Errorf("%s: a token is told before the thinking is over", name)
			}
			told[s] = append(told[s], token)
		}
		got := m.Sample(prompts(3), 4, o)
		tokens := 0
		for p := range want {
			for i := range want[p] {
				if !slices.Equal(got[p][i].Answer, want[p][i].Answer) {
					t.Errorf("%s: prompt %d, sample %d: %v when told, %v when not", name, p, i, got[p][i].Answer, want[p][i].Answer)
				}
				tokens += len(want[p][i].Answer)
			}
		}
		for s, ids := range told {
			if !slices.Equal(ids, s.Answer) {
				t.Errorf("%s: told %v of the answer %v", name, ids, s.Answer)
			}
			tokens -= len(ids)
		}
		if tokens != 0 || len(told) == 0 {
			t.Errorf("%s: %d tokens were not told", name, tokens)
		}
	}
}

// An answer that is stopped is the beginning of the one that is not; others go on.
func TestStop(t *testing.T) {
	nf, _ := shakenNFCoT(nfOptions)
	words, _ := shakenText(true)
	for name, m := range map[string]Sampler{"nfcot": nf, "cot": words} {
		o := Options{Sampling: Sampling{ThoughtTemp: 1, Temp: 1, MaxTokens: 12, Seed: 3}}
		want := m.Sample(prompts(3), 4, o)
		stop := func(answer []int) bool { return answer[len(answer)-1]%3 == 0 }
		o.Stop = stop
		stopped := 0
		for p, samples := range m.Sample(prompts(3), 4, o) {
			for i, s := range samples {
				answer := want[p][i].Answer
				end := slices.IndexFunc(answer, func(id int) bool { return stop([]int{id}) }) + 1
				finished := want[p][i].Finished
				if end > 0 {
					stopped++
					answer, finished = answer[:end], false
				}
				if !slices.Equal(s.Answer, answer) || s.Finished != finished {
					t.Errorf("%s: prompt %d, sample %d: %v, finished %v; want %v, %v", name, p, i, s.Answer, s.Finished, answer, finished)
				}
			}
		}
		if stopped == 0 || stopped == 12 {
			t.Errorf("%s: %d of 12 answers were stopped", name, stopped)
		}
	}
}

// The sigma of each thought of samples is the one that it was drawn with.
func TestSigmas(t *testing.T) {
	m, _ := shakenNFCoT(nfOptions)
	samples := slices.Concat(m.Sample(prompts(3), 2, Options{Sampling: Sampling{ThoughtTemp: 1, Temp: 1, MaxTokens: 4}})...)
	for i, sigmas := range m.Sigmas(samples) {
		w := walk(m.LM, append(slices.Clone(samples[i].Prompt), m.Special.BOT)...)
		for k, sigma := range sigmas {
			logSigma := m.Head.Predict(nil, w.h).LogSigma
			want := 0.0
			for _, l := range logSigma.Data {
				want += math.Exp(float64(l)) / float64(m.Options.D)
			}
			rounding.CheckScalar(t, "sigma", sigma, want)
			w.feed(m.project(nil, tensor.From(slices.Clone(samples[i].Thoughts.Row(k)), 1, m.Options.D)))
		}
		if len(sigmas) != m.Options.K {
			t.Errorf("%d sigmas, want %d", len(sigmas), m.Options.K)
		}
	}
}
