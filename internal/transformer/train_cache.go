package transformer

import "nfcot/internal/tensor"

// A TrainCache is a KV cache with gradients, of some sequences: what Cache is to decoding,
// with a backward pass. It is for sequences of which some inputs are made from the states of
// earlier rows. Its memory is the tape's and its own, which it keeps for the next step.
type TrainCache struct {
	k, v []*tensor.Tensor // of each layer, sequence by sequence: [rows so far, nkv·hd]
	lens []int            // rows of each sequence so far
	keys []int            // where each row of the new k and v is, in the old ones with the added rows below them
}

// Start forgets everything: there are n empty sequences.
func (c *TrainCache) Start(tr *Trunk, n int) {
	if len(c.k) != tr.Layers {
		c.k, c.v = make([]*tensor.Tensor, tr.Layers), make([]*tensor.Tensor, tr.Layers)
	}
	clear(c.k)
	clear(c.v)
	c.lens = c.lens[:0]
	for range n {
		c.lens = append(c.lens, 0)
	}
}

// StepGrad appends rows to the sequences of c, more[i] to sequence i, which follow each
// other in x, and returns their hidden states. Every row sees itself and all rows
// before it in its sequence; a row's state has the bits that Forward gives it. What is
// between a block's input and its output is kept, whatever Recompute says.
// x [sum of more, H] → h [sum of more, H]
func (tr *Trunk) StepGrad(t *tensor.Tape, c *TrainCache, more []int, x *tensor.Tensor) *tensor.Tensor {
	pos, see := t.Ints(x.Rows()), t.Spans(x.Rows())
	old, first := 0, 0 // rows of the sequences before, without and with the new ones
	for _, n := range c.lens {
		old += n
	}
	keys, added, from := t.Ints(old+x.Rows()), old, 0
	for i, n := range c.lens {
		for j := range n {
			keys = append(keys, from+j)
		}
		from += n
		for j := range more[i] {
			keys = append(keys, added+j)
			pos, see = append(pos, n+j), append(see, tensor.Span{From: first, To: first + n + j + 1})
		}
		added += more[i]
		first += n + more[i]
		c.lens[i] += more[i]
	}
	c.keys = keys
	return tr.run(t, x, rows{pos: pos, mask: t.Mask(see), train: c})
}

// add puts the keys and values of new rows of layer l where their sequences have them,
// and returns those of all rows.
func (c *TrainCache) add(t *tensor.Tape, l int, k, v tensor.Cols) (allK, allV tensor.Cols) {
	for _, x := range [...]struct {
		old **tensor.Tensor
		new tensor.Cols
	}{{&c.k[l], k}, {&c.v[l], v}} {
		all := t.Columns(x.new)
		if *x.old != nil {
			all = t.Gather(t.Stack(*x.old, all), c.keys)
		}
		*x.old = all
	}
	return c.k[l].All(), c.v[l].All()
}
