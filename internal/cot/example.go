// Package cot is about thinking before answering: examples with a chain of
// thought, the joint stream of tokens and continuous thoughts, and the methods
// that learn it. It knows neither files nor the command line.
package cot

import (
	"fmt"
	"slices"
	"strings"

	"nfcot/internal/tensor"
)

// An Example is one problem with a chain of thought and an answer, all of it
// text. The JSON names are those of the example files.
type Example struct {
	TaskID     string `json:"task_id"`
	Prompt     string `json:"prompt"`                // what the model is given: a function header with its docstring
	CoT        string `json:"cot"`                   // the chain of thought, one step a line
	Answer     string `json:"answer"`                // the text to generate after thinking: the function's body
	EntryPoint string `json:"entry_point,omitempty"` // name of the function under test
	Test       string `json:"test,omitempty"`        // program that defines check(candidate)

	Messages Messages `json:"messages,omitempty"` // a conversation in place of prompt and answer, which the model's chat template makes of it
}

// A Chain is a chain of thought that a problem may have.
type Chain struct {
	Order string // in which it goes through the steps, for people; "" where there is one chain alone
	Text  string // one step a line
}

// Messages are a conversation: a JSON list of {"role", "content"}, as chat templates read it,
// with its keys in their order; "" if there is none.
type Messages string

// MarshalJSON writes the list as it is.
func (m Messages) MarshalJSON() ([]byte, error) { return []byte(m), nil }

// UnmarshalJSON takes the list as it is.
func (m *Messages) UnmarshalJSON(text []byte) error {
	*m = Messages(text)
	return nil
}

// Encoded is an Example in tokens, with its codes once they are distilled.
type Encoded struct {
	Index  int            // place in the data set; it keys the example's random draws
	Prompt []int          // q
	Steps  [][]int        // d, a step of the chain each, with its line end
	Answer []int          // x, without EOS
	Cut    bool           // the answer went on: no EOS follows it
	Codes  *tensor.Tensor // e [K, D], or nil

	// Segments of the chain that codes stand for, in the VAE's tokens: [K]; nil where nothing is read back.
	Segments [][]int

	// Said is what each code stands for, in the model's tokens: [K]; nil where nothing learns to say it (Reading).
	Said [][]int

	// Method lm learns a text as it is, in place of steps and answer: Prompt is what comes before its first target.
	Tokens  []int  // up to the last target
	Targets []bool // those of Tokens that are to be predicted, each from all tokens before it; never the first one
	Turns   bool   // each run of targets is a whole turn of a conversation
}

// targets counts the tokens of the answer that are to be predicted, EOS included.
func (e *Encoded) targets() int {
	if e.Cut {
		return len(e.Answer)
	}
	return len(e.Answer) + 1
}

// end is the token that ends the answer, negative if none does.
func (e *Encoded) end(s Special) int {
	if e.Cut {
		return -1
	}
	return s.EOS
}

// chainTokens is the length of the chain of thought.
func (e *Encoded) chainTokens() int {
	n := 0
	for _, step := range e.Steps {
		n += len(step)
	}
	return n
}

// Special holds the ids of the tokens that structure a sequence.
type Special struct {
	EOS int // ends an answer; negative: nothing does
	BOT int // begins continuous thoughts
	CoT int // begins an explicit chain of thought
	Ans int // begins an answer that is not preceded by continuous thoughts

	MoreEOS []int // they end an answer too: models of others may have several such tokens
}

// Ends says whether a token ends answers.
func (s Special) Ends(id int) bool { return id == s.EOS || slices.Contains(s.MoreEOS, id) }

// EndIDs are all tokens that end answers, EOS first; nil if nothing does.
func (s Special) EndIDs() []int {
	if s.EOS < 0 {
		return nil
	}
	return append([]int{s.EOS}, s.MoreEOS...)
}

// end is the token that ended a sample: EOS, or one of MoreEOS; -1 if none did.
func (s Special) end(x *Sample) int {
	switch {
	case !x.Finished:
		return -1
	case x.EndedBy == 0:
		return s.EOS
	}
	return s.MoreEOS[x.EndedBy-1]
}

// SpecialTokens are the texts of Special's tokens, in the order of its fields.
var SpecialTokens = []string{"<|endoftext|>", "<|think|>", "<|cot|>", "<|answer|>"}

// A Tokenizer turns text into ids.
type Tokenizer interface {
	Encode(text string) []int       // a part of a sequence
	EncodePrompt(text string) []int // what a sequence begins with
	TokenID(token string) (int, bool)
}

// FindSpecial looks the special tokens up. It fails when the tokenizer lacks
// one.
func FindSpecial(tok Tokenizer) (Special, error) {
	ids := make([]int, len(SpecialTokens))
	for i, s := range SpecialTokens {
		id, ok := tok.TokenID(s)
		if !ok {
			return Special{}, fmt.Errorf("the tokenizer has no token %q; train it with nfcot tokenize train", s)
		}
		ids[i] = id
	}
	return Special{EOS: ids[0], BOT: ids[1], CoT: ids[2], Ans: ids[3]}, nil
}

// Encode turns example number index into tokens. Each line of the chain is a
// step.
func Encode(tok Tokenizer, ex Example, index int) Encoded {
	e := Encoded{Index: index, Prompt: tok.EncodePrompt(ex.Prompt), Answer: tok.Encode(ex.Answer)}
	for line := range strings.Lines(ex.CoT) {
		e.Steps = append(e.Steps, tok.Encode(strings.TrimSuffix(line, "\n")+"\n"))
	}
	return e
}
