//go:build race

package train

func init() { raceDetector = true }
