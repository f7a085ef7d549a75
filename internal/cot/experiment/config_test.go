package experiment

import (
	"math"
	"reflect"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"nfcot/internal/cot/data"
)

func TestConfigCheck(t *testing.T) {
	for _, m := range trained() {
		c := Default(m.Name)
		c.Model.Vocab = 300 // comes from the tokenizer
		if err := c.Check(); err != nil {
			t.Errorf("%s: %v", m.Name, err)
		}
		if steps := c.Stages.Joint.Steps; steps == 0 {
			t.Errorf("%s: stage joint has no steps", m.Name)
		}
	}
	for _, tt := range []struct {
		method string
		change func(c *Config)
		want   string
	}{
		{"cot", func(c *Config) { c.Method = "magic" }, `method is "magic"; want one of lm, direct, cot, `},
		{"cot", func(c *Config) { c.Method = "" }, `method is ""; want one of`},
		{"cot", func(c *Config) { c.Model.Vocab = 0 }, "vocab_size is 0"},
		{"nfcot", func(c *Config) { c.Flow.Width = 9 }, "flow width is 9"},
		{"nfcot", func(c *Config) { c.Flow.Permute = "random" }, `flow permutation is "random"`},
		{"nfcot", func(c *Config) { c.NF.K = -1 }, "-1"},
		{"nfcot", func(c *Config) { c.NF.D = -2 }, "-2"},
		{"nfcot", func(c *Config) { c.NF.Noise = -0.1 }, "nf noise is -0.1"},
		{"nfcot", func(c *Config) { c.NF.Noise = math.NaN() }, "nf noise is NaN"},
		{"nfcot", func(c *Config) { c.Stages.Flow.FlowLR = -1 }, "stage flow has flow_lr -1; it must not be negative"},
		{"nfcot", func(c *Config) { c.NF.Noise, c.NF.MeanWeight = 0, 1 }, "nf noise is 0; it must not be negative, and mean_weight needs it to be positive"},
		{"lavae", func(c *Config) { c.NF.MeanWeight = 0 }, "nf.mean_weight is 0; it must be positive"},
		{"lavae", func(c *Config) { c.NF.Noise = 0 }, "nf noise is 0"},
		{"lm", func(c *Config) { c.Stages.Text.Steps = 3 }, "stage text has 3 steps, but method lm has no chains to show in it"},
		{"lm", func(c *Config) { c.Stages.Heads.Steps = 3 }, "stage heads has 3 steps, but method lm has no heads"},
		{"cot", func(c *Config) { c.Method = softThinking }, "method softthinking is a rule for sampling from a run of cot"},
		{"cot", func(c *Config) { c.Batch = 0 }, "batch is 0 in 1 microbatches"},
		{"cot", func(c *Config) { c.Accumulate = 0 }, "batch is 6 in 0 microbatches"},
		{"cot", func(c *Config) { c.Accumulate = 7 }, "batch is 6 in 7 microbatches"},
		{"cot", func(c *Config) { c.Precision = "fp8" }, `precision is "fp8"; want f32 or bf16`},
		{"nfcot", func(c *Config) { c.NF.SigmaLimit = -5 }, "nf.log_sigma_limit is -5; want a positive number, or 0"},
		{"cot", func(c *Config) { c.DirectShare = 1.5 }, "direct_share is 1.5; want a share"},
		{"cot", func(c *Config) { c.Stages.Joint.Warmup = -1 }, "stage joint has a warmup of -1 steps"},
		{"cot", func(c *Config) { c.HeldOut = -1 }, "held_out, eval_every and save_every must not be negative"},
		{"cot", func(c *Config) { c.EvalEvery = -1 }, "held_out, eval_every and save_every must not be negative"},
		{"cot", func(c *Config) { c.SaveEvery = -1 }, "held_out, eval_every and save_every must not be negative"},
		{"cot", func(c *Config) { c.Stages.Joint.Steps = -1 }, "stage joint has -1 steps"},
		{"cot", func(c *Config) { c.Stages.Joint.LR = 0 }, "stage joint has 5 steps at learning rate 0"},
		{"cot", func(c *Config) { c.Stages.Joint.LR = math.Inf(1) }, "stage joint has 5 steps at learning rate +Inf"},
		{"cot", func(c *Config) { c.Stages.Joint.LR = math.NaN() }, "stage joint has 5 steps at learning rate NaN"},
		{"cot", func(c *Config) { c.Stages.Heads.Steps = 3 }, "stage heads has 3 steps, but method cot has no heads"},
		{"nfcot", func(c *Config) { c.Flow.Scale = "log" }, `flow scale is "log"; want "exp" or "softplus"`},
		{"nfcot", func(c *Config) { c.Stages.Flow.FlowFit = "joint" }, `stage flow has flow_fit "joint"; want "conditional" or "marginal"`},
		{"nfcot", func(c *Config) { c.Stages.Heads.FlowFit, c.Stages.Heads.FreezeFlow = "marginal", true }, "stage heads has flow_fit marginal, but trains no flow; "},
		{"nfcot", func(c *Config) { c.Stages.Text.FlowFit, c.Stages.Text.FreezeFlow = "marginal", false }, "stage text has flow_fit marginal, but trains no flow; "},
		{"nfcot", func(c *Config) { c.Stages.Flow.FlowFit, c.Flow.Blocks = "marginal", 0 }, "stage flow has flow_fit marginal, but trains no flow; "},
		{"lavae", func(c *Config) { c.Stages.Flow.FlowFit = "marginal" }, "stage flow has flow_fit marginal, but trains no flow; "},
	} {
		c := tiny(tt.method)
		if err := c.Check(); err != nil {
			t.Fatal(err)
		}
		tt.change(&c)
		if err := c.Check(); err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("error %v, want %s", err, tt.want)
		}
	}
	c := tiny("nfcot")
	c.Stages.Heads.FreezeFlow, c.Stages.Heads.FlowFit = false, "marginal"
	c.Stages.Flow.FlowFit = "conditional"
	if err := c.Check(); err != nil {
		t.Errorf("a flow that learns from both: %v", err)
	}
	c = tiny("direct")
	c.Flow.Width = 9 // is not its own
	if err := c.Check(); err != nil {
		t.Errorf("method direct minds the flow: %v", err)
	}
}

func TestExperimentRoundTrip(t *testing.T) {
	for _, m := range trained() {
		want := Experiment{Config: Default(m.Name), Source: Source{Thoughts: "a/b", Init: "c", Stage: AllStages, Examples: 7, SHA256: "ab12"}}
		want.Seed, want.Stages.Flow.FlowLR, want.NF.K = math.MaxUint64, 0.123456789, 6
		text, err := yaml.Dump(want)
		if err != nil {
			t.Fatal(err)
		}
		var got Experiment
		if err := got.Read(text); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v, want %+v", m.Name, got, err, want)
		}
	}
}

// TestSourceInYAML: one file of data is a text, as it always was; several are a list.
func TestSourceInYAML(t *testing.T) {
	for text, want := range map[string]data.Source{
		"data: a.jsonl\n":         {Files: data.Files{"a.jsonl"}},
		"data:\n- a\n- '*.csv'\n": {Files: data.Files{"a", "*.csv"}},
		"data: a\nformat: gsm8k\ncolumns:\n  answer: final\ncot_from: think\n": {
			Files: data.Files{"a"}, Format: "gsm8k", Columns: data.Columns{"answer": "final"}, CoTFrom: "think"},
	} {
		text = "source:\n  " + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n  ") + "\n"
		var got Experiment
		if err := got.Read([]byte(text)); err != nil || !reflect.DeepEqual(got.Source.Data, want) {
			t.Errorf("%q: %+v (%v)", text, got.Source.Data, err)
		}
		again, err := yaml.Dump(struct {
			Source data.Source `yaml:"source"`
		}{want})
		if err != nil || string(again) != text {
			t.Errorf("%+v is written as %q, want %q (%v)", want, again, text, err)
		}
	}
	var x Experiment
	for text, want := range map[string]string{
		"source: {data: {a: b}}":  "line 1: found a section, expected a list of texts",
		"source: {columns: text}": "line 1: found text, expected names of columns, like {prompt: question, answer: final}",
	} {
		if err := x.Read([]byte(text)); err == nil || err.Error() != want {
			t.Errorf("%s: error %v, want %s", text, err, want)
		}
	}
}

// What is not named stays as it was.
func TestReadExperimentOverlays(t *testing.T) {
	got := Experiment{Config: Default("nfcot")}
	want := got
	want.Batch, want.Stages.Flow.Steps, want.Model.Hidden = 8, 70, 32
	for _, text := range []string{"", " \n", "batch: 8\nstages:\n  flow:\n    steps: 70\n", "model: {hidden: 32}"} {
		if err := got.Read([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// Errors name the line and what is wrong with it.
func TestReadExperimentErrors(t *testing.T) {
	for _, tt := range []struct {
		text string
		want []string
	}{
		{"batch: 8\nbatsh: 9\n", []string{"line 2", "batsh"}},
		{"stages:\n  joint:\n    steps: 3\n    stepz: 4\n", []string{"line 4", "stepz"}},
		{"stages:\n  4:\n    steps: 3\n", []string{"line 2", "4"}},
		{"method: cot\nbatch: 4.5\n", []string{"line 2", "4.5"}},
		{"batch: many\n", []string{"line 1", "many"}},
		{"nf:\n  noise: loud\n", []string{"line 2", "loud"}},
		{"clip: .inf\nnf:\n  noise: .nan\n", []string{"line 1: found .inf, expected a finite number; line 3: found .nan, expected a finite number"}},
		{"seed: -1\n", []string{"line 1", "-1"}},
		{"batch: [1\n", []string{"line 2", "expected ',' or ']'"}},
		{"batsh: 1\nbetsy: 2\n", []string{"line 1", "batsh", "line 2", "betsy"}},
		{"batch: 1\nbatch: 2\n", []string{"line 2", "batch"}},
		{"model:\n  colour: red\n", []string{"line 2: there is no setting model.colour; their names are those in a run's config.yaml"}},
		{"model: 3\n", []string{"line 1: found 3, expected settings"}},
		{"batch: {}\n", []string{"line 1: found a section, expected a whole number"}},
		{"batch:\n", []string{"line 1: found nothing, expected a whole number"}},
		{"batch: 0x\nclip: [1]\n", []string{"line 1: found 0x, expected a whole number; line 2: found a list, expected a number"}},
		{"- 1\n", []string{"line 1"}},
		{"stages:\n  2: {steps: 3}\n  joint: {steps: 4}\n", []string{"line 3: stages.joint is given twice"}},
		{"source:\n  stage: 4\n", []string{"line 2: found 4, expected text, read, heads, joint, flow or all"}},
	} {
		e := Experiment{Config: Default("cot")}
		err := e.Read([]byte(tt.text))
		if err == nil {
			t.Errorf("%q gives no error", tt.text)
			continue
		}
		for _, part := range tt.want {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%q gives %q, which does not say %q", tt.text, err, part)
			}
		}
		if strings.Contains(err.Error(), "\n") {
			t.Errorf("%q gives %q, more than one line", tt.text, err)
		}
	}
}

// What an older version wrote is read as what it is called now.
func TestReadOlderVersions(t *testing.T) {
	read := func(text string) Experiment {
		e := Experiment{Config: Default("coconut"), RL: new(RL)}
		if err := e.Read([]byte(text)); err != nil {
			t.Errorf("%q: %v", text, err)
		}
		return e
	}
	for older, now := range map[string]string{
		"stages:\n  '2': {steps: 3, hold_flow: true}\n  '3': {steps: 5, hold_flow: false}\n": "stages:\n  joint: {steps: 3, freeze_flow: true}\n  flow: {steps: 5, freeze_flow: false}\n",
		"stages:\n  0: {steps: 1}\n  1: {steps: 2}\n":                                        "stages:\n  text: {steps: 1}\n  heads: {steps: 2}\n",
		"coconut: {last_stage: 0.25}\nlora: {rank: 2, merged: true}\n":                       "coconut: {last_phase: 0.25}\nlora: {rank: 2, fused: true}\n",
		"rl: {part: 3, hold_sigma: true, objective: {trust: 0.5}}\n":                         "rl: {microbatch: 3, freeze_sigma: true, objective: {clip_epsilon: 0.5}}\n",
		"source: {stage: -1}\n": "source: {stage: all}\n",
		"source: {stage: 2}\n":  "source: {stage: joint}\n",
	} {
		if got, want := read(older), read(now); !reflect.DeepEqual(got, want) {
			t.Errorf("%q is read as %+v, want %+v", older, got, want)
		}
	}
}

// A change is made whatever the section, and errors say what the user wrote.
func TestSet(t *testing.T) {
	got := Experiment{Config: Default("nfcot"), RL: new(RL)}
	want := got
	rl := RL{Steps: 7}
	rl.Temp, rl.Stops = 0.5, []string{"a", "b: c"}
	want.RL, want.Batch, want.Model.Hidden, want.Source.Data.Files = &rl, 8, 32, data.Files{"a=b:c"}
	for _, change := range []string{"batch=8", "model.hidden=32", "rl.temp=.5", "rl.stops=[a, 'b: c']", "rl.steps=7", "source.data=a=b:c"} {
		if err := got.Set(change); err != nil {
			t.Errorf("%s: %v", change, err)
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	for change, want := range map[string]string{
		"batch":           "want KEY=VALUE",
		"=8":              "want KEY=VALUE",
		"batch=":          "want KEY=VALUE",
		"model=8":         "found 8, expected settings",
		"batch.size=8":    "found a section, expected a whole number",
		"model.size=8":    "there is no setting model.size; ",
		"model.tied=5":    "found 5, expected true or false",
		"seed=-1":         "found -1, expected a whole number that is not negative",
		"rl.stops=a":      "found a, expected a list of texts",
		"model.hidden=[8": "not YAML",
	} {
		if err := got.Set(change); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", change, err, want)
		}
	}
}
