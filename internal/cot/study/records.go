package study

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"nfcot/internal/ckpt"
	"nfcot/internal/cot/experiment"
)

// Records copies what reports are made of, and who made it, from a study's folder to another: of evaluations report and
// verdicts (without the numbers of thoughts), of trainings their metrics, of probes what they found; verdicts and metrics
// compressed. A report of the copy is the same but for numbers of parameters. Run goes on from it, too: what has records
// is not made again, and the data and weights that are missing only where something needs them. It returns the number of
// entries copied.
func Records(p *Plan, dir, to string) (n int, err error) {
	for _, j := range p.jobs(dir) {
		from := j.out
		name, err := filepath.Rel(dir, from)
		if err != nil {
			return n, err
		}
		if !exists(j.recorded()) || j.interrupted() {
			continue
		}
		if err := j.record(from, filepath.Join(to, name)); err != nil {
			return n, fmt.Errorf("%s: %w", j.ID, err)
		}
		n++
	}
	return n, keepLines[json.RawMessage](filepath.Join(dir, madeFile), filepath.Join(to, madeFile), nil)
}

// recorded is a file that is there when the job is done, and stays: weights may have been deleted since, or be those that
// records of a study do without.
func (j *job) recorded() string {
	if j.State != "" {
		return ckpt.OrCompressed(filepath.Join(j.out, experiment.MetricsFile))
	}
	return j.Done
}

// record copies what is kept of a job.
func (j *job) record(from, to string) error {
	switch j.kind {
	case "train", "measure", "rl":
		return keepLines[json.RawMessage](filepath.Join(from, experiment.MetricsFile), filepath.Join(to, experiment.MetricsFile+".zst"), nil)
	case "eval":
		if err := keepFile(j.Done, filepath.Join(to, filepath.Base(j.Done))); err != nil {
			return err
		}
		const verdicts = "verdicts.jsonl"
		// Thoughts are nearly all of a line, and no report reads them.
		withoutThoughts := func(line map[string]json.RawMessage) { delete(line, "thoughts") }
		return keepLines(filepath.Join(from, verdicts), filepath.Join(to, verdicts+".zst"), withoutThoughts)
	case "probe":
		return keepFile(from, to)
	}
	return nil
}

// keepLines copies JSON lines, which may be compressed in either place, after change, unless it is nil, has changed each.
func keepLines[T any](from, to string, change func(T)) error {
	lines, err := ckpt.ReadAllJSONL[T](ckpt.OrCompressed(from))
	if err != nil {
		return err
	}
	for i := range lines {
		if change != nil {
			change(lines[i])
		}
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return ckpt.WriteJSONL(to, slices.Values(lines))
}

// keepFile copies a file.
func keepFile(from, to string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return ckpt.WriteBytes(to, text)
}
