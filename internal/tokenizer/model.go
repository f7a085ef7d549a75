package tokenizer

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// checkOptions refuses what would change the result and is not supported.
func (m *modelDocument) checkOptions() error {
	switch {
	case m.Type != "BPE":
		return fmt.Errorf("found type %q, only BPE is supported", m.Type)
	case m.Dropout != nil && *m.Dropout != 0:
		return fmt.Errorf("found dropout %v, only null is supported", *m.Dropout)
	case m.ContinuingSubwordPrefix != nil && *m.ContinuingSubwordPrefix != "":
		return fmt.Errorf("found continuing_subword_prefix %q, only an empty one is supported", *m.ContinuingSubwordPrefix)
	case m.EndOfWordSuffix != nil && *m.EndOfWordSuffix != "":
		return fmt.Errorf("found end_of_word_suffix %q, only an empty one is supported", *m.EndOfWordSuffix)
	}
	return nil
}

// setByteLevel lets the model read bytes as they are instead of the characters that spell them, where the two are the
// same: not where a letter that the vocabulary lacks would become other tokens than none at all.
func (b *bpe) setByteLevel(model *modelDocument) bool {
	complete := true
	for value, r := range byteSpelling {
		id, ok := model.Vocab[string(r)]
		if !ok {
			id = none
			complete = false
		}
		b.bytes[value] = int32(id)
	}
	b.byteLevel = complete || model.UnkToken == nil && !model.ByteFallback
	return b.byteLevel
}

// setModel builds the model's tables from the document.
func (t *Tokenizer) setModel() error {
	model := &t.doc.Model
	if len(model.Vocab) == 0 {
		return fmt.Errorf("model: the vocab is empty")
	}
	t.bpe.fuse = model.FuseUnk
	t.bpe.unknown = none
	if !t.bpe.byteLevel {
		t.bpe.chars = map[rune]int32{}
		for text, id := range model.Vocab {
			if isSingle(text) {
				r, _ := utf8.DecodeRuneInString(text)
				t.bpe.chars[r] = int32(id)
			}
		}
		if err := t.bpe.setUnknown(model); err != nil {
			return fmt.Errorf("model: %w", err)
		}
	}
	if err := t.bpe.setMerges(model); err != nil {
		return fmt.Errorf("model: %w", err)
	}
	if model.IgnoreMerges {
		t.bpe.whole = make(map[string]int, len(model.Vocab))
		for text, id := range model.Vocab {
			if bytes, ok := unspell(text); ok && t.bpe.byteLevel {
				t.bpe.whole[bytes] = id
			} else if !t.bpe.byteLevel {
				t.bpe.whole[text] = id
			}
		}
	}
	return nil
}

// setUnknown says what characters become that the vocabulary lacks.
func (b *bpe) setUnknown(model *modelDocument) error {
	complete := model.ByteFallback
	if model.ByteFallback {
		b.fallback = new([256]int32)
		for value := range b.fallback {
			id, ok := model.Vocab[fmt.Sprintf("<0x%02X>", value)]
			if !ok {
				id = none
				complete = false
			}
			b.fallback[value] = int32(id)
		}
	}
	if model.UnkToken == nil || complete {
		return nil
	}
	id, ok := model.Vocab[*model.UnkToken]
	if !ok {
		return fmt.Errorf("unk_token %q is not in the vocabulary", *model.UnkToken)
	}
	b.unknown = int32(id)
	return nil
}

func (b *bpe) setMerges(model *modelDocument) error {
	b.rules = make(map[pair]merge, len(model.Merges))
	b.made = make([]int32, len(model.Merges))
	b.words = !b.byteLevel && (b.unknown != none || b.fallback != nil)
	_, hasMark := model.Vocab[wordMark]
	b.words = b.words && hasMark
	for i, m := range model.Merges {
		var ids [3]int32
		for j, text := range [3]string{m[0], m[1], m[0] + m[1]} {
			id, ok := model.Vocab[text]
			if !ok {
				return fmt.Errorf("merge %d (%q, %q): %q is not in the vocabulary", i, m[0], m[1], text)
			}
			ids[j] = int32(id)
		}
		b.rules[makePair(ids[0], ids[1])] = merge{rank: int32(i), id: ids[2]}
		b.made[i] = ids[2]
		if strings.HasPrefix(m[1], wordMark) && !strings.HasSuffix(m[0], wordMark) {
			b.words = false
		}
	}
	return nil
}
