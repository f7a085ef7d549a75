package sandbox

import (
	"os/exec"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// BenchmarkStart compares starting a program behind layers, from Start to the
// end of Wait, with executing it alone. Each reports medians; the processor
// time is that of all processes that take part.
func BenchmarkStart(b *testing.B) {
	for _, program := range []struct {
		name string
		argv []string
	}{
		{"true", []string{"/bin/true"}},
		{"python", []string{python, "-I", "-S", "-B", "-c", "pass"}},
	} {
		argv := program.argv
		b.Run(program.name+"/plain", func(b *testing.B) {
			medians(b, func() {
				if err := exec.Command(argv[0], argv[1:]...).Run(); err != nil {
					b.Fatal(err)
				}
			}, func() time.Duration {
				return processorTime(b, unix.RUSAGE_SELF) + processorTime(b, unix.RUSAGE_CHILDREN)
			})
		})
		b.Run(program.name+"/sandbox", func(b *testing.B) {
			s := openSandbox(b, Options{ReadOnly: append([]string{"/bin/true"}, pythonFiles...)})
			var confined time.Duration
			medians(b, func() {
				p, err := s.Start(Command{Path: argv[0], Args: argv})
				if err != nil {
					b.Fatal(err)
				}
				end, err := p.Wait()
				if err != nil || end.ExitCode != 0 {
					b.Fatal(end, err)
				}
				confined += end.CPU
			}, func() time.Duration {
				launcher, _ := processTimes(s.backend.(*linux).launcher.Pid)
				return confined + processorTime(b, unix.RUSAGE_SELF) + launcher
			})
		})
	}
}

func processorTime(b *testing.B, who int) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(who, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func medians(b *testing.B, run func(), cpu func() time.Duration) {
	var walls, cpus []float64
	for b.Loop() {
		start, before := time.Now(), cpu()
		run()
		walls = append(walls, float64(time.Since(start))/1e6)
		cpus = append(cpus, float64(cpu()-before)/1e6)
	}
	slices.Sort(walls)
	slices.Sort(cpus)
	b.ReportMetric(walls[len(walls)/2], "wall-ms")
	b.ReportMetric(cpus[len(cpus)/2], "cpu-ms")
	b.ReportMetric(walls[0], "least-wall-ms") // what a busy machine disturbs least
	b.ReportMetric(cpus[0], "least-cpu-ms")
	b.ReportMetric(0, "ns/op")
}
