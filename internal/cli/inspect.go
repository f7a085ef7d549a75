package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"nfcot/internal/ckpt"
	"nfcot/internal/ckpt/gguf"
	"nfcot/internal/cot/data"
	"nfcot/internal/cot/experiment"
)

// A tensorInfo is a line of inspect.
type tensorInfo struct {
	File  string `json:"file"`
	Name  string `json:"name"`
	DType string `json:"dtype"`
	Shape []int  `json:"shape"`
}

func (e *env) inspect() *cli.Command {
	return e.command(&cli.Command{
		Name:      "inspect",
		Usage:     "what a checkpoint, run, thoughts folder, model directory or GGUF file holds",
		ArgsUsage: "PATH",
		Action: func(c *cli.Context) error {
			if c.Args().Len() != 1 {
				return inputf("inspect: want one PATH; see nfcot inspect --help")
			}
			return e.runInspect(c.Args().First())
		},
	})
}

func (e *env) runInspect(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return inputf("%s: no such file or folder", path)
	}
	files := []string{path}
	if info.IsDir() {
		if files, err = safetensors(path); err != nil {
			return input(err)
		}
	}
	var tensors []tensorInfo
	numbers := 0
	for _, file := range files {
		more, err := tensorsOf(file)
		if err != nil {
			return input(err)
		}
		tensors = append(tensors, more...)
	}
	var rows [][]string
	for _, t := range tensors {
		if e.json {
			if err := e.printJSON(t); err != nil {
				return err
			}
		}
		n := 1
		for _, d := range t.Shape {
			n *= d
		}
		numbers += n
		rows = append(rows, []string{inLine(t.Name), t.File, t.DType, fmt.Sprint(t.Shape)})
	}
	if e.json {
		return nil
	}
	e.printTable([]string{"tensor", "file", "type", "shape"}, rows)
	fmt.Fprintf(e.stdout, "%d tensors, %d numbers\n", len(tensors), numbers)
	if gguf.IsFile(path) {
		return e.printMetadata(path)
	}
	for _, name := range []string{experiment.ConfigFile, data.ConfigFile, experiment.GenerationFile} {
		if text, err := os.ReadFile(filepath.Join(path, name)); err == nil {
			fmt.Fprintf(e.stdout, "\n%s:\n%s", name, indent(string(text)))
		}
	}
	return nil
}

// tensorsOf lists the tensors of a safetensors file, or of a GGUF file or set.
func tensorsOf(path string) (tensors []tensorInfo, err error) {
	if gguf.IsFile(path) {
		f, err := gguf.Open(path)
		if err != nil {
			return nil, err
		}
		for _, name := range f.Names() {
			t, _ := f.Info(name)
			tensors = append(tensors, tensorInfo{filepath.Base(path), name, t.Type.String(), t.Shape})
		}
		return tensors, f.Close()
	}
	f, err := ckpt.Open(path)
	if err != nil {
		return nil, err
	}
	for _, name := range f.Names() {
		t, _ := f.Info(name)
		tensors = append(tensors, tensorInfo{filepath.Base(path), name, string(t.DType), t.Shape})
	}
	return tensors, f.Close()
}

// printMetadata prints what a GGUF file says beside its tensors.
func (e *env) printMetadata(path string) error {
	f, err := gguf.Open(path)
	if err != nil {
		return input(err)
	}
	fmt.Fprintf(e.stdout, "\nmetadata of %s, GGUF version %d:\n", filepath.Base(path), f.Version())
	for _, key := range f.Keys() {
		fmt.Fprintf(e.stdout, "  %s: %s\n", inLine(key), f.Describe(key))
	}
	return f.Close()
}

// inLine is a name that fits into a line.
func inLine(name string) string { return strings.Trim(strconv.Quote(name), `"`) }

// safetensors are the files of a folder, among which there are all that an index
// names.
func safetensors(dir string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.safetensors"))
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(dir, ckpt.IndexFile)); err == nil {
		f, err := ckpt.OpenModel(dir)
		if err != nil {
			return nil, err
		}
		return files, f.Close()
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s: no safetensors file in the folder", dir)
	}
	return files, nil
}
