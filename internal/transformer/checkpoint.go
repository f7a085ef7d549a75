package transformer

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"nfcot/internal/tensor"
	"nfcot/internal/tensor/kernel"
)

// A File is a checkpoint that says which tensors it has.
type File interface {
	tensor.WeightReader
	Names() []string
}

// A tensorName is what an architecture calls a tensor, or the beginning of its name.
type tensorName struct {
	ours, theirs string
	transposed   bool // its matrix is [inputs, outputs] (Conv1D)
}

// stored is what the architecture calls a parameter or an adapter of ours, and whether
// its matrix lies transposed in checkpoints.
func (f *architecture) stored(name string) (theirs string, transposed bool) {
	within, rest := "", name
	if in, ok := strings.CutPrefix(name, "model.layers."); ok {
		var number string
		number, rest, _ = strings.Cut(in, ".")
		within = f.layers + "." + number + "."
	}
	for _, t := range f.tensors {
		if strings.HasPrefix(t.ours, "model.") == (within != "") {
			continue
		}
		if end, ok := strings.CutPrefix(rest, t.ours+"."); ok {
			return within + t.theirs + "." + end, t.transposed && end == "weight"
		}
	}
	return within + rest, false
}

// Conv1D says whether checkpoints of c's architecture have matrices [inputs, outputs].
func (c Config) Conv1D() bool {
	return slices.ContainsFunc(c.architecture().tensors, func(t tensorName) bool { return t.transposed })
}

// StoredName is what checkpoints of c's architecture call a parameter.
func (c Config) StoredName(name string) string {
	name, _ = c.architecture().stored(name)
	return name
}

// Stored is a parameter as checkpoints of c's architecture have it.
func (c Config) Stored(p tensor.Param) (name string, shape []int, data []float32) {
	name, transposed := c.architecture().stored(p.Name)
	if !transposed {
		return name, p.Shape, p.Data
	}
	rows, cols := p.Rows(), p.Cols()
	data = make([]float32, len(p.Data))
	kernel.Transpose(data, rows, p.Data, cols, rows, cols)
	return name, []int{cols, rows}, data
}

// A Checkpoint reads tensors by the names of the parameters that they are for, from
// a file that has them under the names of its architecture. It may be read from many
// goroutines.
type Checkpoint struct {
	file         File
	architecture *architecture
	has          map[string]bool // the names in the file
	tied         bool

	mu       sync.Mutex
	last     []float32 // see turned
	turnedOf string
}

// Open looks at the tensors of a file. Only the shape knows what they are called;
// the shape that is returned is c, corrected as transformers does: a tied model
// with a table of logits of its own is not tied.
func (c Config) Open(f File) (*Checkpoint, Config, error) {
	k := &Checkpoint{file: f, architecture: c.architecture(), has: map[string]bool{}, tied: c.Tied}
	for _, name := range f.Names() {
		k.has[name] = true
	}
	_, embeds := k.Find(EmbeddingName)
	if _, logits := k.Find(LogitsName); c.Tied && embeds && logits {
		same, err := k.same(EmbeddingName, LogitsName, c.Hidden)
		if err != nil {
			return nil, c, err
		}
		c.Tied, k.tied = same, same
	}
	return k, c, nil
}

// same says whether two tables are the same one.
func (k *Checkpoint) same(a, b string, cols int) (bool, error) {
	shapeA, errA := k.Shape(a)
	shapeB, errB := k.Shape(b)
	if errA != nil || errB != nil || !slices.Equal(shapeA, shapeB) || len(shapeA) != 2 {
		return false, nil
	}
	const rows = 256
	x, y := make([]float32, rows*shapeA[1]), make([]float32, rows*shapeA[1])
	for at, n := 0, shapeA[0]*shapeA[1]; at < n; at += len(x) {
		x, y = x[:min(len(x), n-at)], y[:min(len(y), n-at)]
		if err := k.Weights(x, a, at); err != nil {
			return false, err
		}
		if err := k.Weights(y, b, at); err != nil {
			return false, err
		}
		if !slices.Equal(x, y) {
			return false, nil
		}
	}
	return true, nil
}

// Find is what the file calls a parameter, which it may have without the prefix of
// the trunk. Of a tied model the embeddings may be there as the table of logits, and
// the table of logits is that of the embeddings.
func (k *Checkpoint) Find(name string) (theirs string, ok bool) {
	theirs, _ = k.architecture.stored(name)
	if k.has[theirs] {
		return theirs, true
	}
	if bare := strings.TrimPrefix(theirs, k.architecture.prefix); k.has[bare] {
		return bare, true
	}
	if k.tied && (name == EmbeddingName && k.has[LogitsName] || name == LogitsName) {
		return k.Find(other(name))
	}
	return theirs, false
}

// other is the other one of the two tables.
func other(table string) string {
	if table == LogitsName {
		return EmbeddingName
	}
	return LogitsName
}

// Has says whether the file has a parameter.
func (k *Checkpoint) Has(name string) bool {
	_, ok := k.Find(name)
	return ok
}

// Stranger is a tensor that is none of the given parameters, "" if there is none:
// the model of such a file computes something else.
func (k *Checkpoint) Stranger(p *tensor.Params) string {
	known := map[string]bool{}
	if k.tied {
		known[LogitsName] = true
	}
	for q := range p.All() {
		if theirs, ok := k.Find(q.Name); ok {
			known[theirs] = true
		}
	}
	for _, name := range k.file.Names() {
		ignored := slices.ContainsFunc(k.architecture.ignored, func(end string) bool { return strings.HasSuffix("."+name, end) })
		if !known[name] && !ignored {
			return name
		}
	}
	return ""
}

func (k *Checkpoint) String() string { return k.file.String() }

// Shape is the shape of a parameter.
func (k *Checkpoint) Shape(name string) ([]int, error) {
	theirs, _ := k.Find(name)
	shape, err := k.file.Shape(theirs)
	if _, transposed := k.architecture.stored(name); transposed && len(shape) == 2 {
		shape = []int{shape[1], shape[0]}
	}
	return shape, err
}

// Weights copies numbers [from, from+len(dst)) of a parameter.
func (k *Checkpoint) Weights(dst []float32, name string, from int) error {
	theirs, _ := k.Find(name)
	if _, transposed := k.architecture.stored(name); !transposed {
		return k.file.Weights(dst, theirs, from)
	}
	rows, err := k.turned(theirs)
	if err != nil {
		return err
	}
	copy(dst, rows[from:])
	return nil
}

// BlockType is what ggml calls the type of a matrix, "" if the file has no such types.
func (k *Checkpoint) BlockType(name string) string {
	blocks, ok := k.file.(tensor.BlockReader)
	if !ok {
		return ""
	}
	theirs, _ := k.Find(name)
	return blocks.BlockType(theirs)
}

// Blocks copies the blocks of a row, of an output that is, of a matrix that has a BlockType.
func (k *Checkpoint) Blocks(dst []byte, name string, row int) error {
	theirs, _ := k.Find(name)
	return k.file.(tensor.BlockReader).Blocks(dst, theirs, row)
}

// turned is a matrix of the file, transposed. The last one is kept: it is asked for
// row by row.
func (k *Checkpoint) turned(name string) ([]float32, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.turnedOf == name {
		return k.last, nil
	}
	shape, err := k.file.Shape(name)
	if err != nil || len(shape) != 2 {
		return nil, fmt.Errorf("%s: tensor %q: has shape %v; expected a matrix", k.file, name, shape)
	}
	in, out := shape[0], shape[1]
	there := make([]float32, in*out)
	if err := k.file.Weights(there, name, 0); err != nil {
		return nil, err
	}
	k.last, k.turnedOf = make([]float32, in*out), name
	kernel.Transpose(k.last, in, there, out, in, out)
	return k.last, nil
}
