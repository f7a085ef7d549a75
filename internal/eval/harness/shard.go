package harness

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
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

// String is "i/n", as a flag and a record have it.
func (s Shard) String() string { return fmt.Sprintf("%d/%d", s.Index, s.Count) }

// Folder is the name of a shard's folder in one that all shards share.
func (s Shard) Folder() string { return fmt.Sprintf("%s%d-of-%d", shardFolders, s.Index, s.Count) }

// shardFolders begins the names of shards' folders.
const shardFolders = "shard-"

// parseShard reads "i/n".
func parseShard(text string) (Shard, error) {
	first, second, _ := strings.Cut(text, "/")
	count, err := parseCount(text, second)
	if err != nil {
		return Whole, err
	}
	index, err := strconv.Atoi(first)
	if err != nil || index < 0 || index >= count {
		return Whole, inputf("--shard is %q; shards of %d are counted from 0/%d to %d/%d", text, count, count, count-1, count)
	}
	return Shard{index, count}, nil
}

// parseCount reads the n of a shard's text.
func parseCount(text, n string) (int, error) {
	count, err := strconv.Atoi(n)
	if err != nil || count < 1 {
		return 0, inputf("--shard is %q; want i/n, shard i of n, counted from 0, like 0/4", text)
	}
	return count, nil
}

// ChooseShard takes the shard of an evaluation from a flag, i/n, or else from the job that this
// process is a part of; of a flag /n the job says the i. Every task of a job runs the same
// command, so without a flag each gets a folder of its own in the folder out; the folder to
// use is returned. Where a job does not say for sure which shard is this process's, it is
// refused with what to write. logf is told what was chosen of a job, and why.
func ChooseShard(flag, out string, getenv func(string) string, logf func(string, ...any)) (Shard, string, error) {
	n := 0 // as the job says
	if first, count, _ := strings.Cut(flag, "/"); flag != "" {
		if first != "" || count == "" {
			s, err := parseShard(flag)
			return s, out, err
		}
		var err error
		if n, err = parseCount(flag, count); err != nil {
			return Whole, out, err
		}
	}
	s, why, err := job{getenv, n, out}.shard()
	switch {
	case err != nil:
		return Whole, out, err
	case why == "" && n > 0:
		return Whole, out, inputf("--shard %s: none of SLURM_ARRAY_TASK_ID, SLURM_STEP_ID, JOB_COMPLETION_INDEX, OMPI_COMM_WORLD_RANK, PMI_RANK and PMIX_RANK says which; want i/n, counted from 0, like 0/%d", flag, n)
	case why == "":
		return s, out, nil
	case s == Whole:
		logf("eval: judging all problems, as %s", why)
	case n > 0:
		if err := ownFolder(out, s); err != nil {
			return Whole, out, err
		}
		logf("eval: shard %s, as %s, in %s", s, why, out)
	default:
		if err := fits(out, s, why); err != nil {
			return Whole, out, err
		}
		out = filepath.Join(out, s.Folder())
		logf("eval: shard %s, as %s, in %s; --shard 0/1 judges all problems", s, why, out)
	}
	return s, out, nil
}

// ownFolder refuses the folder of another shard, which would be lost.
func ownFolder(dir string, s Shard) error {
	text, err := os.ReadFile(filepath.Join(dir, shardFile))
	if err != nil {
		return nil
	}
	var record shardRecord
	if json.Unmarshal(text, &record) == nil && record.Shard != s.String() {
		return inputf("-o %s holds shard %s, and this is shard %s; give each a folder of its own, like -o %s", dir, record.Shard, s, filepath.Join(dir, s.Folder()))
	}
	return nil
}

// fits refuses a shard of a folder that holds shards of another number.
func fits(dir string, s Shard, why string) error {
	if count := countIn(dir); count > 0 && count != s.Count {
		return inputf("-o %s holds shards of %d, and this is shard %s, as %s; write --shard i/%d -o %s to do shard i of them again, or choose another folder",
			dir, count, s, why, count, filepath.Join(dir, fmt.Sprintf("%si-of-%d", shardFolders, count)))
	}
	return nil
}

// countIn is the number of shards that an evaluation was divided into whose shards are in
// folders in dir; 0 if there are none.
func countIn(dir string) int {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		var s Shard
		if _, err := fmt.Sscanf(e.Name(), shardFolders+"%d-of-%d", &s.Index, &s.Count); err == nil && e.Name() == s.Folder() {
			return s.Count
		}
	}
	return 0
}

// compareShards puts shards in order.
func compareShards(a, b Shard) int { return cmp.Or(a.Count-b.Count, a.Index-b.Index) }
