package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"nfcot/internal/ckpt"
	"nfcot/internal/cot"
	"nfcot/internal/cot/experiment"
	"nfcot/internal/cot/train"
	"nfcot/internal/eval"
	"nfcot/internal/eval/bench"
	"nfcot/internal/tensor"
)

type sampleOptions struct {
	samplingOptions
	chatOptions
	prompt       string
	showThoughts bool
	logProbs     int // alternatives to record for each token; negative: record none, nor the token
	out          string
}

func (e *env) sample() *cli.Command {
	o := sampleOptions{samplingOptions: defaultSampling(), logProbs: -1}
	return e.command(&cli.Command{
		Name:  "sample",
		Usage: "draw samples: of one prompt as text, or of a benchmark as JSON lines",
		Description: "Public benchmarks, whose data --data or $NFCOT_DATA names:\n" + indent(bench.Help()) +
			"Recipes, and how their harnesses sample by default, which this program leaves to -n, --temp, --top-p and --max-tokens:\n" + indent(bench.RecipeHelp()),
		Flags: append(append(o.samplingOptions.flags(), o.chatOptions.flags()...),
			&cli.StringFlag{Name: "prompt", Usage: "`TEXT` to answer, instead of a benchmark; -: stdin", Destination: &o.prompt},
			&cli.BoolFlag{Name: "show-thoughts", Usage: "print the thinking: each thought as the VAE's decoder reads it, or the chain in words", Destination: &o.showThoughts},
			&cli.IntFlag{Name: "logprobs", Usage: "write the log-probability (nats, the model's own at temperature 1) of each token of the text, and those of the `number` likeliest in its place, into the JSON lines; 0: of the token only; -1: nothing", Value: o.logProbs, Destination: &o.logProbs},
			&cli.StringFlag{Name: "o", Usage: "output `FILE` of JSON lines; default: stdout", Destination: &o.out}),
		Action: func(c *cli.Context) error {
			switch {
			case c.IsSet("prompt") && c.IsSet("bench"):
				return inputf("sample: --prompt and --bench exclude each other")
			case c.IsSet("prompt") && (c.IsSet("data") || c.IsSet("recipe")):
				return inputf("sample: --data and --recipe go with --bench, not with --prompt")
			case o.chat && !c.IsSet("prompt"):
				return inputf("sample: --chat goes with --prompt; what a model is asked in a benchmark is its recipe's (--recipe)")
			case o.logProbs < -1:
				return inputf("sample: --logprobs is %d; want a number of tokens, 0 for those that are drawn only, or -1 for none", o.logProbs)
			case o.logProbs >= 0 && o.prompt != "" && o.out == "" && !e.json:
				return inputf("sample: --logprobs goes into JSON lines; add --json or -o FILE")
			case !o.chat && (o.think || c.IsSet("system")):
				return inputf("sample: --system and --think go with --chat")
			case c.IsSet("prompt") && o.prompt == "":
				return inputf("sample: --prompt is empty; give a text, or leave it out to sample a benchmark")
			}
			return e.runSample(o)
		},
	})
}

func (e *env) runSample(o sampleOptions) error {
	if err := errors.Join(need("model", o.model), o.check()); err != nil {
		return err
	}
	run, err := o.open()
	if err != nil {
		return err
	}
	b, err := e.promptsOf(run, o)
	if err != nil {
		return err
	}
	recipe, err := recipeOf(b, o.recipe, o.Stops, nil)
	if err != nil {
		return err
	}
	if o.prompt != "" && o.out == "" && !e.json {
		return e.printSamples(run, b.Problems, recipe, o)
	}
	var lines []any
	options := o.options(run, recipe)
	options.LogProbs, options.TopLogProbs = o.logProbs >= 0, max(0, o.logProbs)
	err = e.drawSamples(run, b.Problems, recipe, o.samplingOptions, options, func(_ eval.Problem, s eval.Sample) error {
		lines = append(lines, s)
		return nil
	})
	if err != nil {
		return err
	}
	if recipe.Sampling != "" {
		e.say("sample: recipe %s, whose harness samples with %s", recipe.Name, recipe.Sampling)
	}
	if o.out == "" {
		o.out = "-"
	}
	return e.writeLines(o.out, slices.Values(lines))
}

// promptsOf is what to sample: the prompt given, or a benchmark's problems.
func (e *env) promptsOf(run *experiment.Run, o sampleOptions) (*bench.Benchmark, error) {
	if o.prompt == "" {
		return o.benchmark(o.Seed)
	}
	prompt := o.prompt
	if prompt == "-" {
		var b strings.Builder
		for line, err := range textLines("-") {
			if err != nil {
				return nil, input(err)
			}
			b.WriteString(line + "\n")
		}
		if prompt = b.String(); prompt == "" {
			return nil, inputf("sample: --prompt -: standard input is empty; give a text")
		}
	}
	if o.chat {
		var err error
		if prompt, err = o.frame(run, prompt); err != nil {
			return nil, err
		}
	}
	return bench.Plain("--prompt", eval.Problem{TaskID: "prompt", Prompt: prompt}), nil
}

// printSamples answers one prompt on stdout: a single sample as it comes,
// several one after the other.
func (e *env) printSamples(run *experiment.Run, problems []eval.Problem, recipe *bench.Recipe, o sampleOptions) error {
	var shown int // samples whose thinking is on stdout
	stream := run.Tokenizer.NewStream(true)
	pending := "" // text that may begin a stop
	think := func(s *cot.Sample) {
		shown++
		if o.n > 1 {
			fmt.Fprintf(e.stdout, "# sample %d of %d\n", shown, o.n)
		}
		if o.showThoughts {
			fmt.Fprint(e.stdout, thinking(run, *s))
		}
	}
	options := o.options(run, recipe)
	if o.n == 1 {
		options.Heard = func(s *cot.Sample, token int) {
			if shown == 0 {
				think(s)
			}
			pending += stream.Next(token)
			safe, stopped := recipe.Cut(pending)
			if !stopped {
				safe = pending[:len(pending)-recipe.Partial(pending)]
				pending = pending[len(safe):]
			}
			fmt.Fprint(e.stdout, safe)
		}
	}
	done := 0
	return e.sampleBatches(run, problems, recipe, o.samplingOptions, options, func(_ eval.Problem, s cot.Sample) error {
		if done++; shown < done {
			think(&s)
		}
		answer, stopped := recipe.Cut(run.Tokenizer.Decode(s.Answer, true))
		switch {
		case options.Heard == nil:
			fmt.Fprint(e.stdout, answer)
		case !stopped:
			fmt.Fprint(e.stdout, pending+stream.Flush())
		}
		if !strings.HasSuffix(answer, "\n") {
			fmt.Fprintln(e.stdout)
		}
		if !s.Finished && !stopped {
			e.say("sample: sample %d was cut off: it reached --max-tokens or the model's last position", done)
		}
		return nil
	})
}

// thinking is what a sample thought, as text, a comment line a step.
func thinking(run *experiment.Run, s cot.Sample) string {
	text := run.Tokenizer.Decode(s.Chain, true)
	if s.Thoughts != nil && run.Model.Coder() != nil {
		text = ""
		for k, line := range decoded(run, s.Thoughts) {
			text += fmt.Sprintf("[thought %d] %s\n", k+1, line)
		}
	}
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString("# " + strings.TrimSuffix(line, "\n") + "\n")
	}
	return b.String()
}

// decoded is what the VAE's decoder reads in each thought, without the line's end.
// u [K, D] → [K]
func decoded(run *experiment.Run, u *tensor.Tensor) []string {
	var lines []string
	for _, ids := range run.VAE.Read(run.Model.Coder().ToCodes(u)) {
		lines = append(lines, strings.TrimSuffix(run.VAEWords.Decode(ids, true), "\n"))
	}
	return lines
}

// drawSamples draws samples of problems with progress and yields them, problem
// by problem, as they go into samples.jsonl.
func (e *env) drawSamples(run *experiment.Run, problems []eval.Problem, recipe *bench.Recipe, o samplingOptions, options cot.Options, yield func(eval.Problem, eval.Sample) error) error {
	bar := e.progress("sample "+run.Model.Method.Name, "samples", 0, len(problems)*o.n)
	done, finished := 0, 0
	err := e.sampleBatches(run, problems, recipe, o, options, func(p eval.Problem, s cot.Sample) error {
		line, err := sampleLine(run, p, recipe, s, o)
		if err != nil {
			return err
		}
		done++
		if line.Finished {
			finished++
		}
		bar.set(done, fmt.Sprintf("%.0f %% finished", 100*float64(finished)/float64(done)))
		return yield(p, line)
	})
	if err != nil {
		return err
	}
	bar.end(fmt.Sprintf("%.1f %% finished", 100*float64(finished)/float64(done)))
	return nil
}

// options are those of a run's sampler under a recipe.
func (o *samplingOptions) options(run *experiment.Run, recipe *bench.Recipe) cot.Options {
	return cot.Options{Sampling: o.Sampling, Stop: stopper(run, recipe)}
}

// sampleBatches samples as many problems at a time as the number of streams
// allows, n of each. Replace of the sampler's options counts all problems.
func (e *env) sampleBatches(run *experiment.Run, problems []eval.Problem, recipe *bench.Recipe, o samplingOptions, options cot.Options, yield func(eval.Problem, cot.Sample) error) error {
	sampler := run.Model.Sampler()
	prompts, err := encodePrompts(run, problems, recipe)
	if err != nil {
		return err
	}
	replace := options.Replace
	for from := 0; from < len(prompts); {
		if e.ctx.Err() != nil {
			return train.ErrInterrupted
		}
		to := min(from+max(1, o.streams/o.n), len(prompts))
		if replace != nil {
			options.Replace = func(p, i int) *tensor.Tensor { return replace(from+p, i) }
		}
		for i, samples := range sampler.Sample(prompts[from:to], o.n, options) {
			for _, s := range samples {
				if err := yield(problems[from+i], s); err != nil {
					return err
				}
			}
		}
		from = to
	}
	return nil
}

// encodePrompts makes tokens of what a recipe asks, if the model has room to answer.
func encodePrompts(run *experiment.Run, problems []eval.Problem, recipe *bench.Recipe) ([][]int, error) {
	room := run.Experiment.Model.MaxTokens - max(run.Experiment.NF.K, run.Experiment.Coconut.States()) - 2
	prompts := make([][]int, len(problems))
	for i, p := range problems {
		prompts[i] = run.Tokenizer.EncodePrompt(recipe.Prompt(p))
		if len(prompts[i]) > room {
			return nil, inputf("%s: the prompt has %d tokens; the model has room for %d", p.TaskID, len(prompts[i]), room)
		}
	}
	return prompts, nil
}

// stopper looks for a recipe's stops in the text of an answer whose last token is
// new; nil where there are none. A stop ends within that token, so it has no more
// tokens than bytes.
func stopper(run *experiment.Run, recipe *bench.Recipe) func(answer []int) bool {
	reach := recipe.LongestStop()
	if reach == 0 {
		return nil
	}
	return func(answer []int) bool {
		_, stopped := recipe.Cut(run.Tokenizer.Decode(answer[max(0, len(answer)-reach):], true))
		return stopped
	}
}

// trace is what a line of samples.jsonl tells beyond HumanEval's format, so that
// score can give the exact likelihood of the very sample.
type trace struct {
	Prompt    string      `json:"prompt"`
	Chain     string      `json:"chain,omitempty"`
	ChainIDs  []int       `json:"chain_ids,omitempty"`
	ChainEnds bool        `json:"chain_ends,omitempty"` // the chain came to its end
	EndedBy   int         `json:"ended_by,omitempty"`   // which of several EOS tokens, when finished
	AnswerIDs []int       `json:"answer_ids"`
	Stopped   bool        `json:"stopped,omitempty"`  // a stop of the recipe, not EOS, ended the answer; the completion lacks it
	Thoughts  [][]float32 `json:"thoughts,omitempty"` // u
	Thinking  string      `json:"thinking,omitempty"` // the rule (--thinking), for which the chain has the tokens of greatest weight
	LogProbs  *logProbs   `json:"logprobs,omitempty"`
}

// logProbs are the tokens that a sample said, chain and EOS included, in the shape of
// OpenAI's chat completions, with ids as in llama.cpp's. Their sum is logp_text.
type logProbs struct {
	Content []saidToken `json:"content"`
}

type saidToken struct {
	tokenLogProb
	Top []tokenLogProb `json:"top_logprobs"`
}

type tokenLogProb struct {
	ID      int     `json:"id"`
	Token   string  `json:"token"` // as text; parts of characters are U+FFFD
	Bytes   []int   `json:"bytes"`
	LogProb float64 `json:"logprob"` // nats
}

func logProbsOf(run *experiment.Run, said []cot.SaidToken) *logProbs {
	line := func(t cot.TokenLogProb) tokenLogProb {
		l := tokenLogProb{t.ID, run.Tokenizer.Decode([]int{t.ID}, false), []int{}, t.LogProb}
		for _, b := range []byte(run.Tokenizer.TokenBytes(t.ID)) {
			l.Bytes = append(l.Bytes, int(b))
		}
		return l
	}
	all := logProbs{make([]saidToken, len(said))}
	for i, s := range said {
		all.Content[i] = saidToken{line(s.TokenLogProb), make([]tokenLogProb, len(s.Top))}
		for j, alternative := range s.Top {
			all.Content[i].Top[j] = line(alternative)
		}
	}
	return &all
}

// sampleLine is a sample as it goes into samples.jsonl.
func sampleLine(run *experiment.Run, p eval.Problem, recipe *bench.Recipe, s cot.Sample, o samplingOptions) (eval.Sample, error) {
	completion, stopped := recipe.Cut(run.Tokenizer.Decode(s.Answer, true))
	line := eval.Sample{
		TaskID: p.TaskID, Completion: completion, Seed: int64(o.Seed),
		ReasoningPositions: s.Positions(), AnswerTokens: len(s.Answer), LogPText: &s.LogText, Finished: s.Finished || stopped,
		ThinkSeconds: s.Think.Seconds, AnswerSeconds: s.Say.Seconds, ThinkFLOPs: s.Think.FLOPs, AnswerFLOPs: s.Say.FLOPs,
	}
	t := trace{Prompt: recipe.Prompt(p), Chain: run.Tokenizer.Decode(s.Chain, true), ChainIDs: s.Chain, ChainEnds: s.Thought,
		AnswerIDs: s.Answer, EndedBy: s.EndedBy, Stopped: stopped && !s.Finished, Thinking: o.Thinking}
	if s.Said != nil {
		t.LogProbs = logProbsOf(run, s.Said)
	}
	if s.Thoughts != nil {
		if run.Model.Method.Scores {
			line.LogPThoughts = &s.LogThoughts
		}
		for k := range s.Thoughts.Rows() {
			t.Thoughts = append(t.Thoughts, s.Thoughts.Row(k))
		}
	}
	text, err := json.Marshal(t)
	if err != nil {
		return line, err
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil {
		return line, err
	}
	for _, key := range []string{"prompt", "chain", "chain_ids", "chain_ends", "answer_ids", "ended_by", "stopped", "thoughts", "thinking", "logprobs"} {
		if v, ok := fields[key]; ok {
			line.Extra = append(line.Extra, eval.Field{Key: key, Value: v})
		}
	}
	return line, nil
}

// sampleOf reads a sample back from a line of samples.jsonl.
func sampleOf(run *experiment.Run, line eval.Sample) (cot.Sample, error) {
	var t trace
	for _, f := range line.Extra {
		into := map[string]any{"prompt": &t.Prompt, "chain_ids": &t.ChainIDs, "chain_ends": &t.ChainEnds, "answer_ids": &t.AnswerIDs,
			"ended_by": &t.EndedBy, "stopped": &t.Stopped, "thoughts": &t.Thoughts, "thinking": &t.Thinking}[f.Key]
		if into == nil {
			continue
		}
		if err := json.Unmarshal(f.Value, into); err != nil {
			return cot.Sample{}, fmt.Errorf("%s is %.40s; expected what nfcot sample writes", f.Key, f.Value)
		}
	}
	s := cot.Sample{Prompt: run.Tokenizer.EncodePrompt(t.Prompt), Chain: t.ChainIDs, Thought: t.ChainEnds, Answer: t.AnswerIDs,
		Finished: line.Finished && !t.Stopped, EndedBy: t.EndedBy}
	switch {
	case t.Prompt == "":
		return s, fmt.Errorf("it has no prompt; expected a line that nfcot sample wrote")
	case t.Thinking != "":
		return s, fmt.Errorf("it was thought by --thinking %s, which has no exact likelihood", t.Thinking)
	case t.EndedBy < 0 || t.EndedBy > len(run.Model.Special.MoreEOS):
		return s, fmt.Errorf("ended_by is %d; the model has %d tokens that end an answer", t.EndedBy, 1+len(run.Model.Special.MoreEOS))
	case s.Finished && run.Model.Special.EOS < 0:
		return s, fmt.Errorf("it is finished, but the model has no token that ends an answer")
	case t.AnswerIDs == nil:
		s.Answer = run.Tokenizer.Encode(line.Completion)
	}
	for _, id := range slices.Concat(s.Chain, s.Answer) {
		if id < 0 || id >= run.Experiment.Model.Vocab {
			return s, fmt.Errorf("token %d is not in the model's vocabulary of %d", id, run.Experiment.Model.Vocab)
		}
	}
	if o := run.Experiment.NF; run.Model.Method.Codes {
		flat := slices.Concat(t.Thoughts...)
		if len(t.Thoughts) != o.K || len(flat) != o.K*o.D {
			return s, fmt.Errorf("it has %d thoughts with %d numbers in all; the model expects %d of %d each", len(t.Thoughts), len(flat), o.K, o.D)
		}
		s.Thoughts = tensor.From(flat, o.K, o.D)
	}
	if rows, room := positions(s), run.Experiment.Model.MaxTokens; rows > room {
		return s, fmt.Errorf("it takes %d positions; the model has %d", rows, room)
	}
	return s, nil
}

// positions is the number of rows of the stream that scoring a sample reads: the
// last token is predicted but read by no one.
func positions(s cot.Sample) int {
	rows := len(s.Prompt) + 1 + max(0, s.Drawn()-1)
	if s.Thoughts != nil {
		rows += s.Thoughts.Rows()
	}
	return rows
}

// readSamples reads a samples file.
func readSamples(path string) ([]eval.Sample, error) {
	samples, err := ckpt.ReadAllJSONL[eval.Sample](path)
	return samples, input(err)
}
