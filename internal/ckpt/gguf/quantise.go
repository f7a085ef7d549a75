package gguf

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"

	"nfcot/internal/ckpt/half"
)

// Numbers into bytes and blocks, bit for bit as ggml and the gguf package write them.

// An encoder writes whole blocks of a type. It returns the index of the first number that the type cannot hold, -1 if there is none.
type encoder func(dst []byte, src []float32) int

// encoders are of the types that Write takes.
var encoders = map[Type]encoder{F32: encodeF32, F16: encode16(half.ToF16, 0x7c00), BF16: encode16(half.ToBF16, 0x7f80), Q8_0: encodeQ8_0}

// ParseType is the type of a name that Write takes: f32, f16, bf16 or q8_0.
func ParseType(name string) (Type, error) {
	for t := range encoders {
		if name == strings.ToLower(t.String()) {
			return t, nil
		}
	}
	return 0, fmt.Errorf("the type is %q; expected f32, f16, bf16 or q8_0", name)
}

func encodeF32(dst []byte, src []float32) int {
	for i, x := range src {
		binary.LittleEndian.PutUint32(dst[4*i:], math.Float32bits(x))
	}
	return -1
}

// encode16 is the encoder of a type of 16 bits, whose numbers other than infinities and NaNs are below infinity without their sign.
func encode16(round func(float32) uint16, infinity uint16) encoder {
	return func(dst []byte, src []float32) int {
		for i, x := range src {
			h := round(x)
			if h&0x7fff >= infinity {
				return i
			}
			binary.LittleEndian.PutUint16(dst[2*i:], h)
		}
		return -1
	}
}

// encodeQ8_0: the largest magnitude of 32 numbers becomes 127 times the scale. Numbers are divided by the scale before it is rounded
// to F16, and halves are rounded away from zero.
func encodeQ8_0(dst []byte, src []float32) int {
	for at := 0; at < len(src); at += 32 {
		block, out := src[at:at+32], dst[at/32*34:]
		most, where := float32(0), 0
		for i, x := range block {
			if size := max(x, -x); size > most {
				most, where = size, i
			}
		}
		d := most / 127
		scale := half.ToF16(d)
		if scale >= 0x7c00 {
			return at + where
		}
		inverse := float32(0)
		if d*math.MaxFloat32 > 1 { // else 1/d is infinite; numbers so small are zero anyway, since the scale is
			inverse = 1 / d
		}
		binary.LittleEndian.PutUint16(out, scale)
		for i, x := range block {
			out[2+i] = byte(int8(math.Round(float64(x * inverse))))
		}
	}
	return -1
}
