package transformer

import (
	"nfcot/internal/tensor"
	"nfcot/internal/tensor/kernel"
)

// A Cache is the past of one stream: the keys and values of its rows.
type Cache struct {
	past *Cache       // shared with other streams, no longer written; or nil
	own  []tensor.Run // per layer, each [rows since past, nkv·hd]
	n    int          // rows in all
}

// NewCache returns an empty stream.
func (tr *Trunk) NewCache() *Cache { return &Cache{own: make([]tensor.Run, tr.Layers)} }

// Len is the number of rows in the stream.
func (c *Cache) Len() int { return c.n }

// Fork returns n streams that continue c. They share c's rows, so c must not
// be extended any more.
func (c *Cache) Fork(n int) []*Cache {
	forks := make([]*Cache, n)
	for i := range forks {
		forks[i] = &Cache{past: c, own: make([]tensor.Run, len(c.own)), n: c.n}
	}
	return forks
}

// runs lists the stretches of layer l, oldest first.
func (c *Cache) runs(l int) []tensor.Run {
	if c == nil {
		return nil
	}
	return append(c.past.runs(l), c.own[l])
}

// Step appends row i of x to stream cs[i]; a stream that is named several
// times gets its rows in their order. All rows go through the weights together,
// and each looks at its own past alone: a row's hidden state has the same bits
// whatever other rows there are.   x [R, H] → h [R, H]
func (tr *Trunk) Step(cs []*Cache, x *tensor.Tensor) *tensor.Tensor {
	pos := make([]int, len(cs))
	longest := 0
	for i, c := range cs {
		pos[i] = c.n
		c.n++
		longest = max(longest, c.n)
	}
	return tr.run(nil, x, pos, func(_ *tensor.Tape, l int, q, k, v *tensor.Tensor) *tensor.Tensor {
		for i, c := range cs {
			c.own[l].K = append(c.own[l].K, k.Row(i)...)
			c.own[l].V = append(c.own[l].V, v.Row(i)...)
		}
		y := tensor.New(q.Shape...)
		kernel.Parallel(len(cs), 4, func(lo, hi int) {
			scratch := make([]float32, longest)
			for i := lo; i < hi; i++ {
				tensor.Attend(y.Row(i), q.Row(i), cs[i].runs(l), pos[i]+1, k.Cols(), tr.HeadDim, scratch)
			}
		})
		return y
	})
}
