package generate

import (
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"nfcot/internal/tokenizer/chat"
)

// chatOf is a session with a fresh model whose answers have 3 tokens at most.
func chatOf(t *testing.T) *Session {
	t.Helper()
	run := freshRun(t, "direct")
	run.Chat = &chat.Templates{Sources: map[string]string{"default": "{% for m in messages %}{{ m.role[0] }}:{{ m.content }};{% endfor %}a:"}}
	c, err := NewChat(run, nil)
	if err != nil {
		t.Fatal(err)
	}
	short := hot
	short.MaxTokens = 3
	return NewSession(generator(t, run, asIs(), short, 1, 1), c, "")
}

// TestConverse: each line is answered, but for commands and blank ones, and a message that
// is too long does not end the conversation.
func TestConverse(t *testing.T) {
	s := chatOf(t)
	var out, said strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&said, format+"\n", args...) }
	in := "a\r\n\n" + strings.Repeat("long ", 500) + "\nb\n /clear \nc" // which has no end
	if err := s.Converse(t.Context(), strings.NewReader(in), &out, nil, say); err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(out.String(), "> "); got != 7 {
		t.Errorf("it asks %d times for 6 lines and their end, in %q", got, out.String())
	}
	if want := "; /clear begins a new conversation\n"; strings.Count(said.String(), want) != 1 {
		t.Errorf("it says %q of a message that is too long", said.String())
	}
	if n := len(s.messages); n != 2 {
		t.Errorf("there are %d messages, want c and its answer", n)
	}
	out.Reset()
	if err := s.Converse(t.Context(), strings.NewReader("/exit\na\n"), &out, nil, say); err != nil || out.String() != "> " {
		t.Errorf("it goes on behind /exit: %q, %v", out.String(), err)
	}
}

// TestConverseEndsWhenItWaits: an interrupt ends the wait for a message.
func TestConverseEndsWhenItWaits(t *testing.T) {
	interrupts := make(chan os.Signal, 1)
	interrupts <- os.Interrupt
	forever, end := io.Pipe()
	defer end.Close()
	var out strings.Builder
	if err := chatOf(t).Converse(t.Context(), forever, &out, interrupts, t.Logf); err != nil || out.String() != "> \n" {
		t.Errorf("%q, %v", out.String(), err)
	}
}
