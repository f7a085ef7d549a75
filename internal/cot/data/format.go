package data

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"nfcot/internal/ckpt/jsontext"
	"nfcot/internal/cot"
)

// A format is a shape of rows.
type format struct {
	name string
	keys []string // a row has all of these
	also []string // and may have these
	// example is what a row says. What cannot be used for a reason that a good file may have, too, is dropped for it.
	// rule is one of Extractions, or "".
	example func(r *row, rule string) (ex cot.Example, dropped string, err error)
}

// formats are all shapes. A file has the first one whose keys its first row has.
var formats = []format{
	{"nfcot", []string{"prompt", "answer"}, []string{"task_id", "cot", "entry_point", "test", "messages", "system", "tools", "functions"}, ownExample},
	{"prompt-completion", []string{"prompt", "completion"}, []string{"task_id"}, pairExample},
	{"messages", []string{"messages"}, []string{"task_id", "system", "tools", "functions"}, ownExample},
	{"sharegpt", []string{"conversations"}, []string{"task_id", "system", "tools", "functions"}, sharegptExample},
	{"alpaca", []string{"instruction", "output"}, []string{"task_id", "input", "system", "history"}, alpacaExample},
	{"prosqa", []string{"question", "steps", "answer"}, []string{"task_id"}, prosqaExample},
	{"gsm8k", []string{"question", "answer"}, []string{"task_id"}, gsm8kExample},
	{"text", []string{"text"}, []string{"task_id"}, textExample},
	{"icot", nil, []string{"text"}, icotExample},
}

// FormatNames are the names of all shapes.
func FormatNames() []string {
	var names []string
	for _, f := range formats {
		names = append(names, f.name)
	}
	return names
}

// formatNamed finds a format; it is nil if there is none.
func formatNamed(name string) *format {
	i := slices.IndexFunc(formats, func(f format) bool { return f.name == name })
	if i < 0 {
		return nil
	}
	return &formats[i]
}

// formatOf is the format that the keys of a file's first row are of; of a line of plain text,
// what it looks like.
func formatOf(r *row) (*format, error) {
	if r.fields == nil {
		if strings.Contains(r.line, "||") && strings.Contains(r.line, "####") {
			return formatNamed("icot"), nil
		}
		return formatNamed("text"), nil
	}
	for i, f := range formats {
		if f.keys != nil && r.has(f.keys...) {
			return &formats[i], nil
		}
	}
	if r.has("prompt") { // which says how an answer must be called
		return formatNamed("nfcot"), nil
	}
	var all []string
	for _, f := range formats {
		if f.keys != nil {
			all = append(all, strings.Join(f.keys, "+"))
		}
	}
	return nil, r.errorf("found %s, expected those of a known shape (%s); --columns prompt=KEY,answer=KEY says which keys are which", r.keys(), strings.Join(all, ", "))
}

// check refuses a row that is not of the format.
func (f *format) check(r *row) error {
	switch {
	case r.fields == nil && f.name != "text" && f.name != "icot":
		return r.errorf("found a line of plain text, expected a row with the keys %s (%s)", strings.Join(f.keys, ", "), f.name)
	case r.fields == nil, r.has(f.keys...), f.name == "nfcot", f.name == "messages":
		return nil // the last two say themselves what is missing
	}
	return r.errorf("found %s, expected %s, the keys of %s", r.keys(), strings.Join(f.keys, ", "), f.name)
}

// ownExample reads nfcot's own shape: a prompt, a chain and an answer, or a conversation.
func ownExample(r *row, rule string) (ex cot.Example, dropped string, err error) {
	if v, ok := r.fields["messages"]; ok && (!v.isNull() || !r.has("prompt")) {
		ex, dropped, err = conversation(r, "messages", rule)
	} else {
		ex, dropped, err = worded(r, "prompt", "cot", "answer", rule)
		if err == nil && !r.has("prompt", "answer") {
			err = r.errorf("the example has no prompt or no answer; expected {\"task_id\", \"prompt\", \"cot\", \"answer\"}")
		}
	}
	// What is not needed to learn from an example may be of any kind: it then is another
	// tool's, and counts as missing.
	ex.EntryPoint, _ = r.fields["entry_point"].asText()
	ex.Test, _ = r.fields["test"].asText()
	return ex, dropped, err
}

// taskID is the name of a row: a text, or a number that is not 0.
func taskID(r *row) string {
	v, ok := r.fields["task_id"]
	if !ok {
		return ""
	}
	if id, err := v.asText(); err == nil {
		return id
	}
	if n := uint64(0); jsontext.Unmarshal(v.json, &n) == nil && n > 0 {
		return strconv.FormatUint(n, 10)
	}
	return ""
}

// worded reads prompt, chain and answer by their keys; the chain, whose key may be "", may be
// part of the answer.
func worded(r *row, prompt, chain, answer, rule string) (ex cot.Example, dropped string, err error) {
	for _, key := range []struct {
		name  string
		value *string
	}{{prompt, &ex.Prompt}, {chain, &ex.CoT}, {answer, &ex.Answer}} {
		if *key.value, err = r.text(key.name); err != nil {
			return ex, "", err
		}
	}
	return extract(r, ex, rule)
}

// extract takes the chain out of the answer by a rule; "": leaves it there.
func extract(r *row, ex cot.Example, rule string) (cot.Example, string, error) {
	dropped := ""
	switch {
	case rule == "":
	case ex.CoT != "":
		return ex, "", r.errorf("the example has a chain of thought beside its answer; leave --cot-from out")
	default:
		ex.CoT, ex.Answer, dropped = take(rule, ex.Answer)
	}
	return ex, dropped, nil
}

func pairExample(r *row, rule string) (cot.Example, string, error) {
	return worded(r, "prompt", "", "completion", rule)
}

func sharegptExample(r *row, rule string) (cot.Example, string, error) {
	return conversation(r, "conversations", rule)
}

// The prompts of Alpaca: with an input, and without.
const (
	alpacaWith    = "Below is an instruction that describes a task, paired with an input that provides further context. Write a response that appropriately completes the request.\n\n### Instruction:\n"
	alpacaWithout = "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n### Instruction:\n"
	alpacaInput   = "\n\n### Input:\n"
	alpacaEnd     = "\n\n### Response:\n"
)

func alpacaExample(r *row, rule string) (cot.Example, string, error) {
	for _, key := range []string{"history", "system"} {
		if v, ok := r.fields[key]; ok && !v.isEmpty() {
			return cot.Example{}, "", r.errorf("key %q is not supported beside instruction and output", key)
		}
	}
	ex, dropped, err := worded(r, "instruction", "", "output", rule)
	if err != nil || dropped != "" || ex.Prompt == "" {
		return ex, dropped, err
	}
	more, err := r.text("input")
	if more == "" {
		ex.Prompt = alpacaWithout + ex.Prompt + alpacaEnd
	} else {
		ex.Prompt = alpacaWith + ex.Prompt + alpacaInput + more + alpacaEnd
	}
	return ex, "", err
}

// gsm8kExample reads a question and a worked answer.
func gsm8kExample(r *row, rule string) (cot.Example, string, error) {
	return worded(r, "question", "", "answer", cmp.Or(rule, "gsm8k"))
}

// prosqaExample reads a question, a list of steps and an answer.
func prosqaExample(r *row, rule string) (cot.Example, string, error) {
	var steps []string
	if err := jsontext.Unmarshal(r.fields["steps"].asJSON(), &steps); err != nil {
		return cot.Example{}, "", r.errorf("key %q: %w", "steps", err)
	}
	ex, dropped, err := worded(r, "question", "", "answer", "")
	ex.CoT = strings.Join(steps, "\n")
	if err != nil || dropped != "" {
		return ex, dropped, err
	}
	return extract(r, ex, rule)
}

// textExample reads a text without a prompt: all of it is to be learned.
func textExample(r *row, rule string) (ex cot.Example, dropped string, err error) {
	if rule != "" {
		return ex, "", r.errorf("found a text, which has no answer to take a chain of thought from; leave --cot-from out")
	}
	ex.Answer, err = r.plain()
	return ex, "", err
}

// plain is the text of a row of plain text.
func (r *row) plain() (string, error) {
	if r.fields == nil {
		return r.line, nil
	}
	return r.text("text")
}

// icotExample reads a line of iCoT's files: question||chain #### answer.
func icotExample(r *row, rule string) (ex cot.Example, dropped string, err error) {
	text, err := r.plain()
	if err != nil {
		return ex, "", err
	}
	question, worked, ok := strings.Cut(text, "||")
	i := strings.LastIndex(worked, "####")
	if !ok || i < 0 {
		return ex, "", r.errorf("found no question||chain #### answer")
	}
	ex = cot.Example{Prompt: strings.TrimSpace(question), CoT: strings.TrimSpace(worked[:i]), Answer: strings.TrimSpace(worked[i+len("####"):])}
	if rule == "gsm8k-equations" {
		ex.CoT, dropped = equations(ex.CoT)
		return ex, dropped, nil
	}
	return extract(r, ex, rule)
}
