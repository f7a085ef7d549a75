package experiment

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"nfcot/internal/ckpt"
)

// The names of numbers in the lines of a run's metrics.jsonl. The terms of a loss and what
// is said of thoughts have names of the methods', in package cot.
const (
	MetricStep    = "step"    // from 1
	MetricStage   = "stage"   // of training
	MetricSeconds = "seconds" // of the step
	MetricLoss    = "loss"
	MetricLR      = "lr"
	MetricNorm    = "grad_norm" // before clipping

	MetricBackboneFLOPs = "backbone_flops"
	MetricFLOPs         = "flops" // with what else is trained through
	MetricTokenRate     = "tokens_per_second"
	MetricPeakMemory    = "peak_memory_bytes" // of the process, on the last step
	MetricHeld          = "held_out_"         // begins the name of what is measured on held-out examples

	// Of reinforcement learning.
	MetricRollouts     = "rollouts" // so far
	MetricReward       = "reward"
	MetricRewardStd    = "reward_std"
	MetricKLThoughts   = "kl_thoughts"
	MetricKLText       = "kl_text"
	MetricEntropy      = "entropy_text"
	MetricClipThoughts = "clip_thoughts"
	MetricClipText     = "clip_text"
)

// Metrics are what a run's metrics.jsonl says, and its sums.
type Metrics struct {
	Lines      []map[string]float64 // the numbers of each line
	Steps      int
	Tokens     float64 // that were predicted
	FLOPs      float64 // of the backbone
	Seconds    float64
	PeakMemory float64 // of the process, in bytes; 0: not known
	Parameters int     // in the run's model; 0: it has none, since it has not ended, or its weights were deleted
}

// ReadMetrics reads the metrics of the run folder dir, ended or not.
func ReadMetrics(dir string) (*Metrics, error) {
	rows, err := ckpt.ReadAllJSONL[map[string]any](ckpt.OrCompressed(filepath.Join(dir, MetricsFile)))
	if err != nil {
		return nil, err
	}
	m := new(Metrics)
	for _, row := range rows {
		line := map[string]float64{}
		for key, value := range row {
			if x, ok := value.(float64); ok {
				line[key] = x
			}
		}
		m.Lines = append(m.Lines, line)
		m.Steps = max(m.Steps, int(line[MetricStep]))
		m.Tokens += line[MetricTokenRate] * line[MetricSeconds]
		m.FLOPs += line[MetricBackboneFLOPs]
		m.Seconds += line[MetricSeconds]
		m.PeakMemory = max(m.PeakMemory, line[MetricPeakMemory])
	}
	m.Parameters, err = countParameters(filepath.Join(dir, ModelFile))
	return m, err
}

// countParameters counts the numbers in a safetensors file, 0 if there is none.
func countParameters(path string) (n int, err error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	f, err := ckpt.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for _, name := range f.Names() {
		info, _ := f.Info(name)
		n += numbersIn(info.Shape)
	}
	return n, nil
}
