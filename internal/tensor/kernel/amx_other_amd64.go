//go:build !linux && !purego

package kernel

// permitAMX: only Linux is asked.
func permitAMX() bool { return false }
