package experiment

import (
	"fmt"

	"nfcot/internal/cot"
	"nfcot/internal/tensor"
)

// Memory is what training takes, in bytes.
type Memory struct {
	Parameters int
	Gradients  int
	Optimizer  int // its moments
	Step       int // what the largest step computes and keeps for its backward pass, or evaluation if that is more
}

// All is the sum.
func (m Memory) All() int { return m.Parameters + m.Gradients + m.Optimizer + m.Step }

// String says how many MiB each part takes.
func (m Memory) String() string {
	return fmt.Sprintf("%s MiB parameters, %s MiB gradients, %s MiB optimizer, %s MiB a step", mib(m.Parameters), mib(m.Gradients), mib(m.Optimizer), mib(m.Step))
}

// mib is a number of bytes for people.
func mib(bytes int) string { return fmt.Sprintf("%.1f", float64(bytes)/(1<<20)) }

// A TooLarge error says that training does not fit into memory. It takes at least
// what is known: its step is what had been asked for when the limit was reached, 0
// if it was not even begun.
type TooLarge struct {
	Memory
	Limit int // bytes
}

// Error says how much is wanted, of what, and the limit (error).
func (e TooLarge) Error() string {
	step := ""
	if e.Step > 0 {
		step = ", a step " + mib(e.Step)
	}
	return fmt.Sprintf("training takes at least %s MiB of memory (parameters %s, gradients %s, optimizer %s%s), and %s are available (--memory-limit); "+
		"take smaller microbatches (--set accumulate=N), --set recompute=true, or adapters (--lora RANK)",
		mib(e.All()), mib(e.Parameters), mib(e.Gradients), mib(e.Optimizer), step, mib(e.Limit))
}

// ResidentMemory is what the stages of an experiment (of all those asked for)
// take beside their steps. It is known without making the model.
func (c Config) ResidentMemory(asked StageID) Memory {
	m := newModel(tensor.NewOutline(), c, cot.Special{})
	memory := Memory{Parameters: 4 * m.Params.Count()}
	if m.packs() {
		memory.Parameters -= 2 * m.LM.BlockNumbers()
	}
	for stage := range c.Stages.All() {
		if c.Stages.Runs(stage, asked) {
			n := m.countTrainable(stage)
			memory.Gradients, memory.Optimizer = max(memory.Gradients, 4*n), max(memory.Optimizer, 8*n)
		}
	}
	return memory
}
