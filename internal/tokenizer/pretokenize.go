package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Pre-tokenization cuts the text; merges never cross a cut. It is a list of stages, each of which takes the pieces that
// the one before it made.

// A stage is one step of pre-tokenization: it changes a piece, cuts it, or both.
type stage struct {
	change    func(piece string, first bool) string // nil: no change; first: the piece begins the whole text
	split     splitter                              // nil: no cut
	byteLevel bool                                  // the pieces must be spelled as bytes after it
}

// preTokenize runs text, which is not empty, through the stages and hands out the pieces. first says that the text
// begins the whole one.
func preTokenize(text string, first bool, stages []stage, emit func(piece string)) {
	if len(stages) == 0 {
		emit(text)
		return
	}
	if stages[0].change != nil {
		text = stages[0].change(text, first)
	}
	if stages[0].split == nil {
		preTokenize(text, first, stages[1:], emit)
		return
	}
	for pos, piece := range stages[0].split(text) {
		preTokenize(piece, first && pos == 0, stages[1:], emit)
	}
}

// setPreTokenizer makes the stages. A ByteLevel at their end leaves it to the model to read bytes (bpe.byteLevel); any
// other spells them.
func (t *Tokenizer) setPreTokenizer() error {
	if err := t.addPreTokenizer(t.doc.PreTokenizer, true); err != nil {
		return fmt.Errorf("pre_tokenizer: %w", err)
	}
	last := len(t.stages) - 1
	for i := last; i >= 0; i-- {
		if !t.stages[i].byteLevel {
			continue
		}
		if i == last && t.bpe.setByteLevel(&t.doc.Model) {
			continue
		}
		spelling := stage{change: func(piece string, _ bool) string { return spell(piece) }}
		t.stages = append(t.stages[:i+1], append([]stage{spelling}, t.stages[i+1:]...)...)
	}
	return nil
}

func (t *Tokenizer) addPreTokenizer(raw json.RawMessage, mayBeNull bool) error {
	if isNull(raw) && mayBeNull {
		return nil
	}
	kind, err := typeOf(raw)
	if err != nil {
		return err
	}
	if kind == "Sequence" {
		list, err := sequenceOf(raw, "pretokenizers")
		for _, part := range list {
			if err == nil {
				err = t.addPreTokenizer(part, false)
			}
		}
		return err
	}
	parse, ok := stageParsers[kind]
	if !ok {
		return fmt.Errorf("found type %q, which is not supported", kind)
	}
	s, err := parse(raw)
	if err != nil {
		return fmt.Errorf("%s: %w", kind, err)
	}
	if kind == "Metaspace" {
		err = t.checkFirst(raw)
	}
	t.stages = append(t.stages, s)
	return err
}

// stageParsers are the pre-tokenizers by their type.
var stageParsers = map[string]func(raw json.RawMessage) (stage, error){
	"ByteLevel":       parseByteLevel,
	"Digits":          parseDigits,
	"Metaspace":       parseMetaspace,
	"Split":           parseSplit,
	"Whitespace":      plainStage(splitWords),
	"WhitespaceSplit": plainStage(splitter(splitSpaces)),
}

// plainStage is a pre-tokenizer without settings.
func plainStage(split splitter) func(json.RawMessage) (stage, error) {
	return func(raw json.RawMessage) (stage, error) {
		var plain struct {
			Type string `json:"type"`
		}
		return stage{split: split}, decodeStrictly(raw, &plain)
	}
}

func parseSplit(raw json.RawMessage) (stage, error) {
	var split struct {
		Type     string  `json:"type"`
		Pattern  pattern `json:"pattern"`
		Behavior string  `json:"behavior"`
		Invert   bool    `json:"invert"`
	}
	if err := decodeStrictly(raw, &split); err != nil {
		return stage{}, err
	}
	wholePieces := split.Behavior == "Isolated" || split.Behavior == "Removed" && split.Invert
	if split.Pattern.Regex != nil && wholePieces {
		if scan, ok := scanners[*split.Pattern.Regex]; ok {
			return stage{split: scan}, nil
		}
	}
	find, err := split.Pattern.finder()
	if err != nil {
		return stage{}, err
	}
	cut, err := splitAt(find, split.Behavior, split.Invert)
	return stage{split: cut}, err
}

// byteLevel is a ByteLevel component, which can stand as pre-tokenizer, post-processor and decoder.
type byteLevel struct {
	Type           string `json:"type"`
	AddPrefixSpace *bool  `json:"add_prefix_space"`
	TrimOffsets    *bool  `json:"trim_offsets"` // of no effect on ids or text
	UseRegex       *bool  `json:"use_regex"`    // true when missing
}

func parseByteLevel(raw json.RawMessage) (stage, error) {
	var level byteLevel
	if err := decodeStrictly(raw, &level); err != nil {
		return stage{}, err
	}
	if level.AddPrefixSpace == nil {
		return stage{}, errors.New("add_prefix_space is missing")
	}
	s := stage{byteLevel: true}
	if *level.AddPrefixSpace {
		s.change = prependSpace
	}
	if level.UseRegex == nil || *level.UseRegex {
		s.split = scanners[gpt2Pattern]
	}
	return s, nil
}

// prependSpace puts a space before text that does not begin with one.
func prependSpace(piece string, _ bool) string {
	if piece[0] == ' ' {
		return piece
	}
	return " " + piece
}

func parseDigits(raw json.RawMessage) (stage, error) {
	var digits struct {
		Type       string `json:"type"`
		Individual *bool  `json:"individual_digits"`
	}
	if err := decodeStrictly(raw, &digits); err != nil {
		return stage{}, err
	}
	if digits.Individual == nil {
		return stage{}, errors.New("individual_digits is missing")
	}
	behavior := "Contiguous"
	if *digits.Individual {
		behavior = "Isolated"
	}
	cut, err := splitAt(findRunes(unicode.IsNumber), behavior, false)
	return stage{split: cut}, err
}

// metaspace is a Metaspace component: as pre-tokenizer it writes another character for a space, as decoder it goes back.
type metaspace struct {
	Type           string   `json:"type"`
	Replacement    jsonRune `json:"replacement"`
	AddPrefixSpace *bool    `json:"add_prefix_space"` // of old files; must agree with the scheme
	PrependScheme  *string  `json:"prepend_scheme"`   // always when missing
	Split          *bool    `json:"split"`            // true when missing
	StrRep         *string  `json:"str_rep"`          // of old files, of no effect
}

// newMetaspace reads a component and returns its scheme: always, first or never.
func newMetaspace(raw json.RawMessage) (m metaspace, scheme string, err error) {
	if err := decodeStrictly(raw, &m); err != nil {
		return m, "", err
	}
	if m.Replacement == 0 {
		return m, "", errors.New("replacement is missing")
	}
	scheme = "always"
	if m.PrependScheme != nil {
		scheme = *m.PrependScheme
	}
	if scheme != "always" && scheme != "first" && scheme != "never" {
		return m, "", fmt.Errorf("found prepend_scheme %q, want always, first or never", scheme)
	}
	if m.AddPrefixSpace != nil && !*m.AddPrefixSpace && scheme != "never" {
		return m, "", fmt.Errorf("add_prefix_space is false, but prepend_scheme is %s", scheme)
	}
	return m, scheme, nil
}

func parseMetaspace(raw json.RawMessage) (stage, error) {
	m, scheme, err := newMetaspace(raw)
	if err != nil {
		return stage{}, err
	}
	mark := string(rune(m.Replacement))
	s := stage{change: func(piece string, first bool) string {
		piece = strings.ReplaceAll(piece, " ", mark)
		if (scheme == "always" || scheme == "first" && first) && !strings.HasPrefix(piece, mark) {
			piece = mark + piece
		}
		return piece
	}}
	if m.Split == nil || *m.Split {
		s.split, err = splitAt(findText(mark), "MergedWithNext", false)
	}
	return s, err
}

// checkFirst refuses a Metaspace that asks whether a piece begins the text where other components may have changed the
// beginning: what Hugging Face's library finds then depends on its bookkeeping of positions.
func (t *Tokenizer) checkFirst(raw json.RawMessage) error {
	_, scheme, _ := newMetaspace(raw)
	switch {
	case scheme != "first":
		return nil
	case len(t.stages) > 0:
		return errors.New("pre-tokenizer Metaspace: prepend_scheme first is only supported for the first pre-tokenizer")
	case t.movesStart:
		return errors.New("pre-tokenizer Metaspace: prepend_scheme first is not supported behind a normalizer that adds, removes or joins characters")
	}
	return nil
}

// splitSpaces yields what stands between white space.
func splitSpaces(text string) iter.Seq2[int, string] {
	return splitKinds(text, func(r rune) int {
		if unicode.IsSpace(r) {
			return 0
		}
		return 1
	})
}

// splitWords yields the words, and what is neither word nor white space: \w+|[^\w\s]+.
func splitWords(text string) iter.Seq2[int, string] {
	return splitKinds(text, func(r rune) int {
		switch {
		case isWord(r):
			return 1
		case unicode.IsSpace(r):
			return 0
		}
		return 2
	})
}

// splitKinds yields the runs of characters of one kind, but not those of kind 0.
func splitKinds(text string, kind func(rune) int) iter.Seq2[int, string] {
	return func(yield func(int, string) bool) {
		start, running := 0, 0
		for pos, r := range text {
			k := kind(r)
			if k == running {
				continue
			}
			if running != 0 && !yield(start, text[start:pos]) {
				return
			}
			start, running = pos, k
		}
		if running != 0 {
			yield(start, text[start:])
		}
	}
}

// isSingle tells whether text is one character.
func isSingle(text string) bool { return utf8.RuneCountInString(text) == 1 }
