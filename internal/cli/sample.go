package cli

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/urfave/cli/v2"

	"nfcot/internal/ckpt"
	"nfcot/internal/cot/experiment"
	"nfcot/internal/cot/generate"
	"nfcot/internal/eval"
	"nfcot/internal/eval/bench"
	"nfcot/internal/eval/harness"
	"nfcot/internal/page"
	"nfcot/internal/progress"
)

type sampleOptions struct {
	samplingOptions
	chatOptions
	prompt       string
	asked        bool   // a flag says what the model is to answer
	limited      bool   // a flag says how long an answer may be
	several      string // a flag that a chat has no use for
	showThoughts bool
	logProbs     int // alternatives to record for each token; negative: record none, nor the token
	out          string
}

func (e *env) sample() *cli.Command {
	o := sampleOptions{samplingOptions: defaultSampling(), logProbs: -1}
	return e.command(&cli.Command{
		Name:  "sample",
		Usage: "draw samples: of one prompt as text, or of a benchmark as JSON lines",
		Description: "Public benchmarks, whose data --data or $NFCOT_DATA names:\n" + page.Indent(bench.Help()) +
			"Recipes, and how their harnesses sample by default, which this program leaves to -n, --temp, --top-p and --max-tokens:\n" + page.Indent(bench.RecipeHelp()),
		Flags: append(append(o.samplingOptions.flags(), o.chatOptions.flags()...),
			&cli.StringFlag{Name: "prompt", Usage: "`TEXT` to answer, instead of a benchmark; -: stdin", Destination: &o.prompt},
			&cli.BoolFlag{Name: "show-thoughts", Usage: "print the thinking: each thought as the VAE's decoder reads it, or the chain in words", Destination: &o.showThoughts},
			&cli.IntFlag{Name: "logprobs", Usage: "write the log-probability (nats, the model's own at temperature 1) of each token of the text, and those of the `number` likeliest in its place, into the JSON lines; 0: of the token only; -1: nothing", Value: o.logProbs, Destination: &o.logProbs},
			&cli.StringFlag{Name: "o", Usage: "output `FILE` of JSON lines (.gz and .zst compress); default: stdout. It appears when all samples are drawn; after an interruption the same command goes on from FILE.partial", Destination: &o.out}),
		Action: func(c *cli.Context) error {
			if err := errors.Join(o.checkPrompt(c, e.json), o.checkChat(c)); err != nil {
				return err
			}
			o.several = firstSet(c, append(ofBenchmarks, "n", "batch", "logprobs")...)
			o.asked, o.limited = c.IsSet("prompt") || c.IsSet("messages") || c.IsSet("bench"), c.IsSet("max-tokens")
			return e.runSample(o)
		},
	})
}

// ofBenchmarks are flags that say something of problems, not of a prompt.
var ofBenchmarks = []string{"data", "recipe", "problems"}

// checkPrompt finds flags that do not go together.
func (o *sampleOptions) checkPrompt(c *cli.Context, json bool) error {
	ofBench := firstSet(c, ofBenchmarks...)
	switch {
	case c.IsSet("prompt") && c.IsSet("bench"):
		return inputf("sample: --prompt and --bench exclude each other")
	case (c.IsSet("prompt") || c.IsSet("messages")) && ofBench != "":
		return inputf("sample: %s goes with --bench, not with --prompt or --messages", ofBench)
	case o.showThoughts && (json || o.out != "" || !c.IsSet("prompt") && !c.IsSet("messages")):
		return inputf("sample: --show-thoughts goes with answers that are printed as text, those to --prompt or --messages without --json and -o; JSON lines have thoughts anyway")
	case o.logProbs < -1:
		return inputf("sample: --logprobs is %d; want a number of tokens, 0 for those that are drawn only, or -1 for none", o.logProbs)
	case o.logProbs >= 0 && o.prompt != "" && o.out == "" && !json:
		return inputf("sample: --logprobs goes into JSON lines; add --json or -o FILE")
	case c.IsSet("prompt") && o.prompt == "":
		return inputf("sample: --prompt is empty; give a text, or leave it out to sample a benchmark")
	}
	return nil
}

func (e *env) runSample(o sampleOptions) error {
	if err := errors.Join(need("model", o.model), o.check(), outFile(o.out)); err != nil {
		return err
	}
	run, err := o.open()
	if err != nil {
		return err
	}
	if !o.asked && (o.chat || run.Experiment.Method == experiment.LM && run.Chat.Any()) {
		return e.converse(o, run)
	}
	b, err := promptsOf(run, o)
	if err != nil {
		return err
	}
	g, err := o.generator(run, b, nil)
	if err != nil {
		return err
	}
	g.Chat, g.Alternatives = g.Chat || o.chat, o.logProbs
	if (o.prompt != "" || o.chat) && o.out == "" && !e.json {
		return e.writeAnswers(g, b.Problems, o.showThoughts)
	}
	d := harness.Drawing{Seed: o.Seed, Problems: b.Problems, Recipe: g.Recipe.Name, N: o.n, Logf: e.say, Watch: e.watchDrawing("sample " + run.Model.Method.Name)}
	d.Draw = func(ctx context.Context, missing []int, watch func(tokens int)) iter.Seq2[eval.Indexed, error] {
		return g.Draw(ctx, b.Problems, missing, watch)
	}
	if o.out == "" || o.out == ckpt.Stdin {
		err = d.Stream(e.ctx, e.stdout)
	} else if d.Sampling, err = g.Record(o.weights); err == nil {
		err = d.Write(e.ctx, o.out)
	}
	if err == nil && g.Recipe.Sampling != "" {
		e.say("sample: recipe %s, whose harness samples with %s", g.Recipe.Name, g.Recipe.Sampling)
	}
	return err
}

// promptsOf is what to sample: the prompt given, or a conversation, or a benchmark's problems.
func promptsOf(run *experiment.Run, o sampleOptions) (*bench.Benchmark, error) {
	prompt := o.prompt
	var err error
	if prompt == ckpt.Stdin {
		prompt, err = readAll("--prompt", ckpt.Stdin)
	}
	switch {
	case err != nil:
		return nil, err
	case o.chat:
		prompt, err = chatPrompt(run, o.chatOptions, prompt)
	case prompt == "":
		return o.benchmark(o.Seed)
	}
	return bench.Plain("--prompt", eval.Problem{TaskID: "prompt", Prompt: prompt}), err
}

// writeAnswers answers a prompt on stdout.
func (e *env) writeAnswers(g *generate.Generator, problems []eval.Problem, showThoughts bool) error {
	keeps := func(n int) { e.guard.Keeps(fmt.Sprintf("%d of %d answers are complete", n, g.N)) }
	keeps(0)
	return g.WriteAnswers(e.ctx, e.stdout, problems, showThoughts, func(sample int, cutOff bool) {
		if keeps(sample); cutOff {
			e.say("sample: sample %d was cut off: it reached --max-tokens or the model's last position", sample)
		}
	})
}

// watchDrawing shows how far samples are, and says what an interrupt leaves of them.
func (e *env) watchDrawing(label string) func(harness.Drawn) {
	var bar *progress.Bar
	return func(d harness.Drawn) {
		if bar == nil {
			bar = e.progress(label, "samples", d.Done, d.All)
		}
		finished := 100 * float64(d.Finished) / float64(max(1, d.Done))
		bar.Set(d.Done, fmt.Sprintf("%d tokens, %.0f %% finished", d.Tokens, finished))
		if d.Done == 0 {
			return
		}
		e.guard.Keeps(d.Left)
		if d.Done == d.All {
			bar.End(fmt.Sprintf("%.1f %% finished", finished))
		}
	}
}

// readSamples reads a samples file.
func readSamples(path string) ([]eval.Sample, error) {
	samples, err := ckpt.ReadAllJSONL[eval.Sample](path)
	return samples, input(err)
}
