package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// GGUF is the opposite of FromGGUF: the tokenizer as a GGUF file's metadata describes it, with which llama.cpp gives the same ids.
// Tokens are as many as the embeddings have rows; those that the tokenizer lacks are unused. BOS and EOS are what stands around a text.
// It is an error if llama.cpp has nothing that cuts a text in the same way.
func (t *Tokenizer) GGUF(rows int) (GGUF, error) {
	g := GGUF{Model: "gpt2", BOS: -1, EOS: -1, Unknown: -1}
	var err error
	if g.Pre, err = t.preName(); err != nil {
		return g, err
	}
	if err := t.checkAdded(); err != nil {
		return g, err
	}
	g.Tokens, g.Types = make([]string, rows), make([]int, rows)
	for id := range g.Tokens {
		g.Tokens[id], g.Types[id] = t.Token(id), ggufNormal
		if g.Tokens[id] == "" {
			g.Tokens[id], g.Types[id] = fmt.Sprintf("[PAD%d]", id), ggufUnused
			if _, taken := t.ids[g.Tokens[id]]; taken {
				return g, fmt.Errorf("the token %q is what an unused token would be called", g.Tokens[id])
			}
		}
	}
	for _, a := range t.doc.AddedTokens {
		g.Types[a.ID] = ggufUserDefined
		if *a.Special {
			g.Types[a.ID] = ggufControl
		}
	}
	for _, m := range t.doc.Model.Merges {
		if strings.Contains(m[0]+m[1], " ") {
			return g, fmt.Errorf("merge %q has a space, which GGUF cannot spell", m)
		}
		g.Merges = append(g.Merges, m[0]+" "+m[1])
	}
	return g, t.setAround(&g)
}

// setAround says what stands around a text.
func (t *Tokenizer) setAround(g *GGUF) error {
	var put [2]bool
	g.AddBOS, g.AddEOS = &put[0], &put[1]
	if t.around == nil {
		return nil
	}
	for i, id := range []*int{&g.BOS, &g.EOS} {
		switch tokens := t.around[i]; len(tokens) {
		case 0:
		case 1:
			*id, put[i] = tokens[0], true
		default:
			return fmt.Errorf("post_processor: puts the tokens %d at an end of a text; llama.cpp has room for one", tokens)
		}
	}
	return nil
}

// checkAdded refuses added tokens that llama.cpp would find in other places of a text.
func (t *Tokenizer) checkAdded() error {
	for _, a := range t.doc.AddedTokens {
		if *a.LStrip || *a.RStrip || *a.SingleWord || *a.Normalized && t.normalize(a.Content) != a.Content {
			return fmt.Errorf("added_tokens: %q has lstrip, rstrip or single_word, or is changed by normalization; llama.cpp looks for tokens as they are", a.Content)
		}
	}
	return nil
}

// preNames are the values of tokenizer.ggml.pre that are written, one for each way to cut a text.
var preNames = []string{"qwen2", "stablelm2", "llama-bpe", "dbrx", "gpt-2", "smollm", "tekken", "deepseek-coder", "default"}

// preName is the value of tokenizer.ggml.pre that stands for the tokenizer's own way to cut a text.
func (t *Tokenizer) preName() (string, error) {
	is, err := t.preType()
	if err != nil {
		return "", fmt.Errorf("%w, for which llama.cpp has no equivalent that is known here", err)
	}
	for _, name := range preNames {
		p := preTypes[name]
		if p.digits == is.digits && p.ignoreMerges == is.ignoreMerges && p.nfc == is.nfc && slices.Equal(p.patterns, is.patterns) {
			return name, nil
		}
	}
	return "", fmt.Errorf("pre_tokenizer is %.300s with ignore_merges %t and normalizer %.60s, for which llama.cpp has no equivalent that is known here",
		t.doc.PreTokenizer, is.ignoreMerges, orNull(t.doc.Normalizer))
}

func orNull(raw json.RawMessage) string {
	if isNull(raw) {
		return "null"
	}
	return string(raw)
}

// preType is how the tokenizer cuts a text. It is an error if it is not byte-level BPE, or has a component that no preType has.
func (t *Tokenizer) preType() (p preType, err error) {
	if !isNull(t.doc.Normalizer) {
		if kind, err := typeOf(t.doc.Normalizer); err != nil || kind != "NFC" {
			return p, fmt.Errorf("normalizer is %.100s", t.doc.Normalizer)
		}
		p.nfc = true
	}
	if len(t.decoder) > 0 {
		return p, fmt.Errorf("decoder is %.100s", orNull(t.doc.Decoder))
	}
	if !t.bpe.byteLevel {
		return p, errors.New("model is BPE of characters, not of bytes")
	}
	p.ignoreMerges = t.doc.Model.IgnoreMerges
	list := []json.RawMessage{t.doc.PreTokenizer}
	if kind, _ := typeOf(t.doc.PreTokenizer); kind == "Sequence" {
		if list, err = sequenceOf(t.doc.PreTokenizer, "pretokenizers"); err != nil {
			return p, err
		}
	}
	for _, raw := range list {
		if !p.add(raw) {
			return p, fmt.Errorf("pre_tokenizer has %.300s", orNull(raw))
		}
	}
	return p, nil
}

// add adds a component that cuts a text into pieces; false means that it is of another kind.
func (p *preType) add(raw json.RawMessage) bool {
	var c struct {
		Type       string
		Individual bool  `json:"individual_digits"`
		AddPrefix  bool  `json:"add_prefix_space"`
		UseRegex   *bool `json:"use_regex"`
		Pattern    pattern
		Behavior   string
		Invert     bool
	}
	if json.Unmarshal(raw, &c) != nil {
		return false
	}
	switch {
	case c.Type == "Digits" && c.Individual && len(p.patterns) == 0:
		p.digits = true
	case c.Type == "ByteLevel" && !c.AddPrefix:
		if c.UseRegex == nil || *c.UseRegex {
			p.patterns = append(p.patterns, gpt2Pattern)
		}
	case c.Type == "Split" && c.Pattern.Regex != nil:
		_, leavesNothing := scanners[*c.Pattern.Regex]
		if isolated := c.Behavior == "Isolated"; !isolated && !(leavesNothing && c.Behavior == "Removed" && c.Invert) {
			return false
		}
		p.patterns = append(p.patterns, *c.Pattern.Regex)
	default:
		return false
	}
	return true
}
