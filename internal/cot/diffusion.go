package cot

import (
	"fmt"
	"math"
)

// Diffusion is how LaDiR makes codes out of noise. Codes e with noise eps in them are
//
//	x = signal · e + noise · eps
//
// at a time between 0, where they are codes, and 1, where they are noise.
type Diffusion struct {
	Process string  `yaml:"process"` // flow, or ddim
	Steps   int     `yaml:"steps"`   // of denoising
	Shift   float64 `yaml:"shift"`   // flow: how much more of the training times and the steps is near the noise; 1: all alike
}

// Check says what is wrong with the settings, if anything is.
func (d Diffusion) Check() error {
	switch {
	case d.Process != "flow" && d.Process != "ddim":
		return fmt.Errorf("diffusion.process is %q; want flow or ddim", d.Process)
	case d.Steps < 1 || d.Process == "ddim" && d.Steps > len(ddimSchedule):
		return fmt.Errorf("diffusion.steps is %d; want at least 1, and with ddim at most %d", d.Steps, len(ddimSchedule))
	case !(d.Shift > 0) || math.IsInf(d.Shift, 0):
		return fmt.Errorf("diffusion.shift is %g; it must be positive", d.Shift)
	}
	return nil
}

// process is the one that the settings name.
func (d Diffusion) process() process {
	if d.Process == "ddim" {
		return ddim{}
	}
	return flowMatching{d.Shift}
}

// A process says how noise comes into codes and how it leaves them.
type process interface {
	// at is the level of a training example, for u uniform in [0, 1).
	at(u float64) level
	// word is what step wants to know of codes e with noise eps in them.
	word(e, eps float32) float32
	// grid are the levels of a number of denoising steps, from noise to codes.
	grid(steps int) []level
	// step takes x from one level to the next, in place, given the words on x.
	step(x, words []float32, from, to level)
}

// denoise takes x from one level to the next, in place, given what it is without noise,
// e, which is overwritten.
func denoise(p process, x, e []float32, from, to level) {
	for i, clean := range e {
		e[i] = p.word(clean, from.noiseIn(x[i], clean))
	}
	p.step(x, e, from, to)
}

// A level is how much of a code there is, and how much noise.
type level struct{ time, signal, noise float64 }

// mix is code e with noise eps at the level.
func (l level) mix(e, eps float32) float32 {
	return float32(l.signal*float64(e) + l.noise*float64(eps))
}

// noiseIn is the noise in x at the level, if the code is e: what mix put there.
func (l level) noiseIn(x, e float32) float32 {
	return float32((float64(x) - l.signal*float64(e)) / l.noise)
}

// flowMatching moves on a straight line from noise to codes, with the velocity
// eps - e (Lipman et al., 2023). Its times, of training and of the grid, are those of
// Esser et al. (2024), s u / (1 + (s-1) u) for uniform or equally spaced u: codes of many
// numbers can be read through much noise, so that the prompt decides near the noise alone.
type flowMatching struct{ shift float64 }

func (f flowMatching) at(u float64) level {
	t := f.shift * u / (1 + (f.shift-1)*u)
	return level{t, 1 - t, t}
}

func (flowMatching) word(e, eps float32) float32 { return eps - e }

func (f flowMatching) grid(steps int) []level {
	levels := make([]level, steps+1)
	for i := range levels {
		levels[i] = f.at(1 - float64(i)/float64(steps))
	}
	return levels
}

// step is Euler's.
func (flowMatching) step(x, velocity []float32, from, to level) {
	for i, v := range velocity {
		x[i] += float32((to.time - from.time) * float64(v))
	}
}

// ddim asks for the noise, and takes deterministic steps (Song et al., 2021, eta 0) on
// the schedule of Ho et al. (2020).
type ddim struct{}

// ddimSchedule has the levels of the schedule, the least noise first.
var ddimSchedule = linearSchedule(1000, 1e-4, 0.02)

// linearSchedule has n levels, each of which replaces a share beta of the variance of
// the one before by noise; beta grows linearly.
func linearSchedule(n int, first, last float64) []level {
	levels, kept := make([]level, n), 1.0
	for i := range levels {
		kept *= 1 - (first + (last-first)*float64(i)/float64(n-1))
		levels[i] = level{float64(i+1) / float64(n), math.Sqrt(kept), math.Sqrt(1 - kept)}
	}
	return levels
}

func (ddim) at(u float64) level { return ddimSchedule[int(u*float64(len(ddimSchedule)))] }

func (ddim) word(_, eps float32) float32 { return eps }

func (ddim) grid(steps int) []level {
	levels := make([]level, steps+1)
	n := len(ddimSchedule)
	for i := range steps {
		levels[i] = ddimSchedule[n*(steps-i)/steps-1]
	}
	levels[steps] = level{signal: 1}
	return levels
}

func (ddim) step(x, eps []float32, from, to level) {
	for i, n := range eps {
		e := (float64(x[i]) - from.noise*float64(n)) / from.signal
		x[i] = float32(to.signal*e + to.noise*float64(n))
	}
}
