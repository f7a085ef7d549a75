package gguf

import (
	"fmt"

	"nfcot/internal/ckpt"
)

// A Type is how a tensor's numbers are stored, by its number in the format.
type Type uint32

// The types that Weights converts.
const (
	F32    Type = 0
	F16    Type = 1
	Q4_0   Type = 2
	Q4_1   Type = 3
	Q5_0   Type = 6
	Q5_1   Type = 7
	Q8_0   Type = 8
	Q2_K   Type = 10
	Q3_K   Type = 11
	Q4_K   Type = 12
	Q5_K   Type = 13
	Q6_K   Type = 14
	IQ4_NL Type = 20
	IQ4_XS Type = 23
	BF16   Type = 30
)

// A layout says how the numbers of a type lie in bytes.
type layout struct {
	name   string
	block  int                             // numbers in a block
	bytes  int                             // of a block
	decode func(dst []float32, src []byte) // whole blocks; nil: a type that is known, and not converted
	scales []int                           // where numbers of 16 bits are that multiply others, or are added to them
}

var layouts = map[Type]layout{
	F32:    {"F32", 1, 4, func(dst []float32, src []byte) { ckpt.Widen(dst, ckpt.F32, src) }, nil},
	F16:    {"F16", 1, 2, func(dst []float32, src []byte) { ckpt.Widen(dst, ckpt.F16, src) }, nil},
	BF16:   {"BF16", 1, 2, func(dst []float32, src []byte) { ckpt.Widen(dst, ckpt.BF16, src) }, nil},
	Q4_0:   {"Q4_0", 32, 18, blocks(32, 18, decodeQ4_0), []int{0}},
	Q4_1:   {"Q4_1", 32, 20, blocks(32, 20, decodeQ4_1), []int{0, 2}},
	Q5_0:   {"Q5_0", 32, 22, blocks(32, 22, decodeQ5_0), []int{0}},
	Q5_1:   {"Q5_1", 32, 24, blocks(32, 24, decodeQ5_1), []int{0, 2}},
	Q8_0:   {"Q8_0", 32, 34, blocks(32, 34, decodeQ8_0), []int{0}},
	Q2_K:   {"Q2_K", 256, 84, blocks(256, 84, decodeQ2_K), []int{80, 82}},
	Q3_K:   {"Q3_K", 256, 110, blocks(256, 110, decodeQ3_K), []int{108}},
	Q4_K:   {"Q4_K", 256, 144, blocks(256, 144, decodeQ4_K), []int{0, 2}},
	Q5_K:   {"Q5_K", 256, 176, blocks(256, 176, decodeQ5_K), []int{0, 2}},
	Q6_K:   {"Q6_K", 256, 210, blocks(256, 210, decodeQ6_K), []int{208}},
	IQ4_NL: {"IQ4_NL", 32, 18, blocks(32, 18, decodeIQ4_NL), []int{0}},
	IQ4_XS: {"IQ4_XS", 256, 136, blocks(256, 136, decodeIQ4_XS), []int{0}},

	9: {"Q8_1", 32, 36, nil, nil}, 15: {"Q8_K", 256, 292, nil, nil}, 16: {"IQ2_XXS", 256, 66, nil, nil}, 17: {"IQ2_XS", 256, 74, nil, nil},
	18: {"IQ3_XXS", 256, 98, nil, nil}, 19: {"IQ1_S", 256, 50, nil, nil}, 21: {"IQ3_S", 256, 110, nil, nil}, 22: {"IQ2_S", 256, 82, nil, nil},
	24: {"I8", 1, 1, nil, nil}, 25: {"I16", 1, 2, nil, nil}, 26: {"I32", 1, 4, nil, nil}, 27: {"I64", 1, 8, nil, nil}, 28: {"F64", 1, 8, nil, nil},
	29: {"IQ1_M", 256, 56, nil, nil}, 34: {"TQ1_0", 256, 54, nil, nil}, 35: {"TQ2_0", 256, 66, nil, nil}, 39: {"MXFP4", 32, 17, nil, nil},
}

// readable lists the types that Weights converts.
const readable = "F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K to Q6_K, IQ4_NL or IQ4_XS"

// String is the type's name, as llama.cpp spells it.
func (t Type) String() string {
	if l, ok := layouts[t]; ok {
		return l.name
	}
	return fmt.Sprintf("type %d", uint32(t))
}
