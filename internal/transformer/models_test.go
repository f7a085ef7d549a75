package transformer

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nfcot/internal/ckpt"
	"nfcot/internal/shared"
	"nfcot/internal/tensor"
	"nfcot/internal/tensor/kernel"
	"nfcot/internal/tensor/tensortest"
)

// forEachModel calls f for every model that transformers has run, with every
// config.json that describes it.
func forEachModel(t *testing.T, f func(t *testing.T, dir string, config []byte)) {
	t.Helper()
	dirs, err := filepath.Glob(filepath.Join(shared.Goldens(t), "models", "*", "config.json"))
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no models: %v", err)
	}
	for _, path := range dirs {
		dir := filepath.Dir(path)
		configs, err := filepath.Glob(filepath.Join(dir, "config*.json"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range configs {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			t.Run(filepath.Base(dir)+"/"+filepath.Base(path), func(t *testing.T) { f(t, dir, text) })
		}
	}
}

// openModel reads the shape and opens the weights of a model. A model with a sliding
// window must be refused, by that name; nil then.
func openModel(t *testing.T, dir string, config []byte) (*Checkpoint, Config) {
	t.Helper()
	c, err := ParseConfig(config)
	if err != nil {
		if !strings.Contains(dir, "sliding") || !strings.HasPrefix(err.Error(), "sliding_window is ") {
			t.Fatal(err)
		}
		return nil, c
	}
	if strings.Contains(dir, "sliding") {
		t.Fatal("a sliding window is passed over")
	}
	if err := c.Check(); err != nil {
		t.Error(err)
	}
	file, err := ckpt.OpenModel(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	from, c, err := c.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	return from, c
}

// load makes the model of a checkpoint.
func load(t *testing.T, from *Checkpoint, c Config) (*LM, *tensor.Params) {
	t.Helper()
	p := tensor.NewParams(1)
	m := NewLM(p, c)
	if err := p.Load(from, ""); err != nil {
		t.Fatal(err)
	}
	if name := from.Stranger(p); name != "" {
		t.Errorf("tensor %q is no parameter", name)
	}
	return m, p
}

// Logits, loss and gradients of every architecture are those of transformers.
func TestModels(t *testing.T) {
	forEachModel(t, func(t *testing.T, dir string, config []byte) {
		from, c := openModel(t, dir, config)
		if from == nil {
			return
		}
		m, p := load(t, from, c)
		g := tensortest.OpenPath(t, dir+".expected.safetensors")
		b := batchOf(g, "input_ids", "labels")
		tape := new(tensor.Tape)
		_, logits, _, loss := b.loss(tape, m)
		tensortest.Tolerance{Abs: 1e-4}.Check(t, "logits", logits.Data, g.Floats("logits"))
		tensortest.Tolerance{Abs: 1e-5}.Check(t, "loss", loss.Data, g.Floats("loss"))

		tape.Backward(loss)
		compared := 0
		for q := range p.All() {
			q.Tensor = &tensor.Tensor{Shape: q.Shape, Data: q.Grad}
			name, shape, grad := c.Stored(q)
			if name = "grad." + name; !g.Has(name) {
				continue
			}
			compared++
			if want := g.Shape(name); !slices.Equal(shape, want) {
				t.Errorf("%s: shape %v, want %v", name, shape, want)
			}
			want := g.Floats(name)
			tensortest.Tolerance{Abs: 1e-4 * largest(want)}.Check(t, name, grad, want)
		}
		listed := 0
		for _, name := range g.Names() {
			if strings.HasPrefix(name, "grad.") {
				listed++
			}
		}
		if compared != listed {
			t.Errorf("%d gradients compared, there are %d", compared, listed)
		}
	})
}

func largest(x []float64) (most float64) {
	for _, v := range x {
		most = max(most, math.Abs(v))
	}
	return most
}

// In pieces through a cache, every model gives the bits of the full pass.
func TestModelsCache(t *testing.T) {
	forEachModel(t, func(t *testing.T, dir string, config []byte) {
		from, c := openModel(t, dir, config)
		if from == nil {
			return
		}
		m, _ := load(t, from, c)
		g := tensortest.OpenPath(t, dir+".expected.safetensors")
		ids := g.Ints("input_ids")[:g.Shape("input_ids")[1]]
		full := m.Forward(nil, m.Embed(nil, ids), Causal(Layout{}, len(ids)))
		cache := m.NewCache()
		for at, n := 0, 5; at < len(ids); at += n {
			n = min(n, len(ids)-at)
			h := m.Step(nil, slices.Repeat([]*Cache{cache}, n), m.Embed(nil, ids[at:at+n]))
			if !slices.Equal(h.Data, full.Data[at*m.Hidden:(at+n)*m.Hidden]) {
				t.Fatalf("rows %d to %d differ", at, at+n)
			}
		}
	})
}

// Packed as it is read, every model gives nearly the logits that it should: the more
// nearly, the wider the format.
func TestModelsPacked(t *testing.T) {
	forEachModel(t, func(t *testing.T, dir string, config []byte) {
		from, c := openModel(t, dir, config)
		if from == nil {
			return
		}
		g := tensortest.OpenPath(t, dir+".expected.safetensors")
		b, want := batchOf(g, "input_ids", "labels"), g.Floats("logits")
		for format, share := range map[kernel.Format]float64{kernel.F32: 1e-5, kernel.BF16: 0.05, kernel.Int8: 0.1, kernel.W8A8: 0.1} {
			p := tensor.NewOutline()
			m := NewLM(p, c)
			if err := m.LoadPacked(p, from, format); err != nil {
				t.Fatal(err)
			}
			_, logits, _, _ := b.loss(nil, m)
			tensortest.Tolerance{Abs: share * largest(want)}.Check(t, fmt.Sprint(format), logits.Data, want)
		}
	})
}

// To compute blocks again changes no bit of any gradient, and to round the factors
// of products to bfloat16 changes gradients a little.
func TestModelsRecomputeAndBF16(t *testing.T) {
	forEachModel(t, func(t *testing.T, dir string, config []byte) {
		from, c := openModel(t, dir, config)
		if from == nil {
			return
		}
		b := batchOf(tensortest.OpenPath(t, dir+".expected.safetensors"), "input_ids", "labels")
		gradients := func(recompute, bf16 bool) (all []float32) {
			m, p := load(t, from, c)
			m.Recompute = recompute
			tape := &tensor.Tape{BF16: bf16}
			_, _, _, loss := b.loss(tape, m)
			tape.Backward(loss)
			for q := range p.All() {
				all = append(all, q.Grad...)
			}
			return all
		}
		plain := gradients(false, false)
		if !slices.Equal(plain, gradients(true, false)) {
			t.Error("recompute changes gradients")
		}
		half, want := gradients(false, true), tensortest.Float64s(plain)
		tensortest.Tolerance{Abs: 0.1 * largest(want)}.Check(t, "bf16", half, want)
		if slices.Equal(half, plain) {
			t.Error("bf16 rounds nothing")
		}
		if !slices.Equal(half, gradients(true, true)) {
			t.Error("recompute changes gradients in bf16")
		}
	})
}

// Adapters for all matrices, fused into them, give the same model, and what they are
// called in files is what they are found by.
func TestModelsLoRA(t *testing.T) {
	forEachModel(t, func(t *testing.T, dir string, config []byte) {
		from, c := openModel(t, dir, config)
		if from == nil {
			return
		}
		lora := LoRA{Rank: 2, Alpha: 6, Targets: "all"}
		if err := lora.Check(c); err != nil {
			t.Fatal(err)
		}
		adapted := tensor.NewParams(1)
		m := NewLM(adapted, c)
		m.AddLoRA(adapted, lora)
		written, rng := files{}, tensor.Rand(1, "shake")
		for q := range adapted.All() {
			if !IsAdapter(q.Name) {
				if err := tensor.LoadInto(q.Data, q.Shape, from, q.Name); err != nil {
					t.Fatal(err)
				}
				continue
			}
			for i := range q.Data {
				q.Data[i] = float32(0.1 * rng.NormFloat64())
			}
			name, shape, data := c.Stored(q)
			written["base."+name] = tensor.From(data, shape...)
		}
		if want := 2 * len(m.blocks) * len(m.blocks[0].adapted()); len(written) != want {
			t.Errorf("%d adapters, want %d", len(written), want)
		}
		fused, p := load(t, from, c)
		b := batchOf(tensortest.OpenPath(t, dir+".expected.safetensors"), "input_ids", "labels")
		_, before, _, _ := b.loss(nil, fused)
		if err := c.Apply(p, written, c.Vocab, changes(c, lora, adapted, "base.")); err != nil {
			t.Fatal(err)
		}
		_, want, _, _ := b.loss(nil, m)
		_, got, _, _ := b.loss(nil, fused)
		size := largest(tensortest.Float64s(want.Data))
		tensortest.Tolerance{Abs: 2e-5 * size}.Check(t, "logits", got.Data, tensortest.Float64s(want.Data))
		if d := largestDifference(before.Data, got.Data); d < 1e-3*size {
			t.Errorf("the adapters move the logits by no more than %g", d)
		}
	})
}

// adapted are the matrices of a block with adapters.
func (b block) adapted() (all []adapter) {
	for _, l := range []linear{b.qkv, b.o, b.up, b.down} {
		all = append(all, l.lora.parts...)
	}
	return all
}

func largestDifference(a, b []float32) (most float64) {
	for i := range a {
		most = max(most, math.Abs(float64(a[i]-b[i])))
	}
	return most
}

// What is written is what was read: names, shapes and numbers.
func TestModelsStored(t *testing.T) {
	forEachModel(t, func(t *testing.T, dir string, config []byte) {
		from, c := openModel(t, dir, config)
		if from == nil {
			return
		}
		_, p := load(t, from, c)
		file, err := ckpt.OpenModel(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		written := 0
		for q := range p.All() {
			name, shape, data := c.Stored(q)
			want, wantShape, err := file.Float32(name)
			if err != nil || !slices.Equal(shape, wantShape) || !slices.Equal(data, want) {
				t.Errorf("%s: shape %v, want %v, %v, or other numbers", name, shape, wantShape, err)
			}
			written++
		}
		if written != len(file.Names()) {
			t.Errorf("%d tensors written, %d read", written, len(file.Names()))
		}
		again, err := ParseConfig(c.JSON("float32", 1, 2))
		if err != nil || again != c {
			t.Errorf("%+v becomes %+v, %v", c, again, err)
		}
	})
}
