package kernel

import "testing"

func TestMemoryOfThisMachine(t *testing.T) {
	before := PeakMemory()
	x := make([]byte, 256<<20)
	for i := 0; i < len(x); i += 4096 {
		x[i] = 1
	}
	if after := PeakMemory(); before <= 0 || after < int64(len(x)) {
		t.Errorf("the peak is %d bytes, and %d after %d were touched", before, after, len(x))
	}
	if x[0] == 0 || AvailableMemory() <= 0 {
		t.Errorf("%d bytes are available", AvailableMemory())
	}
}
