package cot

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"

	"nfcot/internal/tensor"
	"nfcot/internal/transformer"
)

// VAEConfig is the shape of a VAE and how it is trained to see.
type VAEConfig struct {
	K        int     `json:"thoughts" yaml:"thoughts"` // codes an example
	D        int     `json:"dims" yaml:"dims"`         // numbers a code
	Encoder  string  `json:"encoder" yaml:"encoder"`   // see Encoders
	Segments string  `json:"segments" yaml:"segments"` // what code k encodes: step k of the chain, see Segmentations
	Length   int     `json:"length" yaml:"length"`     // longest segment in tokens; set from the data
	Noise    float64 `json:"noise" yaml:"noise"`       // std of the noise added to codes in training
	Beta     float64 `json:"beta" yaml:"beta"`         // weight of the KL
	Hidden   int     `json:"hidden" yaml:"hidden"`     // width of its transformers
	Layers   int     `json:"layers" yaml:"layers"`     // of each of them
	Heads    int     `json:"heads" yaml:"heads"`       // of their attention

	// Embedding is the width of the token embeddings of a language model, frozen, that the encoder stands on; 0: it
	// learns vectors of its own. With EncoderLayer it stands on the model's hidden states behind that block instead.
	Embedding    int `json:"embedding,omitempty" yaml:"embedding,omitempty"`
	EncoderLayer int `json:"encoder_layer,omitempty" yaml:"encoder_layer,omitempty"`
}

// Encoders are the kinds of VAE encoder:
//
//	linear: code k is the sum, over the tokens of segment k, of a vector trained
//	        for (position in the segment, token), or, on embeddings, of a trained
//	        linear map of the position; the decoder is local
//	local:  a transformer reads segment k alone, and then memory slot k
//	causal: a transformer reads the segments one after the other, slot k after segment k
//	full:   a transformer reads the whole chain and then the K slots (the paper's)
//
// The decoder sees what the encoder's slot saw: code k for segment k; the codes
// and segments up to k; all the codes.
var Encoders = []string{"linear", "local", "causal", "full"}

// Local says whether each code is read alone: it stands for its segment whatever the others are.
func (c VAEConfig) Local() bool { return c.Encoder == "linear" || c.Encoder == "local" }

// Check says what is wrong with the shape, if anything is.
func (c VAEConfig) Check() error {
	if err := checkSegments(c.Segments); err != nil {
		return err
	}
	switch {
	case !slices.Contains(Encoders, c.Encoder):
		return fmt.Errorf("encoder is %q; want one of %q", c.Encoder, Encoders)
	case c.K < 1 || c.D < 1 || c.Hidden < 1 || c.Layers < 1 || c.Heads < 1:
		return fmt.Errorf("VAE of %d thoughts x %d dims, hidden %d, %d layers, %d heads; each must be at least 1", c.K, c.D, c.Hidden, c.Layers, c.Heads)
	case c.Embedding < 0 || c.Embedding > 1<<20:
		return fmt.Errorf("VAE on embeddings of width %d; want 0 to %d", c.Embedding, 1<<20)
	case c.EncoderLayer < 0 || c.EncoderLayer > 1<<12 || c.EncoderLayer > 0 && c.Embedding == 0:
		return fmt.Errorf("VAE on states behind block %d of a model of width %d; want a block of a model", c.EncoderLayer, c.Embedding)
	case c.K > 1<<16 || c.D > 1<<16 || c.Hidden > 1<<16 || c.Layers > 1<<12:
		return fmt.Errorf("VAE of %d thoughts x %d dims, hidden %d, %d layers; want at most %d x %d, %d and %d", c.K, c.D, c.Hidden, c.Layers, 1<<16, 1<<16, 1<<16, 1<<12)
	case c.Hidden%(2*c.Heads) != 0:
		return fmt.Errorf("VAE hidden is %d, not an even multiple of its heads (%d)", c.Hidden, c.Heads)
	}
	return nil
}

// A VAE distils a chain of thought into K codes and reads codes back as text
// (docs/method.md section 5). Once trained it is frozen; Mean and Std then map its codes
// to standardised ones, which everything outside sees.
type VAE struct {
	Params    *tensor.Params
	Config    VAEConfig
	Vocab     int // of its tokenizer
	EOS       int
	Rows      []int     // the tokens that it knows, ascending, EOS among them; nil: all
	Mean, Std []float32 // [D], of the posterior means over the training set

	terms Terms // of the last loss

	embeddings *tensor.Tensor // of a language model, at a root mean square of 1: [rows, Embedding]; nil: none
	// The linear encoder.
	table, tableBias, tableLogVar *tensor.Tensor   // [Length·rows, D], [D], [D]
	maps                          []*tensor.Tensor // on embeddings, in place of the table: [Length] of [D, Embedding]
	// The transformer encoders.
	encEmbed, encIn, memory            *tensor.Tensor // [rows, H], or on embeddings [H, Embedding], and [K, H]
	encoder                            *transformer.Trunk
	mu, muBias, logVar, logVarBias     *tensor.Tensor // [D, H], [D]
	decEmbed, slot, codeIn, codeInBias *tensor.Tensor // [rows, H], [K, H], [H, D], [H]
	decoder                            *transformer.Trunk
}

// largeVocab is where a VAE stops to know every token: of the 49,152 tokens of a model of
// others chains use a few thousandths, and a table of the linear encoder for all of them, at
// every position, would take 164 MB and twice that for its moments, while nearly all of the
// decoder's work would be to find the others unlikely.
const largeVocab = 8192

// RowsFor are the tokens that a VAE of chains has to know: those that occur in them and eos if
// the vocabulary is large, or else nil, all.
func RowsFor(vocab, eos int, chains [][][]int) []int {
	if vocab <= largeVocab {
		return nil
	}
	occurs := map[int]bool{eos: true}
	for _, segments := range chains {
		for _, s := range segments {
			for _, id := range s {
				occurs[id] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(occurs))
}

// embeddingsName is the parameter that holds what SetEmbeddings is given.
const embeddingsName = "encoder.embeddings"

// NewVAE makes the parameters of a VAE over a vocabulary. rows are the tokens that it knows,
// ascending, eos among them; nil: all. Embeddings are zero until SetEmbeddings.
func NewVAE(p *tensor.Params, c VAEConfig, vocab, eos int, rows []int) *VAE {
	v := &VAE{Params: p, Config: c, EOS: eos, Vocab: vocab, Rows: rows, Mean: make([]float32, c.D), Std: slices.Repeat([]float32{1}, c.D)}
	hd := c.Hidden / c.Heads
	shape := transformer.Config{Hidden: c.Hidden, Layers: c.Layers, Heads: c.Heads, KVHeads: c.Heads, HeadDim: hd, FFN: 2 * c.Hidden,
		Vocab: v.vectors(), Theta: 1e4, NormEps: 1e-6, MaxTokens: c.K * (c.Length + 2)}
	const startLogVar = -2
	if c.Embedding > 0 && c.EncoderLayer == 0 {
		v.embeddings = p.Const(embeddingsName, 0, v.vectors(), c.Embedding)
	}
	narrow := 1 / math.Sqrt(float64(max(1, c.Embedding))) // so that what is made of embeddings begins as large as vectors of their own
	if c.Encoder == "linear" {
		if c.Embedding > 0 {
			for pos := range c.Length {
				v.maps = append(v.maps, p.Normal(fmt.Sprintf("encoder.maps.%d", pos), 0.5*narrow, c.D, c.Embedding))
			}
		} else {
			v.table = p.Normal("encoder.table", 0.5, c.Length*v.vectors(), c.D)
		}
		v.tableBias = p.Const("encoder.bias", 0, c.D)
		v.tableLogVar = p.Const("encoder.log_var", startLogVar, c.D)
	} else {
		if c.Embedding > 0 {
			v.encIn = p.Normal("encoder.embed_in.weight", 0.05*narrow, c.Hidden, c.Embedding)
		} else {
			v.encEmbed = p.Normal("encoder.embed_tokens.weight", 0.05, v.vectors(), c.Hidden)
		}
		v.memory = p.Normal("encoder.memory", 0.3, c.K, c.Hidden)
		v.encoder = transformer.NewTrunk(p.Sub("encoder"), shape)
		v.mu, v.muBias = p.Normal("encoder.mu.weight", 1/math.Sqrt(float64(c.Hidden)), c.D, c.Hidden), p.Const("encoder.mu.bias", 0, c.D)
		v.logVar, v.logVarBias = p.Const("encoder.log_var.weight", 0, c.D, c.Hidden), p.Const("encoder.log_var.bias", startLogVar, c.D)
	}
	v.decEmbed = p.Normal("decoder.embed_tokens.weight", 0.05, v.vectors(), c.Hidden)
	v.slot = p.Normal("decoder.slot", 0.1, c.K, c.Hidden)
	v.codeIn, v.codeInBias = p.Normal("decoder.code_in.weight", 1/math.Sqrt(float64(c.D)), c.Hidden, c.D), p.Const("decoder.code_in.bias", 0, c.Hidden)
	v.decoder = transformer.NewTrunk(p.Sub("decoder"), shape)
	return v
}

// vectors is the number of tokens that the VAE knows.
func (v *VAE) vectors() int {
	if v.Rows == nil {
		return v.Vocab
	}
	return len(v.Rows)
}

// row is the row of tables that a token has, false for a token that has none.
func (v *VAE) row(id int) (int, bool) {
	if v.Rows == nil {
		return id, true
	}
	return slices.BinarySearch(v.Rows, id)
}

// rows are those of the tokens that have one.
func (v *VAE) rows(tokens []int) []int {
	var rows []int
	for _, id := range tokens {
		if row, ok := v.row(id); ok {
			rows = append(rows, row)
		}
	}
	return rows
}

// token undoes row.
func (v *VAE) token(row int) int {
	if v.Rows == nil {
		return row
	}
	return v.Rows[row]
}

// Trains says whether training moves a parameter: all but the embeddings.
func (v *VAE) Trains(name string) bool { return name != embeddingsName }

// SetEmbeddings gives the encoder the embeddings of a language model for the tokens that the
// VAE knows: embed returns them, [tokens, Embedding]. They are kept at a root mean square of 1,
// whatever theirs is.
func (v *VAE) SetEmbeddings(embed func(tokens []int) *tensor.Tensor) {
	tokens := make([]int, v.vectors())
	for row := range tokens {
		tokens[row] = v.token(row)
	}
	x, squares := embed(tokens), 0.0
	for _, value := range x.Data {
		squares += float64(value) * float64(value)
	}
	scale := float32(math.Sqrt(float64(len(x.Data)) / squares))
	for i, value := range x.Data {
		v.embeddings.Data[i] = scale * value
	}
}

// Cut makes K segments of the steps of a chain. Short chains leave the last ones empty; of a
// chain with more steps the last segment has all that are left. It fails when a segment is
// longer than the VAE was made for.
func (c VAEConfig) Cut(steps [][]int) ([][]int, error) {
	segments := make([][]int, c.K)
	if c.Segments == "even" {
		all := slices.Concat(steps...)
		for k := range segments {
			segments[k] = all[k*len(all)/c.K : (k+1)*len(all)/c.K]
		}
	} else if copy(segments, steps); len(steps) > c.K {
		segments[c.K-1] = slices.Concat(steps[c.K-1:]...)
	}
	for k, s := range segments {
		if c.Length > 0 && len(s) > c.Length {
			return nil, fmt.Errorf("segment %d of the chain has %d tokens, more than %d", k+1, len(s), c.Length)
		}
	}
	return segments, nil
}

// A part is a stretch of codes and the tokens that they are about: the unit
// that encoder and decoder read.
type part struct {
	codes  []int // rows of the stacked codes
	tokens []int
	joins  bool // continues the stream of the part before it
}

// parts groups codes and segments as the kind of encoder wants.
// chains [B][K]segment
func (v *VAE) parts(chains [][][]int) []part {
	var parts []part
	for b, segments := range chains {
		if v.Config.Encoder == "full" {
			all := part{tokens: slices.Concat(segments...)}
			for k := range segments {
				all.codes = append(all.codes, b*v.Config.K+k)
			}
			parts = append(parts, all)
			continue
		}
		for k, s := range segments {
			parts = append(parts, part{[]int{b*v.Config.K + k}, s, k > 0 && v.Config.Encoder == "causal"})
		}
	}
	return parts
}

// inputs are the rows that the tokens of each part have in what the encoder stands on. States
// are there for each token, in the order of the parts; a table has a row for the tokens that the
// VAE knows, and -1 is that of the others.
func (v *VAE) inputs(parts []part) [][]int {
	all, n := make([][]int, len(parts)), 0
	for i, p := range parts {
		for _, id := range p.tokens {
			row, known := n, true
			if v.Config.EncoderLayer == 0 {
				row, known = v.row(id)
			}
			if !known {
				row = -1
			}
			all[i], n = append(all[i], row), n+1
		}
	}
	return all
}

// Encode returns the posterior of every code, not standardised. states are those of the chains'
// tokens, one after the other, if the encoder stands on states (EncoderLayer), or else nil.
// chains [B][K]segment, states [tokens, Embedding] → mu, logVar [B·K, D]
func (v *VAE) Encode(t *tensor.Tape, chains [][][]int, states *tensor.Tensor) (mu, logVar *tensor.Tensor) {
	base := cmp.Or(states, v.embeddings)
	if v.Config.Encoder == "linear" {
		zeros := make([]int, len(chains)*v.Config.K)
		return t.Add(v.sums(t, chains, base), t.Gather(v.tableBias, zeros)), t.Gather(v.tableLogVar, zeros)
	}
	var order, tokens, slots, read []int // order: token rows, then memory rows from -1 down
	var rows transformer.Layout
	start := 0
	parts := v.parts(chains)
	inputs := v.inputs(parts)
	for i, p := range parts {
		for _, row := range inputs[i] {
			if row >= 0 {
				order, tokens = append(order, len(tokens)), append(tokens, row)
			}
		}
		for _, c := range p.codes {
			read = append(read, len(order))
			order, slots = append(order, -1-len(slots)), append(slots, c%v.Config.K)
		}
		if i+1 == len(parts) || !parts[i+1].joins {
			rows = transformer.Causal(rows, len(order)-start)
			start = len(order)
		}
	}
	words := v.encEmbed
	if base != nil {
		words = t.Linear(base, v.encIn, nil)
	}
	h := v.encoder.Forward(t, interleave(t, t.Gather(words, tokens), t.Gather(v.memory, slots), order), rows)
	h = t.Gather(h, read)
	return t.Linear(h, v.mu, v.muBias), t.Linear(h, v.logVar, v.logVarBias)
}

// sums are what the linear encoder makes of the tokens of every segment, on states or embeddings
// if base has some.   → [B·K, D]
func (v *VAE) sums(t *tensor.Tape, chains [][][]int, base *tensor.Tensor) *tensor.Tensor {
	n := len(chains) * v.Config.K
	at, owner := make([][]int, v.Config.Length), make([][]int, v.Config.Length) // by position
	for i, rows := range v.inputs(v.parts(chains)) {
		for pos, row := range rows {
			if row >= 0 {
				at[pos], owner[pos] = append(at[pos], row), append(owner[pos], i)
			}
		}
	}
	if base == nil {
		for pos := range at {
			for j := range at[pos] {
				at[pos][j] += pos * v.vectors()
			}
		}
		return t.SumBy(t.Gather(v.table, slices.Concat(at...)), slices.Concat(owner...), n)
	}
	sum := t.New(n, v.Config.D)
	for pos, rows := range at {
		if len(rows) > 0 {
			words := t.Linear(t.Gather(base, rows), v.maps[pos], nil)
			sum = t.Add(sum, t.SumBy(words, owner[pos], n))
		}
	}
	return sum
}

// decode returns the logits of every token of the chains given codes z, which
// are not standardised, and the rows of the tokens themselves, EOS after each part.
// z [B·K, D] → [targets, vectors]
func (v *VAE) decode(t *tensor.Tape, z *tensor.Tensor, chains [][][]int) (logits *tensor.Tensor, target []int) {
	h, target, _ := v.hidden(t, z, chains)
	return t.Linear(h, v.decEmbed, nil), target
}

// logProb is the log-probability, in nats, of all tokens of the chains given codes z, which are not
// standardised: [1, 1]. With it comes how many tokens these are, and how many operations it takes.
func (v *VAE) logProb(t *tensor.Tape, z *tensor.Tensor, chains [][][]int) (sum *tensor.Tensor, tokens int, flops float64) {
	h, target, rows := v.hidden(t, z, chains)
	flops = v.decoder.FLOPs(len(rows.Spans), rows.Seen(), len(target)) + float64(2*z.Rows()*len(v.codeIn.Data))
	return t.Sum(t.CategoricalLogProb(h, v.decEmbed, target)), len(target), flops
}

// targets counts the tokens that the decoder is to find of a chain, EOS included.
func (v *VAE) targets(segments [][]int) int {
	n := 0
	for _, p := range v.parts([][][]int{segments}) {
		n += len(v.rows(p.tokens)) + 1
	}
	return n
}

// hidden is decode up to the hidden states that predict the tokens, with the rows of the decoder.
// z [B·K, D] → [targets, H]
func (v *VAE) hidden(t *tensor.Tape, z *tensor.Tensor, chains [][][]int) (h *tensor.Tensor, target []int, rows transformer.Layout) {
	var order, tokens, codes, read []int
	start := 0
	end, _ := v.row(v.EOS)
	parts := v.parts(chains)
	for i, p := range parts {
		for _, c := range p.codes {
			order, codes = append(order, -1-len(codes)), append(codes, c)
		}
		for _, row := range v.rows(p.tokens) {
			read, target = append(read, len(order)-1), append(target, row)
			order, tokens = append(order, len(tokens)), append(tokens, row)
		}
		read, target = append(read, len(order)-1), append(target, end)
		if i+1 == len(parts) || !parts[i+1].joins {
			rows = transformer.Causal(rows, len(order)-start)
			start = len(order)
		}
	}
	h = v.decoder.Forward(t, interleave(t, t.Gather(v.decEmbed, tokens), v.codeRows(t, z, codes), order), rows)
	return t.Gather(h, read), target, rows
}

// codeRows makes the decoder's inputs of the codes named.   → [len(codes), H]
func (v *VAE) codeRows(t *tensor.Tape, z *tensor.Tensor, codes []int) *tensor.Tensor {
	slots := make([]int, len(codes))
	for i, c := range codes {
		slots[i] = c % v.Config.K
	}
	return t.Add(t.Linear(t.Gather(z, codes), v.codeIn, v.codeInBias), t.Gather(v.slot, slots))
}

// Loss is the reconstruction cross-entropy in nats per token, plus beta times
// the KL to N(0, I) in nats per code. The chains, with the states that Encode takes, lie in their
// own data set at the places given by index, which keys their noise.
func (v *VAE) Loss(t *tensor.Tape, chains [][][]int, states *tensor.Tensor, index []int, random StepRand) Loss {
	mu, logVar := v.Encode(t, chains, states)
	z := t.Add(mu, t.Mul(t.Exp(t.Scale(0.5, logVar)), v.normals(t, mu, index, "posterior", 1, random)))
	z = t.Add(z, v.normals(t, mu, index, "smooth", v.Config.Noise, random))
	logp, tokens, _ := v.logProb(t, z, chains)
	ce := t.Scale(-1/float32(tokens), logp)
	kl := t.Scale(1/float32(mu.Rows()), t.Sum(t.GaussianKL(mu, logVar)))
	loss := Loss{Total: t.Add(ce, t.Scale(float32(v.Config.Beta), kl))}
	v.terms = append(v.terms[:0], Term{"reconstruction_nats_per_token", float64(ce.Data[0])}, Term{"kl_nats_per_code", float64(kl.Data[0])})
	loss.Terms = v.terms
	return loss
}

// normals draws N(0, std²) in the shape of mu.
func (v *VAE) normals(t *tensor.Tape, mu *tensor.Tensor, index []int, purpose string, std float64, random StepRand) *tensor.Tensor {
	x := t.New(mu.Rows(), mu.Cols())
	each := v.Config.K * v.Config.D
	for b, i := range index {
		rng := random.For(t, purpose, i)
		for j := range each {
			x.Data[b*each+j] = float32(std * rng.NormFloat64())
		}
	}
	return x
}

// Standardise sets Mean and Std from the codes of the training set, per
// dimension over all thoughts, and returns the codes standardised.
// mu [n·K, D] → [n·K, D]
func (v *VAE) Standardise(mu *tensor.Tensor) *tensor.Tensor {
	D, n := v.Config.D, float64(mu.Rows())
	for d := range D {
		var sum, squares float64
		for r := range mu.Rows() {
			sum += float64(mu.Data[r*D+d])
		}
		mean := sum / n
		for r := range mu.Rows() {
			squares += (float64(mu.Data[r*D+d]) - mean) * (float64(mu.Data[r*D+d]) - mean)
		}
		// A dimension that does not vary keeps a floor, or noise would be blown up.
		v.Mean[d], v.Std[d] = float32(mean), float32(math.Sqrt(squares/n)+1e-4)
	}
	return v.standardised(mu)
}

func (v *VAE) standardised(mu *tensor.Tensor) *tensor.Tensor {
	e := tensor.New(mu.Shape...)
	for i, m := range mu.Data {
		d := i % v.Config.D
		e.Data[i] = (m - v.Mean[d]) / v.Std[d]
	}
	return e
}

// raw undoes standardised.   e [R, D] → [R, D]
func (v *VAE) raw(t *tensor.Tape, e *tensor.Tensor) *tensor.Tensor {
	std, mean := t.New(e.Rows(), e.Cols()), t.New(e.Rows(), e.Cols())
	for r := range e.Rows() {
		copy(std.Row(r), v.Std)
		copy(mean.Row(r), v.Mean)
	}
	return t.Add(t.Mul(e, std), mean)
}

// Codes returns the standardised codes of chains, by an encoder that stands on no states.   → [B·K, D]
func (v *VAE) Codes(chains [][][]int) *tensor.Tensor {
	mu, _ := v.Encode(nil, chains, nil)
	return v.standardised(mu)
}

// Accuracy is how well codes say their chains: the share of tokens that the
// decoder finds likeliest given the true ones before them, and the share of
// chains in which it finds all of them.
// e [B·K, D] standardised
func (v *VAE) Accuracy(e *tensor.Tensor, chains [][][]int) (tokens, whole float64) {
	const atOnce = 32 // the logits of all chains would take more memory than their model
	z, codes := v.raw(nil, e), v.Config.K*v.Config.D
	right, of, wholes := 0, 0, 0
	for from := 0; from < len(chains); from += atOnce {
		to := min(from+atOnce, len(chains))
		part := chains[from:to]
		logits, target := v.decode(nil, tensor.From(z.Data[from*codes:to*codes], len(part)*v.Config.K, v.Config.D), part)
		of += len(target)
		at := 0
		for _, segments := range part {
			all := true
			for range v.targets(segments) {
				if argmax(logits.Row(at)) == target[at] {
					right++
				} else {
					all = false
				}
				at++
			}
			if all {
				wholes++
			}
		}
	}
	return float64(right) / float64(of), float64(wholes) / float64(len(chains))
}

// Read decodes codes to the likeliest tokens, a segment each ("full": the whole
// chain in the first).   e [K, D] standardised → [K]segment
func (v *VAE) Read(e *tensor.Tensor) [][]int {
	z := v.raw(nil, e)
	segments := make([][]int, v.Config.K)
	cache := v.decoder.NewCache()
	for k, p := range v.parts([][][]int{segments}) {
		if !p.joins {
			cache = v.decoder.NewCache()
		}
		rows := v.codeRows(nil, z, p.codes)
		h := v.decoder.Step(nil, slices.Repeat([]*transformer.Cache{cache}, len(p.codes)), rows)
		h = (*tensor.Tape)(nil).Gather(h, []int{h.Rows() - 1})
		for range v.Config.Length * len(p.codes) {
			row := argmax((*tensor.Tape)(nil).Linear(h, v.decEmbed, nil).Data)
			if v.token(row) == v.EOS {
				break
			}
			segments[k] = append(segments[k], v.token(row))
			h = v.decoder.Step(nil, []*transformer.Cache{cache}, (*tensor.Tape)(nil).Gather(v.decEmbed, []int{row}))
		}
	}
	return segments
}

// ActiveDims counts the dimensions whose posterior mean varies over the data
// set by more than 0.01 (Burda et al., 2016): Std is of the means.
func (v *VAE) ActiveDims() int {
	n := 0
	for _, s := range v.Std {
		if s*s > 0.01 {
			n++
		}
	}
	return n
}
