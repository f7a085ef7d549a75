package cot

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"nfcot/internal/tensor"
	"nfcot/internal/tensor/kernel"
	"nfcot/internal/tensor/tensortest"
)

const vaeVocab, vaeEOS = 12, 0

func vaeConfig(encoder, segments string) VAEConfig {
	return VAEConfig{K: 3, D: 2, Encoder: encoder, Segments: segments, Length: 4, Noise: 0.3, Beta: 0.1, Hidden: 8, Layers: 1, Heads: 2}
}

func newVAE(c VAEConfig) *VAE { return NewVAE(tensor.NewParams(1), c, vaeVocab, vaeEOS, nil) }

func shakenVAE(c VAEConfig) *VAE {
	v := newVAE(c)
	shake(v.Params)
	return v
}

// chainsOf cuts four chains, of three lines, of fewer, and of lines of different
// lengths.
func chainsOf(t *testing.T, c VAEConfig) (chains [][][]int) {
	t.Helper()
	for _, steps := range [][][]int{
		{{5, 6}, {7, 8, 9}, {10}},
		{{5, 5, 5}, {6}},
		{{11}},
		{{7, 8}, {8, 7}, {9, 10, 11, 5}},
	} {
		segments, err := c.Cut(steps)
		if err != nil {
			t.Fatal(err)
		}
		chains = append(chains, segments)
	}
	return chains
}

// eachVAE runs a test for every kind of encoder and of segments.
func eachVAE(t *testing.T, test func(t *testing.T, c VAEConfig)) {
	for _, encoder := range Encoders {
		for _, segments := range []string{"lines", "even"} {
			t.Run(encoder+", "+segments, func(t *testing.T) { test(t, vaeConfig(encoder, segments)) })
		}
	}
}

func TestVAEGradients(t *testing.T) {
	eachVAE(t, func(t *testing.T, c VAEConfig) {
		v := shakenVAE(c)
		chains := chainsOf(t, c)[:2]
		var params []*tensor.Tensor
		for q := range v.Params.All() {
			params = append(params, q.Tensor)
		}
		tensortest.GradCheck(t, func(t *tensor.Tape) *tensor.Tensor {
			return v.Loss(t, chains, nil, []int{3, 9}, StepRand{Seed: 1}).Total
		}, params...)
	})
}

// By hand: an encoder that says N(m, s²) whatever it reads, and a decoder that
// finds all tokens equally likely.
func TestVAELossByHand(t *testing.T) {
	const m, logVar = 0.8, -1.3
	c := vaeConfig("linear", "lines")
	for _, beta := range []float64{0, 0.1, 2} {
		c.Beta = beta
		v := newVAE(c)
		for q := range v.Params.All() {
			switch q.Name {
			case "encoder.table", "decoder.embed_tokens.weight":
				clear(q.Data)
			case "encoder.bias":
				copy(q.Data, []float32{m, m})
			case "encoder.log_var":
				copy(q.Data, []float32{logVar, logVar})
			}
		}
		loss := v.Loss(nil, chainsOf(t, c), nil, []int{0, 1, 2, 3}, StepRand{Seed: 1})
		kl := 2 * 0.5 * (m*m + math.Exp(logVar) - 1 - logVar)
		rounding.CheckScalar(t, "reconstruction", loss.term(t, "reconstruction_nats_per_token"), math.Log(vaeVocab))
		rounding.CheckScalar(t, "KL", loss.term(t, "kl_nats_per_code"), kl)
		rounding.CheckScalar(t, "total", loss.total(), math.Log(vaeVocab)+beta*kl)
	}
}

// The loss is that of codes z = mu + e^(logVar/2)·eps + noise, read back.
func TestVAELossComposes(t *testing.T) {
	eachVAE(t, func(t *testing.T, c VAEConfig) {
		v := shakenVAE(c)
		chains, index, random := chainsOf(t, c), []int{4, 0, 9, 2}, StepRand{Seed: 3, Step: 8}
		mu, logVar := v.Encode(nil, chains, nil)
		z := tensor.New(mu.Shape...)
		each := c.K * c.D
		for b, i := range index {
			eps, smooth := random.For(nil, "posterior", i), random.For(nil, "smooth", i)
			for j := b * each; j < (b+1)*each; j++ {
				z.Data[j] = mu.Data[j] + float32(math.Exp(float64(logVar.Data[j])/2)*eps.NormFloat64()+c.Noise*smooth.NormFloat64())
			}
		}
		var ce, kl float64
		logits, target := v.decode(nil, z, chains)
		for r, id := range target {
			var sum float64
			for _, l := range logits.Row(r) {
				sum += math.Exp(float64(l))
			}
			ce += (math.Log(sum) - float64(logits.Row(r)[id])) / float64(len(target))
		}
		for i := range mu.Data {
			m, l := float64(mu.Data[i]), float64(logVar.Data[i])
			kl += (m*m + math.Exp(l) - 1 - l) / 2 / float64(mu.Rows())
		}
		loss := v.Loss(nil, chains, nil, index, random)
		tensortest.Likelihood.CheckScalar(t, "reconstruction", loss.term(t, "reconstruction_nats_per_token"), ce)
		tensortest.Likelihood.CheckScalar(t, "KL", loss.term(t, "kl_nats_per_code"), kl)
		tensortest.Likelihood.CheckScalar(t, "total", loss.total(), ce+c.Beta*kl)
		again := v.Loss(nil, chains, nil, index, StepRand{Seed: 3, Step: 9})
		if again.total() == loss.total() {
			t.Error("the noise of two steps is the same")
		}
	})
}

// Every token is trained once, and EOS after each stretch that the decoder reads.
func TestVAETargets(t *testing.T) {
	for _, tt := range []struct {
		encoder string
		want    []int
	}{
		{"linear", []int{5, 6, 0, 7, 8, 9, 0, 0}},
		{"local", []int{5, 6, 0, 7, 8, 9, 0, 0}},
		{"causal", []int{5, 6, 0, 7, 8, 9, 0, 0}},
		{"full", []int{5, 6, 7, 8, 9, 0}},
	} {
		v := shakenVAE(vaeConfig(tt.encoder, "lines"))
		_, target := v.decode(nil, tensor.New(3, 2), [][][]int{{{5, 6}, {7, 8, 9}, nil}})
		sameInts(t, tt.encoder, target, tt.want)
	}
}

// What a code may know: its own segment (linear, local), the segments so far
// (causal), everything (full). And what may change when a code does: likewise.
func TestVAELocality(t *testing.T) {
	changes := map[string]func(changed, k int) bool{
		"linear": func(changed, k int) bool { return k == changed },
		"local":  func(changed, k int) bool { return k == changed },
		"causal": func(changed, k int) bool { return k >= changed },
		"full":   func(changed, k int) bool { return true },
	}
	for _, encoder := range Encoders {
		v := shakenVAE(vaeConfig(encoder, "lines"))
		K, D := v.Config.K, v.Config.D
		chain := [][]int{{5, 6}, {7, 8}, {9, 10}}
		mu, logVar := v.Encode(nil, [][][]int{chain}, nil)
		z := random(1, K, D)
		logits, _ := v.decode(nil, z, [][][]int{chain})
		for changed := range K {
			other := slices.Clone(chain)
			other[changed] = []int{11, 4}
			mu2, logVar2 := v.Encode(nil, [][][]int{other}, nil)
			for k := range K {
				want := changes[encoder](changed, k)
				if got := !slices.Equal(mu2.Row(k), mu.Row(k)); got != want {
					t.Errorf("%s: segment %d changes and code %d does: %v", encoder, changed, k, got)
				}
				if got := !slices.Equal(logVar2.Row(k), logVar.Row(k)); got != (want && encoder != "linear") { // whose variances are the same for all
					t.Errorf("%s: segment %d changes and the variance of code %d does: %v", encoder, changed, k, got)
				}
			}
			z2 := tensor.From(slices.Clone(z.Data), K, D)
			z2.Row(changed)[0]++
			logits2, _ := v.decode(nil, z2, [][][]int{chain})
			for k := range K {
				rows := [2]int{3 * k, 3*k + 3} // two tokens and EOS
				if encoder == "full" {
					rows = [2]int{2 * k, 2*k + 2}
				}
				same := slices.Equal(rowRange(logits2, rows[0], rows[1]).Data, rowRange(logits, rows[0], rows[1]).Data)
				if same == changes[encoder](changed, k) {
					t.Errorf("%s: code %d changes and what segment %d is read as stays: %v", encoder, changed, k, same)
				}
			}
		}
	}
}

// Slot k of the memory is read for code k of every chain, and slot k of the
// decoder is added to it.
func TestVAESlots(t *testing.T) {
	v := shakenVAE(vaeConfig("local", "lines"))
	K := v.Config.K
	chains := [][][]int{{{5, 6}, {7, 8}, {9, 10}}, {{4, 4}, {5, 5}, {6, 6}}}
	z := random(1, len(chains)*K, v.Config.D)
	mu, _ := v.Encode(nil, chains, nil)
	logits, _ := v.decode(nil, z, chains)
	for slot := range K {
		v.memory.Row(slot)[0]++
		v.slot.Row(slot)[0]++
		mu2, _ := v.Encode(nil, chains, nil)
		logits2, _ := v.decode(nil, z, chains)
		for c := range len(chains) * K {
			if changed := !slices.Equal(mu2.Row(c), mu.Row(c)); changed != (c%K == slot) {
				t.Errorf("memory slot %d changes and code %d does: %v", slot, c, changed)
			}
			if changed := !slices.Equal(rowRange(logits2, 3*c, 3*c+3).Data, rowRange(logits, 3*c, 3*c+3).Data); changed != (c%K == slot) {
				t.Errorf("decoder slot %d changes and what code %d says does: %v", slot, c, changed)
			}
		}
		v.memory.Row(slot)[0]--
		v.slot.Row(slot)[0]--
		mu, _ = v.Encode(nil, chains, nil) // adding and taking away rounds
		logits, _ = v.decode(nil, z, chains)
	}
}

// A chain has the codes it has alone, and with any number of threads.
func TestVAEPackedIsAlone(t *testing.T) {
	defer kernel.SetThreads(kernel.Threads())
	eachVAE(t, func(t *testing.T, c VAEConfig) {
		v := shakenVAE(c)
		chains := chainsOf(t, c)
		for _, threads := range []int{1, 4} {
			kernel.SetThreads(threads)
			mu, logVar := v.Encode(nil, chains, nil)
			for i := range chains {
				mu1, logVar1 := v.Encode(nil, chains[i:i+1], nil)
				same(t, "mu", rowRange(mu, i*c.K, (i+1)*c.K).Data, mu1.Data)
				same(t, "log variance", rowRange(logVar, i*c.K, (i+1)*c.K).Data, logVar1.Data)
			}
		}
	})
}

// A short training on a handful of chains: codes are then read back as the
// chains they came from, through the same standardisation. Empty segments are
// read as such.
func TestVAELearnsToRead(t *testing.T) {
	for _, tt := range []struct{ encoder, segments string }{{"linear", "lines"}, {"linear", "even"}, {"local", "lines"}, {"causal", "lines"}, {"full", "even"}} {
		t.Run(tt.encoder+", "+tt.segments, func(t *testing.T) {
			c := vaeConfig(tt.encoder, tt.segments)
			c.D, c.Hidden, c.Beta, c.Noise = 6, 16, 1e-3, 0.1
			v := newVAE(c)
			chains := chainsOf(t, c)
			optimizer := tensor.NewAdamW(v.Params)
			tape := new(tensor.Tape)
			for step := range 250 {
				tape.Reset()
				tape.Backward(v.Loss(tape, chains, nil, []int{0, 1, 2, 3}, StepRand{Seed: 1, Step: step}).Total)
				optimizer.Step(1e-2, 1)
			}
			mu, _ := v.Encode(nil, chains, nil)
			e := v.Standardise(mu)
			if tokens, whole := v.Accuracy(e, chains); tokens != 1 || whole != 1 {
				t.Errorf("%g of the tokens and %g of the chains are right", tokens, whole)
			}
			for i, want := range chains {
				if tt.encoder == "full" { // the whole chain comes first
					want = append([][]int{slices.Concat(want...)}, make([][]int, c.K-1)...)
				}
				if got := v.Read(rowRange(e, i*c.K, (i+1)*c.K)); !slices.EqualFunc(got, want, slices.Equal) {
					t.Errorf("chain %d is read as %v, want %v", i, got, want)
				}
			}
			for i := range e.Data { // other codes say other things
				e.Data[i] = -e.Data[i]
			}
			if tokens, whole := v.Accuracy(e, chains); tokens > 0.9 || whole > 0.5 {
				t.Errorf("with wrong codes %g of the tokens and %g of the chains are right", tokens, whole)
			}
		})
	}
}

// Accuracy counts tokens and chains as decode gives them.
func TestVAEAccuracyByHand(t *testing.T) {
	eachVAE(t, func(t *testing.T, c VAEConfig) {
		v := shakenVAE(c)
		chains := chainsOf(t, c)
		e := random(1, len(chains)*c.K, c.D)
		var right, tokens, whole float64
		for i := range chains {
			logits, target := v.decode(nil, v.raw(nil, rowRange(e, i*c.K, (i+1)*c.K)), chains[i:i+1])
			all := true
			for r, id := range target {
				tokens++
				if argmax(logits.Row(r)) == id {
					right++
				} else {
					all = false
				}
			}
			if all {
				whole++
			}
		}
		if a, b := v.Accuracy(e, chains); a != right/tokens || b != whole/float64(len(chains)) {
			t.Errorf("accuracy %g, %g, want %g, %g", a, b, right/tokens, whole/float64(len(chains)))
		}
	})
}

func TestCut(t *testing.T) {
	steps := [][]int{{1, 2}, {3}, {4, 5, 6, 7}}
	for _, tt := range []struct {
		name   string
		c      VAEConfig
		steps  [][]int
		want   [][]int
		wanted string // of the error
	}{
		{"lines", VAEConfig{K: 3, Segments: "lines", Length: 4}, steps, steps, ""},
		{"short chain", VAEConfig{K: 4, Segments: "lines", Length: 4}, steps, append(slices.Clone(steps), nil), ""},
		{"any length", VAEConfig{K: 3, Segments: "lines"}, steps, steps, ""},
		{"too many lines", VAEConfig{K: 2, Segments: "lines", Length: 6}, steps, [][]int{steps[0], slices.Concat(steps[1:]...)}, ""},
		{"all in one", VAEConfig{K: 1, Segments: "sentences"}, steps, [][]int{slices.Concat(steps...)}, ""},
		{"the rest is too long", VAEConfig{K: 2, Segments: "lines", Length: 4}, steps, nil, "segment 2 of the chain has 5 tokens, more than 4"},
		{"too long a line", VAEConfig{K: 3, Segments: "lines", Length: 3}, steps, nil, "segment 3 of the chain has 4 tokens, more than 3"},
		{"even", VAEConfig{K: 3, Segments: "even", Length: 3}, steps, [][]int{{1, 2}, {3, 4}, {5, 6, 7}}, ""},
		{"even, more segments than tokens", VAEConfig{K: 4, Segments: "even", Length: 3}, [][]int{{1}, {2}}, [][]int{{}, {1}, {}, {2}}, ""},
		{"even, too long", VAEConfig{K: 2, Segments: "even", Length: 3}, steps, nil, "segment 2 of the chain has 4 tokens, more than 3"},
		{"nothing", VAEConfig{K: 2, Segments: "even", Length: 3}, nil, [][]int{nil, nil}, ""},
	} {
		got, err := tt.c.Cut(tt.steps)
		if tt.wanted != "" {
			if err == nil || err.Error() != tt.wanted {
				t.Errorf("%s: error %v, want %s", tt.name, err, tt.wanted)
			}
		} else if err != nil || !slices.EqualFunc(got, tt.want, slices.Equal) {
			t.Errorf("%s: %v, %v, want %v", tt.name, got, err, tt.want)
		}
	}
}

// Even segments are the chain, in order, and differ by one token at most.
func TestEvenSegments(t *testing.T) {
	for n := range 30 {
		for k := 1; k < 8; k++ {
			all := make([]int, n)
			for i := range all {
				all[i] = i
			}
			segments, err := VAEConfig{K: k, Segments: "even"}.Cut([][]int{all[:n/3], all[n/3:]})
			if err != nil {
				t.Fatal(err)
			}
			sameInts(t, "all segments", slices.Concat(segments...), all)
			for _, s := range segments {
				if len(s) < n/k || len(s) > (n+k-1)/k {
					t.Errorf("%d tokens in %d segments: one has %d", n, k, len(s))
				}
			}
		}
	}
}

func TestVAEConfigCheck(t *testing.T) {
	good := vaeConfig("linear", "lines")
	if err := good.Check(); err != nil {
		t.Error(err)
	}
	for _, tt := range []struct {
		change func(c *VAEConfig)
		want   string
	}{
		{func(c *VAEConfig) { c.Encoder = "lstm" }, `encoder is "lstm"; want one of ["linear" "local" "causal" "full"]`},
		{func(c *VAEConfig) { c.Segments = "words" }, `segments is "words"; want one of ["lines" "sentences" "equations" "even"], or before:CHARACTERS, with which steps begin`},
		{func(c *VAEConfig) { c.K = 0 }, "VAE of 0 thoughts x 2 dims, hidden 8, 1 layers, 2 heads; each must be at least 1"},
		{func(c *VAEConfig) { c.Heads = -1 }, "VAE of 3 thoughts x 2 dims, hidden 8, 1 layers, -1 heads; each must be at least 1"},
		{func(c *VAEConfig) { c.Hidden = 6 }, "VAE hidden is 6, not an even multiple of its heads (2)"},
	} {
		c := good
		tt.change(&c)
		if err := c.Check(); err == nil || err.Error() != tt.want {
			t.Errorf("error %v, want %s", err, tt.want)
		}
	}
}

// By hand: two dimensions, one of which does not vary.
func TestStandardise(t *testing.T) {
	v := newVAE(vaeConfig("linear", "lines"))
	mu := tensor.From([]float32{1, 5, 3, 5, 5, 5, 7, 5, 3, 5, 5, 5}, 6, 2)
	e := v.Standardise(mu)
	std := math.Sqrt((9 + 1 + 1 + 9 + 1 + 1) / 6.0)
	tensortest.Forward.Check(t, "mean", v.Mean, []float64{4, 5})
	tensortest.Tolerance{Abs: 2e-4}.Check(t, "std", v.Std, []float64{std, 0}) // and a floor
	if v.Std[1] <= 0 {
		t.Error("the deviation of a dimension that does not vary is not positive")
	}
	var want []float64
	for _, x := range []float64{-3, -1, 1, 3, -1, 1} {
		want = append(want, x/std, 0)
	}
	tensortest.Tolerance{Rel: 1e-4, Abs: 1e-6}.Check(t, "codes", e.Data, want)
	tensortest.Forward.Check(t, "raw codes", v.raw(nil, e).Data, tensortest.Float64s(mu.Data))
	if n := v.ActiveDims(); n != 1 {
		t.Errorf("%d dimensions vary, want 1", n)
	}
	copy(v.Std, []float32{0.099, 0.101}) // variances 0.0098 and 0.0102
	if n := v.ActiveDims(); n != 1 {
		t.Errorf("%d dimensions vary by more than 0.01, want 1", n)
	}
}

// Codes are posterior means, standardised.
func TestCodes(t *testing.T) {
	eachVAE(t, func(t *testing.T, c VAEConfig) {
		v := shakenVAE(c)
		chains := chainsOf(t, c)
		mu, _ := v.Encode(nil, chains, nil)
		same(t, "codes before standardisation", v.Codes(chains).Data, mu.Data)
		same(t, "codes", v.Standardise(mu).Data, v.Codes(chains).Data)
		for d := range c.D {
			var mean, square float64
			e := v.Codes(chains)
			for r := range e.Rows() {
				x := float64(e.Row(r)[d])
				mean, square = mean+x/float64(e.Rows()), square+x*x/float64(e.Rows())
			}
			if math.Abs(mean) > 1e-5 || math.Abs(square-1) > 1e-2 {
				t.Errorf("dimension %d has mean %g and variance %g", d, mean, square)
			}
		}
	})
}

// By hand: the linear code of a segment is the sum of a vector for each (place,
// token), whatever its length.
func TestLinearCodesAddUp(t *testing.T) {
	v := shakenVAE(vaeConfig("linear", "lines"))
	chains := [][][]int{{{5, 6, 7}, {6}, nil}}
	mu, _ := v.Encode(nil, chains, nil)
	for k, s := range chains[0] {
		want := tensortest.Float64s(v.tableBias.Data)
		for pos, id := range s {
			for d, x := range v.table.Row(pos*vaeVocab + id) {
				want[d] += float64(x)
			}
		}
		tensortest.Forward.Check(t, fmt.Sprintf("code %d", k), mu.Row(k), want)
	}
}

// Of a large vocabulary a VAE knows only the tokens that occur; their vectors are used as in
// the table of all tokens, others count for nothing, and what it reads are tokens again.
func TestVAERows(t *testing.T) {
	c := vaeConfig("linear", "lines")
	chains := chainsOf(t, c)
	if rows := RowsFor(vaeVocab, vaeEOS, chains); rows != nil {
		t.Errorf("of a small vocabulary %v have vectors, want all", rows)
	}
	rows := RowsFor(largeVocab+1, vaeEOS, chains)
	if want := []int{vaeEOS, 5, 6, 7, 8, 9, 10, 11}; !slices.Equal(rows, want) {
		t.Fatalf("%v have vectors, want %v", rows, want)
	}
	whole, some := shakenVAE(c), NewVAE(tensor.NewParams(1), c, vaeVocab, vaeEOS, rows)
	shake(some.Params)
	if got, want := some.table.Rows(), c.Length*len(rows); got != want {
		t.Fatalf("%d rows, want %d", got, want)
	}
	for pos := range c.Length {
		for i, id := range rows {
			copy(some.table.Row(pos*len(rows)+i), whole.table.Row(pos*vaeVocab+id))
		}
	}
	copy(some.tableBias.Data, whole.tableBias.Data)
	want, _ := whole.Encode(nil, chains, nil)
	got, _ := some.Encode(nil, chains, nil)
	if !slices.Equal(got.Data, want.Data) {
		t.Errorf("means %v, want %v", got.Data, want.Data)
	}
	with, _ := some.Encode(nil, [][][]int{{{5, 6, 4}, {}, {}}}, nil)
	without, _ := some.Encode(nil, [][][]int{{{5, 6}, {}, {}}}, nil)
	if !slices.Equal(with.Data, without.Data) {
		t.Errorf("a token without a vector counts: %v, want %v", with.Data, without.Data)
	}
	if got := some.decEmbed.Rows(); got != len(rows) {
		t.Errorf("the decoder chooses from %d tokens, want %d", got, len(rows))
	}
	for _, segment := range some.Read(tensor.New(c.K, c.D)) {
		for _, id := range segment {
			if !slices.Contains(rows[1:], id) {
				t.Errorf("%d is read, which the VAE does not know", id)
			}
		}
	}
}

// On embeddings of a language model, whatever their scale, the linear encoder is one with a
// table of its own: of each position and token the position's map of the token's embedding.
// The embeddings are not trained.
func TestVAEOnEmbeddings(t *testing.T) {
	c := vaeConfig("linear", "lines")
	chains := chainsOf(t, c)
	whole := shakenVAE(c)
	c.Embedding = 5
	v := newVAE(c)
	embeddings, rng := tensor.New(vaeVocab, 5), tensor.Rand(6, "embeddings")
	for i := range embeddings.Data {
		embeddings.Data[i] = float32(0.07 * rng.NormFloat64())
	}
	embed := func(tokens []int) *tensor.Tensor { return (*tensor.Tape)(nil).Gather(embeddings, tokens) }
	v.SetEmbeddings(embed)
	squares := 0.0
	for _, x := range v.embeddings.Data {
		squares += float64(x) * float64(x)
	}
	rounding.CheckScalar(t, "mean square", squares/vaeVocab/5, 1)
	for pos := range c.Length {
		copy(whole.table.Data[pos*vaeVocab*c.D:], (*tensor.Tape)(nil).Linear(v.embeddings, v.maps[pos], nil).Data)
	}
	copy(v.tableBias.Data, whole.tableBias.Data)
	want, _ := whole.Encode(nil, chains, nil)
	got, _ := v.Encode(nil, chains, nil)
	rounding.Check(t, "means", got.Data, tensortest.Float64s(want.Data))
	for _, encoder := range Encoders {
		c.Encoder = encoder
		v := shakenVAE(c)
		v.SetEmbeddings(embed)
		v.Params.SetTrainable(v.Trains)
		var params []*tensor.Tensor
		for q := range v.Params.All() {
			if q.Name != embeddingsName {
				params = append(params, q.Tensor)
			} else if q.Grad != nil {
				t.Errorf("%s: the embeddings are trained", encoder)
			}
		}
		tensortest.GradCheck(t, func(t *tensor.Tape) *tensor.Tensor {
			return v.Loss(t, chains[:2], nil, []int{3, 9}, StepRand{Seed: 1}).Total
		}, params...)
	}
}

// An encoder on hidden states is the one on embeddings, if the state of each token is its
// embedding; it has no embeddings of its own, and learns.
func TestVAEOnStates(t *testing.T) {
	for _, encoder := range Encoders {
		c := vaeConfig(encoder, "lines")
		c.Embedding = 5
		chains := chainsOf(t, c)
		on := shakenVAE(c)
		table := random(6, vaeVocab, 5)
		copy(on.embeddings.Data, table.Data)
		c.EncoderLayer = 1
		v := newVAE(c)
		for q := range v.Params.All() {
			if q.Name == embeddingsName {
				t.Errorf("%s: there are embeddings under an encoder on states", encoder)
			}
			for o := range on.Params.All() {
				if o.Name == q.Name {
					copy(q.Data, o.Data)
				}
			}
		}
		var tokens []int
		for _, segments := range chains {
			tokens = append(tokens, slices.Concat(segments...)...)
		}
		states := (*tensor.Tape)(nil).Gather(table, tokens)
		want, _ := on.Encode(nil, chains, nil)
		got, _ := v.Encode(nil, chains, states)
		same(t, encoder, got.Data, want.Data)
		var params []*tensor.Tensor
		v.Params.SetTrainable(v.Trains)
		for q := range v.Params.All() {
			params = append(params, q.Tensor)
		}
		tensortest.GradCheck(t, func(t *tensor.Tape) *tensor.Tensor {
			return v.Loss(t, chains, states, []int{3, 9, 0, 1}, StepRand{Seed: 1}).Total
		}, params...)
	}
}
