package kernel

import (
	"encoding/binary"
	"math"

	"nfcot/internal/ckpt/half"
)

// The definitions of the kernels of quantised weights. What they give, assembly gives bit for bit: no two operations are fused
// (the conversions to float32 keep compilers from it), and sums of whole numbers are exact.

// A block of 32 rounded inputs is 52 bytes: 32 signed ones, the scale that they are multiplied with, then minus the sum of the
// first 16, of the last 16 and of all, then the sum times the scale.
const (
	roundedBytes  = 52
	roundedScale  = 32
	roundedSums   = 36
	roundedSum    = 44
	roundedScaled = 48
)

// leastInput is the smallest magnitude that is not rounded to 0 where it is the largest of a block.
const leastInput = 0x1p-100

func float32At(b []byte, at int) float32 {
	return math.Float32frombits(binary.LittleEndian.Uint32(b[at:]))
}

func float16At(b []byte, at int) float32 { return half.FromF16(binary.LittleEndian.Uint16(b[at:])) }

func putFloat32(b []byte, at int, v float32) {
	binary.LittleEndian.PutUint32(b[at:], math.Float32bits(v))
}

func int32At(b []byte, at int) int32 { return int32(binary.LittleEndian.Uint32(b[at:])) }

// roundInputsGeneric rounds whole blocks. A block with a number that is not finite has a scale that is not.
func roundInputsGeneric(dst []byte, src []float32) {
	for ; len(src) > 0; dst, src = dst[roundedBytes:], src[int8Block:] {
		var bits uint32 // magnitudes are in the order of their bits, NaNs above all
		for _, v := range src[:int8Block] {
			bits = max(bits, math.Float32bits(v)&^(1<<31))
		}
		var scale, inverse float32
		if most := math.Float32frombits(bits); !(most < leastInput) {
			scale, inverse = most/127, 127/most
		}
		var sums [2]int32
		for i, v := range src[:int8Block] {
			q := math.RoundToEven(float64(v * inverse))
			if !(math.Abs(q) <= 127) {
				q = 0
			}
			dst[i] = byte(int8(q))
			sums[i/16] += int32(q)
		}
		putFloat32(dst, roundedScale, scale)
		binary.LittleEndian.PutUint32(dst[roundedSums:], uint32(-sums[0]))
		binary.LittleEndian.PutUint32(dst[roundedSums+4:], uint32(-sums[1]))
		binary.LittleEndian.PutUint32(dst[roundedSum:], uint32(-sums[0]-sums[1]))
		putFloat32(dst, roundedScaled, float32(sums[0]+sums[1])*scale)
	}
}

// numbers are those of a block: scale[i/16] * (q[i] - bias) - offset[i/32].
type numbers struct {
	q      [256]uint8
	scale  [256 / 16]float32
	offset [256 / 32]float32
}

// maxBlock is the size of the largest block.
const maxBlock = 210

// scales sets the scale of 32 numbers.
func (to *numbers) scales(block int, scale float32) {
	to.scale[2*block], to.scale[2*block+1] = scale, scale
}

// nibbles sets 32 numbers: the low halves of 16 bytes, then their high halves.
func (to *numbers) nibbles(b []byte) {
	for i, v := range b[:16] {
		to.q[i], to.q[i+16] = v&15, v>>4
	}
}

// fifthBits adds 16 for each of 32 bits.
func (to *numbers) fifthBits(b []byte) {
	for i := range 32 {
		to.q[i] |= b[i/8] >> (i % 8) & 1 << 4
	}
}

func readInt8(to *numbers, b []byte) {
	to.scales(0, float32At(b, 0))
	copy(to.q[:], b[4:4+int8Block])
}

func readQ4_0(to *numbers, b []byte) {
	to.scales(0, float16At(b, 0))
	to.nibbles(b[2:])
}

func readQ4_1(to *numbers, b []byte) {
	to.scales(0, float16At(b, 0))
	to.offset[0] = -float16At(b, 2)
	to.nibbles(b[4:])
}

func readQ5_0(to *numbers, b []byte) {
	to.scales(0, float16At(b, 0))
	to.nibbles(b[6:])
	to.fifthBits(b[2:])
}

func readQ5_1(to *numbers, b []byte) {
	to.scales(0, float16At(b, 0))
	to.offset[0] = -float16At(b, 2)
	to.nibbles(b[8:])
	to.fifthBits(b[4:])
}

// readSixBits reads 8 scales and 8 offsets, of 6 bits in 12 bytes, which two scales of the block multiply.
func (to *numbers) readSixBits(b []byte) {
	scale, offset, b := float16At(b, 0), float16At(b, 2), b[4:]
	for g := range 4 {
		to.scales(g, float32(b[g]&63)*scale)
		to.scales(4+g, float32(b[8+g]&15|b[g]>>6<<4)*scale)
		to.offset[g] = float32(b[4+g]&63) * offset
		to.offset[4+g] = float32(b[8+g]>>4|b[4+g]>>6<<4) * offset
	}
}

func readQ4_K(to *numbers, b []byte) {
	to.readSixBits(b)
	for i := range to.q {
		to.q[i] = b[16+i/64*32+i%32] >> (i / 32 % 2 * 4) & 15
	}
}

func readQ5_K(to *numbers, b []byte) {
	to.readSixBits(b)
	for i := range to.q {
		to.q[i] = b[48+i/64*32+i%32]>>(i/32%2*4)&15 | b[16+i%32]>>(i/32)&1<<4
	}
}

func readQ6_K(to *numbers, b []byte) {
	for i := range to.scale {
		to.scale[i] = float32(int8(b[192+i])) * float16At(b, 208)
	}
	for i := range to.q {
		part, quarter, at := i/128, i/32%4, i%32
		to.q[i] = b[64*part+quarter%2*32+at]>>(quarter/2*4)&15 | b[128+32*part+at]>>(2*quarter)&3<<4
	}
}

// A decoded block of 32 inputs of a panel is the scales of its outputs for the first 16 inputs and for the last, where they
// differ, the offsets, where there are any, and eight rows of words, each the bytes of four inputs.
const (
	decodedScales = 4 * panelOutputs
	decodedOffset = 2 * decodedScales
	decodedWords  = 3 * decodedScales
	decodedBytes  = decodedWords + int8Block*panelOutputs
)

// decodeGeneric decodes blocks of a panel.
func (l *layout) decodeGeneric(blocks int, dst, panel []byte) {
	room := blockRooms.Get().(*blockRoom)
	defer blockRooms.Put(room)
	for range blocks {
		for output := range panelOutputs {
			from := l.numbers(room, panel, output)
			for k := range l.inputs {
				b := dst[k/int8Block*decodedBytes:]
				if k%16 == 0 {
					putFloat32(b, k/16%2*decodedScales+4*output, from.scale[k/16])
				}
				if k%int8Block == 0 {
					putFloat32(b, decodedOffset+4*output, from.offset[k/int8Block])
				}
				b[decodedWords+k%int8Block/4*4*panelOutputs+4*output+k%4] = from.q[k]
			}
		}
		dst, panel = dst[l.inputs/int8Block*decodedBytes:], panel[panelOutputs*l.bytes:]
	}
}

// rowGeneric adds to panelOutputs sums in c, or to 0 unless load, the products of a row of rounded inputs with decoded blocks.
func (l *layout) rowGeneric(blocks int, a, w []byte, c []float32, load bool) {
	sums := c[:panelOutputs]
	if !load {
		clear(sums)
	}
	n := int8Block
	if l.halves {
		n = 16
	}
	for range blocks {
		for k := 0; k < int8Block; k += n {
			bias := int32At(a, roundedSum)
			if l.halves {
				bias = int32At(a, roundedSums+k/16*4)
			}
			for j := range sums {
				var sum int32
				if l.shift > 0 {
					sum = bias << l.shift
				}
				for i := k; i < k+n; i++ {
					sum += int32(w[decodedWords+i/4*4*panelOutputs+4*j+i%4]) * int32(int8(a[i]))
				}
				scaled := float32(sum) * float32At(w, k/16*decodedScales+4*j)
				sums[j] += float32(scaled * float32At(a, roundedScale))
				if l.shift == 0 {
					sums[j] -= float32(float32At(w, decodedOffset+4*j) * float32At(a, roundedScaled))
				}
			}
		}
		a, w = a[roundedBytes:], w[decodedBytes:]
	}
}

// singleGeneric is rowGeneric for blocks of a panel as they are.
func (l *layout) singleGeneric(blocks int, a, panel []byte, c []float32, load bool) {
	room := blockRooms.Get().(*blockRoom)
	defer blockRooms.Put(room)
	n := l.inputs / int8Block
	for i := range blocks {
		l.decodeGeneric(1, room.decoded[:], panel[i*panelOutputs*l.bytes:])
		l.rowGeneric(n, a[i*n*roundedBytes:], room.decoded[:], c, load || i > 0)
	}
}

// quantisedKernels are the functions for quantised weights that an instruction set has of its own.
type quantisedKernels struct {
	types       [blockTypes]blockKernels
	roundInputs func(dst []byte, src []float32) // whole blocks
}

// blockKernels are those for a type of blocks. Sums are those of panelOutputs outputs.
type blockKernels struct {
	// single adds the products of a row of rounded inputs with blocks of a panel.
	single func(blocks int, a, panel []byte, c []float32, load bool)
	// decode decodes blocks of a panel; nil if tiles read them as they are.
	decode func(blocks int, dst, panel []byte)
	// tiles add those of some rows, stride bytes apart, with decoded blocks of 32 inputs, by the number of rows.
	tiles []quantisedTile
}

type quantisedTile func(blocks int, a []byte, stride int, w []byte, shift int, c []float32, ldc int, load bool)

var genericQuantised = func() *quantisedKernels {
	k := &quantisedKernels{roundInputs: roundInputsGeneric}
	for t := range layouts {
		l := &layouts[t]
		tile := func(blocks int, a []byte, _ int, w []byte, _ int, c []float32, _ int, load bool) {
			l.rowGeneric(blocks, a, w, c, load)
		}
		k.types[t] = blockKernels{single: l.singleGeneric, decode: l.decodeGeneric, tiles: []quantisedTile{nil, tile}}
	}
	return k
}()
