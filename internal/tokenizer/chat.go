package tokenizer

import "fmt"

// The tokens of Qwen3's chat format.
const (
	turnStart = "<|im_start|>"
	turnEnd   = "<|im_end|>"
	// noThoughts stands for a chain of thought where there is to be none.
	noThoughts = "<think>\n\n</think>\n\n"
)

// ChatPrompt is the prompt that has text as the user's turn, after the system's if there
// is one, and begins the assistant's, letter for letter as the chat template of Qwen3's
// tokenizer_config.json does; end is the token that ends a turn. Unless it is to think, a
// model that can is told that it has. It fails for tokenizers that do not have the format.
func (t *Tokenizer) ChatPrompt(system, text string, think bool) (prompt string, end int, err error) {
	for _, token := range []string{turnStart, turnEnd} {
		id, ok := t.TokenID(token)
		if !ok {
			return "", 0, fmt.Errorf("its tokenizer has no token %s", token)
		}
		end = id
	}
	if empty := t.EncodePrompt(""); len(empty) > 0 { // the format has nothing before its first turn
		return "", 0, fmt.Errorf("its tokenizer's post_processor puts %s around a text", t.Decode(empty, false))
	}
	if system != "" {
		prompt = turnStart + "system\n" + system + turnEnd + "\n"
	}
	prompt += turnStart + "user\n" + text + turnEnd + "\n" + turnStart + "assistant\n"
	if _, thinks := t.TokenID("<think>"); thinks && !think {
		prompt += noThoughts
	}
	return prompt, end, nil
}
