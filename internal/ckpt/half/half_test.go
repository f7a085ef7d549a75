package half_test

import (
	"math"
	"testing"

	"github.com/x448/float16"
	"pgregory.net/rapid"

	"nfcot/internal/ckpt/half"
	"nfcot/internal/tensor/tensortest"
)

// The patterns were made by an independent implementation; of a NaN in bfloat16 it keeps more than ours does.
func TestGolden(t *testing.T) {
	g := tensortest.Open(t, "numerics", "edge.safetensors")
	for name, to := range map[string]func(float32) uint16{"bf16": half.ToBF16, "f16": half.ToF16} {
		inputs, want := g.Ints(name+".f32_bits"), g.Ints(name+"."+name+"_bits")
		if len(want) != len(inputs) || len(want) == 0 {
			t.Fatalf("%s: %d inputs, %d patterns", name, len(inputs), len(want))
		}
		for i, in := range inputs {
			x := math.Float32frombits(uint32(in))
			if name == "bf16" && x != x {
				want[i] = nan
			}
			if got := to(x); got != uint16(want[i]) {
				t.Errorf("%s of float32 %08x is %04x, want %04x", name, in, got, want[i])
			}
		}
	}
}

// nan is the one NaN of bfloat16, in files as in the kernels.
const nan = 0x7fc0

func TestBF16ByHand(t *testing.T) {
	for _, c := range []struct {
		in   uint32
		want uint16
	}{
		{0x3f800000, 0x3f80}, // 1
		{0x3f808000, 0x3f80}, // halfway, even stays
		{0x3f818000, 0x3f82}, // halfway, odd goes up
		{0x3f808001, 0x3f81}, // just above halfway
		{0x7f7fffff, 0x7f80}, // the largest float32 rounds to infinity
		{0x80000001, 0x8000}, // the smallest negative to -0
		{0x7f800001, nan},    // a NaN whose upper half alone would be infinite
		{0xffc12345, nan},    // one with a sign and a payload
		{0xff800000, 0xff80}, // -Inf
	} {
		if got := half.ToBF16(math.Float32frombits(c.in)); got != c.want {
			t.Errorf("half.ToBF16(%08x) = %04x, want %04x", c.in, got, c.want)
		}
	}
}

// Every 16-bit pattern survives the way to float32 and back (a signalling NaN
// becomes quiet, and any NaN of bfloat16 the one), and the float16 library agrees on its value.
func TestHalfAllPatterns(t *testing.T) {
	for i := range 1 << 16 {
		h := uint16(i)
		want := h
		if h&0x7fff > 0x7c00 {
			want |= 0x200
		}
		if got := half.ToF16(half.FromF16(h)); got != want {
			t.Fatalf("F16 %04x came back as %04x", h, got)
		}
		oracle := float16.Frombits(h).Float32()
		if got := half.FromF16(h); got != oracle && !(got != got && oracle != oracle) {
			t.Fatalf("half.FromF16(%04x) = %v, want %v", h, got, oracle)
		}
		want = h
		if h&0x7fff > 0x7f80 {
			want = nan
		}
		if got := half.ToBF16(half.FromBF16(h)); got != want {
			t.Fatalf("BF16 %04x came back as %04x", h, got)
		}
	}
}

func TestToF16AgainstOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := math.Float32frombits(rapid.Uint32().Draw(t, "bits"))
		if got, want := half.ToF16(x), float16.Fromfloat32(x).Bits(); got != want {
			t.Fatalf("half.ToF16(%08x) = %04x, want %04x", math.Float32bits(x), got, want)
		}
	})
	// Around every boundary between two halves, where rounding is decided.
	for h := uint16(0); h < 0x7c00; h++ {
		low, high := half.FromF16(h), half.FromF16(h+1)
		if h == 0x7bff {
			high = 1 << 16
		}
		middle := low + (high-low)/2
		for _, x := range []float32{math.Nextafter32(middle, low), middle, math.Nextafter32(middle, high)} {
			if got, want := half.ToF16(-x), float16.Fromfloat32(-x).Bits(); got != want {
				t.Fatalf("half.ToF16(%08x) = %04x, want %04x", math.Float32bits(-x), got, want)
			}
		}
	}
}
