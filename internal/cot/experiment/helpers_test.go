package experiment

import (
	"slices"
	"strings"

	"nfcot/internal/cot"
	"nfcot/internal/tensor"
)

var special = cot.Special{EOS: 0, BOT: 1, CoT: 2, Ans: 3}

// trained are the methods that are trained.
func trained() []Method {
	return slices.DeleteFunc(slices.Clone(Methods), func(m Method) bool { return m.Of != "" })
}

// tiny is a method's experiment with a small model.
func tiny(method string) Config {
	c := Default(method)
	c.Model.Hidden, c.Model.Layers, c.Model.KVHeads, c.Model.HeadDim, c.Model.FFN, c.Model.Vocab, c.Model.MaxTokens = 16, 2, 1, 8, 24, 20, 48
	c.NF.K, c.NF.D, c.Flow.Blocks, c.Flow.Width, c.Flow.HeadDim = 2, 2, 2, 8, 4
	c.Coconut.Lines, c.ICoT.Tokens, c.Diffusion.Steps, c.Batch = 2, 4, 3, 6
	c.Stages.Joint.Steps = 5
	return c
}

// weights copies the parameters whose names begin with one of the prefixes, all
// of them if there is none.
func weights(m *Model, prefixes ...string) (all []float32) {
	for p := range m.Params.All() {
		if len(prefixes) == 0 || slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(p.Name, prefix) }) {
			all = append(all, p.Data...)
		}
	}
	return all
}

// examples are n short examples in tokens, with codes.
func examples(n int) []cot.Encoded {
	data := make([]cot.Encoded, n)
	for i := range data {
		data[i] = cot.Encoded{Index: i, Prompt: []int{4, 5 + i, 6}, Steps: [][]int{{7, 8}, {9, 4 + i}}, Answer: []int{10, 11 + i},
			Codes: tensor.From([]float32{float32(i), -1, 0.5, 2}, 2, 2)}
	}
	return data
}
