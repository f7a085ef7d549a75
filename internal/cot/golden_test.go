package cot

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"nfcot/internal/nfhead"
	"nfcot/internal/shared"
	"nfcot/internal/tensor"
	"nfcot/internal/tensor/tensortest"
	"nfcot/internal/transformer"
)

// goldenModel is the model of the joint fixtures: the weights of a language
// model and of what NF-CoT adds to it.
func goldenModel(t *testing.T) (*tensortest.Golden, *NFCoT, *tensor.Params) {
	t.Helper()
	g := tensortest.Open(t, "joint", "joint_loss.safetensors")
	text, err := os.ReadFile(filepath.Join(shared.Fixtures(t), "qwen3_tiny", "tied", "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := transformer.ParseConfig(text)
	if err != nil {
		t.Fatal(err)
	}
	p := tensor.NewParams(1)
	lm := transformer.NewLM(p, c)
	tensortest.OpenModel(t, "qwen3_tiny", "tied").Load(p, "")

	answer := g.Ints("answer_ids.0")
	flow := nfhead.Config{
		Blocks: g.MetaInt("blocks"), Layers: g.MetaInt("layers"), HeadDim: g.MetaInt("head_dim"), Expansion: g.MetaInt("expansion"),
		Width: g.Shape("param.flow.blocks.0.pos_embed")[1], Permute: "alternate", ShiftsOnly: g.MetaInt("nvp") == 0,
	}
	m := NewNFCoT(p, lm, Special{EOS: answer[len(answer)-1], BOT: g.Ints("bot_id")[0]}, flow, NFOptions{
		K: g.Shape("e")[1], D: g.Shape("e")[2], Noise: g.Scalar("dequant_std"),
		LambdaFlow: g.Scalar("lambda_flow"), LambdaText: g.Scalar("lambda_text"),
	})
	outside := []string{"nf_head.weight", "nf_head.bias", "param.proj_in.weight", "param.proj_in.bias"}
	g.Load(p.Sub("flow"), "param.", outside...)
	g.Copy(p.Sub("nf_head"), "param.")
	g.Copy(p.Sub("proj_in"), "param.")
	return g, m, p
}

// rowsOf sees [batch, K, D] as [batch·K, D].
func rowsOf(x *tensor.Tensor) *tensor.Tensor {
	y := tensor.From(x.Data, x.Rows(), x.Cols())
	y.Grad = x.Grad
	return y
}

// goldenBatch is the fixture's batch. Its answers end with EOS, ours do not.
func goldenBatch(t *testing.T, g *tensortest.Golden, m *NFCoT) (batch []Encoded) {
	t.Helper()
	for b := range g.Shape("e")[0] {
		answer := g.Ints(fmt.Sprintf("answer_ids.%d", b))
		if answer[len(answer)-1] != m.Special.EOS {
			t.Fatalf("answer %d ends with token %d, the first with %d", b, answer[len(answer)-1], m.Special.EOS)
		}
		batch = append(batch, Encoded{Index: b, Prompt: g.Ints(fmt.Sprintf("prompt_ids.%d", b)), Answer: answer[:len(answer)-1]})
	}
	return batch
}

// What the loss is made of, example by example.
func TestGoldenJointStream(t *testing.T) {
	g, m, _ := goldenModel(t)
	batch := goldenBatch(t, g, m)
	n, K := len(batch), m.Options.K
	var tape *tensor.Tape

	noisy := rowsOf(g.Tensor("e_tilde"))
	u, logDet := m.Flow.Forward(nil, noisy, nil)
	s := m.layout(nil, batch, StepRand{})
	h := s.hidden(nil, m.LM, m.project(nil, u))
	logits := m.LM.Logits(nil, tape.Gather(h, s.tokenRows))
	next, logText := m.forward(nil, s, u, 1)
	mu, logSigma := next.Mu, next.LogSigma
	logU := tape.GaussianLogProb(single(u), single(mu), single(logSigma), 0)

	tensortest.Forward.Check(t, "u", u.Data, g.Floats("u"))
	tensortest.Likelihood.Check(t, "logdet", logDet.Data, g.Floats("logdet"))
	var rows, targets int
	for b, ex := range batch {
		rows, targets = rows+g.Shape(fmt.Sprintf("hidden.%d", b))[0], targets+len(ex.Answer)+1
	}
	if rows != h.Rows() || targets != logits.Rows() {
		t.Fatalf("%d rows and %d targets, want %d and %d", h.Rows(), logits.Rows(), rows, targets)
	}
	row, token := 0, 0
	for b, ex := range batch {
		name := func(what string) string { return fmt.Sprintf("%s.%d", what, b) }
		rows, tokens := g.Shape(name("hidden"))[0], len(ex.Answer)+1
		H, V, D := h.Cols(), logits.Cols(), u.Cols()
		tensortest.Forward.Check(t, name("hidden"), h.Data[row*H:(row+rows)*H], g.Floats(name("hidden")))
		tensortest.Forward.Check(t, name("mu"), mu.Data[b*K*D:(b+1)*K*D], g.Floats(name("mu")))
		tensortest.Forward.Check(t, name("log_sigma"), logSigma.Data[b*K*D:(b+1)*K*D], g.Floats(name("log_sigma")))
		tensortest.Likelihood.Check(t, name("logp_u"), logU.Data[b*K*D:(b+1)*K*D], g.Floats(name("logp_u")))
		tensortest.Forward.Check(t, name("text_logits"), logits.Data[token*V:(token+tokens)*V], g.Floats(name("text_logits")))
		nll := tape.Scale(-1, logText).Data[token : token+tokens]
		tensortest.Likelihood.Check(t, name("token_nll"), nll, g.Floats(name("token_nll")))
		row, token = row+rows, token+tokens
	}

	owner := make([]int, u.Rows())
	for r := range owner {
		owner[r] = r / K
	}
	logp := tape.Add(tape.SumBy(tape.GaussianLogProb(u, mu, logSigma, 0), owner, n), logDet)
	tensortest.Likelihood.Check(t, "flow_nll", tape.Scale(-1, logp).Data, g.Floats("flow_nll"))
	tensortest.Likelihood.Check(t, "text_nll", tape.Scale(-1, tape.SumBy(logText, s.owner, n)).Data, g.Floats("text_nll"))
	m.dualPath = true
	s = m.layout(nil, batch, StepRand{})
	again, logText := m.forward(nil, s, m.reads(nil, u, noisy), 1)
	same(t, "mu in two passes", again.Mu.Data, mu.Data)
	same(t, "log sigma in two passes", again.LogSigma.Data, logSigma.Data)
	tensortest.Likelihood.Check(t, "text_nll_e_input", tape.Scale(-1, tape.SumBy(logText, s.owner, n)).Data, g.Floats("text_nll_e_input"))
}

// single sees every number as a row.
func single(x *tensor.Tensor) *tensor.Tensor { return tensor.From(x.Data, len(x.Data), 1) }

// The loss, its parts, and the gradient of everything that learns.
func TestGoldenJointLoss(t *testing.T) {
	g, m, p := goldenModel(t)
	batch := goldenBatch(t, g, m)
	n := len(batch)
	stage := Stage{NFCoT: m}
	for _, tt := range []struct {
		loss, grad string
		whole      Size
		tol        tensortest.Tolerance
	}{
		{"loss_norm", "grad_norm.", stage.Size(batch), tensortest.Gradient},
		{"loss_raw", "grad_raw.", Size{Dims: n, Tokens: n}, tensortest.FlowGradient}, // nats, a mean over the batch
	} {
		t.Run(tt.loss, func(t *testing.T) {
			p.SetTrainable(func(string) bool { return true })
			noisy := rowsOf(g.Param("e_tilde"))
			tape := new(tensor.Tape)
			loss := stage.loss(tape, batch, tt.whole, StepRand{}, rowsOf(g.Tensor("e")), noisy)
			tensortest.Likelihood.CheckScalar(t, tt.loss, loss.total(), g.Scalar(tt.loss))
			if tt.loss == "loss_norm" {
				tensortest.Likelihood.CheckScalar(t, "flow_per_dim", loss.term(t, "flow_nats_per_dim"), g.Scalar("flow_per_dim"))
				tensortest.Likelihood.CheckScalar(t, "text_per_token", loss.term(t, "text_nats_per_token"), g.Scalar("text_per_token"))
			}
			tape.Backward(loss.Total)
			g.CheckGrads(p.Sub("model"), tt.grad+"backbone.", tt.tol)
			for _, sub := range []string{"flow", "nf_head", "proj_in"} {
				g.CheckGrads(p.Sub(sub), tt.grad, tt.tol)
			}
			tt.tol.Check(t, tt.grad+"e", noisy.Grad, g.Floats(tt.grad+"e")) // e~ = e + std·eps: one gradient
		})
	}
}

// Three samples, step by step through the cache, with the fixture's noise.
func TestGoldenRollout(t *testing.T) {
	_, m, _ := goldenModel(t)
	g := tensortest.Open(t, "joint", "rollout.safetensors")
	temp := g.Scalar("temperature")
	n, K, D := g.Shape("z")[0], g.Shape("z")[1], g.Shape("z")[2]
	z, prompt := g.Tensor("z"), g.Ints("prompt_ids")
	textIDs := g.Ints("text_ids")
	perSample := len(textIDs) / n
	var tape *tensor.Tape

	u, mu, logSigma := tensor.New(n*K, D), tensor.New(n*K, D), tensor.New(n*K, D)
	var ids []int
	var textLogits, logX []float32
	for b := range n {
		c := m.LM.NewCache()
		feed := func(x *tensor.Tensor) *tensor.Tensor { // returns the last row's state
			h := m.LM.Step(nil, slices.Repeat([]*transformer.Cache{c}, x.Rows()), x)
			return tape.Gather(h, []int{h.Rows() - 1})
		}
		h := feed(m.LM.Embed(nil, append(slices.Clone(prompt), g.Ints("bot_id")[0])))
		for k := b * K; k < (b+1)*K; k++ {
			next := m.Head.Predict(nil, h)
			mean, log := next.Mu, next.LogSigma
			copy(mu.Row(k), mean.Data)
			copy(logSigma.Row(k), log.Data)
			for d := range D {
				u.Row(k)[d] = mean.Data[d] + float32(math.Exp(float64(log.Data[d]))*temp*float64(z.Row(k)[d]))
			}
			h = feed(m.project(nil, tape.Gather(u, []int{k})))
		}
		for range perSample {
			logits := m.LM.Logits(nil, h)
			id := argmax(logits.Data)
			ids = append(ids, id)
			textLogits = append(textLogits, logits.Data...)
			logX = append(logX, m.LM.LogProb(nil, h, []int{id}).Data...)
			h = feed(m.LM.Embed(nil, []int{id}))
		}
	}
	tensortest.Forward.Check(t, "mu", mu.Data, g.Floats("mu"))
	tensortest.Forward.Check(t, "log_sigma", logSigma.Data, g.Floats("log_sigma"))
	tensortest.Forward.Check(t, "u", u.Data, g.Floats("u"))
	logU := tape.GaussianLogProb(u, mu, logSigma, 0)
	tensortest.Likelihood.Check(t, "logp_u", logU.Data, g.Floats("logp_u"))
	tempered := tensor.New(n*K, D)
	for i, l := range logSigma.Data {
		tempered.Data[i] = l + float32(math.Log(temp))
	}
	tensortest.Likelihood.Check(t, "logp_u_tempered", tape.GaussianLogProb(u, mu, tempered, 0).Data, g.Floats("logp_u_tempered"))
	sameInts(t, "text_ids", ids, textIDs)
	tensortest.Forward.Check(t, "text_logits", textLogits, g.Floats("text_logits"))
	tensortest.Likelihood.Check(t, "logp_x", logX, g.Floats("logp_x"))
	tensortest.Inverse.Check(t, "e", m.Flow.Inverse(u, nil).Data, g.Floats("e"))

	// The same through the sampler and the scorer, with the fixture's thoughts in
	// place of drawn ones. EOS does not stop the fixture.
	m.Special.EOS = -1
	goldenU := rowsOf(g.Tensor("u"))
	samples := slices.Concat(m.Sample(slices.Repeat([][]int{prompt}, n), 1, Options{Sampling: Sampling{MaxTokens: perSample}, Replace: func(p, _ int) *tensor.Tensor { return rowRange(goldenU, p*K, (p+1)*K) }})...)
	thoughts, text := m.LogProb(nil, samples, untempered)
	logPU, logPX, total := g.Floats("logp_u"), g.Floats("logp_x"), g.Floats("logp_total")
	for b, s := range samples {
		sameInts(t, "answer", s.Answer, textIDs[b*perSample:(b+1)*perSample])
		wantU, wantX := sum(logPU[b*K:(b+1)*K]), sum(logPX[b*perSample:(b+1)*perSample])
		tensortest.Likelihood.CheckScalar(t, "LogThoughts", s.LogThoughts, wantU)
		tensortest.Likelihood.CheckScalar(t, "LogText", s.LogText, wantX)
		tensortest.Likelihood.CheckScalar(t, "score of thoughts", float64(thoughts.Data[b]), wantU)
		tensortest.Likelihood.CheckScalar(t, "score of text", float64(text.Data[b]), wantX)
		tensortest.Likelihood.CheckScalar(t, "logp_total", s.LogThoughts+s.LogText, total[b])
	}
}

// rowRange is rows from..to of x.
func rowRange(x *tensor.Tensor, from, to int) *tensor.Tensor {
	return tensor.From(x.Data[from*x.Cols():to*x.Cols()], to-from, x.Cols())
}

func sum(x []float64) (s float64) {
	for _, v := range x {
		s += v
	}
	return s
}
