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
	lines    []string // what is to be read in each thought: [K]
	segments [][]int  // the same in the VAE's tokens
}

// chainsOf are the chains of thought that a problem may have; none if they are not
// known, or are longer than the VAE was made for.
func (p *Probe) chainsOf(problem eval.Problem) []chain {
	run := p.Run
	var chains []chain
	for _, text := range problems.Chains(problem) {
		segments, err := run.VAE.Config.Cut(run.VAE.Config.Steps(run.VAETokenizer, text))
		if err != nil {
			return nil
		}
		c := chain{segments: segments}
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
		n := 0
		for k := range lines {
			if lines[k] == c.lines[k] {
				n++
			}
		}
		if n > most {
			best, most = i, n
		}
	}
	return best
}

// judgeThoughts says which thoughts are those of a chain, of the one that has most of
// them; nil if there is none.
func judgeThoughts(lines []string, chains []chain) (right []bool) {
	most := -1
	for _, c := range chains {
		same, n := make([]bool, len(lines)), 0
		for k := range lines {
			if same[k] = lines[k] == c.lines[k]; same[k] {
				n++
			}
		}
		if n > most {
			most, right = n, same
		}
	}
	return right
}
