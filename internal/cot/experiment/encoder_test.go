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
	"nfcot/internal/cot/data"
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
	e, err := encoderOf(filepath.Join(dir, "model"), "", "")
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
	learner := m.Learner(JointStage, 0)
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

// The token that begins a text is there once, where template and tokenizer both have it.
func TestFieldDoubleBOS(t *testing.T) {
	dir := filepath.Join(shared.Field(t), "chat_double_bos")
	text, err := os.ReadFile(filepath.Join(dir, "expected.json"))
	var want struct {
		IDs []int `json:"expected_ids"`
	}
	if err == nil {
		err = json.Unmarshal(text, &want)
	}
	if err != nil {
		t.Fatal(err)
	}
	const messages = `[{"role": "user", "content": " hi 1999 "}, {"role": "assistant", "content": "x"}]`
	for _, method := range []string{LM, "direct"} {
		x, err := openEncoder(t, dir, method).Encode(cot.Example{Messages: messages}, 0)
		if err != nil || !slices.Equal(x.Prompt, want.IDs) {
			t.Errorf("%s: %v, %v, want %v", method, x.Prompt, err, want.IDs)
		}
	}
}

// Prompts and completions: the mean is that of all tokens.
func TestFieldTokenMean(t *testing.T) {
	var want struct {
		Tokens []int
		Mean   float64 `json:"token_mean"`
	}
	run, examples := fieldCase(t, "sft_token_mean", &want)
	learner := run.Model.Learner(JointStage, 0)
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
	learner := m.Learner(JointStage, 0)
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

// markedText is an example as text in which the targets are in brackets, |s between tokens.
func markedText(e *Encoder, x cot.Encoded) string {
	var b strings.Builder
	tokens, targets := e.Marked(x)
	for i, id := range tokens {
		switch before := i > 0 && targets[i-1]; {
		case targets[i] && !before:
			b.WriteString("«")
		case !targets[i] && before:
			b.WriteString("»")
		case i > 0:
			b.WriteString("|")
		}
		b.WriteString(e.Tokenizer.Decode([]int{id}, false))
	}
	if n := len(targets); n > 0 && targets[n-1] {
		b.WriteString("»")
	}
	return b.String()
}

// wordsModel is a model folder whose tokenizer knows the words "ab" and " cd", two line breaks as one token, and begins a text
// with <s> if asked to. Its answers end with <|end|>, or with </s>.
func wordsModel(t *testing.T, bos bool, files map[string]string) string {
	t.Helper()
	dir := chatModel(t, files)
	tok, err := tokenizer.Train(slices.Values(slices.Repeat([]string{"ab cd\n\n"}, 9)), 263, []string{"<s>", "</s>", "<|end|>"})
	if err != nil {
		t.Fatal(err)
	}
	text, err := tok.JSON()
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	if bos {
		doc["post_processor"] = map[string]any{"type": "TemplateProcessing",
			"single":         []any{map[string]any{"SpecialToken": map[string]any{"id": "<s>", "type_id": 0}}, map[string]any{"Sequence": map[string]any{"id": "A", "type_id": 0}}},
			"pair":           []any{},
			"special_tokens": map[string]any{"<s>": map[string]any{"id": "<s>", "ids": []int{0}, "tokens": []string{"<s>"}}}}
	}
	if text, err = json.Marshal(doc); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, data.TokenizerFile), string(text))
	changeFile(t, filepath.Join(dir, data.ConfigFile), `"vocab_size": 259`, `"vocab_size": 263`)
	return dir
}

// changeFile puts another text in the place of one that a file has.
func changeFile(t *testing.T, path, old, text string) {
	t.Helper()
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	after := strings.Replace(string(before), old, text, 1)
	if after == string(before) {
		t.Fatalf("%s has no %s: %s", path, old, before)
	}
	writeFile(t, path, after)
}

func openEncoder(t *testing.T, model, method string) *Encoder {
	t.Helper()
	e, err := encoderOf(model, "", method)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// Prompt and answer are one text, and what holds a part of the answer is a target; so is the end, once.
func TestEncodeText(t *testing.T) {
	plain := openEncoder(t, wordsModel(t, false, nil), "")
	begun := openEncoder(t, wordsModel(t, true, map[string]string{"special_tokens_map.json": `{"eos_token": "<|end|>"}`}), LM)
	for _, tt := range []struct {
		e              *Encoder
		prompt, answer string
		want           string
	}{
		{plain, "ab", "ab", "ab«ab|</s>»"},
		{plain, "ab ", "cd", "ab« cd|</s>»"}, // the space of the prompt is a part of the answer's word
		{plain, "ab\n", "\n", "ab«\n\n|</s>»"},
		{plain, "ab", " cd</s>", "ab« cd|</s>»"},
		{plain, "ab", " cd<|end|>", "ab« cd|<|end|>»"}, // ends answers, too
		{plain, "ab", "", "ab«</s>»"},
		{plain, "ab</s>", "", "ab|</s>«</s>»"},
		{plain, "", "abab", "ab«ab|</s>»"}, // nothing predicts the first token
		{plain, "e\u0301", "e\u0301", "e|\ufffd|\ufffd«e|\ufffd|\ufffd|</s>»"},
		{begun, "ab ", "cd", "<s>|ab« cd|<|end|>»"},
		{begun, "", "ab", "<s>«ab|<|end|>»"},
	} {
		x, err := tt.e.Encode(cot.Example{Prompt: tt.prompt, CoT: "think", Answer: tt.answer}, 3)
		if got := markedText(tt.e, x); err != nil || got != tt.want || x.Index != 3 || x.Turns {
			t.Errorf("%q, %q: %s, %v, want %s", tt.prompt, tt.answer, got, err, tt.want)
		}
		if first := slices.Index(x.Targets, true); !slices.Equal(x.Prompt, x.Tokens[:first]) {
			t.Errorf("%q, %q: the prompt is %v of %v", tt.prompt, tt.answer, x.Prompt, x.Tokens)
		}
	}
}

const (
	withEnds = "{{ bos_token }}{% for m in messages %}[{{ m.role[0] }}]{{ m.content }}<|end|>\n{% endfor %}{% if add_generation_prompt %}[a]{% endif %}"
	saying   = `{"bos_token": "<s>", "chat_template": `
)

// talker is an encoder with a chat template.
func talker(t *testing.T, method, template string) *Encoder {
	t.Helper()
	quoted, err := json.Marshal(template)
	if err != nil {
		t.Fatal(err)
	}
	return openEncoder(t, wordsModel(t, true, map[string]string{tokenizerConfigFile: saying + string(quoted) + "}"}), method)
}

// A conversation is the template's text, with one token that begins it; its targets are the assistant's turns with their ends.
// Other methods answer what is before the last turn.
func TestEncodeConversation(t *testing.T) {
	const two = `[{"role": "user", "content": "ab"}, {"role": "assistant", "content": " cd"}, {"role": "user", "content": "cd"}, {"role": "assistant", "content": "ab"}]`
	for _, tt := range []struct {
		method, template, messages, chain, want string
	}{
		{LM, withEnds, two, "", "<s>|[|u|]|ab|<|end|>|\n|[|a|]« cd|<|end|>»\n|[|u|]|c|d|<|end|>|\n|[|a|]«ab|<|end|>»"},
		{LM, withEnds, `[{"role": "assistant", "content": "ab"}, {"role": "user", "content": "d"}, {"role": "assistant", "content": ""}, {"role": "user", "content": "d"}]`, "",
			"<s>|[|a|]|ab|<|end|>|\n|[|u|]|d|<|end|>|\n|[|a|]«<|end|>»"},
		{LM, "{% for m in messages %}{% generation %}{{ m.content }}<|end|>{% endgeneration %}{% endfor %}", two, "", // its first token is no target
			"ab«<|end|>| cd|<|end|>|c|d|<|end|>|ab|<|end|>»"},
		{LM, "{% for m in messages %}{{ m.content }} \n<|end|>{% endfor %}", two, "", "ab| |\n|<|end|>« cd| |\n|<|end|>»c|d| |\n|<|end|>«ab| |\n|<|end|>»"},
		{LM, "{{ strftime_now('%d %b %Y') }}{% for m in messages %}{{ m.content }}<|end|>{% endfor %}", two, "",
			"2|6| |J|u|l| |2|0|2|4|ab|<|end|>« cd|<|end|>»c|d|<|end|>«ab|<|end|>»"},
		{"direct", withEnds, two, "", "<s>|[|u|]|ab|<|end|>|\n|[|a|]| cd|<|end|>|\n|[|u|]|c|d|<|end|>|\n|[|a|]|<|answer|>«ab|<|endoftext|>»"},
		{"cot", withEnds, two, "ab\n", "<s>|[|u|]|ab|<|end|>|\n|[|a|]| cd|<|end|>|\n|[|u|]|c|d|<|end|>|\n|[|a|]|<|cot|>«ab|\n|<|answer|>|ab|<|endoftext|>»"},
		{"nfcot", withEnds, two, "ab\n", "<s>|[|u|]|ab|<|end|>|\n|[|a|]| cd|<|end|>|\n|[|u|]|c|d|<|end|>|\n|[|a|]|<|think|>«ab|<|endoftext|>»"},
	} {
		e := talker(t, tt.method, tt.template)
		x, err := e.Encode(cot.Example{CoT: tt.chain, Messages: cot.Messages(tt.messages)}, 1)
		if got := markedText(e, x); err != nil || got != tt.want || x.Turns != (tt.method == LM) {
			t.Errorf("%s, %s:\n got %s, %v\nwant %s", tt.method, tt.template, got, err, tt.want)
		}
	}
}

// What is wrong with a conversation is said in one line.
func TestEncodeConversationRefused(t *testing.T) {
	const one = `[{"role": "user", "content": "ab"}, {"role": "assistant", "content": " cd"}]`
	bare := openEncoder(t, wordsModel(t, false, nil), "")
	for _, tt := range []struct {
		e              *Encoder
		messages, want string
	}{
		{bare, one, "it is a conversation, and " + bare.model + " has no chat template to make a text of it; start from a model that has one"},
		{talker(t, "cot", "{% if %}"), one, "chat template: line 1: "},
		{talker(t, LM, withEnds), `[]`, "no message of the conversation is the assistant's"},
		{talker(t, LM, withEnds), `[{"role": "user", "content": "ab"}]`, "no message of the conversation is the assistant's"},
		{talker(t, LM, withEnds), `[{"role": "assistant", "content": "ab"}]`, "nothing of it can be learned: it has no token that is the answer's, or the assistant's, and follows another one"},
		{talker(t, LM, "{% generation %}{{ messages[0].content }}{% endgeneration %}"), `[{"role": "assistant", "content": ""}]`, "nothing of it can be learned"},
		{talker(t, LM, withEnds), `{"role": "user"}`, "want a list of messages"},
		{talker(t, LM, "{% for m in messages %}{{ m.content }}\n#{% endfor %}"), one, `the chat template ends the assistant's turns with "\n#", and not with a special token`},
		{talker(t, LM, "{% for m in messages %}{{ m.content }};{{ m.content }}{% endfor %}"), one, "message 2: the chat template does not render its content once"},
		{talker(t, "direct", "{{ raise_exception('no') }}"), one, "no"},
		{talker(t, "direct", withEnds), `[{"role": "user", "content": "ab"}, {"role": "assistant", "content": null}]`, "message 2, the answer, has no text as its content"},
	} {
		x, err := tt.e.Encode(cot.Example{Messages: cot.Messages(tt.messages)}, 0)
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, %+v, want %s", tt.messages, err, x, tt.want)
		}
	}
	if x, err := bare.Encode(cot.Example{Answer: "</s>"}, 0); err == nil || !strings.Contains(err.Error(), "nothing of it can be learned") {
		t.Errorf("%+v, %v", x, err)
	}
	dir := wordsModel(t, false, map[string]string{generationFile: `{}`})
	changeFile(t, filepath.Join(dir, data.ConfigFile), `"eos_token_id"`, `"pad_token_id"`)
	if _, err := encoderOf(dir, "", LM); err == nil || !strings.Contains(err.Error(), "no token ends an answer, and method lm learns to end them") {
		t.Errorf("a model without an end: %v", err)
	}
}
