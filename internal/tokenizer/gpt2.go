package tokenizer

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

// endOfText is GPT-2's only special token.
const endOfText = "<|endoftext|>"

// LoadGPT2 reads the two files in which OpenAI published GPT-2's tokenizer: encoder.json, the vocabulary, and vocab.bpe,
// the merges, one "a b" a line. Elsewhere they are called vocab.json and merges.txt.
func LoadGPT2(encoderJSON, vocabBPE string) (*Tokenizer, error) {
	encoder, err := os.ReadFile(encoderJSON)
	if err != nil {
		return nil, err
	}
	var vocab vocabulary
	if err := checkUTF8(encoder); err != nil {
		return nil, fmt.Errorf("%s: %w", encoderJSON, err)
	}
	if err := decodeStrictly(encoder, &vocab); err != nil {
		return nil, fmt.Errorf("%s: %w", encoderJSON, err)
	}
	text, err := os.ReadFile(vocabBPE)
	if err != nil {
		return nil, err
	}
	merges, err := parseMerges(strings.Split(strings.TrimSuffix(string(text), "\n"), "\n"))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", vocabBPE, err)
	}
	var added []addedToken
	if id, ok := vocab[endOfText]; ok {
		added = append(added, newSpecial(id, endOfText))
	}
	t, err := newTokenizer(newDocument(vocab, merges, added))
	if err != nil {
		return nil, fmt.Errorf("%s with %s: %w", encoderJSON, vocabBPE, err)
	}
	return t, nil
}

// newDocument is a tokenizer with GPT-2's pipeline: no normalization, GPT-2's pattern, nothing added at the ends.
func newDocument(vocab vocabulary, merges mergeList, added []addedToken) document {
	return document{
		Version:      "1.0",
		AddedTokens:  added,
		PreTokenizer: json.RawMessage(`{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true}`),
		Decoder:      json.RawMessage(`{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true}`),
		Model:        modelDocument{Vocab: vocab, Merges: merges},
	}
}
