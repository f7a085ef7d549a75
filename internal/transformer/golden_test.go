package transformer

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"nfcot/internal/shared"
	"nfcot/internal/tensor"
	"nfcot/internal/tensor/tensortest"
)

// open makes the model of a folder of the fixtures.
func open(t *testing.T, dir string) (*LM, *tensor.Params) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(shared.Fixtures(t), "qwen3_tiny", dir, "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := ParseConfig(text)
	if err != nil {
		t.Fatal(err)
	}
	weights := tensortest.OpenModel(t, "qwen3_tiny", dir)
	p := tensor.NewParams(1)
	m := NewLM(p, c)
	if c.Tied { // some tied checkpoints store the table twice
		weights.Load(p, "", "lm_head.weight")
		if weights.Has("lm_head.weight") && !slices.Equal(weights.Tensor("lm_head.weight").Data, m.embed.Data) {
			t.Fatal("lm_head.weight is not the embedding table")
		}
	} else {
		weights.Load(p, "")
	}
	return m, p
}

// A textBatch is sequences of one length, one after the other.
type textBatch struct {
	ids    []int
	rows   Layout
	target []int // of each row; negative: none
}

// batchOf reads ids and labels [batch, position]. Label t is for the logits of
// row t-1 (Hugging Face's convention).
func batchOf(g *tensortest.Golden, ids, labels string) (b textBatch) {
	shape := g.Shape(ids)
	b.ids, b.target = g.Ints(ids), make([]int, shape[0]*shape[1])
	label := g.Ints(labels)
	for range shape[0] {
		b.rows = Causal(b.rows, shape[1])
	}
	for r := range b.target {
		b.target[r] = -1
		if (r+1)%shape[1] != 0 {
			b.target[r] = label[r+1]
		}
	}
	return b
}

// loss returns log-probabilities of the targets and their negative mean.
func (b textBatch) loss(t *tensor.Tape, m *LM) (h, logits, logp, loss *tensor.Tensor) {
	h = m.Forward(t, m.Embed(t, b.ids), b.rows)
	logits = m.Logits(t, h)
	logp = m.LogProb(t, h, b.target)
	counted := 0
	for _, id := range b.target {
		if id >= 0 {
			counted++
		}
	}
	return h, logits, logp, t.Scale(-1/float32(counted), t.Sum(logp))
}

func TestGoldenForwardAndGradients(t *testing.T) {
	for _, dir := range []string{"tied", "untied", "tied_bf16", "untied_sharded"} {
		t.Run(dir, func(t *testing.T) {
			m, p := open(t, dir)
			g := tensortest.Open(t, "qwen3_tiny", dir, "expected.safetensors")
			b := batchOf(g, "input_ids", "labels")
			tape := new(tensor.Tape)
			h, logits, logp, loss := b.loss(tape, m)
			tensortest.Forward.Check(t, "hidden.embed", m.Embed(nil, b.ids).Data, g.Floats("hidden.embed"))
			tensortest.Forward.Check(t, "hidden.final_norm", h.Data, g.Floats("hidden.final_norm"))
			tensortest.Forward.Check(t, "logits", logits.Data, g.Floats("logits"))
			tensortest.Likelihood.Check(t, "loss_mean", loss.Data, g.Floats("loss_mean"))
			length := g.Shape("input_ids")[1]
			var nll []float32 // without the last row of a sequence, which predicts nothing
			for r, v := range logp.Data {
				if (r+1)%length != 0 {
					nll = append(nll, -v)
				}
			}
			tensortest.Likelihood.Check(t, "token_nll", nll, g.Floats("token_nll"))
			checkLayers(t, m, g, b)

			tape.Backward(loss)
			if g.Has("grad.model.norm.weight") {
				g.CheckGrads(p, "grad.", tensortest.Gradient)
			} else if dir != "untied_sharded" {
				t.Error("the file has no gradients")
			}
		})
	}
}

// checkLayers compares the residual stream after every layer, which shows only
// through the final norm, and what attention sees and gives in the first one.
func checkLayers(t *testing.T, m *LM, g *tensortest.Golden, b textBatch) {
	t.Helper()
	var nilTape *tensor.Tape
	x := m.Embed(nil, b.ids)
	for l := range m.Layers {
		upTo := *m.Trunk
		upTo.blocks = m.blocks[:l+1]
		name := "hidden.layer." + strconv.Itoa(l)
		want := m.norm.apply(nil, g.Tensor(name))
		tensortest.Forward.Check(t, name+" after the norm", upTo.Forward(nil, x, b.rows).Data, tensortest.Float64s(want.Data))
	}
	if !g.Has("debug.layer0.q_rope") {
		return
	}
	pos, see := b.rows.Pos, b.rows.Spans
	block, hd := m.blocks[0], m.HeadDim
	queries, keys := m.Heads*hd, m.KVHeads*hd
	qkv := block.qkv.apply(nil, block.attnNorm.apply(nil, x))
	qk := nilTape.NormRope(qkv.Part(0, queries+keys), m.Heads, block.qNorm, block.kNorm, m.NormEps, pos, m.rotary)
	q, k, v := qk.Part(0, queries), qk.Part(queries, keys), qkv.Part(queries+keys, keys)
	y := nilTape.Attention(q, k, v, nilTape.Mask(see), hd)
	batch := g.Shape("input_ids")[0]
	tensortest.Forward.Check(t, "q_rope", headsFirst(nilTape.Columns(q), batch, hd), g.Floats("debug.layer0.q_rope"))
	tensortest.Forward.Check(t, "k_rope", headsFirst(nilTape.Columns(k), batch, hd), g.Floats("debug.layer0.k_rope"))
	tensortest.Forward.Check(t, "v", headsFirst(nilTape.Columns(v), batch, hd), g.Floats("debug.layer0.v"))
	tensortest.Forward.Check(t, "attn_heads", y.Data, g.Floats("debug.layer0.attn_heads"))
	tensortest.Forward.Check(t, "attn_out", block.o.apply(nil, y).Data, g.Floats("debug.layer0.attn_out"))
}

// headsFirst turns [batch·position, head·hd] into [batch, head, position, hd].
func headsFirst(x *tensor.Tensor, batch, hd int) (y []float32) {
	length := x.Rows() / batch
	for b := range batch {
		for h := 0; h < x.Cols(); h += hd {
			for r := range length {
				y = append(y, x.Row(b*length + r)[h:h+hd]...)
			}
		}
	}
	return y
}

func TestGoldenAdamW(t *testing.T) {
	for _, dir := range []string{"tied", "untied"} {
		t.Run(dir, func(t *testing.T) {
			m, p := open(t, dir)
			g := tensortest.Open(t, "qwen3_tiny", dir, "adamw.safetensors")
			text, err := os.ReadFile(filepath.Join(shared.Fixtures(t), "qwen3_tiny", dir, "adamw.json"))
			if err != nil {
				t.Fatal(err)
			}
			var c struct{ B1, B2, Eps, WD, Clip float64 }
			if err := json.Unmarshal(text, &c); err != nil {
				t.Fatal(err)
			}
			o := tensor.NewAdamW(p)
			o.Beta1, o.Beta2, o.Eps, o.Decay = c.B1, c.B2, c.Eps, c.WD
			rates, losses, norms := g.Floats("lr_table"), g.Floats("loss"), g.Floats("grad_norm")
			tape := new(tensor.Tape)
			for s := range losses {
				name := "step " + strconv.Itoa(s)
				if lr := g.Floats("lr")[s]; lr != rates[s] {
					t.Errorf("%s: rate %g, in the table %g", name, lr, rates[s])
				}
				prefix := "step." + strconv.Itoa(s) + "."
				_, _, _, loss := batchOf(g, prefix+"input_ids", prefix+"labels").loss(tape, m)
				tensortest.Likelihood.Check(t, name+" loss", loss.Data, losses[s:s+1])
				tape.Backward(loss)
				tape.Reset()
				norm := o.Step(rates[s], c.Clip)
				tensortest.Likelihood.CheckScalar(t, name+" gradient norm", norm, norms[s])
				if s == 0 || s == len(losses)-1 {
					checkParameters(t, g, p, "after"+strconv.Itoa(s+1)+".")
				}
			}
			for _, q := range o.Moments {
				tensortest.Gradient.Check(t, "exp_avg."+q.Name, q.M, g.Floats("exp_avg."+q.Name))
				tensortest.Gradient.Check(t, "exp_avg_sq."+q.Name, q.V, g.Floats("exp_avg_sq."+q.Name))
			}
		})
	}
}

// checkParameters allows 1e-4 for all and 2e-6 for all but one in a thousand:
// Adam amplifies rounding where a gradient is near 0.
func checkParameters(t *testing.T, g *tensortest.Golden, p *tensor.Params, prefix string) {
	t.Helper()
	all, far := 0, 0
	for q := range p.All() {
		want := g.Floats(prefix + q.Name)
		tensortest.Tolerance{Rel: 1e-4, Abs: 1e-4}.Check(t, prefix+q.Name, q.Data, want)
		for i, v := range q.Data {
			all++
			if (tensortest.Tolerance{Abs: 2e-6}).Excess(float64(v), want[i]) > 1 {
				far++
			}
		}
	}
	if far*1000 > all {
		t.Errorf("%s: %d of %d numbers are off by more than 2e-6", prefix, far, all)
	}
	t.Logf("%s: %d of %d numbers are off by more than 2e-6", prefix, far, all)
}

func TestGoldenGreedyDecoding(t *testing.T) {
	for _, dir := range []string{"tied", "untied"} {
		t.Run(dir, func(t *testing.T) {
			m, _ := open(t, dir)
			g := tensortest.Open(t, "kv_decode", dir+".safetensors")
			prompt, want := g.Ints("prompt_ids"), g.Ints("generated_ids")
			c := m.NewCache()
			logits := m.Logits(nil, m.Step(nil, slices.Repeat([]*Cache{c}, len(prompt)), m.Embed(nil, prompt)))
			tensortest.Forward.Check(t, "prefill_logits", logits.Data, g.Floats("prefill_logits"))

			var got []int
			var stepLogits, logp []float32
			for {
				last := logits.Row(logits.Rows() - 1)
				stepLogits = append(stepLogits, last...)
				id := slices.Index(last, slices.Max(last))
				logp = append(logp, tensor.LogSoftmaxAt(last, make([]float32, len(last)), id))
				if got = append(got, id); len(got) == len(want) {
					break
				}
				logits = m.Logits(nil, m.Step(nil, []*Cache{c}, m.Embed(nil, []int{id})))
			}
			if !slices.Equal(got, want) {
				t.Errorf("generated %v, want %v", got, want)
			}
			tensortest.Forward.Check(t, "step_logits", stepLogits, g.Floats("step_logits"))
			tensortest.Likelihood.Check(t, "step_logprob", logp, g.Floats("step_logprob"))

			var keys, values []float32 // [layer, kv head, position, head_dim]
			for l := range m.Layers {
				k, v := c.layers[l].Rows()
				keys = append(keys, headsFirst(k, 1, m.HeadDim)...)
				values = append(values, headsFirst(v, 1, m.HeadDim)...)
			}
			tensortest.Forward.Check(t, "cache_k", keys, g.Floats("cache_k"))
			tensortest.Forward.Check(t, "cache_v", values, g.Floats("cache_v"))
		})
	}
}
