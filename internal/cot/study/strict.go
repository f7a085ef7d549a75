package study

// Plans are read strictly: what is not known, of the wrong type or given twice is an error that names file and line.

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v4"

	"nfcot/internal/cot/experiment"
)

// A Mistake is what is wrong with a plan, at a line of its file.
type Mistake struct {
	Path string
	Line int
	What string
}

// Error is path:line: what (error).
func (m Mistake) Error() string { return fmt.Sprintf("%s:%d: %s", m.Path, m.Line, m.What) }

const noPlan = "want a plan: keys like seeds and entries, with values"

// parse reads a file's text as one mapping.
func parse(path string, text []byte) (*yaml.Node, error) {
	var doc yaml.Node
	if err := yaml.Load(text, &doc); err != nil {
		if e := new(yaml.LoadError); errors.As(err, &e) && e.Mark.Line > 0 {
			return nil, Mistake{path, e.Mark.Line, e.Message}
		}
		return nil, Mistake{path, 1, noPlan}
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode {
		return nil, Mistake{path, max(1, doc.Line), noPlan}
	}
	return doc.Content[0], nil
}

// lookUp is the value of a key of a mapping, nil if it has none.
func lookUp(n *yaml.Node, key string) *yaml.Node {
	if n != nil && n.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == key {
				return resolved(n.Content[i+1])
			}
		}
	}
	return nil
}

// resolved is what an alias stands for.
func resolved(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// parameter is how values stand for parameters: ${NAME}.
var parameter = regexp.MustCompile(`\$\{([^}]*)\}`)

// substitute puts the values of parameters in their places. A text that is one parameter alone becomes its value, with
// its type; in longer texts a parameter becomes what the plan has for it.
func substitute(path string, n *yaml.Node, values map[string]*yaml.Node) error {
	for _, child := range n.Content {
		if err := substitute(path, child, values); err != nil {
			return err
		}
	}
	if n.Kind != yaml.ScalarNode {
		return nil
	}
	for _, found := range parameter.FindAllStringSubmatch(n.Value, -1) {
		value, ok := values[found[1]]
		switch {
		case !ok:
			return Mistake{path, n.Line, fmt.Sprintf("there is no parameter %q; there are %s", found[1], list(values))}
		case n.Value == found[0]:
			n.Kind, n.Tag, n.Style, n.Value, n.Content = value.Kind, value.Tag, value.Style, value.Value, value.Content
			return nil
		case value.Kind != yaml.ScalarNode:
			return Mistake{path, n.Line, fmt.Sprintf("parameter %q is not a single value and cannot stand within a text", found[1])}
		}
		n.Value = strings.ReplaceAll(n.Value, found[0], value.Value)
	}
	return nil
}

// list writes the keys of a map.
func list[V any](m map[string]V) string {
	return strings.Join(sorted(m), ", ")
}

// check tells whether a node has what a type has a place for.
func check(path string, n *yaml.Node, t reflect.Type) error {
	n = resolved(n)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	_, own := reflect.New(t).Interface().(yaml.Unmarshaler)
	switch {
	case t.Kind() == reflect.Interface:
		return nil
	case t.Kind() == reflect.Struct && !own:
		return checkStruct(path, n, t)
	case t.Kind() == reflect.Slice && !own:
		if n.Kind != yaml.SequenceNode {
			return Mistake{path, n.Line, "found " + describe(n) + ", expected a list"}
		}
		for _, element := range n.Content {
			if err := check(path, element, t.Elem()); err != nil {
				return err
			}
		}
		return nil
	case t.Kind() == reflect.Map && !own:
		return checkMapping(path, n, func(_, value *yaml.Node) error { return check(path, value, t.Elem()) })
	}
	if n.ShortTag() == "!!null" || n.Load(reflect.New(t).Interface()) != nil {
		return Mistake{path, n.Line, fmt.Sprintf("found %s, expected %s", describe(n), experiment.Expected(t))}
	}
	return nil
}

// checkStruct is check for a type with a place for each key. What is about an entry, a row of a table, names it.
func checkStruct(path string, n *yaml.Node, t reflect.Type) error {
	places := experiment.Fields(reflect.New(t).Elem())
	given := map[string]bool{}
	err := checkMapping(path, n, func(key, value *yaml.Node) error {
		place, ok := places[key.Value]
		if !ok {
			return Mistake{path, key.Line, fmt.Sprintf("there is no key %q here; there are %s", key.Value, list(places))}
		}
		given[key.Value] = true
		return check(path, value, place.Type())
	})
	if id, ok := places["id"]; err == nil && ok && id.Type() == reflect.TypeFor[Ref]() && !given["id"] {
		err = Mistake{path, n.Line, "id is missing; want " + experiment.Expected(id.Type())}
	}
	return err
}

// checkMapping checks the keys and values of a mapping, those that it merges included.
func checkMapping(path string, n *yaml.Node, each func(key, value *yaml.Node) error) error {
	n = resolved(n)
	if n.Kind != yaml.MappingNode {
		return Mistake{path, n.Line, "found " + describe(n) + ", expected keys with values"}
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], resolved(n.Content[i+1])
		if key.ShortTag() != "!!merge" {
			if seen[key.Value] {
				return Mistake{path, key.Line, fmt.Sprintf("key %q is given twice", key.Value)}
			}
			seen[key.Value] = true
			if err := each(key, value); err != nil {
				return err
			}
			continue
		}
		merged := []*yaml.Node{value}
		if value.Kind == yaml.SequenceNode {
			merged = value.Content
		}
		for _, m := range merged {
			if err := checkMapping(path, m, each); err != nil {
				return err
			}
		}
	}
	return nil
}

func describe(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "keys with values"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Value == "":
		return "nothing"
	}
	return fmt.Sprintf("%q", n.Value)
}
