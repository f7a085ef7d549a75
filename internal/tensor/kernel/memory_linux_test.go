package kernel

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"unsafe"
)

// A mapping is a stretch of this process's addresses, as /proc/self/smaps describes it.
type mapping struct {
	from, to uintptr
	huge     bool // huge pages were asked for
}

func mappings(t *testing.T) (all []mapping) {
	t.Helper()
	text, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Skip(err)
	}
	for line := range strings.Lines(string(text)) {
		var m mapping
		if _, err := fmt.Sscanf(line, "%x-%x ", &m.from, &m.to); err == nil {
			all = append(all, m)
		} else if flags, ok := strings.CutPrefix(line, "VmFlags:"); ok {
			all[len(all)-1].huge = slices.Contains(strings.Fields(flags), "hg")
		}
	}
	return all
}

// All of a large array lies where huge pages were asked for, wherever on a page it begins.
func TestFloatsAskForHugePages(t *testing.T) {
	if _, err := os.Stat("/sys/kernel/mm/transparent_hugepage"); err != nil {
		t.Skip("this system has no huge pages: ", err)
	}
	for _, n := range []int{largeArray / 4, 3*largeArray/4 + 5, 5 * hugePage / 4, 1<<24 + 3} {
		for range 5 {
			x := Floats(n)
			from := uintptr(unsafe.Pointer(&x[0]))
			to := from + 4*uintptr(n)
			asked := uintptr(0)
			for _, m := range mappings(t) {
				if m.huge && m.from < to && m.to > from {
					asked += min(m.to, to) - max(m.from, from)
				}
			}
			if asked != to-from {
				t.Errorf("%d numbers: huge pages were asked for %d bytes of %d", n, asked, to-from)
			}
			x[0], x[n-1] = 1, 1 // still in use
		}
	}
}
