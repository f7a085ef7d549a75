package train

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"nfcot/internal/cot"
	"nfcot/internal/cot/experiment"
	"nfcot/internal/tensor"
	"nfcot/internal/tensor/kernel"
	"nfcot/internal/tokenizer"
	"nfcot/internal/transformer"
)

func tinyDistill() (DistillConfig, [][][]int) {
	c := DefaultDistill()
	c.VAE.K, c.VAE.D, c.VAE.Length, c.VAE.Hidden = 2, 6, 3, 16
	c.VAE.Noise, c.Steps, c.Batch, c.LR = 0.1, 200, 6, 1e-2
	var chains [][][]int
	for _, ex := range examples(9) {
		chains = append(chains, ex.Steps)
	}
	return c, chains
}

func tinyVAE(c DistillConfig) *cot.VAE {
	return cot.NewVAE(tensor.NewParams(c.Seed), c.VAE, 20, 0, nil)
}

// Distilling reads every step, reports every step, and returns codes that say
// their chains, standardised; what the noise does to them can be measured.
func TestDistill(t *testing.T) {
	c, chains := tinyDistill()
	var losses []float64
	v := tinyVAE(c)
	e, err := trainVAE(context.Background(), c, v, chains, nil, func(step int, loss cot.Loss) {
		losses = append(losses, float64(loss.Total.Data[0]))
		if step != len(losses) {
			t.Errorf("step %d is reported as %d", len(losses), step)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(losses) != c.Steps || !(losses[len(losses)-1] < losses[0]/2) {
		t.Errorf("%d losses, from %g to %g", len(losses), losses[0], losses[len(losses)-1])
	}
	if !slices.Equal(e.Data, v.Codes(chains).Data) || e.Rows() != len(chains)*c.VAE.K || e.Cols() != c.VAE.D {
		t.Errorf("codes of shape %v are not those of the VAE", e.Shape)
	}
	before := slices.Clone(e.Data)
	r := reconstruct(v, e, chains, 1, 0, 5)
	if len(r) != 2 || r[0] != (Reconstruction{0, 1, 1}) || r[1].Noise != 5 || r[1].Tokens > 0.9 || r[1].Chains > 0.3 {
		t.Errorf("reconstruction %+v", r)
	}
	if !slices.Equal(e.Data, before) {
		t.Error("measuring changes the codes")
	}
	defer kernel.SetThreads(kernel.Threads())
	for _, threads := range []int{1, 4} {
		kernel.SetThreads(threads)
		again, err := trainVAE(context.Background(), c, tinyVAE(c), chains, nil, func(int, cot.Loss) {})
		if err != nil || !slices.Equal(again.Data, e.Data) {
			t.Errorf("distilled again with %d threads: other codes, %v", threads, err)
		}
	}
	c.Seed++
	if other, _ := trainVAE(context.Background(), c, tinyVAE(c), chains, nil, func(int, cot.Loss) {}); slices.Equal(other.Data, e.Data) {
		t.Error("another seed gives the same codes")
	}
}

// The codes of many chains are those of each: they are made some hundreds at a
// time.
func TestMeans(t *testing.T) {
	c, _ := tinyDistill()
	v := cot.NewVAE(tensor.NewParams(1), c.VAE, 20, 0, nil)
	var chains [][][]int
	for _, ex := range examples(300) {
		chains = append(chains, ex.Steps)
	}
	all := means(v, chains, nil)
	for _, i := range []int{0, 255, 256, 299} {
		mu, _ := v.Encode(nil, chains[i:i+1], nil)
		each := len(mu.Data)
		if !slices.Equal(all.Data[i*each:(i+1)*each], mu.Data) {
			t.Errorf("codes of chain %d are not its own", i)
		}
	}
}

func TestDistillStops(t *testing.T) {
	c, chains := tinyDistill()
	ctx, cancel := context.WithCancel(context.Background())
	steps := 0
	_, err := trainVAE(ctx, c, tinyVAE(c), chains, nil, func(step int, _ cot.Loss) {
		if steps = step; step == 3 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) || steps != 3 {
		t.Errorf("stopped after %d steps: %v", steps, err)
	}
	c.LR = 1e30
	_, err = trainVAE(context.Background(), c, tinyVAE(c), chains, nil, func(int, cot.Loss) {})
	if err == nil || !strings.Contains(err.Error(), "the gradient is not finite") {
		t.Errorf("at a learning rate of 1e30: %v", err)
	}
}

// The states under an encoder are those of the chain's tokens behind their prompt, each at a root mean square of 1,
// whatever else is read at the same time and with however many threads; a VAE on them learns.
func TestDistillOnStates(t *testing.T) {
	tok, err := tokenizer.Train(slices.Values([]string{"count to 3"}), 260, cot.SpecialTokens)
	if err != nil {
		t.Fatal(err)
	}
	shape := tiny("nfcot")
	shape.Model.Vocab = tok.VocabSize()
	model := experiment.NewModel(shape, special)
	var all []cot.Example
	for i := range 20 {
		all = append(all, cot.Example{Prompt: strings.Repeat("x", i%3) + "count", CoT: strings.Repeat("1\n", 1+i%2) + "2", Answer: "3"})
	}
	c, _ := tinyDistill()
	c.VAE.K, c.VAE.Length, c.VAE.EncoderLayer, c.Steps = 3, 0, 2, 30
	var first []float32
	defer kernel.SetThreads(kernel.Threads())
	for _, threads := range []int{1, 4} {
		kernel.SetThreads(threads)
		d, err := NewDistillation(c, all, tok, model)
		if err != nil {
			t.Fatal(err)
		}
		var done []int
		if err := d.Look(context.Background(), func(n int) { done = append(done, n) }); err != nil || !slices.Equal(done, []int{16, 20}) {
			t.Fatalf("looked at %d chains: %v", done, err)
		}
		bytes := 0
		for i, x := range d.states {
			bytes += 4 * len(x.Data)
			sequence := append(tok.EncodePrompt(all[i].Prompt), d.tokens(i)...)
			h := model.LM.States(nil, model.LM.Embed(nil, sequence), transformer.Causal(transformer.Layout{}, len(sequence)), 2)
			for row := range x.Rows() {
				want := slices.Clone(h.Row(h.Rows() - x.Rows() + row))
				normalise(want)
				if !slices.Equal(x.Row(row), want) {
					t.Errorf("chain %d: the state of token %d is %v, want %v", i, row, x.Row(row), want)
				}
			}
		}
		if d.StateBytes() != bytes {
			t.Errorf("%d bytes of states were announced, and there are %d", d.StateBytes(), bytes)
		}
		thoughts, report, err := d.Run(context.Background(), func(int, cot.Loss) {})
		if err != nil || report.Reconstruction[0].Tokens < 0.5 {
			t.Fatalf("%+v, %v", report.Reconstruction, err)
		}
		if first == nil {
			first = thoughts.Codes.Data
		}
		if !slices.Equal(thoughts.Codes.Data, first) {
			t.Errorf("other codes with %d threads", threads)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	d, err := NewDistillation(c, all, tok, model)
	if err == nil {
		err = d.Look(ctx, func(int) {})
	}
	if !errors.Is(err, context.Canceled) {
		t.Errorf("an interrupted look ends with %v", err)
	}
	all[17].Prompt = strings.Repeat("long", 20)
	if d, err = NewDistillation(c, all, tok, model); err == nil {
		err = d.Look(context.Background(), func(int) {})
	}
	if err == nil || !strings.Contains(err.Error(), "example 18: prompt and chain have ") {
		t.Errorf("a chain beyond the model's positions: %v", err)
	}
}
