package transformer

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"nfcot/internal/tensor"
	"nfcot/internal/tensor/kernel"
)

// logitsOf runs a short text through a small model whose matrices are packed.
func logitsOf(c Config, pack func(lm *LM, p *tensor.Params)) []float32 {
	p := tensor.NewParams(3)
	lm := NewLM(p, c)
	pack(lm, p)
	tokens := []int{3, 1, 4, 1, 5}
	return lm.Logits(nil, lm.Forward(nil, lm.Embed(nil, tokens), Causal(Layout{}, len(tokens)))).Data
}

// A packed model gives the same logits: the very bits in float32, as near as the
// format's numbers are otherwise.
func TestPack(t *testing.T) {
	for _, tied := range []bool{true, false} {
		c := small
		c.Tied = tied
		want := logitsOf(c, func(*LM, *tensor.Params) {})
		for format, tolerance := range map[kernel.Format]float64{kernel.F32: 0, kernel.BF16: 0.02, kernel.Int8: 0.05, kernel.W8A8: 0.07} {
			got := logitsOf(c, func(lm *LM, p *tensor.Params) {
				count := p.Count()
				lm.Pack(p, format)
				if p.Count() != count {
					t.Errorf("%v: %d parameters, were %d", format, p.Count(), count)
				}
			})
			var difference, size float64
			for i, v := range want {
				difference = max(difference, math.Abs(float64(got[i]-v)))
				size = max(size, math.Abs(float64(v)))
			}
			if difference > tolerance*size {
				t.Errorf("tied %v, %v: logits differ by %g of %g", tied, format, difference, size)
			}
			if format != kernel.F32 && slices.Equal(got, want) {
				t.Errorf("tied %v, %v: nothing is rounded", tied, format)
			}
		}
	}
}

// In a packed model too, a row has the same bits alone and among others.
func TestPackedStepIsIndependent(t *testing.T) {
	for _, format := range []kernel.Format{kernel.F32, kernel.BF16, kernel.Int8, kernel.W8A8} {
		p := tensor.NewParams(3)
		lm := NewLM(p, small)
		lm.Pack(p, format)
		prompt := lm.NewCache()
		lm.Step(nil, []*Cache{prompt, prompt}, lm.Embed(nil, []int{2, 3}))
		tokens := make([]int, 64)
		for i := range tokens {
			tokens[i] = i % small.Vocab
		}
		all := lm.Step(nil, prompt.Fork(64), lm.Embed(nil, tokens))
		for _, i := range []int{0, 17, 63} {
			alone := lm.Step(nil, prompt.Fork(1), lm.Embed(nil, tokens[i:i+1]))
			if !slices.Equal(alone.Data, all.Row(i)) {
				t.Errorf("%v: row %d differs alone", format, i)
			}
		}
	}
}

// A model that is packed as it is read is the one that is read and then packed.
func TestLoadPacked(t *testing.T) {
	for _, tied := range []bool{true, false} {
		c := small
		c.Tied = tied
		source := paramsOf(c)
		for _, format := range []kernel.Format{kernel.F32, kernel.BF16, kernel.Int8, kernel.W8A8} {
			want := logitsOf(c, func(lm *LM, p *tensor.Params) { lm.Pack(p, format) })
			p := tensor.NewOutline()
			lm := NewLM(p, c)
			if err := lm.LoadPacked(p, source, format); err != nil {
				t.Fatal(err)
			}
			tokens := []int{3, 1, 4, 1, 5}
			got := lm.Logits(nil, lm.Forward(nil, lm.Embed(nil, tokens), Causal(Layout{}, len(tokens)))).Data
			if !slices.Equal(got, want) {
				t.Errorf("tied %v, %v: logits differ", tied, format)
			}
			if p.Count() != source.Count() {
				t.Errorf("tied %v, %v: %d parameters, want %d", tied, format, p.Count(), source.Count())
			}
		}
	}
	source := paramsOf(small)
	for name, want := range map[string]string{
		"model.layers.1.self_attn.v_proj.weight": "damaged",
		"model.layers.2.mlp.up_proj.weight":      "damaged",
		"model.norm.weight":                      "damaged",
	} {
		source.damaged = name
		p := tensor.NewOutline()
		if err := NewLM(p, small).LoadPacked(p, source, kernel.BF16); err == nil || err.Error() != want+" "+name {
			t.Errorf("%s: %v, want that it is %s", name, err, want)
		}
	}
	c := small
	c.FFN++
	p := tensor.NewOutline()
	if err := NewLM(p, c).LoadPacked(p, source, kernel.F32); err == nil || !strings.Contains(err.Error(), `tensor "model.layers.0.mlp.gate_proj.weight": has shape [36 20]; expected [37 20]`) {
		t.Errorf("another shape gives %v", err)
	}
}

// memory is a WeightReader of the parameters of a model.
type memory struct {
	*tensor.Params
	damaged string // the tensor that cannot be read
}

// paramsOf are the parameters that logitsOf makes.
func paramsOf(c Config) *memory {
	p := tensor.NewParams(3)
	NewLM(p, c)
	return &memory{Params: p}
}

func (m *memory) String() string { return "memory" }

func (m *memory) find(name string) tensor.Param {
	for q := range m.All() {
		if q.Name == name {
			return q
		}
	}
	panic(name)
}

func (m *memory) Shape(name string) ([]int, error) { return m.find(name).Shape, nil }

func (m *memory) Weights(dst []float32, name string, from int) error {
	if name == m.damaged {
		return fmt.Errorf("damaged %s", name)
	}
	copy(dst, m.find(name).Data[from:])
	return nil
}
