package experiment

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nfcot/internal/cot"
	"nfcot/internal/shared"
	"nfcot/internal/tokenizer"
	"nfcot/internal/tokenizer/chat"
)

// The masks of transformers for a template with {% generation %} blocks: texts, ids, and which of them are the assistant's.
func TestGoldenMasks(t *testing.T) {
	dir := filepath.Join(shared.Goldens(t), "sft")
	text, err := os.ReadFile(filepath.Join(dir, "masks.json"))
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Cases []struct {
			Name     string
			Messages json.RawMessage
			Kwargs   struct {
				Prompt bool `json:"add_generation_prompt"`
			}
			Text      string
			IDs, Mask []int
		}
	}
	if err := json.Unmarshal(text, &golden); err != nil || len(golden.Cases) == 0 {
		t.Fatalf("%d cases: %v", len(golden.Cases), err)
	}
	e := &Encoder{Method: Method{Plain: true}}
	if e.Tokenizer, err = tokenizer.Load(filepath.Join(dir, "tokenizer")); err != nil {
		t.Fatal(err)
	}
	if e.chat, err = chat.Load(filepath.Join(dir, "tokenizer")); err != nil {
		t.Fatal(err)
	}
	if err := e.parseTemplate(); err != nil {
		t.Fatal(err)
	}
	for _, c := range golden.Cases {
		messages, err := chat.ParseMessages(c.Messages)
		if err != nil {
			t.Fatal(err)
		}
		if text, err := e.template.Render(messages, e.args(c.Kwargs.Prompt)); err != nil || text != c.Text {
			t.Errorf("%s: %q, %v, want %q", c.Name, text, err, c.Text)
		}
		ids, assistant, err := e.mask(messages)
		if err != nil {
			t.Fatal(err)
		}
		n := len(ids) // behind which there is the generation prompt, if there is one
		if n > len(c.IDs) || !slices.Equal(ids, c.IDs[:n]) || c.Kwargs.Prompt == (n == len(c.IDs)) || slices.Contains(c.Mask[n:], 1) {
			t.Errorf("%s: ids %v, want %v", c.Name, ids, c.IDs)
			continue
		}
		for i, is := range assistant {
			if is != (c.Mask[i] == 1) {
				t.Errorf("%s: token %d, %q, is the assistant's: %v", c.Name, i, e.Tokenizer.Token(ids[i]), is)
			}
		}
	}
}

// fieldCase reads the expected.json of a situation from the field, and its examples as method lm learns them of its model.
func fieldCase(t *testing.T, name string, expected any) (*Run, []cot.Encoded) {
	t.Helper()
	dir := filepath.Join(shared.Field(t), name)
	text, err := os.ReadFile(filepath.Join(dir, "expected.json"))
	if err == nil {
		err = json.Unmarshal(text, expected)
	}
	if err != nil {
		t.Fatal(err)
	}
	e, err := OpenEncoder(filepath.Join(dir, "model"), "", "")
	if err != nil {
		t.Fatal(err)
	}
	text, err = os.ReadFile(filepath.Join(dir, "train.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	var encoded []cot.Encoded
	for line := range strings.Lines(string(text)) {
		var row struct {
			Prompt, Completion string
			Messages           cot.Messages
		}
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatal(err)
		}
		x, err := e.Encode(cot.Example{Prompt: row.Prompt, Answer: row.Completion, Messages: row.Messages}, len(encoded))
		if err != nil {
			t.Fatal(err)
		}
		encoded = append(encoded, x)
	}
	return again(t, filepath.Join(dir, "model")), encoded
}

// nll are the losses of an example's targets, in nats.
func nll(m *Model, ex cot.Encoded) (all []float64) {
	learner := m.Learner(JointStage)
	for i, target := range ex.Targets {
		if target {
			one := ex
			one.Targets = make([]bool, len(ex.Targets))
			one.Targets[i] = true
			one.Tokens, one.Targets = one.Tokens[:i+1], one.Targets[:i+1]
			all = append(all, float64(learner.Loss(nil, []cot.Encoded{one}, cot.Size{Tokens: 1}, cot.StepRand{}).Total.Data[0]))
		}
	}
	return all
}

// The end token is a target although it is the pad token, and the line break behind it is none.
func TestFieldPadIsEOS(t *testing.T) {
	var want struct {
		Examples []struct {
			IDs, Targets []int
			NLL          []float64
		}
		Tokens int     `json:"target_tokens"`
		Mean   float64 `json:"mean_nll"`
	}
	run, examples := fieldCase(t, "sft_pad_is_eos", &want)
	for i, ex := range examples {
		var targets []int
		for j, is := range ex.Targets {
			if is {
				targets = append(targets, ex.Tokens[j])
			}
		}
		if w := want.Examples[i]; !slices.Equal(ex.Tokens, w.IDs) || !slices.Equal(targets, w.Targets) {
			t.Errorf("example %d: ids %v, targets %v, want %v, %v", i, ex.Tokens, targets, w.IDs, w.Targets)
		}
		for j, got := range nll(run.Model, ex) {
			if math.Abs(got-want.Examples[i].NLL[j]) > 1e-4 {
				t.Errorf("example %d, target %d: %v nats, want %v", i, j, got, want.Examples[i].NLL[j])
			}
		}
	}
	checkTokenMean(t, run.Model, examples, want.Tokens, want.Mean)
}

// Prompts and completions: the mean is that of all tokens.
func TestFieldTokenMean(t *testing.T) {
	var want struct {
		Tokens []int
		Mean   float64 `json:"token_mean"`
	}
	run, examples := fieldCase(t, "sft_token_mean", &want)
	learner := run.Model.Learner(JointStage)
	for i := range examples {
		if n := learner.Size(examples[i : i+1]).Tokens; n != want.Tokens[i] {
			t.Errorf("example %d: %d targets, want %d", i, n, want.Tokens[i])
		}
	}
	checkTokenMean(t, run.Model, examples, want.Tokens[0]+want.Tokens[1], want.Mean)
}

// checkTokenMean compares the loss of a batch, whole and in parts.
func checkTokenMean(t *testing.T, m *Model, examples []cot.Encoded, tokens int, mean float64) {
	t.Helper()
	learner := m.Learner(JointStage)
	whole := learner.Size(examples)
	loss := func(batch []cot.Encoded) float64 {
		return float64(learner.Loss(nil, batch, whole, cot.StepRand{}).Total.Data[0])
	}
	inParts := 0.0
	for i := range examples {
		inParts += loss(examples[i : i+1])
	}
	if got := loss(examples); whole.Tokens != tokens || math.Abs(got-mean) > 2e-5 || math.Abs(inParts-mean) > 2e-5 {
		t.Errorf("%d tokens, %v nats each, %v in parts; want %d and %v", whole.Tokens, got, inParts, tokens, mean)
	}
}
