package kernel

import (
	"slices"
	"testing"
)

// Unpacking gives the rows that Row gives, bit for bit, and touches nothing else.
func TestUnpack(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		rng := newRand()
		for _, shape := range [][2]int{{1, 1}, {3, 2}, {31, 33}, {32, 127}, {33, 128}, {65, 129}, {64, 513}, {7, 300}} {
			out, in := shape[0], shape[1]
			w := make([]float32, out*in)
			for i := range w {
				w[i] = rng.Float32() - 0.5
			}
			for _, format := range formats {
				p := Pack(w, out, in, format)
				got := fenced(out * in)
				p.Unpack(got)
				want := make([]float32, in)
				for i := range out {
					p.Row(want, i)
					if row := got[i*in : (i+1)*in]; !slices.Equal(row, want) {
						t.Fatalf("%v %dx%d: row %d is %v, want %v", format, out, in, i, row, want)
					}
				}
			}
		}
	})
}
