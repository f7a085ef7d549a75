package cli_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"nfcot/internal/ckpt"
	"nfcot/internal/ckpt/half"
	"nfcot/internal/tensor"
	"nfcot/internal/tokenizer"
	"nfcot/internal/transformer"
)

// randomModel writes a folder in Hugging Face's layout with a tiny model of random
// bfloat16 weights, whose tokenizer has none of our special tokens but the one that
// ends a text: random-model DIR
func randomModel(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: random-model DIR")
	}
	dir := ts.MkAbs(args[0])
	ts.Check(os.Mkdir(dir, 0o755))
	tok, err := tokenizer.Train(slices.Values([]string{"def f(x):", "    return x"}), 262, []string{"<|endoftext|>"})
	ts.Check(err)
	words, err := tok.JSON()
	ts.Check(err)
	c := transformer.Config{Hidden: 32, Layers: 2, Heads: 2, KVHeads: 1, HeadDim: 16, FFN: 48, Vocab: tok.VocabSize() + 1, Tied: true, Theta: 1e6, NormEps: 1e-6, MaxTokens: 2048}
	p := tensor.NewParams(7)
	transformer.NewLM(p, c)
	var tensors []ckpt.Tensor
	for q := range p.All() {
		bits := make([]uint16, len(q.Data))
		for i, v := range q.Data {
			bits[i] = half.ToBF16(v)
		}
		tensors = append(tensors, ckpt.Tensor{Name: q.Name, Shape: q.Shape, Data: bits})
	}
	ts.Check(ckpt.Write(filepath.Join(dir, "model.safetensors"), tensors, nil))
	ts.Check(os.WriteFile(filepath.Join(dir, "tokenizer.json"), words, 0o644))
	ts.Check(os.WriteFile(filepath.Join(dir, "config.json"), c.JSON("bfloat16", 0, 0), 0o644))
}

// sameTensors wants the tensors of two folders whose names begin with one of the
// prefixes to have the very same values: same-tensors DIR DIR PREFIX...
func sameTensors(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: same-tensors DIR DIR PREFIX...")
	}
	a, err := ckpt.OpenModel(ts.MkAbs(args[0]))
	ts.Check(err)
	defer a.Close()
	b, err := ckpt.OpenModel(ts.MkAbs(args[1]))
	ts.Check(err)
	defer b.Close()
	for _, prefix := range args[2:] {
		n := 0
		for _, name := range b.Names() {
			if !strings.HasPrefix(name, prefix) {
				continue
			}
			n++
			x, _, err := a.Float32(name)
			ts.Check(err)
			y, _, err := b.Float32(name)
			ts.Check(err)
			if !slices.Equal(x, y) {
				ts.Fatalf("tensor %s differs", name)
			}
		}
		if n == 0 {
			ts.Fatalf("no tensor begins with %s", prefix)
		}
	}
}
