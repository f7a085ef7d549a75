package cli

// Where the samples of an evaluation come from, and how far they are.

import (
	"errors"
	"fmt"
	"iter"
	"path/filepath"
	"sync"

	"nfcot/internal/cot"
	"nfcot/internal/cot/train"
	"nfcot/internal/eval"
	"nfcot/internal/eval/bench"
)

// A source has the samples of an evaluation, those of its shard, by number.
type source interface {
	// numbers are the numbers of the samples among those of all shards, rising.
	numbers() []int

	// total is the number of samples of all shards.
	total() int

	// open makes ready for samples, and remove ends its journal when nobody will
	// ask again; close without remove keeps it.
	open(e *env, o evalOptions, x settings) error
	remove() error
	close()

	// samples yields the samples of the numbers in remaining.
	samples(remaining []int, show *judging) iter.Seq2[eval.Numbered, error]
}

// openSource reads the samples given, or the model that draws them, and adds to
// the settings what they depend on.
func (e *env) openSource(o evalOptions, problems []eval.Problem, recipe *bench.Recipe, x *settings) (source, error) {
	if o.samples != "" {
		return readSource(o, problems, x)
	}
	if err := eval.CheckSamples(problems, nil); err != nil {
		return nil, inputf("%s: %w", o.bench, err)
	}
	run, err := o.open()
	if err != nil {
		return nil, err
	}
	hash, err := hashModel(o.model, run.Experiment)
	if err != nil {
		return nil, err
	}
	x.Method = run.Model.Method.Name
	x.Sampling = &sampling{Model: hash, Weights: o.weights, N: o.n, Sampling: o.Canonical()}
	return &drawn{e: e, run: run, problems: problems, recipe: recipe, options: o}, nil
}

// given are samples of a file.
type given struct {
	all []eval.Sample
	own []int
}

func readSource(o evalOptions, problems []eval.Problem, x *settings) (*given, error) {
	samples, err := readSamples(o.samples)
	if err != nil {
		return nil, err
	}
	if err := eval.CheckSamples(problems, samples); err != nil {
		return nil, inputf("%s for %s: %w", o.samples, o.bench, err)
	}
	if x.SamplesHash, err = hashSamples(samples); err != nil {
		return nil, err
	}
	own := make(map[string]bool)
	for _, p := range o.shard.of(problems) {
		own[p.TaskID] = true
	}
	g := &given{all: samples}
	for i, s := range samples {
		if own[s.TaskID] {
			g.own = append(g.own, i)
		}
	}
	return g, nil
}

func (g *given) numbers() []int                         { return g.own }
func (g *given) total() int                             { return len(g.all) }
func (g *given) open(*env, evalOptions, settings) error { return nil }
func (g *given) remove() error                          { return nil }
func (g *given) close()                                 {}

func (g *given) samples(remaining []int, _ *judging) iter.Seq2[eval.Numbered, error] {
	return func(yield func(eval.Numbered, error) bool) {
		for _, i := range remaining {
			if !yield(eval.Numbered{Index: i, Sample: g.all[i]}, nil) {
				return
			}
		}
	}
}

// drawn are samples that a model draws, n a problem, problem by problem. Each
// depends on the seed, its prompt and its place among the n alone, so that what
// is missing can be drawn later.
type drawn struct {
	e        *env
	run      *train.Run
	problems []eval.Problem // of all shards
	recipe   *bench.Recipe
	options  evalOptions
	journal  *journal[eval.Sample]
}

func (d *drawn) numbers() []int {
	var numbers []int
	for i := range d.problems {
		if d.options.shard.has(i) {
			for j := range d.options.n {
				numbers = append(numbers, i*d.options.n+j)
			}
		}
	}
	return numbers
}

func (d *drawn) total() int { return len(d.problems) * d.options.n }

// drawing is what drawn samples depend on.
type drawing struct {
	Problems string   `json:"problems_sha256"`
	Seed     uint64   `json:"seed"`
	Recipe   string   `json:"recipe"`
	Sampling sampling `json:"sampling"`
	Shard    string   `json:"shard"`
}

func (d *drawn) open(e *env, o evalOptions, x settings) (err error) {
	d.journal, err = openJournal[eval.Sample](e, filepath.Join(o.out, journalOf(samplesFile)), drawing{x.ProblemsHash, x.Seed, x.Recipe, *x.Sampling, o.shard.String()})
	return err
}

func (d *drawn) remove() error { return d.journal.remove() }
func (d *drawn) close()        { d.journal.close() }

// errEnough stops the drawing of samples that nobody wants any more.
var errEnough = errors.New("enough samples")

func (d *drawn) samples(remaining []int, show *judging) iter.Seq2[eval.Numbered, error] {
	return func(yield func(eval.Numbered, error) bool) {
		missing := map[int]bool{}
		var problems []eval.Problem // that miss a sample
		var first []int             // their first samples' numbers
		for _, i := range remaining {
			if s, ok := d.journal.rows[i]; ok {
				if !yield(eval.Numbered{Index: i, Sample: s}, nil) {
					return
				}
				continue
			}
			missing[i] = true
			if begin := i - i%d.options.n; len(first) == 0 || first[len(first)-1] != begin {
				first = append(first, begin)
				problems = append(problems, d.problems[i/d.options.n])
			}
		}
		if len(missing) == 0 {
			return
		}
		show.sample("sample "+d.run.Model.Method.Name, d.total(), len(missing))
		at := 0 // samples drawn
		err := d.e.sampleBatches(d.run, problems, d.recipe, d.options.samplingOptions, d.options.options(d.run, d.recipe), func(p eval.Problem, s cot.Sample) error {
			i := first[at/d.options.n] + at%d.options.n
			at++
			if !missing[i] {
				return nil
			}
			line, err := sampleLine(d.run, p, d.recipe, s, d.options.samplingOptions)
			if err != nil {
				return err
			}
			show.drew(line.Finished)
			if err := d.journal.add(i, line); err != nil {
				return err
			}
			if !yield(eval.Numbered{Index: i, Sample: line}, nil) {
				return errEnough
			}
			return nil
		})
		if err == nil {
			show.allDrawn()
		} else if !errors.Is(err, errEnough) {
			yield(eval.Numbered{}, err)
		}
	}
}

// A judging shows how far an evaluation is: its sampling, as long as that lasts,
// with what is judged meanwhile, then the rest of the judging.
type judging struct {
	e  *env
	mu sync.Mutex

	sampling        *progress // nil before and after
	drawn, finished int

	bar            *progress
	judged, passed int
}

// showJudging begins to show the judging of samples, some of which have a verdict.
func (e *env) showJudging(verdicts *journal[eval.Verdict], samples int) *judging {
	j := &judging{e: e, judged: len(verdicts.rows)}
	for _, v := range verdicts.rows {
		if v.Passed {
			j.passed++
		}
	}
	j.bar = e.progress("judge", "programs", j.judged, samples)
	return j
}

// sample begins to show the drawing of the samples that are missing.
func (j *judging) sample(label string, all, missing int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.sampling = j.e.progress(label, "samples", all-missing, all)
	j.drawn = all - missing
}

func (j *judging) drew(finished bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.drawn++
	if finished {
		j.finished++
	}
	j.show()
}

func (j *judging) allDrawn() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.sampling.end(j.finishedInfo())
	j.sampling = nil
}

func (j *judging) verdict(v eval.Verdict) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.judged++
	if v.Passed {
		j.passed++
	}
	j.show()
}

// end closes the display.
func (j *judging) end() { j.bar.end(j.passedInfo()) }

func (j *judging) show() {
	if j.sampling != nil {
		j.sampling.set(j.drawn, fmt.Sprintf("%s, %d judged, %s", j.finishedInfo(), j.judged, j.passedInfo()))
	}
	if j.sampling == nil {
		j.bar.set(j.judged, j.passedInfo())
	}
	j.bar.done = j.judged
}

func (j *judging) passedInfo() string {
	return fmt.Sprintf("%.1f %% passed", 100*float64(j.passed)/float64(max(1, j.judged)))
}

func (j *judging) finishedInfo() string {
	return fmt.Sprintf("%.1f %% finished", 100*float64(j.finished)/float64(max(1, j.drawn-j.sampling.first)))
}

// work is what the verdicts of a shard depend on.
type work struct {
	settings
	Shard string `json:"shard"`
}
