package generate

import (
	"fmt"
	"strings"

	"nfcot/internal/cot"
	"nfcot/internal/cot/experiment"
	"nfcot/internal/eval"
	"nfcot/internal/tensor"
)

// Thoughts is what the VAE's decoder reads in each thought, without the line's end.
// u [K, D] → [K]
func Thoughts(run *experiment.Run, u *tensor.Tensor) []string {
	var lines []string
	for _, ids := range run.VAE.Read(run.Model.Coder().ToCodes(u)) {
		lines = append(lines, strings.TrimSuffix(run.VAETokenizer.Decode(ids, true), "\n"))
	}
	return lines
}

// Thinking is what a sample thought, as text, a comment line a step: each thought as
// the VAE's decoder reads it, or the chain of thought.
func Thinking(run *experiment.Run, s cot.Sample) string {
	text := run.Tokenizer.Decode(s.Chain, true)
	if s.Thoughts != nil && run.Model.Coder() != nil {
		text = ""
		for k, line := range Thoughts(run, s.Thoughts) {
			text += fmt.Sprintf("[thought %d] %s\n", k+1, line)
		}
	}
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString("# " + strings.TrimSuffix(line, "\n") + "\n")
	}
	return b.String()
}

// Transcript is a line of samples.jsonl as people read it: prompt, thinking and answer. It
// fails for lines that Parse does not read.
func Transcript(run *experiment.Run, line eval.Sample) (string, error) {
	s, err := Parse(run, line)
	if err != nil {
		return "", err
	}
	return run.Tokenizer.Decode(s.Prompt, true) + Thinking(run, s) + strings.TrimSuffix(line.Completion, "\n"), nil
}
