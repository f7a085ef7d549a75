package transformer

import "nfcot/internal/tensor"

// A Track is the past of some streams that are learnt from: what Cache is to decoding,
// with a way back. It is for streams of which some inputs are made from the states of
// earlier rows. Its memory is the tape's and its own, which it keeps for the next step.
type Track struct {
	k, v []*tensor.Tensor // of each layer, stream by stream: [rows so far, nkv·hd]
	lens []int            // rows of each stream so far
	keys []int            // where each row of the new k and v is, in the old ones with the added rows below them
}

// Start forgets everything: there are n empty streams.
func (tk *Track) Start(tr *Trunk, n int) {
	if len(tk.k) != tr.Layers {
		tk.k, tk.v = make([]*tensor.Tensor, tr.Layers), make([]*tensor.Tensor, tr.Layers)
	}
	clear(tk.k)
	clear(tk.v)
	tk.lens = tk.lens[:0]
	for range n {
		tk.lens = append(tk.lens, 0)
	}
}

// Extend appends rows to the streams of tk, more[i] to stream i, which follow each
// other in x, and returns their hidden states. Every row sees itself and all rows
// before it in its stream; a row's state has the bits that Forward gives it. What is
// between a block's input and its output is kept, whatever Recompute says.
// x [sum of more, H] → h [sum of more, H]
func (tr *Trunk) Extend(t *tensor.Tape, tk *Track, more []int, x *tensor.Tensor) *tensor.Tensor {
	pos, see := t.Ints(x.Rows()), t.Spans(x.Rows())
	old, first := 0, 0 // rows of the streams before, without and with the new ones
	for _, n := range tk.lens {
		old += n
	}
	keys, added, from := t.Ints(old+x.Rows()), old, 0
	for i, n := range tk.lens {
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
		tk.lens[i] += more[i]
	}
	tk.keys = keys
	return tr.run(t, x, rows{pos: pos, mask: t.Mask(see), track: tk})
}

// add puts the keys and values of new rows of layer l where their streams have them,
// and returns those of all rows.
func (tk *Track) add(t *tensor.Tape, l int, k, v tensor.Cols) (allK, allV tensor.Cols) {
	for _, x := range [...]struct {
		past **tensor.Tensor
		new  tensor.Cols
	}{{&tk.k[l], k}, {&tk.v[l], v}} {
		all := t.Columns(x.new)
		if *x.past != nil {
			all = t.Gather(t.Stack(*x.past, all), tk.keys)
		}
		*x.past = all
	}
	return tk.k[l].All(), tk.v[l].All()
}
