package experiment

import (
	"cmp"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"nfcot/internal/ckpt"
	"nfcot/internal/cot"
	"nfcot/internal/cot/data"
	"nfcot/internal/shared"
	"nfcot/internal/tensor"
	"nfcot/internal/tokenizer"
	"nfcot/internal/transformer"
)

// writeFile writes a file.
func writeFile(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// readMap reads a JSON object of a folder, nil if it is not there.
func readMap(t *testing.T, dir, name string) (object map[string]any) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name))
	if os.IsNotExist(err) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(text, &object)
	}
	if err != nil {
		t.Fatal(err)
	}
	return object
}

// chatModel is a folder of Hugging Face's with a tiny model of random weights that chats.
func chatModel(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	tok, err := tokenizer.Train(slices.Values([]string{"def f(x):", "return x"}), 265, []string{"<s>", "</s>", "<|end|>"})
	if err != nil {
		t.Fatal(err)
	}
	if err := ckpt.WriteFile(filepath.Join(dir, data.TokenizerFile), tok.Save); err != nil {
		t.Fatal(err)
	}
	c := tiny("cot").Model
	c.Architecture, c.PlainHeads, c.Vocab = "llama", true, tok.VocabSize()
	p := tensor.NewParams(4)
	transformer.NewLM(p, c)
	if err := saveWeights(filepath.Join(dir, ModelFile), c, p.All(), ckpt.F32); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, data.ConfigFile), string(c.JSON("float32", 0, 1, 2)))
	for name, text := range files {
		writeFile(t, filepath.Join(dir, name), text)
	}
	return dir
}

// trainedFrom is a finished run of method direct that began from a model, and was not trained.
func trainedFrom(t *testing.T, init string, lora int) *Run {
	t.Helper()
	return trainedAs(t, "direct", init, lora)
}

// trainedAs is such a run of any method that learns from words.
func trainedAs(t *testing.T, method, init string, lora int) *Run {
	t.Helper()
	base, err := OpenBase(init, "")
	if err != nil {
		t.Fatal(err)
	}
	examples := writeFile(t, filepath.Join(t.TempDir(), "train.jsonl"), strings.Repeat(`{"prompt": "def f(x):", "answer": "return x"}`+"\n", 3))
	x := Experiment{Config: Default(method).pretrained(base.Model, false), Source: Source{Data: data.Source{Files: data.Files{examples}}, Init: init, Stage: AllStages}}
	x.HeldOut, x.LoRA.Rank = 1, lora
	r, _, err := Prepare(x, filepath.Join(t.TempDir(), "run"), 0, func(string, ...any) {})
	if err == nil {
		_, err = r.Start(false, t.Logf)
	}
	if err == nil {
		err = r.Finish()
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// again opens a folder.
func again(t *testing.T, dir string) *Run {
	t.Helper()
	r, err := Open(dir, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

const template = "{{ bos_token }}{% for m in messages %}[{{ m.content }}]{% endfor %}{{ eos_token }}"

// checkAdded looks for the special tokens in a tokenizer_config.json, and takes out what says which
// tokens are added.
func checkAdded(t *testing.T, tok *tokenizer.Tokenizer, config map[string]any) {
	t.Helper()
	added, _ := config["added_tokens_decoder"].(map[string]any)
	delete(config, "added_tokens_decoder")
	for _, text := range cot.SpecialTokens {
		id, _ := tok.TokenID(text)
		want := map[string]any{"content": text, "lstrip": false, "normalized": false, "rstrip": false, "single_word": false, "special": true}
		if got := added[strconv.Itoa(id)]; !reflect.DeepEqual(got, want) {
			t.Errorf("added token %d is %v, want %v", id, got, want)
		}
	}
}

// A run that begins from a folder keeps its chat templates, its generation_config.json and
// all tokens that end its answers, behind the run's own; so do a run that begins from that
// run, and what becomes of one with adapters.
func TestRunKeepsWhatCameWithItsModel(t *testing.T) {
	quoted, _ := json.Marshal(template)
	dir := chatModel(t, map[string]string{
		tokenizerConfigFile: `{"tokenizer_class": "LlamaTokenizer", "add_bos_token": true, "legacy": false, "padding_side": "left", "bos_token": "<s>", "model_max_length": 99,
			"chat_template": [{"name": "default", "template": ` + string(quoted) + `}, {"name": "tool_use", "template": "tools"}]}`,
		"special_tokens_map.json": `{"eos_token": {"content": "<|end|>"}}`,
		generationFile:            `{"temperature": 0.7, "do_sample": true, "eos_token_id": [1, 2], "pad_token_id": 2}`,
	})
	first := trainedFrom(t, dir, 0)
	adapted := trainedFrom(t, dir, 2)
	fused, err := OpenFused(adapted.Dir, "", "")
	if err != nil {
		t.Fatal(err)
	}
	fused.Dir = filepath.Join(t.TempDir(), "fused")
	if _, err := fused.Start(false, t.Logf); err != nil {
		t.Fatal(err)
	}
	if err := fused.Finish(); err != nil {
		t.Fatal(err)
	}
	eos := 259 // the first token that the run adds, behind the 256 bytes and three special tokens
	ends := []any{259.0, 1.0, 2.0}
	for name, run := range map[string]string{"run": first.Dir, "run from a run": trainedFrom(t, first.Dir, 0).Dir, "adapters": adapted.Dir, "fused": fused.Dir} {
		r := again(t, run)
		if s := r.Model.Special; s.EOS != eos || !slices.Equal(s.MoreEOS, []int{1, 2}) {
			t.Errorf("%s: ends are %d and %v", name, s.EOS, s.MoreEOS)
		}
		want := map[string]string{"default": template, "tool_use": "tools"}
		if !reflect.DeepEqual(r.Chat.Sources, want) || r.Chat.Special["bos_token"] != "<s>" || r.Chat.Special["eos_token"] != "<|end|>" {
			t.Errorf("%s: templates %v, special tokens %v", name, r.Chat.Sources, r.Chat.Special)
		}
		if text, err := os.ReadFile(filepath.Join(run, "chat_template.jinja")); err != nil || string(text) != template {
			t.Errorf("%s: chat_template.jinja is %q (%v)", name, text, err)
		}
		wantGeneration := map[string]any{"temperature": 0.7, "do_sample": true, "eos_token_id": ends, "pad_token_id": 2.0}
		if name == "adapters" || name == "fused" { // adapters have no config.json to say it
			wantGeneration["bos_token_id"] = 0.0
		}
		if got := readMap(t, run, generationFile); !reflect.DeepEqual(got, wantGeneration) {
			t.Errorf("%s: %s is %v", name, generationFile, got)
		}
		wantTokenizer := map[string]any{"tokenizer_class": "PreTrainedTokenizerFast", "padding_side": "left", "bos_token": "<s>", "eos_token": "<|end|>", "model_max_length": 99.0, "clean_up_tokenization_spaces": false}
		got := readMap(t, run, tokenizerConfigFile)
		checkAdded(t, r.Tokenizer, got)
		if !reflect.DeepEqual(got, wantTokenizer) {
			t.Errorf("%s: %s is %v", name, tokenizerConfigFile, got)
		}
		if name == "adapters" {
			if exists(filepath.Join(run, data.ConfigFile)) {
				t.Errorf("%s: there is a config.json, of which transformers would make a model of random numbers", name)
			}
			continue
		}
		config := readMap(t, run, data.ConfigFile)
		for key, want := range map[string]any{"model_type": "llama", "architectures": []any{"LlamaForCausalLM"}, "bos_token_id": 0.0, "eos_token_id": ends} {
			if !reflect.DeepEqual(config[key], want) {
				t.Errorf("%s: config.json has %s %v, want %v", name, key, config[key], want)
			}
		}
	}
}

// A model and an adapter of PEFT's over it, fused, have what came with the model; an adapter's
// own tokenizer comes with its own template.
func TestFusedModelKeepsWhatCameWithIt(t *testing.T) {
	dir := chatModel(t, map[string]string{
		tokenizerConfigFile:       `{"tokenizer_class": "LlamaTokenizer", "add_bos_token": true, "padding_side": "left", "bos_token": "<s>"}`,
		"special_tokens_map.json": `{"eos_token": {"content": "<|end|>"}}`,
		"chat_template.jinja":     template,
		generationFile:            `{"temperature": 0.7, "eos_token_id": [1, 2]}`,
	})
	adapter := trainedFrom(t, dir, 2).Dir
	for _, name := range []string{ConfigFile, data.TokenizerFile, tokenizerConfigFile, generationFile} {
		if err := os.Remove(filepath.Join(adapter, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, own := range []string{"", "own"} { // which stays there
		want := cmp.Or(own, template)
		if own != "" {
			text, err := os.ReadFile(filepath.Join(dir, data.TokenizerFile))
			if err != nil {
				t.Fatal(err)
			}
			writeFile(t, filepath.Join(adapter, data.TokenizerFile), string(text))
			writeFile(t, filepath.Join(adapter, "chat_template.jinja"), own)
			writeFile(t, filepath.Join(adapter, tokenizerConfigFile), `{"padding_side": "left", "bos_token": "<s>", "eos_token": "<|end|>"}`)
		}
		out := filepath.Join(t.TempDir(), "out")
		r, err := OpenFused(adapter, "", "")
		if err == nil {
			err = r.SaveFused(out, t.Logf)
		}
		if err != nil {
			t.Fatal(err)
		}
		back := again(t, out)
		if s := back.Model.Special; s.EOS != 1 || !slices.Equal(s.MoreEOS, []int{2}) || back.Chat.Sources["default"] != want {
			t.Errorf("answers end with %d and %v, the template is %q; want %q", s.EOS, s.MoreEOS, back.Chat.Sources["default"], want)
		}
		if got, want := readMap(t, out, generationFile), (map[string]any{"temperature": 0.7, "eos_token_id": []any{1.0, 2.0}}); !reflect.DeepEqual(got, want) {
			t.Errorf("%s is %v, want %v", generationFile, got, want)
		}
		config := readMap(t, out, tokenizerConfigFile)
		added, _ := config["added_tokens_decoder"].(map[string]any)
		delete(config, "added_tokens_decoder")
		wantConfig := map[string]any{"tokenizer_class": "PreTrainedTokenizerFast", "padding_side": "left", "bos_token": "<s>", "eos_token": "<|end|>", "model_max_length": 48.0, "clean_up_tokenization_spaces": false}
		if len(added) != 3 || !reflect.DeepEqual(config, wantConfig) {
			t.Errorf("%s is %v with %d added tokens, want %v with 3", tokenizerConfigFile, config, len(added), wantConfig)
		}
	}
	writeFile(t, filepath.Join(dir, generationFile), `{"bos_token_id": "<s>"}`)
	if _, err := OpenFused(adapter, "", ""); err == nil || !strings.Contains(err.Error(), dir+": bos_token_id is \"<s>\"; expected a token id") {
		t.Errorf("error %v, want one of bos_token_id", err)
	}
}

// What is taken over from a model's files is written as it was: 2.0 is a float to transformers, and
// 2 is none.
func TestObjectsStayAsTheyAre(t *testing.T) {
	text := `{
  "a": [
    1.0,
    "<é>"
  ],
  "b": {"x": [NaN, -Infinity]},
  "max": 1000000000000000019884624838656,
  "temperature": 2.0
}
`
	dir := t.TempDir()
	object, err := readObject(writeFile(t, filepath.Join(dir, "x.json"), text))
	if err != nil || string(indented(object)) != text {
		t.Errorf("%s became %s (%v)", text, indented(object), err)
	}
}

// What a sample ends with is what generation_config.json ends at: a run of a model with
// several such tokens stops at each.
func TestRunEndsAtTheModelsTokens(t *testing.T) {
	r := again(t, trainedFrom(t, chatModel(t, nil), 0).Dir)
	o := cot.Options{Sampling: cot.Sampling{Temp: 5, MaxTokens: 40, Seed: 3}}
	ended := map[int]int{}
	for _, s := range r.Model.Sampler().Sample([][]int{{5, 6}}, 400, o)[0] {
		if s.Finished {
			ended[s.EndedBy]++
		}
	}
	if len(ended) != 3 {
		t.Errorf("samples ended by %v; want each of three tokens", ended)
	}
}

// A run from nothing says what its tokenizer is, and has no more than that.
func TestRunFromNothingHasATokenizerConfig(t *testing.T) {
	r := finished(t, "cot")
	want := map[string]any{"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": false, "model_max_length": 48.0, "eos_token": "<|endoftext|>",
		"additional_special_tokens": []any{"<|think|>", "<|cot|>", "<|answer|>"}}
	got := readMap(t, r.Dir, tokenizerConfigFile)
	checkAdded(t, r.Tokenizer, got)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s is %v", tokenizerConfigFile, got)
	}
	if got := readMap(t, r.Dir, generationFile); got != nil {
		t.Errorf("%s is %v", generationFile, got)
	}
	if back := again(t, r.Dir); back.Chat.Any() || len(back.Model.Special.MoreEOS) > 0 {
		t.Errorf("templates %v, ends %v", back.Chat.Sources, back.Model.Special.MoreEOS)
	}
}

// A run that begins from a GGUF file has in files what the metadata say.
func TestRunKeepsMetadata(t *testing.T) {
	path := shared.SmolLM2(t)
	base, err := OpenBase(path, "")
	if err == nil {
		err = base.LoadTokenizer(cot.SpecialTokens...)
	}
	if err != nil {
		t.Fatal(err)
	}
	r := &Run{Dir: filepath.Join(t.TempDir(), "run"), Experiment: Experiment{Config: Config{Method: "cot", Model: base.Model}}, Tokenizer: base.Tokenizer}
	if r.companions, err = readCompanions(path, base.Model.Vocab); err != nil {
		t.Fatal(err)
	}
	special, err := r.special(r.Experiment.method())
	if err != nil {
		t.Fatal(err)
	}
	r.Model = &Model{Special: special}
	if _, err := r.Start(false, t.Logf); err != nil {
		t.Fatal(err)
	}
	if got, want := readMap(t, r.Dir, generationFile), (map[string]any{"bos_token_id": 1.0, "eos_token_id": []any{0.0, 2.0}, "pad_token_id": 2.0}); !reflect.DeepEqual(got, want) {
		t.Errorf("%s is %v, want %v", generationFile, got, want)
	}
	got := readMap(t, r.Dir, tokenizerConfigFile)
	for key, want := range map[string]any{"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|im_end|>", "bos_token": "<|im_start|>"} {
		if got[key] != want {
			t.Errorf("%s has %s %v, want %v", tokenizerConfigFile, key, got[key], want)
		}
	}
	if text, err := os.ReadFile(filepath.Join(r.Dir, "chat_template.jinja")); err != nil || !strings.Contains(string(text), "<|im_start|>") {
		t.Errorf("chat_template.jinja is %q (%v)", text, err)
	}
}

// What is wrong with a file that came with the model is said before anything is made.
func TestCompanionErrors(t *testing.T) {
	for _, tt := range []struct{ file, text, want string }{
		{tokenizerConfigFile, `[1]`, `tokenizer_config.json: want a JSON object`},
		{generationFile, `{"bos_token_id": "a"}`, `bos_token_id is "a"; expected a token id`},
		{generationFile, `null`, `generation_config.json: found "null"; expected a JSON object`},
	} {
		dir := chatModel(t, map[string]string{tt.file: tt.text})
		if _, err := readCompanions(dir, 300); err == nil || !strings.HasPrefix(err.Error(), dir) || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s %s: %v", tt.file, tt.text, err)
		}
	}
	dir := chatModel(t, map[string]string{tokenizerConfigFile: `{"chat_template": [{"name": "a/b", "template": ""}]}`})
	c, err := readCompanions(dir, 300)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.chat.Save(func(name, text string) error { return writeText(dir, name, []byte(text)) }); err == nil || !strings.Contains(err.Error(), `"a/b"`) {
		t.Errorf("a template whose name is no file's: %v", err)
	}
}
