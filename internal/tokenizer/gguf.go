package tokenizer

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// A GGUF is a tokenizer as the metadata of a GGUF file describes it, under tokenizer.ggml. Ids are -1 and flags nil for keys that
// are not there.
type GGUF struct {
	Model  string    // "gpt2": byte-level BPE; "llama": pieces of characters, joined by their scores, as SentencePiece does
	Pre    string    // of gpt2: which patterns cut the text
	Tokens []string  // by id
	Types  []int     // of the tokens; nil: all are normal
	Merges []string  // of gpt2: "a b", in the order in which they are applied
	Scores []float32 // of llama: of two pairs, the one that makes the token with the higher score is joined first

	BOS, EOS, Unknown              int
	AddBOS, AddEOS, AddSpacePrefix *bool
}

// Types of tokens.
const (
	ggufNormal      = 1
	ggufUnknown     = 2 // what stands for characters that cannot be spelled
	ggufControl     = 3
	ggufUserDefined = 4
	ggufUnused      = 5
	ggufByte        = 6
)

// FromGGUF makes a tokenizer of a GGUF file's metadata. It gives the ids of llama.cpp, which are those of the tokenizer.json that
// the file was made from. An error names the key that is wrong.
func FromGGUF(g GGUF) (*Tokenizer, error) {
	vocab, added, err := g.vocabulary()
	if err != nil {
		return nil, err
	}
	doc := newDocument(vocab, nil, added)
	var byDefault bool // whether BOS begins a text
	switch g.Model {
	case "gpt2":
		byDefault, err = g.setGPT2(&doc)
	case "llama":
		byDefault, err = true, g.setLlama(&doc)
	default:
		err = fmt.Errorf("tokenizer.ggml.model is %.40q; expected \"gpt2\" or \"llama\"", g.Model)
	}
	if err == nil {
		doc.PostProcessor, err = g.postProcessor(byDefault)
	}
	if err != nil {
		return nil, err
	}
	return newTokenizer(doc)
}

// vocabulary sorts the tokens: those of the model, and those that are looked for in the text first.
func (g *GGUF) vocabulary() (vocabulary, []addedToken, error) {
	if len(g.Tokens) == 0 {
		return nil, nil, errors.New("tokenizer.ggml.tokens is empty; expected a token a row of the embeddings")
	}
	if g.Types != nil && len(g.Types) != len(g.Tokens) {
		return nil, nil, fmt.Errorf("tokenizer.ggml.token_type has %d values; expected one for each of the %d tokens", len(g.Types), len(g.Tokens))
	}
	vocab, ids := vocabulary{}, map[string]int{}
	var added []addedToken
	for id, text := range g.Tokens {
		if other, twice := ids[text]; twice {
			return nil, nil, fmt.Errorf("tokenizer.ggml.tokens: %d and %d are both %q", other, id, text)
		}
		ids[text] = id
		kind := ggufNormal
		if g.Types != nil {
			kind = g.Types[id]
		}
		switch kind {
		case ggufNormal, ggufByte:
			vocab[text] = id
		case ggufUnknown, ggufControl:
			vocab[text] = id
			added = append(added, newSpecial(id, text))
		case ggufUserDefined:
			vocab[text] = id
			plain, no := newSpecial(id, text), false
			plain.Special = &no
			added = append(added, plain)
		case ggufUnused: // fills the vocabulary up: no text has it, and it says nothing
		default:
			return nil, nil, fmt.Errorf("tokenizer.ggml.token_type: the type of token %d is %d; expected 1 to 6", id, kind)
		}
	}
	return vocab, added, nil
}

// part is a component of a tokenizer.json.
type part map[string]any

// inSequence is several components in the place of one.
func inSequence(field string, parts []part) part {
	if len(parts) == 1 {
		return parts[0]
	}
	return part{"type": "Sequence", field: parts}
}

// mustMarshal is JSON of what is known to be text and numbers.
func mustMarshal(v any) json.RawMessage {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return raw
}

// postProcessor puts the tokens around a text that belong there; nil if none do. byDefault says whether BOS does where the file
// does not say.
func (g *GGUF) postProcessor(byDefault bool) (json.RawMessage, error) {
	special := part{}
	put := func(key string, id int) (part, error) {
		if id < 0 || id >= len(g.Tokens) {
			return nil, fmt.Errorf("tokenizer.ggml.%s is %d; expected one of the %d tokens", key, id, len(g.Tokens))
		}
		text := g.Tokens[id]
		special[text] = part{"id": text, "ids": []int{id}, "tokens": []string{text}}
		return part{"SpecialToken": part{"id": text, "type_id": 0}}, nil
	}
	single := []part{{"Sequence": part{"id": "A", "type_id": 0}}}
	if g.AddBOS == nil && byDefault && g.BOS >= 0 || g.AddBOS != nil && *g.AddBOS {
		bos, err := put("bos_token_id", g.BOS)
		if err != nil {
			return nil, err
		}
		single = append([]part{bos}, single...)
	}
	if g.AddEOS != nil && *g.AddEOS {
		eos, err := put("eos_token_id", g.EOS)
		if err != nil {
			return nil, err
		}
		single = append(single, eos)
	}
	if len(single) == 1 {
		return nil, nil
	}
	return mustMarshal(part{"type": "TemplateProcessing", "single": single, "pair": []part{}, "special_tokens": special}), nil
}

// A preType is what a value of tokenizer.ggml.pre stands for.
type preType struct {
	digits       bool     // every digit stands alone
	patterns     []string // cut the text, one after the other
	ignoreMerges bool     // what is a token as a whole is it, whatever the merges say
	bos          bool     // a text begins with BOS unless the file says otherwise
	nfc          bool     // the models' own files normalize; llama.cpp does not
}

var (
	preLlama3 = preType{patterns: []string{llama3Pattern}, ignoreMerges: true, bos: true}
	preQwen2  = preType{patterns: []string{qwenPattern}, nfc: true}
	preGPT2   = preType{patterns: []string{gpt2Pattern}}
	preSmolLM = preType{patterns: []string{gpt2Pattern}, digits: true}
)

var preTypes = map[string]preType{
	"llama-bpe": preLlama3, "llama3": preLlama3, "llama-v3": preLlama3, "falcon3": preLlama3, "pixtral": preLlama3,
	"dbrx": {patterns: []string{llama3Pattern}}, "smaug-bpe": {patterns: []string{llama3Pattern}},
	"qwen2": preQwen2, "deepseek-r1-qwen": preQwen2, "stablelm2": {patterns: []string{qwenPattern}},
	"gpt-2": preGPT2, "phi-2": preGPT2, "mpt": preGPT2, "olmo": preGPT2,
	"smollm": preSmolLM, "starcoder": preSmolLM, "refact": preSmolLM,
	"deepseek-coder": {patterns: []string{`[\r\n]`, `\s?\p{L}+`, `\s?\p{P}+`, `[一-龥ࠀ-一가-퟿]+`, `\p{N}`}},
	"tekken": {ignoreMerges: true, bos: true, patterns: []string{
		`[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|` +
			`[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|` +
			`\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`}},
	"default": {patterns: []string{`[\p{P}\$\+<=>\^~\|]+`, gpt2Pattern, `\p{N}+`, `[0-9][0-9][0-9]`}},
}

// setGPT2 fills in what byte-level BPE needs.
func (g *GGUF) setGPT2(doc *document) (addBOS bool, err error) {
	pre, known := preTypes[cmp.Or(g.Pre, "default")]
	if !known {
		return false, fmt.Errorf("tokenizer.ggml.pre is %.40q, which is not known here", g.Pre)
	}
	merges, err := parseMerges(g.Merges)
	if err != nil {
		return false, fmt.Errorf("tokenizer.ggml.merges: %w", err)
	}
	doc.Model.Merges = slices.DeleteFunc(merges, func(m [2]string) bool { // merges of and to what is no token come to nothing
		for _, text := range []string{m[0], m[1], m[0] + m[1]} {
			if _, ok := doc.Model.Vocab[text]; !ok {
				return true
			}
		}
		return false
	})
	doc.Model.IgnoreMerges = pre.ignoreMerges
	if pre.nfc {
		doc.Normalizer = mustMarshal(part{"type": "NFC"})
	}
	var stages []part
	if pre.digits {
		stages = append(stages, part{"type": "Digits", "individual_digits": true})
	}
	level := part{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true}
	if !slices.Equal(pre.patterns, []string{gpt2Pattern}) { // which is ByteLevel's own
		level["use_regex"] = false
		for _, p := range pre.patterns {
			stages = append(stages, part{"type": "Split", "pattern": part{"Regex": p}, "behavior": "Isolated", "invert": false})
		}
	}
	doc.PreTokenizer = mustMarshal(inSequence("pretokenizers", append(stages, level)))
	return pre.bos, nil
}

// blank is how SentencePiece spells a space.
const blank = "▁"

// setLlama fills in what SentencePiece's BPE needs: characters joined in the order of scores, bytes for unknown characters.
func (g *GGUF) setLlama(doc *document) error {
	if len(g.Scores) != len(g.Tokens) {
		return fmt.Errorf("tokenizer.ggml.scores has %d values; expected one for each of the %d tokens", len(g.Scores), len(g.Tokens))
	}
	doc.Model.Merges = g.mergesByScore(doc.Model.Vocab)
	doc.Model.ByteFallback, doc.Model.FuseUnk = true, true
	if g.Unknown >= 0 && g.Unknown < len(g.Tokens) {
		doc.Model.UnkToken = &g.Tokens[g.Unknown]
	}
	before := []part{{"type": "Replace", "pattern": part{"String": " "}, "content": blank}}
	after := []part{{"type": "Replace", "pattern": part{"String": blank}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}}
	if g.AddSpacePrefix == nil || *g.AddSpacePrefix {
		before = append([]part{{"type": "Prepend", "prepend": blank}}, before...)
		after = append(after, part{"type": "Strip", "content": " ", "start": 1, "stop": 0})
	}
	doc.Normalizer = mustMarshal(inSequence("normalizers", before))
	doc.PreTokenizer = nil
	doc.Decoder = mustMarshal(inSequence("decoders", after))
	return nil
}

// mergesByScore lists the ways to make a token of two others, those of the highest scores first.
func (g *GGUF) mergesByScore(vocab vocabulary) mergeList {
	type scored struct {
		pair  [2]string
		score float32
		id    int
	}
	var all []scored
	for id, text := range g.Tokens {
		if g.Types != nil && g.Types[id] != ggufNormal {
			continue
		}
		for i := range text {
			_, left := vocab[text[:i]]
			_, right := vocab[text[i:]]
			if left && right {
				all = append(all, scored{[2]string{text[:i], text[i:]}, g.Scores[id], id})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b scored) int {
		return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(a.id, b.id))
	})
	merges := make(mergeList, len(all))
	for i, m := range all {
		merges[i] = m.pair
	}
	return merges
}
