package study

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"nfcot/internal/ckpt"
)

// madeFile notes in a study's folder which commands made what is there.
const madeFile = "made.jsonl"

// A made is a line of it: a job and its command, with paths in the study's folder.
type made struct {
	ID      string `json:"id"`
	Command string `json:"command"`
}

// Stale is the error that what is there, or begun, was made by another command than the plan has now.
type Stale struct{ Path, Was, Is string }

// Error says what has changed, and what to do (error).
func (s Stale) Error() string {
	return fmt.Sprintf("%s: was made by another command than the plan has now; was %s, is %s; delete it, and what was made from it, to make it anew", s.Path, s.Was, s.Is)
}

// Run does the jobs of a plan that are not done, as processes of the program self, at most jobs of them at a time. A
// training that was interrupted goes on. After the first failure no job begins; those that run are waited for. When ctx
// ends, the processes are interrupted and waited for, so that they can save what they have.
func Run(ctx context.Context, self []string, p *Plan, dir string, jobs int, logf func(string, ...any)) error {
	r := &runner{self: self, dir: dir, logf: logf, commands: map[string]string{}, done: map[string]bool{}}
	for _, j := range p.jobs("") {
		r.commands[j.ID] = j.Shell()
	}
	all := p.jobs(dir)
	if err := r.check(all); err != nil {
		return err
	}
	log, err := ckpt.OpenLog(filepath.Join(dir, madeFile))
	if err != nil {
		return err
	}
	r.log = log
	return errors.Join(r.run(ctx, all, jobs), log.Close())
}

// A runner does jobs.
type runner struct {
	self     []string
	dir      string
	logf     func(string, ...any)
	log      *ckpt.Log
	commands map[string]string // of jobs, with paths in the study's folder
	done     map[string]bool
}

// check makes the folders of a study, sees what is done, and refuses what another plan made.
func (r *runner) check(all []job) error {
	if err := os.MkdirAll(r.dir, 0o755); err != nil {
		return err
	}
	before := map[string]string{}
	path := filepath.Join(r.dir, madeFile)
	lines, err := ckpt.ReadAllJSONL[made](path)
	if err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, ckpt.ErrEmpty) {
		return err
	}
	for _, line := range lines {
		before[line.ID] = line.Command
	}
	for _, j := range all {
		if err := os.MkdirAll(filepath.Dir(j.out), 0o755); err != nil {
			return err
		}
		r.done[j.ID] = exists(j.Done) && !j.interrupted()
		was, is := before[j.ID], r.commands[j.ID]
		if was != "" && was != is && (r.done[j.ID] || j.interrupted()) {
			return Stale{j.out, was, is}
		}
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// interrupted tells whether the job is a training that can go on.
func (j *job) interrupted() bool { return j.State != "" && exists(j.State) }

// An outcome is how a job's process ended.
type outcome struct {
	id  string
	err error
}

// run starts what can start, in the order of the jobs, until all are done.
func (r *runner) run(ctx context.Context, all []job, limit int) error {
	waiting := r.wanted(all)
	r.logf("study: %d of %d entries are done", len(all)-len(waiting), len(all))
	ended := make(chan outcome)
	running, alone := 0, false
	var failed error
	for {
		for failed == nil && ctx.Err() == nil && running < limit && !alone {
			i := r.next(waiting, running)
			if i < 0 {
				break
			}
			j := waiting[i]
			waiting = slices.Delete(waiting, i, i+1)
			args, err := r.begin(j)
			if err != nil {
				failed = fmt.Errorf("%s: %w", j.ID, err)
				break
			}
			r.logf("study: %s begins; %d wait", j.ID, len(waiting))
			running, alone = running+1, j.Alone
			go func() { ended <- outcome{j.ID, r.do(ctx, j.ID, args)} }()
		}
		if running == 0 {
			break
		}
		o := <-ended
		running, alone = running-1, false
		r.done[o.id] = o.err == nil
		if o.err != nil && failed == nil {
			failed = fmt.Errorf("%s: %w", o.id, o.err)
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return failed
}

// wanted are the jobs to do, in their order: those that are not done, but for those that only jobs need which are. So
// records of results are enough, without the data and the weights that they came from. What was interrupted goes on.
func (r *runner) wanted(all []job) []job {
	needed, leads := map[string]bool{}, map[string]bool{} // by what is to be done; by anything
	var wanted []job
	for _, j := range slices.Backward(all) { // what a job needs stands before it
		if !r.done[j.ID] && (needed[j.ID] || !leads[j.ID] || j.interrupted()) {
			wanted = append(wanted, j)
		}
		for _, id := range j.Needs {
			leads[id] = true
			needed[id] = needed[id] || len(wanted) > 0 && wanted[len(wanted)-1].ID == j.ID
		}
	}
	slices.Reverse(wanted)
	return wanted
}

// next is the first job that can start beside so many others; those that are to be alone come when no other can. -1:
// none.
func (r *runner) next(waiting []job, running int) int {
	ready := func(alone bool) int {
		return slices.IndexFunc(waiting, func(j job) bool {
			return j.Alone == alone && !slices.ContainsFunc(j.Needs, func(id string) bool { return !r.done[id] })
		})
	}
	if i := ready(false); i >= 0 || running > 0 {
		return i
	}
	return ready(true)
}

// begin notes what makes the job's result, and returns the arguments of its command.
func (r *runner) begin(j job) ([]string, error) {
	if j.interrupted() {
		return j.Resume, nil
	}
	if j.State != "" { // what is there has not got as far as a state to go on from
		if err := os.RemoveAll(j.out); err != nil {
			return nil, err
		}
	}
	args, err := j.arguments()
	if err != nil {
		return nil, err
	}
	return args, r.log.Append(made{j.ID, r.commands[j.ID]})
}

// do runs the command of a job. What the process writes to stdout is a summary of what it leaves in files.
func (r *runner) do(ctx context.Context, id string, args []string) error {
	var stderr bytes.Buffer
	command := exec.CommandContext(ctx, r.self[0], append(slices.Clone(r.self[1:]), args...)...)
	command.Stderr = &stderr
	detach(command)
	err := command.Run()
	said := strings.TrimSpace(stderr.String())
	if err == nil {
		if said != "" {
			r.logf("%s: %s", id, said)
		}
		return nil
	}
	return fmt.Errorf("%s (%w)", strings.TrimPrefix(said, "nfcot: "), err)
}

// arguments are those of the job's command, with the steps counted.
func (j job) arguments() ([]string, error) {
	args := slices.Clone(j.Args)
	for _, c := range j.Steps {
		n, err := Affordable(c.Run, c.Budget)
		if err != nil {
			return nil, err
		}
		args = append(args, "--set", c.setting(fmt.Sprint(c.Share.Of(n))))
	}
	return args, nil
}
