package tensor_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"nfcot/internal/tensor"
)

// bf16 rounds to bfloat16 (no test here needs what is not a number).
func bf16(x []float32) []float32 {
	y := make([]float32, len(x))
	for i, v := range x {
		bits := math.Float32bits(v)
		y[i] = math.Float32frombits((bits + 0x7FFF + bits>>16&1) &^ 0xFFFF)
	}
	return y
}

func closeTo(t *testing.T, what string, got, want []float32) {
	t.Helper()
	for i, v := range want {
		if math.Abs(float64(got[i]-v)) > 1e-5*(1+math.Abs(float64(v))) {
			t.Fatalf("%s: element %d is %v, want %v", what, i, got[i], v)
		}
	}
}

// trainable returns a tensor with a gradient.
func trainable(data []float32, shape ...int) *tensor.Tensor {
	x := tensor.From(data, shape...)
	x.Grad = make([]float32, len(data))
	return x
}

// A tape in bfloat16 rounds the factors of the products with weights, forward and
// backward, and nothing else: what it does is what a tape in float32 does with rounded
// factors.
func TestBF16(t *testing.T) {
	rng := tensor.Rand(1, "bf16")
	numbers := func(n int) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(rng.NormFloat64())
		}
		return x
	}
	const R, I, O = 7, 11, 5
	x, w, a, c := numbers(R*I), numbers(O*I), numbers(R*O), numbers(R*O)

	half := &tensor.Tape{BF16: true}
	hx, hw, ha := trainable(x, R, I), trainable(w, O, I), trainable(a, R, O)
	hy := half.AddLinear(ha, hx, hw, nil)
	half.Backward(half.Sum(half.Mul(hy, tensor.From(c, R, O))))

	full := new(tensor.Tape)
	fx, fw := trainable(bf16(x), R, I), trainable(bf16(w), O, I)
	fy := full.AddLinear(tensor.From(a, R, O), fx, fw, nil)
	full.Backward(full.Sum(full.Mul(fy, tensor.From(bf16(c), R, O))))

	closeTo(t, "y", hy.Data, fy.Data)
	closeTo(t, "dx", hx.Grad, fx.Grad)
	closeTo(t, "dw", hw.Grad, fw.Grad)
	closeTo(t, "da", ha.Grad, c)

	// The vocabulary: the backward pass rounds the gradient of the logits too, so it is compared less strictly.
	target := []int{0, 1, -1, 3, 4, 2, 0}
	half.Reset()
	full.Reset()
	hx, hw, fx, fw = trainable(x, R, I), trainable(w, O, I), trainable(bf16(x), R, I), trainable(bf16(w), O, I)
	hp, fp := half.CategoricalLogProb(hx, hw, target), full.CategoricalLogProb(fx, fw, target)
	closeTo(t, "log p", hp.Data, fp.Data)
	half.Backward(half.Sum(hp))
	full.Backward(full.Sum(fp))
	var rounded bool
	for i, g := range fx.Grad {
		d := math.Abs(float64(hx.Grad[i] - g))
		rounded = rounded || d > 1e-5
		if d > 0.02 {
			t.Errorf("gradient of hidden %d is %v, want about %v", i, hx.Grad[i], g)
		}
	}
	if !rounded {
		t.Error("the backward pass rounds nothing")
	}
}

// Results that are rounded as they are made, because only products read them, change no bit of what the products give, forward
// or backward; nor do gradients of what only a product has made.
func TestForProducts(t *testing.T) {
	rng := tensor.Rand(1, "for products")
	numbers := func(n int) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(rng.NormFloat64())
		}
		return x
	}
	const R, O = 150, 40
	for _, I := range []int{64, 11} { // whole blocks of pairs, and not
		x, w, n, b, before := numbers(R*2*I), numbers(O*I), numbers(I), numbers(I), numbers(4*I*I)
		for name, operation := range map[string]func(tp *tensor.Tape, x, n, b *tensor.Tensor, uses ...tensor.Use) *tensor.Tensor{
			"RMSNorm": func(tp *tensor.Tape, x, n, _ *tensor.Tensor, uses ...tensor.Use) *tensor.Tensor {
				return tp.RMSNorm(x, n, 1e-6, uses...)
			},
			"LayerNorm": func(tp *tensor.Tape, x, n, b *tensor.Tensor, uses ...tensor.Use) *tensor.Tensor {
				return tp.LayerNorm(x, n, b, 1e-5, uses...)
			},
			"GELU": func(tp *tensor.Tape, x, _, _ *tensor.Tensor, uses ...tensor.Use) *tensor.Tensor {
				return tp.GELU(x, uses...)
			},
			"GELUTanh": func(tp *tensor.Tape, x, _, _ *tensor.Tensor, uses ...tensor.Use) *tensor.Tensor {
				return tp.GELUTanh(x, uses...)
			},
			"SwiGLU": func(tp *tensor.Tape, x, _, _ *tensor.Tensor, uses ...tensor.Use) *tensor.Tensor {
				return tp.SwiGLU(x.Part(0, I), x.Part(I, I), uses...)
			},
		} {
			t.Run(fmt.Sprint(name, I), func(t *testing.T) {
				columns := I
				if name == "SwiGLU" {
					columns = 2 * I
				}
				run := func(uses ...tensor.Use) [][]float32 {
					tp := &tensor.Tape{BF16: true}
					x, w, n, b := trainable(x[:R*columns], R, columns), trainable(w, O, I), trainable(n, I), trainable(b, I)
					before := trainable(before[:columns*columns], columns, columns)
					y := tp.Linear(operation(tp, tp.Linear(x, before, nil), n, b, uses...), w, nil)
					tp.Backward(tp.Sum(tp.Mul(y, y)))
					return [][]float32{y.Data, x.Grad, w.Grad, n.Grad, b.Grad, before.Grad}
				}
				want := run()
				for _, uses := range [][]tensor.Use{{tensor.ForProducts}, {tensor.FromProduct}, {tensor.ForProducts, tensor.FromProduct}} {
					for i, got := range run(uses...) {
						if !slices.Equal(got, want[i]) {
							t.Errorf("%s differs", []string{"y", "dx", "dw", "the gradient of the norm's weight", "of its bias", "of the weights before"}[i])
						}
					}
				}
			})
		}
	}
}
