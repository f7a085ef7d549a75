// Package cli is the command line: one file per subcommand, each with an
// options struct, the command that fills it, and a function that does it. It
// owns everything a user sees: results on stdout, progress and errors on stderr,
// exit codes.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/urfave/cli/v2"

	"nfcot/internal/cot/train"
	"nfcot/internal/eval"
	"nfcot/internal/tensor/kernel"
)

// Exit codes.
const (
	exitDone        = 0
	exitFailed      = 1
	exitBadInput    = 2
	exitInterrupted = 130
)

// badInput marks an error that lies with what the user gave: exit code 2.
type badInput struct{ error }

func (b badInput) Unwrap() error { return b.error }

// input marks err, if there is one, as bad input.
func input(err error) error {
	if err == nil || errors.Is(err, train.ErrInterrupted) || errors.Is(err, context.Canceled) {
		return err
	}
	return badInput{err}
}

// inputf makes an error of bad input.
func inputf(format string, args ...any) error { return badInput{fmt.Errorf(format, args...)} }

// An env is the world as a command sees it.
type env struct {
	ctx            context.Context
	stdin          io.Reader
	stdout, stderr io.Writer

	quiet   bool
	json    bool
	threads int
}

// workerCommand is the hidden command that runs programs for eval.
const workerCommand = "__starlark-worker"

// Main runs the program and returns its exit code.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if len(args) == 2 && args[1] == workerCommand {
		if err := eval.WorkerMain(stdin, stdout); err != nil {
			fmt.Fprintln(stderr, "nfcot:", err)
			return exitFailed
		}
		return exitDone
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	e := &env{ctx: ctx, stdin: stdin, stdout: stdout, stderr: stderr}
	err := e.app().RunContext(ctx, args)
	if err == nil {
		return exitDone
	}
	if errors.Is(err, train.ErrInterrupted) || ctx.Err() != nil && errors.Is(err, context.Canceled) {
		fmt.Fprintln(stderr, "nfcot: "+oneLine(err))
		return exitInterrupted
	}
	fmt.Fprintln(stderr, "nfcot: "+oneLine(err))
	if errors.As(err, new(badInput)) {
		return exitBadInput
	}
	return exitFailed
}

// oneLine is an error's message without line breaks.
func oneLine(err error) string {
	return strings.Join(strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
}

func (e *env) app() *cli.App {
	app := &cli.App{
		Name:                      "nfcot",
		Usage:                     "train and run latent reasoning with normalizing flows, on CPUs",
		Description:               "A language model that thinks in continuous thoughts with exact likelihoods (NF-CoT, arXiv 2606.06447).\nStart with: nfcot demo",
		Commands:                  []*cli.Command{e.demo(), e.data(), e.tokenize(), e.distill(), e.train(), e.sample(), e.score(), e.eval(), e.inspect(), e.methods()},
		Writer:                    e.stdout,
		ErrWriter:                 e.stderr,
		HideHelpCommand:           true,
		DisableSliceFlagSeparator: true,
		ExitErrHandler:            func(*cli.Context, error) {},
		OnUsageError:              usageError,
		Action: func(c *cli.Context) error {
			if name := c.Args().First(); name != "" {
				return inputf("%s: no such command; see nfcot --help", name)
			}
			return cli.ShowAppHelp(c)
		},
	}
	return app
}

func usageError(c *cli.Context, err error, _ bool) error {
	return inputf("%s: %v; see %s --help", c.Command.HelpName, err, c.Command.HelpName)
}

// command fills in what all commands share: common flags, errors of usage, and
// the refusal of arguments that would silently be ignored. Commands whose
// ArgsUsage is empty take no arguments.
func (e *env) command(c *cli.Command) *cli.Command {
	c.Flags = append(c.Flags,
		&cli.BoolFlag{Name: "quiet", Usage: "no progress on stderr", Destination: &e.quiet},
		&cli.BoolFlag{Name: "json", Usage: "results as JSON", Destination: &e.json},
		&cli.IntFlag{Name: "threads", Usage: "worker `threads`; results do not depend on it; 0: one for each core", Destination: &e.threads})
	c.OnUsageError = usageError
	c.HideHelpCommand = true
	run := c.Action
	c.Action = func(x *cli.Context) error {
		for _, arg := range x.Args().Slice() {
			if strings.HasPrefix(arg, "-") && arg != "-" {
				return inputf("%s: flag %s comes after an argument and would be ignored; put flags first", c.HelpName, arg)
			}
			if c.ArgsUsage == "" {
				return inputf("%s: unexpected argument %q; see %s --help", c.HelpName, arg, c.HelpName)
			}
		}
		if e.threads < 0 {
			return inputf("--threads is %d; it must not be negative", e.threads)
		}
		if e.threads > 0 {
			kernel.SetThreads(e.threads)
		}
		return run(x)
	}
	return c
}

// need fails when a flag that a command cannot do without is empty.
func need(flag, value string) error {
	if value == "" {
		return inputf("--%s is missing; see --help", flag)
	}
	return nil
}
