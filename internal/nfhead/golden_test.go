package nfhead

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"

	"nfcot/internal/shared"
	"nfcot/internal/tensor"
	"nfcot/internal/tensor/tensortest"
)

// flowOf makes the flow whose parameters a fixture holds as prefix + name, for
// codes of shape [batch, K, D] such as the tensor e.
func flowOf(t *testing.T, g *tensortest.Golden, prefix, e string) (*Flow, *tensor.Params) {
	t.Helper()
	shape, flips := g.Shape(e), g.Ints("flips")
	c := Config{
		Blocks:     g.MetaInt("blocks"),
		Width:      g.Shape(prefix + "blocks.0.pos_embed")[1],
		Layers:     g.MetaInt("layers"),
		HeadDim:    g.MetaInt("head_dim"),
		Expansion:  g.MetaInt("expansion"),
		Permute:    "identity",
		ShiftsOnly: g.MetaInt("nvp") == 0,
	}
	if slices.Contains(flips, 1) {
		c.Permute = "alternate"
	}
	if err := c.Check(); err != nil {
		t.Fatal(err)
	}
	p := tensor.NewParams(1)
	f := NewFlow(p, c, shape[1], shape[2])
	for i, l := range f.layers {
		b := l.(*metaBlock)
		if want := flips[i] == 1; b.flip != want {
			if len(flips) > 1 {
				t.Errorf("block %d: flip is %v, want %v", i, b.flip, want)
			}
			b.flip = want // a single flipped block is none of the two permutations
		}
	}
	g.Load(p, prefix, ".class_embed") // its effect is given as cond
	return f, p
}

// rowsOf sees [batch, K, D] as [batch·K, D].
func rowsOf(x *tensor.Tensor) *tensor.Tensor {
	y := tensor.From(x.Data, x.Rows(), x.Cols())
	y.Grad = x.Grad
	return y
}

// perThought lists for n thoughts of k rows the thought of each row.
func perThought(n, k int) []int {
	owner := make([]int, n*k)
	for r := range owner {
		owner[r] = r / k
	}
	return owner
}

// condition returns the fixture's conditioning vectors, nil if it has none.
func condition(g *tensortest.Golden, blocks int) (cond []*tensor.Tensor) {
	for i := range blocks {
		if name := "cond." + strconv.Itoa(i); g.Has(name) {
			cond = append(cond, g.Param(name))
		}
	}
	return cond
}

func TestGoldenFlows(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(shared.Fixtures(t), "metablock", "*.safetensors"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no flows in the fixtures: %v", err)
	}
	for _, file := range files {
		name := filepath.Base(file)
		t.Run(strings.TrimSuffix(name, ".safetensors"), func(t *testing.T) {
			g := tensortest.Open(t, "metablock", name)
			f, p := flowOf(t, g, "param.", "e")
			cond := condition(g, len(f.layers))
			e := rowsOf(g.Param("e"))
			n := e.Rows() / f.K

			for i := range f.layers {
				upTo := Flow{K: f.K, D: f.D, first: f.first, layers: f.layers[:i+1]}
				out, _ := upTo.Forward(nil, e, cond)
				block := "block_out." + strconv.Itoa(i)
				tensortest.Forward.Check(t, block, out.Data, g.Floats(block))
			}

			tape := new(tensor.Tape)
			u, logDet := f.Forward(tape, e, cond)
			tensortest.Forward.Check(t, "u", u.Data, g.Floats("u"))
			tensortest.Likelihood.Check(t, "logdet", logDet.Data, g.Floats("logdet"))

			tape.Backward(checkedLoss(t, g, tape, u, logDet, n, f.K))
			g.CheckGrads(p, "grad.", tensortest.FlowGradient)
			tensortest.FlowGradient.Check(t, "grad.e", e.Grad, g.Floats("grad.e"))
			for i, c := range cond {
				name := "grad.cond." + strconv.Itoa(i)
				tensortest.FlowGradient.Check(t, name, c.Grad, g.Floats(name))
			}

			tensortest.Inverse.Check(t, "e_rec", f.Inverse(rowsOf(g.Tensor("u")), cond).Data, g.Floats("e_rec"))
			tensortest.Inverse.Check(t, "e_from_z", f.Inverse(rowsOf(g.Tensor("z")), cond).Data, g.Floats("e_from_z"))
			if g.Has("jacobian") {
				checkJacobian(t, g, f, cond, logDet)
			}
		})
	}
}

// checkedLoss is minus the log-density of n thoughts of k rows under N(0, I), which is checked on the way.
func checkedLoss(t *testing.T, g *tensortest.Golden, tape *tensor.Tape, u, logDet *tensor.Tensor, n, k int) *tensor.Tensor {
	t.Helper()
	zero := tensor.New(u.Shape...) // mean, and log sigma
	logp := tape.Add(tape.SumBy(tape.GaussianLogProb(u, zero, zero, 0), perThought(n, k), n), logDet)
	tensortest.Likelihood.Check(t, "logp", logp.Data, g.Floats("logp"))
	loss := tape.Scale(-1, tape.Sum(logp))
	tensortest.Likelihood.Check(t, "loss", loss.Data, g.Floats("loss"))
	return loss
}

// The layers beside metablocks, and metablocks with softplus scales, alone and in stacks: scripts/flow_layers.py.
func TestGoldenLayers(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(shared.Golden(t), "flow_layers", "*.safetensors"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no layers: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".safetensors"), func(t *testing.T) {
			g := tensortest.OpenPath(t, file)
			shape := g.Shape("e")
			c := small
			c.Stack, c.Parts, c.Bound = g.Meta("stack"), g.MetaInt("parts"), float64(g.MetaInt("bound"))
			c.Scale = g.Meta("scale")
			p := tensor.NewParams(1)
			f := NewFlow(p, c, shape[1], shape[2])
			g.Load(p, "param.")
			e := rowsOf(g.Param("e"))
			n := shape[0]

			tape := new(tensor.Tape)
			u, logDet := f.Forward(tape, e, nil)
			tensortest.Forward.Check(t, "u", u.Data, g.Floats("u"))
			tensortest.Likelihood.Check(t, "logdet", logDet.Data, g.Floats("logdet"))
			tensortest.Likelihood.Check(t, "log |det| of the Jacobian", logDet.Data, g.Floats("jacobian_logabsdet"))
			tape.Backward(checkedLoss(t, g, tape, u, logDet, n, f.K))
			g.CheckGrads(p, "grad.", tensortest.FlowGradient)
			tensortest.FlowGradient.Check(t, "grad.e", e.Grad, g.Floats("grad.e"))
			tensortest.Inverse.Check(t, "e_rec", f.Inverse(rowsOf(g.Tensor("u")), nil).Data, g.Floats("e_rec"))
			tensortest.Inverse.Check(t, "e_from_z", f.Inverse(rowsOf(g.Tensor("z")), nil).Data, g.Floats("e_from_z"))
		})
	}
}

// checkJacobian runs backward from every number of u, which gives the Jacobian row
// by row, and compares its determinant with the one that Forward claims.
func checkJacobian(t *testing.T, g *tensortest.Golden, f *Flow, cond []*tensor.Tensor, logDet *tensor.Tensor) {
	t.Helper()
	e := rowsOf(g.Param("e"))
	n, size := e.Rows()/f.K, f.K*f.D
	jacobian := make([]float32, n*size*size) // [thought, output, input]
	tape := new(tensor.Tape)
	for out := range size {
		clear(e.Grad)
		u, _ := f.Forward(tape, e, cond)
		pick := tensor.New(u.Shape...)
		for j := range n {
			pick.Data[j*size+out] = 1
		}
		tape.Backward(tape.Sum(tape.Mul(u, pick)))
		tape.Reset()
		for j := range n {
			copy(jacobian[(j*size+out)*size:], e.Grad[j*size:(j+1)*size])
		}
	}
	tensortest.FlowGradient.Check(t, "jacobian", jacobian, g.Floats("jacobian"))
	claimed, sign := g.Floats("jacobian_logabsdet"), g.Floats("jacobian_sign")
	for j := range n {
		logAbs, s := mat.LogDet(mat.NewDense(size, size, tensortest.Float64s(jacobian[j*size*size:(j+1)*size*size])))
		name := fmt.Sprintf("log |det| of the Jacobian of thought %d", j)
		tensortest.Likelihood.CheckScalar(t, name, float64(logDet.Data[j]), claimed[j])
		tensortest.Likelihood.CheckScalar(t, name+", from its elements", logAbs, float64(logDet.Data[j]))
		if s != sign[j] {
			t.Errorf("the determinant of thought %d has sign %g, want %g", j, s, sign[j])
		}
	}
}

// headOf makes a head with the fixture's weights.
func headOf(g *tensortest.Golden, limit float64) (*Head, *tensor.Params) {
	shape := g.Shape("weight")
	p := tensor.NewParams(1)
	h := NewHead(p, shape[1], 0, shape[0]/2, 1, limit, 1)
	g.Copy(p, "")
	return h, p
}

func TestGoldenHead(t *testing.T) {
	g := tensortest.Open(t, "nf_head", "gaussian.safetensors")
	batch, K := g.Shape("u")[0], g.Shape("u")[1]
	head, p := headOf(g, 0)
	h, u := rowsOf(g.Param("h")), rowsOf(g.Param("u"))
	tape := new(tensor.Tape)
	next := head.Predict(tape, h)
	mu, logSigma := next.Mu, next.LogSigma
	tensortest.Forward.Check(t, "mu", mu.Data, g.Floats("mu"))
	tensortest.Forward.Check(t, "log_sigma", logSigma.Data, g.Floats("log_sigma"))

	single := func(x *tensor.Tensor) *tensor.Tensor { return tensor.From(x.Data, len(x.Data), 1) }
	elements := tape.GaussianLogProb(single(u), single(mu), single(logSigma), 0)
	tensortest.Likelihood.Check(t, "logp", elements.Data, g.Floats("logp"))
	logp := tape.GaussianLogProb(u, mu, logSigma, 0)
	tensortest.Likelihood.Check(t, "logp_position", logp.Data, g.Floats("logp_position"))
	tensortest.Likelihood.Check(t, "logp_sample", tape.SumBy(logp, perThought(batch, K), batch).Data, g.Floats("logp_sample"))
	loss := tape.Scale(-1/float32(batch), tape.Sum(logp))
	tensortest.Likelihood.Check(t, "loss", loss.Data, g.Floats("loss"))
	perDim := tape.Scale(1/float32(K*u.Cols()), loss)
	tensortest.Likelihood.Check(t, "nats_per_dim", perDim.Data, g.Floats("nats_per_dim"))
	tape.Backward(loss)
	g.CheckGrads(p, "grad.", tensortest.FlowGradient)
	tensortest.FlowGradient.Check(t, "grad.h", h.Grad, g.Floats("grad.h"))
	tensortest.FlowGradient.Check(t, "grad.u", u.Grad, g.Floats("grad.u"))
}

// The soft limit c·tanh(raw/c), with raw rows four times as large.
func TestGoldenHeadWithLimit(t *testing.T) {
	g := tensortest.Open(t, "nf_head", "gaussian.safetensors")
	head, _ := headOf(g, g.Scalar("tanh.c"))
	free, _ := headOf(g, 0)
	for _, n := range []*Head{head, free} {
		half := len(n.weight.Data) / 2
		for i := range n.weight.Data[half:] {
			n.weight.Data[half+i] *= 4
		}
	}
	h, u := rowsOf(g.Param("h")), rowsOf(g.Param("u"))
	raw := free.Predict(nil, h).LogSigma
	tensortest.Forward.Check(t, "tanh.raw", raw.Data, g.Floats("tanh.raw"))
	tape := new(tensor.Tape)
	next := head.Predict(tape, h)
	mu, logSigma := next.Mu, next.LogSigma
	tensortest.Forward.Check(t, "tanh.log_sigma", logSigma.Data, g.Floats("tanh.log_sigma"))
	loss := tape.Scale(-1/float32(g.Shape("u")[0]), tape.Sum(tape.GaussianLogProb(u, mu, logSigma, 0)))
	tensortest.Likelihood.Check(t, "tanh.loss", loss.Data, g.Floats("tanh.loss"))
	tape.Backward(loss)
	tensortest.FlowGradient.Check(t, "tanh.grad.h", h.Grad, g.Floats("tanh.grad.h"))
	tensortest.FlowGradient.Check(t, "tanh.grad.u", u.Grad, g.Floats("tanh.grad.u"))
}

func TestGoldenChangeOfVariables(t *testing.T) {
	g := tensortest.Open(t, "nf_head", "change_of_variables.safetensors")
	flow, flowParams := flowOf(t, g, "param.", "e")
	head, headParams := headOf(g, 0)
	e, h := rowsOf(g.Param("e")), rowsOf(g.Param("h"))
	n := e.Rows() / flow.K

	tape := new(tensor.Tape)
	u, logDet := flow.Forward(tape, e, nil)
	next := head.Predict(tape, h)
	mu, logSigma := next.Mu, next.LogSigma
	logpU := tape.SumBy(tape.GaussianLogProb(u, mu, logSigma, 0), perThought(n, flow.K), n)
	logpE := tape.Add(logpU, logDet) // docs/method.md eq. (2)
	loss := tape.Scale(-1/float32(n), tape.Sum(logpE))
	tensortest.Forward.Check(t, "u", u.Data, g.Floats("u"))
	tensortest.Forward.Check(t, "mu", mu.Data, g.Floats("mu"))
	tensortest.Forward.Check(t, "log_sigma", logSigma.Data, g.Floats("log_sigma"))
	tensortest.Likelihood.Check(t, "logdet", logDet.Data, g.Floats("logdet"))
	tensortest.Likelihood.Check(t, "logp_u", logpU.Data, g.Floats("logp_u"))
	tensortest.Likelihood.Check(t, "logp_e", logpE.Data, g.Floats("logp_e"))
	tensortest.Likelihood.Check(t, "loss", loss.Data, g.Floats("loss"))
	tape.Backward(loss)
	g.CheckGrads(flowParams, "grad.", tensortest.FlowGradient)
	g.CheckGrads(headParams, "grad.", tensortest.FlowGradient)
	tensortest.FlowGradient.Check(t, "grad.e", e.Grad, g.Floats("grad.e"))
	tensortest.FlowGradient.Check(t, "grad.h", h.Grad, g.Floats("grad.h"))

	var nilTape *tensor.Tape
	z := rowsOf(g.Tensor("z"))
	var us, es []float32
	for _, T := range g.Tensor("temperatures").Data {
		u := nilTape.Add(mu, nilTape.Mul(nilTape.Exp(logSigma), nilTape.Scale(T, z)))
		us = append(us, u.Data...)
		es = append(es, flow.Inverse(u, nil).Data...)
	}
	tensortest.Forward.Check(t, "u_sampled", us, g.Floats("u_sampled"))
	tensortest.Inverse.Check(t, "e_sampled", es, g.Floats("e_sampled"))
}
