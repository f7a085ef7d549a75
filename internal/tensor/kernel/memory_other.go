//go:build !linux

package kernel

// adviseHugePages does nothing where programs have no say in the size of pages.
func adviseHugePages(start, size uintptr) {}
