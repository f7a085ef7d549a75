package tokenizer

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// An addedToken is an entry of added_tokens: a text that always is one token, however the model would cut it.
// The flags are pointers to tell false from missing: a missing one is an error.
type addedToken struct {
	ID         int    `json:"id"`
	Content    string `json:"content"`
	SingleWord *bool  `json:"single_word"` // not inside a word
	LStrip     *bool  `json:"lstrip"`      // takes the white space before it
	RStrip     *bool  `json:"rstrip"`      // takes the white space after it
	Normalized *bool  `json:"normalized"`  // looked for in the normalized text, not in the text as given
	Special    *bool  `json:"special"`     // can be left out when decoding
}

// newSpecial is a special token with no other flag.
func newSpecial(id int, content string) addedToken {
	yes, no := true, false
	return addedToken{ID: id, Content: content, SingleWord: &no, LStrip: &no, RStrip: &no, Normalized: &no, Special: &yes}
}

func (a *addedToken) check() error {
	if a.Content == "" {
		return errors.New("the content is empty")
	}
	for name, flag := range map[string]*bool{
		"single_word": a.SingleWord, "lstrip": a.LStrip, "rstrip": a.RStrip, "normalized": a.Normalized, "special": a.Special,
	} {
		if flag == nil {
			return fmt.Errorf("%q has no flag %q", a.Content, name)
		}
	}
	return nil
}

// addedTokens finds added tokens in a text: at the first place where one begins, the longest one. It is a trie of their
// contents; an empty one finds nothing.
type addedTokens struct {
	root  trieNode
	first [256]bool // bytes with which a token begins
}

type trieNode struct {
	next  map[byte]*trieNode
	token *addedToken // that ends here
}

// findAdded builds the finder for the text as given and the one for normalized text.
func (t *Tokenizer) findAdded() error {
	special := map[string]bool{}
	for i := range t.doc.AddedTokens {
		a := &t.doc.AddedTokens[i]
		special[a.Content] = special[a.Content] || *a.Special
		if !*a.Normalized {
			t.addedRaw.insert(a.Content, a)
			continue
		}
		content := t.normalize(a.Content)
		if content == "" {
			return fmt.Errorf("added_tokens: nothing is left of %q once it is normalized", a.Content)
		}
		t.addedNormalized.insert(content, a)
		t.tokens[a.ID].decoded = content
	}
	for i := range t.doc.AddedTokens { // decoding knows special tokens by their text
		tok := &t.tokens[t.doc.AddedTokens[i].ID]
		tok.special = special[tok.decoded]
	}
	return nil
}

func (f *addedTokens) insert(content string, token *addedToken) {
	f.first[content[0]] = true
	node := &f.root
	for i := range len(content) {
		child := node.next[content[i]]
		if child == nil {
			if node.next == nil {
				node.next = map[byte]*trieNode{}
			}
			child = &trieNode{}
			node.next[content[i]] = child
		}
		node = child
	}
	if node.token == nil { // two contents may be equal once normalized: the first one counts
		node.token = token
	}
}

// longest returns the longest token that text begins with, nil if there is none, and its end in text.
func (f *addedTokens) longest(text string) (token *addedToken, end int) {
	node := &f.root
	for i := 0; i < len(text); i++ {
		node = node.next[text[i]]
		if node == nil {
			break
		}
		if node.token != nil {
			token, end = node.token, i+1
		}
	}
	return token, end
}

// A textPart is what split cuts a text into: an added token or text between.
type textPart struct {
	isToken bool
	id      int
	text    string
	start   int // of text
}

// split cuts text at the added tokens. Parts of text are never empty.
func (f *addedTokens) split(text string) iter.Seq[textPart] {
	return func(yield func(textPart) bool) {
		done := 0 // text up to here was yielded
		for i := 0; i < len(text); {
			if !f.first[text[i]] {
				i++
				continue
			}
			token, length := f.longest(text[i:])
			if token == nil {
				i++
				continue
			}
			start, end := i, i+length
			i = end
			if *token.SingleWord && (endsInWord(text[:start]) || beginsWithWord(text[end:])) {
				continue
			}
			if *token.LStrip {
				start = len(strings.TrimRightFunc(text[:start], unicode.IsSpace))
			}
			if *token.RStrip {
				end = len(text) - len(strings.TrimLeftFunc(text[end:], unicode.IsSpace))
			}
			if done < start && !yield(textPart{text: text[done:start], start: done}) {
				return
			}
			if !yield(textPart{isToken: true, id: token.ID}) {
				return
			}
			done = end
		}
		if done < len(text) {
			yield(textPart{text: text[done:], start: done})
		}
	}
}

func beginsWithWord(text string) bool {
	r, _ := utf8.DecodeRuneInString(text)
	return text != "" && isWord(r)
}

func endsInWord(text string) bool {
	r, _ := utf8.DecodeLastRuneInString(text)
	return text != "" && isWord(r)
}

// wordTables is the class \w of Unicode's regular expressions (UTS 18, annex C).
var wordTables = []*unicode.RangeTable{
	unicode.L, unicode.M, unicode.Nl, unicode.Nd, unicode.Pc, unicode.Other_Alphabetic, unicode.Join_Control,
}

func isWord(r rune) bool {
	return slices.ContainsFunc(wordTables, func(table *unicode.RangeTable) bool { return unicode.Is(table, r) })
}

// AddedTokensDecoder lists the added tokens by their ids, as the key of this name in Hugging Face's tokenizer_config.json
// does.
func (t *Tokenizer) AddedTokensDecoder() map[string]any {
	decoder := map[string]any{}
	for _, a := range t.doc.AddedTokens {
		decoder[strconv.Itoa(a.ID)] = struct {
			Content    string `json:"content"`
			LStrip     *bool  `json:"lstrip"`
			Normalized *bool  `json:"normalized"`
			RStrip     *bool  `json:"rstrip"`
			SingleWord *bool  `json:"single_word"`
			Special    *bool  `json:"special"`
		}{a.Content, a.LStrip, a.Normalized, a.RStrip, a.SingleWord, a.Special}
	}
	return decoder
}

// With returns a tokenizer that also has the given special tokens. Those that t
// lacks get the ids from t.VocabSize() on, in their order.
func (t *Tokenizer) With(texts ...string) (*Tokenizer, error) {
	doc := t.doc
	doc.AddedTokens = slices.Clone(doc.AddedTokens)
	next := t.VocabSize()
	for _, text := range texts {
		if _, ok := t.TokenID(text); !ok {
			doc.AddedTokens = append(doc.AddedTokens, newSpecial(next, text))
			next++
		}
	}
	if next == t.VocabSize() {
		return t, nil
	}
	return newTokenizer(doc)
}
