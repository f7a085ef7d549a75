package harness

import (
	"cmp"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"nfcot/internal/eval"
)

// A Shard of an evaluation has the problems whose number, from 0, leaves the
// remainder Index when divided by Count. Neighbours, which are often alike in cost,
// come into different shards.
type Shard struct{ Index, Count int }

// Whole is the shard that has every problem.
var Whole = Shard{0, 1}

func (s Shard) has(problem int) bool { return problem%s.Count == s.Index }

// of are those of the problems that are the shard's.
func (s Shard) of(problems []eval.Problem) []eval.Problem {
	var own []eval.Problem
	for i, p := range problems {
		if s.has(i) {
			own = append(own, p)
		}
	}
	return own
}

func (s Shard) String() string { return fmt.Sprintf("%d/%d", s.Index, s.Count) }

// Folder is the name of a shard's folder in one that all shards share.
func (s Shard) Folder() string { return fmt.Sprintf("%s%d-of-%d", shardFolders, s.Index, s.Count) }

// shardFolders begins the names of shards' folders.
const shardFolders = "shard-"

// ParseShard reads "i/n". Where i is left out, the environment of a job says it.
func ParseShard(text string, getenv func(string) string) (Shard, error) {
	first, second, ok := strings.Cut(text, "/")
	count, err := strconv.Atoi(second)
	if !ok || err != nil || count < 1 {
		return Whole, inputf("--shard is %q; want i/n, shard i of n, counted from 0, like 0/4", text)
	}
	if first == "" {
		index, variable := jobIndex(getenv)
		if variable == "" {
			return Whole, inputf("--shard %s: none of JOB_COMPLETION_INDEX, SLURM_ARRAY_TASK_ID and OMPI_COMM_WORLD_RANK says which; want i/n, counted from 0, like 0/4", text)
		}
		if index < 0 || index >= count {
			return Whole, inputf("--shard %s: %s is %s, which makes shard %d; there are shards 0 to %d", text, variable, getenv(variable), index, count-1)
		}
		return Shard{index, count}, nil
	}
	index, err := strconv.Atoi(first)
	if err != nil || index < 0 || index >= count {
		return Whole, inputf("--shard is %q; shards of %d are counted from 0/%d to %d/%d", text, count, count, count-1, count)
	}
	return Shard{index, count}, nil
}

// jobIndex is the number, from 0, of this process in a job of several,
// and the variable that says it; that is empty where there is none.
func jobIndex(getenv func(string) string) (index int, variable string) {
	number := func(name string) (int, bool) {
		n, err := strconv.Atoi(getenv(name))
		return n, err == nil
	}
	if id, ok := number("SLURM_ARRAY_TASK_ID"); ok {
		first, _ := number("SLURM_ARRAY_TASK_MIN")
		step, _ := number("SLURM_ARRAY_TASK_STEP")
		return (id - first) / max(1, step), "SLURM_ARRAY_TASK_ID"
	}
	for _, name := range []string{"JOB_COMPLETION_INDEX", "OMPI_COMM_WORLD_RANK"} {
		if n, ok := number(name); ok {
			return n, name
		}
	}
	return 0, ""
}

// JobShard is the shard that a Slurm array or Open MPI gives this
// process, and the variable that says so; without one, everything. Kubernetes'
// indexed jobs tell the index, but not how many there are.
func JobShard(getenv func(string) string) (s Shard, variable string) {
	index, variable := jobIndex(getenv)
	count, err := strconv.Atoi(getenv(map[string]string{
		"SLURM_ARRAY_TASK_ID":  "SLURM_ARRAY_TASK_COUNT",
		"OMPI_COMM_WORLD_RANK": "OMPI_COMM_WORLD_SIZE",
	}[variable]))
	if err != nil || count < 2 || index < 0 || index >= count || gaps(getenv) {
		return Whole, ""
	}
	return Shard{index, count}, variable
}

// ChooseShard takes the shard of an evaluation from a flag, or else from the job that this
// process is a part of. Every task of a job runs the same command, so each then gets a folder
// of its own in the folder out; the folder to use is returned. logf is told what was chosen.
func ChooseShard(flag, out string, getenv func(string) string, logf func(string, ...any)) (Shard, string, error) {
	if flag != "" {
		s, err := ParseShard(flag, getenv)
		return s, out, err
	}
	s, variable := JobShard(getenv)
	if variable != "" {
		out = filepath.Join(out, s.Folder())
		logf("eval: shard %s, as %s says, in %s; --shard 0/1 judges all problems", s, variable, out)
	} else if index := getenv("JOB_COMPLETION_INDEX"); index != "" {
		logf("eval: judging all problems: JOB_COMPLETION_INDEX is %s, but only --shard /COMPLETIONS says of how many", index)
	}
	return s, out, nil
}

// gaps says whether a Slurm array's task numbers, like 1,7,9, are no numbering of
// shards.
func gaps(getenv func(string) string) bool {
	var n [4]int
	for i, name := range []string{"MIN", "MAX", "COUNT", "STEP"} {
		var err error
		if n[i], err = strconv.Atoi(getenv("SLURM_ARRAY_TASK_" + name)); err != nil && name != "STEP" {
			return false
		}
	}
	first, last, count, step := n[0], n[1], n[2], max(1, n[3])
	return (last-first)/step+1 != count
}

// compareShards puts shards in order.
func compareShards(a, b Shard) int { return cmp.Or(a.Count-b.Count, a.Index-b.Index) }
