// Package cli is the command line: one file per subcommand, each with an
// options struct, the command that fills it, and a function that does it. It
// owns everything a user sees: results on stdout, progress and errors on stderr,
// exit codes.
package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"sync"
	"syscall"

	"github.com/urfave/cli/v2"

	"nfcot/internal/cot"
	"nfcot/internal/cot/experiment"
	"nfcot/internal/cot/generate"
	"nfcot/internal/cot/probe"
	"nfcot/internal/cot/train"
	"nfcot/internal/eval/harness"
	"nfcot/internal/eval/starlark"
	"nfcot/internal/interrupt"
	"nfcot/internal/manual"
	"nfcot/internal/progress"
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
	if err == nil || interrupted(err) || errors.Is(err, context.Canceled) {
		return err
	}
	return badInput{err}
}

// interrupted says whether the user interrupted the work.
func interrupted(err error) bool {
	return errors.Is(err, train.ErrInterrupted) || errors.Is(err, harness.ErrInterrupted) || errors.As(err, new(interrupt.Error))
}

// inputf makes an error of bad input.
func inputf(format string, args ...any) error { return badInput{fmt.Errorf(format, args...)} }

// An env is the world as a command sees it.
type env struct {
	ctx            context.Context
	stdin          io.Reader
	stdout, stderr io.Writer
	terminal       bool // stdin and stdout are a person's
	guard          *interrupt.Guard

	quiet   bool
	json    bool
	threads int
}

// Main runs the program and returns its exit code.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if len(args) == 2 && args[1] == starlark.Subcommand {
		if err := starlark.WorkerMain(stdin, stdout); err != nil {
			fmt.Fprintln(stderr, "nfcot:", err)
			return exitFailed
		}
		return exitDone
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second interrupt ends the program at once
	out := &results{w: stdout}
	e := &env{ctx: ctx, stdin: stdin, stdout: out, stderr: stderr, guard: new(interrupt.Guard), terminal: progress.IsTerminal(stdin) && progress.IsTerminal(stdout)}
	out.printed = e.guard.Printed
	e.guard.Waits = func() {
		e.say("interrupted: saving what there is; a second interrupt ends the program without that")
	}
	err := e.app().RunContext(ctx, args)
	if lost := out.lost(); lost != nil && (err == nil || errors.Is(err, lost)) {
		err = fmt.Errorf("standard output: %w", lost)
	}
	if err == nil {
		return exitDone
	}
	fmt.Fprintln(stderr, "nfcot: "+oneLine(err))
	switch {
	case interrupted(err):
		return exitInterrupted
	case errors.As(err, new(badInput)), errors.As(err, new(harness.InputError)), errors.As(err, new(generate.TooLong)), errors.As(err, new(probe.Unknown)),
		errors.As(err, new(cot.NonFinite)), errors.As(err, new(experiment.FolderError)):
		return exitBadInput
	}
	return exitFailed
}

// results is stdout as commands see it. It remembers its first error, so that
// results that got lost, on a full disk say, never count as success.
type results struct {
	w       io.Writer
	printed func()     // is called when some are out
	mu      sync.Mutex // work that was left may still write
	err     error
}

func (r *results) Write(p []byte) (int, error) {
	n, err := r.w.Write(p)
	r.printed()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = cmp.Or(r.err, err)
	return n, err
}

func (r *results) lost() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// oneLine is an error's message without line breaks.
func oneLine(err error) string {
	return strings.Join(strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
}

func (e *env) app() *cli.App {
	return &cli.App{
		Name:        "nfcot",
		Version:     manual.Version(),
		Usage:       "train and run latent reasoning with normalizing flows, on CPUs",
		Description: "A language model that thinks in continuous thoughts with exact likelihoods (NF-CoT, arXiv 2606.06447).\nStart with: nfcot demo",
		Commands: []*cli.Command{e.demo(), e.data(), e.tokenize(), e.distill(), e.train(), e.rl(), e.fuse(), e.export(), e.sample(), e.score(), e.eval(), e.merge(), e.report(), e.study(),
			e.probe(), e.sandbox(), e.inspect(), e.methods(), e.bench(), e.completion(), e.man()},
		Writer:                    e.stdout,
		ErrWriter:                 e.stderr,
		HideHelpCommand:           true,
		EnableBashCompletion:      true,
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
}

// command fills in what all commands share: common flags, errors of usage, and
// the refusal of arguments that would silently be ignored. Commands whose
// ArgsUsage is empty take no arguments.
func (e *env) command(c *cli.Command) *cli.Command {
	c.Flags = append(c.Flags, e.commonFlags()...)
	c.OnUsageError = usageError
	c.HideHelpCommand = true
	run := c.Action
	c.Action = func(x *cli.Context) error {
		for _, arg := range x.Args().Slice() {
			if strings.HasPrefix(arg, "-") && arg != "-" {
				return inputf("%sflag %s comes after an argument and would be ignored; put flags first", where(c), arg)
			}
			if c.ArgsUsage == "" {
				return inputf("%sunexpected argument %q; see %s --help", where(c), arg, c.HelpName)
			}
		}
		for _, above := range x.Lineage()[1:] {
			for _, name := range above.LocalFlagNames() {
				return inputf("%sflag %s comes before %s and would be ignored; leave it out", where(c), manual.Dashed(name), c.Name)
			}
		}
		if e.threads < 0 {
			return inputf("--threads is %d; it must not be negative", e.threads)
		}
		kernel.SetThreads(cmp.Or(e.threads, kernel.DefaultThreads(runtime.GOMAXPROCS(0), os.Getenv)))
		err := e.guard.Run(e.ctx, func() error { return run(x) })
		if left, ok := err.(interrupt.Error); ok {
			return fmt.Errorf("%s%w", where(c), left)
		}
		return err
	}
	return c
}

// usageError says in our words what package flag found wrong.
func usageError(c *cli.Context, err error, _ bool) error {
	return inputf("%s%s; see %s --help", where(c.Command), manual.Wrong(c.Command.Flags, err), c.Command.HelpName)
}

// where begins an error of usage with the command it is about.
func where(c *cli.Command) string {
	if name, ok := strings.CutPrefix(c.HelpName, "nfcot "); ok {
		return name + ": "
	}
	return ""
}

// group is a command that has others, of which one is wanted.
func group(name, usage, want string, commands ...*cli.Command) *cli.Command {
	return &cli.Command{
		Name:            name,
		Usage:           usage,
		HideHelpCommand: true,
		OnUsageError:    usageError,
		Action:          func(*cli.Context) error { return inputf("%s: want %s; see nfcot %s --help", name, want, name) },
		Subcommands:     commands,
	}
}

// commonFlags are those of all commands.
func (e *env) commonFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "quiet", Usage: "no progress on stderr", Destination: &e.quiet},
		&cli.BoolFlag{Name: "json", Usage: "results as JSON", Destination: &e.json},
		&cli.IntFlag{Name: "threads", Usage: "worker `threads`; results do not depend on it; 0: one for each core that the process may use", Destination: &e.threads},
	}
}

// need fails when a flag that a command cannot do without is empty.
func need(flag, value string) error {
	if value == "" {
		return inputf("%s is missing; see --help", manual.Dashed(flag))
	}
	return nil
}
