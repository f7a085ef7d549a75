package cpython

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
	"sync"
	"time"
)

// The versions of CPython that programs may run in.
const (
	oldestMinor = 8
	newestMinor = 13
)

// candidates are the names under which interpreters are looked for.
func names() []string {
	all := []string{"python3"}
	for minor := newestMinor; minor >= oldestMinor; minor-- {
		all = append(all, fmt.Sprintf("python3.%d", minor))
	}
	return append(all, "python")
}

// NotFound is the error of Open where there is no CPython that it can use.
type NotFound struct {
	Tried []string // each interpreter and why it will not do
}

func (e *NotFound) Error() string {
	return fmt.Sprintf("no CPython 3.%d to 3.%d: %s; name one with --python PATH",
		oldestMinor, newestMinor, strings.Join(e.Tried, "; "))
}

//go:embed python/*.py
var sources embed.FS

func source(name string) string {
	text, err := fs.ReadFile(sources, path.Join("python", name+".py"))
	if err != nil {
		panic(err) // it is embedded
	}
	return string(text)
}

// The modules of the programs that run in CPython. Each module may import
// those before it; the last one has a function main.
var (
	candidateModules = []string{"wire", "semaphores", "lcb_candidate", "preload", "candidate"}
	templateModules  = append(slices.Clone(candidateModules), "template")
	testerModules    = []string{"wire", "tester", "humaneval", "mbpp", "evalplus", "lcb", "sanitize", "serve"}
)

// An interpreter is what CPython says of itself.
type interpreter struct {
	Implementation string
	Version        []int
	Executable     string   // the program itself: what was named may be a script or a link
	Files          []string // files and folders that it needs
	Standard       []string // modules of its standard library, if it knows them
	Packages       []string // name and version of what is installed and programs may import

	programs func() (map[string][]byte, error) // candidate, template and tester, in its own byte code, once they are compiled
}

// version is CPython's version as in "3.11.2".
func (i *interpreter) version() string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(i.Version), " ", "."), "[]")
}

// find returns the interpreter of the given name or path, with the packages of
// its environment, or without any the first that will do of those that usually exist.
func find(ctx context.Context, python string) (*interpreter, error) {
	tried := names()
	if python != "" {
		tried = []string{python}
	}
	var failures []string
	for _, name := range tried {
		i, err := ask(ctx, name, python != "")
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err == nil {
			return i, nil
		}
		failures = append(failures, fmt.Sprintf("%s: %v", name, err))
	}
	return nil, &NotFound{Tried: failures}
}

// askTimeout bounds the time that an interpreter takes to describe itself.
const askTimeout = 30 * time.Second

// ask has an interpreter describe itself, and name the folders of its packages
// if programs are to have them. This is the one time that it runs without a
// sandbox, in the user's own environment, before it has seen any program, and
// with nothing of what is installed.
func ask(ctx context.Context, name string, packages bool) (*interpreter, error) {
	file, err := exec.LookPath(name)
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		return nil, errors.New("not found")
	} else if err != nil {
		return nil, err
	}
	modules := func(names []string) [][2]string {
		var all [][2]string
		for _, name := range names {
			all = append(all, [2]string{name, source(name)})
		}
		return all
	}
	programs := map[string]any{"candidate": modules(candidateModules), "template": modules(templateModules), "tester": modules(testerModules)}
	input, err := json.Marshal(map[string]any{"packages": packages, "programs": programs})
	if err != nil {
		return nil, err
	}
	var i interpreter
	if err := i.describe(ctx, file, input); err != nil {
		return nil, err
	}
	switch {
	case i.Implementation != "cpython":
		return nil, fmt.Errorf("it is %s", i.Implementation)
	case len(i.Version) != 3 || i.Version[0] != 3 || i.Version[1] < oldestMinor || i.Version[1] > newestMinor:
		return nil, fmt.Errorf("it is version %s", i.version())
	}
	// The loader and the libraries that modules load later, and the time zones.
	for _, folder := range []string{"/lib", "/lib64", "/usr/lib", "/usr/lib64", "/etc/ld.so.cache", "/usr/share/zoneinfo"} {
		if _, err := os.Stat(folder); err == nil {
			i.Files = append(i.Files, folder)
		}
	}
	slices.Sort(i.Files)
	i.Files = slices.Compact(i.Files)
	return &i, nil
}

// describe has an interpreter say what it is, and goes on while it compiles the programs.
func (i *interpreter) describe(ctx context.Context, file string, input []byte) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, file, "-I", "-S", "-B", "-c", source("find"))
	cmd.Stdin, cmd.Stderr = bytes.NewReader(input), &stderr
	stdout, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		cancel()
		return err
	}
	said := json.NewDecoder(stdout)
	described := said.Decode(i)
	var programs map[string][]byte
	ended := make(chan error, 1)
	compiled := func() {
		defer cancel()
		err := described
		if err == nil {
			err = said.Decode(&programs)
		}
		if e := cmd.Wait(); e != nil { // which says more
			lines := strings.Split(strings.TrimSpace(stderr.String()), "\n")
			err = fmt.Errorf("%w: %s", e, lines[len(lines)-1])
		} else if err != nil {
			err = fmt.Errorf("it does not describe itself: %w", err)
		}
		ended <- err
	}
	if described != nil {
		compiled()
		return <-ended
	}
	go compiled()
	i.programs = sync.OnceValues(func() (map[string][]byte, error) {
		err := <-ended
		return programs, err
	})
	return nil
}
