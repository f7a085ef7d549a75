package data

import (
	"cmp"
	"encoding/json"
	"fmt"
	"iter"
	"strings"

	"nfcot/internal/ckpt"
	"nfcot/internal/cot"
	"nfcot/internal/tokenizer"
)

// ReadExamples reads a file of examples, compressed or not, and checks what training needs.
func ReadExamples(path string) ([]cot.Example, error) {
	examples, err := ckpt.ReadAllJSONL[cot.Example](path)
	if err != nil {
		return nil, err
	}
	for i, ex := range examples {
		if ex.Prompt == "" || ex.Answer == "" {
			return nil, fmt.Errorf("%s: example %d has no prompt or no answer; expected {\"task_id\", \"prompt\", \"cot\", \"answer\"}", path, i+1)
		}
	}
	return examples, nil
}

// TrainTokenizer learns a vocabulary of at most so many tokens from the texts of files, whose
// lines it is given by path.
func TrainTokenizer(paths []string, vocabSize int, lines func(path string) iter.Seq2[string, error]) (*tokenizer.Tokenizer, error) {
	var failed error
	tok, err := tokenizer.Train(func(yield func(string) bool) {
		for _, path := range paths {
			for text, err := range Texts(path, lines(path)) {
				if failed = err; err != nil || !yield(text) {
					return
				}
			}
		}
	}, vocabSize, cot.SpecialTokens)
	return tok, cmp.Or(failed, err)
}

// Texts yields the texts of a file, whose path errors name, out of its lines: of a file of
// examples (JSON lines with a prompt) prompt, chain and answer; of any other file its
// lines. The first line says which of the two a file is.
func Texts(path string, lines iter.Seq2[string, error]) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		n, examples := 0, false
		for line, err := range lines {
			if err != nil {
				yield("", err)
				return
			}
			n++
			var ex cot.Example
			invalid := json.Unmarshal([]byte(line), &ex)
			if n == 1 {
				examples = strings.HasPrefix(line, "{") && invalid == nil && ex.Prompt != ""
			}
			switch {
			case !examples:
				if !yield(line+"\n", nil) {
					return
				}
			case invalid != nil:
				yield("", fmt.Errorf("%s:%d: invalid JSON (%w); expected an example, as on the lines before", path, n, invalid))
				return
			default:
				if !yield(ex.Prompt, nil) || !yield(ex.CoT+"\n", nil) || !yield(ex.Answer, nil) {
					return
				}
			}
		}
	}
}
