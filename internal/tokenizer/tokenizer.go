// Package tokenizer is byte-pair encoding in the form of Hugging Face's tokenizer.json: it loads such files (GPT-2, Llama 2
// and 3, SmolLM2, Mistral, Qwen2 to Qwen3 and their kin), encodes, decodes, trains new byte-level vocabularies and saves them.
//
// Encoding runs in this order, and each step has one file:
//
//	added tokens   added.go        cut out of the text first, each is one id
//	normalization  normalize.go    Unicode forms, replacements, a mark before the text
//	pre-tokens     pretokenize.go  patterns cut the text into words, numbers, punctuation, spaces
//	merges         bpe.go          inside a pre-token: letters, joined pair by pair in the order of the merge list
//
// Encode adds no beginning- or end-of-text tokens; EncodePrompt adds those of the file's post_processor. A part of a file that it does not
// understand is an error of Load, since a tokenizer that is nearly right is worse than none.
package tokenizer

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
)

// A Tokenizer maps text to token ids and back. It never changes once it is made, so any number of goroutines may use it.
type Tokenizer struct {
	tokens []token          // by id; an id without a token has an empty text
	ids    map[string]int32 // text of a token -> id
	bpe    bpe

	normalizers []normalizer
	movesStart  bool    // a normalizer may put other characters at the beginning of a text
	stages      []stage // of pre-tokenization
	decoder     decoder

	// added tokens that are looked for before and after normalization
	addedRaw, addedNormalized addedTokens

	around *[2][]int // tokens before and after a whole text; nil: the file has no template for it

	doc      document // what Save writes
	encoders sync.Pool
}

// A token is one entry of the vocabulary.
type token struct {
	text    string // as the file spells it
	decoded string // what the decoder gets: text, or what normalization makes of an added token
	bytes   string // what it decodes to inside a text
	special bool
}

// maxID bounds token ids, so that a damaged file cannot demand gigabytes; the largest vocabularies have some 260,000.
const maxID = 1<<21 - 1

// newTokenizer checks a document and builds the tokenizer it describes.
func newTokenizer(doc document) (*Tokenizer, error) {
	doc.Model.Type = cmp.Or(doc.Model.Type, "BPE")               // files of 2020 have no type
	doc.AddedTokens = append([]addedToken{}, doc.AddedTokens...) // an empty list is saved as [], not as null
	doc.Model.Merges = append(mergeList{}, doc.Model.Merges...)
	t := &Tokenizer{doc: doc, ids: make(map[string]int32, len(doc.Model.Vocab)+len(doc.AddedTokens))}
	if err := doc.Model.checkOptions(); err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	for _, set := range []func() error{
		t.setVocabulary, t.setAddedTokens, t.setNormalizer, t.setPreTokenizer, t.setModel, t.setPostProcessor, t.findAdded, t.setDecoder,
	} {
		if err := set(); err != nil {
			return nil, err
		}
	}
	t.encoders.New = func() any { return newEncoder(&t.bpe) }
	return t, nil
}

func (t *Tokenizer) setVocabulary() error {
	for text, id := range t.doc.Model.Vocab {
		if err := t.addToken(token{text: text, decoded: text}, id); err != nil {
			return fmt.Errorf("model: vocab: %w", err)
		}
	}
	return nil
}

func (t *Tokenizer) setAddedTokens() error {
	seen := map[string]bool{}
	for i := range t.doc.AddedTokens {
		added := &t.doc.AddedTokens[i]
		if err := added.check(); err != nil {
			return fmt.Errorf("added_tokens: entry %d: %w", i, err)
		}
		if seen[added.Content] {
			return fmt.Errorf("added_tokens: %q is listed twice", added.Content)
		}
		seen[added.Content] = true
		tok := token{text: added.Content, decoded: added.Content, special: *added.Special}
		if id, inVocab := t.ids[added.Content]; inVocab {
			if int(id) != added.ID {
				return fmt.Errorf("added_tokens: %q has id %d, but %d in the vocabulary", added.Content, added.ID, id)
			}
			t.tokens[id] = tok
		} else if err := t.addToken(tok, added.ID); err != nil {
			return fmt.Errorf("added_tokens: %w", err)
		}
	}
	return nil
}

// addToken puts a token under an id nobody has.
func (t *Tokenizer) addToken(tok token, id int) error {
	if tok.text == "" {
		return fmt.Errorf("the token of id %d is empty", id)
	}
	if id < 0 || id > maxID {
		return fmt.Errorf("token %q has id %d, want 0 to %d", tok.text, id, maxID)
	}
	if id >= len(t.tokens) {
		t.tokens = append(t.tokens, make([]token, id+1-len(t.tokens))...)
	}
	if other := t.tokens[id].text; other != "" {
		first, second := min(other, tok.text), max(other, tok.text)
		return fmt.Errorf("tokens %q and %q both have id %d", first, second, id)
	}
	t.tokens[id] = tok
	t.ids[tok.text] = int32(id)
	return nil
}

// Encode returns the ids of text, which is never nil. Added tokens that occur in the text become their ids; no others
// (beginning or end of text) are added. Bytes that are not UTF-8 are kept, as the tokens of these bytes, if the vocabulary
// has any.
func (t *Tokenizer) Encode(text string) []int {
	e := t.encoders.Get().(*encoder)
	defer t.encoders.Put(e)
	e.out = make([]int, 0, len(text)/3+1)
	for part := range t.addedRaw.split(text) {
		if part.isToken {
			e.out = append(e.out, part.id)
			continue
		}
		start := part.start
		for part := range t.addedNormalized.split(t.normalize(part.text)) {
			if part.isToken {
				e.out = append(e.out, part.id)
				continue
			}
			preTokenize(part.text, start == 0 && part.start == 0, t.stages, e.encodePiece)
		}
	}
	out := e.out
	e.out = nil
	return out
}

// EncodePrompt is Encode for a whole text: it puts the tokens around it that the file's post_processor has for a single
// text, if any (Llama-3: <|begin_of_text|> before it), as Hugging Face's library does unless add_special_tokens is false.
func (t *Tokenizer) EncodePrompt(text string) []int {
	ids := t.Encode(text)
	if t.around == nil {
		return ids
	}
	return slices.Concat(t.around[0], ids, t.around[1])
}

// Opening are the tokens that EncodePrompt puts before a text.
func (t *Tokenizer) Opening() []int {
	if t.around == nil {
		return nil
	}
	return t.around[0]
}

// IsSpecial says whether a token is one of those that the file calls special: that begin or end a text or a turn.
func (t *Tokenizer) IsSpecial(id int) bool {
	return id >= 0 && id < len(t.tokens) && t.tokens[id].special
}

// TokenID returns the id of a token given as the file spells it: "<|im_end|>", or "Ġthe" for " the".
func (t *Tokenizer) TokenID(text string) (id int, ok bool) {
	id32, ok := t.ids[text]
	return int(id32), ok
}

// Token returns the token of an id as the file spells it, "" for an id that has none.
func (t *Tokenizer) Token(id int) string {
	if id < 0 || id >= len(t.tokens) {
		return ""
	}
	return t.tokens[id].text
}

// TokenBytes returns what a token decodes to, "" for an id that has none. It need not be UTF-8.
func (t *Tokenizer) TokenBytes(id int) string {
	if id < 0 || id >= len(t.tokens) {
		return ""
	}
	return t.tokens[id].bytes
}

// VocabSize is the largest id plus one: the number of rows an embedding table needs.
func (t *Tokenizer) VocabSize() int { return len(t.tokens) }
