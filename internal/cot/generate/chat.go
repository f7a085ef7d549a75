package generate

import (
	"errors"
	"fmt"
	"strings"

	"nfcot/internal/cot/experiment"
	"nfcot/internal/tokenizer/chat"
)

// A Chat makes prompts of conversations by a model's chat template.
type Chat struct {
	run      *experiment.Run
	template *chat.Template
	args     chat.Args
}

// NewChat returns the chat of a model that has a template. Each variable is KEY=VALUE, where
// VALUE is JSON or else a text, and is seen by the template.
func NewChat(run *experiment.Run, variables []string) (*Chat, error) {
	template, err := run.Chat.Parse(false)
	if err != nil && run.Chat.Any() {
		err = fmt.Errorf("chat template: %w", err)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", run.Dir, err)
	}
	extra := chat.NewDict()
	for _, v := range variables {
		key, text, ok := strings.Cut(v, "=")
		if !ok || key == "" {
			return nil, fmt.Errorf("template variable %q: want KEY=VALUE", v)
		}
		value, err := chat.ParseJSON([]byte(text))
		if err != nil {
			value = text
		}
		extra.Set(key, value)
	}
	return &Chat{run, template, chat.Args{AddGenerationPrompt: true, Special: run.Chat.Special, Extra: extra}}, nil
}

// Prompt is the text that asks the model for the message after those given. It has the
// special tokens that the model is to see already: nothing is added when it is encoded.
func (c *Chat) Prompt(messages []chat.Value) (string, error) {
	prompt, err := c.template.Render(messages, c.args)
	if err != nil {
		return "", fmt.Errorf("%s: chat template: %w", c.run.Dir, err)
	}
	return prompt, nil
}

// Message is a message of a conversation, as templates see it.
func Message(role, content string) chat.Value {
	return chat.NewDict("role", role, "content", content)
}

// Opening is how a conversation begins: with the system's message, unless that is empty.
func Opening(system string) []chat.Value {
	if system == "" {
		return nil
	}
	return []chat.Value{Message("system", system)}
}

// ParseMessages reads a conversation: a JSON list of messages, or an object with one under
// "messages".
func ParseMessages(text []byte) ([]chat.Value, error) {
	v, err := chat.ParseJSON(text)
	if err != nil {
		return nil, err
	}
	if whole, ok := v.(*chat.Dict); ok {
		v, _ = whole.Get("messages")
	}
	list, ok := v.(*chat.List)
	if !ok {
		return nil, errors.New(`want a list of messages, or an object with one under "messages"`)
	}
	messages := list.Items()
	for i, m := range messages {
		d, ok := m.(*chat.Dict)
		if !ok {
			return nil, fmt.Errorf("message %d is no object; want {\"role\": …, \"content\": …}", i+1)
		}
		role, _ := d.Get("role")
		if _, ok := role.(string); !ok {
			return nil, fmt.Errorf("message %d has no role; want {\"role\": …, \"content\": …}", i+1)
		}
		if err := joinText(d); err != nil {
			return nil, fmt.Errorf("message %d: %w", i+1, err)
		}
	}
	return messages, nil
}

// joinText makes one text of a message's content that is a list of texts: the templates of
// language models print a list as Python would.
func joinText(message *chat.Dict) error {
	content, _ := message.Get("content")
	parts, ok := content.(*chat.List)
	if !ok {
		return nil
	}
	var whole strings.Builder
	for _, part := range parts.Items() {
		var kind, text chat.Value
		if d, ok := part.(*chat.Dict); ok {
			kind, _ = d.Get("type")
			text, _ = d.Get("text")
		}
		s, ok := text.(string)
		if kind != "text" || !ok {
			return fmt.Errorf("content has a part of type %v; a language model reads parts of type text only", kind)
		}
		whole.WriteString(s)
	}
	message.Set("content", whole.String())
	return nil
}
