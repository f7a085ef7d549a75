package cli

import "testing"

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

func TestEnvironmentShard(t *testing.T) {
	for _, tt := range []struct {
		getenv   func(string) string
		want     shard
		variable string
	}{
		{variables(), whole, ""},
		{variables("SLURM_ARRAY_TASK_ID", "3", "SLURM_ARRAY_TASK_MIN", "1", "SLURM_ARRAY_TASK_COUNT", "4"), shard{2, 4}, "SLURM_ARRAY_TASK_ID"},
		{variables("SLURM_ARRAY_TASK_ID", "0", "SLURM_ARRAY_TASK_MIN", "0", "SLURM_ARRAY_TASK_COUNT", "1"), whole, ""},
		{variables("SLURM_ARRAY_TASK_ID", "30", "SLURM_ARRAY_TASK_MIN", "10", "SLURM_ARRAY_TASK_STEP", "10", "SLURM_ARRAY_TASK_COUNT", "3"), shard{2, 3}, "SLURM_ARRAY_TASK_ID"},
		// An array of ids with gaps, --array=1,7,9: they are no numbers of shards.
		{variables("SLURM_ARRAY_TASK_ID", "9", "SLURM_ARRAY_TASK_MIN", "1", "SLURM_ARRAY_TASK_COUNT", "3"), whole, ""},
		{variables("SLURM_ARRAY_TASK_ID", "1", "SLURM_ARRAY_TASK_MIN", "1", "SLURM_ARRAY_TASK_MAX", "9", "SLURM_ARRAY_TASK_COUNT", "3"), whole, ""},
		{variables("OMPI_COMM_WORLD_RANK", "1", "OMPI_COMM_WORLD_SIZE", "2"), shard{1, 2}, "OMPI_COMM_WORLD_RANK"},
		{variables("OMPI_COMM_WORLD_RANK", "0", "OMPI_COMM_WORLD_SIZE", "1"), whole, ""},
		{variables("JOB_COMPLETION_INDEX", "1"), whole, ""},
		{variables("SLURM_ARRAY_TASK_ID", "x", "SLURM_ARRAY_TASK_COUNT", "4"), whole, ""},
	} {
		if got, variable := environmentShard(tt.getenv); got != tt.want || variable != tt.variable {
			t.Errorf("got %v by %q, want %v by %q", got, variable, tt.want, tt.variable)
		}
	}
}

func TestParseShard(t *testing.T) {
	job := variables("JOB_COMPLETION_INDEX", "3")
	for _, tt := range []struct {
		text string
		want shard
	}{
		{"0/1", whole}, {"3/4", shard{3, 4}}, {"/5", shard{3, 5}},
	} {
		if got, err := parseShard(tt.text, job); got != tt.want || err != nil {
			t.Errorf("%s: got %v, %v", tt.text, got, err)
		}
	}
	for _, text := range []string{"", "1", "/", "4/4", "-1/4", "0/0", "a/4", "1/b", "1/4/2", "/3"} {
		if got, err := parseShard(text, job); err == nil {
			t.Errorf("%s: got %v, want an error", text, got)
		}
	}
}
