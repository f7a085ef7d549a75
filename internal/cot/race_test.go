//go:build race

package cot

func init() { raceDetector = true }
