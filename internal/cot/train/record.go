package train

import (
	"encoding/json"
	"errors"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"nfcot/internal/ckpt"
	"nfcot/internal/cot"
	"nfcot/internal/cot/experiment"
)

// A record is what the steps of a run leave in its folder: lines of metrics.jsonl, and
// curves for TensorBoard. A nil record keeps nothing.
type record struct {
	log    *ckpt.Log
	events *ckpt.Events
}

// A curve has a value on some steps, under a name for TensorBoard.
type curve struct {
	group string
	cot.Term
}

// openRecord opens the record of the run folder dir to go on behind a step: an
// interrupted run may have done more steps than its state knows of. Without a folder
// ("") nothing is recorded.
func openRecord(dir string, done int) (*record, error) {
	if dir == "" {
		return nil, nil
	}
	log, err := ckpt.OpenLog(filepath.Join(dir, experiment.MetricsFile))
	if err != nil {
		return nil, err
	}
	if err := log.DropAfter(int64(done)); err != nil {
		return nil, errors.Join(err, log.Close())
	}
	from := int64(0)
	if done > 0 {
		from = int64(done) + 1
	}
	events, err := ckpt.NewEvents(dir, from)
	if err != nil {
		return nil, errors.Join(err, log.Close())
	}
	r := &record{log, events}
	if done == 0 {
		if err := r.begin(dir); err != nil {
			r.close(&err)
			return nil, err
		}
	}
	return r, nil
}

// begin records what the run is made by.
func (r *record) begin(dir string) error {
	text, settings, err := experiment.ReadSettings(dir)
	if err != nil || settings == nil {
		return err
	}
	if err := r.events.Settings(settings); err != nil {
		return err
	}
	return r.events.Text(0, "config", fenced(text))
}

// fenced is a text as Markdown that shows it as it is.
func fenced(text string) string {
	fence := "```"
	for strings.Contains(text, fence) {
		fence += "`"
	}
	return fence + "\n" + strings.TrimSuffix(text, "\n") + "\n" + fence + "\n"
}

// add records a step: its line, and its points of curves.
func (r *record) add(step int, line json.Marshaler, curves []curve) error {
	if r == nil {
		return nil
	}
	for _, c := range curves {
		if err := r.events.Scalar(int64(step), c.group+"/"+c.Name, c.Value); err != nil {
			return err
		}
	}
	return r.log.Append(line)
}

// show records what a model makes of a held-out prompt.
func (r *record) show(step int, prompt, answer string) error {
	return r.events.Text(int64(step), "held_out/sample", "prompt\n\n"+fenced(prompt)+"\nanswer\n\n"+fenced(answer))
}

// save saves a state. What led there is on the disk before it: steps that a run is not
// resumed before must not be missing, whatever ends the process or the machine.
func (r *record) save(state func() error) error {
	if r != nil {
		if err := errors.Join(r.log.Sync(), r.events.Sync()); err != nil {
			return err
		}
	}
	return state()
}

// close ends the record, and joins its error to err; without one the run has come to its
// end.
func (r *record) close(err *error) {
	if r != nil {
		if *err == nil {
			*err = r.events.Succeeded()
		}
		*err = errors.Join(*err, r.log.Close(), r.events.Close())
	}
}

// MarshalJSON writes the metrics as a line of metrics.jsonl.
func (m Metrics) MarshalJSON() ([]byte, error) {
	line := map[string]any{
		experiment.MetricStep: m.Step, experiment.MetricStage: m.Stage, experiment.MetricLoss: finite(m.Loss), experiment.MetricLR: m.LR,
		experiment.MetricNorm: m.Norm, experiment.MetricBackboneFLOPs: m.FLOPs, experiment.MetricFLOPs: m.FLOPs + m.HeadFLOPs,
		experiment.MetricTokenRate: float64(m.Tokens) / m.Time.Seconds(), experiment.MetricSeconds: m.Time.Seconds(),
	}
	if m.PeakMemory > 0 {
		line[experiment.MetricPeakMemory] = m.PeakMemory
	}
	for _, p := range m.Terms {
		line[p.Name] = finite(p.Value)
	}
	for _, p := range m.Held {
		line[experiment.MetricHeld+p.Name] = finite(p.Value)
	}
	return json.Marshal(line)
}

// finite is a number of a loss as JSON has it: nil for one that is NaN or infinite.
func finite(x float64) *float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return nil
	}
	return &x
}

// curves are the metrics for TensorBoard.
func (m Metrics) curves() (all []curve) {
	for _, p := range slices.Concat([]cot.Term{{Name: experiment.MetricLoss, Value: m.Loss}, {Name: experiment.MetricLR, Value: m.LR}, {Name: experiment.MetricNorm, Value: m.Norm}}, m.Terms) {
		all = append(all, curve{"train", p})
	}
	for _, p := range m.Held {
		all = append(all, curve{"held_out", p})
	}
	return all
}

// MarshalJSON writes the metrics as a line of metrics.jsonl.
func (m RLMetrics) MarshalJSON() ([]byte, error) {
	line := map[string]any{experiment.MetricStep: m.Step, experiment.MetricRollouts: m.Rollouts, experiment.MetricSeconds: m.Time.Seconds()}
	for _, c := range m.curves() {
		line[c.Name] = c.Value
	}
	return json.Marshal(line)
}

// curves are the metrics for TensorBoard.
func (m RLMetrics) curves() (all []curve) {
	for _, p := range []cot.Term{{Name: experiment.MetricReward, Value: m.Reward}, {Name: experiment.MetricRewardStd, Value: m.RewardStd},
		{Name: experiment.MetricKLThoughts, Value: m.KL.Thoughts}, {Name: experiment.MetricKLText, Value: m.KL.Text}, {Name: experiment.MetricEntropy, Value: m.Entropy},
		{Name: experiment.MetricClipThoughts, Value: m.Clipped.Thoughts}, {Name: experiment.MetricClipText, Value: m.Clipped.Text},
		{Name: experiment.MetricLoss, Value: m.Loss}, {Name: experiment.MetricLR, Value: m.LR}, {Name: experiment.MetricNorm, Value: m.Norm}} {
		all = append(all, curve{"rl", p})
	}
	return all
}
