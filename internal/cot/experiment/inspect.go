package experiment

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"nfcot/internal/ckpt"
	"nfcot/internal/ckpt/gguf"
	"nfcot/internal/cot/data"
	"nfcot/internal/page"
)

// An Inspection is what a file or folder of tensors holds.
type Inspection struct {
	Tensors []TensorInfo
	texts   string // what it says beside its tensors
}

// A TensorInfo describes a tensor.
type TensorInfo struct {
	File  string `json:"file"`
	Name  string `json:"name"`
	DType string `json:"dtype"`
	Shape []int  `json:"shape"`
}

// Inspect looks into a safetensors file, a run, a thoughts folder, a model directory, or a
// GGUF file or set.
func Inspect(path string) (*Inspection, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("%s: no such file or folder", path)
	}
	x := new(Inspection)
	if gguf.IsFile(path) {
		return x, x.addGGUF(path)
	}
	files := []string{path}
	if info.IsDir() {
		if files, err = safetensorsIn(path); err != nil {
			return nil, err
		}
	}
	for _, file := range files {
		if err := x.addSafetensors(file); err != nil {
			return nil, err
		}
	}
	if run, err := ReadConfig(path); err == nil && run.density() != "" {
		x.texts += fmt.Sprintf("\nthoughts are drawn from %s\n", run.density())
	}
	for _, name := range []string{ConfigFile, data.ConfigFile, generationFile, adapterConfig} {
		if text, err := os.ReadFile(filepath.Join(path, name)); err == nil {
			x.texts += fmt.Sprintf("\n%s:\n%s", name, page.Indent(string(text)))
		}
	}
	return x, nil
}

// WriteText writes a table of the tensors, and what else there is, for a terminal.
func (x *Inspection) WriteText(w io.Writer) error {
	t := page.Table{Header: []string{"tensor", "file", "type", "shape"}}
	numbers := 0
	for _, tensor := range x.Tensors {
		numbers += numbersIn(tensor.Shape)
		t.Rows = append(t.Rows, []string{inLine(tensor.Name), tensor.File, tensor.DType, fmt.Sprint(tensor.Shape)})
	}
	if err := t.WriteText(w); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "%d tensors, %d numbers\n%s", len(x.Tensors), numbers, x.texts)
	return err
}

// numbersIn is how many numbers a tensor of a shape has.
func numbersIn(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// addSafetensors adds the tensors of a file.
func (x *Inspection) addSafetensors(path string) error {
	f, err := ckpt.Open(path)
	if err != nil {
		return err
	}
	for _, name := range f.Names() {
		t, _ := f.Info(name)
		x.Tensors = append(x.Tensors, TensorInfo{filepath.Base(path), name, string(t.DType), t.Shape})
	}
	return f.Close()
}

// addGGUF adds the tensors and the metadata of a file or set.
func (x *Inspection) addGGUF(path string) error {
	f, err := gguf.Open(path)
	if err != nil {
		return err
	}
	for _, name := range f.Names() {
		t, _ := f.Info(name)
		x.Tensors = append(x.Tensors, TensorInfo{filepath.Base(path), name, t.Type.String(), t.Shape})
	}
	x.texts += fmt.Sprintf("\nmetadata of %s, GGUF version %d:\n", filepath.Base(path), f.Version())
	for _, key := range f.Keys() {
		x.texts += fmt.Sprintf("  %s: %s\n", inLine(key), f.Describe(key))
	}
	return f.Close()
}

// inLine is a name that fits into a line.
func inLine(name string) string { return strings.Trim(strconv.Quote(name), `"`) }

// safetensorsIn are the files of a folder, among which there are all that an index names.
func safetensorsIn(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var files []string
	for _, e := range entries {
		if filepath.Ext(e.Name()) == ".safetensors" {
			files = append(files, filepath.Join(dir, e.Name()))
		}
	}
	if exists(filepath.Join(dir, ckpt.IndexFile)) {
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
