package experiment

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nfcot/internal/ckpt"
	"nfcot/internal/cot"
	"nfcot/internal/shared"
	"nfcot/internal/tensor/tensortest"
	"nfcot/internal/transformer"
)

// adapters are the folders with adapters of PEFT's in a folder of golden numbers.
func adapters(t *testing.T, dir string) (all []string) {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "*.expected.safetensors"))
	if err != nil || len(found) == 0 {
		t.Fatalf("%s: no golden numbers, %v", dir, err)
	}
	for _, path := range found {
		if path = strings.TrimSuffix(path, ".expected.safetensors"); isAdapter(path) {
			all = append(all, path)
		}
	}
	return all
}

// checkLogits wants those that a file of golden numbers has.
func checkLogits(t *testing.T, r *Run, expected string, tolerance float64) {
	t.Helper()
	g := tensortest.OpenPath(t, expected)
	ids, shape, all := g.Ints("input_ids"), g.Shape("input_ids"), g.Tensor("logits").Data
	n := shape[1] * r.Model.LM.Vocab
	if len(all) != shape[0]*n {
		t.Fatalf("a vocabulary of %d, and %v has other logits", r.Model.LM.Vocab, expected)
	}
	for row := range shape[0] {
		if d := difference(logits(r.Model, ids[row*shape[1]:][:shape[1]]), all[row*n:][:n]); d > tolerance || math.IsNaN(d) {
			t.Errorf("row %d: logits differ by %g, more than %g", row, d, tolerance)
		}
	}
}

// refusedAdapters are those that are not supported, with what names the reason.
var refusedAdapters = map[string]string{
	"bias":                        `adapter_config.json: bias is "lora_only", which is not implemented; only "none" is`,
	"dora":                        `adapter_config.json: use_dora is true, which is not implemented; only false is`,
	"gpt2--pissa":                 `adapter_config.json: init_lora_weights is "pissa", by which PEFT changes the model's own matrices`,
	"gpt2--head-tied":             `tensor "base_model.model.lm_head.lora_A.weight" is no part of an adapter for this model`, // PEFT leaves it out when it loads it
	"llama-untied--resized-embed": `tensor "lm_head.weight": has no row for token 320 of 325, and no adapter has`,            // PEFT has not stored it
}

// Adapters that PEFT has written give its logits, over the model that they name; what is not
// supported is refused by name.
func TestAdapters(t *testing.T) {
	for _, set := range []string{filepath.Join(shared.Goldens(t), "lora"), filepath.Join(shared.Golden(t), "peft")} {
		for _, dir := range adapters(t, set) {
			t.Run(filepath.Base(dir), func(t *testing.T) {
				r, err := Open(dir, "", nil)
				if want := refusedAdapters[filepath.Base(dir)]; want != "" {
					if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
						t.Errorf("error %v, want %q", err, want)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				checkLogits(t, r, dir+".expected.safetensors", 2e-4)
			})
		}
	}
}

// Fused, the matrices are those that PEFT merges, and the model is one of Hugging Face's
// again.
func TestAdaptersFuse(t *testing.T) {
	checked := 0
	for _, dir := range adapters(t, filepath.Join(shared.Goldens(t), "lora")) {
		if refusedAdapters[filepath.Base(dir)] != "" {
			continue
		}
		out := filepath.Join(t.TempDir(), "out")
		r, err := OpenFused(dir, "", "")
		if err == nil {
			err = r.SaveFused(out, t.Logf)
		}
		if err != nil {
			t.Fatal(err)
		}
		g := tensortest.OpenPath(t, dir+".expected.safetensors")
		f, err := ckpt.OpenModel(out)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range g.Names() {
			if theirs, ok := strings.CutPrefix(name, "merged."); ok {
				checked++
				merged, _, err := f.Float32(theirs)
				if err != nil {
					t.Fatal(err)
				}
				tensortest.Tolerance{Abs: 1e-6}.Check(t, name, merged, tensortest.Float64s(g.Tensor(name).Data))
			}
		}
		f.Close()
		whole, err := Open(out, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		checkLogits(t, whole, dir+".expected.safetensors", 2e-4)
	}
	if checked == 0 {
		t.Error("no merged weights among the golden numbers")
	}
}

// Fused models of others are tied or not, and have rows, as adapters say.
func TestAdaptersFuseTables(t *testing.T) {
	for _, name := range []string{"llama-tied--embed", "llama-tied--resized-tokens", "llama-tied--save-head", "gpt2--save-linear"} {
		dir, out := filepath.Join(shared.Golden(t), "peft", name), filepath.Join(t.TempDir(), "out")
		r, err := OpenFused(dir, "", "")
		if err == nil {
			err = r.SaveFused(out, t.Logf)
		}
		if err != nil {
			t.Fatal(err)
		}
		whole, err := Open(out, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		checkLogits(t, whole, dir+".expected.safetensors", 2e-4)
	}
}

// copied is a copy of an adapter, whose settings are changed, or null.
func copied(t *testing.T, from string, change map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, adapterConfig)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(text, &keys); err != nil {
		t.Fatal(err)
	}
	for key, value := range change {
		if keys[key] = json.RawMessage(value); value == "" {
			delete(keys, key)
		}
	}
	if text, err = json.Marshal(keys); err == nil {
		os.Remove(path)
		err = os.WriteFile(path, text, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// Every key of adapter_config.json is implemented, changes nothing, or is refused by its name.
func TestAdapterSettings(t *testing.T) {
	golden := filepath.Join(shared.Goldens(t), "lora")
	for key, c := range map[string]struct{ value, want string }{
		"use_dora":                {"true", "use_dora is true, which is not implemented; only false is"},
		"bias":                    {`"all"`, `bias is "all", which is not implemented; only "none" is`},
		"lora_bias":               {"true", "lora_bias is true"},
		"use_qalora":              {"true", "use_qalora is true"},
		"alora_invocation_tokens": {"[1,2]", "alora_invocation_tokens is [1,2], which is not implemented; only null is"},
		"megatron_config":         {`{"a":1}`, `megatron_config is {"a":1}`},
		"layer_replication":       {"[[0,1]]", "layer_replication is [[0,1]]"},
		"target_parameters":       {`["x"]`, `target_parameters is ["x"]`},
		"use_bdlora":              {"{}", "use_bdlora is {}"},
		"arrow_config":            {"{}", "arrow_config is {}"},
		"kasa_config":             {"{}", "kasa_config is {}"},
		"monteclora_config":       {"{}", "monteclora_config is {}"},
		"peft_type":               {`"ADALORA"`, `peft_type is "ADALORA"; only "LORA" is supported`},
		"init_lora_weights":       {`"olora"`, `init_lora_weights is "olora", by which PEFT changes`},
		"r":                       {"null", "r is null; expected a whole number"},
		"lora_alpha":              {"null", "lora_alpha is null; expected a number"},
		"rank_pattern":            {`{"(": 1}`, `rank_pattern is {"(":1}; expected an object of module names or patterns`},
		"alpha_pattern":           {`[1]`, "alpha_pattern is [1]; expected an object"},
		"target_modules":          {"null", "target_modules is missing"},
		"exclude_modules":         {"1", "exclude_modules is 1; expected a list of strings, or a pattern"},
		"layers_to_transform":     {`"x"`, `layers_to_transform is "x"; expected a whole number or a list of them`},
		"layers_pattern":          {`"layers"`, "layers_pattern goes with layers_to_transform"},
		"modules_to_save":         {`"lm_head"`, `modules_to_save is "lm_head"; expected a list of strings`},
		"trainable_token_indices": {`{"x":[1]}`, "trainable_token_indices names x; expected model.embed_tokens or lm_head"},
		"fan_in_fan_out":          {"1", "fan_in_fan_out is 1; expected true or false"},
		"base_model_name_or_path": {`"nowhere"`, `base_model_name_or_path is "nowhere", where there is no model; name it with --base`},
		"who_knows":               {"1", "who_knows is 1, a setting that is not known here"},
	} {
		dir := copied(t, filepath.Join(golden, "list"), map[string]string{key: c.value})
		base := filepath.Join(golden, "base")
		if key == "base_model_name_or_path" {
			base = ""
		}
		if _, err := Open(dir, base, nil); err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v, want %q", key, err, c.want)
		}
	}
	harmless := map[string]string{
		"eva_config": "{}", "corda_config": "{}", "loftq_config": `{"loftq_bits": 4}`, "init_lora_weights": `"gaussian"`, "lora_dropout": "0.5", "use_new": "false", "new": "null",
	}
	r, err := Open(copied(t, filepath.Join(golden, "list"), harmless), filepath.Join(golden, "base"), nil)
	if err != nil {
		t.Fatal(err)
	}
	checkLogits(t, r, filepath.Join(golden, "list.expected.safetensors"), 2e-4)
}

// What Python writes where a number is none is named as it was written, and null is no element.
func TestAdapterOddValues(t *testing.T) {
	const good = `{"peft_type": "LORA", "r": 8.0, "lora_alpha": 16.0, "target_modules": ["q_proj"]`
	if c, err := parseAdapterSettings([]byte(good + `, "new": null}`)); err != nil || c.rank != 8 || c.alpha != 16 {
		t.Errorf("%+v, %v", c, err)
	}
	for value, want := range map[string]string{
		`"lora_alpha": NaN`: "lora_alpha is NaN; expected a number", `"lora_alpha": Infinity`: "lora_alpha is Infinity; expected a number",
		`"alpha_pattern": {"q_proj": NaN}`:   `alpha_pattern is {"q_proj":NaN}; expected an object`,
		`"alpha_pattern": {"q_proj": null}`:  `alpha_pattern is {"q_proj":null}; expected an object`,
		`"base_model_name_or_path": NaN`:     "base_model_name_or_path is NaN; expected a string",
		`"target_modules": NaN`:              "target_modules is NaN; expected a list of strings, or a pattern",
		`"target_modules": ["q_proj", null]`: `target_modules is ["q_proj",null]; expected a list`, `"modules_to_save": [null]`: "modules_to_save is [null]; expected a list of strings",
		`"layers_to_transform": [0, null]`:     "layers_to_transform is [0,null]; expected a whole number or a list of them",
		`"trainable_token_indices": [1, null]`: "trainable_token_indices is [1,null]; expected a list of token ids",
	} {
		if _, err := parseAdapterSettings([]byte(good + ", " + value + "}")); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: error %v, want %s", value, err, want)
		}
	}
}

// What PEFT assumes of a missing lora_alpha is 8, which the golden adapter has.
func TestAdapterAlphaIsMissing(t *testing.T) {
	golden := filepath.Join(shared.Goldens(t), "lora")
	r, err := Open(copied(t, filepath.Join(golden, "list"), map[string]string{"lora_alpha": ""}), filepath.Join(golden, "base"), nil)
	if err != nil {
		t.Fatal(err)
	}
	checkLogits(t, r, filepath.Join(golden, "list.expected.safetensors"), 2e-4)
}

// An adapter has every tensor that its settings promise, and no other.
func TestAdapterTensors(t *testing.T) {
	golden := filepath.Join(shared.Goldens(t), "lora")
	const a = "base_model.model.model.layers.1.self_attn.v_proj.lora_A.weight"
	for want, change := range map[string]func(all []ckpt.Tensor) []ckpt.Tensor{
		`has no tensor "` + a + `", which target_modules in adapter_config.json promises`: func(all []ckpt.Tensor) []ckpt.Tensor {
			return slices.DeleteFunc(all, func(x ckpt.Tensor) bool { return x.Name == a })
		},
		`tensor "base_model.model.other.lora_A.weight" is no part of an adapter for this model`: func(all []ckpt.Tensor) []ckpt.Tensor {
			return append(all, ckpt.Tensor{Name: "base_model.model.other.lora_A.weight", Shape: []int{1}, Data: []float32{1}})
		},
		`tensor "` + a + `": has shape [2 64]; expected [4 32]`: func(all []ckpt.Tensor) []ckpt.Tensor {
			for i := range all {
				if all[i].Name == a {
					all[i].Shape = []int{2, 64}
				}
			}
			return all
		},
		"holds no tensors": func([]ckpt.Tensor) []ckpt.Tensor { return nil },
	} {
		dir := copied(t, filepath.Join(golden, "list"), nil)
		path := filepath.Join(dir, adapterFile)
		f, err := ckpt.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		var all []ckpt.Tensor
		for _, name := range f.Names() {
			numbers, shape, err := f.Float32(name)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, ckpt.Tensor{Name: name, Shape: shape, Data: numbers})
		}
		f.Close()
		os.Remove(path)
		if err := ckpt.Write(path, change(all), nil); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir, filepath.Join(golden, "base"), nil); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("error %v, want %q", err, want)
		}
		os.Remove(path)
		if _, err := Open(dir, filepath.Join(golden, "base"), nil); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("without the file: error %v", err)
		}
	}
}

// Patterns are matched as Python does, the first one in the file's order that matches counts, and
// a list of names by their ends.
func TestAdapterMatching(t *testing.T) {
	parse := func(text string) *adapterSettings {
		c, err := parseAdapterSettings([]byte(text))
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		return c
	}
	const module = "model.layers.11.self_attn.q_proj"
	for settings, want := range map[string]bool{
		`"target_modules": ["q_proj"]`:                                                               true,
		`"target_modules": ["_proj"]`:                                                                false,
		`"target_modules": "q_proj"`:                                                                 false,
		`"target_modules": ".*q_proj"`:                                                               true,
		`"target_modules": "(?!.*k_proj).*\\.[qk]_proj"`:                                             true,
		`"target_modules": "all-linear"`:                                                             true,
		`"target_modules": "ALL-LINEAR", "exclude_modules": ["self_attn.q_proj"]`:                    false,
		`"target_modules": ["q_proj"], "exclude_modules": ".*\\.1\\..*"`:                             true,
		`"target_modules": ["q_proj"], "layers_to_transform": 1`:                                     false,
		`"target_modules": ["q_proj"], "layers_to_transform": [1, 11]`:                               true,
		`"target_modules": ["q_proj"], "layers_to_transform": 11, "layers_pattern": "layers"`:        true,
		`"target_modules": ["q_proj"], "layers_to_transform": 11, "layers_pattern": ["h", "blocks"]`: false,
		`"target_modules": ["model.layers.11.self_attn.q_proj"], "layers_to_transform": 1`:           true,
		`"target_modules": ["q_proj"], "modules_to_save": ["self_attn.q_proj"]`:                      false,
		`"target_modules": ["q_proj"], "modules_to_save": ["self_attn"]`:                             false,
	} {
		if got := parse(`{"peft_type": "LORA", `+settings+`}`).adapts(module, true, false); got != want {
			t.Errorf("%s: %v, want %v", settings, got, want)
		}
	}
	for settings, want := range map[string]float64{
		`"r": 4, "lora_alpha": 8`:                                                                                    2,
		`"r": 4, "lora_alpha": 8, "use_rslora": true`:                                                                4,
		`"r": 4, "lora_alpha": 8, "alpha_pattern": {"q_proj": 3, "self_attn.q_proj": 5}`:                             0.75,
		`"r": 4, "lora_alpha": 8, "alpha_pattern": {"self_attn.q_proj": 5, "q_proj": 3}`:                             1.25,
		`"r": 4, "lora_alpha": 8, "alpha_pattern": {"proj": 3, "attn.q_proj": 3}`:                                    2,
		`"r": 4, "lora_alpha": 8, "alpha_pattern": {"layers\\.\\d\\..*": 3, "^model.layers.11.self_attn.q_proj": 6}`: 1.5,
		`"r": 4, "lora_alpha": 8, "rank_pattern": {".*\\.11\\..*": 1}`:                                               8,
	} {
		if got := parse(`{"peft_type": "LORA", "target_modules": ["q_proj"], ` + settings + `}`).scaleOf(module); got != want {
			t.Errorf("%s: scale %g, want %g", settings, got, want)
		}
	}
}

// trainedAdapters is a run with adapters that was trained from the model in a folder.
func trainedAdapters(t *testing.T, init string) *Run {
	t.Helper()
	b, err := OpenBase(init, "")
	if err == nil {
		err = b.LoadTokenizer(cot.SpecialTokens...)
	}
	if err != nil {
		t.Fatal(err)
	}
	c := tiny("cot").pretrained(b.Model, false)
	c.NewTokens = b.NewTokens
	c.LoRA = transformer.LoRA{Rank: 2, Alpha: 4, Targets: "all"}
	words, err := cot.FindSpecial(b.Tokenizer)
	if err != nil {
		t.Fatal(err)
	}
	r := &Run{Dir: filepath.Join(t.TempDir(), "run"), Tokenizer: b.Tokenizer, Experiment: Experiment{Config: c, Source: Source{Init: init}}}
	if r.Model, err = loadModel(init, "", c, words, false); err != nil {
		t.Fatal(err)
	}
	for p := range r.Model.Params.All() {
		if transformer.IsAdapter(p.Name) {
			for i := range p.Data {
				p.Data[i] += float32(i%7-3) / 50
			}
		}
		if r.Model.trainableRows(JointStage, p.Name) {
			for i := c.NewTokens * p.Cols(); i < len(p.Data); i++ {
				p.Data[i] += float32(i%5-2) / 10
			}
		}
	}
	if _, err := r.Start(false, t.Logf); err != nil {
		t.Fatal(err)
	}
	if err := r.Finish(); err != nil {
		t.Fatal(err)
	}
	return r
}

// A run with adapters is the model that was trained, of which all but the model under it is
// in PEFT's layout: so it is over tied tables and others, and with names and matrices as GPT-2 has
// them. There is no config.json beside them, by which transformers would make blocks of random numbers.
func TestRunsWithAdapters(t *testing.T) {
	for _, model := range []string{"llama-tied", "llama-untied", "gpt2", "qwen3-tied"} {
		init := filepath.Join(shared.Goldens(t), "models", model)
		trained := trainedAdapters(t, init)
		text := []int{5, 9, trained.Experiment.Model.Vocab - 1, 7, trained.Experiment.Model.Vocab - 3}
		want := logits(trained.Model, text)
		r, err := Open(trained.Dir, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		if d := difference(logits(r.Model, text), want); d > 1e-4 {
			t.Errorf("%s: logits differ by %g", model, d)
		}
		if exists(filepath.Join(trained.Dir, "config.json")) {
			t.Errorf("%s: there is a config.json beside the adapters", model)
		}

		// PEFT's way: the adapters alone over the same model, without what makes them a run.
		os.Remove(filepath.Join(trained.Dir, ConfigFile))
		os.Remove(filepath.Join(trained.Dir, ModelFile))
		if r, err = Open(trained.Dir, init, nil); err != nil {
			t.Fatal(err)
		}
		if d := difference(logits(r.Model, text), want); d > 1e-4 {
			t.Errorf("%s: over the model that they name: logits differ by %g", model, d)
		}
	}
}

// A run with adapters that has lost them is no model, and nothing of one is made up.
func TestRunsWithoutTheirAdapters(t *testing.T) {
	init := filepath.Join(shared.Goldens(t), "models", "llama-tied")
	for want, change := range map[string]func(dir string) error{
		"adapter_model.safetensors": func(dir string) error { return os.Remove(filepath.Join(dir, adapterFile)) },
		"adapter_config.json":       func(dir string) error { return os.Remove(filepath.Join(dir, adapterConfig)) },
		"holds no tensors": func(dir string) error {
			os.Remove(filepath.Join(dir, adapterFile))
			return ckpt.Write(filepath.Join(dir, adapterFile), nil, nil)
		},
		"trainable_token_indices in adapter_config.json promises": func(dir string) error {
			f, err := ckpt.Open(filepath.Join(dir, adapterFile))
			if err != nil {
				return err
			}
			defer f.Close()
			var all []ckpt.Tensor
			for _, name := range f.Names() {
				if numbers, shape, err := f.Float32(name); err == nil && !strings.HasSuffix(name, "trainable_tokens_delta") {
					all = append(all, ckpt.Tensor{Name: name, Shape: shape, Data: numbers})
				}
			}
			os.Remove(filepath.Join(dir, adapterFile))
			return ckpt.Write(filepath.Join(dir, adapterFile), all, nil)
		},
	} {
		dir := trainedAdapters(t, init).Dir
		if err := change(dir); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir, "", nil); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

// The adapter_config.json of a run counts as that of any other adapter.
func TestRunsFollowTheirSettings(t *testing.T) {
	trained := trainedAdapters(t, filepath.Join(shared.Goldens(t), "models", "llama-tied"))
	text := []int{5, 9, 7}
	same := logits(trained.Model, text)
	for setting, want := range map[string]string{
		`alpha_pattern {"q_proj": 64}`:      "other logits",
		`use_rslora true`:                   "other logits",
		`lora_alpha `:                       "other logits", // 8
		`target_modules "all-linear"`:       "",
		`rank_pattern {"q_proj": 4}`:        "q_proj.lora_A.weight\": has shape [2 32]; expected [4 32]",
		`layers_to_transform [5]`:           "is no part of an adapter for this model",
		`modules_to_save ["o_proj"]`:        "modules_to_save in adapter_config.json promises",
		`use_dora true`:                     "use_dora is true",
		`trainable_token_indices [1, 2, 3]`: "has no row for token 320",
	} {
		key, value, _ := strings.Cut(setting, " ")
		r, err := Open(copied(t, trained.Dir, map[string]string{key: value}), "", nil)
		switch {
		case want != "" && want != "other logits":
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: error %v, want %q", setting, err, want)
			}
		case err != nil:
			t.Errorf("%s: %v", setting, err)
		default:
			if d := difference(logits(r.Model, text), same); d > 1e-4 != (want != "") {
				t.Errorf("%s: logits differ by %g", setting, d)
			}
		}
	}
}

// Runs of older versions had the tables whole in model.safetensors, and a config.json: they are
// what they were.
func TestRunsOfOldVersions(t *testing.T) {
	init := filepath.Join(shared.Goldens(t), "models", "llama-untied")
	r := trainedAdapters(t, init)
	text := []int{5, r.Experiment.Model.Vocab - 1, 7}
	want := logits(r.Model, text)
	var adapters, tables []ckpt.Tensor
	for p := range r.Model.Params.All() {
		name, shape, numbers := r.Experiment.Model.Stored(p)
		switch {
		case transformer.IsAdapter(p.Name):
			adapters = append(adapters, ckpt.Tensor{Name: adapterPrefix + name, Shape: shape, Data: numbers})
		case transformer.IsTable(p.Name):
			tables = append(tables, ckpt.Tensor{Name: name, Shape: shape, Data: numbers})
		}
	}
	old := `{"peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": "x", "r": 2, "lora_alpha": 4, "lora_dropout": 0, "bias": "none",
		"target_modules": ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"], "inference_mode": true, "fan_in_fan_out": false,
		"use_rslora": false, "use_dora": false, "rank_pattern": {}, "alpha_pattern": {}}`
	for name, write := range map[string]func(path string) error{
		adapterConfig: func(path string) error { return os.WriteFile(path, []byte(old), 0o644) },
		"config.json": func(path string) error { return os.WriteFile(path, r.Experiment.Model.JSON("float32", 0, 0), 0o644) },
		adapterFile:   func(path string) error { return ckpt.Write(path, adapters, nil) },
		ModelFile:     func(path string) error { return ckpt.Write(path, tables, nil) },
	} {
		os.Remove(filepath.Join(r.Dir, name))
		if err := write(filepath.Join(r.Dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	again, err := Open(r.Dir, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if d := difference(logits(again.Model, text), want); d > 1e-4 {
		t.Errorf("logits differ by %g", d)
	}
}

// The type of a fused model is that of the model under the adapters, or the one asked for; what
// does not fit into it is refused.
func TestFuseTypes(t *testing.T) {
	golden := filepath.Join(shared.Goldens(t), "models")
	for _, c := range []struct {
		model, asked string
		want         ckpt.DType
	}{{"llama-bf16", "", ckpt.BF16}, {"llama-f16", "", ckpt.F16}, {"llama-tied", "", ckpt.F32}, {"llama-tied", "bf16", ckpt.BF16}, {"llama-bf16", "f32", ckpt.F32}} {
		run := trainedAdapters(t, filepath.Join(golden, c.model))
		out := filepath.Join(t.TempDir(), "out")
		r, err := OpenFused(run.Dir, "", c.asked)
		if err == nil {
			err = r.SaveFused(out, t.Logf)
		}
		if err != nil {
			t.Fatal(err)
		}
		f, err := ckpt.OpenModel(out)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range f.Names() {
			if info, _ := f.Info(name); info.DType != c.want {
				t.Errorf("%s: %s is %s, want %s", c.model, name, info.DType, c.want)
			}
		}
		f.Close()
		if _, err := Open(out, "", nil); err != nil {
			t.Error(err)
		}
	}
	run := trainedAdapters(t, filepath.Join(golden, "llama-f16"))
	for p := range run.Model.Params.All() {
		if p.Name == "model.layers.0.mlp.up_proj.lora_B.weight" {
			p.Data[0] = 1e9
		}
	}
	if err := run.saveAdapters(); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenFused(run.Dir, "", ""); err == nil || !strings.Contains(err.Error(), `tensor "model.layers.0.mlp.up_proj.weight": has `) || !strings.Contains(err.Error(), "which f16 cannot hold") {
		t.Errorf("error %v, want one of f16", err)
	}
	if _, err := OpenFused(run.Dir, "", "f8"); err == nil || !strings.Contains(err.Error(), `--dtype is "f8"; want f32, bf16 or f16`) {
		t.Errorf("error %v, want one of --dtype", err)
	}
}

// Training can start from an adapter: new tokens come after its own.
func TestAdaptersForTraining(t *testing.T) {
	dir := filepath.Join(shared.Golden(t), "peft", "llama-tied--resized-tokens")
	b, err := OpenBase(dir, "")
	if err == nil {
		err = b.LoadTokenizer(cot.SpecialTokens...)
	}
	if err != nil {
		t.Fatal(err)
	}
	c := Config{Method: LM, Model: b.Model, NewTokens: b.NewTokens}
	m, err := loadModel(dir, "", c, special, false)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Open(dir, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	text := []int{5, 9, 7}
	if d := difference(logits(m, text)[:b.NewTokens], logits(r.Model, text)[:b.NewTokens]); d > 0 {
		t.Errorf("logits differ by %g", d)
	}
	if _, err := loadModel(dir, filepath.Join(shared.Goldens(t), "lora", "base"), c, special, false); err == nil {
		t.Error("an adapter over another model was loaded")
	}
	if _, err := OpenBase(filepath.Join(shared.Goldens(t), "lora", "base"), dir); err == nil || !strings.Contains(err.Error(), "--base goes with adapters, and there are none in") {
		t.Errorf("error %v, want one of --base", err)
	}
}

// An adapter may be over a GGUF file: fused, the folder has its tokenizer, chat template and ends.
func TestAdaptersOverGGUF(t *testing.T) {
	init := filepath.Join(shared.Goldens(t), "gguf", "models", "llama-q8_0.gguf")
	dir := trainedAdapters(t, init).Dir
	os.Remove(filepath.Join(dir, ConfigFile))
	os.Remove(filepath.Join(dir, "tokenizer.json"))
	before, err := Open(dir, init, nil)
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "out")
	r, err := OpenFused(dir, init, "")
	if err == nil {
		err = r.SaveFused(out, t.Logf)
	}
	if err != nil {
		t.Fatal(err)
	}
	after, err := Open(out, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	text := []int{5, 9, before.Experiment.Model.Vocab - 1, 7}
	if d := difference(logits(before.Model, text), logits(after.Model, text)); d > 1e-5 {
		t.Errorf("logits differ by %g", d)
	}
	if before.Model.Special.EOS != after.Model.Special.EOS || !slices.Equal(before.Model.Special.MoreEOS, after.Model.Special.MoreEOS) {
		t.Errorf("answers end with %+v, before with %+v", after.Model.Special, before.Model.Special)
	}
	if before.Chat.Sources["default"] != after.Chat.Sources["default"] || before.Tokenizer.VocabSize() != after.Tokenizer.VocabSize() {
		t.Error("another chat template or tokenizer")
	}
}
