package generate

import (
	"context"
	"slices"

	"nfcot/internal/cot"
	"nfcot/internal/eval"
	"nfcot/internal/tokenizer/chat"
)

// A Session is a conversation with a model, a message at a time.
type Session struct {
	generator *Generator
	chat      *Chat
	start     []chat.Value // of every conversation
	messages  []chat.Value
}

// NewSession begins a conversation, with a system's message unless that is empty. Answers
// are drawn as the generator draws samples, each with another seed.
func NewSession(g *Generator, c *Chat, system string) *Session {
	own := *g
	own.N, own.Chat = 1, true
	start := Opening(system)
	return &Session{&own, c, start, start}
}

// Clear begins a new conversation.
func (s *Session) Clear() { s.messages = s.start }

// Answer answers a message of the user and yields the answer in parts as it comes, until it
// ends, or stop says so. cut says that it was cut off for want of room. A message that
// leaves no room for an answer (TooLong) is taken back.
func (s *Session) Answer(ctx context.Context, text string, stop func() bool, yield func(part string)) (cut bool, err error) {
	g := s.generator
	asked := append(slices.Clip(s.messages), chat.Message("user", text))
	prompt, err := s.chat.Prompt(asked)
	if err != nil {
		return false, err
	}
	o := g.Options()
	stops := o.Stop
	o.Stop = func(answer []int) bool { return stop() || stops != nil && stops(answer) }
	live := g.Live()
	o.OnToken = func(_ *cot.Sample, token int) { yield(live.Next(token)) }
	samples, err := g.All(ctx, []eval.Problem{{TaskID: "this message", Prompt: prompt}}, o)
	if err != nil {
		return false, err
	}
	answer, stopped := g.Answer(samples[0])
	if !stopped {
		yield(live.Rest())
	}
	s.messages = append(asked, chat.Message("assistant", answer))
	g.Seed++
	return !samples[0].Finished && !stopped && !stop(), nil
}
