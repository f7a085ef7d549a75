package cot

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"nfcot/internal/tensor"
)

// weights counts the multiplications in a model's parameters by what makes them: a
// matrix multiplies each row by each of its numbers.
type weights struct {
	row     int // of the backbone's blocks
	seen    int // of their attention, a row and a row that it sees
	logits  int // a row of the vocabulary's table
	predict int // of the head, a thought
	project int // of proj_in, a thought that is read
	time    int // of LaDiR's embedding of time
	flow    int // of the flow, a row, but for its attention
}

func weightsOf(t *testing.T, p *tensor.Params) (w weights) {
	t.Helper()
	for q := range p.All() {
		if len(q.Shape) < 2 || strings.HasSuffix(q.Name, "pos_embed") || strings.HasSuffix(q.Name, "embed_tokens.weight") || q.Name == "slot.weight" {
			continue // nothing is multiplied with a vector that is added or scales, or with a row that is looked up
		}
		n := q.Shape[0] * q.Shape[1]
		switch {
		case strings.HasPrefix(q.Name, "model.layers."):
			w.row += n
			if strings.HasSuffix(q.Name, "q_proj.weight") {
				w.seen += 2 * q.Shape[0] // a query with a key, and a weight with a value, number by number of all heads
			}
		case q.Name == "lm_head.weight":
			w.logits += n
		case strings.HasPrefix(q.Name, "nf_head."), strings.HasPrefix(q.Name, "code_head."):
			w.predict += n
		case strings.HasPrefix(q.Name, "proj_in."):
			w.project += n
		case strings.HasPrefix(q.Name, "time."):
			w.time += n
		case strings.HasPrefix(q.Name, "flow.blocks."):
			w.flow += n
		default:
			t.Fatalf("who multiplies with %s?", q.Name)
		}
	}
	return w
}

// rows counts the multiplications of n rows of the backbone that follow past others in
// a stream, each seeing itself and all before it.
func (w weights) rows(past, n int) int {
	sum := 0
	for i := range n {
		sum += w.row + w.seen*(past+i+1)
	}
	return sum
}

// codes counts the multiplications of a flow for all thoughts of an example.
func (w weights) codes() int {
	sum := 0
	for k := range nfOptions.K {
		sum += w.flow + (k+1)*2*flowShape.Width*flowShape.Layers*flowShape.Blocks
	}
	return sum
}

// block counts the multiplications of n rows of the backbone that follow past others,
// each seeing all of them.
func (w weights) block(past, n int) int { return n * (w.row + w.seen*(past+n)) }

func checkFLOPs(t *testing.T, what string, got float64, multiplications int) {
	t.Helper()
	if want := float64(2 * multiplications); got != want {
		t.Errorf("%s: %g operations, want %g", what, got, want)
	}
}

// What samplers say they did is what the parameters' shapes say has to be done for the
// rows of each sample.
func TestSamplersCountWhatTheyDo(t *testing.T) {
	nf, nfParams := shakenNFCoT(nfOptions)
	dual, dualParams := shakenDual(nfOptions)
	lavae, lavaeParams := shakenLaVAE(nfOptions)
	ladir, ladirParams := shakenLaDiR(nfOptions, "flow")
	direct, directParams := shakenText(false)
	chain, chainParams := shakenText(true)
	o := Options{Sampling: Sampling{ThoughtTemp: 1, Temp: 1, MaxTokens: 12, Seed: 2}}

	// tokens counts the multiplications for the tokens of a sample, the first of which the
	// last of past rows predicts. Each is drawn from logits; but for the last, whom no one
	// reads, its row then counts as thinking until the chain of thought has come to its end.
	tokens := func(w weights, past int, chain bool, s Sample) (think, say int) {
		inChain, all := len(s.Chain), len(s.Chain)+len(s.Answer)
		if s.ChainClosed {
			inChain, all = inChain+1, all+1 // Ans
		}
		if s.Finished {
			all++
		}
		if s.Finished && chain && !s.ChainClosed {
			inChain++ // EOS in the middle of the chain
		}
		for j := range all {
			read := 0
			if j+1 < all {
				read = w.rows(past+j, 1)
			}
			switch {
			case j+1 == inChain && s.ChainClosed:
				think, say = think+w.logits, say+read
			case j < inChain:
				think += w.logits + read
			default:
				say += w.logits + read
			}
		}
		return think, say
	}
	K := nfOptions.K
	nfWeights, dualWeights, lavaeWeights, ladirWeights := weightsOf(t, nfParams), weightsOf(t, dualParams), weightsOf(t, lavaeParams), weightsOf(t, ladirParams)
	onePass := func(w weights) func(past int) int {
		return func(past int) int { return K*(w.predict+w.project) + w.rows(past, K) }
	}
	for name, m := range map[string]struct {
		Sampler
		weights
		think func(past int) int // before the first token
		rows  int
	}{
		"nfcot": {nf, nfWeights, onePass(nfWeights), K},
		"nfcot-dual": {dual, dualWeights, func(past int) int { // the last thought is read in the second pass alone
			w := dualWeights
			return K*w.predict + (K-1)*w.project + w.rows(past, K-1) + w.codes() + K*w.project + w.rows(past, K)
		}, K},
		"lavae": {lavae, lavaeWeights, onePass(lavaeWeights), K},
		"ladir": {ladir, ladirWeights, func(past int) int {
			w := ladirWeights
			return ladir.Diffusion.Steps*(K*(w.predict+w.project)+w.block(past, K)+w.time) + K*w.project + w.rows(past, K)
		}, K},
		"direct": {direct, weightsOf(t, directParams), func(int) int { return 0 }, 0},
		"cot":    {chain, weightsOf(t, chainParams), func(int) int { return 0 }, 0},
	} {
		ended := 0
		for i, s := range slices.Concat(m.Sample(prompts(3), 40, o)...) {
			past := len(s.Prompt) + 1 // with BOT, CoT or Ans
			think, say := tokens(m.weights, past+m.rows, name == "cot", s)
			checkFLOPs(t, fmt.Sprintf("%s, sample %d, thinking", name, i), s.ThinkCost.FLOPs, m.think(past)+think)
			checkFLOPs(t, fmt.Sprintf("%s, sample %d, answering", name, i), s.AnswerCost.FLOPs, say)
			if (s.ThinkCost.FLOPs > 0) != (s.ThinkCost.Seconds > 0) || s.AnswerCost.FLOPs > 0 && s.AnswerCost.Seconds <= 0 {
				t.Errorf("%s, sample %d: thinking %+v, answering %+v", name, i, s.ThinkCost, s.AnswerCost)
			}
			if s.ChainClosed {
				ended++
			}
		}
		if name == "cot" && ended == 0 {
			t.Error("no chain came to its end")
		}
	}
}

// So is what a training step says it did: three times the work of going forward,
// the backbone's and that of all else that is trained through.
func TestLossesCountWhatTheyDo(t *testing.T) {
	batch := examples(4)
	nf, nfParams := shakenNFCoT(nfOptions)
	dual, dualParams := shakenDual(nfOptions)
	lavae, lavaeParams := shakenLaVAE(nfOptions)
	ladir, ladirParams := shakenLaDiR(nfOptions, "flow")
	direct, directParams := shakenText(false)
	chain, chainParams := shakenText(true)
	loss := func(l Learner) Loss { return l.Loss(new(tensor.Tape), batch, l.Size(batch), StepRand{}) }
	// backbone counts streams, given the rows and the predicted tokens of each.
	backbone := func(w weights, stream func(ex Encoded) (rows, tokens int)) (sum int) {
		for _, ex := range batch {
			rows, tokens := stream(ex)
			sum += w.rows(0, rows) + tokens*w.logits
		}
		return 3 * sum
	}
	w := weightsOf(t, directParams)
	got := loss(direct)
	checkFLOPs(t, "direct", got.FLOPs, backbone(w, func(ex Encoded) (rows, tokens int) {
		return len(ex.Prompt) + 1 + len(ex.Answer), len(ex.Answer) + 1
	}))
	checkFLOPs(t, "direct, the rest", got.HeadFLOPs, 0)

	w = weightsOf(t, chainParams)
	got = loss(chain)
	checkFLOPs(t, "cot", got.FLOPs, backbone(w, func(ex Encoded) (rows, tokens int) {
		said := ex.chainTokens() + 1 + len(ex.Answer)
		return len(ex.Prompt) + 1 + said, said + 1
	}))
	checkFLOPs(t, "cot, the rest", got.HeadFLOPs, 0)

	K := nfOptions.K
	thinking := func(ex Encoded) (rows, tokens int) {
		return len(ex.Prompt) + 1 + K + len(ex.Answer), len(ex.Answer) + 1
	}
	w = weightsOf(t, lavaeParams)
	got = loss(lavae)
	checkFLOPs(t, "lavae", got.FLOPs, backbone(w, thinking))
	checkFLOPs(t, "lavae, the rest", got.HeadFLOPs, 3*len(batch)*K*(w.predict+w.project))

	w = weightsOf(t, ladirParams)
	got = loss(ladir)
	blocks := 0
	for _, ex := range batch {
		blocks += w.block(len(ex.Prompt)+1, K)
	}
	checkFLOPs(t, "ladir", got.FLOPs, backbone(w, thinking)+3*blocks)
	checkFLOPs(t, "ladir, the rest", got.HeadFLOPs, 3*len(batch)*(K*(w.predict+2*w.project)+w.time))

	w = weightsOf(t, nfParams)
	got = loss(nf.Reading())
	said := 0
	for k := range K {
		said += backbone(w, func(ex Encoded) (rows, tokens int) { return 3 + len(ex.Said[k]), len(ex.Said[k]) + 1 })
	}
	checkFLOPs(t, "reading", got.FLOPs, said)
	checkFLOPs(t, "reading, the rest", got.HeadFLOPs, 3*len(batch)*K*w.project)

	for _, held := range []bool{true, false} {
		w = weightsOf(t, nfParams)
		got = loss(Stage{NFCoT: nf, FreezeFlow: held})
		flow := 0
		if !held {
			flow = w.codes()
		}
		checkFLOPs(t, "nfcot", got.FLOPs, backbone(w, thinking))
		checkFLOPs(t, fmt.Sprintf("nfcot, the rest, flow held: %v", held), got.HeadFLOPs, 3*len(batch)*(K*(w.predict+w.project)+flow))

		w = weightsOf(t, dualParams)
		got = loss(Stage{NFCoT: dual, FreezeFlow: held})
		thoughts := backbone(w, func(ex Encoded) (rows, tokens int) { return len(ex.Prompt) + K, 0 }) // the last one is read by no one
		checkFLOPs(t, "nfcot-dual", got.FLOPs, backbone(w, thinking)+thoughts)
		checkFLOPs(t, fmt.Sprintf("nfcot-dual, the rest, flow held: %v", held), got.HeadFLOPs, 3*len(batch)*(K*(w.predict+2*w.project)+flow))
	}
}
