package tensor_test

import (
	"testing"

	"nfcot/internal/tensor"
)

// A stream belongs to its seed, purpose and keys, all of them.
func TestRandStreamsDiffer(t *testing.T) {
	type stream struct {
		seed    uint64
		purpose string
		key     []int
	}
	seen := map[[2]uint64]stream{}
	tape := new(tensor.Tape)
	for _, s := range []stream{
		{1, "noise", nil}, {2, "noise", nil}, {1 << 63, "noise", nil}, {1, "Noise", nil}, {1, "nois", nil}, {1, "", nil},
		{1, "noise", []int{0}}, {1, "noise", []int{1}}, {1, "noise", []int{-1}}, {1, "noise", []int{1, 0}}, {1, "noise", []int{0, 1}},
		{1, "noise", []int{0, 0}}, {1, "noise", []int{1 << 40}}, {1, "nois", []int{'e'}}, {1, "noise", []int{1, 2, 3}}, {1, "noise", []int{1, 2, 4}},
	} {
		first := draws(s.seed, s.purpose, s.key...)
		if first != draws(s.seed, s.purpose, s.key...) {
			t.Errorf("%v does not repeat itself", s)
		}
		if r := tape.Rand(s.seed, s.purpose, s.key...); first != [2]uint64{r.Uint64(), r.Uint64()} {
			t.Errorf("%v is another stream on a tape", s)
		}
		if other, ok := seen[first]; ok {
			t.Errorf("%v and %v are the same stream", s, other)
		}
		seen[first] = s
	}
}

func draws(seed uint64, purpose string, key ...int) [2]uint64 {
	r := tensor.Rand(seed, purpose, key...)
	return [2]uint64{r.Uint64(), r.Uint64()}
}

// The streams are part of what makes a run repeatable: they may not change from
// one version of the program to the next.
func TestRandGoldenValues(t *testing.T) {
	r := tensor.Rand(42, "thoughts", 7, 3)
	for i, want := range []uint64{0x926a4dd51f08a397, 0x24595a4f9603a812, 0x55eb0a8d7025337a} {
		if got := r.Uint64(); got != want {
			t.Errorf("draw %d is %#x, want %#x", i, got, want)
		}
	}
	if got, want := r.NormFloat64(), 0.28603000296152037; got != want {
		t.Errorf("normal draw is %v, want %v", got, want)
	}
}
