package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
)

// setPostProcessor takes from the post-processor the tokens that stand around a text. One that only trims offsets, which
// Encode does not have, is of no effect.
func (t *Tokenizer) setPostProcessor() error {
	if isNull(t.doc.PostProcessor) {
		return nil
	}
	if err := t.addPostProcessor(t.doc.PostProcessor, true); err != nil {
		return fmt.Errorf("post_processor: %w", err)
	}
	return nil
}

func (t *Tokenizer) addPostProcessor(raw json.RawMessage, mayBeSequence bool) error {
	kind, err := typeOf(raw)
	if err != nil {
		return err
	}
	switch {
	case kind == "ByteLevel":
		return decodeStrictly(raw, new(byteLevel))
	case kind == "TemplateProcessing":
		return t.addTemplate(raw)
	case kind == "Sequence" && mayBeSequence:
		list, err := sequenceOf(raw, "processors")
		for _, processor := range list {
			if err == nil {
				err = t.addPostProcessor(processor, false)
			}
		}
		return err
	}
	return fmt.Errorf("found type %q, only ByteLevel, TemplateProcessing and a Sequence of these are supported", kind)
}

// A template is a TemplateProcessing: what a text, or a pair of texts, becomes.
type template struct {
	Type          string                     `json:"type"`
	Single        []templatePiece            `json:"single"`
	Pair          json.RawMessage            `json:"pair"` // not used: a text comes alone
	SpecialTokens map[string]templateSpecial `json:"special_tokens"`
}

// A templatePiece is the text, which is called A, or some tokens.
type templatePiece struct {
	Sequence     *pieceName `json:"Sequence"`
	SpecialToken *pieceName `json:"SpecialToken"`
}

type pieceName struct {
	ID     string `json:"id"`
	TypeID int    `json:"type_id"` // of no effect on ids
}

// A templateSpecial says which tokens a name in a template stands for.
type templateSpecial struct {
	ID     string   `json:"id"`
	IDs    []int    `json:"ids"`
	Tokens []string `json:"tokens"`
}

func (t *Tokenizer) addTemplate(raw json.RawMessage) error {
	var tmpl template
	if err := decodeStrictly(raw, &tmpl); err != nil {
		return err
	}
	if t.around != nil {
		return errors.New("only one TemplateProcessing is supported")
	}
	t.around = new([2][]int)
	end := 0 // before the text, or after
	for i, piece := range tmpl.Single {
		switch {
		case (piece.Sequence == nil) == (piece.SpecialToken == nil):
			return fmt.Errorf("single: piece %d: want either a Sequence or a SpecialToken", i)
		case piece.SpecialToken != nil:
			ids, err := t.templateTokens(tmpl, piece.SpecialToken.ID)
			if err != nil {
				return fmt.Errorf("single: piece %d: %w", i, err)
			}
			t.around[end] = append(t.around[end], ids...)
		case piece.Sequence.ID != "A" || end > 0:
			return fmt.Errorf("single: piece %d: found Sequence %q, want the text, A, once", i, piece.Sequence.ID)
		default:
			end = 1
		}
	}
	if end == 0 {
		return errors.New("single: it lacks the text: no piece is Sequence A")
	}
	return nil
}

// templateTokens are the tokens that a name in a template stands for.
func (t *Tokenizer) templateTokens(tmpl template, name string) ([]int, error) {
	special, ok := tmpl.SpecialTokens[name]
	if !ok || len(special.IDs) == 0 || len(special.IDs) != len(special.Tokens) {
		return nil, fmt.Errorf("special_tokens has no ids and tokens for %q", name)
	}
	for i, id := range special.IDs {
		if text := t.Token(id); text == "" || text != special.Tokens[i] {
			return nil, fmt.Errorf("special_tokens: %q has id %d, which is %q in the vocabulary", special.Tokens[i], id, text)
		}
	}
	return special.IDs, nil
}
