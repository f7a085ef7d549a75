package generate

import (
	"fmt"

	"nfcot/internal/cot/experiment"
)

// ChatPrompt is the prompt that has text as the user's turn of a chat, after the system's
// if there is one. It fails for models that do not have the format of a chat, or that do
// not end their answers as it does.
func ChatPrompt(run *experiment.Run, system, text string, think bool) (string, error) {
	prompt, end, err := run.Tokenizer.ChatPrompt(system, text, think)
	if err == nil && !run.Model.Special.Ends(end) {
		err = fmt.Errorf("%s does not end its answers", run.Tokenizer.Decode([]int{end}, false))
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w", run.Dir, err)
	}
	return prompt, nil
}
