package data

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"nfcot/internal/ckpt"
	"nfcot/internal/cot"
	"nfcot/internal/progress"
)

// A Source says where examples come from, and how they are read.
type Source struct {
	Files   Files   `yaml:"data,omitempty" json:"data,omitempty"`
	Format  string  `yaml:"format,omitempty" json:"format,omitempty"`     // one of FormatNames; "": found from the keys of each file's first row
	Columns Columns `yaml:"columns,omitempty" json:"columns,omitempty"`   // what the columns of the files are called
	CoTFrom string  `yaml:"cot_from,omitempty" json:"cot_from,omitempty"` // takes the chain out of the answer: one of Extractions

	// Begin makes the bar that shows how many MB are read, once that takes a while; or nil. Of
	// standard input, whose size nobody knows, none is asked for.
	Begin func(done, total int) *progress.Bar `yaml:"-" json:"-"`
}

// Given says whether anything is said of a source.
func (s Source) Given() bool {
	return len(s.Files) > 0 || s.Format+s.CoTFrom != "" || len(s.Columns) > 0
}

// Over is another source, read as s says where it says anything.
func (s Source) Over(other Source) Source {
	other.Format, other.CoTFrom = cmp.Or(s.Format, other.Format), cmp.Or(s.CoTFrom, other.CoTFrom)
	if len(s.Columns) > 0 {
		other.Columns = s.Columns
	}
	return other
}

// Check says what is wrong with what is said of the source, if anything is.
func (s Source) Check() error {
	if s.Format != "" && formatNamed(s.Format) == nil {
		return fmt.Errorf("--format is %s; want one of %s", s.Format, strings.Join(FormatNames(), ", "))
	}
	if s.CoTFrom != "" && !slices.Contains(Extractions, s.CoTFrom) {
		return fmt.Errorf("--cot-from is %s; want one of %s", s.CoTFrom, strings.Join(Extractions, ", "))
	}
	var known []string
	for _, f := range formats {
		if s.Format == "" || f.name == s.Format {
			known = append(append(known, f.keys...), f.also...)
		}
	}
	slices.Sort(known)
	for ours := range s.Columns {
		if !slices.Contains(known, ours) {
			return fmt.Errorf("--columns names %s; want one of %s", ours, strings.Join(slices.Compact(known), ", "))
		}
	}
	return nil
}

// Files are names and patterns (*.jsonl) of files, or "-" for standard input. In YAML one of
// them is a text, several are a list.
type Files []string

// MarshalYAML writes one name as a text.
func (f Files) MarshalYAML() (any, error) {
	if len(f) == 1 {
		return f[0], nil
	}
	return []string(f), nil
}

// UnmarshalYAML reads a text or a list of texts.
func (f *Files) UnmarshalYAML(construct func(any) error) error {
	var one string
	if construct(&one) == nil {
		*f = Files{one}
		return nil
	}
	return construct((*[]string)(f))
}

// String is how people are told of them.
func (f Files) String() string { return strings.Join(f, ", ") }

// expand is the files that names and patterns stand for, those of a pattern in the order of
// their names.
func (f Files) expand() ([]string, error) {
	var paths []string
	for _, name := range f {
		_, err := os.Lstat(name)
		if name == ckpt.Stdin || err == nil || !strings.ContainsAny(name, `*?[`) {
			paths = append(paths, name)
			continue
		}
		found, err := filepath.Glob(name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if len(found) == 0 {
			return nil, fmt.Errorf("%s: there is no such file", name)
		}
		paths = append(paths, found...)
	}
	if len(paths) == 0 {
		return nil, errors.New("no file of examples is named")
	}
	return paths, nil
}

// Columns are the names that a file's columns, or keys, have, by what they are called here:
// prompt, cot and answer, or the keys of another format.
type Columns map[string]string

// Set adds what a flag says: prompt=question,cot=rationale.
func (c *Columns) Set(text string) error {
	for pair := range strings.SplitSeq(text, ",") {
		ours, theirs, ok := strings.Cut(pair, "=")
		ours, theirs = strings.TrimSpace(ours), strings.TrimSpace(theirs)
		if !ok || ours == "" || theirs == "" {
			return fmt.Errorf("%q is no pair; want NAME=COLUMN,..., like prompt=question,answer=final", pair)
		}
		if _, twice := (*c)[ours]; twice {
			return fmt.Errorf("%s is given twice", ours)
		}
		if *c == nil {
			*c = Columns{}
		}
		(*c)[ours] = theirs
	}
	return nil
}

// String is what Set reads.
func (c Columns) String() string {
	pairs := make([]string, 0, len(c))
	for _, ours := range slices.Sorted(maps.Keys(c)) {
		pairs = append(pairs, ours+"="+c[ours])
	}
	return strings.Join(pairs, ",")
}

// Expected says what an experiment has under columns.
func (Columns) Expected() string { return "names of columns, like {prompt: question, answer: final}" }

// Read reads all examples. What could not be used is in the counts, whose String tells it.
// Errors name the file and its line or row.
func (s Source) Read() ([]cot.Example, Counts, error) {
	r := NewReader(s)
	var examples []cot.Example
	for ex, err := range r.Examples() {
		if err != nil {
			return nil, r.Counts, err
		}
		examples = append(examples, ex)
	}
	return examples, r.Counts, nil
}
