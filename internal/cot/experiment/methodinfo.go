package experiment

import (
	"errors"
	"fmt"
	"io"

	"nfcot/internal/page"
)

// A MethodInfo is what people are told of a method.
type MethodInfo struct {
	Name       string `json:"method"`
	What       string `json:"what"`
	Samples    bool   `json:"samples"`
	Scores     bool   `json:"scores"`            // knows exact log-likelihoods
	Reinforces bool   `json:"reinforces"`        // can be trained by nfcot rl
	Density    string `json:"density,omitempty"` // what thoughts are drawn from by default
}

// DescribeMethods says what each of the Methods is, and can do.
func DescribeMethods() []MethodInfo {
	var all []MethodInfo
	for _, m := range Methods {
		// What samples with an exact likelihood can be reinforced.
		all = append(all, MethodInfo{Name: m.Name, What: m.What, Samples: true, Scores: m.Scores, Reinforces: m.Scores, Density: Default(m.Name).density()})
	}
	return all
}

// WriteMethods writes a table of the Methods, what thoughts are drawn from by default, and
// why some methods cannot be reinforced.
func WriteMethods(w io.Writer) error {
	yesNo := map[bool]string{true: "yes", false: "no"}
	t := page.Table{Header: []string{"method", "what it does", "samples", "scores", "reinforces"}}
	for _, m := range DescribeMethods() {
		t.Rows = append(t.Rows, []string{m.Name, m.What, yesNo[m.Samples], yesNo[m.Scores], yesNo[m.Reinforces]})
	}
	err := t.WriteText(w)
	for _, m := range DescribeMethods() {
		if m.Density != "" {
			_, failed := fmt.Fprintf(w, "%s draws, by default, from %s\n", m.Name, m.Density)
			err = errors.Join(err, failed)
		}
	}
	for _, m := range Methods {
		if why := m.CheckScores("reinforced"); why != nil {
			_, failed := fmt.Fprintln(w, why)
			err = errors.Join(err, failed)
		}
	}
	return err
}
