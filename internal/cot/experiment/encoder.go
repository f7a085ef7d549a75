package experiment

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"nfcot/internal/cot"
	"nfcot/internal/tokenizer"
	"nfcot/internal/tokenizer/chat"
)

// Text to learn from becomes tokens here, and it is said which of them are learned: prompts and answers, and conversations,
// of which a model's chat template makes the text.

// An Encoder makes tokens of examples as a method learns from them.
type Encoder struct {
	Method    Method
	Tokenizer *tokenizer.Tokenizer
	Special   cot.Special // what ends turns of the conversations so far is among it

	model    string          // where it comes from, for errors
	eos      int             // ends what method lm learns
	chat     *chat.Templates // nil: the model has none
	template *chat.Template  // that conversations are rendered by; nil until the first one comes
}

// encoderOf returns the encoder of a model that training can start from, for a method; "" is the run's own, and lm for a
// model of others. base is as for OpenBase.
func encoderOf(model, base, method string) (*Encoder, error) {
	b, err := OpenBase(model, base)
	if err != nil {
		return nil, err
	}
	m, err := FindMethod(cmp.Or(method, b.method))
	if err != nil {
		return nil, err
	}
	run := new(Run)
	if err := run.begin(b, m); err != nil {
		return nil, err
	}
	return run.encoder(m, model)
}

// encoder is that of a run whose tokenizer and companions are known, those of a model.
func (r *Run) encoder(m Method, model string) (*Encoder, error) {
	special, err := r.special(m)
	if err != nil {
		return nil, err
	}
	e := &Encoder{Method: m, Tokenizer: r.Tokenizer, Special: special, model: model, eos: special.EOS, chat: r.companions.chat}
	if e.chat != nil { // of several tokens that end an answer, the one that the tokenizer calls so
		if id, ok := r.Tokenizer.TokenID(e.chat.Special["eos_token"]); ok && special.Ends(id) {
			e.eos = id
		}
	}
	return e, nil
}

// Encode turns example number index into tokens. Conversations need a chat template. Of method lm the whole is one text, of
// which the answer and the token that ends it, or all turns of the assistant, are targets; other methods learn the last
// turn, given what the template makes of all before it.
func (e *Encoder) Encode(ex cot.Example, index int) (cot.Encoded, error) {
	switch {
	case ex.Messages == "" && e.Method.Plain:
		return e.text(ex, index)
	case ex.Messages == "":
		return cot.Encode(e.Tokenizer, ex, index), nil
	}
	messages, err := e.conversation(ex)
	if err != nil {
		return cot.Encoded{}, err
	}
	if e.Method.Plain {
		return e.turns(messages, index)
	}
	return e.lastTurn(ex, messages, index)
}

// text is a prompt with its answer, in tokens as one text. A token that holds the end of the prompt and the beginning of the
// answer is a target: without it a part of the answer would be given.
func (e *Encoder) text(ex cot.Example, index int) (cot.Encoded, error) {
	whole := e.Tokenizer.Align(ex.Prompt + ex.Answer)
	first, _ := whole.Within(len(ex.Prompt), len(ex.Prompt)+len(ex.Answer))
	opening := e.Tokenizer.Opening()
	tokens := slices.Concat(opening, whole.IDs)
	if n := len(whole.IDs); n == first || !e.Special.Ends(whole.IDs[n-1]) { // else the answer has its end
		tokens = append(tokens, e.eos)
	}
	targets := make([]bool, len(tokens))
	for i := len(opening) + first; i < len(tokens); i++ {
		targets[i] = true
	}
	return plain(index, tokens, targets)
}

// plain is a text to learn from, up to its last target. Its first token is none: there is nothing before it that could
// predict it.
func plain(index int, tokens []int, targets []bool) (cot.Encoded, error) {
	n := len(targets)
	for n > 0 && !targets[n-1] {
		n--
	}
	if n < 2 {
		return cot.Encoded{}, errors.New("nothing of it can be learned: it has no token that is the answer's, or the assistant's, and follows another one")
	}
	tokens, targets = tokens[:n:n], targets[:n:n]
	targets[0] = false
	first := slices.Index(targets, true)
	return cot.Encoded{Index: index, Prompt: tokens[:first:first], Tokens: tokens, Targets: targets}, nil
}

// conversation reads the messages of an example up to the assistant's last one.
func (e *Encoder) conversation(ex cot.Example) ([]chat.Value, error) {
	if err := e.parseTemplate(); err != nil {
		return nil, err
	}
	messages, err := chat.ParseMessages([]byte(ex.Messages))
	if err != nil {
		return nil, err
	}
	for n := len(messages); n > 0; n-- {
		if role, _ := messages[n-1].(*chat.Dict).Get("role"); role == "assistant" {
			return messages[:n], nil
		}
	}
	return nil, errors.New("no message of the conversation is the assistant's, whose answers are what is learned")
}

// parseTemplate parses the model's chat template, once.
func (e *Encoder) parseTemplate() (err error) {
	switch {
	case e.template != nil:
		return nil
	case !e.chat.Any():
		return fmt.Errorf("it is a conversation, and %s has no chat template to make a text of it; "+
			"start from a model that has one (chat_template.jinja beside its tokenizer), or give examples with prompt and answer", e.model)
	}
	if e.template, err = e.chat.Parse(false); err != nil {
		err = fmt.Errorf("%s: chat template: %w", e.model, err)
	}
	return err
}

// today is the date that templates see when text is learned: the same data make the same text on every day. It is the one
// that Llama 3's templates have where they know none.
var today = time.Date(2024, time.July, 26, 0, 0, 0, 0, time.UTC)

func (e *Encoder) args(prompt bool) chat.Args {
	return chat.Args{AddGenerationPrompt: prompt, Special: e.chat.Special, Now: today}
}

// turns is a conversation as one text, whose targets are the assistant's turns with the tokens that end them. What follows the
// last target is left out.
func (e *Encoder) turns(messages []chat.Value, index int) (cot.Encoded, error) {
	tokens, targets, err := e.mask(messages)
	if err != nil {
		return cot.Encoded{}, err
	}
	x, err := plain(index, tokens, targets)
	x.Turns = true
	return x, err
}

// mask returns the tokens of a conversation, with its chat template, and which of them are the assistant's: those that
// transformers calls so (return_assistant_tokens_mask) where the template has {% generation %} blocks, and else the
// assistant's contents, each with the token that ends its turn.
func (e *Encoder) mask(messages []chat.Value) (tokens []int, assistant []bool, err error) {
	text, turns, err := e.template.Turns(messages, e.args(false))
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", e.model, err)
	}
	whole := e.Tokenizer.Align(text)
	assistant = make([]bool, len(whole.IDs))
	for _, turn := range turns {
		first, end := whole.Within(turn.From, turn.To)
		if turn.Open {
			if end, err = e.endOfTurn(whole, text, turn.To); err != nil {
				return nil, nil, err
			}
		}
		if first >= end { // it says nothing
			continue
		}
		for i := first; i < end; i++ {
			assistant[i] = true
		}
		if id := whole.IDs[end-1]; e.Tokenizer.IsSpecial(id) && !e.Special.Ends(id) { // a base model's ends may be those of texts alone
			e.Special.MoreEOS = append(slices.Clip(e.Special.MoreEOS), id)
		}
	}
	return whole.IDs, assistant, nil
}

// endOfTurn is the number of tokens of a text up to the one that ends a turn, whose content ends at a byte of it: a special
// token with nothing but white space before it.
func (e *Encoder) endOfTurn(whole *tokenizer.Aligned, text string, at int) (int, error) {
	rest := strings.TrimLeftFunc(text[at:], unicode.IsSpace)
	first, _ := whole.Within(at, len(text))
	for i := first; i < len(whole.IDs); i++ {
		if id := whole.IDs[i]; e.Tokenizer.IsSpecial(id) || e.Special.Ends(id) {
			if strings.HasPrefix(rest, e.Tokenizer.Token(id)) {
				return i + 1, nil
			}
			break
		}
	}
	return 0, fmt.Errorf("%s: the chat template ends the assistant's turns with %.20q, and not with a special token that could be learned as their end", e.model, text[at:])
}

// lastTurn is the assistant's last message as an answer, which is not rendered, to the text of all before it.
func (e *Encoder) lastTurn(ex cot.Example, messages []chat.Value, index int) (cot.Encoded, error) {
	before, last := messages[:len(messages)-1], messages[len(messages)-1].(*chat.Dict)
	content, _ := last.Get("content")
	answer, ok := content.(string)
	if !ok {
		return cot.Encoded{}, fmt.Errorf("message %d, the answer, has no text as its content", len(messages))
	}
	prompt, err := e.template.Render(before, e.args(true))
	if err != nil {
		return cot.Encoded{}, fmt.Errorf("%s: chat template: %w", e.model, err)
	}
	ex.Answer = answer
	x := cot.Encode(e.Tokenizer, ex, index)
	x.Prompt = e.Tokenizer.Encode(prompt)
	return x, nil
}

// A marker shows what is learned of an example's words.
type marker interface {
	Marked(ex cot.Encoded) (tokens []int, targets []bool)
}

// Marked is an example as the model sees its words: tokens, and which of them are targets. Thoughts are left out; the token
// that begins them is not.
func (e *Encoder) Marked(x cot.Encoded) (tokens []int, targets []bool) {
	var words marker = &cot.Text{Special: cot.Special{EOS: e.Special.EOS, Ans: e.Special.BOT}}
	if e.Method.Words {
		words = e.Method.make(Config{}, nil, nil, e.Special).Sampler.(marker)
	}
	return words.Marked(x)
}
