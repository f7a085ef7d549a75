package cpython

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
)

// startCPython starts an interpreter that runs one of its programs, with files
// as its descriptors from 3. The program's code is the first that comes on
// descriptor 3; boot is that channel's other end.
func (x *Executor) startCPython(program string, boot io.Writer, c command) (*process, error) {
	c.Path = x.python.Executable
	// Isolated but for the seed of hashes: sets must have the same order in all processes.
	c.Args = []string{c.Path, "-s", "-S", "-B", "-c", source("boot")}
	c.Env = []string{"PYTHONHASHSEED=0", "PYTHONUTF8=1", "PYTHONCOERCECLOCALE=0", "OMP_NUM_THREADS=1"}
	p, err := start(c)
	if err != nil {
		return nil, fmt.Errorf("starting CPython: %w", err)
	}
	code := x.python.Programs[program]
	if _, err := boot.Write(append(binary.LittleEndian.AppendUint32(nil, uint32(len(code))), code...)); err != nil {
		p.Kill()
		_, _ = p.Wait()
		return nil, fmt.Errorf("starting CPython: %w", err)
	}
	return p, nil
}

// A candidate is a process that waits for the tester to have it run a program.
type candidate struct {
	*process
	channel *os.File // the tester's end
}

func (x *Executor) startCandidate() (*candidate, error) {
	ours, theirs, err := socketPair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	p, err := x.startCPython("candidate", ours, command{Files: []*os.File{theirs}, Memory: x.options.Memory})
	if err != nil {
		ours.Close()
		return nil, err
	}
	return &candidate{p, ours}, nil
}

// end kills the process and says what it took.
func (c *candidate) finish() (end, error) {
	c.Kill()
	c.channel.Close()
	return c.Wait()
}

// A tester is the zygote that forks a process for each program to be judged.
type tester struct {
	*process
	control *net.UnixConn
}

func (x *Executor) startTester() (*tester, error) {
	ours, theirs, err := socketPair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	p, err := x.startCPython("tester", ours, command{Files: []*os.File{theirs}, Memory: x.options.Memory, Fork: true})
	if err != nil {
		ours.Close()
		return nil, err
	}
	control, err := unixConn(ours)
	if err != nil {
		p.Kill()
		_, _ = p.Wait()
		return nil, err
	}
	return &tester{p, control}, nil
}

// unixConn makes a connection of one end of a socketPair and closes the file.
func unixConn(f *os.File) (*net.UnixConn, error) {
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	return c.(*net.UnixConn), nil
}

// record is what the zygote reads: what to do, and the job's number.
func record(what byte, job uint64) []byte {
	return binary.LittleEndian.AppendUint64([]byte{what}, job)
}

// begin has the zygote fork a process that judges the program of a candidate.
// It returns that process' end of the channel for the order and the verdict.
func (t *tester) begin(job uint64, c *candidate) (*net.UnixConn, error) {
	ours, theirs, err := socketPair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	files := []*os.File{theirs}
	if c != nil {
		files = append(files, c.channel)
	}
	if err := sendFiles(t.control, record('J', job), files...); err != nil {
		ours.Close()
		return nil, fmt.Errorf("the tester's process: %w", err)
	}
	return unixConn(ours)
}

// end kills the process of a job, if it still runs.
func (t *tester) end(job uint64) error {
	_, err := t.control.Write(record('K', job))
	return err
}
