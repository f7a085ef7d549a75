package train

import (
	"context"
	"fmt"
	"slices"
	"time"

	"nfcot/internal/ckpt"
	"nfcot/internal/cot"
	"nfcot/internal/cot/experiment"
	"nfcot/internal/interrupt"
	"nfcot/internal/tensor"
)

// A PolicyLoop improves a model by comparing its answers to the same prompts
// (GRPO, docs/method.md section 10).
type PolicyLoop struct {
	Config    experiment.Config
	RL        experiment.RL
	Model     *experiment.Model
	Reference *experiment.Model
	Prompts   [][]int                 // of the problems
	Stop      func(answer []int) bool // see cot.Options
	// Reward says what the rollouts of each of the given problems are worth.
	Reward func(ctx context.Context, problems []int, rollouts [][]cot.Sample) ([][]float64, error)
	Dir    string // the run's folder, for its state and metrics; "" keeps none
	Report func(RLMetrics) error

	saved *state // to continue from; nil for a fresh start
}

// RLMetrics are what one step of reinforcement learning tells.
type RLMetrics struct {
	Step      int // from 1
	Reward    float64
	RewardStd float64  // within a group, mean over groups
	KL        LogProbs // from the reference, k3 of the rollouts, in nats
	Entropy   float64  // of the text as it was drawn, estimated from it, in nats a token
	Clipped   Shares   // mean over the updates of the step
	Loss      float64  // mean over the updates of the step
	LR        float64
	Norm      float64 // of the gradient before clipping, mean over the updates of the step
	Rollouts  int     // so far
	Time      time.Duration
}

// String is what a person watches.
func (m RLMetrics) String() string {
	return fmt.Sprintf("reward %.3f, KL %.3g + %.3g, clipped %.2g + %.2g", m.Reward, m.KL.Thoughts, m.KL.Text, m.Clipped.Thoughts, m.Clipped.Text)
}

// Shares are those of rollouts whose ratio of thoughts, and of text, was clipped.
type Shares struct{ Thoughts, Text float64 }

// Resume reads the saved state from the run's folder, so that Run continues
// there, and returns the number of steps done.
func (l *PolicyLoop) Resume() (done int, err error) {
	if l.saved, err = loadState(l.Dir, l.Model); err != nil {
		return 0, err
	}
	return l.saved.Total, nil
}

// Run goes from where the run stands to the end, and records every step in the run's
// folder. When ctx ends it saves the state from before the step under way and returns
// ErrInterrupted; what does not end soon is left where it is (interrupt.Leave), with the
// models.
func (l *PolicyLoop) Run(ctx context.Context) (err error) {
	s, err := l.newRun()
	if err != nil {
		return err
	}
	at := position{Stage: experiment.PolicyStage}
	onDisk := 0 // the steps of the state in the folder
	if l.saved != nil {
		at, onDisk = l.saved.position, l.saved.Done
		if err := l.saved.restore(s.optimizer, at.Done*l.RL.Epochs*l.RL.Minibatches); err != nil {
			return err
		}
		l.saved = nil
	} else if err := saveState(l.Dir, at, s.state()); err != nil { // whatever ends the run, it can be resumed
		return err
	}
	record, err := openRecord(l.Dir, at.Total)
	if err != nil {
		return err
	}
	defer record.close(&err)
	for at.Done < l.RL.Steps {
		start := time.Now()
		before := s.before()
		m, err := s.step(ctx, at.Done)
		if err != nil && ctx.Err() != nil {
			if at.Done == onDisk { // a large state takes long to write
				return ErrInterrupted
			}
			if err := record.save(func() error { return saveState(l.Dir, at, before) }); err != nil {
				return err
			}
			return ErrInterrupted
		}
		if err != nil {
			return err
		}
		at.Done, at.Total = at.Done+1, at.Total+1
		m.Time = time.Since(start)
		if err := record.add(m.Step, m, m.curves()); err != nil {
			return err
		}
		if l.Report != nil {
			if err := l.Report(m); err != nil {
				return err
			}
		}
		if e := l.Config.SaveEvery; e > 0 && at.Done%e == 0 && at.Done < l.RL.Steps {
			onDisk = at.Done
			if err := record.save(func() error { return saveState(l.Dir, at, s.state()) }); err != nil {
				return err
			}
		}
	}
	return nil
}

// A policyRun is reinforcement learning under way.
type policyRun struct {
	*PolicyLoop
	policy, reference cot.Scorer
	objective         objective
	temp              cot.Temperatures
	optimizer         *tensor.AdamW
	order             *order
	tape              tensor.Tape // of updates
	scoring           tensor.Tape
	kept              []ckpt.Tensor // copies of the state, see before
}

func (l *PolicyLoop) newRun() (*policyRun, error) {
	l.Model.SetTrainable(experiment.PolicyStage)
	l.Reference.Params.SetTrainable(func(string) bool { return false })
	s := &policyRun{PolicyLoop: l, objective: objective(l.RL.Objective), temp: cot.Temperatures{Thought: l.RL.ThoughtTemp, Text: l.RL.Temp},
		optimizer: tensor.NewAdamW(l.Model.Params), order: newOrder(l.Config.Seed, int(experiment.PolicyStage), len(l.Prompts)), scoring: tensor.Tape{Inference: true}}
	s.optimizer.Decay = l.Config.Decay
	var err error
	if s.policy, err = l.Model.Scorer(); err != nil {
		return nil, err
	}
	if s.reference, err = l.Reference.Scorer(); err != nil {
		return nil, err
	}
	if nf, ok := s.policy.(*cot.NFCoT); ok {
		nf.FreezeSigma = l.RL.FreezeSigma
	}
	return s, nil
}

// state is what a state is made of.
func (s *policyRun) state() []ckpt.Tensor { return stateOf(s.Model, s.optimizer) }

// before is the state, as it stays until before is called again: an interrupted step ends
// with it. A step that moves the parameters once, at its end, needs no copies for that.
func (s *policyRun) before() []ckpt.Tensor {
	state := s.state()
	if s.RL.Epochs*s.RL.Minibatches == 1 {
		return state
	}
	if s.kept == nil {
		s.kept = slices.Clone(state)
		for i, t := range state {
			s.kept[i].Data = make([]float32, len(t.Data.([]float32)))
		}
	}
	for i, t := range state {
		copy(s.kept[i].Data.([]float32), t.Data.([]float32))
	}
	return s.kept
}

// step draws rollouts and moves the parameters by them.
func (s *policyRun) step(ctx context.Context, step int) (RLMetrics, error) {
	b, err := s.rollout(ctx, step)
	if err != nil {
		return RLMetrics{}, err
	}
	return s.update(ctx, b)
}

// rollouts are those of a step.
type rollouts struct {
	step       int
	samples    []cot.Sample
	advantages []float64
	old, ref   []LogProbs // under the model that drew them, and under the reference
	metrics    RLMetrics
}

// rollout draws the rollouts of a step, counted from 0, and has them rewarded.
func (s *policyRun) rollout(ctx context.Context, step int) (*rollouts, error) {
	c := s.RL
	b := &rollouts{step: step, metrics: RLMetrics{Step: step + 1, Rollouts: (step + 1) * c.Prompts * c.Group}}
	problems := make([]int, c.Prompts)
	prompts := make([][]int, c.Prompts)
	for i := range problems {
		problems[i] = s.order.at(step*c.Prompts + i)
		prompts[i] = s.Prompts[problems[i]]
	}
	o := cot.Options{Sampling: c.Sampling, Stop: s.Stop, Context: ctx}
	o.Seed = tensor.Rand(s.Config.Seed, "rollouts", step).Uint64()
	var groups [][]cot.Sample
	err := interrupt.Leave(ctx, func() error {
		groups = s.Model.Sampler().Sample(prompts, c.Group, o)
		return ctx.Err()
	})
	if err != nil {
		return nil, err
	}
	for i, samples := range groups {
		for _, x := range samples {
			if x.Err != nil {
				return nil, fmt.Errorf("step %d: a rollout of problem %d: %w", step+1, problems[i]+1, x.Err)
			}
		}
	}
	rewards, err := s.Reward(ctx, problems, groups)
	if err != nil {
		return nil, err
	}
	for i, r := range rewards {
		mean, std := moments(r)
		b.metrics.Reward += mean / float64(c.Prompts)
		b.metrics.RewardStd += std / float64(c.Prompts)
		b.samples = append(b.samples, groups[i]...)
		b.advantages = append(b.advantages, advantages(r, advantageEps)...)
	}
	err = interrupt.Leave(ctx, func() (err error) {
		if b.old, err = s.logProbs(s.policy, b.samples); err == nil {
			b.ref, err = s.logProbs(s.reference, b.samples)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("step %d: %w", step+1, err)
	}
	tokens, n := 0, float64(len(b.samples))
	for i, x := range b.samples {
		thoughts, _ := divergence(b.old[i].Thoughts, b.ref[i].Thoughts)
		text, _ := divergence(b.old[i].Text, b.ref[i].Text)
		b.metrics.KL.Thoughts += thoughts / n
		b.metrics.KL.Text += text / n
		b.metrics.Entropy -= b.old[i].Text
		tokens += x.Drawn()
	}
	b.metrics.Entropy /= float64(max(1, tokens))
	return b, nil
}

// logProbs scores samples at the temperatures they were drawn at.
func (s *policyRun) logProbs(scorer cot.Scorer, samples []cot.Sample) (p []LogProbs, err error) {
	for microbatch := range slices.Chunk(samples, s.RL.Microbatch) {
		s.scoring.Reset()
		thoughts, text := scorer.LogProb(&s.scoring, microbatch, s.temp)
		for i := range microbatch {
			p = append(p, LogProbs{float64(thoughts.Data[i]), float64(text.Data[i])})
			if err := cot.Finite("log-likelihoods of the rollouts", p[len(p)-1].Thoughts+p[len(p)-1].Text); err != nil {
				return nil, err
			}
		}
	}
	return p, nil
}

// update goes through the rollouts of a step, epoch by epoch in minibatches of an order
// of their own. When ctx ends before the last of them it returns the error of ctx; the
// parameters may then have moved.
func (s *policyRun) update(ctx context.Context, b *rollouts) (RLMetrics, error) {
	c, m := s.RL, b.metrics
	m.LR = c.LR * min(1, float64(b.step+1)/float64(max(1, c.Warmup)))
	updates, n := float64(c.Epochs*c.Minibatches), len(b.samples)
	for epoch := range c.Epochs {
		perm := tensor.Rand(s.Config.Seed, "minibatches", b.step, epoch).Perm(n)
		for i := range c.Minibatches {
			err := interrupt.Leave(ctx, func() error {
				s.backward(b, perm[i*n/c.Minibatches:(i+1)*n/c.Minibatches], &m)
				return nil
			})
			if err != nil {
				return RLMetrics{}, err
			}
			norm, err := move(s.optimizer, m.LR, s.Config.Clip, m.Step, m.Loss)
			if err != nil {
				return m, fmt.Errorf("%w (rl.lr)", err)
			}
			m.Norm += norm / updates
		}
	}
	return m, nil
}

// backward accumulates the gradient of the mean loss of a minibatch, one microbatch after the other. Its
// value is worked out in float64 beside the tape, which gets its slopes.
func (s *policyRun) backward(b *rollouts, minibatch []int, m *RLMetrics) {
	c := s.RL
	updates, n := float64(c.Epochs*c.Minibatches), float64(len(minibatch))
	if c.Objective.KL == 0 { // nothing pulls at rollouts that are as good as the rest of their group
		minibatch = slices.DeleteFunc(slices.Clone(minibatch), func(j int) bool { return b.advantages[j] == 0 })
	}
	for microbatch := range slices.Chunk(minibatch, c.Microbatch) {
		samples := make([]cot.Sample, len(microbatch))
		for i, j := range microbatch {
			samples[i] = b.samples[j]
		}
		t := &s.tape
		t.Reset()
		thoughts, text := s.policy.LogProb(t, samples, s.temp)
		du, dx := t.New(len(microbatch), 1), t.New(len(microbatch), 1)
		for i, j := range microbatch {
			now := LogProbs{float64(thoughts.Data[i]), float64(text.Data[i])}
			u, x := s.objective.rollout(b.advantages[j], now, b.old[j], b.ref[j])
			du.Data[i], dx.Data[i] = float32(u.slope/n), float32(x.slope/n)
			m.Loss += (u.loss + x.loss) / n / updates
			if u.clipped {
				m.Clipped.Thoughts += 1 / n / updates
			}
			if x.clipped {
				m.Clipped.Text += 1 / n / updates
			}
		}
		t.Backward(t.Sum(t.Add(t.Mul(thoughts, du), t.Mul(text, dx))))
	}
}
