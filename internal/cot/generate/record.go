package generate

// Samples as lines of JSON. Beyond HumanEval's format a line tells what it takes to
// give the exact likelihood of the very sample.

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"unicode/utf8"

	"nfcot/internal/ckpt/jsontext"
	"nfcot/internal/cot"
	"nfcot/internal/cot/experiment"
	"nfcot/internal/eval"
	"nfcot/internal/tensor"
)

// A trace is what a line tells of a sample beyond what every evaluation has.
type trace struct {
	prompt     string
	chat       bool // the prompt has its special tokens
	chain      string
	chainIDs   []int
	chainEnds  bool // the chain came to its end
	answerIDs  []int
	endedBy    int         // which of several EOS tokens, when finished
	stopped    bool        // a stop of the recipe, not EOS, ended the answer; the completion lacks it
	thoughts   [][]float32 // u
	thinking   string      // the rule, for which the chain has the tokens of greatest weight
	alternates *logProbs
}

// A field is a key of a line.
type field struct {
	key    string
	value  any  // points into a trace
	always bool // it is there where its value is empty, too
	unread bool // it is for people and other programs
}

// fields are the keys of a trace, in their order in a line.
func (t *trace) fields() []field {
	return []field{
		{key: "prompt", value: &t.prompt, always: true},
		{key: "chat", value: &t.chat},
		{key: "chain", value: &t.chain, unread: true},
		{key: "chain_ids", value: &t.chainIDs},
		{key: "chain_ends", value: &t.chainEnds},
		{key: "answer_ids", value: &t.answerIDs, always: true},
		{key: "ended_by", value: &t.endedBy},
		{key: "stopped", value: &t.stopped},
		{key: "thoughts", value: &t.thoughts},
		{key: "thinking", value: &t.thinking},
		{key: "logprobs", value: &t.alternates, unread: true},
	}
}

// write is the trace as the end of a line.
func (t *trace) write() ([]eval.Field, error) {
	var line []eval.Field
	for _, f := range t.fields() {
		text, err := json.Marshal(f.value)
		if err != nil {
			return nil, err
		}
		if f.always || !slices.Contains([]string{`""`, "null", "[]", "false", "0"}, string(text)) {
			line = append(line, eval.Field{Key: f.key, Value: text})
		}
	}
	return line, nil
}

// finishedKey is the key of a sample that is no part of the trace, and needed with it: at the
// end of a line there is only that of another tool.
const finishedKey = "finished"

// read takes the trace from the end of a line.
func (t *trace) read(line []eval.Field) error {
	fields := t.fields()
	for _, f := range line {
		i := slices.IndexFunc(fields, func(known field) bool { return known.key == f.Key && !known.unread })
		if i < 0 && f.Key != finishedKey {
			continue
		}
		if i < 0 || jsontext.Unmarshal(f.Value, fields[i].value) != nil {
			return fmt.Errorf("%s is %.40s; expected what nfcot sample writes", f.Key, f.Value)
		}
	}
	return nil
}

// logProbs are the tokens that a sample is made of, chain and EOS included, in the shape of
// OpenAI's chat completions, with ids as in llama.cpp's. Their sum is logp_text.
type logProbs struct {
	Content []drawnToken `json:"content"`
}

type drawnToken struct {
	tokenLogProb
	Top []tokenLogProb `json:"top_logprobs"`
}

type tokenLogProb struct {
	ID      int    `json:"id"`
	Token   string `json:"token"` // as text; parts of characters are U+FFFD
	Bytes   []int  `json:"bytes"`
	LogProb nats   `json:"logprob"`
}

// nats are the logarithm of a probability. In JSON null stands for that of 0, -Inf, which
// no number of it is.
type nats float64

// MarshalJSON implements json.Marshaler.
func (n nats) MarshalJSON() ([]byte, error) {
	if math.IsInf(float64(n), -1) {
		return []byte("null"), nil
	}
	return json.Marshal(float64(n))
}

func logProbsOf(run *experiment.Run, tokens []cot.DrawnToken) *logProbs {
	line := func(t cot.TokenLogProb) tokenLogProb {
		l := tokenLogProb{t.ID, run.Tokenizer.Decode([]int{t.ID}, false), []int{}, nats(t.LogProb)}
		for _, b := range []byte(run.Tokenizer.TokenBytes(t.ID)) {
			l.Bytes = append(l.Bytes, int(b))
		}
		return l
	}
	all := logProbs{make([]drawnToken, len(tokens))}
	for i, s := range tokens {
		all.Content[i] = drawnToken{line(s.TokenLogProb), make([]tokenLogProb, len(s.Top))}
		for j, alternative := range s.Top {
			all.Content[i].Top[j] = line(alternative)
		}
	}
	return &all
}

// Line is a sample as it goes into samples.jsonl.
func (g *Generator) Line(p eval.Problem, s cot.Sample) (eval.Sample, error) {
	run := g.Run
	prompt, err := g.ask(p)
	if err != nil {
		return eval.Sample{}, err
	}
	completion, stopped := g.Answer(s)
	line := eval.Sample{
		TaskID: p.TaskID, Completion: completion, Seed: int64(g.Seed),
		ReasoningPositions: s.Positions(), AnswerTokens: len(s.Answer), LogPText: &s.LogText, Finished: s.Finished || stopped,
		ThinkSeconds: s.ThinkCost.Seconds, AnswerSeconds: s.AnswerCost.Seconds, ThinkFLOPs: s.ThinkCost.FLOPs, AnswerFLOPs: s.AnswerCost.FLOPs,
	}
	t := trace{prompt: prompt, chat: g.Chat, chain: run.Tokenizer.Decode(s.Chain, true), chainIDs: s.Chain, chainEnds: s.ChainClosed,
		answerIDs: s.Answer, endedBy: s.EndedBy, stopped: stopped && !s.Finished, thinking: g.Thinking}
	if s.TokenLogProbs != nil {
		t.alternates = logProbsOf(run, s.TokenLogProbs)
	}
	if s.Thoughts != nil {
		if run.Model.Method.Scores {
			line.LogPThoughts = &s.LogThoughts
		}
		for k := range s.Thoughts.Rows() {
			t.thoughts = append(t.thoughts, s.Thoughts.Row(k))
		}
	}
	line.Extra, err = t.write()
	return line, err
}

// Parse reads a sample back from a line of samples.jsonl. It fails for samples that the
// run's model cannot have drawn, or whose likelihood no model knows.
func Parse(run *experiment.Run, line eval.Sample) (cot.Sample, error) {
	var t trace
	if err := t.read(line.Extra); err != nil {
		return cot.Sample{}, err
	}
	s := cot.Sample{Prompt: encodePrompt(run, t.prompt, t.chat), Chain: t.chainIDs, ChainClosed: t.chainEnds, Answer: t.answerIDs,
		Finished: line.Finished && !t.stopped, EndedBy: t.endedBy}
	switch {
	case t.prompt == "":
		return s, fmt.Errorf("it has no prompt; expected a line that nfcot sample wrote")
	case len(s.Prompt) == 0 && run.Model.Method.Plain:
		return s, errNoTokens
	case t.thinking != "":
		return s, fmt.Errorf("it was thought by --thinking %s, which has no exact likelihood", t.thinking)
	case t.endedBy < 0 || t.endedBy > len(run.Model.Special.MoreEOS):
		return s, fmt.Errorf("ended_by is %d; the model has %d tokens that end an answer", t.endedBy, 1+len(run.Model.Special.MoreEOS))
	case s.Finished && run.Model.Special.EOS < 0:
		return s, fmt.Errorf("it is finished, but the model has no token that ends an answer")
	case t.answerIDs == nil && !utf8.ValidString(line.Completion):
		return s, fmt.Errorf("its completion has half of a surrogate pair, which no tokens make")
	case t.answerIDs == nil:
		s.Answer = run.Tokenizer.Encode(line.Completion)
	}
	for _, id := range slices.Concat(s.Chain, s.Answer) {
		if id < 0 || id >= run.Experiment.Model.Vocab {
			return s, fmt.Errorf("token %d is not in the model's vocabulary of %d", id, run.Experiment.Model.Vocab)
		}
	}
	if o := run.Experiment.NF; run.Model.Method.Codes {
		flat := slices.Concat(t.thoughts...)
		if len(t.thoughts) != o.K || len(flat) != o.K*o.D {
			return s, fmt.Errorf("it has %d thoughts with %d numbers in all; the model expects %d of %d each", len(t.thoughts), len(flat), o.K, o.D)
		}
		s.Thoughts = tensor.From(flat, o.K, o.D)
	}
	if rows, room := positions(run.Model.Method, s), run.Experiment.Model.MaxTokens; rows > room {
		return s, fmt.Errorf("it takes %d positions; the model has %d", rows, room)
	}
	return s, nil
}

// positions is the number of rows that scoring a sample of a method reads: the last token is
// predicted but read by no one.
func positions(m experiment.Method, s cot.Sample) int {
	rows := len(s.Prompt) + max(0, s.Drawn()-1)
	if !m.Plain { // a token stands between prompt and answer, chain or thoughts
		rows++
	}
	if s.Thoughts != nil {
		rows += s.Thoughts.Rows()
	}
	return rows
}

// A record is what drawn samples depend on, beside the problems and the seed.
type record struct {
	Model   string `json:"model_sha256"`
	Weights string `json:"weights"` // as they were asked for
	N       int    `json:"n"`
	cot.Sampling
	Chat         bool `json:"chat,omitempty"`         // prompts are of a chat, though not by the recipe
	Alternatives *int `json:"alternatives,omitempty"` // see Generator
}

// Record is an object of what the samples depend on, beside the problems and the seed, for
// a model whose weights were asked for in a format, as reports have it.
func (g *Generator) Record(weights string) (json.RawMessage, error) {
	hash, err := g.Run.Hash()
	if err != nil {
		return nil, err
	}
	r := record{Model: hash, Weights: weights, N: g.N, Sampling: g.Canonical(), Chat: g.Chat && !g.Recipe.Chat}
	if g.Alternatives >= 0 {
		r.Alternatives = &g.Alternatives
	}
	return r.json()
}

func (r record) json() (json.RawMessage, error) {
	var text bytes.Buffer
	out := json.NewEncoder(&text)
	out.SetEscapeHTML(false) // stops are for people to read
	err := out.Encode(r)
	return bytes.TrimSpace(text.Bytes()), err
}
