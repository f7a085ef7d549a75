package study

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// A Ref names an entry by its id, or a file or folder from elsewhere by a path with a slash in it.
type Ref struct {
	ID   string
	line int
}

// UnmarshalYAML implements yaml.Unmarshaler. A reference that is given names something.
func (r *Ref) UnmarshalYAML(n *yaml.Node) error {
	r.line = n.Line
	if err := n.Load(&r.ID); err != nil {
		return err
	}
	if r.ID == "" {
		return errors.New("is empty")
	}
	return nil
}

// Expected says what a reference is in a plan.
func (*Ref) Expected() string { return "the id of an entry" }

// outside tells whether the reference is a path.
func (r Ref) outside() bool { return strings.Contains(r.ID, "/") }

// Settings are settings of an experiment by their keys, as texts.
type Settings map[string]string

// UnmarshalYAML implements yaml.Unmarshaler: it keeps numbers as they are written.
func (s *Settings) UnmarshalYAML(n *yaml.Node) error {
	var nodes map[string]yaml.Node
	if err := n.Load(&nodes); err != nil {
		return err
	}
	*s = Settings{}
	for key, value := range nodes {
		v := resolved(&value)
		if v.Kind != yaml.ScalarNode {
			return fmt.Errorf("%s is not a single value", key)
		}
		(*s)[key] = v.Value
	}
	return nil
}

// Expected says what settings are in a plan.
func (*Settings) Expected() string { return "settings of an experiment: keys with a single value each" }

// A baseKeys is what a plan may say that is another plan but for some values.
type baseKeys struct {
	Base       string              `yaml:"base"`
	Title      string              `yaml:"title"`
	Parameters map[string]any      `yaml:"parameters"`
	Seeds      map[string][]uint64 `yaml:"seeds"`
}

// ReadPlan reads and checks a plan. An error of the plan is a Mistake.
func ReadPlan(path string) (*Plan, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	root, err := parse(path, text)
	if err != nil {
		return nil, err
	}
	if base := lookUp(root, "base"); base != nil {
		over := root
		if err := check(path, over, reflect.TypeFor[baseKeys]()); err != nil {
			return nil, err
		}
		from := filepath.Join(filepath.Dir(path), base.Value)
		if text, err = os.ReadFile(from); err != nil {
			return nil, Mistake{path, base.Line, err.Error()}
		}
		if root, err = parse(from, text); err != nil {
			return nil, err
		}
		if err := override(path, from, root, over); err != nil {
			return nil, err
		}
		path = from
	}
	return decode(path, root)
}

// override puts the values of a plan in the places of its base's. All must have a place there.
func override(path, from string, root, over *yaml.Node) error {
	if lookUp(root, "base") != nil {
		return Mistake{path, lookUp(over, "base").Line, from + " has a base itself"}
	}
	if title := lookUp(over, "title"); title != nil && lookUp(root, "title") != nil {
		*lookUp(root, "title") = *title
	}
	for _, section := range []string{"parameters", "seeds"} {
		values := lookUp(over, section)
		for i := 0; values != nil && i+1 < len(values.Content); i += 2 {
			key := values.Content[i]
			place := lookUp(lookUp(root, section), key.Value)
			if place == nil {
				return Mistake{path, key.Line, fmt.Sprintf("%s has no %q among its %s", from, key.Value, section)}
			}
			*place = *resolved(values.Content[i+1])
		}
	}
	return nil
}

// decode makes a plan of a document's mapping.
func decode(path string, root *yaml.Node) (*Plan, error) {
	values := map[string]*yaml.Node{}
	if parameters := lookUp(root, "parameters"); parameters != nil {
		if err := check(path, parameters, reflect.TypeFor[map[string]any]()); err != nil {
			return nil, err
		}
		for i := 0; i+1 < len(parameters.Content); i += 2 {
			values[parameters.Content[i].Value] = resolved(parameters.Content[i+1])
		}
	}
	if err := substitute(path, root, values); err != nil {
		return nil, err
	}
	p := &Plan{path: path, byID: map[string]*Entry{}}
	if err := check(path, root, reflect.TypeFor[Plan]()); err != nil {
		return nil, err
	}
	if err := root.Load(p); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	entries := lookUp(root, "entries")
	for i := range p.Entries {
		if err := p.settle(&p.Entries[i], resolved(entries.Content[i])); err != nil {
			return nil, err
		}
	}
	return p, p.checkReport(root)
}

func (p *Plan) mistake(line int, format string, args ...any) error {
	return Mistake{p.path, line, fmt.Sprintf(format, args...)}
}

// identifier is what names of files may be on every system.
var identifier = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

// settle checks an entry, which its node is, and notes it among those that others below can name.
func (p *Plan) settle(e *Entry, n *yaml.Node) error {
	e.line = n.Line
	specs := e.specs()
	switch {
	case !identifier.MatchString(e.ID):
		return p.mistake(e.line, "the entry's id is %q; want letters, digits and . _ -, as for a file", e.ID)
	case p.byID[e.ID] != nil:
		return p.mistake(e.line, "there are two entries %q; the first is in line %d", e.ID, p.byID[e.ID].line)
	case e.Seeds != "" && len(p.Seeds[e.Seeds]) == 0:
		return p.mistake(e.line, "entry %s: there are no seeds %q; there are %s", e.ID, e.Seeds, list(p.Seeds))
	case len(specs) != 1:
		return p.mistake(e.line, "entry %s: want exactly one of data, tokenize, distill, measure, train, rl, eval, probe; found %d", e.ID, len(specs))
	}
	for kind, spec := range specs {
		e.kind = kind
		if err := lookUp(n, kind).Load(&e.given); err != nil {
			return p.mistake(e.line, "entry %s: %v", e.ID, err)
		}
		if err := p.checkEntry(e); err != nil {
			return err
		}
		for ref := range refs(spec) {
			if err := p.checkRef(e, ref); err != nil {
				return err
			}
		}
	}
	p.byID[e.ID] = e
	return nil
}

// A use is a reference and the kinds of entries that it may name.
type use struct {
	Ref
	kinds []string
}

// refs are the references in a value, as deep as it goes.
func refs(of any) func(yield func(use) bool) {
	return func(yield func(use) bool) { walkRefs(reflect.ValueOf(of), nil, yield) }
}

func walkRefs(v reflect.Value, kinds []string, yield func(use) bool) bool {
	if ref, ok := v.Interface().(Ref); ok {
		return ref.ID == "" || yield(use{ref, kinds})
	}
	switch v.Kind() {
	case reflect.Pointer:
		return v.IsNil() || walkRefs(v.Elem(), kinds, yield)
	case reflect.Slice:
		for i := range v.Len() {
			if !walkRefs(v.Index(i), kinds, yield) {
				return false
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if f.IsExported() && !walkRefs(v.Field(i), strings.Fields(f.Tag.Get("ref")), yield) {
				return false
			}
		}
	}
	return true
}

// find is the entry that a reference names, of one of its kinds.
func (p *Plan) find(ref use) (*Entry, error) {
	e := p.byID[ref.ID]
	switch {
	case e == nil:
		return nil, p.mistake(ref.line, "there is no entry %q above; the ids are %s", ref.ID, list(p.byID))
	case !slices.Contains(ref.kinds, e.kind):
		return nil, p.mistake(ref.line, "entry %s is of kind %s; want %s", ref.ID, e.kind, strings.Join(ref.kinds, " or "))
	}
	return e, nil
}

// checkRef refuses a reference of an entry to what is not there under all of its seeds.
func (p *Plan) checkRef(e *Entry, ref use) error {
	if ref.outside() {
		return nil
	}
	other, err := p.find(ref)
	if err != nil {
		return err
	}
	for _, s := range p.seeds(e) {
		if _, ok := p.under(other, s); !ok {
			return p.mistake(ref.line, "entry %s has seed %d, and %s, which it takes, does not", e.ID, s.value, other.ID)
		}
	}
	return nil
}

// checkEntry refuses entries that their commands would refuse late, or not at all.
func (p *Plan) checkEntry(e *Entry) error {
	lacking := func(what string) error { return p.mistake(e.line, "entry %s: %s is missing", e.ID, what) }
	switch {
	case e.Measure != nil && !(e.Measure.Budget > 0):
		return lacking("budget")
	case e.Train != nil && e.Train.Budget != 0:
		return p.mistake(e.line, "entry %s: budget is for measure; name the measuring entry in steps", e.ID)
	case e.Train != nil && len(e.Train.Steps.Share) > 0 && e.Train.Steps.Of.ID == "":
		return lacking("steps.of")
	case e.Train != nil && e.Train.Steps.Of.outside():
		return p.mistake(e.Train.Steps.Of.line, "steps.of is %q; want the id of a measuring entry", e.Train.Steps.Of.ID)
	case (e.Train != nil || e.Measure != nil) && e.given["method"] == nil && e.given["config"] == nil && e.given["init"] == nil:
		return lacking("method")
	case e.RL != nil && e.RL.Init.ID == "":
		return lacking("init")
	case e.Eval != nil && e.Eval.Model.ID == "", e.Probe != nil && e.Probe.Model.ID == "":
		return lacking("model")
	case e.Probe != nil && !slices.Contains(probeKinds, e.Probe.Kind):
		return p.mistake(e.line, "entry %s: kind is %q; want one of %s", e.ID, e.Probe.Kind, strings.Join(probeKinds, ", "))
	}
	return nil
}

// reported are the references of the report and the claims.
func (p *Plan) reported() func(yield func(use) bool) {
	return refs(struct {
		Report []Section
		Claims []Claim
	}{p.Report, p.Claims})
}

// checkReport refuses sections and claims that name what is not there or of another kind.
func (p *Plan) checkReport(root *yaml.Node) error {
	for ref := range p.reported() {
		if _, err := p.find(ref); err != nil {
			return err
		}
	}
	for _, s := range p.Report {
		wants := map[string][]Ref{}
		if s.Noise != nil {
			wants["perturb"] = s.Noise.IDs
		}
		if s.Thoughts != nil {
			wants["oracle"] = s.Thoughts.IDs
		}
		if s.Interventions != nil {
			wants["intervene"] = s.Interventions.IDs
		}
		if s.Likelihoods != nil {
			wants["likelihood"] = s.Likelihoods.IDs
		}
		if s.Readings != nil {
			wants["read"] = s.Readings.IDs
		}
		if err := p.checkBudget(s.Budget); err != nil {
			return err
		}
		for kind, ids := range wants {
			for _, id := range ids {
				if found := p.byID[id.ID].Probe.Kind; found != kind {
					return p.mistake(id.line, "entry %s is a probe of kind %s; want %s", id.ID, found, kind)
				}
			}
		}
	}
	for i, c := range p.Claims {
		line := resolved(lookUp(root, "claims").Content[i]).Line
		for _, x := range c.Evidence {
			if err := p.checkEvidence(x, line); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkBudget refuses an axis that there is not, and one whose numbers the plan does not have.
func (p *Plan) checkBudget(b *Budget) error {
	if b == nil {
		return nil
	}
	for _, line := range b.Lines {
		for _, id := range line.IDs {
			runs := p.trainings(p.byID[id.ID])
			switch {
			case !slices.Contains(budgetAxes, b.Over):
				return p.mistake(id.line, "over is %q; want flops or examples", b.Over)
			case b.Over == "examples" && (len(runs) == 0 || slices.ContainsFunc(runs, func(run *Entry) bool { return run.batch() == 0 })):
				return p.mistake(id.line, "entry %s: how many examples a step has is not in the plan; want batch in set of its training", id.ID)
			}
		}
	}
	return nil
}

// sorted are the keys of a map in their order.
func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
