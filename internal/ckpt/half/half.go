// Package half holds the two 16-bit floating-point formats, as bit patterns in a
// uint16. Going to 16 bits rounds to nearest, ties to even; going back is exact.
package half

import "math"

// nan is the bfloat16 that every NaN becomes, quiet and without sign or payload.
const nan = 0x7FC0

// RoundBF16 rounds to the nearest bfloat16. A NaN loses its payload, so that it stays one.
func RoundBF16(x float32) float32 {
	if x != x {
		return FromBF16(nan)
	}
	// Adding just under half a unit of the last kept bit, or exactly half where
	// that bit is odd, carries into it when rounding up is due.
	bits := math.Float32bits(x)
	return math.Float32frombits((bits + 0x7fff + bits>>16&1) &^ 0xffff)
}

// ToBF16 rounds to bfloat16: 1 sign, 8 exponent, 7 fraction bits, that is, the
// upper half of a float32. Every NaN becomes 0x7FC0.
func ToBF16(x float32) uint16 { return uint16(math.Float32bits(RoundBF16(x)) >> 16) }

// FromBF16 is the float32 with the same value.
func FromBF16(b uint16) float32 { return math.Float32frombits(uint32(b) << 16) }

// ToF16 rounds to IEEE 754 binary16: 1 sign, 5 exponent, 10 fraction bits.
// Magnitudes from 65520 become infinite, up to 2^-25 they become zero. A NaN keeps
// its sign and top bits, and becomes quiet.
func ToF16(x float32) uint16 {
	b := math.Float32bits(x)
	sign := uint16(b >> 16 & 0x8000)
	abs := b & 0x7fffffff
	switch {
	case abs > 0x7f800000: // NaN
		return sign | 0x7e00 | uint16(abs>>13&0x3ff)
	case abs >= 0x477ff000: // 65520, halfway between the largest half and 2^16
		return sign | 0x7c00
	case abs >= 0x38800000: // 2^-14, the smallest normal half
		rebiased := abs - (127-15)<<23
		return sign | uint16((rebiased+0xfff+rebiased>>13&1)>>13)
	}
	// Subnormal: the nearest multiple of 2^-24. Scaling by a power of two is
	// exact in float64, and a carry to 1024 is the smallest normal pattern.
	multiple := math.RoundToEven(float64(math.Float32frombits(abs)) * (1 << 24))
	return sign | uint16(multiple)
}

// FromF16 is the float32 with the same value.
func FromF16(h uint16) float32 {
	sign := uint32(h&0x8000) << 16
	exponent, fraction := uint32(h>>10&0x1f), uint32(h&0x3ff)
	switch exponent {
	case 0:
		subnormal := float32(fraction) / (1 << 24)
		return math.Float32frombits(sign | math.Float32bits(subnormal))
	case 0x1f:
		return math.Float32frombits(sign | 0x7f800000 | fraction<<13)
	}
	return math.Float32frombits(sign | (exponent+127-15)<<23 | fraction<<13)
}
