package cli

import "testing"

func TestDefaultThreads(t *testing.T) {
	for _, tt := range []struct {
		slurm, gomaxprocs string
		want              int // of 8 cores
	}{
		{"", "", 8},
		{"3", "", 3},
		{"1", "", 1},
		{"8", "", 8},
		{"64", "", 8},
		{"3", "8", 8}, // GOMAXPROCS is part of the cores already
		{"0", "", 8},
		{"-2", "", 8},
		{"2(x4)", "", 8},
		{"2.5", "", 8},
		{" 3", "", 8},
		{"99999999999999999999", "", 8},
	} {
		environment := map[string]string{"SLURM_CPUS_PER_TASK": tt.slurm, "GOMAXPROCS": tt.gomaxprocs}
		if got := defaultThreads(8, func(name string) string { return environment[name] }); got != tt.want {
			t.Errorf("SLURM_CPUS_PER_TASK=%q, GOMAXPROCS=%q: %d threads of 8 cores, want %d", tt.slurm, tt.gomaxprocs, got, tt.want)
		}
	}
}
