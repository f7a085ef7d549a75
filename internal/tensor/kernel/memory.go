package kernel

// Floats returns n zeros.
func Floats(n int) []float32 { return make([]float32, n) }
