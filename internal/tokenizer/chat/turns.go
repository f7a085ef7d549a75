package chat

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Which parts of a conversation's text the assistant says. A template with {% generation %} blocks says so itself. Any other
// is asked: the text of the messages before a turn, with the generation prompt, is what the model is given, and where the
// turn's content ends is seen by putting other content in its place. This finds turns also where a template shortens
// earlier ones, such as by what was thought in them.

// A Turn is a part of a conversation's text that the assistant says: text[From:To], in bytes.
type Turn struct {
	From, To int
	Open     bool // the token that ends the turn is not in it: it follows, perhaps after white space
}

// Turns renders messages, and finds the assistant's turns in the text. Without {% generation %} blocks those that no message
// of a user comes before are none. It fails where it cannot be said for certain what the assistant says.
func (t *Template) Turns(messages []Value, a Args) (text string, turns []Turn, err error) {
	if t.marks {
		text, spans, err := t.RenderSpans(messages, a)
		if err != nil {
			return "", nil, fmt.Errorf("chat template: %w", err)
		}
		for _, s := range spans {
			turns = append(turns, Turn{From: s[0], To: s[1]})
		}
		return text, turns, nil
	}
	if text, err = t.Render(messages, a); err != nil {
		return "", nil, fmt.Errorf("chat template: %w", err)
	}
	asked := false
	for i, m := range messages {
		switch roleOf(m) {
		case "user":
			asked = true
		case "assistant":
			if !asked {
				continue
			}
			turn, err := t.turn(text, messages, i, a)
			if err == nil && i == len(messages)-1 {
				err = keepsThoughts(messages[i].(*Dict), text[turn.From:turn.To])
			}
			if err != nil {
				return "", nil, fmt.Errorf("message %d: %w", i+1, err)
			}
			turns = append(turns, turn)
		}
	}
	return text, turns, nil
}

func roleOf(message Value) (role string) {
	if m, ok := message.(*Dict); ok {
		v, _ := m.get("role")
		role, _ = v.(string)
	}
	return role
}

// otherContent is put in the place of a message's content. No text has these private characters.
const otherContent = "\uE0C1\uE0C2\uE0C3"

// turn finds message i, the assistant's, in the text of all messages.
func (t *Template) turn(text string, messages []Value, i int, a Args) (Turn, error) {
	m := messages[i].(*Dict)
	content, _ := m.get("content")
	if calls, _ := m.get("tool_calls"); calls != nil && truth(calls) {
		return Turn{}, errors.New("it calls tools, and the chat template does not mark what of its text the assistant says ({% generation %})")
	}
	if _, ok := content.(string); !ok {
		return Turn{}, errors.New("its content is no text")
	}
	others := slices.Clone(messages)
	others[i] = m.With("content", otherContent)
	other, err := t.Render(others, a)
	if err != nil {
		return Turn{}, fmt.Errorf("chat template, of another content: %w", err)
	}
	before, after, found := strings.Cut(other, otherContent)
	if !found || strings.Contains(after, otherContent) || !strings.HasSuffix(text, after) {
		return Turn{}, errors.New("the chat template does not render its content once and alone, so that it cannot be said which tokens are the assistant's; " +
			"a template that marks them ({% generation %}) can")
	}
	turn := Turn{To: len(text) - len(after), Open: true}
	prompt := t.generationPrompt(messages[:i], a)
	switch {
	case prompt != "" && len(prompt) <= turn.To && strings.HasPrefix(text, prompt):
		turn.From = len(prompt)
	case len(before) <= turn.To && strings.HasPrefix(text, before):
		turn.From = len(before)
	default:
		return Turn{}, errors.New("the chat template renders what comes before it otherwise where other messages follow, so that it cannot be said which tokens are the " +
			"assistant's; a template that marks them ({% generation %}) can")
	}
	return turn, nil
}

// generationPrompt is the text of messages with the prompt for the next one, "" if the template has none for them.
func (t *Template) generationPrompt(messages []Value, a Args) string {
	plain, err := t.Render(messages, a)
	if err != nil {
		return ""
	}
	a.AddGenerationPrompt = true
	if text, err := t.Render(messages, a); err == nil && text != plain {
		return text
	}
	return ""
}

// endOfThoughts ends what an assistant thinks before it answers, in the content of its message.
const endOfThoughts = "</think>"

// keepsThoughts refuses the text of a message in which its thoughts are missing.
func keepsThoughts(m *Dict, text string) error {
	content, _ := m.get("content")
	thinks := strings.Contains(content.(string), endOfThoughts)
	for _, name := range reasoningFields {
		v, _ := m.get(name)
		thinks = thinks || v != nil && truth(v)
	}
	if thinks && !strings.Contains(text, endOfThoughts) {
		return errors.New("the chat template leaves out what the last answer thinks (<think>), which would not be learned; " +
			"take it out of the data, or a template that keeps it")
	}
	return nil
}
