package transformer

import "nfcot/internal/tensor"

// A Cache is the KV cache of one sequence: the keys and values of its rows, for every
// layer.
type Cache struct{ layers []tensor.KVCache }

// NewCache returns an empty sequence.
func (tr *Trunk) NewCache() *Cache { return &Cache{make([]tensor.KVCache, tr.Layers)} }

// Len is the number of rows in the sequence.
func (c *Cache) Len() int { return c.layers[0].Len() }

// Fork returns n sequences that continue c. They share c's rows, so c must not
// be extended any more.
func (c *Cache) Fork(n int) []*Cache {
	forks := make([]*Cache, n)
	for i := range forks {
		forks[i] = &Cache{make([]tensor.KVCache, len(c.layers))}
		for l := range c.layers {
			forks[i].layers[l] = c.layers[l].Fork()
		}
	}
	return forks
}

// Step appends row i of x to sequence cs[i]; rows of one sequence follow each other.
// All rows go through the weights together, and each looks at its own cache
// alone: a row's hidden state has the same bits whatever other rows there are.
// x [R, H] → h [R, H]
func (tr *Trunk) Step(t *tensor.Tape, cs []*Cache, x *tensor.Tensor) *tensor.Tensor {
	return tr.run(t, x, rows{pos: positions(t, cs), caches: cs})
}

// StepBlock is Step for rows that see each other in both directions, within a sequence, and
// that the sequences do not remember.
// x [R, H] → h [R, H]
func (tr *Trunk) StepBlock(t *tensor.Tape, cs []*Cache, x *tensor.Tensor) *tensor.Tensor {
	h := tr.run(t, x, rows{pos: positions(t, cs), caches: cs, both: true})
	for _, c := range cs {
		for l := range c.layers {
			c.layers[l].Drop(1)
		}
	}
	return h
}

// positions are those of rows that are appended to sequences, one after the other.
func positions(t *tensor.Tape, cs []*Cache) []int {
	pos := t.Ints(len(cs))
	for i, c := range cs {
		at := c.Len()
		if i > 0 && cs[i-1] == c {
			at = pos[i-1] + 1
		}
		pos = append(pos, at)
	}
	return pos
}
