//go:build !amd64 || purego

package kernel

// quantisedSets are the kernels of quantised weights by level: there is but one.
var quantisedSets = [...]*quantisedKernels{genericQuantised}
