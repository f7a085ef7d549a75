package harness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"sync"

	"nfcot/internal/ckpt"
	"nfcot/internal/eval"
	"nfcot/internal/eval/starlark"
)

// A run is an evaluation under way. Until all files are there, it keeps journals of
// the samples drawn and of the verdicts.
type run struct {
	Plan
	problems []eval.Problem // of the shard
	numbers  []int          // of the shard's samples among those of all shards, rising
	total    int            // samples of all shards
	assemble eval.Assemble

	evaluation *Evaluation
	verdicts   *journal[eval.Verdict]
	samples    *journal[eval.Sample] // nil where samples are given

	mu       sync.Mutex // guards progress, and serializes Watch
	progress Progress
}

// Run does the work of an evaluation, or what earlier calls with the same plan left
// of it, and writes its files.
func Run(ctx context.Context, p Plan) (*Evaluation, error) {
	if err := p.warnOfUnsolved(ctx); err != nil {
		return nil, err
	}
	r, err := start(p)
	if err != nil {
		return nil, err
	}
	defer r.close()
	if err := r.judge(ctx); err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("%s: %w, work saved; continue with the same command", p.Out, ErrInterrupted)
		}
		return nil, err
	}
	x, err := r.finish(ctx)
	if err != nil {
		return nil, err
	}
	p.warnOfFailing(x)
	p.warnOfMarks(x)
	if len(x.MissingPackages) > 0 {
		p.Warnf("eval: warning: programs fail for packages that are not there: %s; they have those of the environment whose python --python names", missing(x.MissingPackages))
	}
	for _, k := range p.K {
		if k > x.MinSamples {
			p.Logf("eval: pass@%d is left out: it needs %d samples of every problem, and one has %d", k, k, x.MinSamples)
		}
	}
	return x, nil
}

// start opens the journals.
func start(p Plan) (*run, error) {
	if err := eval.CheckSamples(p.Problems, p.Given); err != nil {
		return nil, input(err)
	}
	r := &run{Plan: p, problems: p.Shard.of(p.Problems), assemble: eval.Memoize(p.Recipe.Assemble)}
	r.number()
	if err := r.describe(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(p.Out, 0o755); err != nil {
		return nil, err
	}
	// Verdicts do not depend on the layers that stood, which may be others when an
	// evaluation goes on.
	judging := judgingPlan{r.evaluation.Settings, p.Shard.String()}
	judging.Sandbox = ""
	var err error
	if r.verdicts, err = openJournal[eval.Verdict](filepath.Join(p.Out, journalOf(verdictsFile)), judging, "eval", "an evaluation", p.Logf); err != nil {
		return nil, err
	}
	if p.Draw != nil {
		x := r.evaluation
		drawing := drawingPlan{x.ProblemsHash, x.Seed, x.Recipe, x.Sampling, p.Shard.String()}
		r.samples, err = openJournal[eval.Sample](filepath.Join(p.Out, journalOf(samplesFile)), drawing, "eval", "an evaluation", p.Logf)
	}
	if err == nil {
		err = r.verdicts.under(r.evaluation.Sandbox)
	}
	// Whatever shard the folder held, its verdicts will be others'.
	if gone := os.Remove(filepath.Join(p.Out, shardFile)); err == nil && !errors.Is(gone, os.ErrNotExist) {
		err = gone
	}
	if err != nil {
		r.close()
		return nil, err
	}
	r.evaluation.Sandbox = joinLayers(r.verdicts.conditions)
	return r, nil
}

// judgingPlan is what the verdicts of a shard depend on.
type judgingPlan struct {
	Settings
	Shard string `json:"shard"`
}

// drawingPlan is what the samples drawn for a shard depend on.
type drawingPlan struct {
	Problems string          `json:"problems_sha256"`
	Seed     uint64          `json:"seed"`
	Recipe   string          `json:"recipe"`
	Sampling json.RawMessage `json:"sampling"`
	Shard    string          `json:"shard"`
}

// number finds the numbers of the shard's samples.
func (r *run) number() {
	own := make(map[string]bool, len(r.problems))
	for _, p := range r.problems {
		own[p.TaskID] = true
	}
	r.total = len(r.Given)
	if r.Draw != nil {
		r.total = len(r.Problems) * r.N
	}
	for i := range r.total {
		if own[r.task(i)] {
			r.numbers = append(r.numbers, i)
		}
	}
}

// task is the name of the problem of sample i.
func (r *run) task(i int) string {
	if r.Draw == nil {
		return r.Given[i].TaskID
	}
	return r.Problems[i/r.N].TaskID
}

// describe fills in where the verdicts come from.
func (r *run) describe() (err error) {
	x := &Evaluation{Dir: r.Out}
	x.Settings = Settings{Method: r.Method, Bench: r.Bench, Seed: r.Seed, Recipe: r.Recipe.Name, Sanitized: r.Recipe.Sanitized,
		ExecutorInfo: r.Executor.Info, Sampling: r.Sampling}
	if len(r.Problems) > 0 {
		x.Format = r.Problems[0].Format
	}
	if r.Shard != Whole {
		x.Shard = r.Shard.String()
	}
	if x.ProblemsHash, err = HashProblems(r.Problems); err != nil {
		return err
	}
	if r.Draw == nil {
		x.SamplesHash, err = hashSamples(r.Given)
	}
	r.evaluation = x
	return err
}

// judge judges the samples that have no verdict yet.
func (r *run) judge(ctx context.Context) error {
	var remaining []int
	for _, i := range r.numbers {
		if _, done := r.verdicts.rows[i]; !done {
			remaining = append(remaining, i)
		}
	}
	if judged := len(r.numbers) - len(remaining); judged > 0 {
		r.Logf("eval: going on in %s: %d of %d %s are judged", r.Out, judged, len(r.numbers), r.Executor.Info.judged())
	}
	r.report(func(p *Progress) {
		p.Samples, p.Unit = len(r.numbers), r.Executor.Info.judged()
		for _, v := range r.verdicts.rows {
			p.add(v)
		}
	})
	return eval.Judge(ctx, r.Executor, r.assemble, r.problems, r.take(ctx, remaining), r.Executor.Calls, func(i int, v eval.Verdict) error {
		r.report(func(p *Progress) { p.add(v) })
		return r.verdicts.add(i, v)
	})
}

// report changes the progress and tells who watches.
func (r *run) report(change func(*Progress)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.progress)
	if r.Watch != nil {
		r.Watch(r.progress)
	}
}

// take yields the samples of the numbers in remaining: those that are there, then
// those that have to be drawn.
func (r *run) take(ctx context.Context, remaining []int) iter.Seq2[eval.Indexed, error] {
	return func(yield func(eval.Indexed, error) bool) {
		var missing []int
		for _, i := range remaining {
			s, ok := r.sample(i)
			if !ok {
				missing = append(missing, i)
			} else if !yield(eval.Indexed{Index: i, Sample: s}, nil) {
				return
			}
		}
		if len(missing) == 0 {
			return
		}
		r.report(func(p *Progress) { p.Missing = len(missing) })
		for s, err := range r.Draw(ctx, missing, func(tokens int) { r.report(func(p *Progress) { p.Tokens = tokens }) }) {
			if err == nil {
				r.report(func(p *Progress) {
					p.Drawn++
					if s.Finished {
						p.Finished++
					}
				})
				err = r.samples.add(s.Index, s.Sample)
			}
			if !yield(s, err) || err != nil {
				return
			}
		}
	}
}

// sample is the sample of a number, if it is there.
func (r *run) sample(i int) (s eval.Sample, ok bool) {
	if r.Draw == nil {
		return r.Given[i], true
	}
	s, ok = r.samples.rows[i]
	return s, ok
}

// finish sums up the verdicts, writes all files and removes the journals.
func (r *run) finish(ctx context.Context) (*Evaluation, error) {
	x := r.evaluation
	for _, i := range r.numbers {
		v, ok := r.verdicts.rows[i]
		if !ok {
			return nil, fmt.Errorf("%s: sample %d of %d was not drawn", r.Out, i+1, r.total)
		}
		x.Verdicts = append(x.Verdicts, v)
	}
	var err error
	if x.Report, err = eval.Summarize(r.problems, x.Verdicts, r.K); err != nil {
		return nil, input(err)
	}
	var structures []eval.Structure
	if x.Format != eval.Answers {
		if structures, err = starlark.Structures(ctx, r.assemble, r.problems, x.Verdicts); err != nil {
			return nil, err
		}
	}
	x.AddStructures(structures)
	if r.Draw != nil && r.PeakMemory != nil {
		x.PeakMemory = r.PeakMemory()
	}
	results := r.Results
	if results == "" {
		results = filepath.Join(r.Out, verdictsFile)
	}
	if err := x.write(results); err != nil {
		return nil, err
	}
	if r.Shard != Whole {
		if err := r.writeShard(structures); err != nil {
			return nil, err
		}
	}
	return x, r.remove()
}

// writeShard writes what merging needs to know beside the verdicts.
func (r *run) writeShard(structures []eval.Structure) error {
	record := shardRecord{Shard: r.Shard.String(), Evaluation: r.evaluation.Settings, K: r.K, Samples: r.total, Numbers: r.numbers,
		Structures: structures, PeakMemory: r.evaluation.PeakMemory}
	for _, p := range r.Problems {
		record.Tasks = append(record.Tasks, p.TaskID)
	}
	return ckpt.WriteJSON(filepath.Join(r.Out, shardFile), record)
}

// close keeps the journals for the next time.
func (r *run) close() {
	r.verdicts.close()
	if r.samples != nil {
		r.samples.close()
	}
}

// remove ends the journals: nobody will ask again.
func (r *run) remove() error {
	if r.samples == nil {
		return r.verdicts.remove()
	}
	return errors.Join(r.samples.remove(), r.verdicts.remove())
}
