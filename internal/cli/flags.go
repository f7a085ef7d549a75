package cli

// The flags that several commands share, each group once.

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"nfcot/internal/ckpt"
	"nfcot/internal/cot"
	"nfcot/internal/cot/data"
	"nfcot/internal/cot/experiment"
	"nfcot/internal/cot/generate"
	"nfcot/internal/cot/problems"
	"nfcot/internal/eval/bench"
	"nfcot/internal/manual"
	"nfcot/internal/tensor/kernel"
)

// flagOf is the flag of a setting that records know by its key.
func flagOf(key string) string {
	if key == "stops" {
		key = "stop" // one at a time
	}
	return "--" + strings.ReplaceAll(key, "_", "-")
}

// firstSet is the first of some flags that is given, as it is usually written; "": none.
func firstSet(c *cli.Context, names ...string) string {
	for _, name := range names {
		if c.IsSet(name) {
			return manual.Dashed(name)
		}
	}
	return ""
}

// outFile fails if a file, unless it is "" or "-", cannot be written for want of its folder.
func outFile(path string) error {
	if path == "" || path == ckpt.Stdin {
		return nil
	}
	return input(ckpt.CheckFile(path))
}

// parseList reads the values of a flag that are separated by commas. It says of one that is
// not ok what was wanted.
func parseList[T any](flag, text, want string, parse func(string) (v T, ok bool)) ([]T, error) {
	var values []T
	for _, s := range strings.Split(text, ",") {
		v, ok := parse(strings.TrimSpace(s))
		if !ok {
			return nil, inputf("%s %s: %q is not %s", flag, text, s, want)
		}
		values = append(values, v)
	}
	return values, nil
}

// A modelOption says which trained model to run, and how its weights are kept.
type modelOption struct {
	model   string
	base    string
	weights string
}

func (o *modelOption) flags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "model", Usage: "`RUN|HF_DIR|GGUF|ADAPTER`: folder of a trained model, or of a language model as Hugging Face has them (config.json, tokenizer.json, safetensors), or a GGUF file (of a set, the first), or a folder with an adapter of PEFT's", Destination: &o.model},
		baseFlag(&o.base),
		&cli.StringFlag{Name: "weights", Usage: "`FORMAT` of the backbone's matrices in memory: f32, exact; bf16, half the size; int8, blocks of 32 with a scale, a quarter; file, the blocks of a GGUF file, of 4 bits say, as they are. Fewer bytes decode faster, and the model is a little another one: int8 and file round what is multiplied with the matrices to 8 bits, too. Default: the numbers of the file, bf16 or blocks of 8 bits (Q8_0) as they are, f32 for all else; only bf16 rounds what is multiplied", Destination: &o.weights},
	}
}

func baseFlag(base *string) cli.Flag {
	return &cli.StringFlag{Name: "base", Usage: "`HF_DIR|GGUF` that the adapter in the folder is over; default: what its adapter_config.json or, of a run, config.yaml names", Destination: base}
}

// open reads the model.
func (o *modelOption) open() (*experiment.Run, error) {
	var format *kernel.Format
	if o.weights != "" {
		f, ok := kernel.ParseFormat(o.weights)
		if !ok {
			return nil, inputf("--weights is %q; want f32, bf16, int8 or file", o.weights)
		}
		format = &f
	}
	run, err := experiment.Open(o.model, o.base, format)
	return run, input(err)
}

// dataFlags say where examples are read from, and how; name is that of the flag of files.
func dataFlags(s *data.Source, name string) []cli.Flag {
	files := &cli.StringSliceFlag{Name: name, Usage: "examples `FILE`, or a pattern like 'part-*.parquet' (JSON lines, JSON array, CSV, parquet, text; .gz, .zst), see docs/data.md; may be given several times", Action: func(_ *cli.Context, files []string) error {
		s.Files = files
		return nil
	}}
	return append(shapeFlags(s), files)
}

// shapeFlags say how examples are read.
func shapeFlags(s *data.Source) []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "format", Usage: "`SHAPE` of the examples: " + strings.Join(data.FormatNames(), ", ") + "; default: found from the keys", Destination: &s.Format},
		&cli.GenericFlag{Name: "columns", Usage: "`NAME=COLUMN,...`: what the files' columns are called: prompt=question,cot=rationale,answer=final", Value: &s.Columns},
		&cli.StringFlag{Name: "cot-from", Usage: "take the chain of thought out of the answer by this `RULE`: " + strings.Join(data.Extractions, ", "), Destination: &s.CoTFrom},
	}
}

// problemOptions say which problems there are.
type problemOptions struct{ problems.Request }

func (o *problemOptions) flags() []cli.Flag {
	o.Published = os.Getenv("NFCOT_DATA")
	return []cli.Flag{
		&cli.StringFlag{Name: "bench", Usage: "benchmark `NAME|FILE`: minicode[:FAMILY,...[:LEVEL[:one-order|no-plan]]], a public one (" + strings.Join(bench.Names(), ", ") + "), or a file of problems in the format of one of those, or of questions with answers", Value: o.Bench, Destination: &o.Bench},
		&cli.StringFlag{Name: "data", Usage: "`FILE|DIR` with the data of a public benchmark; default: what $NFCOT_DATA names", Destination: &o.Data},
		&cli.IntFlag{Name: "problems", Usage: "`number` of test problems: of minicode so many are made, of others the first so many are taken", Value: o.N, DefaultText: fmt.Sprintf("%d of minicode, all of others", o.N), Destination: &o.N, Action: func(_ *cli.Context, n int) error {
			o.First = n
			return nil
		}},
	}
}

// benchmark makes or reads the problems; those that are made by the seed.
func (o *problemOptions) benchmark(seed uint64) (*bench.Benchmark, error) {
	o.Seed = seed
	b, err := o.Load()
	return b, input(err)
}

// samplingOptions say what samples are drawn of, and how.
type samplingOptions struct {
	modelOption
	problemOptions
	recipe string
	n      int
	cot.Sampling
	batch int
}

func defaultSampling() samplingOptions {
	return samplingOptions{problemOptions: problemOptions{problems.Request{Bench: "minicode", Split: "test", N: 200}}, n: 8, Sampling: cot.DefaultSampling(), batch: 256}
}

func (o *samplingOptions) flags() []cli.Flag {
	return slices.Concat(o.modelOption.flags(), o.problemOptions.flags(), []cli.Flag{
		&cli.StringFlag{Name: "recipe", Usage: "`HARNESS` whose prompt, stops and way to a program to follow; default: the benchmark's own", Destination: &o.recipe},
		&cli.IntFlag{Name: "n", Usage: "`samples` a problem", Value: o.n, Destination: &o.n},
		&cli.Float64Flag{Name: "thought-temp", Usage: "`temperature` of thoughts; 0 takes their mean", Value: o.ThoughtTemp, Destination: &o.ThoughtTemp},
		&cli.Float64Flag{Name: "temp", Usage: "`temperature` of text; 0 takes the likeliest token", Value: o.Temp, Destination: &o.Temp},
		&cli.BoolFlag{Name: "denoise", Usage: "draw thoughts without the dequantisation noise that a run of nfcot trained them with: of sigma² only what exceeds it", Destination: &o.Denoise},
		&cli.IntFlag{Name: "denoise-steps", Usage: "`N` steps from noise to thoughts, for ladir (default: the experiment's diffusion.steps)", Destination: &o.DenoiseSteps},
		&cli.StringFlag{Name: "thinking", Usage: "think by this `RULE` with a run of cot, in place of drawing tokens: soft feeds back the mean of the tokens' embeddings, weighted by their probabilities at --temp; gumbel weighs with a Gumbel-softmax of these at --thought-temp", Destination: &o.Thinking},
		&cli.IntFlag{Name: "top-k", Usage: "draw only from the `k` likeliest tokens; 0: from all", Value: o.TopK, Destination: &o.TopK},
		&cli.Float64Flag{Name: "top-p", Usage: "draw only from the likeliest tokens, as few as have this `probability` together, at --temp and after --top-k", Value: o.TopP, Destination: &o.TopP},
		&cli.Float64Flag{Name: "min-p", Usage: "draw only from tokens that have this `share` of the likeliest one's probability, at --temp", Value: o.MinP, Destination: &o.MinP},
		&cli.Float64Flag{Name: "repeat-penalty", Usage: "divide by this `number` the logits, where positive, of tokens that prompt and answer have so far, and multiply others; 1: none", Value: o.RepeatPenalty, Destination: &o.RepeatPenalty},
		&cli.StringSliceFlag{Name: "stop", Usage: "end an answer before this `TEXT`, beside what ends it anyway; may be given several times", Action: func(_ *cli.Context, stops []string) error {
			o.Stops = stops
			return nil
		}},
		&cli.IntFlag{Name: "max-tokens", Usage: "text `tokens` a sample at most, explicit thinking included", Value: o.MaxTokens, Destination: &o.MaxTokens},
		&cli.Uint64Flag{Name: "seed", Usage: "random `seed`: of the samples, and of minicode's problems", Value: o.Seed, Destination: &o.Seed},
		&cli.IntFlag{Name: "batch", Usage: "`samples` drawn at a time; results do not depend on it", Value: o.batch, Destination: &o.batch}})
}

// drawing are the names of the flags that say how samples are drawn.
func (o *samplingOptions) drawing() (names []string) {
	for _, f := range o.flags() {
		if name := f.Names()[0]; !slices.Contains([]string{"model", "bench", "data", "problems", "recipe", "seed"}, name) {
			names = append(names, name)
		}
	}
	return names
}

// mostSamples is more samples of a problem than anybody draws.
const mostSamples = 1 << 20

func (o *samplingOptions) check() error {
	if o.n > mostSamples {
		return inputf("-n is %d; want at most %d", o.n, mostSamples)
	}
	if o.n < 1 || o.N < 1 || o.batch < 1 {
		return inputf("-n is %d, --problems %d, --batch %d; each must be at least 1", o.n, o.N, o.batch)
	}
	return input(o.Check(flagOf))
}

// open reads the model and makes it sample as the flags say.
func (o *samplingOptions) open() (*experiment.Run, error) {
	run, err := o.modelOption.open()
	if err != nil {
		return nil, err
	}
	if err := run.Model.SetSampling(o.Sampling, flagOf); err != nil {
		return nil, inputf("%s: %w", o.model, err)
	}
	return run, nil
}

// generator makes a model sample a benchmark, by the recipe that the flags say.
func (o *samplingOptions) generator(run *experiment.Run, b *bench.Benchmark, sanitize bench.Sanitizer) (*generate.Generator, error) {
	recipe, err := b.Recipe(o.recipe, sanitize)
	if err != nil {
		return nil, input(err)
	}
	g, err := generate.New(run, recipe, o.Sampling, o.n, o.batch)
	return g, input(err)
}
