package tokenizer

// Aligned is a text in tokens of which is known where in the text they stand.
type Aligned struct {
	IDs []int // of the text: Encode

	tokenizer *Tokenizer
	text      string
	decoded   string // what the tokens decode to inside a text, one after the other
}

// Align encodes a text.
func (t *Tokenizer) Align(text string) *Aligned {
	ids := t.Encode(text)
	return &Aligned{IDs: ids, tokenizer: t, text: text, decoded: t.decodedAll(ids)}
}

// decodedAll is what tokens decode to inside a text, one after the other.
func (t *Tokenizer) decodedAll(ids []int) string {
	var all []byte
	for _, id := range ids {
		all = append(all, t.TokenBytes(id)...)
	}
	return string(all)
}

// Within is the range of IDs that hold a part of text[from:to]: IDs[first:end]. A token that holds the end of one part of
// a text and the beginning of the next is in the ranges of both. A part of no bytes has no tokens.
func (a *Aligned) Within(from, to int) (first, end int) {
	start, stop := a.place(from), a.place(to)
	at := 0 // in decoded, behind the tokens so far
	for _, id := range a.IDs {
		begin := at
		if begin >= stop {
			break
		}
		if at += len(a.tokenizer.TokenBytes(id)); at <= start {
			first++
		}
		end++
	}
	if start == stop {
		return first, first
	}
	return first, end
}

// place is where in decoded a byte of the text is. Normalization and marks of word beginnings make the one another text than
// the other: what counts is how much of decoded the text before that byte makes by itself.
func (a *Aligned) place(offset int) int {
	if offset == len(a.text) {
		return len(a.decoded)
	}
	before := a.tokenizer.decodedAll(a.tokenizer.Encode(a.text[:offset]))
	n := 0
	for n < min(len(before), len(a.decoded)) && before[n] == a.decoded[n] {
		n++
	}
	return n
}
