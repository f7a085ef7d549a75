//go:build race

package transformer_test

func init() { raceDetector = true }
