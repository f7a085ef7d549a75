package transformer

import "nfcot/internal/tensor"

// A Cache is the past of one stream: the keys and values of its rows, for every
// layer.
type Cache struct{ layers []tensor.Past }

// NewCache returns an empty stream.
func (tr *Trunk) NewCache() *Cache { return &Cache{make([]tensor.Past, tr.Layers)} }

// Len is the number of rows in the stream.
func (c *Cache) Len() int { return c.layers[0].Len() }

// Fork returns n streams that continue c. They share c's rows, so c must not
// be extended any more.
func (c *Cache) Fork(n int) []*Cache {
	forks := make([]*Cache, n)
	for i := range forks {
		forks[i] = &Cache{make([]tensor.Past, len(c.layers))}
		for l := range c.layers {
			forks[i].layers[l] = c.layers[l].Fork()
		}
	}
	return forks
}

// Step appends row i of x to stream cs[i]; rows of one stream follow each other.
// All rows go through the weights together, and each looks at its own past
// alone: a row's hidden state has the same bits whatever other rows there are.
// x [R, H] → h [R, H]
func (tr *Trunk) Step(t *tensor.Tape, cs []*Cache, x *tensor.Tensor) *tensor.Tensor {
	pos := t.Ints(len(cs))
	for i, c := range cs {
		at := c.Len()
		if i > 0 && cs[i-1] == c {
			at = pos[i-1] + 1
		}
		pos = append(pos, at)
	}
	return tr.run(t, x, rows{pos: pos, caches: cs})
}
