package experiment

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"nfcot/internal/cot"
	"nfcot/internal/shared"
	"nfcot/internal/tensor/kernel"
	"nfcot/internal/tensor/tensortest"
	"nfcot/internal/tokenizer/chat"
	"nfcot/internal/transformer"
)

// readJSON reads a file of the goldens.
func readJSON[T any](t *testing.T, parts ...string) (v T) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(shared.Goldens(t), filepath.Join(parts...)))
	if err == nil {
		err = json.Unmarshal(text, &v)
	}
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// largest is the largest magnitude.
func largest(x []float32) (m float64) {
	for _, v := range x {
		m = max(m, math.Abs(float64(v)))
	}
	return m
}

// difference is the largest of two slices of the same length.
func difference(x, y []float32) float64 {
	d := slices.Clone(x)
	for i := range d {
		d[i] -= y[i]
	}
	return largest(d)
}

// Models in GGUF files give the logits that transformers computes with the same numbers, and the ids of the tokenizers that the
// files were made from.
func TestGGUFModels(t *testing.T) {
	type model struct {
		Texts []struct {
			Text     string
			IDs      []int `json:"ids"`
			Prompted []int `json:"ids_with_special"`
		}
	}
	for name, want := range readJSON[map[string]model](t, "gguf", "models", "index.json") {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(shared.Goldens(t), "gguf", "models", name)
			g := tensortest.OpenPath(t, path+".expected.safetensors")
			ids, shape, all := g.Ints("input_ids"), g.Shape("input_ids"), g.Tensor("logits").Data
			f32, bf16, int8, w8a8, blocks := kernel.F32, kernel.BF16, kernel.Int8, kernel.W8A8, kernel.Stored
			for _, format := range []*kernel.Format{nil, &f32, &bf16, &int8, &w8a8, &blocks} {
				r, err := Open(path+".gguf", "", format)
				if err != nil {
					t.Fatal(err)
				}
				tolerance := 2e-5*largest(all) + 1e-5 // also for Q8_0 as it is stored: that rounds nothing
				switch {
				case format == &blocks: // inputs alone are rounded; those of a file of BF16 more
					tolerance = 0.05 * largest(all)
				case format != nil && format != &f32, format == nil && stored(t, path+".gguf") == kernel.BF16:
					tolerance = 0.1 * largest(all)
				}
				for row := range shape[0] {
					n := shape[1] * r.Model.LM.Vocab
					if d := difference(logits(r.Model, ids[row*shape[1]:][:shape[1]]), all[row*n:][:n]); d > tolerance || math.IsNaN(d) {
						t.Errorf("%v: logits differ by %g, more than %g", format, d, tolerance)
					}
				}
				for _, text := range want.Texts {
					if got := r.Tokenizer.Encode(text.Text); !slices.Equal(got, text.IDs) {
						t.Errorf("%q is %v, want %v", text.Text, got, text.IDs)
					}
					if got := r.Tokenizer.EncodePrompt(text.Text); !slices.Equal(got, text.Prompted) {
						t.Errorf("%q as a prompt is %v, want %v", text.Text, got, text.Prompted)
					}
				}
			}
		})
	}
}

// stored is the format that a file's matrices have.
func stored(t *testing.T, path string) kernel.Format {
	t.Helper()
	w, _, err := openPretrainedCheckpoint(path)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	return w.format()
}

// A model is the same whether it is trained or run, as far as bits can be: its parameters as training loads them.
func TestGGUFForTraining(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(shared.Goldens(t), "gguf", "models", "*.gguf"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no models: %v", err)
	}
	for _, path := range paths {
		o, err := OpenBase(path, "")
		if err == nil {
			err = o.LoadTokenizer(cot.SpecialTokens...)
		}
		if err != nil {
			t.Error(err)
			continue
		}
		special, err := cot.FindSpecial(o.Tokenizer)
		if err != nil {
			t.Error(err)
			continue
		}
		c := Config{Method: LM, Model: o.Model, NewTokens: o.NewTokens}
		m, err := loadModel(path, "", c, special, false)
		if err != nil {
			t.Error(err)
			continue
		}
		f32 := kernel.F32
		r, err := Open(path, "", &f32)
		if err != nil {
			t.Fatal(err)
		}
		ids := []int{1, 5, 9, 2}
		got, want := logits(m, ids), logits(r.Model, ids)
		vocab := r.Model.LM.Vocab
		for row := range ids { // there are new tokens at the end of each row
			if d := difference(got[row*m.LM.Vocab:][:vocab], want[row*vocab:][:vocab]); d > 1e-5*largest(want) {
				t.Errorf("%s: logits of training differ by %g", path, d)
			}
		}
	}
}

// Files that are wrong are refused in one line that names them, at once.
func TestGGUFBroken(t *testing.T) {
	type file struct{ Wrong, Expect string }
	for name, tt := range readJSON[map[string]file](t, "gguf", "broken", "index.json") {
		path := filepath.Join(shared.Goldens(t), "gguf", "broken", name+".gguf")
		start := time.Now()
		_, err := Open(path, "", nil)
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("%s: took %v", name, took)
		}
		switch {
		case tt.Expect == "either", strings.Contains(tt.Wrong, "refused by a program that does not compute it"):
		case tt.Expect == "load as a model" && err != nil:
			t.Errorf("%s (%s): %v", name, tt.Wrong, err)
		case strings.Contains(tt.Expect, "refuse") && err == nil:
			t.Errorf("%s (%s): was accepted", name, tt.Wrong)
		}
		if err != nil && (!strings.HasPrefix(err.Error(), path+": ") || strings.Contains(err.Error(), "\n")) {
			t.Errorf("%s: the error is %q; want one line that begins with the path", name, err)
		}
	}
}

// A byte-level tokenizer without its merges would cut every text into bytes.
func TestGGUFWithoutMerges(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(shared.Goldens(t), "gguf", "models", "llama-bias-f32.gguf"))
	if err != nil {
		t.Fatal(err)
	}
	const key = "tokenizer.ggml.merges"
	path := writeFile(t, filepath.Join(t.TempDir(), "m.gguf"), strings.Replace(string(text), key, "tokenizer.ggml.others", 1))
	if _, err := LoadTokenizer(path); err == nil || err.Error() != path+": has no metadata \""+key+"\", without which no bytes are joined to tokens" {
		t.Error(err)
	}
}

// The real model: SmolLM2-135M-Instruct, with its matrices of 4 bits as float32.
func TestSmolLM2(t *testing.T) {
	path := shared.SmolLM2(t)
	type golden struct {
		EOS       int `json:"eos_token_id"`
		NewTokens int `json:"new_tokens"`
		Cases     []struct {
			Prompt    string
			IDs       []int `json:"ids"`
			LogProb   float64
			TopIDs    []int     `json:"top_ids"`
			TopLogits []float32 `json:"top_logits"`
			Greedy    []int     `json:"greedy_ids"`
			Text      string    `json:"greedy_text"`
		}
	}
	want := readJSON[golden](t, "smollm2", "goldens.json")
	f32 := kernel.F32
	r, err := Open(path, "", &f32)
	if err != nil {
		t.Fatal(err)
	}
	if r.Model.Special.EOS != want.EOS || len(r.Model.Special.MoreEOS) > 0 {
		t.Errorf("answers end with %d and %v, want %d", r.Model.Special.EOS, r.Model.Special.MoreEOS, want.EOS)
	}
	caches, last, greedy := make([]*transformer.Cache, len(want.Cases)), make([][]float32, len(want.Cases)), make([][]int, len(want.Cases))
	for i, tt := range want.Cases {
		if got := r.Tokenizer.EncodePrompt(tt.Prompt); !slices.Equal(got, tt.IDs) {
			t.Errorf("%q is %v, want %v", tt.Prompt, got, tt.IDs)
		}
		caches[i] = r.Model.LM.NewCache()
		rows := step(r.Model.LM, slices.Repeat(caches[i:i+1], len(tt.IDs)), tt.IDs)
		sum := 0.0
		for j, id := range tt.IDs[1:] {
			sum += logProb(rows[j], id)
		}
		if math.Abs(sum-tt.LogProb) > 5e-3 {
			t.Errorf("%q has the log-probability %g, want %g", tt.Prompt, sum, tt.LogProb)
		}
		last[i] = rows[len(rows)-1]
		for j, id := range tt.TopIDs {
			if math.Abs(float64(last[i][id]-tt.TopLogits[j])) > 1e-3 {
				t.Errorf("%q: the logit of %d is %g, want %g", tt.Prompt, id, last[i][id], tt.TopLogits[j])
			}
		}
	}
	for range want.NewTokens { // all at once, which changes no bit
		var going []int // the cases that have not ended
		var at []*transformer.Cache
		var ids []int
		for i := range greedy {
			if n := len(greedy[i]); n > 0 && greedy[i][n-1] == want.EOS {
				continue
			}
			id := slices.Index(last[i], slices.Max(last[i]))
			greedy[i] = append(greedy[i], id)
			going, at, ids = append(going, i), append(at, caches[i]), append(ids, id)
		}
		for j, row := range step(r.Model.LM, at, ids) {
			last[going[j]] = row
		}
	}
	for i, tt := range want.Cases {
		if !slices.Equal(greedy[i], tt.Greedy) {
			t.Errorf("%q goes on with %v, want %v", tt.Prompt, greedy[i], tt.Greedy)
		}
		if got := r.Tokenizer.Decode(greedy[i], true); got != tt.Text {
			t.Errorf("%q goes on with %q, want %q", tt.Prompt, got, tt.Text)
		}
	}
	texts := readJSON[[]struct {
		Text string
		IDs  []int `json:"ids"`
	}](t, "smollm2", "tokenizer_texts.json")
	for _, tt := range texts {
		if got := r.Tokenizer.EncodePrompt(tt.Text); !slices.Equal(got, tt.IDs) || r.Tokenizer.Decode(got, false) != tt.Text {
			t.Errorf("%q is %v, want %v; decoded, it is %q", tt.Text, got, tt.IDs, r.Tokenizer.Decode(got, false))
		}
	}
}

// step gives the logits after each of some tokens, one for each cache in turn.
func step(lm *transformer.LM, caches []*transformer.Cache, ids []int) (rows [][]float32) {
	if len(ids) == 0 {
		return nil
	}
	return slices.Collect(slices.Chunk(lm.Logits(nil, lm.Step(nil, caches, lm.Embed(nil, ids))).Data, lm.Vocab))
}

// logProb is the log-probability of one of the logits' tokens.
func logProb(logits []float32, id int) float64 {
	most, sum := float64(slices.Max(logits)), 0.0
	for _, v := range logits {
		sum += math.Exp(float64(v) - most)
	}
	return float64(logits[id]) - most - math.Log(sum)
}

// A file's chat template is in its metadata: that of the real model makes the prompts of the
// golden conversations.
func TestSmolLM2Chat(t *testing.T) {
	type golden struct {
		Cases []struct {
			Prompt   string
			Messages json.RawMessage
		}
	}
	templates, err := loadChat(shared.SmolLM2(t))
	if err != nil {
		t.Fatal(err)
	}
	template, err := templates.Parse(false)
	if err != nil {
		t.Fatal(err)
	}
	if got := templates.Special["bos_token"] + templates.Special["eos_token"]; got != "<|im_start|><|im_end|>" {
		t.Errorf("special tokens are %v", templates.Special)
	}
	conversations := 0
	for _, tt := range readJSON[golden](t, "smollm2", "goldens.json").Cases {
		if len(tt.Messages) == 0 || string(tt.Messages) == "null" {
			continue
		}
		conversations++
		messages, err := chat.ParseJSON(tt.Messages)
		if err != nil {
			t.Fatal(err)
		}
		got, err := template.Render(messages.(*chat.List).Items(), chat.Args{AddGenerationPrompt: true, Special: templates.Special})
		if err != nil || got != tt.Prompt {
			t.Errorf("%s: prompt %q, %v; want %q", tt.Messages, got, err, tt.Prompt)
		}
	}
	if conversations == 0 {
		t.Error("the golden cases have no conversation")
	}
}
