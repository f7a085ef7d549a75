package cli

import (
	"os"
	"os/signal"

	"github.com/urfave/cli/v2"

	"nfcot/internal/ckpt"
	"nfcot/internal/cot/experiment"
	"nfcot/internal/cot/generate"
	"nfcot/internal/eval/bench"
	"nfcot/internal/tokenizer/chat"
)

// chatTokens are what an answer of a chat on a terminal may take, if --max-tokens does not say.
const chatTokens = 1024

// chatOptions say how a conversation becomes a prompt.
type chatOptions struct {
	chat      bool
	messages  string
	system    string
	variables []string
	think     bool
}

func (o *chatOptions) flags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "chat", Usage: "take --prompt for the user's message, put it into the model's own chat template, and answer as the assistant; without --prompt, on a terminal, chat", Destination: &o.chat},
		&cli.StringFlag{Name: "messages", Usage: "answer the conversation in this `FILE`: a JSON list of {\"role\": …, \"content\": …}; -: stdin; implies --chat", Destination: &o.messages},
		&cli.StringFlag{Name: "system", Usage: "`TEXT` of the system's message before the user's, with --chat", Destination: &o.system},
		&cli.StringSliceFlag{Name: "template-arg", Usage: "a variable for the chat template, `KEY=VALUE`, where VALUE is JSON or else a text, as in enable_thinking=false; may be given several times", Action: func(_ *cli.Context, variables []string) error {
			o.variables = variables
			return nil
		}},
		&cli.BoolFlag{Name: "think", Usage: "short for --template-arg enable_thinking=true; default: what the template does", Destination: &o.think},
	}
}

// checkChat finds flags of a chat that do not go together.
func (o *chatOptions) checkChat(c *cli.Context) error {
	switch {
	case c.IsSet("messages") && (c.IsSet("prompt") || c.IsSet("system")):
		return inputf("sample: --messages is the whole conversation; it excludes --prompt and --system")
	case (c.IsSet("chat") || c.IsSet("messages")) && c.IsSet("bench"):
		return inputf("sample: --chat and --messages exclude --bench; what a model is asked in a benchmark is its recipe's (--recipe)")
	case c.IsSet("messages") && o.messages == "":
		return inputf("sample: --messages is empty; give a file")
	}
	o.chat = o.chat || o.messages != ""
	if o.think {
		o.variables = append(o.variables, "enable_thinking=true")
	}
	if asked := c.IsSet("prompt") || c.IsSet("bench"); asked && !o.chat && (o.system != "" || len(o.variables) > 0) {
		return inputf("sample: --system, --think and --template-arg go with --chat or --messages")
	}
	return nil
}

// chatPrompt is a conversation as its model reads it: that of a file, or of a prompt as the
// user's message.
func chatPrompt(run *experiment.Run, o chatOptions, prompt string) (string, error) {
	c, err := generate.NewChat(run, o.variables)
	if err != nil {
		return "", input(err)
	}
	messages := append(generate.Opening(o.system), chat.Message("user", prompt))
	if o.messages != "" {
		text, err := readAll("--messages", o.messages)
		if err != nil {
			return "", err
		}
		if messages, err = chat.ParseMessages([]byte(text)); err != nil {
			return "", inputf("--messages %s: %w", o.messages, err)
		}
	}
	text, err := c.Prompt(messages)
	return text, input(err)
}

// readAll reads all of a file, compressed or not, or of stdin.
func readAll(flag, path string) (string, error) {
	text, err := ckpt.ReadText(path)
	if err != nil {
		return "", input(err)
	}
	if len(text) > 0 {
		return string(text), nil
	}
	what := "is empty"
	if path == ckpt.Stdin {
		what = "standard input is empty"
	}
	return "", inputf("%s %s: %s; give a text", flag, path, what)
}

// converse chats on the terminal. Interrupting an answer ends the answer.
func (e *env) converse(o sampleOptions, run *experiment.Run) error {
	c, err := generate.NewChat(run, o.variables)
	if err != nil {
		return input(err)
	}
	if !e.terminal || e.json || o.out != "" {
		return inputf("sample: nothing says what %s is to answer; give --prompt, --messages or --bench (on a terminal this is a chat)", o.model)
	}
	if o.several != "" {
		return inputf("sample: a chat has no use for %s; give --prompt, --messages or --bench, or leave it out", o.several)
	}
	g, err := o.generator(run, bench.Plain("chat"), nil)
	if err != nil {
		return err
	}
	if !o.limited {
		g.MaxTokens = chatTokens
	}
	signal.Reset(os.Interrupt) // which ends the program everywhere else
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, os.Interrupt)
	defer signal.Stop(interrupts)
	e.say("chat with %s: Ctrl-C stops an answer, /clear begins anew, Ctrl-D or /exit ends", run.Dir)
	return generate.NewSession(g, c, o.system).Converse(e.ctx, e.stdin, e.stdout, interrupts, e.say)
}
