package tensor

import "math/rand/v2"

// Rand returns the random stream that belongs to (seed, purpose, key...) and to
// nothing else. Every random draw of the program comes from such a stream, so
// that no draw depends on the order of work, on threads or on what else is in a
// batch.
func Rand(seed uint64, purpose string, key ...int) *rand.Rand {
	return rand.New(rand.NewPCG(streamOf(seed, purpose, key)))
}

// Rand is the function Rand for a stream that lives until Reset.
func (t *Tape) Rand(seed uint64, purpose string, key ...int) *rand.Rand {
	if t == nil {
		return Rand(seed, purpose, key...)
	}
	r := &t.randoms.take(1, chunkSize, makeSlice[random])[0]
	r.source.Seed(streamOf(seed, purpose, key))
	r.rand = *rand.New(&r.source)
	return &r.rand
}

// A random is a source of random numbers and what draws from it.
type random struct {
	source rand.PCG
	rand   rand.Rand
}

// streamOf returns the seeds of the stream that belongs to (seed, purpose, key...).
func streamOf(seed uint64, purpose string, key []int) (a, b uint64) {
	a, b = mix(seed+0x9e3779b97f4a7c15), mix(seed^0xd1b54a32d192ed03)
	add := func(v uint64) {
		a = mix(a ^ v)
		b = mix(b + v*0xff51afd7ed558ccd + 0x2545f4914f6cdd1d)
	}
	for _, c := range []byte(purpose) {
		add(uint64(c))
	}
	add(1 << 32) // ends the purpose: ("ab", 1) is not ("a", 'b', 1)
	for _, k := range key {
		add(uint64(k))
	}
	return a, b
}

// mix is the finaliser of SplitMix64, a bijection in which every input bit
// moves every output bit.
func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
