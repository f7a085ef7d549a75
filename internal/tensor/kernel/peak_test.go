package kernel

import (
	"testing"
	"time"
)

// The peaks are measured, not looked up: any machine that runs these tests is above the limits here.
func TestPeaks(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		if v := PeakFLOPs(time.Millisecond); v < 1e8 {
			t.Errorf("%g operations a second", v)
		}
	})
	if v := PeakBandwidth()(time.Millisecond); v < 1e8 {
		t.Errorf("%g bytes a second", v)
	}
}

func BenchmarkPeak(b *testing.B) {
	b.Run("FLOPs", func(b *testing.B) { b.ReportMetric(PeakFLOPs(300*time.Millisecond)/1e9, "GFLOP/s") })
	b.Run("Bandwidth", func(b *testing.B) { b.ReportMetric(PeakBandwidth()(300*time.Millisecond)/1e9, "GB/s") })
}
