//go:build race

package starlark

func init() { raceDetector = true }
