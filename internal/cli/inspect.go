package cli

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"nfcot/internal/ckpt"
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
		Usage:     "what a checkpoint, run, thoughts folder or model directory holds",
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
		f, err := ckpt.Open(file)
		if err != nil {
			return input(err)
		}
		for _, name := range f.Names() {
			t, _ := f.Info(name)
			tensors = append(tensors, tensorInfo{filepath.Base(file), name, string(t.DType), t.Shape})
			n := 1
			for _, d := range t.Shape {
				n *= d
			}
			numbers += n
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	var rows [][]string
	for _, t := range tensors {
		if e.json {
			if err := e.printJSON(t); err != nil {
				return err
			}
		}
		rows = append(rows, []string{t.Name, t.File, t.DType, fmt.Sprint(t.Shape)})
	}
	if e.json {
		return nil
	}
	e.printTable([]string{"tensor", "file", "type", "shape"}, rows)
	fmt.Fprintf(e.stdout, "%d tensors, %d numbers\n", len(tensors), numbers)
	for _, name := range []string{experiment.ConfigFile, data.ConfigFile, experiment.GenerationFile} {
		if text, err := os.ReadFile(filepath.Join(path, name)); err == nil {
			fmt.Fprintf(e.stdout, "\n%s:\n%s", name, indent(string(text)))
		}
	}
	return nil
}

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
