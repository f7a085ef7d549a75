package starlark

// This file is the inside of a worker process: it reads jobs from a pipe, runs
// them, writes replies, and watches its own memory. The parent's side is in
// executor.go.
//
// The protocol is one JSON value a line. The parent's first line is a hello;
// the worker answers it with an empty reply once its limits are in force. Then
// the parent sends one job at a time. Every reply repeats the secret of the
// hello and the number of its job, so that nothing else on the worker's output
// can pass for one.

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"nfcot/internal/eval"
)

type hello struct {
	Secret string
	Memory int64 // bytes
	Steps  uint64
}

type job struct {
	Number     int
	Source     string
	EntryPoint string
	Test       string
}

type reply struct {
	Secret string
	Number int // 0 answers the hello, jobs count from 1
	Kind   eval.Kind
	Detail string
}

// exitOutOfMemory is the exit status of a worker that found itself over its limit.
const exitOutOfMemory = 97

// Subcommand is the argument with which a program is asked to call WorkerMain.
const Subcommand = "__starlark-worker"

// WorkerMain is the main function of a worker process of the Starlark
// executor. It limits the memory of the whole process, runs the jobs that come
// in on stdin and answers on stdout. It returns when stdin ends, even while a
// job is running; the process must then exit. The error is for input that is
// not the parent's.
func WorkerMain(stdin io.Reader, stdout io.Writer) error {
	// An interrupt from the terminal reaches every process of its group; what
	// becomes of the workers is for the parent to decide.
	signal.Ignore(os.Interrupt)

	in := json.NewDecoder(stdin)
	var h hello
	if err := in.Decode(&h); err != nil {
		return fmt.Errorf("starlark worker: reading the parent's hello: %w", err)
	}
	if err := limitMemory(h.Memory); err != nil {
		return fmt.Errorf("starlark worker: limiting memory: %w", err)
	}
	send := func(r reply) {
		r.Secret = h.Secret
		line, err := json.Marshal(r)
		if err != nil {
			panic(err) // a reply is strings and numbers
		}
		// The line break in front ends whatever stray output came before. If
		// the parent is gone, stdin has ended too.
		_, _ = fmt.Fprintf(stdout, "\n%s\n", line)
	}
	send(reply{})
	for {
		var j job
		if err := in.Decode(&j); err == io.EOF {
			return nil
		} else if err != nil {
			return fmt.Errorf("starlark worker: reading a job: %w", err)
		}
		// In a goroutine, to see the end of stdin while the job is running.
		go func() {
			o := interpret(j.Source, j.EntryPoint, j.Test, h.Steps)
			send(reply{Number: j.Number, Kind: o.Kind, Detail: o.Detail})
		}()
	}
}

// limitMemory keeps the process within limit bytes of heap and stacks. A
// watcher ends the process when it is over the limit. That takes some
// milliseconds, and much longer while the program copies a large block, as the
// collector then waits for the program and everybody else for the collector.
// So there is a limit behind the watcher where the operating system has one, at
// several times the limit: collections need room, and a growing stack is copied.
func limitMemory(limit int64) error {
	runtime.GOMAXPROCS(2) // the program, and the watcher or the garbage collector
	debug.SetMemoryLimit(limit)
	debug.SetMaxStack(int(limit / 2))
	if err := limitAddressSpace(garbageFactor * limit); err != nil {
		return err
	}
	go watchMemory(uint64(limit))
	return nil
}

// garbageFactor is how many times its limit a process may take together with
// its garbage, which a program can make faster than a busy machine collects it.
const garbageFactor = 4

// watchMemory ends the process when live objects and stacks take more than
// limit bytes, or these and garbage more than garbageFactor times that.
func watchMemory(limit uint64) {
	samples := []metrics.Sample{
		{Name: "/memory/classes/heap/stacks:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"}, // garbage included
		{Name: "/gc/heap/live:bytes"},                // as the last collection found it
	}
	usage := func() (all, live uint64) {
		metrics.Read(samples)
		stacks := samples[0].Value.Uint64()
		return stacks + samples[1].Value.Uint64(), stacks + samples[2].Value.Uint64()
	}
	overAfterGC := func() bool {
		runtime.GC()
		_, live := usage()
		return live > limit
	}
	for range time.Tick(5 * time.Millisecond) {
		// A collection takes for live what the program allocates while it
		// lasts, so one alone proves nothing.
		all, _ := usage()
		if all > garbageFactor*limit || all > limit && overAfterGC() && overAfterGC() {
			os.Exit(exitOutOfMemory)
		}
	}
}
