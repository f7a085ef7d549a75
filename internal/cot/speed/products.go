package speed

import (
	"fmt"

	"nfcot/internal/tensor/kernel"
)

// gemmShapes are M, N, K of products x wᵀ, x [M, K], w [N, K], as training and
// prefill make them.
var gemmShapes = [][3]int{
	{512, 512, 512}, {2048, 2048, 2048}, {512, 128, 128}, {512, 256, 256}, {512, 1024, 1024}, {512, 3072, 1024}, {512, 1024, 3072},
	{2048, 512, 512}, {2048, 1024, 1024}, {4096, 128, 128}, {4096, 384, 128}, {4096, 768, 256}, {4096, 1536, 512}, {4096, 512, 1536},
}

func (m *meter) gemm() error {
	for _, shape := range gemmShapes {
		M, N, K := shape[0], shape[1], shape[2]
		x, w, y := random(M*K), random(N*K), kernel.Floats(M*N)
		flops := 2 * float64(M) * float64(N) * float64(K)
		err := m.add("gemm", fmt.Sprintf("f32 %dx%dx%d", M, N, K), "GFLOP/s", flops/1e9, m.flops, flops, func() {
			kernel.Gemm(y, N, kernel.Mat{Data: x, Stride: K}, kernel.Mat{Data: w, Stride: K, Trans: true}, M, N, K, false)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// formats are those that weights are stored in, and blocks types of blocks in GGUF files.
var (
	formats = []kernel.Format{kernel.F32, kernel.BF16, kernel.W8A8}
	blocks  = []string{"Q4_K", "Q6_K"}
)

// gemv multiplies a vector with a matrix larger than any cache.
func (m *meter) gemv() error {
	out, in := 1<<16, 1<<11
	if m.options.Quick {
		out = 1 << 10
	}
	w, x, y := random(out*in), random(in), kernel.Floats(out)
	multiply := func(name string, weights kernel.Weights, err error) error {
		if err != nil {
			return err
		}
		bytes := float64(weights.Bytes())
		return m.add("gemv", fmt.Sprintf("%s %dx%d", name, out, in), "GB/s", bytes/1e9, m.bandwidth, bytes, func() { weights.Mul(y, out, x, in, 1, false) })
	}
	for _, format := range formats {
		weights, err := kernel.StoreRows(out, in, format, func(from, n int, _ []float32) ([]float32, error) { return w[from*in : (from+n)*in], nil })
		if err := multiply(fmt.Sprint(format), weights, err); err != nil {
			return err
		}
	}
	for _, name := range blocks {
		weights, err := kernel.PackBlocks(in, []kernel.BlockRows{{Type: name, Out: out, Read: sameBytes}})
		if err := multiply(name, weights, err); err != nil {
			return err
		}
	}
	return nil
}

// sameBytes makes a row of blocks whose scales are small numbers, and whose weights are any: speed does not depend on them.
func sameBytes(dst []byte, _ int) error {
	for i := range dst {
		dst[i] = 0x21
	}
	return nil
}
