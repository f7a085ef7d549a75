package tensor

import "math/rand/v2"

// Rand returns the random stream that belongs to (seed, purpose, key...) and to
// nothing else. Every random draw of the program comes from such a stream, so
// that no draw depends on the order of work, on threads or on what else is in a
// batch.
func Rand(seed uint64, purpose string, key ...int) *rand.Rand {
	a, b := mix(seed+0x9e3779b97f4a7c15), mix(seed^0xd1b54a32d192ed03)
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
	return rand.New(rand.NewPCG(a, b))
}

// mix is the finaliser of SplitMix64, a bijection in which every input bit
// moves every output bit.
func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
