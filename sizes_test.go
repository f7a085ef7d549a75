package main

// Commands stay small: a command has its flags, one call, and the printing of what came
// of it. What it takes longer to say is for another package, or for another function.

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"testing"
)

// The most lines that there may be, without tests and generated code.
const (
	mostOfCLI      = 2800 // all of internal/cli
	mostOfCLIFile  = 250
	mostOfCLIFunc  = 60
	mostOfAnyFunc  = 70
	commandLineDir = "internal/cli"
)

// longWinded are folders whose functions may be of any length: kernels list instructions,
// the sandbox system calls.
var longWinded = []string{"internal/tensor/kernel", "internal/eval/sandbox"}

// TestSizes names every function, file and package that is too long, and by how much.
func TestSizes(t *testing.T) {
	all := 0
	files(t, parser.ParseComments, func(dir string, set *token.FileSet, parsed *ast.File) {
		if ast.IsGenerated(parsed) {
			return
		}
		lines := set.File(parsed.FileStart).LineCount()
		name := set.File(parsed.FileStart).Name()
		mostOfFunc := mostOfAnyFunc
		if dir == commandLineDir {
			all += lines
			mostOfFunc = mostOfCLIFunc
			if lines > mostOfCLIFile {
				t.Errorf("%s has %d lines, %d too many", name, lines, lines-mostOfCLIFile)
			}
		}
		if slices.Contains(longWinded, dir) {
			return
		}
		for _, d := range parsed.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			from, to := set.Position(f.Pos()), set.Position(f.End())
			if n := to.Line - from.Line + 1; n > mostOfFunc {
				t.Errorf("%s: %s has %d lines, %d too many", from, f.Name.Name, n, n-mostOfFunc)
			}
		}
	})
	if all > mostOfCLI {
		t.Errorf("%s has %d lines, %d too many", commandLineDir, all, all-mostOfCLI)
	}
}
