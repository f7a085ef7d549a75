package cpython

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"
)

// passCredentials has what arrives at one end of a socketPair say whose it is.
func passCredentials(f *os.File) error {
	return os.NewSyscallError("setsockopt", syscall.SetsockoptInt(int(f.Fd()), syscall.SOL_SOCKET, syscall.SO_PASSCRED, 1))
}

// hello reads the first line of a process and returns the process' number, as
// this process' namespace has it.
func hello(c *net.UnixConn) (pid int, err error) {
	line := make([]byte, 64)
	control := make([]byte, syscall.CmsgSpace(syscall.SizeofUcred))
	n, m, _, _, err := c.ReadMsgUnix(line, control)
	if err != nil {
		return 0, err
	}
	if n == 0 || line[n-1] != '\n' {
		return 0, errors.New("it does not begin")
	}
	messages, err := syscall.ParseSocketControlMessage(control[:m])
	if err != nil || len(messages) == 0 {
		return 0, err
	}
	credentials, err := syscall.ParseUnixCredentials(&messages[0])
	if err != nil {
		return 0, err
	}
	return int(credentials.Pid), nil
}

// processorTimes is how long the first thread of a process has had a processor, and
// how long it was ready to run and had none; 0 where that is not known.
func processorTimes(pid int) (had, waited time.Duration) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/schedstat", pid))
	if err != nil {
		return 0, 0
	}
	if _, err := fmt.Sscan(string(text), &had, &waited); err != nil { // nanoseconds
		return 0, 0
	}
	return had, waited
}
