package generate

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"nfcot/internal/cot"
	"nfcot/internal/cot/experiment"
	"nfcot/internal/eval"
	"nfcot/internal/eval/answer"
	"nfcot/internal/eval/bench"
	"nfcot/internal/tokenizer"
	"nfcot/internal/tokenizer/chat"
	"nfcot/internal/transformer"
)

// freshRun is a tiny model that has learned nothing: it says anything.
func freshRun(t *testing.T, method string) *experiment.Run {
	t.Helper()
	tok, err := tokenizer.Train(slices.Values([]string{"def f(x):\n    return x + 1\n"}), 270, cot.SpecialTokens)
	if err != nil {
		t.Fatal(err)
	}
	special, err := cot.FindSpecial(tok)
	if err != nil {
		t.Fatal(err)
	}
	c := experiment.Default(method)
	c.Model = transformer.Config{Hidden: 16, Layers: 1, Heads: 1, KVHeads: 1, HeadDim: 16, FFN: 16, Vocab: 270, Tied: true, Theta: 1e4, NormEps: 1e-6, MaxTokens: 128}
	c.NF.K, c.NF.D = 3, 2
	c.Flow.Blocks, c.Flow.Width, c.Flow.HeadDim = 1, 8, 4
	return &experiment.Run{Dir: "fresh", Tokenizer: tok, Experiment: experiment.Experiment{Config: c}, Model: experiment.NewModel(c, special)}
}

// asIs is a recipe that asks what problems say, with stops.
func asIs(stops ...string) *bench.Recipe {
	return &bench.Recipe{Prompt: func(p eval.Problem) string { return p.Prompt }, Stops: stops, Assemble: eval.Concatenate}
}

// generator is that of New.
func generator(t *testing.T, run *experiment.Run, recipe *bench.Recipe, s cot.Sampling, n, batch int) *Generator {
	t.Helper()
	g, err := New(run, recipe, s, n, batch)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// hot are settings by which a fresh model says all kinds of things.
var hot = cot.Sampling{ThoughtTemp: 1, Temp: 1, MaxTokens: 30, Seed: 1}

func problems(names ...string) []eval.Problem {
	var all []eval.Problem
	for _, name := range names {
		all = append(all, eval.Problem{TaskID: name, Prompt: name + " = 1\n", EntryPoint: name, Test: "pass"})
	}
	return all
}

// A sample that ends where the model has no position left takes all of them, and can be scored.
func TestSamplesToTheLastPositionAreReadBack(t *testing.T) {
	for _, m := range experiment.Methods {
		if !m.Scores {
			continue
		}
		run := freshRun(t, m.Name)
		room := run.Experiment.Model.MaxTokens
		long := hot
		long.MaxTokens = room
		g := generator(t, run, asIs(), long, 4, 4)
		full := 0
		err := g.Each(context.Background(), problems("x"), g.Options(), func(p eval.Problem, s cot.Sample) error {
			line, err := g.Line(p, s)
			if err != nil {
				return err
			}
			if positions(m, s) == room {
				full++
			}
			_, err = Parse(run, line)
			return err
		})
		if err != nil || full == 0 {
			t.Errorf("%s: %d samples take all %d positions; error %v", m.Name, full, room, err)
		}
	}
}

// A plain language model has nothing to go on from after a prompt without tokens.
func TestEmptyPrompts(t *testing.T) {
	const want = "empty: the prompt has no tokens; method lm needs one at least to go on from"
	g := generator(t, freshRun(t, experiment.LM), asIs(), hot, 1, 1)
	if _, err := g.Prompts([]eval.Problem{{TaskID: "empty"}}); err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	g = generator(t, freshRun(t, "direct"), asIs(), hot, 1, 1)
	if _, err := g.All(context.Background(), []eval.Problem{{TaskID: "empty"}}, g.Options()); err != nil {
		t.Errorf("method direct: %v", err)
	}
}

// TestStopsEndSamples compares samples with and without stops: a stop, of the recipe or
// of the settings, cuts the text, ends the drawing, and leaves a line that can be scored
// as it was drawn.
func TestStopsEndSamples(t *testing.T) {
	run := freshRun(t, "nfcot")
	const n = 40
	draw := func(s cot.Sampling, stops ...string) (samples []cot.Sample, lines []eval.Sample) {
		g := generator(t, run, asIs(stops...), s, n, 256)
		err := g.Each(context.Background(), problems("x"), g.Options(), func(p eval.Problem, s cot.Sample) error { // the prompt holds a stop
			line, err := g.Line(p, s)
			samples, lines = append(samples, s), append(lines, line)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return samples, lines
	}
	_, plain := draw(hot)
	own := hot
	own.Stops = []string{"x", "= 1"}
	samples, lines := draw(own, "re", "a")
	stopped := 0
	for i, line := range lines {
		cut := &bench.Recipe{Stops: []string{"x", "re", "a", "= 1"}}
		want, stops := cut.Cut(plain[i].Completion)
		if line.Completion != want || line.Finished != (plain[i].Finished || stops) {
			t.Errorf("sample %d: %q, finished %v; want %q of %q", i, line.Completion, line.Finished, want, plain[i].Completion)
		}
		if !stops {
			continue
		}
		stopped++
		text := run.Tokenizer.Decode(samples[i].Answer[:len(samples[i].Answer)-1], true)
		if _, early := cut.Cut(text); early {
			t.Errorf("sample %d: more was drawn after the stop: %q", i, run.Tokenizer.Decode(samples[i].Answer, true))
		}
		back, err := Parse(run, line)
		if err != nil || back.Finished || len(back.Answer) != len(samples[i].Answer) {
			t.Errorf("sample %d: read back as %+v, %v", i, back, err)
		}
	}
	if stopped < 5 || stopped == n {
		t.Errorf("%d of %d samples were stopped: this test sees little", stopped, n)
	}
}

// TestDrawWhatIsMissing: samples that are drawn later are those that would have been
// drawn at once, whatever the batch, and none but those are yielded.
func TestDrawWhatIsMissing(t *testing.T) {
	run := freshRun(t, "direct")
	all := problems("a", "b", "c")
	draw := func(batch int, missing ...int) map[int]string {
		g := generator(t, run, asIs(), hot, 2, batch)
		found := map[int]string{}
		for s, err := range g.Draw(context.Background(), all, missing, func(int) {}) {
			if err != nil {
				t.Fatal(err)
			}
			found[s.Index] = s.Sample.TaskID + s.Sample.Completion
		}
		return found
	}
	whole := draw(6, 0, 1, 2, 3, 4, 5)
	if len(whole) != 6 {
		t.Fatalf("%d samples, want 6", len(whole))
	}
	for batch := range 4 {
		some := draw(batch, 1, 4, 5)
		if len(some) != 3 || some[1] != whole[1] || some[4] != whole[4] || some[5] != whole[5] {
			t.Errorf("batch %d: drew %v of %v", batch, some, whole)
		}
	}
	if none := draw(6); len(none) != 0 {
		t.Errorf("drew %v, and nothing was missing", none)
	}
	for range generator(t, run, asIs(), hot, 2, 2).Draw(context.Background(), all, []int{0, 1, 2}, func(int) {}) {
		break // must not draw on
	}
}

func TestDrawEnds(t *testing.T) {
	run := freshRun(t, "direct")
	g := generator(t, run, asIs(), hot, 1, 1)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	n := 0
	for _, err := range g.Draw(ctx, problems("a", "b"), []int{0, 1}, func(int) {}) {
		if n++; n == 1 {
			cancel()
		} else if !errors.Is(err, context.Canceled) {
			t.Errorf("error %v, want that of the context", err)
		}
	}
	if n != 2 {
		t.Errorf("%d were yielded, want a sample and an error", n)
	}
	long := []eval.Problem{{TaskID: "long", Prompt: strings.Repeat("#", 130)}}
	var tooLong TooLong
	for _, err := range g.Draw(context.Background(), long, []int{0}, func(int) {}) {
		if !errors.As(err, &tooLong) || tooLong != (TooLong{"long", 130, 123}) {
			t.Errorf("error %v, want that of a prompt that is too long", err)
		}
	}
}

// TestDrawEndsWithinABatch: when the context ends no method draws on to the end of a batch;
// what had come to its end by then comes, as it would have anyway.
func TestDrawEndsWithinABatch(t *testing.T) {
	const n = 50
	long := hot
	long.MaxTokens = 100
	for _, method := range []string{"direct", "cot", "icot", "nfcot", "nfcot-dual", "lavae", "ladir", "coconut"} {
		run := freshRun(t, method)
		g := generator(t, run, asIs(), long, n, n)
		ctx, cancel := context.WithCancel(context.Background())
		whole, err := g.All(ctx, problems("a"), g.Options())
		if err != nil {
			t.Fatal(err)
		}
		o, tokens, came, half := g.Options(), 0, 0, 0
		for _, s := range whole {
			half += len(s.Answer)
		}
		half /= 2
		o.OnToken = func(*cot.Sample, int) {
			if tokens++; tokens == half {
				cancel()
			}
		}
		err = g.each(ctx, problems("a"), o, func(_, number int, s cot.Sample) error {
			came++
			if !s.Finished || !slices.Equal(s.Answer, whole[number].Answer) || s.LogText != whole[number].LogText {
				t.Errorf("%s: sample %d ends with %v, finished %t; want %v", method, number, s.Answer, s.Finished, whole[number].Answer)
			}
			return nil
		})
		if !errors.Is(err, context.Canceled) || tokens < half || tokens > half+n || came == 0 || came == n {
			t.Errorf("%s: %v after %d tokens, %d samples came", method, err, tokens, came)
		}
		o = g.Options()
		o.OnToken = func(*cot.Sample, int) { t.Error(method + ": a token was drawn after the end") }
		o.Context = ctx
		run.Model.Sampler().Sample([][]int{{1, 2}}, n, o)
	}
}

// TestLines: a line has its keys in order, and tells what was drawn.
func TestLines(t *testing.T) {
	for method, keys := range map[string]string{
		"direct": "prompt answer_ids",
		"cot":    "prompt chain chain_ids answer_ids",
		"nfcot":  "prompt answer_ids thoughts",
	} {
		run := freshRun(t, method)
		g := generator(t, run, asIs(), hot, 1, 1)
		o := g.Options()
		o.LogProbs, o.TopLogProbs = true, 2
		samples, err := g.All(context.Background(), problems("x"), o)
		if err != nil {
			t.Fatal(err)
		}
		s := samples[0]
		s.Finished, s.ChainClosed = false, false
		line, err := g.Line(problems("x")[0], s)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range line.Extra {
			got = append(got, f.Key)
		}
		if want := keys + " logprobs"; strings.Join(got, " ") != want {
			t.Errorf("%s: keys %q, want %q", method, got, want)
		}
		back, err := Parse(run, line)
		if err != nil || !slices.Equal(back.Answer, s.Answer) || !slices.Equal(back.Chain, s.Chain) || !slices.Equal(back.Prompt, s.Prompt) {
			t.Errorf("%s: read back as %+v, %v; want %+v", method, back, err, s)
		}
		if s.Thoughts != nil && !slices.Equal(back.Thoughts.Data, s.Thoughts.Data) {
			t.Errorf("%s: thoughts read back as %v; want %v", method, back.Thoughts.Data, s.Thoughts.Data)
		}
	}
}

func TestRecordOfDrawing(t *testing.T) {
	s := cot.DefaultSampling()
	s.Stops = []string{"<a>"}
	text, err := record{Model: "abc", Weights: "bf16", N: 8, Sampling: s.Canonical()}.json()
	want := `{"model_sha256":"abc","weights":"bf16","n":8,"thought_temp":0.9,"temp":0.6,"stops":["<a>"],"max_tokens":256}`
	if err != nil || string(text) != want {
		t.Errorf("record %s, %v; want %s", text, err, want)
	}
}

// runs is an executor that tells the programs that it is to run, and passes some.
type runs func(program string) (eval.Outcome, error)

func (r runs) Execute(_ context.Context, _ eval.Problem, program string) (eval.Outcome, error) {
	return r(program)
}

// TestPassReward: what passes is worth 1, and a program that cannot be run nothing.
func TestPassReward(t *testing.T) {
	run := freshRun(t, "direct")
	g := generator(t, run, asIs("#"), hot, 2, 2)
	answer := func(text string) cot.Sample { return cot.Sample{Answer: run.Tokenizer.Encode(text)} }
	var warnings []string
	reward := PassReward(g, runs(func(program string) (eval.Outcome, error) {
		switch {
		case strings.HasSuffix(program, "good"):
			return eval.Outcome{Kind: eval.Passed}, nil
		case strings.HasSuffix(program, "lost"):
			return eval.Outcome{}, errors.New("no\nprocess")
		}
		return eval.Outcome{Kind: eval.Failed}, nil
	}), problems("a", "b"), 2, func(format string, args ...any) { warnings = append(warnings, format) })
	got, err := reward(context.Background(), []int{1, 0}, [][]cot.Sample{{answer("good"), answer("bad")}, {answer("lost"), answer("good#more")}})
	if err != nil || len(got) != 2 || !slices.Equal(got[0], []float64{1, 0}) || !slices.Equal(got[1], []float64{0, 1}) {
		t.Errorf("rewards %v, %v; want [[1 0] [0 1]]", got, err)
	}
	if len(warnings) != 1 {
		t.Errorf("warnings %q, want one", warnings)
	}
}

// TestLiveText: what comes token by token is the answer as it is in the end, and no text
// comes that a stop then takes away.
func TestLiveText(t *testing.T) {
	run := freshRun(t, "direct")
	for text, stops := range map[string][]string{
		"return x + 1\n":      {"x - 1", "return y"},
		"return x + 1\ndef g": {"\ndef", "\nclass"},
		"ab":                  {"b", "abc"},
		"é":                   {"#"},
		"xx":                  nil,
	} {
		g := generator(t, run, asIs(stops...), hot, 1, 1)
		live := g.Live()
		ids := run.Tokenizer.Encode(text)
		want, stopped := g.Answer(cot.Sample{Answer: ids})
		got := ""
		for i, id := range ids {
			got += live.Next(id)
			if !strings.HasPrefix(want, got) {
				t.Fatalf("%q with stops %q: %q came of %q", text, stops, got, want)
			}
			if _, ended := g.Answer(cot.Sample{Answer: ids[:i+1]}); ended {
				break
			}
		}
		if !stopped {
			got += live.Rest()
		}
		if got != want {
			t.Errorf("%q with stops %q: %q came, want %q", text, stops, got, want)
		}
	}
}

// A session gives the model the whole conversation each time, stops where it is told to, and
// takes back what leaves no room.
func TestSession(t *testing.T) {
	run := freshRun(t, "direct")
	run.Chat = &chat.Templates{Sources: map[string]string{"default": "{% for m in messages %}{{ m.role[0] }}:{{ m.content }};{% endfor %}"}}
	c, err := NewChat(run, nil)
	if err != nil {
		t.Fatal(err)
	}
	sampling := cot.DefaultSampling()
	sampling.MaxTokens = 3
	recipe, err := bench.Plain("chat").Recipe("", nil)
	if err != nil {
		t.Fatal(err)
	}
	g := generator(t, run, recipe, sampling, 4, 1)
	s := NewSession(g, c, "x")
	never := func() bool { return false }
	var text strings.Builder
	yield := func(part string) { text.WriteString(part) }
	if _, err := s.Answer(t.Context(), "a", never, yield); err != nil {
		t.Fatal(err)
	}
	prompt, err := c.Prompt(s.messages)
	if want := "s:x;u:a;a:" + text.String() + ";"; err != nil || prompt != want {
		t.Errorf("after a turn the conversation is %q, %v; want %q", prompt, err, want)
	}
	text.Reset()
	if cut, err := s.Answer(t.Context(), "b", func() bool { return true }, yield); cut || err != nil || len(run.Tokenizer.Encode(text.String())) > 2 {
		t.Errorf("told to stop, it answers %q, cut %t, %v", text.String(), cut, err)
	}
	before := len(s.messages)
	if _, err := s.Answer(t.Context(), strings.Repeat("long ", 5000), never, yield); !errors.As(err, new(TooLong)) || len(s.messages) != before {
		t.Errorf("a message without room: %v, %d messages; want %d", err, len(s.messages), before)
	}
	if s.Clear(); len(s.messages) != 1 {
		t.Errorf("a new conversation has %d messages, want the system's", len(s.messages))
	}
}

// TestQuestionsByChat: a recipe asks through the model's template, in the drawing, in lines
// and in what is read back of them; a model without one is refused.
func TestQuestionsByChat(t *testing.T) {
	run := freshRun(t, "direct")
	b := bench.Questions("q", answer.Exact, eval.Problem{TaskID: "a", Prompt: "x + 1", CanonicalSolution: "1", Format: eval.Answers})
	recipe, err := b.Recipe("chat", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := New(run, recipe, hot, 1, 1); err == nil || !strings.HasPrefix(err.Error(), "recipe chat: fresh: ") {
		t.Errorf("a model without a template: %v", err)
	}
	run.Chat = &chat.Templates{Sources: map[string]string{"default": "<|think|>{% for m in messages %}{{ m.role[0] }}:{{ m.content }}{% endfor %}<|answer|>"}}
	g := generator(t, run, recipe, hot, 2, 2)
	const asked = "<|think|>u:x + 1<|answer|>"
	prompts, err := g.Prompts(b.Problems)
	if err != nil || !slices.Equal(prompts[0], run.Tokenizer.Encode(asked)) || len(prompts[0]) > len(asked)-10 {
		t.Errorf("prompts %v, %v; want the tokens of %s, special ones among them", prompts, err, asked)
	}
	for s, err := range g.Draw(t.Context(), b.Problems, []int{0, 1}, func(int) {}) {
		if err != nil {
			t.Fatal(err)
		}
		back, err := Parse(run, s.Sample)
		if err != nil || !slices.Equal(back.Prompt, prompts[0]) {
			t.Errorf("%v: read back as %v, %v", s.Sample, back.Prompt, err)
		}
	}
	run.Chat.Sources["default"] = "{{ raise_exception('no user') }}"
	if _, err := generator(t, run, recipe, hot, 1, 1).Prompts(b.Problems); err == nil || !strings.HasPrefix(err.Error(), "a: fresh: chat template: ") {
		t.Errorf("a template that fails: %v", err)
	}
}

// TestPassRewardOfAnswers: a right answer is worth 1.
func TestPassRewardOfAnswers(t *testing.T) {
	run := freshRun(t, "direct")
	b := bench.Questions("q", answer.Flexible, eval.Problem{TaskID: "a", CanonicalSolution: "12", Format: eval.Answers}, eval.Problem{TaskID: "b", CanonicalSolution: "7", Format: eval.Answers})
	recipe, err := b.Recipe("", nil)
	if err != nil {
		t.Fatal(err)
	}
	g := generator(t, run, recipe, hot, 2, 2)
	said := func(text string) cot.Sample { return cot.Sample{Answer: run.Tokenizer.Encode(text)} }
	reward := PassReward(g, answer.Executor{Rule: b.Rule}, b.Problems, 2, t.Errorf)
	got, err := reward(t.Context(), []int{1, 0}, [][]cot.Sample{{said("so 7."), said("7 or 8")}, {said(""), said("$12.00")}})
	if err != nil || !slices.Equal(got[0], []float64{1, 0}) || !slices.Equal(got[1], []float64{0, 1}) {
		t.Errorf("rewards %v, %v; want [[1 0] [0 1]]", got, err)
	}
}
