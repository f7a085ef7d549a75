package tensor

// A Segment is a part of a model that takes the states of rows to their next
// ones. The rows stand at positions pos and see each other as mask lets them.
// x [R, C] → [R, C']
type Segment func(t *Tape, x *Tensor, pos []int, mask Mask) *Tensor

// Checkpoint is f, of whose results t keeps only the last: what lies between x
// and it is computed again in the backward pass (Chen et al., 2016). The bits of
// values and gradients are those of f itself.
func (t *Tape) Checkpoint(f Segment, x *Tensor, pos []int, mask Mask) *Tensor {
	if t == nil || t.Inference {
		return f(t, x, pos, mask)
	}
	if t.inner == nil {
		t.inner = &Tape{allocate: t.allocate}
	}
	t.inner.BF16, t.inner.Profile = t.BF16, t.Profile
	inside := f(t.inner, x, pos, mask)
	o := t.op(inside.Rows(), inside.Cols(), inside)
	o.x, o.idx, o.mask, o.segment = x, pos, mask, f
	copy(o.y.Data, inside.Data)
	t.inner.Reset()
	return o.done(func(o *op) {
		inner := o.t.inner
		x := inner.alias(*o.x) // its gradient may come to lie in inner's memory
		y := o.segment(inner, x, o.idx, o.mask)
		y.Grad, y.stale = o.y.Grad, false
		inner.backward()
		copy(o.x.Grad, x.Grad)
		o.x.stale = x.stale
		inner.Reset()
	})
}
