// Package chat renders the chat templates of language models as Hugging Face's transformers does, byte for byte.
//
// A template is a program in Jinja2 with transformers' settings and extensions. This package has an interpreter of its
// own for it: the templates of model families compute with Python's values (a method of a string, the order of a dict,
// what prints as "True"), and what an interpreter gets slightly wrong trains or prompts a model on another text. A
// construct that is not supported is an error that names it, never another text.
//
//	source -> lexer.go -> parser.go, expression.go -> analyze.go, scope.go, bind.go (where names live) -> run.go, eval.go
//
// A template is a stranger's: it can neither change what it is given nor reach anything else, and its work is bounded.
package chat

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// A Template is a chat template, ready to render. It never changes.
type Template struct {
	source string
	body   []stmt
	scope  *scope
	marks  bool // it has {% generation %} blocks
}

// Parse reads a template. Errors name the line.
func Parse(source string) (t *Template, err error) {
	defer recovered(&err)
	p := &parser{tokens: lex(source)}
	t = &Template{source: source, body: p.body(nil)}
	t.marks = p.marks
	t.scope = bindTemplate(t.body)
	return t, nil
}

// Args are what a template gets beside the messages.
type Args struct {
	AddGenerationPrompt  bool
	ContinueFinalMessage bool              // end behind the last message's content, for the model to go on
	Special              map[string]string // bos_token, eos_token and others by name
	Tools, Documents     Value             // lists, or nil
	Extra                *Dict             // further variables, which win over the others; or nil
	Now                  time.Time         // for strftime_now; zero: the time now
}

// Render renders messages, each of which is a *Dict. An error that the template raises itself is a *Raised.
func (t *Template) Render(messages []Value, a Args) (string, error) {
	text, _, err := t.RenderSpans(messages, a)
	return text, err
}

// RenderSpans is Render, and says which parts of the text {% generation %} marks as the assistant's: where each begins and
// ends, in bytes.
func (t *Template) RenderSpans(messages []Value, a Args) (text string, spans [][2]int, err error) {
	defer recovered(&err)
	if len(messages) == 0 {
		return "", nil, errors.New("the conversation has no message")
	}
	if a.ContinueFinalMessage && a.AddGenerationPrompt {
		return "", nil, errors.New("a text that continues the final message has no generation prompt behind it")
	}
	chat := make([]Value, len(messages))
	for i, m := range messages {
		if chat[i], err = normalize(m); err != nil {
			return "", nil, fmt.Errorf("message %d: %w", i, err)
		}
	}
	final := ""
	if a.ContinueFinalMessage {
		if final, err = t.tag(chat); err != nil {
			return "", nil, err
		}
	}
	r := &run{caller: t.variables(chat, a), now: a.Now}
	if r.now.IsZero() {
		r.now = time.Now()
	}
	out := &output{run: r, spans: &spans}
	r.open(t.scope, nil).statements(t.body, out)
	text = out.String()
	if a.ContinueFinalMessage {
		text, err = cutAtTag(text, final)
	}
	return text, spans, err
}

// variables are what the template sees.
func (t *Template) variables(chat []Value, a Args) *Dict {
	vars := NewDict()
	vars.set("messages", NewList(chat...))
	vars.set("tools", a.Tools)
	vars.set("documents", a.Documents)
	vars.set("add_generation_prompt", a.AddGenerationPrompt)
	for name, token := range a.Special {
		vars.set(name, token)
	}
	if a.Extra != nil {
		for i, name := range a.Extra.keys {
			vars.set(name, a.Extra.values[i])
		}
	}
	return vars
}

// reasoningFields are the names under which messages carry the assistant's reasoning.
var reasoningFields = []string{"reasoning_content", "thinking", "reasoning"}

// normalize prepares a message as transformers does: keys whose value is None go, and reasoning is there under the names
// that templates read.
func normalize(message Value) (*Dict, error) {
	given, ok := message.(*Dict)
	if !ok {
		return nil, fmt.Errorf("found a %s, want an object", typeName(message))
	}
	m := NewDict()
	var reasoning Value
	for _, name := range reasoningFields {
		if v, _ := given.get(name); v != nil {
			reasoning = v
			m.set("thinking", v)
			break
		}
	}
	for i, key := range given.keys {
		if given.values[i] != nil {
			m.set(key, given.values[i])
		}
	}
	if reasoning != nil {
		m.set("reasoning_content", reasoning)
	}
	return m, nil
}

// continueTag marks where the final message's content ends.
const continueTag = "CONTINUE_FINAL_MESSAGE_TAG "

// tag marks the end of the final message, and returns its text.
func (t *Template) tag(chat []Value) (final string, err error) {
	last := chat[len(chat)-1].(*Dict)
	content, ok := last.get("content")
	switch {
	case !ok:
		return "", errors.New(`the final message has no "content" to continue`)
	case !strings.Contains(t.source, "content"):
		return "", errors.New(`the chat template does not read "content", so that the final message cannot be continued`)
	}
	if s, ok := content.(string); ok {
		last.set("content", s+continueTag)
		return s, nil
	}
	parts, ok := content.(*List)
	if !ok {
		return "", fmt.Errorf("the content of the final message is a %s, which cannot be continued", typeName(content))
	}
	parts = NewList(append([]Value{}, parts.items...)...)
	for i := len(parts.items) - 1; i >= 0; i-- {
		part, isDict := parts.items[i].(*Dict)
		if !isDict {
			continue
		}
		if s, ok := part.get("text"); ok {
			text, _ := s.(string)
			part = part.clone()
			part.set("text", text+continueTag)
			parts.items[i] = part
			last.set("content", parts)
			return text, nil
		}
	}
	return "", errors.New("the final message has no text to continue")
}

// cutAtTag ends a text where the tag is.
func cutAtTag(text, final string) (string, error) {
	tag := strings.TrimSpace(continueTag)
	at := strings.LastIndex(text, tag)
	if at < 0 || !strings.Contains(text, strings.TrimFunc(final, isSpace)) {
		return "", errors.New("the final message does not appear in the text that the chat template makes, so that it cannot be continued")
	}
	if strings.HasPrefix(text[at:], continueTag) {
		return text[:at], nil
	}
	return strings.TrimRightFunc(text[:at], isSpace), nil
}
