package harness

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"nfcot/internal/eval"
)

// Settings are what the verdicts of an evaluation depend on. A report names
// them, an interrupted evaluation goes on only with the same, and shards are
// merged only if they agree.
type Settings struct {
	Method string      `json:"method,omitempty"`
	Bench  string      `json:"bench"`
	Format eval.Format `json:"format,omitempty"`
	Seed   uint64      `json:"seed"`
	Recipe string      `json:"recipe"`
	ExecutorInfo
	Sanitized bool `json:"sanitized,omitempty"` // programs are what EvalPlus's sanitiser takes of the samples given

	ProblemsHash string          `json:"problems_sha256"`
	SamplesHash  string          `json:"samples_sha256,omitempty"` // of the samples given, if any
	Sampling     json.RawMessage `json:"sampling,omitempty"`       // or how they were drawn, as an object
}

// An Evaluation is what an evaluation found, and where that comes from.
type Evaluation struct {
	Settings
	Shard      string `json:"shard,omitempty"`             // "i/n" where these are a shard of the problems
	PeakMemory int64  `json:"peak_memory_bytes,omitempty"` // that the process held at most, if it drew the samples; 0 if not known
	eval.Report

	Dir      string         `json:"-"` // the folder with its files
	Verdicts []eval.Verdict `json:"-"` // in the order of the samples
}

// HashProblems tells one set of problems from another.
func HashProblems(problems []eval.Problem) (string, error) {
	h := sha256.New()
	for _, p := range problems {
		line, err := json.Marshal(p)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(h, "%s\n%s\n%s\n", line, p.Format, p.Raw)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// hashSamples tells one set of samples from another.
func hashSamples(samples []eval.Sample) (string, error) {
	h := sha256.New()
	for _, s := range samples {
		line, err := s.MarshalJSON()
		if err != nil {
			return "", err
		}
		fmt.Fprintf(h, "%s\n", line)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
