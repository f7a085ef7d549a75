package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"

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
func (e *env) chatPrompt(run *experiment.Run, o chatOptions, prompt string) (string, error) {
	c, err := generate.NewChat(run, o.variables)
	if err != nil {
		return "", input(err)
	}
	messages := append(o.begin(), generate.Message("user", prompt))
	if o.messages != "" {
		text, err := e.readAll("--messages", o.messages)
		if err != nil {
			return "", err
		}
		if messages, err = generate.ParseMessages([]byte(text)); err != nil {
			return "", inputf("--messages %s: %w", o.messages, err)
		}
	}
	text, err := c.Prompt(messages)
	return text, input(err)
}

// begin is how a conversation begins: with the system's message, if there is one.
func (o *chatOptions) begin() []chat.Value {
	if o.system == "" {
		return nil
	}
	return []chat.Value{generate.Message("system", o.system)}
}

// readAll reads all of a file, compressed or not, or of stdin, as it is.
func (e *env) readAll(flag, path string) (string, error) {
	in := e.stdin
	if path != ckpt.Stdin {
		file, err := ckpt.OpenText(path)
		if err != nil {
			return "", input(err)
		}
		defer file.Close()
		in = file
	}
	text, err := io.ReadAll(in)
	if err == nil && len(text) == 0 {
		err = errors.New("is empty; give a text")
		if path == ckpt.Stdin {
			err = fmt.Errorf("standard input %w", err)
		}
	}
	if err != nil {
		return "", inputf("%s %s: %w", flag, path, err)
	}
	return string(text), nil
}

// converse chats on the terminal until its input ends or the user interrupts the wait for
// it. Interrupting an answer ends the answer.
func (e *env) converse(o sampleOptions, run *experiment.Run) error {
	c, err := generate.NewChat(run, o.variables)
	if err != nil {
		return input(err)
	}
	if !e.terminal || e.json || o.out != "" {
		return inputf("sample: nothing says what %s is to answer; give --prompt, --messages or --bench (on a terminal this is a chat)", o.model)
	}
	g, err := o.generator(run, bench.Plain("chat"), nil)
	if err != nil {
		return err
	}
	if !o.limited {
		g.MaxTokens = chatTokens
	}
	s := generate.NewSession(g, c, o.begin())
	signal.Reset(os.Interrupt) // which ends the program everywhere else
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, os.Interrupt)
	defer signal.Stop(interrupts)
	e.say("chat with %s: Ctrl-C stops an answer, /clear begins anew, Ctrl-D or /exit ends", run.Dir)
	lines := readLines(e.stdin)
	for {
		fmt.Fprint(e.stdout, "> ")
		select {
		case <-interrupts:
			fmt.Fprintln(e.stdout)
			return nil
		case line, ok := <-lines:
			switch strings.TrimSpace(line) {
			case "":
			case "/clear":
				s.Clear()
			case "/exit":
				return nil
			default:
				if err := e.turn(s, line, interrupts); err != nil {
					return err
				}
			}
			if !ok {
				fmt.Fprintln(e.stdout)
				return nil
			}
		}
	}
}

// readLines sends the lines of a stream, without their ends, until it ends.
func readLines(r io.Reader) <-chan string {
	lines := make(chan string)
	go func() {
		defer close(lines)
		in := bufio.NewReader(r)
		for {
			line, err := in.ReadString('\n')
			if err == nil || line != "" {
				lines <- strings.TrimRight(line, "\r\n")
			}
			if err != nil {
				return
			}
		}
	}()
	return lines
}

// turn shows the answer to a message as it comes, until it ends or the user interrupts it.
func (e *env) turn(s *generate.Session, text string, interrupts <-chan os.Signal) error {
	var stop atomic.Bool
	answered := make(chan struct{})
	defer close(answered)
	go func() {
		select {
		case <-interrupts:
			stop.Store(true)
		case <-answered:
		}
	}()
	cut, err := s.Answer(e.ctx, text, stop.Load, func(part string) { fmt.Fprint(e.stdout, part) })
	if errors.As(err, new(generate.TooLong)) {
		e.say("%s; /clear begins a new conversation", err)
		return nil
	}
	if err != nil {
		return err
	}
	fmt.Fprintln(e.stdout)
	if cut {
		e.say("the answer was cut off: it reached --max-tokens or the model's last position")
	}
	return nil
}
