package tensor

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"nfcot/internal/tensor/kernel"
)

// Params is where a model's parameters are made, named and found again. The
// order of creation is the order of iteration.
type Params struct {
	prefix string
	all    *[]Param
	seed   uint64
}

// A Param is a named tensor that is learnt.
type Param struct {
	Name string
	*Tensor
	stack *Tensor // whose rows it is; nil if it stands alone
	from  int     // where its numbers begin in there
}

// NewParams returns an empty set. The initial values of a parameter depend on
// seed and its name alone.
func NewParams(seed uint64) *Params { return &Params{all: new([]Param), seed: seed} }

// Sub returns the same set seen from inside name: parameters made through it
// are called "name.…".
func (p *Params) Sub(name string) *Params {
	return &Params{prefix: p.prefix + name + ".", all: p.all, seed: p.seed}
}

// Normal makes a parameter with values drawn from N(0, std²).
func (p *Params) Normal(name string, std float64, shape ...int) *Tensor {
	x := p.Const(name, 0, shape...)
	rng := Rand(p.seed, "init "+p.prefix+name)
	for i := range x.Data {
		x.Data[i] = float32(std * rng.NormFloat64())
	}
	return x
}

// Const makes a parameter whose values are all v.
func (p *Params) Const(name string, v float32, shape ...int) *Tensor {
	x := New(shape...)
	x.Grad = kernel.Floats(len(x.Data))
	for i := range x.Data {
		x.Data[i] = v
	}
	*p.all = append(*p.all, Param{Name: p.prefix + name, Tensor: x})
	return x
}

// Stack puts parameters made before, matrices with the same number of columns,
// one under the other in the memory of a single tensor, so that one product
// serves them all. They remain parameters of their own: their numbers and
// gradients are rows of the stack's.
func (p *Params) Stack(parts ...*Tensor) *Tensor {
	rows := 0
	for _, x := range parts {
		rows += x.Rows()
	}
	stack := New(rows, parts[0].Cols())
	stack.Grad = kernel.Floats(len(stack.Data))
	from := 0
	for _, x := range parts {
		i := slices.IndexFunc(*p.all, func(q Param) bool { return q.Tensor == x })
		q := &(*p.all)[i]
		q.stack, q.from = stack, from
		copy(stack.Data[from:], x.Data)
		x.Data = stack.Data[from : from+len(x.Data) : from+len(x.Data)]
		x.Grad = stack.Grad[from : from+len(x.Data) : from+len(x.Data)]
		from += len(x.Data)
	}
	return stack
}

// Pack stores matrices made through p, or stacks of them, in a format for
// decoding: Linear, Gather and CategoricalLogProb take them as before, but they
// cannot be learnt, saved or changed any more.
func (p *Params) Pack(format kernel.Format, matrices ...*Tensor) {
	for _, x := range matrices {
		x.packed = kernel.Pack(x.Data, x.Rows(), x.Cols(), format)
		x.Data, x.Grad = nil, nil
	}
	for _, q := range *p.all {
		if q.stack != nil && q.stack.packed != nil {
			q.Data, q.Grad = nil, nil
		}
	}
}

// All yields the parameters under p's prefix, with their full names.
func (p *Params) All() iter.Seq[Param] {
	return func(yield func(Param) bool) {
		for _, q := range *p.all {
			if strings.HasPrefix(q.Name, p.prefix) && !yield(q) {
				return
			}
		}
	}
}

// Count is the number of learnt numbers under p's prefix.
func (p *Params) Count() int {
	n := 0
	for q := range p.All() {
		n += size(q.Shape)
	}
	return n
}

// Learn gives gradients, all zero, to the parameters for which wanted says so
// and takes them from the others: the tape then skips the work, and optimizers
// skip the parameter.
func (p *Params) Learn(wanted func(name string) bool) {
	for q := range p.All() {
		if q.stack != nil {
			q.stack.Grad = nil // until a part of it wants one
		}
	}
	for q := range p.All() {
		home, from := q.Tensor, 0
		if q.stack != nil {
			home, from = q.stack, q.from
		}
		switch {
		case !wanted(q.Name):
			q.Grad = nil
			continue
		case home.Grad == nil:
			home.Grad = kernel.Floats(len(home.Data))
		case q.stack == nil:
			clear(home.Grad)
		}
		q.Grad = home.Grad[from : from+len(q.Data) : from+len(q.Data)]
	}
}

// A Source gives tensors by name: a checkpoint file. Its errors name the file,
// and so does its String.
type Source interface {
	fmt.Stringer
	Float32(name string) (data []float32, shape []int, err error)
}

// Load copies the tensors of a source, named prefix and the parameter's name,
// into the parameters under p. Each must be there with the parameter's shape.
func (p *Params) Load(from Source, prefix string) error {
	for q := range p.All() {
		if err := LoadInto(q.Data, q.Shape, from, prefix+q.Name); err != nil {
			return err
		}
	}
	return nil
}

// LoadInto copies a tensor of the given shape from a source.
func LoadInto(dst []float32, shape []int, from Source, name string) error {
	data, got, err := from.Float32(name)
	if err != nil {
		return err
	}
	if !slices.Equal(got, shape) {
		return fmt.Errorf("%s: tensor %q: has shape %v; expected %v", from, name, got, shape)
	}
	copy(dst, data)
	return nil
}
