package transformer

import (
	"slices"
	"testing"

	"nfcot/internal/tensor"
	"nfcot/internal/tensor/kernel"
	"nfcot/internal/tensor/tensortest"
)

var small = Config{Layers: 3, Hidden: 20, FFN: 36, Heads: 6, KVHeads: 2, HeadDim: 6, Vocab: 50, Theta: 1e4, NormEps: 1e-6, MaxTokens: 64}

// shaken makes a small trunk whose norms are not all ones.
func shaken() (*Trunk, *tensor.Params) {
	p := tensor.NewParams(3)
	tr := NewTrunk(p, small)
	rng := tensor.Rand(4, "shake")
	for q := range p.All() {
		for i := range q.Data {
			q.Data[i] += float32(0.1 * rng.NormFloat64())
		}
	}
	return tr, p
}

func random(seed uint64, rows int) *tensor.Tensor {
	x, rng := tensor.New(rows, small.Hidden), tensor.Rand(seed, "random")
	for i := range x.Data {
		x.Data[i] = float32(rng.NormFloat64())
	}
	return x
}

// part returns rows from..to of x.
func part(x *tensor.Tensor, from, to int) *tensor.Tensor {
	return tensor.From(x.Data[from*x.Cols():to*x.Cols()], to-from, x.Cols())
}

func same(t *testing.T, what string, got, want *tensor.Tensor) {
	t.Helper()
	if !slices.Equal(got.Data, want.Data) {
		for i := range want.Data {
			if got.Data[i] != want.Data[i] {
				t.Fatalf("%s: row %d, column %d is %v, want %v", what, i/want.Cols(), i%want.Cols(), got.Data[i], want.Data[i])
			}
		}
	}
}

// The cache is the full pass, bit for bit, however the rows are cut into steps.
func TestCacheIsFullPass(t *testing.T) {
	tr, _ := shaken()
	const n = 41
	x := random(1, n)
	want := tr.Forward(nil, x, Causal(Layout{}, n))
	for _, steps := range [][]int{slices.Repeat([]int{1}, n), {n}, {17, 1, 1, 22}} {
		c, at := tr.NewCache(), 0
		for _, rows := range steps {
			h := tr.Step(nil, slices.Repeat([]*Cache{c}, rows), part(x, at, at+rows))
			same(t, "step", h, part(want, at, at+rows))
			at += rows
			if c.Len() != at {
				t.Fatalf("the cache has %d rows, want %d", c.Len(), at)
			}
		}
	}
}

// A tape changes no bit either.
func TestTapeChangesNoBit(t *testing.T) {
	tr, _ := shaken()
	x := random(1, 9)
	same(t, "with a tape", tr.Forward(new(tensor.Tape), x, Causal(Layout{}, 9)), tr.Forward(nil, x, Causal(Layout{}, 9)))
}

// A fork of a fork goes on as a sequence of its own would, and so do its sisters.
func TestForkIsCopy(t *testing.T) {
	tr, _ := shaken()
	const shared, more, tail = 7, 4, 6
	prompt := random(1, shared)
	cache := tr.NewCache()
	tr.Step(nil, slices.Repeat([]*Cache{cache}, shared), prompt)
	first := cache.Fork(2)
	middle := []*tensor.Tensor{random(2, more), random(3, more)}
	for i, c := range first {
		tr.Step(nil, slices.Repeat([]*Cache{c}, more), middle[i])
	}
	leaves := append(first[0].Fork(2), first[1].Fork(1)...)
	parent := []int{0, 0, 1}
	tails := []*tensor.Tensor{random(4, tail), random(5, tail), random(6, tail)}
	got := make([][]float32, len(leaves))
	for s := range tail { // all leaves step together
		x := tensor.New(len(leaves), small.Hidden)
		for i := range leaves {
			copy(x.Row(i), tails[i].Row(s))
		}
		h := tr.Step(nil, leaves, x)
		for i := range leaves {
			got[i] = append(got[i], h.Row(i)...)
		}
	}
	for i := range leaves {
		n := shared + more + tail
		all := tensor.From(slices.Concat(prompt.Data, middle[parent[i]].Data, tails[i].Data), n, small.Hidden)
		want := part(tr.Forward(nil, all, Causal(Layout{}, n)), n-tail, n)
		same(t, "leaf", tensor.From(got[i], tail, small.Hidden), want)
		if leaves[i].Len() != n {
			t.Errorf("leaf %d has %d rows, want %d", i, leaves[i].Len(), n)
		}
	}
	if cache.Len() != shared || first[0].Len() != shared+more {
		t.Error("a fork changes the sequence it came from")
	}
}

// Sequences of a batch do not touch each other: values and gradients of a packed
// batch are those of each sequence alone.
func TestPackedIsAlone(t *testing.T) {
	defer kernel.SetThreads(kernel.Threads())
	tr, _ := shaken()
	lengths := []int{5, 1, 23, 8}
	var (
		rows      Layout
		sequences []*tensor.Tensor
		data      []float32
	)
	for i, n := range lengths {
		rows = Causal(rows, n)
		sequences = append(sequences, random(uint64(i), n))
		data = append(data, sequences[i].Data...)
	}
	for _, threads := range []int{1, 4} {
		kernel.SetThreads(threads)
		packed := tensor.From(slices.Clone(data), len(rows.Pos), small.Hidden)
		packed.Grad = make([]float32, len(data))
		h := inputGradient(tr, packed, rows)
		at := 0
		for i, n := range lengths {
			sequences[i].Grad = make([]float32, len(sequences[i].Data))
			alone := inputGradient(tr, sequences[i], Causal(Layout{}, n))
			same(t, "packed", part(h, at, at+n), alone)
			H := small.Hidden
			same(t, "gradient", tensor.From(packed.Grad[at*H:(at+n)*H], n, H), tensor.From(sequences[i].Grad, n, H))
			at += n
		}
	}

	// the same through caches, the sequences interleaved
	caches := make([]*Cache, len(lengths))
	for i := range caches {
		caches[i] = tr.NewCache()
	}
	for s := range slices.Max(lengths) {
		var live []*Cache
		var x []float32
		for i, n := range lengths {
			if s < n {
				live, x = append(live, caches[i]), append(x, sequences[i].Row(s)...)
			}
		}
		h := tr.Step(nil, live, tensor.From(x, len(live), small.Hidden))
		for j, c := range live {
			i := slices.Index(caches, c)
			alone := tr.Forward(nil, sequences[i], Causal(Layout{}, lengths[i]))
			same(t, "interleaved", part(h, j, j+1), part(alone, s, s+1))
		}
	}
}

// inputGradient runs x forward and Σ h² backward, and returns h.
func inputGradient(tr *Trunk, x *tensor.Tensor, rows Layout) *tensor.Tensor {
	tape := new(tensor.Tape)
	h := tr.Forward(tape, x, rows)
	tape.Backward(tape.Sum(tape.Mul(h, h)))
	return h
}

// No row depends on a later one, and each depends on all before it.
func TestCausality(t *testing.T) {
	tr, _ := shaken()
	const n = 12
	before := tr.Forward(nil, random(1, n), Causal(Layout{}, n))
	for changed := range n {
		x := random(1, n)
		x.Row(changed)[3] += 0.5
		after := tr.Forward(nil, x, Causal(Layout{}, n))
		same(t, "an earlier row", part(after, 0, changed), part(before, 0, changed))
		for r := changed; r < n; r++ {
			if slices.Equal(after.Row(r), before.Row(r)) {
				t.Errorf("row %d does not depend on row %d", r, changed)
			}
		}
	}
}

// Rows see what their spans say, whatever their order: here a block of rows
// that see each other.
func TestBidirectionalBlock(t *testing.T) {
	tr, _ := shaken()
	rows := Causal(Layout{}, 6)
	for r := 2; r < 5; r++ {
		rows.Spans[r].To = 5
	}
	before := tr.Forward(nil, random(1, 6), rows)
	x := random(1, 6)
	x.Row(4)[0] += 1
	after := tr.Forward(nil, x, rows)
	same(t, "rows before the block", part(after, 0, 2), part(before, 0, 2))
	for r := 2; r < 6; r++ {
		if slices.Equal(after.Row(r), before.Row(r)) {
			t.Errorf("row %d does not see row 4", r)
		}
	}
}

// Only differences of positions matter.
func TestRotaryIsRelative(t *testing.T) {
	tr, _ := shaken()
	x := random(1, 8)
	rows := Causal(Layout{}, 8)
	want := tr.Forward(nil, x, rows)
	for r := range rows.Pos {
		rows.Pos[r] += 40
	}
	tensortest.Forward.Check(t, "moved by 40", tr.Forward(nil, x, rows).Data, tensortest.Float64s(want.Data))
	rows.Pos[7] += 3
	if slices.Equal(part(tr.Forward(nil, x, rows), 7, 8).Data, part(want, 7, 8).Data) {
		t.Error("positions do not matter")
	}
}

func TestTrunkGradient(t *testing.T) {
	tr, p := shaken()
	x := random(1, 9)
	rows := Causal(Causal(Layout{}, 5), 4)
	params := []*tensor.Tensor{x}
	for q := range p.All() {
		params = append(params, q.Tensor)
	}
	tensortest.GradCheck(t, func(t *tensor.Tape) *tensor.Tensor { return tr.Forward(t, x, rows) }, params...)
}

// With tied embeddings the table learns from both of its uses.
func TestTiedGradient(t *testing.T) {
	for _, tied := range []bool{true, false} {
		c := small
		c.Tied = tied
		p := tensor.NewParams(3)
		m := NewLM(p, c)
		var params []*tensor.Tensor
		for q := range p.All() {
			params = append(params, q.Tensor)
		}
		if got := slices.Contains(params, m.lmHead) && m.lmHead != m.embed; got == tied {
			t.Errorf("tied %v: a table of its own for logits: %v", tied, got)
		}
		tensortest.GradCheck(t, func(t *tensor.Tape) *tensor.Tensor {
			return m.Logits(t, m.Forward(t, m.Embed(t, []int{3, 1, 3}), Causal(Layout{}, 3)))
		}, m.embed, m.lmHead)
	}
}
