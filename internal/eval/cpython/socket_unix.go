//go:build unix

package cpython

import (
	"net"
	"os"
	"syscall"
)

// socketPair returns the ends of a connection as files, which no process
// inherits that is not given them.
func socketPair() (a, b *os.File, err error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	ends, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	for _, end := range ends {
		syscall.CloseOnExec(end)
	}
	return os.NewFile(uintptr(ends[0]), "socket"), os.NewFile(uintptr(ends[1]), "socket"), nil
}

// sendFiles sends data together with descriptors of open files.
func sendFiles(c *net.UnixConn, data []byte, files []*os.File) error {
	var descriptors []int
	for _, f := range files {
		descriptors = append(descriptors, int(f.Fd()))
	}
	_, _, err := c.WriteMsgUnix(data, syscall.UnixRights(descriptors...), nil)
	return err
}
