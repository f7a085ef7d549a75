// Package harness carries out evaluations of programs, and of answers that are compared
// with the right ones: it opens what runs or compares them, keeps journals so that an
// interrupted evaluation goes on, divides an evaluation into shards and merges them,
// writes the files that an evaluation leaves, reads them back and compares them. It
// knows no model: samples are given, or come from a function of the caller, and how
// they were drawn is JSON that is only recorded.
package harness

import (
	"errors"
	"fmt"
)

// ErrInterrupted is the error of Run where its context ended. What is done is kept.
var ErrInterrupted = errors.New("interrupted")

// An InputError lies with what the caller was given: a file, a folder, an option,
// or what this machine lacks.
type InputError struct{ error }

// Unwrap returns the error itself.
func (e InputError) Unwrap() error { return e.error }

// input marks err, if there is one, as an InputError.
func input(err error) error {
	if err == nil {
		return nil
	}
	return InputError{err}
}

// inputf makes an InputError.
func inputf(format string, args ...any) error { return InputError{fmt.Errorf(format, args...)} }
