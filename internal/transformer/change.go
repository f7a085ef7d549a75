package transformer

import (
	"fmt"
	"strings"

	"nfcot/internal/tensor"
	"nfcot/internal/tensor/kernel"
)

// A Module is a part of a model that has tensors, as Hugging Face's transformers names
// it: model.layers.0.self_attn.q_proj.
type Module struct {
	Name    string
	Tensors []string // of it: weight, bias
	Kind    ModuleKind
}

// ModuleKind is what a module computes.
type ModuleKind int

// The kinds.
const (
	Norm ModuleKind = iota
	Matrix
	Embedding
)

// Modules lists the modules of a model. A tied one has a table of logits too, which is
// that of the embeddings.
func (c Config) Modules() []Module {
	var all []Module
	p := tensor.NewOutline()
	NewLM(p, c)
	for q := range p.All() {
		name := c.StoredName(q.Name)
		dot := strings.LastIndex(name, ".")
		module, end := name[:dot], name[dot+1:]
		if n := len(all); n > 0 && all[n-1].Name == module {
			all[n-1].Tensors = append(all[n-1].Tensors, end)
			continue
		}
		m := Module{Name: module, Tensors: []string{end}}
		switch {
		case q.Name == EmbeddingName, strings.HasPrefix(q.Name, "model.embed_positions."):
			m.Kind = Embedding
		case len(q.Shape) == 2:
			m.Kind = Matrix
		}
		all = append(all, m)
	}
	if c.Tied {
		all = append(all, Module{Name: strings.TrimSuffix(LogitsName, ".weight"), Tensors: []string{"weight"}, Kind: Matrix})
	}
	return all
}

// Table is what the architecture calls the module of the embeddings.
func (c Config) Table() string {
	return strings.TrimSuffix(c.StoredName(EmbeddingName), ".weight")
}

// A Change is what an adapter does to one tensor of a model: another one takes its
// place, rows of it are replaced, or a product is added to it.
type Change struct {
	Tensor string // as the architecture calls it

	Whole string // of the adapter's file, in place of the tensor

	Rows  []int  // of the tensor, which are replaced by
	Delta string // those of this tensor of the adapter's file

	A, B      string  // of the adapter's file: [rank, inputs], [outputs, rank]
	Rank      int     // of both
	Scale     float64 // Scale · B A is added
	Embedding bool    // its transpose is, to a table: A is [rank, tokens], B [hidden, rank]
}

// Apply makes changes to the parameters of a model. Tables have as many rows in the
// adapter as vocab says; the model's may have more.
func (c Config) Apply(p *tensor.Params, from File, vocab int, changes []Change) error {
	f := c.architecture()
	parameters := map[string]tensor.Param{}
	for q := range p.All() {
		parameters[c.StoredName(q.Name)] = q
	}
	for _, change := range changes {
		q, ok := parameters[change.Tensor]
		if !ok {
			return fmt.Errorf("%s: the model has no tensor %q to change", from, change.Tensor)
		}
		_, transposed := f.stored(q.Name)
		if IsTable(q.Name) {
			rows := min(vocab, q.Rows())
			q.Tensor = tensor.From(q.Data[:rows*q.Cols()], rows, q.Cols())
		}
		if err := change.apply(q.Tensor, from, transposed); err != nil {
			return err
		}
	}
	return nil
}

// apply makes a change to x, which files have transposed or not.
func (c Change) apply(x *tensor.Tensor, from File, transposed bool) error {
	switch {
	case c.Whole != "":
		return c.replace(x, from, transposed)
	case c.Delta != "":
		rows := make([]float32, len(c.Rows)*x.Cols())
		if err := tensor.LoadInto(rows, []int{len(c.Rows), x.Cols()}, from, c.Delta); err != nil {
			return err
		}
		for i, r := range c.Rows {
			copy(x.Row(r), rows[i*x.Cols():])
		}
		return nil
	}
	return c.add(x, from)
}

// replace puts a tensor in the place of x.
func (c Change) replace(x *tensor.Tensor, from File, transposed bool) error {
	if !transposed {
		return tensor.LoadInto(x.Data, x.Shape, from, c.Whole)
	}
	out, in := x.Rows(), x.Cols()
	there := make([]float32, len(x.Data))
	if err := tensor.LoadInto(there, []int{in, out}, from, c.Whole); err != nil {
		return err
	}
	kernel.Transpose(x.Data, in, there, out, in, out)
	return nil
}

// add adds a product to x.
func (c Change) add(x *tensor.Tensor, from File) error {
	out, in := x.Rows(), x.Cols()
	if c.Embedding {
		out, in = in, out
	}
	a, b := make([]float32, c.Rank*in), make([]float32, out*c.Rank)
	if err := tensor.LoadInto(a, []int{c.Rank, in}, from, c.A); err != nil {
		return err
	}
	if err := tensor.LoadInto(b, []int{out, c.Rank}, from, c.B); err != nil {
		return err
	}
	kernel.Scale(b, float32(c.Scale), b)
	left, right := kernel.Mat{Data: b, Stride: c.Rank}, kernel.Mat{Data: a, Stride: in}
	if c.Embedding {
		left, right = right, left // (B A)ᵀ = Aᵀ Bᵀ
		left.Trans, right.Trans = true, true
	}
	kernel.Gemm(x.Data, x.Cols(), left, right, x.Rows(), x.Cols(), c.Rank, true)
	return nil
}
