package probe

import (
	"slices"
	"strings"

	"nfcot/internal/cot/generate"
	"nfcot/internal/cot/problems"
	"nfcot/internal/eval"
	"nfcot/internal/tensor"
)

// A chain is a chain of thought as thoughts would have it.
type chain struct {
	order    string   // in which it goes through the steps
	lines    []string // what is to be read in each thought: [K]
	segments [][]int  // the same in the VAE's tokens
}

// chainsOf are the chains of thought that a problem may have; none if they are not
// known, or are longer than the VAE was made for.
func (p *Probe) chainsOf(problem eval.Problem) []chain {
	run := p.Run
	var chains []chain
	for _, known := range problems.Chains(problem) {
		segments, err := run.VAE.Config.Cut(run.VAE.Config.Steps(run.VAETokenizer, known.Text))
		if err != nil {
			return nil
		}
		c := chain{order: known.Order, segments: segments}
		read := segments
		if run.VAE.Config.Encoder == "full" { // it reads the whole chain in the first thought
			read = make([][]int, len(segments))
			read[0] = slices.Concat(segments...)
		}
		for _, ids := range read {
			c.lines = append(c.lines, strings.TrimSuffix(run.VAETokenizer.Decode(ids, true), "\n"))
		}
		chains = append(chains, c)
	}
	return chains
}

// readAs is the number of the chain that most thoughts of a sample are read back as a line of, 0
// where nothing can be read.
func (p *Probe) readAs(problem eval.Problem, u *tensor.Tensor) int {
	if p.Run.Model.Coder() == nil {
		return 0
	}
	lines := generate.Thoughts(p.Run, u)
	best, most := 0, 0
	for i, c := range p.chainsOf(problem) {
		if n := c.agrees(lines); n > most {
			best, most = i, n
		}
	}
	return best
}

// agrees counts the thoughts of a sample that are those of the chain.
func (c chain) agrees(lines []string) (n int) {
	for k := range lines {
		if lines[k] == c.lines[k] {
			n++
		}
	}
	return n
}

// judgeThoughts says which thoughts are those of a chain, of the one that has most of
// them; nil if there is none.
func judgeThoughts(lines []string, chains []chain) (right []bool) {
	most := -1
	for _, c := range chains {
		n := c.agrees(lines)
		if n <= most {
			continue
		}
		most, right = n, make([]bool, len(lines))
		for k := range lines {
			right[k] = lines[k] == c.lines[k]
		}
	}
	return right
}
