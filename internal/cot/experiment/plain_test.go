package experiment

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nfcot/internal/ckpt/gguf"
	"nfcot/internal/cot"
	"nfcot/internal/cot/data"
)

// A run of method lm is the model that it began from, trained: with its tokenizer, without a token of ours, with its
// template and its ends; so are adapters, what is fused of them, and what is exported.
func TestPlainRun(t *testing.T) {
	dir := chatModel(t, map[string]string{tokenizerConfigFile: `{"bos_token": "<s>", "eos_token": "<|end|>", "chat_template": "{{ messages[0].content }}<|end|>"}`})
	theirs := again(t, dir)
	whole, adapted := trainedAs(t, LM, dir, 0), trainedAs(t, LM, dir, 2)
	fused, err := OpenFused(adapted.Dir, "", "")
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "fused")
	if err := fused.SaveFused(out, t.Logf); err != nil {
		t.Fatal(err)
	}
	for name, folder := range map[string]string{"run": whole.Dir, "adapters": adapted.Dir, "fused": out, "run of a run": trainedAs(t, LM, whole.Dir, 0).Dir} {
		r := again(t, folder)
		x := r.Experiment
		if x.Method != LM || x.NewTokens != 0 || x.Model.Vocab != theirs.Experiment.Model.Vocab || !sameTokenizer(r.Tokenizer, theirs.Tokenizer) {
			t.Errorf("%s: method %s, new tokens from %d on, %d tokens", name, x.Method, x.NewTokens, x.Model.Vocab)
		}
		s := r.Model.Special
		if s.EOS != 1 || !slices.Equal(s.MoreEOS, []int{2}) || s.BOT >= 0 || s.CoT >= 0 || s.Ans >= 0 {
			t.Errorf("%s: special tokens %+v", name, s)
		}
		if r.Chat.Sources["default"] != "{{ messages[0].content }}<|end|>" || r.Chat.Special["eos_token"] != "<|end|>" {
			t.Errorf("%s: templates %v, special tokens %v", name, r.Chat.Sources, r.Chat.Special)
		}
		if got, want := weights(r.Model), weights(theirs.Model); !slices.Equal(got, want) {
			t.Errorf("%s: the weights, of which none was trained, are not those of the model", name)
		}
		if e, err := OpenExport(folder, gguf.F32); err != nil {
			t.Errorf("%s: %v", name, err)
		} else {
			e.Close()
		}
		if e := openEncoder(t, folder, ""); e.Method.Name != LM || e.eos != 2 {
			t.Errorf("%s: encodes for %s, with the end %d", name, e.Method.Name, e.eos)
		}
	}
	if config := readMap(t, whole.Dir, tokenizerConfigFile); config["additional_special_tokens"] != nil {
		t.Errorf("%s names tokens of ours: %v", tokenizerConfigFile, config)
	}
}

// What ends the assistant's turns ends the answers of a run, too, where the model did not end answers so.
func TestTurnsEndAnswers(t *testing.T) {
	dir := chatModel(t, map[string]string{"chat_template.jinja": "{% for m in messages %}{{ m.content }}<s>{% endfor %}"})
	file := writeFile(t, filepath.Join(t.TempDir(), "train.jsonl"), strings.Repeat(`{"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]}`+"\n", 3))
	for method, want := range map[string][]int{LM: {2, 0}, "direct": {1, 2}} { // behind 1 and EOS of ours
		base, err := OpenBase(dir, "")
		if err != nil {
			t.Fatal(err)
		}
		x := Experiment{Config: Default(method).pretrained(base.Model, false), Source: Source{Data: data.Source{Files: data.Files{file}}, Init: dir, Stage: AllStages}}
		x.HeldOut, x.LoRA.Rank = 1, 2
		var said []string
		r, _, err := Prepare(x, filepath.Join(t.TempDir(), "run"), 0, func(format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) })
		if err == nil {
			_, err = r.Start(false, t.Logf)
		}
		if err == nil {
			err = r.Finish()
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := again(t, r.Dir).Model.Special.MoreEOS; !slices.Equal(got, want) || method == LM != strings.Contains(strings.Join(said, "\n"), "train: <s> ends answers of the run, too") {
			t.Errorf("%s: answers end with %v, want %v; said %q", method, got, want, said)
		}
	}
}

// Another method that begins from a run of method lm adds its tokens, once: what has trained them keeps them.
func TestOtherMethodsFromPlain(t *testing.T) {
	for _, lora := range []int{0, 2} {
		plain := trainedAs(t, LM, chatModel(t, nil), lora)
		first := trainedAs(t, "direct", plain.Dir, 0)
		vocab := plain.Experiment.Model.Vocab
		if x := first.Experiment; x.NewTokens != vocab || x.Model.Vocab != vocab+len(cot.SpecialTokens) {
			t.Errorf("new tokens from %d on, %d in all, want from %d on", x.NewTokens, x.Model.Vocab, vocab)
		}
		table := first.Model.LM.Embed(nil, []int{vocab, vocab + 3})
		if !slices.Equal(table.Row(0), table.Row(1)) {
			t.Error("new tokens do not start as the mean of all others")
		}
		for p := range first.Model.Params.All() {
			if p.Name == "model.embed_tokens.weight" {
				p.Row(vocab)[0] = 7 // as if it was trained
			}
		}
		first.Dir = filepath.Join(t.TempDir(), "trained")
		if _, err := first.Start(false, t.Logf); err != nil {
			t.Fatal(err)
		}
		if err := first.Finish(); err != nil {
			t.Fatal(err)
		}
		for _, method := range []string{"direct", LM} {
			second := trainedAs(t, method, first.Dir, 0)
			if got := second.Model.LM.Embed(nil, []int{vocab}).Data[0]; got != 7 {
				t.Errorf("%s: a token that was trained begins with %v, want 7", method, got)
			}
		}
	}
}

// From nothing, with a tokenizer of ours, method lm ends texts as the others do.
func TestPlainFromNothing(t *testing.T) {
	like := newRun(t, "cot")
	words := t.TempDir()
	text, err := like.Tokenizer.JSON()
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(words, data.TokenizerFile), string(text))
	file := writeFile(t, filepath.Join(t.TempDir(), "train.jsonl"), strings.Repeat(`{"prompt": "def f(x):", "answer": "return x"}`+"\n", 3))
	x := Experiment{Config: tiny(LM), Source: Source{Data: data.Source{Files: data.Files{file}}, Tokenizer: words, Stage: AllStages}}
	x.HeldOut = 1
	r, examples, err := Prepare(x, filepath.Join(t.TempDir(), "run"), 0, t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	eos, _ := like.Tokenizer.TokenID("<|endoftext|>")
	if ex := examples[0]; r.Model.Special.EOS != eos || ex.Tokens[len(ex.Tokens)-1] != eos {
		t.Errorf("%+v ends with %d, want %d", ex, r.Model.Special.EOS, eos)
	}
	if _, err := r.Start(false, t.Logf); err != nil {
		t.Fatal(err)
	}
	if err := r.Finish(); err != nil {
		t.Fatal(err)
	}
	if back := again(t, r.Dir); back.Model.Special.EOS != eos || back.Experiment.Method != LM {
		t.Errorf("%s ends with %d", back.Experiment.Method, back.Model.Special.EOS)
	}
	if config := readMap(t, r.Dir, tokenizerConfigFile); config["additional_special_tokens"] != nil || config["eos_token"] != "<|endoftext|>" {
		t.Errorf("%s is %v", tokenizerConfigFile, config)
	}
}
