package main

// Imports point one way, from the command line down to the kernels, and each
// library of others stays in one place. The tables below say which way; tests
// are free to import more.

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "nfcot"

// anything in a row of mayImport lets a package import all of ours.
const anything = "*"

// mayImport says which of our packages a package may import.
var mayImport = map[string][]string{
	"internal/tensor/kernel": {"internal/ckpt/half"},
	"internal/tensor":        {"internal/tensor/kernel"},
	"internal/transformer":   {"internal/tensor", "internal/tensor/kernel", "internal/ckpt/jsontext"},
	"internal/nfhead":        {"internal/tensor", "internal/transformer"},
	"internal/ckpt":          {"internal/ckpt/half", "internal/ckpt/jsontext"},
	"internal/ckpt/jsontext": {},
	"internal/ckpt/half":     {},
	"internal/ckpt/gguf":     {"internal/ckpt", "internal/ckpt/half"},
	"internal/eval":          {"internal/ckpt/jsontext"},
	"internal/page":          {"internal/ckpt"},
	"internal/progress":      {},
	"internal/interrupt":     {},
	"internal/manual":        {},
	"internal/eval/answer":   {"internal/eval"},
	"internal/eval/bench":    {"internal/eval", "internal/eval/answer", "internal/ckpt", "internal/ckpt/jsontext"},
	"internal/eval/cpython":  {"internal/eval", "internal/eval/sandbox"},
	"internal/eval/sandbox":  {},
	"internal/eval/starlark": {"internal/eval"},
	"internal/eval/harness": {"internal/eval", "internal/eval/answer", "internal/eval/bench", "internal/eval/starlark", "internal/eval/cpython", "internal/eval/sandbox",
		"internal/page", "internal/progress", "internal/interrupt", "internal/ckpt", "internal/ckpt/jsontext"},
	"internal/tokenizer":      {"internal/ckpt/jsontext"},
	"internal/tokenizer/chat": {"internal/ckpt/jsontext"},
	"internal/cot":            {"internal/tensor", "internal/tensor/kernel", "internal/transformer", "internal/nfhead"},
	"internal/cot/data":       {"internal/cot", "internal/eval", "internal/tensor", "internal/tokenizer", "internal/tokenizer/chat", "internal/page", "internal/progress", "internal/ckpt", "internal/ckpt/jsontext"},
	"internal/cot/experiment": {"internal/cot", "internal/cot/data", "internal/tensor", "internal/tensor/kernel", "internal/transformer",
		"internal/nfhead", "internal/tokenizer", "internal/tokenizer/chat", "internal/page", "internal/ckpt", "internal/ckpt/jsontext",
		"internal/ckpt/gguf"},
	"internal/cot/minicode": {"internal/cot", "internal/eval", "internal/eval/bench"},
	"internal/cot/multiply": {"internal/cot", "internal/eval", "internal/eval/answer", "internal/eval/bench"},
	"internal/cot/problems": {"internal/cot", "internal/cot/minicode", "internal/cot/multiply", "internal/eval", "internal/eval/bench", "internal/ckpt"},
	"internal/cot/speed":    {"internal/cot", "internal/transformer", "internal/tensor", "internal/tensor/kernel", "internal/page"},
	"internal/cot/train": {"internal/cot", "internal/cot/data", "internal/cot/experiment", "internal/tensor", "internal/tensor/kernel", "internal/tokenizer",
		"internal/transformer", "internal/interrupt", "internal/ckpt"},
	"internal/cot/generate": {"internal/cot", "internal/cot/experiment", "internal/cot/train", "internal/eval", "internal/eval/bench", "internal/page", "internal/tensor",
		"internal/tokenizer", "internal/tokenizer/chat", "internal/ckpt/jsontext"},
	"internal/cot/probe": {"internal/cot", "internal/cot/generate", "internal/cot/experiment", "internal/cot/minicode", "internal/cot/problems", "internal/eval", "internal/eval/bench",
		"internal/page", "internal/progress", "internal/tensor"},
	"internal/cot/study": {"internal/cot", "internal/cot/experiment", "internal/cot/generate", "internal/cot/probe", "internal/cot/train", "internal/eval",
		"internal/eval/harness", "internal/page", "internal/ckpt"},
	"internal/cli":         {anything},
	"scripts/killat":       {},
	"scripts/random_model": {"internal/ckpt", "internal/ckpt/half", "internal/tensor", "internal/transformer"},
	".":                    {"internal/cli", "internal/eval/sandbox"},

	// Help for tests, which no program imports.
	"internal/shared":            {},
	"internal/tensor/tensortest": {"internal/tensor", "internal/ckpt", "internal/shared"},
}

// homes says which of our packages may import a module of others. What tests
// alone need has none.
var homes = map[string][]string{
	"github.com/dlclark/regexp2/v2":     {"internal/tokenizer", "internal/cot/experiment"},
	"github.com/edsrzf/mmap-go":         {"internal/ckpt"},
	"github.com/jedib0t/go-pretty/v6":   {"internal/page"},
	"github.com/parquet-go/parquet-go":  {"internal/cot/data"},
	"github.com/klauspost/compress":     {"internal/ckpt"},
	"github.com/schollz/progressbar/v3": {"internal/progress"},
	"github.com/urfave/cli/v2":          {"internal/cli", "internal/manual"},
	"go.starlark.net":                   {"internal/eval/starlark"},
	"go.yaml.in/yaml/v4":                {"internal/cot/experiment", "internal/cot/study"},
	"golang.org/x/sys":                  {"internal/tensor/kernel", "internal/ckpt", "internal/eval/sandbox"}, // cpu; unix; unix
	"golang.org/x/term":                 {"internal/progress"},
	"golang.org/x/text":                 {"internal/tokenizer", "internal/tokenizer/chat"},
	"gonum.org/v1/gonum":                {"internal/eval"},
	"gonum.org/v1/plot":                 {"internal/page"},
	"github.com/google/go-cmp":          nil,
	"github.com/nlpodyssey/safetensors": nil,
	"github.com/rogpeppe/go-internal":   nil,
	"github.com/x448/float16":           nil,
	"pgregory.net/rapid":                nil,
}

// files calls yield with each file of this module outside tests, for any system, and
// with its folder. Folders whose name begins with _ or . and other modules do not
// count.
func files(t *testing.T, mode parser.Mode, yield func(dir string, set *token.FileSet, parsed *ast.File)) {
	t.Helper()
	set := token.NewFileSet()
	err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return skipFolder(file)
		}
		if !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return nil
		}
		parsed, err := parser.ParseFile(set, file, nil, mode)
		if err == nil {
			yield(path.Dir(filepath.ToSlash(file)), set, parsed)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// imports returns what the packages of this module import, by folder.
func imports(t *testing.T) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	files(t, parser.ImportsOnly, func(dir string, _ *token.FileSet, parsed *ast.File) {
		for _, spec := range parsed.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Contains(found[dir], name) {
				found[dir] = append(found[dir], name)
			}
		}
	})
	return found
}

func skipFolder(dir string) error {
	if dir == "." {
		return nil
	}
	name := filepath.Base(dir)
	if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil || name[0] == '_' || name[0] == '.' || name == "testdata" {
		return filepath.SkipDir
	}
	return nil
}

func TestImportsPointOneWay(t *testing.T) {
	found := imports(t)
	for _, dir := range slices.Sorted(maps.Keys(found)) {
		allowed, known := mayImport[dir]
		if !known {
			t.Errorf("package %s has no row in mayImport", dir)
			continue
		}
		for _, name := range found[dir] {
			ours, ok := strings.CutPrefix(name, module+"/")
			if ok && !slices.Contains(allowed, ours) && !slices.Contains(allowed, anything) {
				t.Errorf("%s imports %s; it may import %v of ours", dir, ours, allowed)
			}
			if path.Base(ours) == "tensortest" {
				t.Errorf("%s imports %s, which is for tests", dir, ours)
			}
		}
	}
	for dir := range mayImport {
		if _, ok := found[dir]; !ok {
			t.Errorf("package %s has a row in mayImport, but there is no such package", dir)
		}
	}
}

// TestOnlyTheCommandLineSpeaks holds that packages neither read flags nor write to the
// terminal: they return results, and tell how far they are through functions that they
// are given.
func TestOnlyTheCommandLineSpeaks(t *testing.T) {
	speaks := func(dir string) bool {
		// The sandbox has processes of its own, whose errors go to who started them.
		return dir == "." || dir == "internal/cli" || dir == "internal/eval/sandbox" || strings.HasPrefix(dir, "scripts/")
	}
	terminal := map[string][]string{
		"os":  {"Stdout", "Stderr", "Args"},
		"fmt": {"Print", "Printf", "Println"},
	}
	files(t, 0, func(dir string, _ *token.FileSet, parsed *ast.File) {
		if speaks(dir) {
			return
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			selector, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if x, ok := selector.X.(*ast.Ident); ok && slices.Contains(terminal[x.Name], selector.Sel.Name) {
				t.Errorf("%s names %s.%s, which is for internal/cli", dir, x.Name, selector.Sel.Name)
			}
			return true
		})
	})
	for dir, names := range imports(t) {
		for _, name := range []string{"flag", "log"} {
			if slices.Contains(names, name) && !speaks(dir) {
				t.Errorf("%s imports %s, which is for internal/cli", dir, name)
			}
		}
		if dir != "." && slices.Contains(names, module+"/internal/cli") {
			t.Errorf("%s imports internal/cli, which is for the main function", dir)
		}
	}
}

func TestLibrariesStayInOnePlace(t *testing.T) {
	for dir, names := range imports(t) {
		for _, name := range names {
			first, _, _ := strings.Cut(name, "/")
			if first == module || !strings.Contains(first, ".") {
				continue // ours, or the standard library
			}
			if library := libraryOf(name); library == "" {
				t.Errorf("%s imports %s, which has no row in homes", dir, name)
			} else if !slices.Contains(homes[library], dir) {
				t.Errorf("%s imports %s; only %v may, outside tests", dir, name, homes[library])
			}
		}
	}
}

// TestHomesAreTheRequiredModules keeps the table in step with go.mod.
func TestHomesAreTheRequiredModules(t *testing.T) {
	text, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	required := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(strings.TrimPrefix(strings.TrimSpace(line), "require "))
		if len(fields) == 2 && strings.HasPrefix(fields[1], "v") {
			required[fields[0]] = true // not // indirect
			if _, ok := homes[fields[0]]; !ok {
				t.Errorf("go.mod requires %s, which has no row in homes", fields[0])
			}
		}
	}
	for library := range homes {
		if !required[library] {
			t.Errorf("%s has a row in homes, but go.mod does not require it", library)
		}
	}
}

// libraryOf returns the row of homes a package belongs to, "" if it has none.
func libraryOf(name string) string {
	for library := range homes {
		if name == library || strings.HasPrefix(name, library+"/") {
			return library
		}
	}
	return ""
}
