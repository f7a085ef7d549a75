package transformer

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"nfcot/internal/ckpt/half"
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

// Blocks that a file has are kept, one under the other even of different types, and so is bfloat16: logits are nearly those of
// their numbers in float32. Where one of the matrices of a product is stored otherwise, all of them become float32.
func TestLoadStored(t *testing.T) {
	c := small
	c.Hidden, c.FFN, c.HeadDim = 64, 96, 16
	all := []string{"Q8_0", "Q4_0"}
	for _, tt := range []struct {
		types []string // of the matrices, in turn
		bytes int      // of the matrices that a token reads, at most
		near  float64
	}{
		{all[:1], 36 * c.weights() / 32, 0.05},
		{all, 30 * c.weights() / 32, 0.05},
		{[]string{"BF16"}, 3 * c.weights(), 0.02},
		{[]string{"BF16", "Q4_0"}, 4 * c.weights(), 0.05},
		{[]string{"Q3_K"}, 5 * c.weights(), 0},
	} {
		source := &blocked{paramsOf(c), tt.types}
		run := func(format kernel.Format) (*LM, []float32) {
			p := tensor.NewOutline()
			lm := NewLM(p, c)
			if err := lm.LoadPacked(p, source, format); err != nil {
				t.Fatal(err)
			}
			tokens := []int{3, 1, 4, 1, 5}
			return lm, lm.Logits(nil, lm.Forward(nil, lm.Embed(nil, tokens), Causal(Layout{}, len(tokens)))).Data
		}
		_, want := run(kernel.F32)
		lm, got := run(kernel.Stored)
		var difference, size float64
		for i, v := range want {
			difference, size = max(difference, math.Abs(float64(got[i]-v))), max(size, math.Abs(float64(v)))
		}
		if difference > tt.near*size || difference == 0 && tt.near > 0 {
			t.Errorf("%v: logits differ by %g of %g", tt.types, difference, size)
		}
		if n := lm.PackedBytes(); n > tt.bytes {
			t.Errorf("%v: %d bytes, want %d at most", tt.types, n, tt.bytes)
		}
	}
	source := &blocked{paramsOf(c), all}
	source.damaged = "model.layers.1.self_attn.v_proj.weight"
	p := tensor.NewOutline()
	if err := NewLM(p, c).LoadPacked(p, source, kernel.Stored); err == nil || err.Error() != "damaged "+source.damaged {
		t.Errorf("%v, want that %s is damaged", err, source.damaged)
	}
}

// weights is the number of weights in the matrices that a token reads, filled up to panels of 32 outputs.
func (c Config) weights() (n int) {
	for _, outputs := range []int{c.Heads * c.HeadDim, c.KVHeads * c.HeadDim, c.KVHeads * c.HeadDim, 2 * c.FFN} {
		n += c.Layers * outputs * c.Hidden
	}
	return n + c.Layers*c.Hidden*(c.Heads*c.HeadDim+c.FFN) + (c.Vocab+31)/32*32*c.Hidden
}

// blocked is a model in memory whose matrices are in blocks, of some types in turn.
type blocked struct {
	*memory
	types []string
}

func (m *blocked) BlockType(name string) string {
	matrix := 0
	for q := range m.All() {
		if q.Name == name {
			return m.types[matrix%len(m.types)]
		}
		if len(q.Shape) == 2 {
			matrix++
		}
	}
	panic(name)
}

// Blocks rounds a row to blocks.
func (m *blocked) Blocks(dst []byte, name string, row int) error {
	if name == m.damaged {
		return fmt.Errorf("damaged %s", name)
	}
	x, kind := m.find(name).Row(row), m.BlockType(name)
	for ; len(x) > 0; x = x[32:] {
		var most float64
		for _, v := range x[:32] {
			most = max(most, math.Abs(float64(v)))
		}
		steps := map[string]float64{"Q8_0": 127, "Q4_0": 7}[kind]
		scale := half.ToF16(float32(most / steps))
		binary.LittleEndian.PutUint16(dst, scale)
		for i, v := range x[:32] {
			q := int(math.Round(min(max(float64(v/half.FromF16(scale)), -steps), steps)))
			switch {
			case kind == "Q8_0":
				dst[2+i] = byte(int8(q))
			case i < 16:
				dst[2+i] = byte(q + 8)
			default:
				dst[2+i-16] |= byte(q+8) << 4
			}
		}
		dst = dst[map[string]int{"Q8_0": 34, "Q4_0": 18}[kind]:]
	}
	return nil
}

// Weights are the numbers that the blocks hold.
func (m *blocked) Weights(dst []float32, name string, from int) error {
	if q := m.find(name); len(q.Shape) == 2 && name != m.damaged && kernel.KnowsBlocks(m.BlockType(name)) {
		rows := kernel.BlockRows{Type: m.BlockType(name), Out: q.Rows(), Read: func(dst []byte, row int) error { return m.Blocks(dst, name, row) }}
		packed, err := kernel.PackBlocks(q.Cols(), []kernel.BlockRows{rows})
		if err != nil {
			return err
		}
		all := make([]float32, q.Rows()*q.Cols())
		packed.Unpack(all)
		copy(dst, all[from:])
		return nil
	}
	return m.memory.Weights(dst, name, from)
}
