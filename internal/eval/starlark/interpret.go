package starlark

// This file runs one program in this process: the candidate as one Starlark
// module, its test as another. It bounds steps but neither memory nor time;
// that is what worker processes are for.

import (
	"errors"
	"fmt"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"nfcot/internal/eval"
)

// dialect brings Starlark as near to Python as it goes: while, statements and
// reassignment at the top level, recursion, sets.
var dialect = &syntax.FileOptions{
	Set:             true,
	While:           true,
	TopLevelControl: true,
	GlobalReassign:  true,
	Recursion:       true,
}

// The names under which error messages know the two modules.
const (
	candidateFile = "solution"
	testFile      = "test"
)

// testBuiltins is what tests have beyond the language. The candidate's module
// has nothing of it, and nothing the candidate defines is visible to the test.
var testBuiltins = starlark.StringDict{"assert": starlark.NewBuiltin("assert", assert)}

// interpret runs a candidate's source, then the test's source, then
// check(candidate) with the candidate's entry point. The program passes if all
// of that ends without an error, within the given number of interpreter steps.
func interpret(source, entryPoint, test string, steps uint64) eval.Outcome {
	thread := &starlark.Thread{
		Name:  candidateFile,
		Print: func(*starlark.Thread, string) {}, // printing is allowed and goes nowhere
	}
	outOfSteps := false
	thread.SetMaxExecutionSteps(steps)
	thread.OnMaxSteps = func(thread *starlark.Thread) {
		outOfSteps = true
		thread.Cancel("too many steps")
	}
	err := check(thread, source, entryPoint, test)
	switch {
	case outOfSteps:
		return eval.Outcome{Kind: eval.TimedOut}
	case err != nil:
		return eval.Outcome{Kind: eval.Failed, Detail: eval.OneLine(describe(err))}
	}
	return eval.Outcome{Kind: eval.Passed}
}

func check(thread *starlark.Thread, source, entryPoint, test string) error {
	candidates, err := runModule(thread, candidateFile, source, nil)
	if err != nil {
		return err
	}
	candidate, ok := candidates[entryPoint]
	if !ok {
		return fmt.Errorf("%s: %s is not defined", candidateFile, entryPoint)
	}
	tests, err := runModule(thread, testFile, rewriteAsserts(test), testBuiltins)
	if err != nil {
		return err
	}
	checker, ok := tests["check"]
	if !ok {
		return fmt.Errorf("%s: check is not defined", testFile)
	}
	_, err = starlark.Call(thread, checker, starlark.Tuple{candidate}, nil)
	return err
}

// runModule runs a module and gives its globals. Unlike the library's ExecFile
// it does not freeze them: in Python a function may keep state in its module.
func runModule(thread *starlark.Thread, file, source string, builtins starlark.StringDict) (starlark.StringDict, error) {
	_, program, err := starlark.SourceProgramOptions(dialect, file, source, builtins.Has)
	if err != nil {
		return nil, err
	}
	return program.Init(thread, builtins)
}

// assert is the builtin behind a test's assert statements; the optional second
// argument is a function that makes the message.
func assert(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var condition, message starlark.Value
	if err := starlark.UnpackPositionalArgs(b.Name(), args, kwargs, 1, &condition, &message); err != nil {
		return nil, err
	}
	if condition.Truth() {
		return starlark.None, nil
	}
	if message == nil {
		return nil, errors.New("assertion failed")
	}
	text, err := starlark.Call(thread, message, nil, nil)
	if err != nil {
		return nil, err
	}
	if s, ok := starlark.AsString(text); ok {
		return nil, fmt.Errorf("assertion failed: %s", s)
	}
	return nil, fmt.Errorf("assertion failed: %s", text)
}

// describe is an error's message, with the place in the source for errors at
// run time (errors of syntax and of names bring their own).
func describe(err error) string {
	failure, ok := errors.AsType[*starlark.EvalError](err)
	if !ok {
		return err.Error()
	}
	for i := range failure.CallStack {
		pos := failure.CallStack.At(i).Pos
		if file := pos.Filename(); file == candidateFile || file == testFile {
			return fmt.Sprintf("%s: %s", pos, failure.Msg)
		}
	}
	return failure.Msg
}
