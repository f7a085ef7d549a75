package kernel

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// AvailableMemory is how many bytes this process can still have, by what the
// system has free and what its control group grants; 0 if that is not known.
func AvailableMemory() int {
	available := 0
	text, _ := os.ReadFile("/proc/meminfo")
	for line := range strings.Lines(string(text)) {
		var kib int
		if _, err := fmt.Sscanf(line, "MemAvailable: %d kB", &kib); err == nil {
			available = kib << 10
		}
	}
	if most, ok := readNumber("/sys/fs/cgroup/memory.max"); ok {
		used, _ := readNumber("/sys/fs/cgroup/memory.current")
		cache, _ := readNumber("/sys/fs/cgroup/memory.stat", "inactive_file")
		available = min(available, max(1, most-used+cache))
	}
	return available
}

// PeakMemory is how many bytes of memory this process has held at most since it
// began; 0 if that is not known. What getrusage says would include what the program
// held that started this one.
func PeakMemory() int64 {
	text, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(text)) {
		var kib int64
		if _, err := fmt.Sscanf(line, "VmHWM: %d kB", &kib); err == nil {
			return kib << 10
		}
	}
	return 0
}

// readNumber reads a file with a number, or the number after a name on a line of
// its own.
func readNumber(path string, name ...string) (int, bool) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	number := strings.TrimSpace(string(text))
	for _, n := range name {
		_, after, _ := strings.Cut("\n"+number, "\n"+n+" ")
		number, _, _ = strings.Cut(after, "\n")
	}
	n, err := strconv.Atoi(number)
	return n, err == nil
}
