package train

import (
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"nfcot/internal/cot"
	"nfcot/internal/cot/experiment"
	"nfcot/internal/tensor"
	"nfcot/internal/tensor/kernel"
	"nfcot/internal/tensor/tensortest"
)

// tinyRL are settings for tiny models and short answers.
func tinyRL() experiment.RL {
	c := experiment.DefaultRL()
	c.Steps, c.Prompts, c.Group, c.MaxTokens, c.LR, c.Warmup, c.Microbatch = 6, 3, 4, 6, 3e-3, 2, 5
	return c
}

// wantsToken rewards answers that begin with token 7.
func wantsToken(s cot.Sample) float64 {
	if len(s.Answer) > 0 && s.Answer[0] == 7 {
		return 1
	}
	return 0
}

// reinforcement makes a loop that keeps what it reports.
func reinforcement(method string, c experiment.RL, reward func(cot.Sample) float64) (*PolicyLoop, *[]RLMetrics) {
	config := tiny(method)
	config.Decay = 0
	l := &PolicyLoop{Config: config, RL: c, Model: experiment.NewModel(config, special), Reference: experiment.NewModel(config, special)}
	for _, ex := range examples(5) {
		l.Prompts = append(l.Prompts, ex.Prompt)
	}
	l.Reward = func(_ context.Context, problems []int, rollouts [][]cot.Sample) ([][]float64, error) {
		rewards := make([][]float64, len(problems))
		for i, group := range rollouts {
			for _, s := range group {
				if !slices.Equal(s.Prompt, l.Prompts[problems[i]]) {
					return nil, errors.New("a rollout answers another prompt")
				}
				rewards[i] = append(rewards[i], reward(s))
			}
		}
		return rewards, nil
	}
	reports := new([]RLMetrics)
	l.Report = func(m RLMetrics) error {
		m.Time = 0
		*reports = append(*reports, m)
		return nil
	}
	return l, reports
}

var reinforcedMethods = []string{"direct", "cot", "nfcot", "nfcot-dual"}

// likelihood is the log-probability of all that was drawn of samples, summed.
func likelihood(t *testing.T, m *experiment.Model, c experiment.RL, samples []cot.Sample) (sum float64) {
	t.Helper()
	scorer, err := m.Scorer()
	if err != nil {
		t.Fatal(err)
	}
	thoughts, text := scorer.LogProb(nil, samples, cot.Temperatures{Thought: c.ThoughtTemp, Text: c.Temp})
	for i := range samples {
		sum += float64(thoughts.Data[i]) + float64(text.Data[i])
	}
	return sum
}

// toy is the reward that every method can find: cot's answers come late, so for it the
// chain has to begin with the token.
func toy(method string) func(cot.Sample) float64 {
	if method == "cot" {
		return func(s cot.Sample) float64 { return wantsToken(cot.Sample{Answer: s.Chain}) }
	}
	return wantsToken
}

// A model whose logits are too large for float32, or whose reference cannot say what it
// draws, is an error before anything moves.
func TestReinforcementOfBrokenModels(t *testing.T) {
	for _, reference := range []bool{false, true} {
		l, reports := reinforcement("direct", tinyRL(), wantsToken)
		m := l.Model
		if reference {
			m = l.Reference
		}
		for p := range m.Params.All() {
			for i := range p.Data {
				switch p.Name {
				case "model.embed_tokens.weight":
					p.Data[i] *= 1e9
				case "model.norm.weight":
					p.Data[i] = 1e32
				}
			}
		}
		err := l.Run(context.Background())
		if !errors.As(err, new(cot.NonFinite)) || !strings.HasPrefix(err.Error(), "step 1: ") || len(*reports) > 0 {
			t.Errorf("reference %v: error %v after %d steps", reference, err, len(*reports))
		}
	}
}

// A step makes samples that were rewarded likelier, and others less likely.
func TestRewardedSamplesBecomeLikelier(t *testing.T) {
	for _, method := range reinforcedMethods {
		for _, joint := range []bool{false, true} {
			c := tinyRL()
			c.Steps, c.Prompts, c.Group, c.LR, c.Warmup, c.Objective.Joint = 1, 5, 16, 1e-3, 0, joint
			l, _ := reinforcement(method, c, toy(method))
			var good, bad []cot.Sample
			reward := l.Reward
			l.Reward = func(ctx context.Context, p []int, rollouts [][]cot.Sample) ([][]float64, error) {
				rewards, err := reward(ctx, p, rollouts)
				for i, group := range rollouts {
					for j, s := range group {
						switch mean, _ := moments(rewards[i]); {
						case rewards[i][j] > mean:
							good = append(good, s)
						case rewards[i][j] < mean:
							bad = append(bad, s)
						}
					}
				}
				return rewards, err
			}
			if err := l.Run(context.Background()); err != nil {
				t.Fatal(err)
			}
			if was, is := likelihood(t, l.Reference, c, good), likelihood(t, l.Model, c, good); !(is > was) || len(good) == 0 {
				t.Errorf("%s, joint %v: %d rewarded samples had log-probability %g and have %g", method, joint, len(good), was, is)
			}
			if was, is := likelihood(t, l.Reference, c, bad), likelihood(t, l.Model, c, bad); !(is < was) || len(bad) == 0 {
				t.Errorf("%s, joint %v: %d others had log-probability %g and have %g", method, joint, len(bad), was, is)
			}
		}
	}
}

// The reward rises, under every method and with each kind of ratio; the flow stays as
// it is, and so does the reference.
func TestRewardRises(t *testing.T) {
	for _, method := range reinforcedMethods {
		for _, joint := range []bool{false, true} {
			c := tinyRL()
			c.Steps, c.Prompts, c.Group, c.Epochs, c.Minibatches, c.LR, c.Objective.Joint = 40, 5, 16, 2, 2, 1e-2, joint
			l, reports := reinforcement(method, c, toy(method))
			flow := weights(l.Model, "flow.")
			if err := l.Run(context.Background()); err != nil {
				t.Fatal(err)
			}
			var clipped float64
			for _, m := range *reports {
				clipped += m.Clipped.Text
			}
			first, last := (*reports)[0], (*reports)[c.Steps-1]
			if last.Reward < first.Reward+0.3 || last.KL.Text <= 0 || clipped == 0 || last.Rollouts != c.Steps*c.Prompts*c.Group {
				t.Errorf("%s, joint %v: from %+v to %+v, clipped %g", method, joint, first, last, clipped)
			}
			if !slices.Equal(weights(l.Model, "flow."), flow) {
				t.Errorf("%s: the flow has moved", method)
			}
			sameWeights(t, method+": the reference", l.Reference, experiment.NewModel(l.Config, special))
		}
	}
}

// The model that has not moved is the one that drew, and the reference: ratios are 1
// and the divergence is 0, exactly.
func TestFirstStep(t *testing.T) {
	for _, method := range reinforcedMethods {
		l, reports := reinforcement(method, tinyRL(), wantsToken)
		l.RL.Steps = 1
		if err := l.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		m := (*reports)[0]
		if m.KL != (LogProbs{}) || m.Clipped != (Shares{}) || math.Abs(m.Loss) > 1e-12 {
			t.Errorf("%s: %+v", method, m)
		}
		if m.Entropy < 0.1 || m.Entropy > math.Log(20) || m.LR != l.RL.LR/2 {
			t.Errorf("%s: entropy %g, rate %g", method, m.Entropy, m.LR)
		}
	}
}

// The gradient that backward accumulates is that of the mean loss, as differences of
// it say, whatever the parts.
func TestPolicyGradient(t *testing.T) {
	for _, method := range reinforcedMethods {
		for _, joint := range []bool{false, true} {
			c := tinyRL()
			c.FreezeSigma = false
			c.Objective.KL, c.Objective.Joint, c.Objective.Thought = 0.3, joint, 0.5
			l, _ := reinforcement(method, c, func(s cot.Sample) float64 { return float64(len(s.Answer) + len(s.Chain)%3) })
			s, err := l.newRun()
			if err != nil {
				t.Fatal(err)
			}
			b, err := s.rollout(context.Background(), 0)
			if err != nil {
				t.Fatal(err)
			}
			for i := range b.samples { // as if others had drawn, and others were the reference
				b.old[i].Thoughts += 0.1 * float64(i%5-2)
				b.old[i].Text -= 0.07 * float64(i%4-2)
				b.ref[i].Thoughts -= 0.3 * float64(i%3-1)
				b.ref[i].Text += 0.2 * float64(i%2)
			}
			all := make([]int, len(b.samples))
			for i := range all {
				all[i] = i
			}
			s.backward(b, all, new(RLMetrics))
			value := func() float64 {
				var sum float64
				scores, err := s.logProbs(s.policy, b.samples)
				if err != nil {
					t.Fatal(err)
				}
				for i, now := range scores {
					u, x := s.objective.rollout(b.advantages[i], now, b.old[i], b.ref[i])
					sum += (u.loss + x.loss) / float64(len(all))
				}
				return sum
			}
			for p := range l.Model.Params.Trainable() {
				direction, rng := make([]float32, len(p.Data)), tensor.Rand(1, p.Name)
				var slope float64
				for i := range direction {
					direction[i] = float32(rng.NormFloat64())
					slope += float64(direction[i]) * float64(p.Grad[i])
				}
				start := slices.Clone(p.Data)
				at := func(h float32) float64 {
					for i := range p.Data {
						p.Data[i] = start[i] + h*direction[i]
					}
					return value()
				}
				const h = 1e-4
				got := (at(h) - at(-h)) / (2 * h)
				copy(p.Data, start)
				tensortest.Tolerance{Rel: 2e-2, Abs: 2e-2}.CheckScalar(t, method+": slope along a change of "+p.Name, got, slope)
			}
		}
	}
}

// Interrupted anywhere and resumed, a run ends with the same parameters and reports;
// so it does with any number of threads.
func TestReinforcementResumes(t *testing.T) {
	defer kernel.SetThreads(kernel.Threads())
	c := tinyRL()
	c.Epochs, c.Minibatches, c.Objective.KL = 2, 3, 0.01
	whole, want := reinforcement("nfcot", c, wantsToken)
	if err := whole.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	for stop := range c.Steps {
		kernel.SetThreads(1 + stop%3)
		dir := t.TempDir()
		l, got := reinforcement("nfcot", c, wantsToken)
		l.Dir = dir
		ctx, cancel := context.WithCancel(context.Background())
		inner, calls := l.Reward, 0
		l.Reward = func(ctx context.Context, p []int, r [][]cot.Sample) ([][]float64, error) {
			if calls++; calls > stop {
				cancel()
				return nil, ctx.Err()
			}
			return inner(ctx, p, r)
		}
		if err := l.Run(ctx); !errors.Is(err, ErrInterrupted) {
			t.Fatalf("stopped at %d: %v", stop, err)
		}
		rest, more := reinforcement("nfcot", c, wantsToken)
		rest.Dir = dir
		if done, err := rest.Resume(); err != nil || done != stop {
			t.Fatalf("resumes at %d, want %d: %v", done, stop, err)
		}
		if err := rest.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		sameWeights(t, "resumed", rest.Model, whole.Model)
		if all := append(*got, *more...); !reflect.DeepEqual(all, *want) {
			t.Errorf("stopped at %d: reports\n%+v, want\n%+v", stop, all, *want)
		}
	}
}

// asked counts how often a context is asked whether it has ended.
type asked struct {
	context.Context
	n atomic.Int64
}

func (c *asked) Err() error {
	c.n.Add(1)
	return c.Context.Err()
}

// TestReinforcementResumesWithinAnUpdate: whichever of a step's updates is not made any more,
// the state is that from before the first of them.
func TestReinforcementResumesWithinAnUpdate(t *testing.T) {
	c := tinyRL()
	c.Steps, c.Epochs, c.Minibatches = 2, 2, 2
	whole, want := reinforcement("nfcot", c, wantsToken)
	count := &asked{Context: context.Background()}
	var first int // how often the first step asks
	report := whole.Report
	whole.Report = func(m RLMetrics) error {
		if m.Step == 1 {
			first = int(count.n.Load())
		}
		return report(m)
	}
	if err := whole.Run(count); err != nil {
		t.Fatal(err)
	}
	for update := range 4 {
		what := fmt.Sprintf("interrupted before update %d", update+1)
		l, got := reinforcement("nfcot", c, wantsToken)
		l.Dir = t.TempDir()
		if err := l.Run(&endsAt{context.Background(), first - 3 + update}); !errors.Is(err, ErrInterrupted) || len(*got) > 0 {
			t.Fatalf("%s: %v after %d steps", what, err, len(*got))
		}
		rest, reports := reinforcement("nfcot", c, wantsToken)
		rest.Dir = l.Dir
		if done, err := rest.Resume(); err != nil || done != 0 {
			t.Fatalf("%s: resumes at %d: %v", what, done, err)
		}
		if err := rest.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		sameWeights(t, what, rest.Model, whole.Model)
		if !reflect.DeepEqual(*reports, *want) {
			t.Errorf("%s: reports\n%+v, want\n%+v", what, *reports, *want)
		}
	}
}
