package harness

// Which piece of an evaluation is a process's, as the launcher that started it says.

import (
	"cmp"
	"fmt"
	"strconv"
)

// A job is what a process finds around it.
type job struct {
	getenv func(string) string
	n      int    // shards, as a flag says; 0: the launcher says how many
	out    string // folder in which shards may have theirs
}

// A place is that of a process among others that a launcher started with it.
type place struct {
	index, count int    // count 0: the launcher does not say
	rank         string // the variable of index
	says         string
}

// shard is the process's, and why; why is empty where no launcher says anything. Wherever
// the shards of all processes might not be each shard once, it fails.
func (j job) shard() (s Shard, why string, err error) {
	step, err := j.step()
	if err == nil {
		err = j.uncounted()
	}
	if err != nil {
		return Whole, "", err
	}
	array, err := j.number("SLURM_ARRAY_TASK_ID")
	if err != nil {
		return Whole, "", err
	}
	completion, err := j.number("JOB_COMPLETION_INDEX")
	switch {
	case err != nil:
		return Whole, "", err
	case step.count > 1 && (array >= 0 && !j.single(array) || completion >= 0):
		return Whole, "", j.ranksOfTasks(step, array, completion)
	case step.count > 1:
		return j.of(step)
	case array >= 0:
		return j.task(array)
	case completion >= 0 && j.n == 0:
		return Whole, "", inputf("JOB_COMPLETION_INDEX is %d, and nothing says of how many; write --shard /N, where N is the job's completions, or --shard 0/1 for all problems", completion)
	case completion >= 0:
		return j.of(place{completion, 0, "", fmt.Sprintf("JOB_COMPLETION_INDEX (%d) says", completion)})
	case step.count == 1 && j.n > 0:
		return j.of(step)
	}
	return Whole, "", nil
}

// of makes a shard of a place.
func (j job) of(p place) (s Shard, why string, err error) {
	switch {
	case j.n > 0 && p.count > 0 && j.n != p.count:
		return Whole, "", inputf("--shard /%d, and there are %d processes, as %s; write --shard /%d, or --shard i/%d with the i of each", j.n, p.count, p.says, p.count, j.n)
	case p.count == 0:
		p.count = j.n
	}
	if p.index >= p.count {
		return Whole, "", inputf("shard %d, as %s, and there are shards 0 to %d; write --shard i/n, counted from 0", p.index, p.says, p.count-1)
	}
	return Shard{p.index, p.count}, p.says, nil
}

// number is the value of a variable, -1 if it is not set.
func (j job) number(name string) (int, error) {
	text := j.getenv(name)
	if text == "" {
		return -1, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return -1, inputf("%s is %q; expected a number, by which to know this process's shard; write --shard i/n, or --shard 0/1 for all problems", name, text)
	}
	return n, nil
}

// step is the place among the ranks that mpirun, mpiexec or srun started, or the tasks of a job of
// Google's, which say the same; its count is 0 where none of them did. What Slurm says of tasks
// holds within a step only: in a batch script it is the job's.
func (j job) step() (place, error) {
	ranks := []struct{ index, count string }{{"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"}, {"MV2_COMM_WORLD_RANK", "MV2_COMM_WORLD_SIZE"},
		{"PMI_RANK", "PMI_SIZE"}, {"CLOUD_RUN_TASK_INDEX", "CLOUD_RUN_TASK_COUNT"}, {"BATCH_TASK_INDEX", "BATCH_TASK_COUNT"}, {"PMIX_RANK", ""}}
	if j.getenv("SLURM_STEP_ID") != "" {
		ranks[len(ranks)-1].count = "SLURM_STEP_NUM_TASKS"
		ranks = append(ranks, struct{ index, count string }{"SLURM_PROCID", "SLURM_STEP_NUM_TASKS"})
	}
	for _, r := range ranks {
		index, err := j.number(r.index)
		if err != nil {
			return place{}, err
		}
		if index < 0 {
			continue
		}
		count, err := j.number(r.count)
		if err != nil {
			return place{}, err
		}
		if count < 1 {
			return place{}, inputf("%s is %d, and nothing says of how many; write --shard i/n, counted from 0, or --shard 0/1 for all problems", r.index, index)
		}
		return place{index, count, r.index, fmt.Sprintf("%s (%d) and %s (%d) say", r.index, index, r.count, count)}, nil
	}
	return place{}, nil
}

// arrays are the variables that number the tasks of other launchers' arrays, none of which says
// for sure of how many, with the value that says that there is no array.
var arrays = []struct{ index, none string }{
	{"PBS_ARRAY_INDEX", ""}, {"PBS_ARRAYID", ""}, {"SGE_TASK_ID", "undefined"}, {"LSB_JOBINDEX", "0"}, {"AWS_BATCH_JOB_ARRAY_INDEX", ""},
}

// uncounted is the error of a task of such an array: each would judge everything.
func (j job) uncounted() error {
	for _, a := range arrays {
		if text := j.getenv(a.index); text != "" && text != a.none {
			return inputf("%s is %.20s, which is a task of an array, and nothing says of how many, counted from where; write --shard $%s/N, or --shard $((%s-1))/N if they are counted from 1, or --shard 0/1 for all problems",
				a.index, text, a.index, a.index)
		}
	}
	return nil
}

// ranksOfTasks is the error of ranks in the tasks of an array, or in the pods of an indexed job.
func (j job) ranksOfTasks(step place, array, completion int) error {
	if array < 0 {
		return inputf("%s a shard, and JOB_COMPLETION_INDEX (%d) says another; write --shard $((JOB_COMPLETION_INDEX*%d+%s))/N, in a shell that each process runs (sh -c '...'), where N is the completions times %d",
			step.says, completion, step.count, step.rank, step.count)
	}
	id, count := "SLURM_ARRAY_TASK_ID", "N"
	if first, _ := j.number("SLURM_ARRAY_TASK_MIN"); first > 0 {
		id = fmt.Sprintf("(%s-%d)", id, first)
	}
	if every, _ := j.number("SLURM_ARRAY_TASK_STEP"); every > 1 {
		id = fmt.Sprintf("%s/%d", id, every)
	}
	if tasks, _ := j.number("SLURM_ARRAY_TASK_COUNT"); tasks > 1 {
		count = fmt.Sprint(tasks * step.count)
	}
	return inputf("%s a shard, and SLURM_ARRAY_TASK_ID (%d) says another; write --shard $((%s*%d+%s))/%s, in a shell that each process runs (srun sh -c '...')",
		step.says, array, id, step.count, step.rank, count)
}

// single says whether a task is an array of its own, and not one of a larger array, submitted
// again: that would have left shards of others.
func (j job) single(id int) bool {
	count, err := j.number("SLURM_ARRAY_TASK_COUNT")
	return err == nil && count == 1 && id <= 1 && countIn(j.out) == 0
}

// task is the shard of a task of a Slurm array.
func (j job) task(id int) (s Shard, why string, err error) {
	var n [4]int
	for i, name := range []string{"COUNT", "MIN", "MAX", "STEP"} {
		if n[i], err = j.number("SLURM_ARRAY_TASK_" + name); err != nil {
			return Whole, "", err
		}
	}
	count, first, last, step := n[0], max(0, n[1]), n[2], max(1, n[3])
	why = fmt.Sprintf("SLURM_ARRAY_TASK_ID (%d) and _COUNT (%d) say", id, count)
	switch {
	case count == 1 && j.n <= 1 && j.single(id):
		return Whole, why, nil
	case count == 1:
		return Whole, "", j.again(id)
	case count < 1:
		return Whole, "", inputf("SLURM_ARRAY_TASK_ID is %d, and no SLURM_ARRAY_TASK_COUNT says of how many; write --shard i/n, counted from 0, or --shard 0/1 for all problems", id)
	case j.n > 0 && j.n != count:
		return Whole, "", inputf("--shard /%d, and the array has %d tasks, as %s: if it is a part of one that was submitted before, which shard is its own is not known; write %s, or --shard /%d for an array of its own", j.n, count, why, either(id, j.n), count)
	case last >= 0 && (last-first)/step+1 != count, id < first, (id-first)%step != 0:
		return Whole, "", inputf("SLURM_ARRAY_TASK_ID (%d) is one of a list of %d (--array=...,...), which is no numbering of shards; submit --array=0-%d, or write --shard i/%d, where i is 0 for the first of the list", id, count, count-1, count)
	}
	return j.of(place{(id - first) / step, count, "", why})
}

// again is the error of the one task of an array: it may be one of a larger array that is done
// again.
func (j job) again(id int) error {
	words := "--shard i/n, where i is what it was in that array, counted from 0"
	if n := cmp.Or(j.n, countIn(j.out)); n > 1 {
		words = either(id, n)
	}
	return inputf("SLURM_ARRAY_TASK_ID is %d and SLURM_ARRAY_TASK_COUNT 1: if this is one task of an array, submitted again, which shard is its own is not known; write %s, or --shard 0/1 for all problems", id, words)
}

// either says the shard of a task of an array of n that was counted from 0 or from 1.
func either(id, n int) string {
	switch {
	case id == 0:
		return fmt.Sprintf("--shard 0/%d", n)
	case id < n:
		return fmt.Sprintf("--shard %d/%d if that was counted from 0, --shard %d/%d if from 1", id, n, id-1, n)
	case id == n:
		return fmt.Sprintf("--shard %d/%d", id-1, n)
	}
	return fmt.Sprintf("--shard i/%d, counted from 0", n)
}
