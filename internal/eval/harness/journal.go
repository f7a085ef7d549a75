package harness

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"nfcot/internal/ckpt"
	"nfcot/internal/ckpt/jsontext"
)

// A journal is the file of a plan that is being carried out: a line with the plan,
// then a line for each numbered row that is done, in the order in which they were.
// Whoever starts the same plan again, after an interruption or a kill at any moment,
// goes on from there.
type journal[T any] struct {
	path string
	log  *ckpt.Log
	rows map[int]T // by number

	// conditions are those under which rows were added, each once: what the rows do
	// not depend on, but their readers want to know.
	conditions []string
}

// entry is a line of a journal: the first one has the plan, the others a row or a
// condition of the rows that follow.
type entry[T any] struct {
	Plan      json.RawMessage
	Condition string
	Index     int
	Row       *T
}

// MarshalJSON writes the line: a row may be JSON that only Python writes.
func (e entry[T]) MarshalJSON() ([]byte, error) {
	line := []byte(`{`)
	put := func(key string, value any) error {
		text, err := jsontext.Marshal(value)
		line = append(append(append(line, key...), text...), ',')
		return err
	}
	var err error
	if e.Plan != nil {
		err = put(`"plan":`, e.Plan)
	}
	if e.Condition != "" {
		err = errors.Join(err, put(`"condition":`, e.Condition))
	}
	err = errors.Join(err, put(`"index":`, e.Index))
	if e.Row != nil {
		err = errors.Join(err, put(`"row":`, e.Row))
	}
	line[len(line)-1] = '}'
	return line, err
}

// UnmarshalJSON reads the line.
func (e *entry[T]) UnmarshalJSON(line []byte) error {
	fields, err := jsontext.Object(line)
	if err != nil {
		return err
	}
	e.Plan = fields["plan"]
	if row, ok := fields["row"]; ok {
		e.Row = new(T)
		err = jsontext.Unmarshal(row, e.Row)
	}
	for key, value := range map[string]any{"condition": &e.Condition, "index": &e.Index} {
		if text, ok := fields[key]; ok && err == nil {
			err = jsontext.Unmarshal(text, value)
		}
	}
	return err
}

// openJournal opens or creates the journal of a plan: everything that the rows
// depend on, as an object. A journal of another plan, or a damaged one, is begun
// anew, and logf is told so, by the name of the command and of what it does.
func openJournal[T any](path string, plan any, command, work string, logf func(string, ...any)) (*journal[T], error) {
	text, err := json.Marshal(plan)
	if err != nil {
		return nil, err
	}
	log, err := ckpt.OpenLog(path)
	if errors.Is(err, ckpt.ErrBusy) {
		return nil, input(err)
	}
	if err != nil {
		return nil, err
	}
	j := &journal[T]{path: path, log: log, rows: map[int]T{}}
	difference, err := j.read(text)
	switch {
	case err == nil && difference == "":
		return j, nil
	case errors.Is(err, ckpt.ErrEmpty):
	case err != nil:
		logf("%s: beginning anew: %v", command, err)
	default:
		logf("%s: beginning anew: %s is of %s with another %s", command, path, work, difference)
	}
	clear(j.rows)
	j.conditions = nil
	if err := errors.Join(os.Truncate(path, 0), log.Append(entry[T]{Plan: text})); err != nil {
		log.Close()
		return nil, err
	}
	return j, nil
}

// read takes in the rows. It says how the journal's plan is another one.
func (j *journal[T]) read(plan []byte) (difference string, err error) {
	first := true
	for e, err := range ckpt.ReadJSONL[entry[T]](j.path) {
		switch {
		case err != nil:
			return "", err
		case first && !bytes.Equal(e.Plan, plan):
			return differences(e.Plan, plan), nil
		case !first && e.Condition != "":
			j.conditions = append(j.conditions, e.Condition)
		case !first && e.Row == nil:
			return "", fmt.Errorf("%s: is damaged", j.path)
		case !first:
			j.rows[e.Index] = *e.Row
		}
		first = false
	}
	return "", nil
}

// differences names the keys in which two plans differ.
func differences(a, b []byte) string {
	var x, y, all map[string]json.RawMessage
	if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
		return "plan"
	}
	all = maps.Clone(x)
	maps.Copy(all, y)
	var keys []string
	for _, key := range slices.Sorted(maps.Keys(all)) {
		if !bytes.Equal(x[key], y[key]) {
			keys = append(keys, key)
		}
	}
	return strings.Join(keys, ", ")
}

// under writes the condition under which rows will be added.
func (j *journal[T]) under(condition string) error {
	if condition == "" || slices.Contains(j.conditions, condition) {
		return nil
	}
	j.conditions = append(j.conditions, condition)
	return j.log.Append(entry[T]{Condition: condition})
}

// add writes a row. It may be called from several goroutines only if their
// calls do not overlap.
func (j *journal[T]) add(index int, row T) error {
	j.rows[index] = row
	return j.log.Append(entry[T]{Index: index, Row: &row})
}

// close keeps the journal for the next time.
func (j *journal[T]) close() error { return j.log.Close() }

// remove ends the journal: its plan is carried out.
func (j *journal[T]) remove() error {
	return errors.Join(j.log.Close(), os.Remove(j.path))
}
