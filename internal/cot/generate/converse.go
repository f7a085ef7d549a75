package generate

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"
)

// Converse answers the messages of a user, a line of in each, on out, until in ends, the
// user says /exit, or an interrupt comes that finds no answer to end: it ends an answer
// first. The line /clear begins a new conversation. say is told what is no part of the
// conversation.
func (s *Session) Converse(ctx context.Context, in io.Reader, out io.Writer, interrupts <-chan os.Signal, say func(format string, args ...any)) error {
	lines := readLines(in)
	for {
		fmt.Fprint(out, "> ")
		select {
		case <-interrupts:
			fmt.Fprintln(out)
			return nil
		case line, ok := <-lines:
			switch strings.TrimSpace(line) {
			case "":
			case "/clear":
				s.Clear()
			case "/exit":
				return nil
			default:
				if err := s.turn(ctx, line, out, interrupts, say); err != nil {
					return err
				}
			}
			if !ok {
				fmt.Fprintln(out)
				return nil
			}
		}
	}
}

// readLines sends the lines of a stream, without their ends, until it ends.
func readLines(r io.Reader) <-chan string {
	lines := make(chan string)
	go func() {
		defer close(lines)
		in := bufio.NewReader(r)
		for {
			line, err := in.ReadString('\n')
			if err == nil || line != "" {
				lines <- strings.TrimRight(line, "\r\n")
			}
			if err != nil {
				return
			}
		}
	}()
	return lines
}

// turn shows the answer to a message as it comes, until it ends or an interrupt ends it.
func (s *Session) turn(ctx context.Context, text string, out io.Writer, interrupts <-chan os.Signal, say func(string, ...any)) error {
	var stop atomic.Bool
	answered := make(chan struct{})
	defer close(answered)
	go func() {
		select {
		case <-interrupts:
			stop.Store(true)
		case <-answered:
		}
	}()
	cut, err := s.Answer(ctx, text, stop.Load, func(part string) { fmt.Fprint(out, part) })
	if errors.As(err, new(TooLong)) {
		say("%s; /clear begins a new conversation", err)
		return nil
	}
	if err != nil {
		return err
	}
	fmt.Fprintln(out)
	if cut {
		say("the answer was cut off: it reached --max-tokens or the model's last position")
	}
	return nil
}
