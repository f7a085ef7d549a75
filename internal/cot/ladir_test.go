package cot

import (
	"fmt"
	"slices"
	"testing"

	"nfcot/internal/tensor"
	"nfcot/internal/tensor/tensortest"
)

// toyNet is the network of the diffusion fixtures: W2 tanh(W1 x + b1 + wt·t) + b2.
// x [n, D], times [n, 1] → [n, D]
func toyNet(t *tensor.Tape, g *tensortest.Golden, x, times *tensor.Tensor) *tensor.Tensor {
	wt := g.Param("param.wt")
	column := tensor.From(wt.Data, len(wt.Data), 1)
	column.Grad = wt.Grad
	inner := t.Add(t.Linear(x, g.Param("param.W1"), g.Param("param.b1")), t.Linear(times, column, nil))
	return t.Linear(t.Tanh(inner), g.Param("param.W2"), g.Param("param.b2"))
}

// filled is n times the same number.   → [n, 1]
func filled(n int, v float64) *tensor.Tensor {
	return tensor.From(slices.Repeat([]float32{float32(v)}, n), n, 1)
}

// checkDenoising goes through the levels of a fixture's sampler.
func checkDenoising(t *testing.T, g *tensortest.Golden, name string, p process) {
	t.Helper()
	x := rowsOf(g.Tensor("x_start"))
	x = tensor.From(slices.Clone(x.Data), x.Shape...)
	want := g.Floats(name)
	steps := len(want)/len(x.Data) - 1
	levels := p.grid(steps)
	for i := 0; ; i++ {
		tensortest.Likelihood.Check(t, fmt.Sprintf("%s: state %d", name, i), x.Data, want[i*len(x.Data):(i+1)*len(x.Data)])
		if i == steps {
			return
		}
		p.step(x.Data, toyNet(nil, g, x, filled(x.Rows(), levels[i].time)).Data, levels[i], levels[i+1])
	}
}

func TestGoldenFlowMatching(t *testing.T) {
	g := tensortest.Open(t, "diffusion", "flow_matching.safetensors")
	straight, shifted := flowMatching{1}, flowMatching{g.Scalar("shift")}
	for name, p := range map[string]flowMatching{"grid": straight, "grid_shifted": shifted} {
		for i, l := range p.grid(30) {
			rounding.CheckScalar(t, fmt.Sprintf("%s %d", name, i), l.time, g.Floats(name)[i])
		}
	}
	checkDenoising(t, g, "euler", straight)
	checkDenoising(t, g, "euler_shifted", shifted)

	e, eps := g.Tensor("e"), g.Tensor("noise")
	velocity := tensor.New(rowsOf(e).Shape...)
	for i := range e.Data {
		velocity.Data[i] = straight.word(e.Data[i], eps.Data[i])
	}
	rounding.Check(t, "velocity", velocity.Data, g.Floats("velocity"))
	checkNoised(t, g, "x_t", g.Floats("t"), straight.at)

	times := tensor.New(rowsOf(e).Rows(), 1)
	for r := range times.Data {
		times.Data[r] = float32(g.Floats("loss.t")[r/g.Shape("e")[1]])
	}
	tape := new(tensor.Tape)
	d := tape.Sub(toyNet(tape, g, rowsOf(g.Tensor("loss.x_t")), times), velocity)
	loss := tape.Scale(1/float32(len(e.Data)), tape.Sum(tape.Mul(d, d)))
	tensortest.Likelihood.CheckScalar(t, "mse", float64(loss.Data[0]), g.Scalar("loss.mse"))
}

// checkNoised compares codes with noise in them at the fixture's times.
func checkNoised[T int | float64](t *testing.T, g *tensortest.Golden, name string, times []T, at func(T) level) {
	t.Helper()
	e, eps := g.Tensor("e"), g.Tensor("noise")
	var got []float32
	for _, u := range times {
		for i := range e.Data {
			got = append(got, at(u).mix(e.Data[i], eps.Data[i]))
		}
	}
	rounding.Check(t, name, got, g.Floats(name))
}

func TestGoldenDDIM(t *testing.T) {
	g := tensortest.Open(t, "diffusion", "ddim.safetensors")
	for i, kept := range g.Floats("alpha_bar") {
		rounding.CheckScalar(t, fmt.Sprintf("alpha_bar %d", i), ddimSchedule[i].signal*ddimSchedule[i].signal, kept)
	}
	levels := ddim{}.grid(30)
	for i, step := range g.Ints("ddim_steps") {
		if levels[i] != ddimSchedule[step] {
			t.Errorf("step %d is at time %g, want %d", i, levels[i].time*1000-1, step)
		}
	}
	checkDenoising(t, g, "ddim", ddim{})
	checkNoised(t, g, "q_sample", g.Ints("t"), func(step int) level { return ddimSchedule[step] })
}

// The block that is denoised, and the text that is drawn after it, are what the layout of
// training says of them: one row sees another in the one exactly as in the other.
func TestLaDiRSamplesAsItLearns(t *testing.T) {
	for _, process := range []string{"flow", "ddim"} {
		m, _ := shakenLaDiR(nfOptions, process)
		K, D := m.Options.K, m.Options.D
		for i, x := range slices.Concat(m.Sample(prompts(5), 2, Options{Sampling: Sampling{ThoughtTemp: 1, Temp: 1, MaxTokens: 6, Seed: 3}})...) {
			at := fmt.Sprintf("%s, sample %d", process, i)
			codes := tensor.New(K, D)
			rng := tensor.Rand(3, "thoughts", append(slices.Clone(x.Prompt), i%2)...)
			for j := range codes.Data {
				codes.Data[j] = float32(rng.NormFloat64())
			}
			batch := []Encoded{{Prompt: x.Prompt, Answer: x.Answer}}
			s := m.layout(nil, batch, StepRand{})
			levels := m.process.grid(m.Diffusion.Steps)
			for j := range m.Diffusion.Steps {
				clean, _ := m.forward(nil, s, m.noisyInput(nil, codes, filled(1, levels[j].time)), random(9, K, D))
				denoise(m.process, codes.Data, clean.Data, levels[j], levels[j+1])
			}
			tensortest.Tolerance{Rel: 1e-4, Abs: 1e-4}.Check(t, at+": codes", x.Thoughts.Data, tensortest.Float64s(codes.Data))
			_, text := m.forward(nil, s, random(8, K, lmShape.Hidden), x.Thoughts)
			words := drawnTokens(x, m.Special)
			tensortest.Likelihood.CheckScalar(t, at+": LogText", x.LogText, float64Sum(text.Data[:len(words)]))
			checkEnd(t, at, x, len(words), 6)

			if x.Positions() != K || x.LogThoughts != 0 {
				t.Errorf("%s: %d positions, log p of thoughts %g", at, x.Positions(), x.LogThoughts)
			}
		}
	}
}

// More steps are another block, from the same noise; replaced codes are read as they are.
func TestLaDiROptions(t *testing.T) {
	m, _ := shakenLaDiR(nfOptions, "flow")
	o := Options{Sampling: Sampling{ThoughtTemp: 1, MaxTokens: 3}}
	sample := func(o Options) Sample { return m.Sample(prompts(1), 1, o)[0][0] }
	default4, same4, more := sample(o), o, o
	same4.DenoiseSteps, more.DenoiseSteps = 4, 8
	sameSample(t, "the settings' steps", sample(same4), default4)
	if x := sample(more); slices.Equal(x.Thoughts.Data, default4.Thoughts.Data) || !(x.ThinkCost.FLOPs > 1.5*default4.ThinkCost.FLOPs) {
		t.Errorf("8 steps: thoughts %v, %g operations; 4 steps: %v, %g", x.Thoughts.Data, x.ThinkCost.FLOPs, default4.Thoughts.Data, default4.ThinkCost.FLOPs)
	}
	u := random(5, nfOptions.K, nfOptions.D)
	o.Replace = func(_, _ int) *tensor.Tensor { return u }
	x := sample(o)
	same(t, "replaced thoughts", x.Thoughts.Data, u.Data)
	if !(x.ThinkCost.FLOPs < default4.ThinkCost.FLOPs/2) {
		t.Errorf("replaced thoughts take %g operations", x.ThinkCost.FLOPs)
	}
}

// The process's own: no noise at time 0, and a network that knows everything takes any
// noise to the codes.
func TestDenoisingFindsCodes(t *testing.T) {
	for _, d := range []Diffusion{{"flow", 7, 1}, {"flow", 7, 3}, {"ddim", 7, 1}} {
		p := d.process()
		levels := p.grid(d.Steps)
		const e, eps = 0.7, -1.2
		x := []float32{levels[0].mix(e, eps)}
		for i := range d.Steps {
			denoise(p, x, []float32{e}, levels[i], levels[i+1])
		}
		tensortest.Likelihood.CheckScalar(t, fmt.Sprintf("%+v", d), float64(x[0]), e)
	}
	for _, d := range []Diffusion{{"other", 7, 1}, {"flow", 0, 1}, {"flow", 7, 0}, {"ddim", 1001, 1}} {
		if d.Check() == nil {
			t.Errorf("%+v is not refused", d)
		}
	}
}
