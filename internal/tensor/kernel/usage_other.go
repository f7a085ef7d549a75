//go:build !linux

package kernel

// AvailableMemory is 0: it is not known here.
func AvailableMemory() int { return 0 }

// PeakMemory is 0: it is not known here.
func PeakMemory() int64 { return 0 }
