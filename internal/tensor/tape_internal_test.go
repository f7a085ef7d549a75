package tensor

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// A tape that is reset computes the same again, in the same memory.
func TestResetReusesMemory(t *testing.T) {
	x, w := New(300, 200), New(slabSize/300+1, 200) // a result larger than a slab
	rng := Rand(1, "test")
	for _, p := range []*Tensor{x, w} {
		p.Grad = make([]float32, len(p.Data))
		for i := range p.Data {
			p.Data[i] = float32(rng.NormFloat64())
		}
	}
	tape := new(Tape)
	step := func() (first *float32, gradient []float32) {
		clear(x.Grad)
		small := tape.Exp(x) // leaves room in the first slab
		big := tape.Linear(small, w, nil)
		tape.Backward(tape.Sum(tape.Add(tape.SumCols(big), tape.SumCols(tape.Mul(x, x)))))
		return &small.Data[0], slices.Clone(x.Grad)
	}
	slabs := func() (at []*float32) {
		for _, s := range tape.numbers.slabs {
			at = append(at, &s[0])
		}
		return at
	}
	first, gradient := step()
	before := slabs()
	for range 3 {
		tape.Reset()
		again, sameGradient := step()
		if again != first || !slices.Equal(slabs(), before) {
			t.Fatalf("%d slabs, then %d: the second step does not lie where the first one did", len(before), len(tape.numbers.slabs))
		}
		if !slices.Equal(sameGradient, gradient) {
			t.Fatal("a tape that was reset gives another gradient: its memory is not clean")
		}
	}
	if len(tape.recorded) != 0 {
		t.Errorf("%d operations are still recorded after Backward", len(tape.recorded))
	}
}

// A chain of operations needs the gradients of two results at a time, however
// long it is, and has none before Backward.
func TestGradientsShareMemory(t *testing.T) {
	const n, long = 1000, 50
	x := New(1, n)
	x.Grad = make([]float32, n)
	tape := new(Tape)
	y := x
	for range long {
		y = tape.Tanh(y)
	}
	loss := tape.Sum(y)
	before := tape.numbers.used // results, and the slopes that Tanh keeps
	if before > 2*long*n+1 {
		t.Errorf("%d operations on %d numbers take %d before Backward", long, n, before)
	}
	tape.Backward(loss)
	if got := tape.numbers.used - before; got > 2*n+1 {
		t.Errorf("the gradients of %d operations on %d numbers take %d", long, n, got)
	}
	if len(x.Grad) != n || x.Grad[0] != 1 {
		t.Errorf("gradient %v at 0, want 1", x.Grad[:1])
	}
}

// A tape for inference computes the same numbers and records nothing.
func TestInferenceRecordsNothing(t *testing.T) {
	x := From([]float32{0.5, -1, 2, 0.25}, 2, 2)
	x.Grad = make([]float32, 4)
	forward := func(t *Tape) *Tensor { return t.Sum(t.Mul(t.Tanh(t.Linear(x, x, nil)), x)) }
	tape := &Tape{Inference: true}
	y := forward(tape)
	if y.Grad != nil || len(tape.recorded) != 0 {
		t.Errorf("%d operations are recorded", len(tape.recorded))
	}
	if want := forward(new(Tape)).Data[0]; y.Data[0] != want {
		t.Errorf("the result is %v, with gradients %v", y.Data[0], want)
	}
	tape.Reset()
	if again := forward(tape); &again.Data[0] != &y.Data[0] {
		t.Error("after Reset the result lies elsewhere")
	}
}

// What a tape hands out does not overlap, and is zero.
func TestMemoryIsDisjointAndZero(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tape := new(Tape)
		for range 2 {
			var all [][]float32
			for _, n := range rapid.SliceOfN(rapid.SampledFrom([]int{0, 1, 7, 1000, slabSize / 2, slabSize, slabSize + 1}), 1, 6).Draw(t, "sizes") {
				x := tape.zeros(n)
				if len(x) != n || cap(x) != n || slices.ContainsFunc(x, func(v float32) bool { return v != 0 }) {
					t.Fatalf("%d zeros: length %d, capacity %d, or not zero", n, len(x), cap(x))
				}
				for i := range x {
					x[i] = float32(len(all) + 1)
				}
				all = append(all, x)
			}
			for i, x := range all {
				if slices.ContainsFunc(x, func(v float32) bool { return v != float32(i+1) }) {
					t.Fatalf("allocation %d was overwritten by a later one", i)
				}
			}
			tape.Reset()
		}
	})
}

// The runs that attention's backward pass hands to different workers cover all
// rows, in order, and write to different keys.
func TestSeparateRunsShareNothing(t *testing.T) {
	check := func(t interface {
		Fatalf(string, ...any)
	}, see []Span) []Span {
		runs := (*Tape)(nil).Mask(see).sequences
		next := 0
		owner := map[int]int{} // of a key: the run that sees it
		for i, run := range runs {
			if run.From != next || run.To <= run.From {
				t.Fatalf("runs %v of %v do not follow each other", runs, see)
			}
			next = run.To
			for _, s := range see[run.From:run.To] {
				for key := s.From; key < s.To; key++ {
					if other, ok := owner[key]; ok && other != i {
						t.Fatalf("runs %v and %v of %v both see row %d", runs[other], run, see, key)
					}
					owner[key] = i
				}
			}
		}
		if next != len(see) {
			t.Fatalf("runs %v do not cover %v", runs, see)
		}
		return runs
	}
	for _, tt := range []struct{ see, runs []Span }{
		{nil, nil},
		{[]Span{{From: 0, To: 1}, {From: 0, To: 2}, {From: 2, To: 3}, {From: 2, To: 4}}, []Span{{From: 0, To: 2}, {From: 2, To: 4}}},                   // two causal sequences
		{[]Span{{From: 0, To: 1}, {From: 0, To: 4}, {From: 0, To: 4}, {From: 0, To: 4}, {From: 4, To: 5}}, []Span{{From: 0, To: 4}, {From: 4, To: 5}}}, // a bidirectional block, then another sequence
		{[]Span{{From: 0, To: 1}, {From: 1, To: 2}, {From: 2, To: 3}}, []Span{{From: 0, To: 1}, {From: 1, To: 2}, {From: 2, To: 3}}},                   // each on its own
		{[]Span{{From: 0, To: 1}, {From: 1, To: 2}, {From: 0, To: 2}, {From: 5, To: 6}}, []Span{{From: 0, To: 3}, {From: 3, To: 4}}},                   // joined by a later row
		{[]Span{{From: 0, To: 5}, {From: 9, To: 10}, {From: 0, To: 2}, {From: 5, To: 9}}, []Span{{From: 0, To: 3}, {From: 3, To: 4}}},                  // joined over a row that sees something else
		{[]Span{{From: 3, To: 4}, {From: 0, To: 1}}, []Span{{From: 0, To: 1}, {From: 1, To: 2}}},                                                       // keys in another order
	} {
		if got := check(t, tt.see); !slices.Equal(got, tt.runs) {
			t.Errorf("sequences of %v are %v, want %v", tt.see, got, tt.runs)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 12).Draw(t, "rows")
		see := make([]Span, n)
		for r := range see {
			from := rapid.IntRange(0, 20).Draw(t, "from")
			see[r] = Span{From: from, To: from + rapid.IntRange(0, 4).Draw(t, "length")}
		}
		check(t, see)
	})
}
