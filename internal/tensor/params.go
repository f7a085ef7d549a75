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
	// Initial, if not nil, may set the values of a parameter as it is made, and
	// returns whether it did: those of a checkpoint, in place of the usual ones.
	// Parameters have no gradients then until SetTrainable gives them some.
	Initial func(name string, x *Tensor) bool

	prefix  string
	all     *[]Param
	seed    uint64
	outline bool // parameters have no numbers
}

// A Param is a named tensor that can be trained.
type Param struct {
	Name string
	*Tensor
	stack *Tensor // whose rows it is; nil if it stands alone
	from  int     // where its numbers begin in there
}

// NewParams returns an empty set. The initial values of a parameter depend on
// seed and its name alone.
func NewParams(seed uint64) *Params { return &Params{all: new([]Param), seed: seed} }

// NewOutline returns an empty set whose parameters have names and shapes, but no
// memory until LoadPacked brings their numbers.
func NewOutline() *Params { return &Params{all: new([]Param), outline: true} }

// Sub returns the same set seen from inside name: parameters made through it
// are called "name.…".
func (p *Params) Sub(name string) *Params {
	sub := *p
	sub.prefix += name + "."
	return &sub
}

// Normal makes a parameter with values drawn from N(0, std²).
func (p *Params) Normal(name string, std float64, shape ...int) *Tensor {
	return p.add(name, shape, func(x []float32) {
		rng := Rand(p.seed, "init "+p.prefix+name)
		for i := range x {
			x[i] = float32(std * rng.NormFloat64())
		}
	})
}

// Const makes a parameter whose values are all v.
func (p *Params) Const(name string, v float32, shape ...int) *Tensor {
	return p.add(name, shape, func(x []float32) {
		for i := range x {
			x[i] = v
		}
	})
}

// add makes a parameter and gives it its values.
func (p *Params) add(name string, shape []int, initial func(x []float32)) *Tensor {
	name = p.prefix + name
	x := p.room(shape...)
	*p.all = append(*p.all, Param{Name: name, Tensor: x})
	if !p.outline && (p.Initial == nil || !p.Initial(name, x)) {
		initial(x.Data)
	}
	return x
}

// room is a tensor with a gradient, both zero; a mere shape in an outline.
func (p *Params) room(shape ...int) *Tensor {
	if p.outline {
		return &Tensor{Shape: slices.Clone(shape)}
	}
	x := New(shape...)
	if p.Initial == nil {
		x.Grad = kernel.Floats(len(x.Data))
	}
	return x
}

// Stack puts parameters made before, matrices with the same number of columns or
// else vectors, one after the other in the memory of a single tensor, so that one
// product serves them all. They remain parameters of their own: their numbers and
// gradients are rows of the stack's, or a stretch of it.
func (p *Params) Stack(parts ...*Tensor) *Tensor {
	shape := slices.Clone(parts[0].Shape)
	shape[0] = 0
	for _, x := range parts {
		shape[0] += x.Shape[0]
	}
	stack := p.room(shape...)
	from := 0
	for _, x := range parts {
		i := slices.IndexFunc(*p.all, func(q Param) bool { return q.Tensor == x })
		q := &(*p.all)[i]
		q.stack, q.from = stack, from
		to := from + size(x.Shape)
		if !p.outline {
			copy(stack.Data[from:], x.Data)
			x.Data = stack.Data[from:to:to]
		}
		if stack.Grad != nil {
			x.Grad = stack.Grad[from:to:to]
		}
		from = to
	}
	return stack
}

// Pack stores matrices made through p, or stacks of them, in a format for
// decoding: Linear, Gather and CategoricalLogProb take them as before, forward
// and backward, but they cannot be trained, saved or changed any more.
func (p *Params) Pack(format kernel.Format, matrices ...*Tensor) {
	for _, x := range matrices {
		packed, err := kernel.StoreRows(x.Rows(), x.Cols(), format, func(from, n int, _ []float32) ([]float32, error) {
			return x.Data[from*x.Cols() : (from+n)*x.Cols()], nil
		})
		if err != nil {
			panic(err) // the rows are there
		}
		x.packed = packed
		x.Data, x.Grad = nil, nil
	}
	for _, q := range *p.all {
		if q.stack != nil && q.stack.packed != nil {
			q.Data, q.Grad = nil, nil
		}
	}
}

// Bytes is the memory of the parameters, packed or not, without their gradients.
func (p *Params) Bytes() int {
	n, counted := 0, map[kernel.Weights]bool{}
	for q := range p.All() {
		packed := q.packed
		if q.stack != nil {
			packed = q.stack.packed
		}
		switch {
		case packed == nil:
			n += 4 * len(q.Data)
		case !counted[packed]:
			counted[packed] = true
			n += packed.Bytes()
		}
	}
	return n
}

// LoadPacked reads the parameters of an outline from a checkpoint: matrices made
// through p, or stacks of them, into a format for decoding (see Pack), without a
// float32 copy of any; all others as they are. Stored leaves matrices in the blocks
// that a BlockReader has them in, or in bfloat16; what is stored otherwise, and stacks
// of which a part is, become float32.
func (p *Params) LoadPacked(from WeightReader, format kernel.Format, matrices ...*Tensor) error {
	parts := map[*Tensor][]Param{} // of each matrix, in the order of its rows
	for q := range p.All() {
		home := q.Tensor
		if q.stack != nil {
			home = q.stack
		}
		if err := checkShape(q.Shape, from, q.Name); err != nil {
			return err
		}
		if slices.Contains(matrices, home) {
			parts[home] = append(parts[home], q)
			continue
		}
		if len(home.Data) == 0 {
			home.Data = kernel.Floats(size(home.Shape))
		}
		q.Data = home.Data[q.from : q.from+size(q.Shape)]
		if err := from.Weights(q.Data, q.Name, 0); err != nil {
			return err
		}
	}
	for _, x := range matrices {
		var err error
		if x.packed, err = loadMatrix(x, from, format, parts[x]); err != nil {
			return err
		}
	}
	return nil
}

// loadMatrix reads a matrix of parts one under the other.
func loadMatrix(x *Tensor, from WeightReader, format kernel.Format, parts []Param) (kernel.Weights, error) {
	if format == kernel.Stored {
		rows, stored := storedRows(from, parts)
		if rows != nil {
			return kernel.PackBlocks(x.Cols(), rows)
		}
		format = stored
	}
	return kernel.StoreRows(x.Rows(), x.Cols(), format, func(row, n int, room []float32) ([]float32, error) {
		return room, readRows(room, from, parts, row*x.Cols())
	})
}

// storedRows are the parts of a matrix in their blocks; nil if some have none that
// products know, and then the format that they are in.
func storedRows(from WeightReader, parts []Param) (rows []kernel.BlockRows, otherwise kernel.Format) {
	blocks, ok := from.(BlockReader)
	if !ok {
		return nil, kernel.F32
	}
	known, halves := true, true
	for _, q := range parts {
		name := blocks.BlockType(q.Name)
		known, halves = known && kernel.KnowsBlocks(name), halves && name == "BF16"
		rows = append(rows, kernel.BlockRows{Type: name, Out: q.Rows(), Read: func(dst []byte, row int) error { return blocks.Blocks(dst, q.Name, row) }})
	}
	switch {
	case known:
		return rows, kernel.Stored
	case halves:
		return nil, kernel.BF16
	}
	return nil, kernel.F32
}

// readRows reads numbers [at, at+len(dst)) of a matrix of parts one under the other.
func readRows(dst []float32, from WeightReader, parts []Param, at int) error {
	for _, q := range parts {
		if in := at - q.from; in >= 0 && in < size(q.Shape) && len(dst) > 0 {
			n := min(len(dst), size(q.Shape)-in)
			if err := from.Weights(dst[:n], q.Name, in); err != nil {
				return err
			}
			dst, at = dst[n:], at+n
		}
	}
	return nil
}

// PackedBytes is the size of a packed matrix.
func (x *Tensor) PackedBytes() int { return x.packed.Bytes() }

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

// Count is the number of numbers under p's prefix.
func (p *Params) Count() int {
	n := 0
	for q := range p.All() {
		n += size(q.Shape)
	}
	return n
}

// SetTrainable gives gradients, all zero, to the parameters for which wanted says so
// and takes them from the others: the tape then skips the work, and optimizers
// skip the parameter.
func (p *Params) SetTrainable(wanted func(name string) bool) {
	for q := range p.All() {
		if q.stack != nil {
			q.stack.Grad = nil // until a part of it wants one
		}
	}
	for q := range p.All() {
		home, from := q.Tensor, 0
		if q.fixed > 0 {
			q.fixed, q.Grad = 0, nil
		}
		if q.stack != nil {
			home, from = q.stack, q.from
		}
		switch {
		case !wanted(q.Name):
			q.Grad = nil
			continue
		case len(home.Data) == 0:
			panic("tensor: SetTrainable: parameter " + q.Name + " has no numbers")
		case home.Grad == nil:
			home.Grad = kernel.Floats(len(home.Data))
		case q.stack == nil:
			clear(home.Grad)
		}
		q.Grad = home.Grad[from : from+len(q.Data) : from+len(q.Data)]
	}
}

// SetTrainableRows gives gradients to the rows of a matrix from row from on, and takes
// them from the rows before: only those rows are trained, until SetTrainable is called
// again.
func (p *Params) SetTrainableRows(name string, from int) {
	for q := range p.All() {
		if q.Name == name {
			q.fixed = from
			q.Grad = kernel.Floats((q.Rows() - from) * q.Cols())
		}
	}
}

// Trainable yields what is trained of the parameters under p's prefix: those with a
// gradient, or the rows of them that have one.
func (p *Params) Trainable() iter.Seq[Param] {
	return func(yield func(Param) bool) {
		for q := range p.All() {
			if q.fixed > 0 {
				rows := From(q.Data[q.fixed*q.Cols():], q.Rows()-q.fixed, q.Cols())
				rows.Grad = q.Grad
				q.Tensor = rows
			}
			if q.Grad != nil && !yield(q) {
				return
			}
		}
	}
}

// A WeightReader gives tensors by name: a checkpoint file. Its errors name the file,
// and so does its String. LoadPacked reads from many goroutines.
type WeightReader interface {
	fmt.Stringer
	Shape(name string) ([]int, error)
	// Weights copies numbers [from, from+len(dst)) of a tensor, counted row-major;
	// one that is not finite is an error.
	Weights(dst []float32, name string, from int) error
}

// A BlockReader is a WeightReader whose matrices may be in blocks: a GGUF file.
type BlockReader interface {
	WeightReader
	// BlockType is what ggml calls the type of a matrix, "" if it has none there.
	BlockType(name string) string
	// Blocks copies the blocks of a row; a number that is not finite is an error.
	Blocks(dst []byte, name string, row int) error
}

// Load copies the tensors of a checkpoint, named prefix and the parameter's name,
// into the parameters under p. Each must be there with the parameter's shape.
func (p *Params) Load(from WeightReader, prefix string) error {
	for q := range p.All() {
		if err := LoadInto(q.Data, q.Shape, from, prefix+q.Name); err != nil {
			return err
		}
	}
	return nil
}

// LoadInto copies a tensor of the given shape from a checkpoint.
func LoadInto(dst []float32, shape []int, from WeightReader, name string) error {
	if err := checkShape(shape, from, name); err != nil {
		return err
	}
	return from.Weights(dst, name, 0)
}

func checkShape(want []int, from WeightReader, name string) error {
	got, err := from.Shape(name)
	if err == nil && !slices.Equal(got, want) {
		err = fmt.Errorf("%s: tensor %q: has shape %v; expected %v", from, name, got, want)
	}
	return err
}
