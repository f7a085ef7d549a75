package experiment

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nfcot/internal/ckpt/gguf"
	"nfcot/internal/cot/data"
	"nfcot/internal/shared"
	"nfcot/internal/tensor/kernel"
	"nfcot/internal/tokenizer/chat"
)

// export writes a model as a GGUF file.
func export(t *testing.T, dir string, kind gguf.Type) string {
	t.Helper()
	x, err := OpenExport(dir, kind)
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	path := filepath.Join(t.TempDir(), "x.gguf")
	if err := x.Save(path); err != nil {
		t.Fatal(err)
	}
	return path
}

// mustOpenF32 opens a model with its numbers as float32.
func mustOpenF32(t *testing.T, dir string) *Run {
	t.Helper()
	f32 := kernel.F32
	r, err := Open(dir, "", &f32)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// exportable are golden models of all architectures, as folders and GGUF files.
func exportable(t *testing.T) (paths []string) {
	t.Helper()
	for _, pattern := range []string{"models/*/config.json", "gguf/models/*.gguf"} {
		found, err := filepath.Glob(filepath.Join(shared.Goldens(t), pattern))
		if err != nil || len(found) == 0 {
			t.Fatalf("no models: %v", err)
		}
		paths = append(paths, found...)
	}
	for i, path := range paths {
		paths[i] = strings.TrimSuffix(path, "/config.json")
	}
	paths = slices.DeleteFunc(paths, func(path string) bool { // which are refused
		return slices.ContainsFunc([]string{"sliding", "spm", "gpt2-inner", "qwen3-rope-yarn"}, func(part string) bool { return strings.Contains(path, part) })
	})
	inner, sharper := copiedModel(t, "gpt2-inner"), copiedModel(t, "qwen3-rope-yarn")
	set(t, filepath.Join(inner, data.ConfigFile), map[string]any{"activation_function": "gelu_new"})
	set(t, filepath.Join(sharper, data.ConfigFile), map[string]any{"rope_parameters": map[string]any{"rope_theta": 1e4, "rope_type": "yarn", "factor": 4.0,
		"original_max_position_embeddings": 32, "attention_factor": 1.5}})
	return append(paths, inner, sharper)
}

// A model that is exported in float32 is the same: logits, bit for bit where frequencies are not scaled by what is rounded on the
// way, ids, chat templates and the tokens that end an answer.
func TestExport(t *testing.T) {
	ids := []int{1, 5, 9, 2, 7, 7, 100, 31, 4, 250, 17, 3}
	for _, path := range exportable(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			want, got := mustOpenF32(t, path), mustOpenF32(t, export(t, path, gguf.F32))
			a, b := logits(want.Model, ids), logits(got.Model, ids)
			switch want.Experiment.Model.Rope.Type {
			case "llama3", "yarn":
				if d := difference(b, a); d > 1e-6*largest(a) {
					t.Errorf("logits differ by %g", d)
				}
			default:
				if !slices.Equal(a, b) {
					t.Errorf("logits differ by %g", difference(a, b))
				}
			}
			sameWords(t, got, want)
		})
	}
}

// sameWords wants two models to have the same ids for texts, the same ends and the same chat templates.
func sameWords(t *testing.T, got, want *Run) {
	t.Helper()
	for _, text := range []string{"", " ", "hello world", "a  b\n\n c", "it's 12345 x1", "<|im_start|>user\nhi<|im_end|>\n", "naïve 日本語 🙂", "<|begin_of_text|>x<|endoftext|>"} {
		if a, b := got.Tokenizer.EncodePrompt(text), want.Tokenizer.EncodePrompt(text); !slices.Equal(a, b) {
			t.Errorf("%q is %v, want %v", text, a, b)
		}
	}
	a, b := got.Model.Special, want.Model.Special
	if a.EOS != b.EOS || !slices.Equal(a.MoreEOS, b.MoreEOS) {
		t.Errorf("an answer ends with %d and %v, want %d and %v", a.EOS, a.MoreEOS, b.EOS, b.MoreEOS)
	}
	if want.Chat != nil && (!maps.Equal(got.Chat.Sources, want.Chat.Sources) || !maps.Equal(got.Chat.Special, want.Chat.Special)) {
		t.Errorf("chat is %+v, want %+v", got.Chat, want.Chat)
	}
}

// Runs of words are exported, those that think in vectors are not.
func TestExportRuns(t *testing.T) {
	for _, m := range trained() {
		r := finished(t, m.Name)
		if !m.Words {
			_, err := OpenExport(r.Dir, gguf.F32)
			if want := r.Dir + ": a run of " + m.Name + " thinks in vectors, for which llama.cpp has no place;"; err == nil || !strings.HasPrefix(err.Error(), want) {
				t.Errorf("%s: got %v, want %s", m.Name, err, want)
			}
			continue
		}
		want, got := mustOpenF32(t, r.Dir), mustOpenF32(t, export(t, r.Dir, gguf.F32))
		ids := []int{4, 5, 6, 100, 3}
		if a, b := logits(want.Model, ids), logits(got.Model, ids); !slices.Equal(a, b) {
			t.Errorf("%s: logits differ by %g", m.Name, difference(a, b))
		}
		sameWords(t, got, want)
	}
}

// Matrices are of the type that was asked for, what is small stays in float32, and rows of no whole blocks become F16. The same model
// is the same bytes.
func TestExportTypes(t *testing.T) {
	dir := filepath.Join(shared.Goldens(t), "models", "gpt2")
	odd := finished(t, "direct").Dir // rows of 16 and 24
	for kind, fileType := range fileTypes {
		path := export(t, dir, kind)
		f, err := gguf.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for _, name := range f.Names() {
			info, _ := f.Info(name)
			want := kind
			if len(info.Shape) == 1 || name == "position_embd.weight" {
				want = gguf.F32
			}
			if info.Type != want {
				t.Errorf("%s of a file of %s is %s", name, kind, info.Type)
			}
		}
		if got, err := gguf.Get[int](f, "general.file_type"); got != int(fileType) || err != nil {
			t.Errorf("general.file_type of %s is %d (%v)", kind, got, err)
		}
		first, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if second, err := os.ReadFile(export(t, dir, kind)); err != nil || !bytes.Equal(first, second) {
			t.Errorf("%s: the second file is another (%v)", kind, err)
		}
	}
	f, err := gguf.Open(export(t, odd, gguf.Q8_0))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if info, _ := f.Info("blk.1.ffn_down.weight"); info.Type != gguf.F16 {
		t.Errorf("rows of %v are %s", info.Shape, info.Type)
	}
}

// A copy of a golden model whose files can be changed.
func copiedModel(t *testing.T, name string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(shared.Goldens(t), "models", name))); err != nil {
		t.Fatal(err)
	}
	return dir
}

// set changes keys of a JSON file; nil removes one.
func set(t *testing.T, path string, changes map[string]any) {
	t.Helper()
	object := map[string]any{}
	if text, err := os.ReadFile(path); err == nil {
		if err := json.Unmarshal(text, &object); err != nil {
			t.Fatal(err)
		}
	}
	for key, v := range changes {
		if object[key] = v; v == nil {
			delete(object, key)
		}
	}
	text, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
}

// Several ends and several templates come back; of the ends the one that templates see is the first, and one that is named twice
// is there once.
func TestExportChat(t *testing.T) {
	dir := copiedModel(t, "llama-tied")
	set(t, filepath.Join(dir, generationFile), map[string]any{"eos_token_id": []int{0, 2, 0, 1}})
	set(t, filepath.Join(dir, "tokenizer_config.json"), map[string]any{"unk_token": "<|im_start|>", "cls_token": "none", "chat_template": []map[string]string{
		{"name": "default", "template": "{{ bos_token }}{{ messages[0].content }}{{ eos_token }}"}, {"name": "tool_use", "template": "{{ tools }}"}}})
	got := mustOpenF32(t, export(t, dir, gguf.BF16))
	if got.Model.Special.EOS != 2 || !slices.Equal(got.Model.Special.MoreEOS, []int{0, 1}) {
		t.Errorf("an answer ends with %+v", got.Model.Special)
	}
	want, err := chat.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if delete(want.Special, "cls_token"); !maps.Equal(got.Chat.Sources, want.Sources) || !maps.Equal(got.Chat.Special, want.Special) {
		t.Errorf("chat is %+v, want %+v", got.Chat, want)
	}
}

// What llama.cpp does not do is refused with what it is.
func TestExportRefuses(t *testing.T) {
	yarn := func(more map[string]any) map[string]any {
		rope := map[string]any{"rope_theta": 1e4, "rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32}
		maps.Copy(rope, more)
		return map[string]any{"rope_parameters": rope}
	}
	llama3 := map[string]any{"rope_parameters": map[string]any{"rope_theta": 1e4, "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
		"high_freq_factor": 4.0, "original_max_position_embeddings": 64}}
	factors := []float64{1, 2, 4, 8}
	const words = "tokenizer_config.json"
	for _, tt := range []struct {
		model, file string
		changes     map[string]any
		want        string
	}{
		{"gpt2-inner", data.ConfigFile, nil, "activation_function is gelu; llama.cpp computes gelu_new"},
		{"qwen2-tied", data.ConfigFile, llama3, `rope_type is "llama3"; llama.cpp's qwen2 has none`},
		{"llama-tied", data.ConfigFile, yarn(map[string]any{"truncate": false}), "truncate of yarn is false; llama.cpp rounds to whole pairs"},
		{"qwen3-rope-yarn", data.ConfigFile, nil, "beta_fast and beta_slow of yarn are 16 and 2; llama.cpp takes 32 and 1, whatever a file says"},
		{"llama-tied", data.ConfigFile, yarn(map[string]any{"factor": 0.5}), "factor of yarn is 0.5; llama.cpp wants at least 1"},
		{"llama-tied", data.ConfigFile, map[string]any{"rope_parameters": map[string]any{"rope_theta": 1e4, "rope_type": "longrope", "short_factor": factors,
			"long_factor": factors, "attention_factor": 2.0}}, "attention_factor is 2; llama.cpp has none beside factors for each pair"},
		{"llama-tied", generationFile, map[string]any{"eos_token_id": []int{0, 1, 2, 3}}, "4 tokens end an answer (eos_token_id); llama.cpp has room for 3"},
		{"llama-tied", words, map[string]any{"chat_template": "{{ eos_token }}", "eos_token": "<|im_start|>"}, `the chat template's eos_token is "<|im_start|>", which does not end an answer; llama.cpp has one token for both`},
		{"llama-rope-llama3", words, map[string]any{"bos_token": "<|eot_id|>"}, `tokenizer.json: "<|begin_of_text|>" stands before a text and bos_token is "<|eot_id|>"; llama.cpp has one token for both`},
		{"llama-tied", data.TokenizerFile, map[string]any{"normalizer": map[string]string{"type": "NFD"}}, `tokenizer.json: normalizer is {"type":"NFD"}, for which llama.cpp has no equivalent that is known here`},
	} {
		dir := copiedModel(t, tt.model)
		set(t, filepath.Join(dir, tt.file), tt.changes)
		_, err := OpenExport(dir, gguf.F32)
		if err == nil || err.Error() != dir+": "+tt.want {
			t.Errorf("got %v, want %s", err, tt.want)
		}
	}

	dir := copiedModel(t, "llama-tied")
	for _, file := range []string{data.ConfigFile, generationFile} {
		set(t, filepath.Join(dir, file), map[string]any{"eos_token_id": nil})
	}
	_, err := OpenExport(dir, gguf.F32)
	if want := dir + ": no token ends an answer (eos_token_id of generation_config.json or config.json), and llama.cpp needs one"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}

	for key, want := range map[string]string{
		"num_hidden_layers": `"model.layers.2.input_layernorm.weight"`,
		"intermediate_size": `tensor "model.layers.0.mlp.gate_proj.weight": has shape [64 32]; expected [3 32]`,
	} {
		dir := copiedModel(t, "llama-tied")
		set(t, filepath.Join(dir, data.ConfigFile), map[string]any{key: 3})
		if _, err := OpenExport(dir, gguf.F32); err == nil || !strings.HasPrefix(err.Error(), dir) || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}

	spm := filepath.Join(shared.Goldens(t), "gguf", "models", "llama-spm-q4_0.gguf")
	if _, err := OpenExport(spm, gguf.F32); err == nil || !strings.HasPrefix(err.Error(), spm+": tokenizer.json: normalizer is {") {
		t.Errorf("a tokenizer of characters: got %v", err)
	}
}

// A number that F16 cannot hold is named, and the file is not there.
func TestExportRange(t *testing.T) {
	r := newRun(t, "direct")
	for p := range r.Model.Params.All() {
		if p.Name == "model.layers.1.mlp.up_proj.weight" {
			p.Data[5] = 1e6
		}
	}
	_, err := r.Start(false, t.Logf)
	if err := errors.Join(err, r.Finish()); err != nil {
		t.Fatal(err)
	}
	x, err := OpenExport(r.Dir, gguf.F16)
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	path := filepath.Join(t.TempDir(), "x.gguf")
	err = x.Save(path)
	if want := path + `: tensor "blk.1.ffn_up.weight": number 5 is 1e+06, which F16 cannot hold; choose bf16 or f32`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if exists(path) {
		t.Error("there is a file")
	}
}
