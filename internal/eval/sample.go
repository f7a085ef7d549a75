package eval

// This file holds samples and verdicts and their JSON. A line of a samples
// file may carry keys that nobody here knows; they are kept, in their order
// and to the letter, and come out again in the verdict.

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"

	"nfcot/internal/ckpt/jsontext"
)

// A Sample is one drawn answer to a problem: HumanEval's own task_id and
// completion, and what is known of how it was drawn.
type Sample struct {
	TaskID             string
	Completion         string
	Solution           *string // a whole program in place of a completion, as in EvalPlus's own files; nil where there is none
	Seed               int64
	ReasoningPositions int      // thoughts or tokens between the prompt and the answer
	AnswerTokens       int      // tokens of the completion
	LogPThoughts       *float64 // nats; nil where the method has no such likelihood
	LogPText           *float64 // nats; nil where the method has no such likelihood
	Finished           bool     // the answer ended by itself, not at the token limit
	ThinkSeconds       float64
	AnswerSeconds      float64
	ThinkFLOPs         float64
	AnswerFLOPs        float64

	Extra []Field // the other keys of the line, in their order, and what other tools mean by keys of ours

	// absent names the keys above which the line did not have. They are not
	// written either, as long as their value is zero, and no mean counts them.
	absent []string
}

// A Field is a key of a JSON object and its value as it was written.
type Field = jsontext.Field

// A Verdict is a sample and what became of it.
type Verdict struct {
	Sample
	Passed  bool
	Result  string  // `passed`, `failed: ...`, `timed out`, `out of memory` or `crashed: ...`
	Seconds float64 // wall-clock time of the run

	CPUSeconds float64 // processor time of candidate and test
	PeakMemory int64   // bytes that the candidate held at most
	Base, Plus string  // EvalPlus: the results of base and additional inputs alone; else empty
	InProcess  bool    // candidate and test shared a process: the result could be forged

	OwnSolution    string // the result of the problem's own solution, where it does not pass either
	MissingPackage string // that the program imports and that is not there, if it failed so

	Answer string // that the completion gives, where answers are compared; empty where none was found, see Outcome
}

// unmeasured are the keys of a verdict which not every executor has a value for.
var unmeasured = []string{"cpu_seconds", "peak_memory_bytes", "base_result", "plus_result", "in_process", "own_solution_result", "missing_package", "extracted_answer"}

// NewVerdict joins a sample and the outcome of its program.
func NewVerdict(s Sample, o Outcome) Verdict {
	s.absent = append(slices.Clone(s.absent), unmeasured...)
	return Verdict{Sample: s, Passed: o.Kind == Passed, Result: o.Result(), Seconds: o.Seconds,
		CPUSeconds: o.CPUSeconds, PeakMemory: o.PeakMemory, Base: o.Base, Plus: o.Plus, InProcess: o.InProcess, OwnSolution: o.OwnSolution, MissingPackage: o.MissingPackage,
		Answer: o.Answer}
}

// A binding ties a JSON key to the variable that holds its value.
type binding struct {
	key      string
	value    any  // a pointer
	metadata bool // another tool may have the key for something else
}

// A taskID is a string, or the whole number that MBPP's files have instead.
type taskID string

// UnmarshalJSON reads either (json.Unmarshaler).
func (id *taskID) UnmarshalJSON(data []byte) error {
	if data[0] == '"' {
		return jsontext.Unmarshal(data, (*string)(id))
	}
	var n uint64
	if err := jsontext.Unmarshal(data, &n); err != nil {
		return fmt.Errorf("found %s, expected a string or a whole number", OneLine(string(data)))
	}
	*id = taskID(strconv.FormatUint(n, 10))
	return nil
}

// A program is text that may have halves of surrogate pairs: CPython refuses to run it, and
// who reads the verdict is to see what it was.
type program string

// UnmarshalJSON implements json.Unmarshaler.
func (p *program) UnmarshalJSON(data []byte) (err error) {
	*(*string)(p), err = jsontext.Unquote(data)
	return err
}

// MarshalJSON implements json.Marshaler.
func (p program) MarshalJSON() ([]byte, error) { return jsontext.Quote(string(p)), nil }

// A solution is a program that may be missing.
type solution struct{ text **string }

// UnmarshalJSON implements json.Unmarshaler.
func (s solution) UnmarshalJSON(data []byte) error {
	text, err := jsontext.Unquote(data)
	*s.text = &text
	return err
}

// MarshalJSON implements json.Marshaler.
func (s solution) MarshalJSON() ([]byte, error) { return jsontext.Quote(**s.text), nil }

func (s *Sample) bindings() []binding {
	return []binding{
		{"task_id", (*taskID)(&s.TaskID), false},
		{"completion", (*program)(&s.Completion), false},
		{"solution", solution{&s.Solution}, false},
		{"seed", &s.Seed, true},
		{"reasoning_positions", &s.ReasoningPositions, true},
		{"answer_tokens", &s.AnswerTokens, true},
		{"logp_thoughts", &s.LogPThoughts, true},
		{"logp_text", &s.LogPText, true},
		{"finished", &s.Finished, true},
		{"think_seconds", &s.ThinkSeconds, true},
		{"answer_seconds", &s.AnswerSeconds, true},
		{"think_flops", &s.ThinkFLOPs, true},
		{"answer_flops", &s.AnswerFLOPs, true},
	}
}

func (v *Verdict) bindings() []binding {
	return append(v.Sample.bindings(),
		binding{"passed", &v.Passed, false},
		binding{"result", &v.Result, false},
		binding{"seconds", &v.Seconds, false},
		binding{"cpu_seconds", &v.CPUSeconds, false},
		binding{"peak_memory_bytes", &v.PeakMemory, false},
		binding{"base_result", &v.Base, false},
		binding{"plus_result", &v.Plus, false},
		binding{"in_process", &v.InProcess, false},
		binding{"own_solution_result", &v.OwnSolution, false},
		binding{"missing_package", &v.MissingPackage, false},
		binding{"extracted_answer", (*program)(&v.Answer), false})
}

// UnmarshalJSON reads a line of a samples file, which is JSON as Python writes it. Only task_id and either
// completion or solution are required.
func (s *Sample) UnmarshalJSON(data []byte) error {
	*s = Sample{}
	return s.decode(data, s.bindings(), "task_id")
}

// UnmarshalJSON reads a line of a verdicts file. Only task_id, passed, result
// and either completion or solution are required.
func (v *Verdict) UnmarshalJSON(data []byte) error {
	*v = Verdict{}
	return v.decode(data, v.bindings(), "task_id", "passed", "result")
}

// MarshalJSON writes the sample, keys it does not know last.
func (s Sample) MarshalJSON() ([]byte, error) { return s.encode(s.bindings()) }

// MarshalJSON writes the sample with the verdict's keys, keys it does not know
// last. Keys of an earlier verdict that were read as unknown keys of a sample
// give way to this verdict's.
func (v Verdict) MarshalJSON() ([]byte, error) { return v.encode(v.bindings()) }

// states reports whether the sample came with a value for a key it knows.
func (s *Sample) states(key string) bool { return !slices.Contains(s.absent, key) }

// decode fills the bound variables from a JSON object; keys without a
// variable become s.Extra, and so does metadata of other tools that happens to have
// the name of ours. A null counts as no value, except for the
// likelihoods, where it says that there is none. Besides the required keys the
// object must have an answer: completion or solution.
func (s *Sample) decode(data []byte, known []binding, required ...string) error {
	fields, err := jsontext.Fields(data)
	if err != nil {
		return err
	}
	stated := make(map[string]bool)
	for _, f := range fields {
		i := slices.IndexFunc(known, func(b binding) bool { return b.key == f.Key })
		if i < 0 {
			s.keep(f)
			continue
		}
		variable := known[i].value
		if string(f.Value) == "null" {
			likelihood, ok := variable.(**float64)
			if stated[f.Key] = ok; ok {
				*likelihood = nil
			}
			continue
		}
		err := jsontext.Unmarshal(f.Value, variable)
		if err != nil && !known[i].metadata {
			return fmt.Errorf("key %q: %w", f.Key, err)
		}
		if stated[f.Key] = err == nil; err != nil {
			reflect.ValueOf(variable).Elem().SetZero()
			s.keep(f)
		}
	}
	for _, b := range known {
		if !stated[b.key] && b.key != "solution" { // a nil Solution says so itself
			s.absent = append(s.absent, b.key)
		}
	}
	for _, key := range required {
		if !s.states(key) {
			return fmt.Errorf("key %q is missing", key)
		}
	}
	if !s.states("completion") && s.Solution == nil {
		return errors.New(`key "completion" is missing (or "solution", a whole program)`)
	}
	return nil
}

// keep adds a field of another tool's. Of one whose key comes again the last value counts, at
// the first place, as Python reads it.
func (s *Sample) keep(f Field) {
	if i := slices.IndexFunc(s.Extra, func(x Field) bool { return x.Key == f.Key }); i >= 0 {
		s.Extra[i].Value = f.Value
		return
	}
	s.Extra = append(s.Extra, f)
}

// encode writes the bound variables and s.Extra as one JSON object.
func (s *Sample) encode(known []binding) ([]byte, error) {
	out := bytes.NewBufferString("{")
	put := func(key, value []byte) {
		if out.Len() > 1 {
			out.WriteByte(',')
		}
		out.Write(key)
		out.WriteByte(':')
		out.Write(value)
	}
	for _, b := range known {
		if b.key == "solution" && s.Solution == nil {
			continue
		}
		value, err := jsontext.Marshal(b.value)
		if err != nil {
			return nil, fmt.Errorf("key %q: %w", b.key, err)
		}
		if s.states(b.key) || !slices.Contains(zeroJSON, string(value)) {
			put([]byte(`"`+b.key+`"`), value)
		}
	}
	for _, f := range s.Extra {
		if slices.ContainsFunc(known, func(b binding) bool { return b.key == f.Key && (!b.metadata || s.states(f.Key)) }) {
			continue
		}
		put(jsontext.Quote(f.Key), jsontext.Compact(f.Value))
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}

// zeroJSON are the zero values of all types a binding may have.
var zeroJSON = []string{"0", `""`, "false", "null"}
