//go:build !linux

package cli

// availableMemory is 0: it is not known here.
func availableMemory() int { return 0 }

// peakMemory is 0: it is not known here.
func peakMemory() int64 { return 0 }
