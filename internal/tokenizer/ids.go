package tokenizer

import (
	"fmt"
	"strconv"

	"nfcot/internal/ckpt/jsontext"
)

// AppendIDs appends ids to a text as a JSON array, and returns it.
func AppendIDs(text []byte, ids []int) []byte {
	text = append(text, '[')
	for i, id := range ids {
		if i > 0 {
			text = append(text, ',')
		}
		text = strconv.AppendInt(text, int64(id), 10)
	}
	return append(text, ']')
}

// ParseIDs reads a JSON array of ids. It fails for those that are not in the vocabulary.
func (t *Tokenizer) ParseIDs(text string) ([]int, error) {
	var ids []int
	if err := jsontext.Unmarshal([]byte(text), &ids); err != nil || ids == nil {
		return nil, fmt.Errorf("found %.40q; expected a JSON array of ids, like [5, 7]", text)
	}
	for _, id := range ids {
		if id < 0 || id >= t.VocabSize() {
			return nil, fmt.Errorf("id %d is not in the vocabulary; expected 0 to %d", id, t.VocabSize()-1)
		}
	}
	return ids, nil
}
