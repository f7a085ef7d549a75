package harness

import (
	"path/filepath"
	"testing"
)

// variables makes a getenv of names and values.
func variables(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}

func TestJobShard(t *testing.T) {
	for _, tt := range []struct {
		getenv   func(string) string
		want     Shard
		variable string
	}{
		{variables(), Whole, ""},
		{variables("SLURM_ARRAY_TASK_ID", "3", "SLURM_ARRAY_TASK_MIN", "1", "SLURM_ARRAY_TASK_COUNT", "4"), Shard{2, 4}, "SLURM_ARRAY_TASK_ID"},
		{variables("SLURM_ARRAY_TASK_ID", "0", "SLURM_ARRAY_TASK_MIN", "0", "SLURM_ARRAY_TASK_COUNT", "1"), Whole, ""},
		{variables("SLURM_ARRAY_TASK_ID", "30", "SLURM_ARRAY_TASK_MIN", "10", "SLURM_ARRAY_TASK_STEP", "10", "SLURM_ARRAY_TASK_COUNT", "3"), Shard{2, 3}, "SLURM_ARRAY_TASK_ID"},
		// An array of ids with gaps, --array=1,7,9: they are no numbers of shards.
		{variables("SLURM_ARRAY_TASK_ID", "9", "SLURM_ARRAY_TASK_MIN", "1", "SLURM_ARRAY_TASK_COUNT", "3"), Whole, ""},
		{variables("SLURM_ARRAY_TASK_ID", "1", "SLURM_ARRAY_TASK_MIN", "1", "SLURM_ARRAY_TASK_MAX", "9", "SLURM_ARRAY_TASK_COUNT", "3"), Whole, ""},
		{variables("OMPI_COMM_WORLD_RANK", "1", "OMPI_COMM_WORLD_SIZE", "2"), Shard{1, 2}, "OMPI_COMM_WORLD_RANK"},
		{variables("OMPI_COMM_WORLD_RANK", "0", "OMPI_COMM_WORLD_SIZE", "1"), Whole, ""},
		{variables("JOB_COMPLETION_INDEX", "1"), Whole, ""},
		{variables("SLURM_ARRAY_TASK_ID", "x", "SLURM_ARRAY_TASK_COUNT", "4"), Whole, ""},
	} {
		if got, variable := JobShard(tt.getenv); got != tt.want || variable != tt.variable {
			t.Errorf("got %v by %q, want %v by %q", got, variable, tt.want, tt.variable)
		}
	}
}

func TestParseShard(t *testing.T) {
	job := variables("JOB_COMPLETION_INDEX", "3")
	for _, tt := range []struct {
		text string
		want Shard
	}{
		{"0/1", Whole}, {"3/4", Shard{3, 4}}, {"/5", Shard{3, 5}},
	} {
		if got, err := ParseShard(tt.text, job); got != tt.want || err != nil {
			t.Errorf("%s: got %v, %v", tt.text, got, err)
		}
	}
	for _, text := range []string{"", "1", "/", "4/4", "-1/4", "0/0", "a/4", "1/b", "1/4/2", "/3"} {
		if got, err := ParseShard(text, job); err == nil {
			t.Errorf("%s: got %v, want an error", text, got)
		}
	}
}

// TestChooseShard: a flag decides alone; a job gives a shard its own folder, and what was
// chosen is said.
func TestChooseShard(t *testing.T) {
	slurm := variables("SLURM_ARRAY_TASK_ID", "1", "SLURM_ARRAY_TASK_COUNT", "2")
	for _, tt := range []struct {
		flag   string
		getenv func(string) string
		want   Shard
		out    string
		said   int
	}{
		{"", variables(), Whole, "out", 0},
		{"", slurm, Shard{1, 2}, "out/shard-1-of-2", 1},
		{"0/3", slurm, Shard{0, 3}, "out", 0},
		{"", variables("JOB_COMPLETION_INDEX", "1"), Whole, "out", 1},
	} {
		said := 0
		got, out, err := ChooseShard(tt.flag, "out", tt.getenv, func(string, ...any) { said++ })
		if got != tt.want || filepath.ToSlash(out) != tt.out || said != tt.said || err != nil {
			t.Errorf("%q: got %v in %s, %d lines, %v; want %v in %s, %d lines", tt.flag, got, out, said, err, tt.want, tt.out, tt.said)
		}
	}
}
