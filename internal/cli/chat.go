package cli

import (
	"nfcot/internal/cot/experiment"
	"slices"

	"github.com/urfave/cli/v2"
)

// The tokens of Qwen3's chat format.
const (
	turnStart = "<|im_start|>"
	turnEnd   = "<|im_end|>"
	// noThoughts stands for a chain of thought where there is to be none.
	noThoughts = "<think>\n\n</think>\n\n"
)

// chatOptions say how a prompt becomes a chat.
type chatOptions struct {
	chat   bool
	system string
	think  bool
}

func (o *chatOptions) flags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "chat", Usage: "take --prompt for the user's turn in Qwen3's chat format, and answer as the assistant, without thinking before", Destination: &o.chat},
		&cli.StringFlag{Name: "system", Usage: "`TEXT` of the system's turn before the user's, with --chat", Destination: &o.system},
		&cli.BoolFlag{Name: "think", Usage: "let the assistant think before it answers, with --chat", Destination: &o.think},
	}
}

// frame is the prompt that has text as the user's turn and begins the assistant's,
// letter for letter as the chat template of Qwen3's tokenizer_config.json does. It fails
// for models that do not have the format.
func (o *chatOptions) frame(run *experiment.Run, text string) (string, error) {
	for _, token := range []string{turnStart, turnEnd} {
		if _, ok := run.Tokenizer.TokenID(token); !ok {
			return "", inputf("%s: its tokenizer has no token %s; --chat needs a model with Qwen3's chat format", run.Dir, token)
		}
	}
	if empty := run.Tokenizer.EncodePrompt(""); len(empty) > 0 { // the format has nothing before its first turn
		return "", inputf("%s: its tokenizer's post_processor puts %s around a text; --chat needs a model with Qwen3's chat format", run.Dir, run.Tokenizer.Decode(empty, false))
	}
	special := run.Model.Special
	if id, _ := run.Tokenizer.TokenID(turnEnd); id != special.EOS && !slices.Contains(special.MoreEOS, id) {
		return "", inputf("%s: %s does not end its answers; --chat needs a chat model, whose eos_token_id in %s has this token", run.Dir, turnEnd, experiment.GenerationFile)
	}
	prompt := ""
	if o.system != "" {
		prompt = turnStart + "system\n" + o.system + turnEnd + "\n"
	}
	prompt += turnStart + "user\n" + text + turnEnd + "\n" + turnStart + "assistant\n"
	if _, thinks := run.Tokenizer.TokenID("<think>"); thinks && !o.think {
		prompt += noThoughts
	}
	return prompt, nil
}
