package cli

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"nfcot/internal/eval"
)

// A shard is a part of an evaluation: the problems whose number, from 0, leaves
// the remainder index when divided by count. Neighbours, which are often alike in
// cost, come into different shards.
type shard struct{ index, count int }

// whole is the shard that has every problem.
var whole = shard{0, 1}

func (s shard) has(problem int) bool { return problem%s.count == s.index }

// of is the shard's part of the problems.
func (s shard) of(problems []eval.Problem) []eval.Problem {
	var part []eval.Problem
	for i, p := range problems {
		if s.has(i) {
			part = append(part, p)
		}
	}
	return part
}

func (s shard) String() string { return fmt.Sprintf("%d/%d", s.index, s.count) }

// folder is the name of a shard's part of a folder that all shards share.
func (s shard) folder() string { return fmt.Sprintf("%s%d-of-%d", shardFolders, s.index, s.count) }

// shardFolders begins the names of shards' folders.
const shardFolders = "shard-"

// parseShard reads "i/n". Where i is left out, the environment of a job says it.
func parseShard(text string, getenv func(string) string) (shard, error) {
	first, second, ok := strings.Cut(text, "/")
	count, err := strconv.Atoi(second)
	if !ok || err != nil || count < 1 {
		return whole, inputf("--shard is %q; want i/n, shard i of n, counted from 0, like 0/4", text)
	}
	if first == "" {
		index, variable := environmentIndex(getenv)
		if variable == "" {
			return whole, inputf("--shard %s: none of JOB_COMPLETION_INDEX, SLURM_ARRAY_TASK_ID and OMPI_COMM_WORLD_RANK says which; want i/n, counted from 0, like 0/4", text)
		}
		if index < 0 || index >= count {
			return whole, inputf("--shard %s: %s is %s, which makes shard %d; there are shards 0 to %d", text, variable, getenv(variable), index, count-1)
		}
		return shard{index, count}, nil
	}
	index, err := strconv.Atoi(first)
	if err != nil || index < 0 || index >= count {
		return whole, inputf("--shard is %q; shards of %d are counted from 0/%d to %d/%d", text, count, count, count-1, count)
	}
	return shard{index, count}, nil
}

// environmentIndex is the number, from 0, of this process in a job of several,
// and the variable that says it; that is empty where there is none.
func environmentIndex(getenv func(string) string) (index int, variable string) {
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

// environmentShard is the shard that a Slurm array or Open MPI gives this
// process, and the variable that says so; without one, everything. Kubernetes'
// indexed jobs tell the index, but not how many there are.
func environmentShard(getenv func(string) string) (s shard, variable string) {
	index, variable := environmentIndex(getenv)
	count, err := strconv.Atoi(getenv(map[string]string{
		"SLURM_ARRAY_TASK_ID":  "SLURM_ARRAY_TASK_COUNT",
		"OMPI_COMM_WORLD_RANK": "OMPI_COMM_WORLD_SIZE",
	}[variable]))
	if err != nil || count < 2 || index < 0 || index >= count || gaps(getenv) {
		return whole, ""
	}
	return shard{index, count}, variable
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
func compareShards(a, b shard) int { return cmp.Or(a.count-b.count, a.index-b.index) }
