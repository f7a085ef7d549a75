package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Normalization changes the text between added tokens before anything else does. It is a list of steps.

// A normalizer is one step. It never turns an empty text into one that is not.
type normalizer func(text string) string

func isNull(raw json.RawMessage) bool { return len(raw) == 0 || string(raw) == "null" }

func (t *Tokenizer) normalize(text string) string {
	for _, step := range t.normalizers {
		text = step(text)
	}
	return text
}

func (t *Tokenizer) setNormalizer() error {
	if isNull(t.doc.Normalizer) {
		return nil
	}
	if err := t.addNormalizer(t.doc.Normalizer); err != nil {
		return fmt.Errorf("normalizer: %w", err)
	}
	return nil
}

func (t *Tokenizer) addNormalizer(raw json.RawMessage) error {
	kind, err := typeOf(raw)
	if err != nil {
		return err
	}
	if kind == "Sequence" {
		list, err := sequenceOf(raw, "normalizers")
		for _, part := range list {
			if err == nil {
				err = t.addNormalizer(part)
			}
		}
		return err
	}
	parse, ok := normalizerParsers[kind]
	if !ok {
		return fmt.Errorf("found type %q, which is not supported", kind)
	}
	step, movesStart, err := parse(raw)
	if err != nil {
		return fmt.Errorf("%s: %w", kind, err)
	}
	t.normalizers = append(t.normalizers, step)
	t.movesStart = t.movesStart || movesStart
	return nil
}

// normalizerParsers are the normalizers by their type. movesStart says that the first character that comes out may not
// be what the first one of the text became.
var normalizerParsers = map[string]func(raw json.RawMessage) (step normalizer, movesStart bool, err error){
	"NFC":       plainNormalizer(nfc),
	"NFD":       plainNormalizer(func(text string) string { return unicodeForm(norm.NFD, text) }),
	"NFKC":      plainNormalizer(func(text string) string { return unicodeForm(norm.NFKC, text) }),
	"NFKD":      plainNormalizer(func(text string) string { return unicodeForm(norm.NFKD, text) }),
	"Lowercase": plainNormalizer(lowercase),
	"Prepend":   parsePrepend,
	"Replace":   parseReplace,
	"Strip":     parseStrip,
}

// plainNormalizer is a normalizer without settings.
func plainNormalizer(step normalizer) func(json.RawMessage) (normalizer, bool, error) {
	return func(raw json.RawMessage) (normalizer, bool, error) {
		var plain struct {
			Type string `json:"type"`
		}
		return step, false, decodeStrictly(raw, &plain)
	}
}

func parsePrepend(raw json.RawMessage) (normalizer, bool, error) {
	var p struct {
		Type    string  `json:"type"`
		Prepend *string `json:"prepend"`
	}
	if err := decodeStrictly(raw, &p); err != nil {
		return nil, false, err
	}
	if p.Prepend == nil {
		return nil, false, errors.New("prepend is missing")
	}
	return func(text string) string {
		if text == "" {
			return text
		}
		return *p.Prepend + text
	}, true, nil
}

// A replace is a Replace component, which can stand as normalizer and decoder.
type replace struct {
	Type    string  `json:"type"`
	Pattern pattern `json:"pattern"`
	Content *string `json:"content"`
}

// newReplace reads a component and makes its function.
func newReplace(raw json.RawMessage) (r replace, apply func(string) string, err error) {
	if err := decodeStrictly(raw, &r); err != nil {
		return r, nil, err
	}
	if r.Content == nil {
		return r, nil, errors.New("content is missing")
	}
	apply, err = r.Pattern.replacer(*r.Content)
	return r, apply, err
}

func parseReplace(raw json.RawMessage) (normalizer, bool, error) {
	r, apply, err := newReplace(raw)
	if err != nil {
		return nil, false, err
	}
	if re := r.Pattern.Regex; re != nil && (strings.Contains(*re, "(?") || apply("") != "") {
		return nil, false, fmt.Errorf("pattern %q: a pattern that may match nothing at all, or has groups like (?, is not supported here", *re)
	}
	oneForOne := r.Pattern.String != nil && isSingle(*r.Pattern.String) && *r.Content != ""
	return apply, !oneForOne, nil
}

func parseStrip(raw json.RawMessage) (normalizer, bool, error) {
	var s struct {
		Type  string `json:"type"`
		Left  *bool  `json:"strip_left"`
		Right *bool  `json:"strip_right"`
	}
	if err := decodeStrictly(raw, &s); err != nil {
		return nil, false, err
	}
	if s.Left == nil || s.Right == nil {
		return nil, false, errors.New("strip_left or strip_right is missing")
	}
	return func(text string) string {
		if *s.Left {
			text = strings.TrimLeftFunc(text, unicode.IsSpace)
		}
		if *s.Right {
			text = strings.TrimRightFunc(text, unicode.IsSpace)
		}
		return text
	}, *s.Left, nil
}

// lowercase is Unicode's full lower case of each character by itself. Bytes that are not UTF-8 stay.
func lowercase(text string) string {
	var out strings.Builder
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == utf8.RuneError:
			out.WriteString(text[i : i+size])
		case r == 'İ': // the only one whose lower case is two characters
			out.WriteString("i\u0307")
		default:
			out.WriteRune(unicode.ToLower(r))
		}
		i += size
	}
	return out.String()
}
