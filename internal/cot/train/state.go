package train

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"nfcot/internal/ckpt"
	"nfcot/internal/cot/experiment"
	"nfcot/internal/tensor"
)

// A state is what an interrupted run needs to continue: where it stands and the
// optimizer's moments. Random draws and the order of data follow from the
// position.
type state struct {
	position
	file *ckpt.File
}

const (
	stateFile  = "state.safetensors"
	whereFile  = "position.json"
	paramsName = "param."
	firstName  = "adam_m."
	secondName = "adam_v."
)

// An unrecorded step is in position.json as gob, which has infinities and what is not a
// number, too.
type unrecorded Metrics

// MarshalJSON implements json.Marshaler.
func (u *unrecorded) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	if err := gob.NewEncoder(&b).Encode((*Metrics)(u)); err != nil {
		return nil, err
	}
	return json.Marshal(b.Bytes())
}

// UnmarshalJSON implements json.Unmarshaler.
func (u *unrecorded) UnmarshalJSON(text []byte) error {
	var b []byte
	if err := json.Unmarshal(text, &b); err != nil {
		return err
	}
	return gob.NewDecoder(bytes.NewReader(b)).Decode((*Metrics)(u))
}

// save writes the run's state, if it has a folder. A large one takes long, so that one that
// is there already is left alone.
func (l *Loop) save(at position, o *tensor.AdamW) error {
	if l.onDisk != nil && l.onDisk.same(at) {
		return nil
	}
	l.onDisk = &at
	return l.record.save(func() error { return saveState(l.Dir, at, stateOf(l.Model, o)) })
}

// same says whether a run has the same state at two of its positions: stages without steps
// change nothing.
func (p position) same(q position) bool {
	return p.Done == q.Done && p.Total == q.Total && p.Unrecorded == q.Unrecorded
}

// stateOf are the tensors of a state: parameters and moments.
func stateOf(m *experiment.Model, o *tensor.AdamW) []ckpt.Tensor {
	var tensors []ckpt.Tensor
	for p := range m.Kept() {
		tensors = append(tensors, ckpt.Tensor{Name: paramsName + p.Name, Shape: p.Shape, Data: p.Data})
	}
	for _, m := range o.Moments {
		tensors = append(tensors,
			ckpt.Tensor{Name: firstName + m.Name, Shape: m.Shape, Data: m.M},
			ckpt.Tensor{Name: secondName + m.Name, Shape: m.Shape, Data: m.V})
	}
	return tensors
}

// saveState writes a state into a run's folder in one piece. Without a folder ("") it does
// nothing.
func saveState(dir string, at position, tensors []ckpt.Tensor) error {
	if dir == "" {
		return nil
	}
	return ckpt.WriteDir(filepath.Join(dir, experiment.StateDir), func(dir string) error {
		if err := ckpt.Write(filepath.Join(dir, stateFile), tensors, nil); err != nil {
			return err
		}
		where, err := json.Marshal(at)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, whereFile), append(where, '\n'), 0o644)
	})
}

// loadState reads a run's state and puts its parameters into m.
func loadState(dir string, m *experiment.Model) (*state, error) {
	path := filepath.Join(dir, experiment.StateDir, whereFile)
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%s: no saved state to resume from", filepath.Join(dir, experiment.StateDir))
	}
	s := new(state)
	if err := json.Unmarshal(data, &s.position); err != nil {
		return nil, fmt.Errorf("%s: invalid JSON: %w", path, err)
	}
	if s.file, err = ckpt.Open(filepath.Join(dir, experiment.StateDir, stateFile)); err != nil {
		return nil, err
	}
	for p := range m.Kept() {
		if err := tensor.LoadInto(p.Data, p.Shape, s.file, paramsName+p.Name); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// restore puts the saved moments into an optimizer that has taken some steps; at the start of
// a stage there are none.
func (s *state) restore(o *tensor.AdamW, steps int) error {
	if steps == 0 {
		return s.file.Close()
	}
	o.Steps = steps
	for _, m := range o.Moments {
		if err := tensor.LoadInto(m.M, m.Shape, s.file, firstName+m.Name); err != nil {
			return err
		}
		if err := tensor.LoadInto(m.V, m.Shape, s.file, secondName+m.Name); err != nil {
			return err
		}
	}
	return s.file.Close()
}
