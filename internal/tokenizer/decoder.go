package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Decoders. The one of byte-level files, ByteLevel, only joins the bytes of tokens, and Stream does that itself. Others are
// chains of steps that change tokens on their way.

// A decoder makes the steps of a new stream; an empty one stands for ByteLevel alone.
type decoder []func() decodeStep

// A decodeStep changes tokens. It takes them one by one, hands on what is certain, and at the end of the ids the rest.
type decodeStep interface {
	token(text string, next func(string))
	end(next func(string))
}

type decodeSteps []decodeStep

func (d decoder) steps() decodeSteps {
	if len(d) == 0 {
		return nil
	}
	steps := make(decodeSteps, len(d))
	for i, step := range d {
		steps[i] = step()
	}
	return steps
}

func (s decodeSteps) token(text string, next func(string)) {
	if len(s) == 0 {
		next(text)
		return
	}
	s[0].token(text, func(text string) { s[1:].token(text, next) })
}

func (s decodeSteps) end(next func(string)) {
	if len(s) > 0 {
		s[0].end(func(text string) { s[1:].token(text, next) })
		s[1:].end(next)
	}
}

// setDecoder reads the decoder, and sets what each token decodes to inside a text.
func (t *Tokenizer) setDecoder() error {
	if err := t.readDecoder(); err != nil {
		return fmt.Errorf("decoder: %w", err)
	}
	for i := range t.tokens {
		t.tokens[i].bytes = t.decodedInside(t.tokens[i].decoded)
	}
	return nil
}

func (t *Tokenizer) readDecoder() error {
	if isNull(t.doc.Decoder) {
		t.decoder = decoder{func() decodeStep { return &spaceStep{} }}
		return nil
	}
	if kind, _ := typeOf(t.doc.Decoder); kind == "ByteLevel" {
		return decodeStrictly(t.doc.Decoder, new(byteLevel))
	}
	var b decoderBuilder
	if err := b.add(t.doc.Decoder); err != nil {
		return err
	}
	t.decoder = b.decoder
	if len(t.decoder) == 0 { // an empty Sequence
		t.decoder = decoder{func() decodeStep { return mapStep(func(text string) string { return text }) }}
	}
	return nil
}

// decodedInside is what a token adds to a text that begins with another token.
func (t *Tokenizer) decodedInside(text string) string {
	steps := t.decoder.steps()
	if steps == nil {
		if bytes, ok := unspell(text); ok {
			return bytes
		}
		return text // not a byte-level token: it decodes to itself
	}
	if b, ok := fallbackByte(text); ok {
		for _, step := range steps {
			if _, ok := step.(*fallbackStep); ok {
				return string([]byte{b})
			}
		}
	}
	var out strings.Builder
	collect := func(text string) { out.WriteString(text) }
	steps.token("x", collect)
	before := out.Len()
	steps.token(text, collect)
	steps.end(collect)
	return out.String()[before:]
}

// A decoderBuilder puts a chain together.
type decoderBuilder struct {
	decoder
	fused bool // the steps so far leave one token, which comes in parts
}

func (b *decoderBuilder) add(raw json.RawMessage) error {
	kind, err := typeOf(raw)
	if err != nil {
		return err
	}
	switch kind {
	case "Sequence":
		list, err := sequenceOf(raw, "decoders")
		for _, part := range list {
			if err == nil {
				err = b.add(part)
			}
		}
		return err
	case "Fuse", "ByteFallback":
		var plain struct {
			Type string `json:"type"`
		}
		err = decodeStrictly(raw, &plain)
		if kind == "ByteFallback" {
			b.step(func() decodeStep { return &fallbackStep{} })
		} else {
			b.fused = true
		}
	case "ByteLevel":
		err = decodeStrictly(raw, new(byteLevel))
		b.step(func() decodeStep { return &bytesStep{} })
		b.fused = true
	case "Replace":
		var apply func(string) string
		_, apply, err = newReplace(raw)
		b.step(func() decodeStep { return mapStep(apply) })
	case "Metaspace":
		var m metaspace
		var scheme string
		m, scheme, err = newMetaspace(raw)
		b.step(func() decodeStep { return &metaspaceStep{mark: string(rune(m.Replacement)), drop: scheme != "never"} })
	case "Strip":
		err = b.addStrip(raw)
	default:
		return fmt.Errorf("found type %q, which is not supported", kind)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", kind, err)
	}
	return nil
}

// step adds one that wants whole tokens.
func (b *decoderBuilder) step(step func() decodeStep) {
	if b.fused {
		b.decoder = append(b.decoder, func() decodeStep { return &wholeStep{} })
		b.fused = false
	}
	b.decoder = append(b.decoder, step)
}

func (b *decoderBuilder) addStrip(raw json.RawMessage) error {
	var s struct {
		Type    string   `json:"type"`
		Content jsonRune `json:"content"`
		Start   *int     `json:"start"`
		Stop    *int     `json:"stop"`
	}
	if err := decodeStrictly(raw, &s); err != nil {
		return err
	}
	if s.Content == 0 || s.Start == nil || s.Stop == nil || *s.Start < 0 || *s.Stop < 0 {
		return errors.New("want a content, start and stop")
	}
	content, start, stop := string(rune(s.Content)), *s.Start, *s.Stop
	if b.fused && stop == 0 {
		b.decoder = append(b.decoder, func() decodeStep { return &stripStep{content: content, left: start} })
		return nil
	}
	b.step(func() decodeStep {
		return mapStep(func(text string) string {
			for n := start; n > 0 && strings.HasPrefix(text, content); n-- {
				text = text[len(content):]
			}
			for n := stop; n > 0 && strings.HasSuffix(text, content); n-- {
				text = text[:len(text)-len(content)]
			}
			return text
		})
	})
	return nil
}

// A mapStep changes each token by itself.
type mapStep func(string) string

func (s mapStep) token(text string, next func(string)) { next(s(text)) }
func (s mapStep) end(func(string))                     {}

// A spaceStep puts a space between tokens: what a file without a decoder gets.
type spaceStep struct{ begun bool }

func (s *spaceStep) token(text string, next func(string)) {
	if s.begun {
		text = " " + text
	}
	s.begun = true
	next(text)
}
func (s *spaceStep) end(func(string)) {}

// A metaspaceStep writes spaces for the mark, but nothing in the first token if drop is set.
type metaspaceStep struct {
	mark        string
	drop, begun bool
}

func (s *metaspaceStep) token(text string, next func(string)) {
	space := " "
	if s.drop && !s.begun {
		space = ""
	}
	s.begun = true
	next(strings.ReplaceAll(text, s.mark, space))
}
func (s *metaspaceStep) end(func(string)) {}

// A fallbackStep makes text of tokens like <0xE2>. Those in a row become a text if all their bytes together are UTF-8, else
// one U+FFFD each.
type fallbackStep struct{ bytes []byte }

func (s *fallbackStep) token(text string, next func(string)) {
	if b, ok := fallbackByte(text); ok {
		s.bytes = append(s.bytes, b)
		return
	}
	s.end(next)
	next(text)
}

func (s *fallbackStep) end(next func(string)) {
	if utf8.Valid(s.bytes) && len(s.bytes) > 0 {
		next(string(s.bytes))
	} else {
		for range s.bytes {
			next(string(utf8.RuneError))
		}
	}
	s.bytes = s.bytes[:0]
}

// fallbackByte reads a token like <0xE2>.
func fallbackByte(text string) (b byte, ok bool) {
	if len(text) != 6 || !strings.HasPrefix(text, "<0x") || text[5] != '>' {
		return 0, false
	}
	value, err := strconv.ParseUint(text[3:5], 16, 8)
	return byte(value), err == nil
}

// A bytesStep is ByteLevel within a chain.
type bytesStep struct{ pending []byte }

func (s *bytesStep) token(text string, next func(string)) {
	if bytes, ok := unspell(text); ok {
		text = bytes
	}
	var out strings.Builder
	s.pending = append(s.pending, text...)
	rest := writeCharacters(&out, s.pending)
	s.pending = append(s.pending[:0], rest...)
	next(out.String())
}

func (s *bytesStep) end(next func(string)) {
	if len(s.pending) > 0 {
		next(string(utf8.RuneError))
	}
}

// A wholeStep puts the parts of one token together.
type wholeStep struct {
	strings.Builder
	begun bool
}

func (s *wholeStep) token(text string, _ func(string)) {
	s.begun = true
	s.WriteString(text)
}

func (s *wholeStep) end(next func(string)) {
	if s.begun {
		next(s.String())
	}
}

// A stripStep takes up to left contents away from the start of one token that comes in parts.
type stripStep struct {
	content string
	left    int
}

func (s *stripStep) token(text string, next func(string)) {
	for s.left > 0 && text != "" {
		rest, found := strings.CutPrefix(text, s.content)
		s.left--
		if !found {
			s.left = 0
		}
		text = rest
	}
	next(text)
}
func (s *stripStep) end(func(string)) {}
