package tensortest

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"nfcot/internal/ckpt"
	"nfcot/internal/shared"
	"nfcot/internal/tensor"
)

// A Golden is a file of expected values. Whatever is asked of it and not there
// ends the test.
type Golden struct {
	t    testing.TB
	file *ckpt.File
}

// Open opens a safetensors file of the fixtures, closed when the test ends.
func Open(t testing.TB, path ...string) *Golden {
	t.Helper()
	return of(t)(ckpt.Open(filepath.Join(shared.Fixtures(t), filepath.Join(path...))))
}

// OpenPath opens a safetensors file that is somewhere else.
func OpenPath(t testing.TB, path string) *Golden {
	t.Helper()
	return of(t)(ckpt.Open(path))
}

// OpenModel opens the weights of a model folder of the fixtures.
func OpenModel(t testing.TB, path ...string) *Golden {
	t.Helper()
	return of(t)(ckpt.OpenModel(filepath.Join(shared.Fixtures(t), filepath.Join(path...))))
}

func of(t testing.TB) func(*ckpt.File, error) *Golden {
	return func(f *ckpt.File, err error) *Golden {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return &Golden{t, f}
	}
}

// Names lists the tensors.
func (g *Golden) Names() []string { return g.file.Names() }

// Has tells whether there is a tensor of this name.
func (g *Golden) Has(name string) bool {
	_, ok := g.file.Info(name)
	return ok
}

// Tensor returns a floating-point tensor, without a gradient. A scalar has
// shape [1].
func (g *Golden) Tensor(name string) *tensor.Tensor {
	g.t.Helper()
	data, shape, err := g.file.Float32(name)
	if err != nil {
		g.t.Fatal(err)
	}
	if len(shape) == 0 {
		shape = []int{1}
	}
	return tensor.From(data, shape...)
}

// Param is Tensor with a gradient, all zero.
func (g *Golden) Param(name string) *tensor.Tensor {
	g.t.Helper()
	x := g.Tensor(name)
	x.Grad = make([]float32, len(x.Data))
	return x
}

// Floats returns the values of a floating-point tensor in full precision.
func (g *Golden) Floats(name string) []float64 {
	g.t.Helper()
	if info, _ := g.file.Info(name); info.DType != ckpt.F64 {
		return Float64s(g.Tensor(name).Data)
	}
	return decode[float64](g, name)
}

// decode reads a tensor by its place in the file: integers and float64 concern tests alone.
func decode[T int64 | float64 | uint8](g *Golden, name string) []T {
	g.t.Helper()
	content, err := os.ReadFile(g.file.String())
	if err != nil {
		g.t.Fatal(err)
	}
	data := 8 + binary.LittleEndian.Uint64(content)
	var header map[string]struct {
		Offsets [2]uint64 `json:"data_offsets"`
	}
	if err := json.Unmarshal(content[8:data], &header); err != nil {
		g.t.Fatal(err)
	}
	place := header[name].Offsets
	values := make([]T, int(place[1]-place[0])/binary.Size(T(0)))
	if _, err := binary.Decode(content[data+place[0]:data+place[1]], binary.LittleEndian, values); err != nil {
		g.t.Fatal(err)
	}
	return values
}

// Scalar returns a floating-point tensor of one element.
func (g *Golden) Scalar(name string) float64 {
	g.t.Helper()
	x := g.Floats(name)
	if len(x) != 1 {
		g.t.Fatalf("%s has %d elements, want 1", name, len(x))
	}
	return x[0]
}

// Ints returns the values of a tensor of I64 or U8.
func (g *Golden) Ints(name string) []int {
	g.t.Helper()
	switch info, _ := g.file.Info(name); info.DType {
	case ckpt.I64:
		return ints(decode[int64](g, name))
	case ckpt.U8:
		return ints(decode[uint8](g, name))
	default:
		g.t.Fatalf("%s is %q, want I64 or U8", name, info.DType)
		return nil
	}
}

func ints[T int64 | uint8](values []T) []int {
	x := make([]int, len(values))
	for i, v := range values {
		x[i] = int(v)
	}
	return x
}

// Shape returns the shape of a tensor.
func (g *Golden) Shape(name string) []int {
	g.t.Helper()
	info, ok := g.file.Info(name)
	if !ok {
		g.t.Fatalf("no tensor %q", name)
	}
	return info.Shape
}

// Meta returns a text of the file's metadata.
func (g *Golden) Meta(key string) string { return g.file.Metadata()[key] }

// MetaInt returns a number of the file's metadata.
func (g *Golden) MetaInt(key string) int {
	g.t.Helper()
	n, err := strconv.Atoi(g.file.Metadata()[key])
	if err != nil {
		g.t.Fatalf("metadata %q: %v", key, err)
	}
	return n
}

// Load copies the tensors called prefix + name into the parameters called name.
// Every parameter must be there, and every tensor with the prefix must be one,
// but for those whose names end in one of the exceptions; shapes must agree.
func (g *Golden) Load(p *tensor.Params, prefix string, except ...string) {
	g.t.Helper()
	g.Copy(p, prefix)
	known := map[string]bool{}
	for q := range p.All() {
		known[prefix+q.Name] = true
	}
	for _, name := range g.file.Names() {
		isException := slices.ContainsFunc(except, func(end string) bool { return strings.HasSuffix(name, end) })
		if strings.HasPrefix(name, prefix) && !known[name] && !isException {
			g.t.Errorf("no parameter for tensor %q", name)
		}
	}
}

// Copy is Load for files in which other tensors may have the prefix too.
func (g *Golden) Copy(p *tensor.Params, prefix string) {
	g.t.Helper()
	for q := range p.All() {
		x := g.Tensor(prefix + q.Name)
		if !slices.Equal(x.Shape, q.Shape) {
			g.t.Fatalf("%s has shape %v, the parameter %v", prefix+q.Name, x.Shape, q.Shape)
		}
		copy(q.Data, x.Data)
	}
}

// CheckGrads compares the gradient of every parameter with the tensor called
// prefix + its name.
func (g *Golden) CheckGrads(p *tensor.Params, prefix string, tol Tolerance) {
	g.t.Helper()
	for q := range p.All() {
		tol.Check(g.t, prefix+q.Name, q.Grad, g.Floats(prefix+q.Name))
	}
}

// A Tolerance accepts got for want when |got - want| ≤ Abs + Rel·|want|.
type Tolerance struct{ Rel, Abs float64 }

// The tolerances of the golden files, from their README.
var (
	Forward      = Tolerance{1e-4, 2e-5} // logits, hidden states, u, mu, log sigma
	Likelihood   = Tolerance{1e-5, 1e-4} // losses, log-likelihoods, log-determinants
	Gradient     = Tolerance{1e-4, 1e-5} // of language models
	FlowGradient = Tolerance{2e-4, 3e-4} // of flows and NF heads, whose values reach several hundred
	Inverse      = Tolerance{1e-4, 5e-5} // of flows
	Function     = Tolerance{2e-6, 1e-7} // single functions
)

// Excess is |got - want| in units of what is allowed: at most 1 is good.
// Infinities are equal to themselves; want is rounded to float32 first, which
// is what got can be at best.
func (tol Tolerance) Excess(got, want float64) float64 {
	want = float64(float32(want))
	if got == want {
		return 0
	}
	excess := math.Abs(got-want) / (tol.Abs + tol.Rel*math.Abs(want))
	if math.IsNaN(excess) {
		return math.Inf(1)
	}
	return excess
}

// Check compares element by element, reports the worst one if it is not good
// enough, and logs it otherwise.
func (tol Tolerance) Check(t testing.TB, name string, got []float32, want []float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d values, want %d", name, len(got), len(want))
		return
	}
	if len(want) == 0 {
		t.Errorf("%s: nothing to compare", name)
		return
	}
	worst := 0
	for i := range got {
		if cmp.Compare(tol.Excess(float64(got[i]), want[i]), tol.Excess(float64(got[worst]), want[worst])) > 0 {
			worst = i
		}
	}
	g, w := float64(got[worst]), want[worst]
	excess := tol.Excess(g, w)
	if excess > 1 {
		t.Errorf("%s: element %d of %d is %.9g, want %.9g: off by %.2g, %.3g times what is allowed", name, worst, len(got), g, w, math.Abs(g-w), excess)
		return
	}
	t.Logf("%s: worst element %d of %d is off by %.2g, %.2g of what is allowed", name, worst, len(got), math.Abs(g-w), excess)
}

// CheckScalar is Check for one number.
func (tol Tolerance) CheckScalar(t testing.TB, name string, got, want float64) {
	t.Helper()
	if excess := tol.Excess(got, want); excess > 1 {
		t.Errorf("%s is %.9g, want %.9g: off by %.2g, %.3g times what is allowed", name, got, want, math.Abs(got-want), excess)
	}
}

// Float64s widens x.
func Float64s(x []float32) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = float64(v)
	}
	return y
}
