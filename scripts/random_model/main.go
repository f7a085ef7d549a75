// Command random_model writes a folder in Hugging Face's layout with a language
// model of random bfloat16 weights, for measuring what loading and sampling take
// at a size that nobody wants to keep in a repository. By default it has the shape
// of Qwen3-0.6B:
//
//	go run ./scripts/random_model -tokenizer "$NFCOT_DATA/tokenizers/qwen3/tokenizer.json.gz" -o DIR
package main

import (
	"flag"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"

	"nfcot/internal/ckpt"
	"nfcot/internal/ckpt/half"
	"nfcot/internal/tensor"
	"nfcot/internal/transformer"
)

func main() {
	c := transformer.Config{Hidden: 1024, Heads: 16, KVHeads: 8, HeadDim: 128, FFN: 3072, Tied: true, Theta: 1e6, NormEps: 1e-6, MaxTokens: 40960}
	flag.IntVar(&c.Layers, "layers", 28, "`number` of blocks")
	flag.IntVar(&c.Vocab, "vocab", 151936, "`tokens` in the vocabulary")
	eos := flag.Int("eos", 151645, "`id` of the token that ends an answer")
	seed := flag.Uint64("seed", 1, "random `seed`")
	vocabulary := flag.String("tokenizer", "", "tokenizer.json `FILE` for the folder, which may be compressed")
	out := flag.String("o", "", "output `DIR`")
	flag.Parse()
	if *out == "" || *vocabulary == "" || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	if err := write(*out, *vocabulary, c, *eos, *seed); err != nil {
		fmt.Fprintln(os.Stderr, "random_model:", err)
		os.Exit(1)
	}
}

func write(dir, vocabulary string, c transformer.Config, eos int, seed uint64) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	text, err := ckpt.OpenText(vocabulary)
	if err != nil {
		return err
	}
	defer text.Close()
	for name, from := range map[string]func(io.Writer) error{
		"tokenizer.json": func(w io.Writer) error { _, err := io.Copy(w, text); return err },
		"config.json":    func(w io.Writer) error { _, err := w.Write(c.JSON("bfloat16", eos, eos)); return err },
	} {
		if err := ckpt.WriteFile(filepath.Join(dir, name), from); err != nil {
			return err
		}
	}
	return ckpt.Write(filepath.Join(dir, "model.safetensors"), weights(c, seed), map[string]string{"format": "pt"})
}

// weights draws matrices from N(0, 0.02²); norms are all ones.
func weights(c transformer.Config, seed uint64) []ckpt.Tensor {
	p := tensor.NewOutline()
	transformer.NewLM(p, c)
	var normal [1 << 16]uint16 // quantiles: a number of 16 random bits becomes a normal one
	for i := range normal {
		share := (float64(i) + 0.5) / float64(len(normal))
		normal[i] = half.ToBF16(float32(0.02 * math.Sqrt2 * math.Erfinv(2*share-1)))
	}
	rng := rand.NewPCG(seed, 0)
	var tensors []ckpt.Tensor
	for q := range p.All() {
		n := 1
		for _, d := range q.Shape {
			n *= d
		}
		data := make([]uint16, n)
		var bits uint64
		for i := range data {
			if i%4 == 0 {
				bits = rng.Uint64()
			}
			data[i] = normal[bits&0xffff]
			bits >>= 16
			if len(q.Shape) == 1 {
				data[i] = half.ToBF16(1)
			}
		}
		tensors = append(tensors, ckpt.Tensor{Name: q.Name, Shape: q.Shape, Data: data})
	}
	return tensors
}
