package train

import (
	"math"
	"testing"

	"nfcot/internal/tensor/tensortest"
)

// grpoExact is for values worked out by hand.
var grpoExact = tensortest.Tolerance{Rel: 1e-6, Abs: 1e-6}

// grpoGolden is a batch of groups with the log-probability of every thought and token.
type grpoGolden struct {
	*tensortest.Golden
	groups, size, K, L  int
	g                   objective
	adv                 []float64
	uNow, uOld, uRef    []float64 // [groups·size·K]
	xNow, xOld, xRef, m []float64 // [groups·size·L], and which tokens there are
}

func openGRPO(t *testing.T, name string) grpoGolden {
	f := tensortest.Open(t, "grpo", name)
	x := grpoGolden{Golden: f, groups: f.Shape("rewards")[0], size: f.Shape("rewards")[1], K: f.Shape("logp_u_new")[2], L: f.Shape("logp_x_new")[2],
		g:    objective{ClipEpsilon: f.Scalar("clip"), KL: f.Scalar("beta"), Thought: 1, Text: 1},
		uNow: f.Floats("logp_u_new"), uOld: f.Floats("logp_u_old"), uRef: f.Floats("logp_u_ref"),
		xNow: f.Floats("logp_x_new"), xOld: f.Floats("logp_x_old"), xRef: f.Floats("logp_x_ref"), m: f.Floats("mask")}
	if limit := f.Scalar("log_ratio_limit"); limit != ratioLimit {
		t.Fatalf("the limit of log ratios is %g there", limit)
	}
	rewards := f.Floats("rewards")
	for i := range x.groups {
		x.adv = append(x.adv, advantages(rewards[i*x.size:(i+1)*x.size], f.Scalar("adv_eps"))...)
	}
	return x
}

// sums are the log-probabilities of rollout i.
func (x grpoGolden) sums(i int, u, text []float64) (p LogProbs) {
	for k := range x.K {
		p.Thoughts += u[i*x.K+k]
	}
	for j := range x.L {
		if x.m[i*x.L+j] != 0 {
			p.Text += text[i*x.L+j]
		}
	}
	return p
}

// close compares numbers up to hundreds of millions: relative to the largest one
// wanted, too.
func (x grpoGolden) close(t *testing.T, name string, got []float64) {
	t.Helper()
	want := x.Floats(name)
	largest := 0.0
	for _, v := range want {
		largest = max(largest, math.Abs(v))
	}
	tol := tensortest.Tolerance{Rel: 1e-4, Abs: 1e-6 * largest}
	for i := range want {
		tol.CheckScalar(t, name, got[i], want[i])
	}
	if len(got) != len(want) {
		t.Errorf("%s: %d values, want %d", name, len(got), len(want))
	}
}

func TestGoldenGRPO(t *testing.T) {
	for _, name := range []string{"regular.safetensors", "extreme.safetensors"} {
		t.Run(name, func(t *testing.T) {
			x := openGRPO(t, name)
			x.close(t, "adv_population", x.adv)
			n := x.groups * x.size
			for mode, g := range map[string]objective{
				"joint":     {ClipEpsilon: x.g.ClipEpsilon, KL: x.g.KL, Joint: true},
				"split":     {ClipEpsilon: x.g.ClipEpsilon, KL: x.g.KL, Thought: 1, Text: 1},
				"text_only": {ClipEpsilon: x.g.ClipEpsilon, KL: x.g.KL, Text: 1},
			} {
				var loss float64
				du, dx := make([]float64, n*x.K), make([]float64, n*x.L)
				var klU, klX []float64
				for i := range n {
					now, old, ref := x.sums(i, x.uNow, x.xNow), x.sums(i, x.uOld, x.xOld), x.sums(i, x.uRef, x.xRef)
					thoughts, text := g.rollout(x.adv[i], now, old, ref)
					loss += (thoughts.loss + text.loss) / float64(n)
					for k := range x.K {
						du[i*x.K+k] = thoughts.slope / float64(n)
					}
					for j := range x.L {
						dx[i*x.L+j] = text.slope / float64(n) * x.m[i*x.L+j]
					}
					k, _ := divergence(now.Thoughts, ref.Thoughts)
					klU = append(klU, k)
					k, _ = divergence(now.Text, ref.Text)
					klX = append(klX, k)
				}
				x.close(t, mode+".loss", []float64{loss})
				if x.Has(mode + ".grad.logp_u_new") {
					x.close(t, mode+".grad.logp_u_new", du)
				}
				x.close(t, mode+".grad.logp_x_new", dx)
				if mode == "split" {
					x.close(t, "split.kl_u", klU)
					x.close(t, "split.kl_x", klX)
				}
			}
			x.elements(t)
		})
	}
}

// elements checks the same term on every thought and token by itself.
func (x grpoGolden) elements(t *testing.T) {
	n := x.groups * x.size
	du, dx := make([]float64, n*x.K), make([]float64, n*x.L)
	per := make([]float64, n)
	for i := range n {
		entries := float64(x.K)
		for j := range x.L {
			entries += x.m[i*x.L+j]
		}
		for k := range x.K {
			at := i*x.K + k
			p := x.g.term(x.adv[i], x.uNow[at], x.uOld[at], x.uRef[at])
			per[i] += p.loss / entries
			du[at] = p.slope / entries / float64(n)
		}
		for j := range x.L {
			if at := i*x.L + j; x.m[at] != 0 {
				p := x.g.term(x.adv[i], x.xNow[at], x.xOld[at], x.xRef[at])
				per[i] += p.loss / entries
				dx[at] = p.slope / entries / float64(n)
			}
		}
	}
	mean, _ := moments(per)
	x.close(t, "element.per_rollout", per)
	x.close(t, "element.loss", []float64{mean})
	x.close(t, "element.grad.logp_u_new", du)
	x.close(t, "element.grad.logp_x_new", dx)
}

// What a term is at values that can be worked out by hand.
func TestTermByHand(t *testing.T) {
	g := objective{ClipEpsilon: 0.2}
	for _, c := range []struct {
		adv, ratio  float64
		loss, slope float64
		clipped     bool
	}{
		{1, 1, -1, -1, false}, // more of what was rewarded
		{-1, 1, 1, 1, false},  // less of what was not
		{2, 1.5, -2.4, 0, true},
		{2, 0.5, -1, -1, false}, // a good one that was made rarer comes back
		{-2, 0.5, 1.6, 0, true},
		{-2, 1.5, 3, 3, false},
		{0, 1.5, 0, 0, false},
	} {
		x := g.term(c.adv, math.Log(c.ratio), 0, 0)
		grpoExact.CheckScalar(t, "loss", x.loss, c.loss)
		grpoExact.CheckScalar(t, "slope", x.slope, c.slope)
		if x.clipped != c.clipped {
			t.Errorf("advantage %g, ratio %g: clipped is %v", c.adv, c.ratio, x.clipped)
		}
	}
	k3, slope := divergence(0, math.Log(2)) // what the reference likes better becomes likelier
	grpoExact.CheckScalar(t, "k3", k3, 1-math.Log(2))
	grpoExact.CheckScalar(t, "its slope", slope, -1)
	if adv := advantages([]float64{1, 0, 0, 1}, 0); adv[0] != 1 || adv[1] != -1 {
		t.Errorf("advantages %v", adv)
	}
	for _, r := range []float64{1, 0.3, 0.1} {
		for i, a := range advantages([]float64{r, r, r, r, r, r, r}, advantageEps) {
			if a != 0 {
				t.Errorf("rewards are all %g, and advantage %d is %g", r, i, a)
			}
		}
	}
}
