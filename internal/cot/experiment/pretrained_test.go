package experiment

import (
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
	"nfcot/internal/shared"
	"nfcot/internal/tensor"
	"nfcot/internal/tensor/kernel"
	"nfcot/internal/tensor/tensortest"
	"nfcot/internal/transformer"
)

// pretrained is a copy of one of the fixtures' models, which have no tokenizer.
func pretrained(t *testing.T, name string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(shared.Fixtures(t), "qwen3_tiny", name))); err != nil {
		t.Fatal(err)
	}
	for _, other := range []string{"expected.safetensors", "adamw.safetensors"} {
		os.Remove(filepath.Join(dir, other))
	}
	return dir
}

// openModel opens the model of a folder without a tokenizer.
func openModel(t *testing.T, dir string, format *kernel.Format) *Run {
	t.Helper()
	r := &Run{Dir: dir, Experiment: Experiment{Config: Config{Method: LM}}}
	w, model, err := openPretrainedCheckpoint(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	r.Experiment.Model = model
	if err := r.load(w, cot.Special{EOS: 2}, format); err != nil {
		t.Fatal(err)
	}
	if err := checkNames(w, r.Model.Params); err != nil {
		t.Fatal(err)
	}
	return r
}

// logits of a text, every token after those before it.
func logits(m *Model, ids []int) []float32 {
	cache := m.LM.NewCache()
	return m.LM.Logits(nil, m.LM.Step(nil, slices.Repeat([]*transformer.Cache{cache}, len(ids)), m.LM.Embed(nil, ids))).Data
}

// Models as they lie in their folders give the logits that they should, through
// the cache; in bfloat16 and in 8 bits nearly.
func TestPretrainedLogits(t *testing.T) {
	for _, name := range []string{"tied", "untied", "tied_bf16", "untied_sharded"} {
		g := tensortest.Open(t, "qwen3_tiny", name, "expected.safetensors")
		shape := g.Shape("input_ids")
		ids := g.Ints("input_ids")[:shape[1]]
		want := g.Floats("logits")[:shape[1]*openModel(t, pretrained(t, name), nil).Model.LM.Vocab]
		f32 := kernel.F32
		tensortest.Forward.Check(t, name, logits(openModel(t, pretrained(t, name), &f32).Model, ids), want)
		for _, format := range []kernel.Format{kernel.BF16, kernel.Int8, kernel.W8A8} {
			var difference, size float64
			for i, v := range logits(openModel(t, pretrained(t, name), &format).Model, ids) {
				difference, size = max(difference, abs(float64(v)-want[i])), max(size, abs(want[i]))
			}
			if difference == 0 || difference > 0.1*size {
				t.Errorf("%s, %v: logits differ by %g of %g", name, format, difference, size)
			}
		}
	}
}

func abs(x float64) float64 { return max(x, -x) }

// Matrices keep bfloat16 where the file has it, and only there.
func TestPretrainedKeepsFormat(t *testing.T) {
	for name, format := range map[string]kernel.Format{"tied": kernel.F32, "tied_bf16": kernel.BF16} {
		ids := []int{1, 5, 7}
		got := openModel(t, pretrained(t, name), nil).Model
		want := openModel(t, pretrained(t, name), &format).Model
		if got.LM.PackedBytes() != want.LM.PackedBytes() || !slices.Equal(logits(got, ids), logits(want, ids)) {
			t.Errorf("%s: not in %v", name, format)
		}
	}
}

// A model in shards is the model in one file, bit for bit.
func TestShardedIsSingle(t *testing.T) {
	dir := pretrained(t, "untied_sharded")
	ids := []int{3, 1, 4, 1, 5, 9, 2, 6}
	sharded := logits(openModel(t, dir, nil).Model, ids)
	f, err := ckpt.OpenModel(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	single := t.TempDir()
	if err := os.CopyFS(single, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	saveAgain(t, f, filepath.Join(single, ModelFile))
	for _, name := range []string{ckpt.IndexFile, "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"} {
		if err := os.Remove(filepath.Join(single, name)); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(logits(openModel(t, single, nil).Model, ids), sharded) {
		t.Error("logits differ")
	}
}

// saveAgain reads all tensors of a model as float32 and writes them with the types
// that they had.
func saveAgain(t *testing.T, f *ckpt.File, path string) {
	t.Helper()
	var tensors []ckpt.Tensor
	for _, name := range f.Names() {
		info, _ := f.Info(name)
		data, shape, err := f.Float32(name)
		if err != nil {
			t.Fatal(err)
		}
		x := ckpt.Tensor{Name: name, Shape: shape, Data: data}
		if info.DType != ckpt.F32 {
			x.DType = info.DType
		}
		tensors = append(tensors, x)
	}
	if err := ckpt.Write(path, tensors, map[string]string{"format": "pt"}); err != nil {
		t.Fatal(err)
	}
}

// A model that is loaded for training and saved has the bytes that it had: each of
// its parameters, in the type of the file.
func TestPretrainedRoundTrip(t *testing.T) {
	for _, name := range []string{"tied", "untied", "tied_bf16", "untied_sharded"} {
		dir := pretrained(t, name)
		c, err := readModelConfig(dir)
		if err != nil {
			t.Fatal(err)
		}
		f, err := ckpt.OpenModel(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		p := tensor.NewParams(1)
		transformer.NewLM(p, c)
		if err := p.Load(f, ""); err != nil {
			t.Fatal(err)
		}
		info, _ := f.Info(transformer.EmbeddingName)
		path := filepath.Join(t.TempDir(), ModelFile)
		if err := saveWeights(path, c, p.All(), info.DType); err != nil {
			t.Fatal(err)
		}
		again, err := ckpt.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer again.Close()
		n := 0
		for q := range p.All() {
			want, _, err := f.Float32(q.Name)
			if err != nil {
				t.Fatal(err)
			}
			of, _ := f.Info(q.Name)
			in, _ := again.Info(q.Name)
			if got, _, err := again.Float32(q.Name); err != nil || !slices.Equal(got, want) || in.DType != of.DType {
				t.Errorf("%s: %s has changed: %v, %v", name, q.Name, in, err)
			}
			n++
		}
		rest := len(f.Names()) - n // the tied model's second copy of its table
		if _, twice := f.Info(transformer.LogitsName); len(again.Names()) != n || rest > 1 || rest == 1 && !(c.Tied && twice) {
			t.Errorf("%s: %d tensors, %d parameters, %d written", name, len(f.Names()), n, len(again.Names()))
		}
	}
}

// rewrite writes the tensors of a model's file anew.
func rewrite(t *testing.T, dir string, change func(tensors []ckpt.Tensor) []ckpt.Tensor) {
	t.Helper()
	f, err := ckpt.OpenModel(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var tensors []ckpt.Tensor
	for _, name := range f.Names() {
		numbers, shape, err := f.Float32(name)
		if err != nil {
			t.Fatal(err)
		}
		tensors = append(tensors, ckpt.Tensor{Name: name, Shape: shape, Data: numbers})
	}
	if err := ckpt.Write(filepath.Join(dir, ModelFile), change(tensors), nil); err != nil {
		t.Fatal(err)
	}
}

// Checkpoints that do not quite have what config.json says are read as transformers
// reads them.
func TestPretrainedOddFiles(t *testing.T) {
	ids := []int{3, 1, 4, 1, 5}
	want := logits(openModel(t, pretrained(t, "tied"), nil).Model, ids)
	table := func(tensors []ckpt.Tensor) (i int) {
		return slices.IndexFunc(tensors, func(x ckpt.Tensor) bool { return x.Name == transformer.EmbeddingName })
	}
	withoutHead := func(tensors []ckpt.Tensor) []ckpt.Tensor {
		return slices.DeleteFunc(tensors, func(x ckpt.Tensor) bool { return x.Name == transformer.LogitsName })
	}
	for _, tt := range []struct {
		name   string
		tied   bool
		same   bool // as the plain file
		change func(tensors []ckpt.Tensor) []ckpt.Tensor
	}{
		{"without the prefix of the trunk", true, true, func(tensors []ckpt.Tensor) []ckpt.Tensor {
			for i := range tensors {
				tensors[i].Name = strings.TrimPrefix(tensors[i].Name, "model.")
			}
			return tensors
		}},
		{"the table as that of logits alone", true, true, func(tensors []ckpt.Tensor) []ckpt.Tensor {
			tensors = withoutHead(tensors)
			tensors[table(tensors)].Name = transformer.LogitsName
			return tensors
		}},
		{"the table twice", true, true, func(tensors []ckpt.Tensor) []ckpt.Tensor {
			tensors = withoutHead(tensors)
			twice := tensors[table(tensors)]
			twice.Name = transformer.LogitsName
			return append(tensors, twice)
		}},
		{"another table of logits", false, false, func(tensors []ckpt.Tensor) []ckpt.Tensor {
			tensors = withoutHead(tensors)
			other := tensors[table(tensors)]
			other.Name, other.Data = transformer.LogitsName, slices.Clone(other.Data.([]float32))
			other.Data.([]float32)[0]++
			return append(tensors, other)
		}},
		{"angles that old versions stored", true, true, func(tensors []ckpt.Tensor) []ckpt.Tensor {
			return append(tensors, ckpt.Tensor{Name: "model.layers.0.self_attn.rotary_emb.inv_freq", Shape: []int{1}, Data: []float32{1}})
		}},
	} {
		dir := pretrained(t, "tied")
		rewrite(t, dir, tt.change)
		r := openModel(t, dir, nil)
		if r.Experiment.Model.Tied != tt.tied {
			t.Errorf("%s: tied %v", tt.name, r.Experiment.Model.Tied)
		}
		if got := logits(r.Model, ids); slices.Equal(got, want) != tt.same {
			t.Errorf("%s: the same logits: %v, want %v", tt.name, !tt.same, tt.same)
		}
		origin, err := OpenBase(dir, "")
		if err != nil || origin.Model != r.Experiment.Model {
			t.Errorf("%s: %+v, %v", tt.name, origin, err)
		}
		c := tiny("cot").pretrained(origin.Model, false)
		m, err := loadModel(dir, "", c, special, false)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		} else if !slices.Equal(logits(m, ids), logits(r.Model, ids)) {
			t.Errorf("%s: another model to train than to run", tt.name)
		}
	}
	dir := pretrained(t, "tied")
	rewrite(t, dir, func(tensors []ckpt.Tensor) []ckpt.Tensor {
		return append(tensors, ckpt.Tensor{Name: "model.layers.0.mlp.experts.0.weight", Shape: []int{1}, Data: []float32{1}})
	})
	want2 := `tensor "model.layers.0.mlp.experts.0.weight": a model of this config.json has none of this name`
	if _, err := loadModel(dir, "", tiny("cot").pretrained(openModel(t, pretrained(t, "tied"), nil).Experiment.Model, false), special, false); err == nil || !strings.HasSuffix(err.Error(), want2) {
		t.Errorf("a tensor that is no parameter: %v", err)
	}
}

// Tokens that end an answer, from generation_config.json or config.json.
func TestEndTokens(t *testing.T) {
	for _, tt := range []struct {
		generation, config string
		want               []int
		err                string
	}{
		{`{"eos_token_id": [7, 5]}`, `{"eos_token_id": 3}`, []int{7, 5}, ""},
		{`{"temperature": 0.6}`, `{"eos_token_id": 3}`, []int{3}, ""},
		{"", `{"eos_token_id": [3]}`, []int{3}, ""},
		{"", `{"eos_token_id": null}`, nil, ""},
		{"", `{}`, nil, ""},
		{`{"eos_token_id": -1}`, "{}", nil, generationFile + ": eos_token_id -1 is not in the vocabulary of 20"},
		{"", `{"eos_token_id": [3, 20]}`, nil, data.ConfigFile + ": eos_token_id 20 is not in the vocabulary of 20"},
		{`{"eos_token_id": 1.5}`, "{}", nil, generationFile + ": eos_token_id is 1.5; expected a token id or a list of them"},
		{`{"eos_token_id": [`, "{}", nil, generationFile + ": invalid JSON"},
	} {
		dir := t.TempDir()
		for name, text := range map[string]string{generationFile: tt.generation, data.ConfigFile: tt.config} {
			if text != "" {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
		got, err := endTokens(dir, 20)
		if !slices.Equal(got, tt.want) || !strings.Contains(fmt.Sprint(err), tt.err) || (err == nil) != (tt.err == "") {
			t.Errorf("%s %s: %v, %v", tt.generation, tt.config, got, err)
		}
	}
}

// Over a model of others the defaults depend on what is trained of it, however adapters are asked for; what is set stays.
func TestDefaultsOverPretrained(t *testing.T) {
	dir := pretrained(t, "tied")
	for _, tt := range []struct {
		method string
		lora   int
		set    []string
		batch  int
		heads  int
		lr     float64
	}{
		{"nfcot", 0, nil, 16, 100, 3e-4},
		{"cot", 0, nil, 16, 0, 3e-4},
		{"nfcot", 32, nil, 16, 100, 1e-3},
		{"nfcot", 0, []string{"lora.rank=2"}, 16, 100, 1e-3},
		{"lavae", 32, []string{"stages.joint.lr=0.5", "batch=3"}, 3, 100, 0.5},
		{LM, 0, nil, 8, 0, 5e-5},
	} {
		x, err := Resolve(Request{Method: tt.method, LoRA: tt.lora, Set: tt.set, Source: Source{Init: dir, Stage: AllStages}})
		if err != nil {
			t.Fatal(err)
		}
		if x.Batch != tt.batch || x.Stages.Heads.Steps != tt.heads || x.Stages.Joint.LR != tt.lr || !x.NF.Fit {
			t.Errorf("%s, --lora %d, %v: batch %d, %d steps of heads, rate %g", tt.method, tt.lora, tt.set, x.Batch, x.Stages.Heads.Steps, x.Stages.Joint.LR)
		}

		// They are the same where a file says what it is about.
		file := filepath.Join(t.TempDir(), "experiment.yaml")
		text := fmt.Sprintf("method: %s\nsource:\n  init: %q\n", tt.method, dir)
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		y, err := Resolve(Request{File: file, LoRA: tt.lora, Set: tt.set, Source: Source{Stage: AllStages}})
		if err != nil || !reflect.DeepEqual(y, x) {
			t.Errorf("of a file: %+v, %v; want %+v", y, err, x)
		}
	}
}
