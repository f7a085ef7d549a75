package tensor_test

import (
	"slices"
	"testing"

	"nfcot/internal/tensor"
)

// A segment that is computed again has the values and gradients of one that is
// kept, bit for bit, wherever it stands and whatever of it is trainable.
func TestCheckpoint(t *testing.T) {
	const R, C = 5, 4
	w, v := random(1, C, C), random(2, C, C)
	segments := map[string]tensor.Segment{
		"residual": func(t *tensor.Tape, x *tensor.Tensor, _ []int, _ tensor.Mask) *tensor.Tensor {
			return t.AddLinear(x, t.Tanh(t.Linear(x, w, nil)), v, nil)
		},
		"plain": func(t *tensor.Tape, x *tensor.Tensor, _ []int, _ tensor.Mask) *tensor.Tensor {
			return t.Tanh(t.Linear(t.Mul(x, x), w, nil))
		},
		"residual inside": func(t *tensor.Tape, x *tensor.Tensor, _ []int, _ tensor.Mask) *tensor.Tensor {
			return t.Tanh(t.Add(x, t.Linear(x, w, nil)))
		},
		"attention": func(t *tensor.Tape, x *tensor.Tensor, pos []int, mask tensor.Mask) *tensor.Tensor {
			q := t.Rope(x.All(), pos, tensor.NewRotary(tensor.Frequencies(C, 1e4), 1, R))
			return t.Add(x, t.Attention(q.All(), x.All(), t.Linear(x, w, nil).All(), mask, C))
		},
	}
	for name, f := range segments {
		for trainable := range 4 { // bit 0: the input, bit 1: the weights
			run := func(apply func(t *tensor.Tape, x *tensor.Tensor, pos []int, mask tensor.Mask) *tensor.Tensor) (numbers []float32) {
				x, scale := random(3, R, C), random(4, R, C)
				grads := []*tensor.Tensor{scale} // always trainable, so that there is a backward pass
				if trainable&1 != 0 {
					grads = append(grads, x)
				}
				w.Grad, v.Grad = nil, nil
				if trainable&2 != 0 {
					grads = append(grads, w, v)
				}
				for _, p := range grads {
					p.Grad = make([]float32, len(p.Data))
				}
				tape := new(tensor.Tape)
				for range 2 { // the second time in used memory
					tape.Reset()
					var see []tensor.Span
					for r := range R {
						see = append(see, tensor.Span{From: 0, To: r + 1})
					}
					pos, mask := []int{0, 1, 2, 3, 4}, tape.Mask(see)
					in := tape.Scale(2, x)
					y := apply(tape, apply(tape, in, pos, mask), pos, mask)
					y = tape.Add(tape.Mul(y, scale), in) // in has another use, later on
					loss := tape.Sum(tape.Mul(y, y))
					tape.Backward(loss)
					numbers = append(append(numbers, loss.Data[0]), y.Data...)
				}
				for _, p := range grads {
					numbers = append(numbers, p.Grad...)
				}
				return numbers
			}
			want := run(f)
			got := run(func(t *tensor.Tape, x *tensor.Tensor, pos []int, mask tensor.Mask) *tensor.Tensor {
				return t.Checkpoint(f, x, pos, mask)
			})
			if !slices.Equal(got, want) {
				t.Errorf("%s, trainable %02b: %v, want %v", name, trainable, got, want)
			}
		}
	}
	x := random(5, R, C)
	for _, tape := range []*tensor.Tape{nil, {Inference: true}} {
		if got, want := tape.Checkpoint(segments["plain"], x, nil, tensor.Mask{}), segments["plain"](nil, x, nil, tensor.Mask{}); !slices.Equal(got.Data, want.Data) {
			t.Errorf("without a backward pass: %v, want %v", got.Data, want.Data)
		}
	}
}
