package experiment

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"nfcot/internal/ckpt"
	"nfcot/internal/cot"
	"nfcot/internal/cot/data"
	"nfcot/internal/tensor"
	"nfcot/internal/tokenizer"
)

// The fingerprint of data changes with every token, every code, and their order.
func TestFingerprint(t *testing.T) {
	changes := map[string]func(data []cot.Encoded) []cot.Encoded{
		"nothing": func(data []cot.Encoded) []cot.Encoded { return data },
		"prompt":  func(data []cot.Encoded) []cot.Encoded { data[1].Prompt[0]++; return data },
		"step":    func(data []cot.Encoded) []cot.Encoded { data[1].Steps[1][0]++; return data },
		"answer":  func(data []cot.Encoded) []cot.Encoded { data[2].Answer[1]++; return data },
		"code":    func(data []cot.Encoded) []cot.Encoded { data[0].Codes.Data[3] += 1e-6; return data },
		"no codes": func(data []cot.Encoded) []cot.Encoded {
			data[0].Codes = nil
			return data
		},
		"line ends": func(data []cot.Encoded) []cot.Encoded { // the same tokens, cut elsewhere
			data[0].Steps = [][]int{slices.Concat(data[0].Steps...)}
			return data
		},
		"token moved from prompt to chain": func(data []cot.Encoded) []cot.Encoded {
			d, last := &data[0], len(data[0].Prompt)-1
			d.Steps[0] = append([]int{d.Prompt[last]}, d.Steps[0]...)
			d.Prompt = d.Prompt[:last]
			return data
		},
		"cut": func(data []cot.Encoded) []cot.Encoded { data[3].Cut = true; return data },
		"text": func(data []cot.Encoded) []cot.Encoded {
			data[3].Tokens, data[3].Targets = []int{1, 2}, []bool{false, true}
			return data
		},
		"another target": func(data []cot.Encoded) []cot.Encoded {
			data[3].Tokens, data[3].Targets = []int{1, 2}, []bool{false, false}
			return data
		},
		"order":   func(data []cot.Encoded) []cot.Encoded { data[0], data[1] = data[1], data[0]; return data },
		"shorter": func(data []cot.Encoded) []cot.Encoded { return data[:3] },
	}
	prints := map[string]string{}
	for name, change := range changes {
		print := fingerprint(change(examples(4)))
		if other, ok := prints[print]; ok {
			t.Errorf("%s and %s have the same fingerprint", name, other)
		}
		prints[print] = name
	}
	if print := fingerprint(examples(4)); prints[print] != "nothing" || len(print) != 64 {
		t.Errorf("fingerprint %q of the same data is not that of before", print)
	}
}

// newRun makes a run of tiny models over a tokenizer that was trained.
func newRun(t *testing.T, method string) *Run {
	t.Helper()
	tok, err := tokenizer.Train(slices.Values([]string{"def f(x):", "return x"}), 265, cot.SpecialTokens)
	if err != nil {
		t.Fatal(err)
	}
	x := Experiment{Config: tiny(method), Source: Source{Thoughts: "thoughts", Stage: AllStages, Examples: 15, SHA256: "ab"}}
	x.Model.Vocab = tok.VocabSize()
	special, err := cot.FindSpecial(tok)
	if err != nil {
		t.Fatal(err)
	}
	r := &Run{Dir: filepath.Join(t.TempDir(), "run"), Experiment: x, Tokenizer: tok, Model: NewModel(x.Config, special)}
	if x.method().Codes {
		r.VAE = cot.NewVAE(tensor.NewParams(3), cot.VAEConfig{K: 2, D: 2, Encoder: "local", Segments: "lines", Length: 3, Hidden: 8, Layers: 1, Heads: 2}, x.Model.Vocab, special.EOS, nil)
		copy(r.VAE.Mean, []float32{0.5, -1})
	}
	return r
}

// finished writes all of a run, whose parameters have moved from where they start.
func finished(t *testing.T, method string) *Run {
	t.Helper()
	r := newRun(t, method)
	if _, err := r.Start(false, t.Logf); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(r.Dir, StateDir), 0o755); err != nil {
		t.Fatal(err)
	}
	rng := tensor.Rand(2, "moved")
	for p := range r.Model.Params.All() {
		for i := range p.Data {
			p.Data[i] += float32(0.1 * rng.NormFloat64())
		}
	}
	if err := r.Finish(); err != nil {
		t.Fatal(err)
	}
	return r
}

// A run that is opened again is what it was: the same experiment, and the same
// samples with the same likelihoods.
func TestRunRoundTrip(t *testing.T) {
	for _, m := range trained() {
		r := finished(t, m.Name)
		back, err := Open(r.Dir, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(back.Experiment, r.Experiment) || back.Dir != r.Dir || back.Tokenizer.VocabSize() != r.Tokenizer.VocabSize() {
			t.Errorf("%s: %+v, want %+v", m.Name, back.Experiment, r.Experiment)
		}
		prompts := [][]int{r.Tokenizer.Encode("def f(x):"), {7, 8}}
		o := cot.Options{Sampling: cot.Sampling{ThoughtTemp: 1, Temp: 1, MaxTokens: 9, Seed: 2}}
		var all []cot.Sample
		for p, xs := range back.Model.Sampler().Sample(prompts, 3, o) {
			all = append(all, xs...)
			for i, x := range xs {
				want := r.Model.Sampler().Sample(prompts, 3, o)[p][i]
				if !slices.Equal(x.Answer, want.Answer) || !slices.Equal(x.Chain, want.Chain) || x.LogText != want.LogText || x.LogThoughts != want.LogThoughts {
					t.Errorf("%s: sample %+v, want %+v", m.Name, x, want)
				}
			}
		}
		scorer, err := back.Model.Scorer()
		if (err == nil) != m.Scores {
			t.Fatalf("%s: %v", m.Name, err)
		}
		if m.Scores {
			same, _ := r.Model.Scorer()
			thoughts, text := scorer.LogProb(nil, all, cot.Temperatures{Thought: 1, Text: 1})
			wantThoughts, wantText := same.LogProb(nil, all, cot.Temperatures{Thought: 1, Text: 1})
			if !slices.Equal(thoughts.Data, wantThoughts.Data) || !slices.Equal(text.Data, wantText.Data) {
				t.Errorf("%s: scores %v %v, want %v %v", m.Name, thoughts.Data, text.Data, wantThoughts.Data, wantText.Data)
			}
		}
		if (back.VAE != nil) != m.Codes {
			t.Errorf("%s: VAE %v", m.Name, back.VAE)
		} else if back.VAE != nil && (back.VAE.Config != r.VAE.Config || !slices.Equal(back.VAE.Mean, r.VAE.Mean)) {
			t.Errorf("the VAE is %+v, mean %v", back.VAE.Config, back.VAE.Mean)
		}
		if _, err := os.Stat(filepath.Join(r.Dir, StateDir)); !os.IsNotExist(err) {
			t.Errorf("%s: a finished run keeps its state: %v", m.Name, err)
		}
	}
}

// The backbone of a run is a model directory of Hugging Face's: its names, its
// shape in config.json, its marker in the metadata.
func TestRunIsAModelDirectory(t *testing.T) {
	r := finished(t, "nfcot")
	f, err := ckpt.OpenModel(r.Dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if f.Metadata()["format"] != "pt" {
		t.Errorf("metadata %v", f.Metadata())
	}
	for _, name := range []string{"model.embed_tokens.weight", "model.layers.1.self_attn.q_norm.weight", "model.norm.weight", "flow.blocks.1.proj_out.bias", "nf_head.weight", "proj_in.weight"} {
		if _, ok := f.Info(name); !ok {
			t.Errorf("no tensor %s", name)
		}
	}
	text, err := os.ReadFile(filepath.Join(r.Dir, "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	var config map[string]any
	if err := json.Unmarshal(text, &config); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]any{"model_type": "qwen3", "hidden_size": 16.0, "vocab_size": float64(r.Experiment.Model.Vocab), "eos_token_id": 0.0} {
		if config[key] != want {
			t.Errorf("%s is %v, want %v", key, config[key], want)
		}
	}
}

// What is no finished run says so in one line that names the folder or file.
func TestOpenErrors(t *testing.T) {
	unfinished := newRun(t, "nfcot")
	if _, err := unfinished.Start(false, t.Logf); err != nil {
		t.Fatal(err)
	}
	_, err := Open(unfinished.Dir, "", nil)
	if err == nil || !strings.Contains(err.Error(), "training has not ended") || !strings.Contains(err.Error(), "--resume -o "+unfinished.Dir) {
		t.Errorf("an unfinished run: %v", err)
	}

	for _, tt := range []struct {
		name   string
		file   string
		damage func(path string) error
		want   string
	}{
		{"no config", ConfigFile, os.Remove, "flow.blocks.0.proj_in.weight"},
		{"config with an unknown field", ConfigFile, appendTo("\nbatsh: 4\n"), "batsh"},
		{"config that cannot be", ConfigFile, replaceIn("batch: 6", "batch: -6"), "batch is -6"},
		{"config of negative thoughts", ConfigFile, replaceIn("thoughts: 2", "thoughts: -2"), "-2"},
		{"config of another model", ConfigFile, replaceIn("ffn: 24", "ffn: 25"), "mlp.gate_proj.weight"},
		{"no tokenizer", data.TokenizerFile, os.Remove, data.TokenizerFile},
		{"no VAE", data.VAEFile, os.Remove, data.VAEFile},
		{"model cut short", ModelFile, func(path string) error { return os.Truncate(path, 2000) }, ModelFile},
		{"model without a tensor", ModelFile, drop("nf_head.bias"), "nf_head.bias"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := finished(t, "nfcot")
			if err := tt.damage(filepath.Join(r.Dir, tt.file)); err != nil {
				t.Fatal(err)
			}
			_, err := Open(r.Dir, "", nil)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), r.Dir) && !strings.Contains(err.Error(), filepath.Join(r.Dir, tt.file)) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v, want one line that names %s and %s", err, r.Dir, tt.want)
			}
		})
	}
}

// A folder's name is no pattern.
func TestInspectAnyFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run[1")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := ckpt.Write(filepath.Join(dir, ModelFile), []ckpt.Tensor{{Name: "w", Shape: []int{2}, Data: []float32{1, 2}}}, nil); err != nil {
		t.Fatal(err)
	}
	x, err := Inspect(dir)
	if err != nil || len(x.Tensors) != 1 || x.Tensors[0].Name != "w" {
		t.Errorf("%+v, %v", x, err)
	}
}

func appendTo(text string) func(path string) error {
	return func(path string) error {
		old, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(path, append(old, text...), 0o644)
	}
}

func replaceIn(from, to string) func(path string) error {
	return func(path string) error {
		old, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if !strings.Contains(string(old), from) {
			return fmt.Errorf("%s has no %q", path, from)
		}
		return os.WriteFile(path, []byte(strings.Replace(string(old), from, to, 1)), 0o644)
	}
}

func drop(tensor string) func(path string) error {
	return func(path string) error {
		f, err := ckpt.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		var kept []ckpt.Tensor
		for _, name := range f.Names() {
			data, shape, err := f.Float32(name)
			if err != nil {
				return err
			}
			if name != tensor {
				kept = append(kept, ckpt.Tensor{Name: name, Shape: shape, Data: data})
			}
		}
		return ckpt.Write(path, kept, nil)
	}
}

// Thoughts' sigma cannot be held where there is none.
func TestFreezeSigmaNeedsOne(t *testing.T) {
	r := finished(t, "cot")
	x := r.Experiment
	x.RL, x.Source.Init = &RL{FreezeSigma: true}, r.Dir
	const want = "rl.freeze_sigma is true, but method cot has no thoughts with a sigma; leave it out"
	if _, _, err := newPolicy(x, t.TempDir()); err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

// A run that has lost a tensor of its heads is neither reinforced nor fused with a new one in its place.
func TestHeadsAreNotMadeUp(t *testing.T) {
	r := finished(t, "nfcot")
	if err := drop("nf_head.bias")(filepath.Join(r.Dir, ModelFile)); err != nil {
		t.Fatal(err)
	}
	want := r.Dir + `: has no tensor "nf_head.bias", which config.yaml promises`
	x := r.Experiment
	x.RL, x.Source.Init = new(RL), r.Dir
	if _, _, err := newPolicy(x, t.TempDir()); err == nil || err.Error() != want {
		t.Errorf("to be reinforced: error %v, want %s", err, want)
	}
	if _, err := loadModel(r.Dir, "", x.Config, special, true); err == nil || err.Error() != want {
		t.Errorf("as a whole: error %v, want %s", err, want)
	}
}

// A model starts from what another run has in common with it.
func TestInitFrom(t *testing.T) {
	from := finished(t, "cot")
	c := from.Experiment.Config
	c.Method, c.Seed = "nfcot", c.Seed+1
	fresh := NewModel(c, special)
	m, err := loadModel(from.Dir, "", c, special, false)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(weights(m, "model."), weights(from.Model, "model.")) {
		t.Error("the backbone is not that of the run")
	}
	rest := []string{"flow.", "nf_head.", "proj_in."}
	if !slices.Equal(weights(m, rest...), weights(fresh, rest...)) {
		t.Error("what the run does not have has changed")
	}

	c.Model.FFN = 10
	if _, err := loadModel(from.Dir, "", c, special, false); err == nil || strings.Count(err.Error(), from.Dir) != 1 || !strings.Contains(err.Error(), "has shape [24 16]; expected [10 16]") {
		t.Errorf("a run of another shape: %v", err)
	}
	if _, err := loadModel(t.TempDir(), "", c, special, false); err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("an empty folder: %v", err)
	}
}
