package experiment

// Experiments as YAML. It is read node by node: what is wrong with a setting is said in
// words for users, with the setting's name and its line.

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v4"
)

// A fault is what is wrong with a setting.
type fault struct {
	line int // from 1
	what string
}

// Read overlays the YAML text on e. A setting that does not exist, one that is given
// twice, and a value of another type are errors, which name their lines.
func (e *Experiment) Read(text []byte) error {
	root, err := parseYAML(text)
	if err != nil || root == nil {
		return err
	}
	var all []string
	for _, f := range overlay(reflect.ValueOf(e).Elem(), root, "") {
		all = append(all, fmt.Sprintf("line %d: %s", f.line, f.what))
	}
	return join(all)
}

// Set makes a change of the form KEY=VALUE, where the key a.b is setting b of section a.
func (e *Experiment) Set(change string) error {
	key, value, ok := strings.Cut(change, "=")
	if !ok || key == "" || value == "" {
		return errors.New("want KEY=VALUE")
	}
	node, err := parseYAML([]byte(value))
	if err != nil {
		return err
	}
	into := reflect.ValueOf(e).Elem()
	path := strings.Split(key, ".")
	for i := len(path) - 1; i >= 0; i-- {
		name := &yaml.Node{Kind: yaml.ScalarNode, Value: path[i]}
		node = &yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{name, node}}
	}
	var all []string
	for _, f := range overlay(into, node, "") {
		all = append(all, f.what)
	}
	return join(all)
}

// ReadSettings reads the settings of the run folder dir: the text of its config.yaml, and
// each of them by its key, a.b for setting b of section a, as a number, a text or a truth
// value. A folder without the file has none.
func ReadSettings(dir string) (text string, values map[string]any, err error) {
	path := filepath.Join(dir, ConfigFile)
	whole, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil, nil
	}
	var sections map[string]any
	if err == nil {
		err = yaml.Load(whole, &sections)
	}
	if err != nil {
		return "", nil, fmt.Errorf("%s: %w", path, err)
	}
	values = map[string]any{}
	flatten(values, "", sections)
	return string(whole), values, nil
}

// flatten puts the settings of sections into values.
func flatten(values map[string]any, prefix string, sections map[string]any) {
	for key, value := range sections {
		key = prefix + key
		switch v := value.(type) {
		case map[string]any:
			flatten(values, key+".", v)
		case bool, string, float64:
			values[key] = v
		case int:
			values[key] = float64(v)
		default: // a list, or a number as large as only seeds are
			values[key] = fmt.Sprint(v)
		}
	}
}

// join makes one error of all, nil of none.
func join(all []string) error {
	if len(all) == 0 {
		return nil
	}
	return errors.New(strings.Join(all, "; "))
}

// parseYAML returns the value that a text is, nil if it is empty.
func parseYAML(text []byte) (*yaml.Node, error) {
	if len(bytes.TrimSpace(text)) == 0 {
		return nil, nil
	}
	var document yaml.Node
	if err := yaml.Load(text, &document); err != nil {
		if e := new(yaml.LoadError); errors.As(err, &e) {
			return nil, fmt.Errorf("line %d: not YAML: %s", e.Mark.Line, e.Message)
		}
		return nil, err
	}
	if document.Kind != yaml.DocumentNode {
		return &document, nil
	}
	if len(document.Content) == 0 {
		return nil, nil
	}
	return document.Content[0], nil
}

// overlay puts what a node says into a value: a section of settings, or a setting. path
// is its name in full.
func overlay(into reflect.Value, n *yaml.Node, path string) []fault {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	switch into.Kind() {
	case reflect.Pointer:
		if into.IsNil() {
			into.Set(reflect.New(into.Type().Elem()))
		}
		return overlay(into.Elem(), n, path)
	case reflect.Struct:
		return overlaySection(into, n, path)
	}
	if n.Tag == "!!null" || n.Load(into.Addr().Interface()) != nil {
		return []fault{{n.Line, fmt.Sprintf("found %s, expected %s", valueOf(n), Expected(into.Type()))}}
	}
	if x := into; x.CanFloat() && (math.IsNaN(x.Float()) || math.IsInf(x.Float(), 0)) { // of which no JSON is made, and so no hash
		return []fault{{n.Line, fmt.Sprintf("found %s, expected a finite number", valueOf(n))}}
	}
	if into.Kind() == reflect.Int && max(into.Int(), -into.Int()) > mostOfAny {
		return []fault{{n.Line, fmt.Sprintf("found %s, expected a whole number of at most %d", valueOf(n), mostOfAny)}}
	}
	return nil
}

// mostOfAny is more than any setting is good for: sums and products of sizes must not go
// beyond 64 bits.
const mostOfAny = 1 << 30

// overlaySection is overlay for the settings of a section.
func overlaySection(into reflect.Value, n *yaml.Node, path string) (faults []fault) {
	if n.Kind != yaml.MappingNode {
		return []fault{{n.Line, fmt.Sprintf("found %s, expected settings, as in a run's %s", valueOf(n), ConfigFile)}}
	}
	settings := Fields(into)
	given := map[string]bool{}
	for i := 0; i < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		name := strings.TrimPrefix(path+"."+key.Value, ".")
		called := key.Value
		if _, ok := settings[called]; !ok {
			called = cmp.Or(renamed[called], called)
		}
		setting, ok := settings[called]
		switch {
		case !ok:
			faults = append(faults, fault{key.Line, fmt.Sprintf("there is no setting %s; their names are those in a run's %s", name, ConfigFile)})
		case given[called]:
			faults = append(faults, fault{key.Line, name + " is given twice"})
		default:
			given[called] = true
			faults = append(faults, overlay(setting, value, name)...)
		}
	}
	return faults
}

// renamed are the names that settings, and stages, had in older versions, with those that they have now: runs of older
// versions are read.
var renamed = map[string]string{
	"-1": "all", "0": "text", "1": "heads", "2": "joint", "3": "flow", "hold_flow": "freeze_flow", // of stages
	"last_stage": "last_phase", "merged": "fused", // of coconut, lora
	"part": "microbatch", "hold_sigma": "freeze_sigma", "trust": "clip_epsilon", // of rl
}

// Fields are the fields of a struct by their names in YAML, with those of inlined structs.
func Fields(v reflect.Value) map[string]reflect.Value {
	fields := map[string]reflect.Value{}
	for i := range v.NumField() {
		switch name, options, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ","); {
		case options == "inline":
			maps.Copy(fields, Fields(v.Field(i)))
		case name != "" && name != "-":
			fields[name] = v.Field(i)
		}
	}
	return fields
}

// valueOf is a value as a message shows it.
func valueOf(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a section"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Value == "":
		return "nothing"
	}
	return n.Value
}

// Expected says in words for users what values of a type are in YAML. A type that has words of
// its own has a method Expected.
func Expected(t reflect.Type) string {
	if own, ok := reflect.New(t).Interface().(interface{ Expected() string }); ok {
		return own.Expected()
	}
	switch t.Kind() {
	case reflect.Int:
		return "a whole number"
	case reflect.Uint64:
		return "a whole number that is not negative"
	case reflect.Float64:
		return "a number"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice:
		return "a list of texts"
	}
	return "a text"
}
