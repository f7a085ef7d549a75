package harness

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// environment makes a getenv of NAME=VALUE, separated by spaces.
func environment(text string) func(string) string {
	values := map[string]string{}
	for _, pair := range strings.Fields(text) {
		name, value, _ := strings.Cut(pair, "=")
		values[name] = value
	}
	return func(name string) string { return values[name] }
}

// array is the environment of a task of a Slurm array.
func array(id, count, first, last, step int) string {
	return fmt.Sprintf("SLURM_ARRAY_TASK_ID=%d SLURM_ARRAY_TASK_COUNT=%d SLURM_ARRAY_TASK_MIN=%d SLURM_ARRAY_TASK_MAX=%d SLURM_ARRAY_TASK_STEP=%d ", id, count, first, last, step)
}

// TestChooseShard: which piece a process does, in which folder, and what it is told; where that
// is not sure, which words it is to be given instead.
func TestChooseShard(t *testing.T) {
	const ompi, pmi = "OMPI_COMM_WORLD_RANK=1 OMPI_COMM_WORLD_SIZE=2 ", "PMI_RANK=1 PMI_SIZE=2 "
	const srun = "SLURM_STEP_ID=0 SLURM_PROCID=3 SLURM_STEP_NUM_TASKS=4 "
	for _, tt := range []struct {
		name, flag, env string
		there           string // a folder in out
		want            Shard
		folder          string
		says            string // of the line; "": none
		refusal         string
	}{
		{name: "nothing", want: Whole, folder: "out"},
		{name: "flag", flag: "1/3", env: array(0, 4, 0, 3, 1) + srun, want: Shard{1, 3}, folder: "out"},
		{name: "flag for all", flag: "0/1", env: array(2, 1, 2, 2, 1), there: "shard-0-of-4", want: Whole, folder: "out"},

		{name: "array from 0", env: array(2, 4, 0, 3, 1), want: Shard{2, 4}, folder: "out/shard-2-of-4", says: "shard 2/4, as SLURM_ARRAY_TASK_ID (2) and _COUNT (4) say, in out/shard-2-of-4; --shard 0/1"},
		{name: "array from 1", env: array(4, 4, 1, 4, 1), want: Shard{3, 4}, folder: "out/shard-3-of-4", says: "shard 3/4"},
		{name: "array of every tenth", env: array(30, 3, 10, 30, 10), want: Shard{2, 3}, folder: "out/shard-2-of-3", says: "shard 2/3"},
		{name: "array that says little", env: "SLURM_ARRAY_TASK_ID=1 SLURM_ARRAY_TASK_COUNT=2", want: Shard{1, 2}, folder: "out/shard-1-of-2", says: "shard 1/2"},
		{name: "array and /n", flag: "/4", env: array(2, 4, 0, 3, 1), want: Shard{2, 4}, folder: "out", says: "shard 2/4"},
		{name: "array of one", env: array(0, 1, 0, 0, 1), want: Whole, folder: "out", says: "all problems"},
		{name: "array of one and /1", flag: "/1", env: array(1, 1, 1, 1, 1), want: Whole, folder: "out", says: "all problems"},
		{name: "task again", env: array(2, 1, 2, 2, 1), refusal: "write --shard i/n"},
		{name: "task 0 again", env: array(0, 1, 0, 0, 1), there: "shard-1-of-4", refusal: "write --shard 0/4, or --shard 0/1 for all problems"},
		{name: "task 1 again", env: array(1, 1, 1, 1, 1), there: "shard-2-of-4", refusal: "--shard 1/4 if that was counted from 0, --shard 0/4 if from 1"},
		{name: "task again and /n", flag: "/4", env: array(2, 1, 2, 2, 1), refusal: "write --shard 2/4 if that was counted from 0, --shard 1/4 if from 1"},
		{name: "last task again", flag: "/4", env: array(4, 1, 4, 4, 1), refusal: "write --shard 3/4, or"},
		{name: "task out of every number", flag: "/4", env: array(40, 1, 40, 40, 1), refusal: "write --shard i/4, counted from 0, or"},
		{name: "two tasks again", env: array(3, 2, 2, 3, 1), there: "shard-0-of-4", refusal: "holds shards of 4, and this is shard 1/2"},
		{name: "two tasks again and /n", flag: "/4", env: array(3, 2, 2, 3, 1), refusal: "write --shard 3/4 if that was counted from 0, --shard 2/4 if from 1, or --shard /2"},
		{name: "list", env: array(7, 3, 1, 9, 1), refusal: "one of a list of 3 (--array=...,...), which is no numbering of shards; submit --array=0-2, or write --shard i/3"},
		{name: "list and /n", flag: "/3", env: array(7, 3, 1, 9, 1), refusal: "submit --array=0-2"},
		{name: "list that says little", env: "SLURM_ARRAY_TASK_ID=9 SLURM_ARRAY_TASK_MIN=1 SLURM_ARRAY_TASK_COUNT=3", refusal: "there are shards 0 to 2"},
		{name: "array of no number", env: "SLURM_ARRAY_TASK_ID=x SLURM_ARRAY_TASK_COUNT=4", refusal: `SLURM_ARRAY_TASK_ID is "x"; expected a number`},
		{name: "array without a count", env: "SLURM_ARRAY_TASK_ID=1", refusal: "no SLURM_ARRAY_TASK_COUNT"},

		{name: "srun", env: srun, want: Shard{3, 4}, folder: "out/shard-3-of-4", says: "shard 3/4, as SLURM_PROCID (3) and SLURM_STEP_NUM_TASKS (4) say"},
		{name: "srun and /n", flag: "/4", env: srun, want: Shard{3, 4}, folder: "out", says: "shard 3/4"},
		{name: "srun and another number", flag: "/8", env: srun, refusal: "--shard /8, and there are 4 processes"},
		{name: "srun of one", env: "SLURM_STEP_ID=0 SLURM_PROCID=0 SLURM_STEP_NUM_TASKS=1", want: Whole, folder: "out"},
		{name: "batch script", env: "SLURM_PROCID=0 SLURM_NTASKS=4 SLURM_STEP_NUM_TASKS=4", want: Whole, folder: "out"},
		{name: "srun of one in an array", env: array(1, 2, 0, 1, 1) + "SLURM_STEP_ID=0 SLURM_PROCID=0 SLURM_STEP_NUM_TASKS=1", want: Shard{1, 2}, folder: "out/shard-1-of-2", says: "SLURM_ARRAY_TASK_ID"},
		{name: "srun in an array of one", env: array(0, 1, 0, 0, 1) + srun, want: Shard{3, 4}, folder: "out/shard-3-of-4", says: "SLURM_PROCID"},
		{name: "srun in an array", env: array(3, 2, 2, 3, 1) + srun, refusal: "SLURM_ARRAY_TASK_ID (3) says another; write --shard $(((SLURM_ARRAY_TASK_ID-2)*4+SLURM_PROCID))/8, in a shell"},
		{name: "srun in a task again", env: array(2, 1, 2, 2, 1) + srun, refusal: "*4+SLURM_PROCID))/N"},
		{name: "folder of others", env: srun, there: "shard-0-of-2", refusal: "holds shards of 2, and this is shard 3/4"},
		{name: "rank too large", env: "SLURM_STEP_ID=0 SLURM_PROCID=4 SLURM_STEP_NUM_TASKS=4", refusal: "there are shards 0 to 3"},

		{name: "Open MPI", env: ompi, want: Shard{1, 2}, folder: "out/shard-1-of-2", says: "OMPI_COMM_WORLD_RANK (1) and OMPI_COMM_WORLD_SIZE (2)"},
		{name: "Open MPI of one", env: "OMPI_COMM_WORLD_RANK=0 OMPI_COMM_WORLD_SIZE=1", want: Whole, folder: "out"},
		{name: "Open MPI over srun's daemons", env: ompi + srun, want: Shard{1, 2}, folder: "out/shard-1-of-2", says: "OMPI_COMM_WORLD_RANK"},
		{name: "MPICH", env: pmi + srun, want: Shard{1, 2}, folder: "out/shard-1-of-2", says: "PMI_RANK"},
		{name: "PMIx in a step", env: "PMIX_RANK=1 SLURM_STEP_ID=0 SLURM_STEP_NUM_TASKS=2", want: Shard{1, 2}, folder: "out/shard-1-of-2", says: "PMIX_RANK"},
		{name: "PMIx alone", env: "PMIX_RANK=1", refusal: "PMIX_RANK is 1, and nothing says of how many"},

		{name: "index job", env: "JOB_COMPLETION_INDEX=1", refusal: "JOB_COMPLETION_INDEX is 1, and nothing says of how many; write --shard /N"},
		{name: "index job and /n", flag: "/5", env: "JOB_COMPLETION_INDEX=3", want: Shard{3, 5}, folder: "out", says: "shard 3/5, as JOB_COMPLETION_INDEX (3) says"},
		{name: "index job too large", flag: "/3", env: "JOB_COMPLETION_INDEX=3", refusal: "there are shards 0 to 2"},
		{name: "PBS array", env: "PBS_ARRAY_INDEX=1", refusal: "PBS_ARRAY_INDEX is 1, which is a task of an array, and nothing says of how many, counted from where; write --shard $PBS_ARRAY_INDEX/N"},
		{name: "PBS array and /n", flag: "/4", env: "PBS_ARRAYID=0", refusal: "--shard $((PBS_ARRAYID-1))/N if they are counted from 1"},
		{name: "ranks in an LSF array", env: "LSB_JOBINDEX=2 " + ompi, refusal: "LSB_JOBINDEX is 2"},
		{name: "AWS array", env: "AWS_BATCH_JOB_ARRAY_INDEX=0", refusal: "AWS_BATCH_JOB_ARRAY_INDEX is 0"},
		{name: "Grid Engine array", env: "SGE_TASK_ID=3", refusal: "SGE_TASK_ID is 3"},
		{name: "no arrays", env: "SGE_TASK_ID=undefined LSB_JOBINDEX=0", want: Whole, folder: "out"},
		{name: "an array and its shard", flag: "1/4", env: "PBS_ARRAY_INDEX=1", want: Shard{1, 4}, folder: "out"},
		{name: "MVAPICH2", env: "MV2_COMM_WORLD_RANK=1 MV2_COMM_WORLD_SIZE=4", want: Shard{1, 4}, folder: "out/shard-1-of-4", says: "MV2_COMM_WORLD_RANK (1) and MV2_COMM_WORLD_SIZE (4) say"},
		{name: "Cloud Run", env: "CLOUD_RUN_TASK_INDEX=2 CLOUD_RUN_TASK_COUNT=3", want: Shard{2, 3}, folder: "out/shard-2-of-3", says: "CLOUD_RUN_TASK_INDEX (2) and CLOUD_RUN_TASK_COUNT (3) say"},
		{name: "Google Batch", env: "BATCH_TASK_INDEX=0 BATCH_TASK_COUNT=2", want: Shard{0, 2}, folder: "out/shard-0-of-2", says: "BATCH_TASK_INDEX (0) and BATCH_TASK_COUNT (2) say"},
		{name: "one task of Google Batch", env: "BATCH_TASK_INDEX=0 BATCH_TASK_COUNT=1", want: Whole, folder: "out"},
		{name: "ranks in an index job", env: "JOB_COMPLETION_INDEX=1 " + ompi, refusal: "--shard $((JOB_COMPLETION_INDEX*2+OMPI_COMM_WORLD_RANK))/N"},
		{name: "/n alone", flag: "/2", refusal: "--shard /2: none of SLURM_ARRAY_TASK_ID"},
	} {
		t.Chdir(t.TempDir())
		if tt.there != "" {
			if err := os.MkdirAll(filepath.Join("out", tt.there), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		said := ""
		got, folder, err := ChooseShard(tt.flag, "out", environment(tt.env), func(format string, args ...any) { said += fmt.Sprintf(format, args...) })
		if tt.refusal != "" {
			if err == nil || !strings.Contains(err.Error(), tt.refusal) {
				t.Errorf("%s: got %v, %v; want a refusal that says %q", tt.name, got, err, tt.refusal)
			}
			continue
		}
		if err != nil || got != tt.want || filepath.ToSlash(folder) != tt.folder {
			t.Errorf("%s: got %v in %s, %v; want %v in %s", tt.name, got, folder, err, tt.want, tt.folder)
		}
		if (said == "") != (tt.says == "") || !strings.Contains(filepath.ToSlash(said), tt.says) {
			t.Errorf("%s: said %q; want %q", tt.name, said, tt.says)
		}
	}
}

// TestEveryShardOnce: the tasks of a job do each shard once, or all are refused.
func TestEveryShardOnce(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, job := range map[string][]string{
		"array": {array(0, 3, 0, 2, 1), array(1, 3, 0, 2, 1), array(2, 3, 0, 2, 1)},
		"steps": {array(5, 2, 5, 9, 4), array(9, 2, 5, 9, 4)},
		"list":  {array(1, 3, 1, 9, 1), array(7, 3, 1, 9, 1), array(9, 3, 1, 9, 1)},
		"near":  {array(1, 2, 1, 3, 1), array(3, 2, 1, 3, 1)},
	} {
		seen, refused := map[Shard]bool{}, 0
		for _, task := range job {
			s, _, err := ChooseShard("", "out", environment(task), t.Logf)
			if err != nil {
				refused++
				continue
			}
			if seen[s] || s.Count != len(job) {
				t.Errorf("%s: shard %v again, or of another number", name, s)
			}
			seen[s] = true
		}
		if refused > 0 && refused < len(job) || refused == 0 && len(seen) < len(job) {
			t.Errorf("%s: %d of %d are refused, %d do shards", name, refused, len(job), len(seen))
		}
	}
}

// TestOwnFolder: what the folder holds of another shard would be lost.
func TestOwnFolder(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile(shardFile, []byte(`{"shard":"1/4"}`), 0o644); err != nil {
		t.Fatal(err)
	}
	for id, refused := range map[int]bool{1: false, 2: true} {
		_, _, err := ChooseShard("/4", ".", environment(array(id, 4, 0, 3, 1)), t.Logf)
		if (err != nil) != refused || refused && !strings.Contains(err.Error(), "-o . holds shard 1/4, and this is shard 2/4; give each a folder of its own, like -o shard-2-of-4") {
			t.Errorf("task %d: %v", id, err)
		}
	}
}

func TestParseShard(t *testing.T) {
	for text, want := range map[string]Shard{"0/1": Whole, "3/4": {3, 4}} {
		if got, err := parseShard(text); got != want || err != nil {
			t.Errorf("%s: got %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "1", "/", "4/4", "-1/4", "0/0", "a/4", "1/b", "1/4/2", "/3"} {
		if got, err := parseShard(text); err == nil {
			t.Errorf("%s: got %v, want an error", text, got)
		}
	}
}
