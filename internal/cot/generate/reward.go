package generate

import (
	"context"
	"sync"

	"nfcot/internal/cot"
	"nfcot/internal/cot/experiment"
	"nfcot/internal/cot/train"
	"nfcot/internal/eval"
)

// A Reward is what reinforcement learning asks: what the rollouts of each of the given
// problems are worth.
type Reward = func(ctx context.Context, problems []int, rollouts [][]cot.Sample) ([][]float64, error)

// PolicyLoop is the training that makes the generator's model earn more reward for the
// problems, held to a reference model.
func (g *Generator) PolicyLoop(reference *experiment.Model, problems []eval.Problem, reward Reward) (*train.PolicyLoop, error) {
	prompts, err := g.Prompts(problems)
	if err != nil {
		return nil, err
	}
	x := g.Run.Experiment
	return &train.PolicyLoop{Config: x.Config, RL: *x.RL, Model: g.Run.Model, Reference: reference, Prompts: prompts,
		Stop: g.Options().Stop, Reward: reward, Dir: g.Run.Dir}, nil
}

// PassReward is 1 for a rollout whose program passes all tests of its problem, or whose
// answer is right, else 0. It runs some programs at a time. That one could not be run must
// not end the training: it is then as good as one that crashed, and logf is told so the
// first time.
func PassReward(g *Generator, exec eval.Executor, problems []eval.Problem, workers int, logf func(format string, args ...any)) Reward {
	exec = &forgiving{exec: exec, logf: logf}
	return func(ctx context.Context, numbers []int, rollouts [][]cot.Sample) ([][]float64, error) {
		rewards := make([][]float64, len(numbers))
		type place struct{ group, rollout int }
		var places []place
		var samples []eval.Sample
		for i, p := range numbers {
			rewards[i] = make([]float64, len(rollouts[i]))
			for j, s := range rollouts[i] {
				completion, _ := g.Answer(s)
				places, samples = append(places, place{i, j}), append(samples, eval.Sample{TaskID: problems[p].TaskID, Completion: completion})
			}
		}
		err := eval.Judge(ctx, exec, g.Recipe.Assemble, problems, eval.Enumerate(samples), workers, func(i int, v eval.Verdict) error {
			if v.Passed {
				rewards[places[i].group][places[i].rollout] = 1
			}
			return nil
		})
		return rewards, err
	}
}

// forgiving takes programs that could not be run for programs that crashed.
type forgiving struct {
	exec   eval.Executor
	logf   func(format string, args ...any)
	warned sync.Once
}

// Execute runs a program (eval.Executor).
func (f *forgiving) Execute(ctx context.Context, p eval.Problem, program string) (eval.Outcome, error) {
	o, err := f.exec.Execute(ctx, p, program)
	if err == nil || ctx.Err() != nil {
		return o, err
	}
	detail := eval.OneLine(err.Error())
	f.warned.Do(func() { f.logf("a program for %s could not be run, which earns nothing: %s", p.TaskID, detail) })
	return eval.Outcome{Kind: eval.Crashed, Detail: detail}, nil
}
