package generate

import (
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

// Opening is how a conversation begins: with the system's message, unless that is empty.
func Opening(system string) []chat.Value {
	if system == "" {
		return nil
	}
	return []chat.Value{chat.Message("system", system)}
}
