package gguf

// Numbers out of blocks, as ggml and the gguf package compute them: in float32, each product and each sum rounded. (The
// conversions of products to float32 keep compilers from fusing them with the sums.) A block holds scales, offsets and small
// unsigned numbers q, whose low bits often lie apart from their high ones. Where a byte holds two numbers of a block, or four,
// they are not neighbours: the low halves come first, then the high halves.
//
// The layouts are those of ggml-common.h in https://github.com/ggml-org/ggml.

import (
	"encoding/binary"

	"nfcot/internal/ckpt/half"
)

// blocks repeats a function of one block, of so many numbers in so many bytes.
func blocks(numbers, bytes int, decode func(dst []float32, src []byte)) func(dst []float32, src []byte) {
	return func(dst []float32, src []byte) {
		for ; len(dst) > 0; dst, src = dst[numbers:], src[bytes:] {
			decode(dst[:numbers:numbers], src[:bytes:bytes])
		}
	}
}

// scale16 reads a scale.
func scale16(b []byte) float32 { return half.FromF16(binary.LittleEndian.Uint16(b)) }

// decodeQ4_0: scale, 32 of 4 bits, less 8.
func decodeQ4_0(dst []float32, src []byte) {
	d := scale16(src)
	for i, q := range src[2:] {
		dst[i] = d * float32(int(q&15)-8)
		dst[i+16] = d * float32(int(q>>4)-8)
	}
}

// decodeQ4_1: scale, offset, 32 of 4 bits.
func decodeQ4_1(dst []float32, src []byte) {
	d, offset := scale16(src), scale16(src[2:])
	for i, q := range src[4:] {
		dst[i] = float32(d*float32(q&15)) + offset
		dst[i+16] = float32(d*float32(q>>4)) + offset
	}
}

// decodeQ5_0: scale, 32 fifth bits, 32 of 4 bits; less 16.
func decodeQ5_0(dst []float32, src []byte) {
	d, high := scale16(src), binary.LittleEndian.Uint32(src[2:])
	for i, q := range src[6:] {
		dst[i] = d * float32(int(q&15)+int(high>>i&1)<<4-16)
		dst[i+16] = d * float32(int(q>>4)+int(high>>(i+16)&1)<<4-16)
	}
}

// decodeQ5_1: scale, offset, 32 fifth bits, 32 of 4 bits.
func decodeQ5_1(dst []float32, src []byte) {
	d, offset, high := scale16(src), scale16(src[2:]), binary.LittleEndian.Uint32(src[4:])
	for i, q := range src[8:] {
		dst[i] = float32(d*float32(int(q&15)+int(high>>i&1)<<4)) + offset
		dst[i+16] = float32(d*float32(int(q>>4)+int(high>>(i+16)&1)<<4)) + offset
	}
}

// decodeQ8_0: scale, 32 signed bytes.
func decodeQ8_0(dst []float32, src []byte) {
	d := scale16(src)
	for i, q := range src[2:] {
		dst[i] = d * float32(int8(q))
	}
}

// decodeQ2_K: 16 groups of 16 numbers of 2 bits, each group with a scale (low half of a byte) and an offset (high half), which
// two scales of the block multiply.
func decodeQ2_K(dst []float32, src []byte) {
	groups, q := src[:16], src[16:80]
	d, dmin := scale16(src[80:]), scale16(src[82:])
	for g, s := range groups {
		scale, offset := d*float32(s&15), dmin*float32(s>>4)
		part, shift := q[g/8*32+g%2*16:][:16], g%8/2*2
		for i, b := range part {
			dst[16*g+i] = float32(scale*float32(b>>shift&3)) - offset
		}
	}
}

// decodeQ3_K: 16 groups of 16 numbers of 3 bits, the highest of which says not to subtract 4; scales of 6 bits, less 32.
func decodeQ3_K(dst []float32, src []byte) {
	high, q, scales := src[:32], src[32:96], src[96:108]
	d := scale16(src[108:])
	for g := range 16 {
		low := scales[g%8] >> (g / 8 * 4) & 15
		scale := d * float32(int(low|scales[8+g%4]>>(g/4*2)&3<<4)-32)
		part, shift := q[g/8*32+g%2*16:][:16], g%8/2*2
		for i, b := range part {
			v := int(b >> shift & 3)
			if high[g%2*16+i]>>(g/2)&1 == 0 {
				v -= 4
			}
			dst[16*g+i] = scale * float32(v)
		}
	}
}

// sixBits is scale and offset of group g of 8, 6 bits each in 12 bytes.
func sixBits(b []byte, g int) (scale, offset float32) {
	if g < 4 {
		return float32(b[g] & 63), float32(b[g+4] & 63)
	}
	return float32(b[g+4]&15 | b[g-4]>>6<<4), float32(b[g+4]>>4 | b[g]>>6<<4)
}

// decodeQ4_K: 8 groups of 32 numbers of 4 bits, with scale and offset.
func decodeQ4_K(dst []float32, src []byte) {
	d, dmin := scale16(src), scale16(src[2:])
	for g := range 8 {
		scale, offset := sixBits(src[4:16], g)
		scale, offset = d*scale, dmin*offset
		shift := g % 2 * 4
		for i, b := range src[16+g/2*32:][:32] {
			dst[32*g+i] = float32(scale*float32(b>>shift&15)) - offset
		}
	}
}

// decodeQ5_K: Q4_K with fifth bits before the others.
func decodeQ5_K(dst []float32, src []byte) {
	d, dmin, high := scale16(src), scale16(src[2:]), src[16:48]
	for g := range 8 {
		scale, offset := sixBits(src[4:16], g)
		scale, offset = d*scale, dmin*offset
		shift := g % 2 * 4
		for i, b := range src[48+g/2*32:][:32] {
			dst[32*g+i] = float32(scale*float32(b>>shift&15|high[i]>>g&1<<4)) - offset
		}
	}
}

// decodeQ6_K: 16 groups of 16 numbers of 6 bits, less 32; scales are signed bytes.
func decodeQ6_K(dst []float32, src []byte) {
	low, high, scales := src[:128], src[128:192], src[192:208]
	d := scale16(src[208:])
	for g, s := range scales {
		scale := d * float32(int8(s))
		at, quarter := g%2*16, g%8/2 // of the numbers of half a block
		l, h := low[g/8*64+quarter%2*32+at:][:16], high[g/8*32+at:][:16]
		for i := range 16 {
			v := l[i]>>(quarter/2*4)&15 | h[i]>>(2*quarter)&3<<4
			dst[16*g+i] = scale * float32(int(v)-32)
		}
	}
}

// iq4 are the numbers that the 4 bits of IQ4_NL and IQ4_XS stand for.
var iq4 = [16]float32{-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113}

// decodeIQ4_NL: scale, 32 of 4 bits.
func decodeIQ4_NL(dst []float32, src []byte) {
	d := scale16(src)
	for i, q := range src[2:] {
		dst[i] = d * iq4[q&15]
		dst[i+16] = d * iq4[q>>4]
	}
}

// decodeIQ4_XS: 8 groups of 32 numbers of 4 bits; scales of 6 bits, less 32.
func decodeIQ4_XS(dst []float32, src []byte) {
	d, high := scale16(src), binary.LittleEndian.Uint16(src[2:])
	for g := range 8 {
		low := src[4+g/2] >> (g % 2 * 4) & 15
		scale := d * float32(int(low)|int(high>>(2*g)&3)<<4-32)
		for i, q := range src[8+16*g:][:16] {
			dst[32*g+i] = scale * iq4[q&15]
			dst[32*g+i+16] = scale * iq4[q>>4]
		}
	}
}
