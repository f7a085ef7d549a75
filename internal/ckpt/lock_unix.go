//go:build unix

package ckpt

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// lock keeps other processes from the file until it is closed, also by the end
// of this one. Some network file systems have no locks; there it does nothing.
func lock(f *os.File) error {
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); errors.Is(err, unix.EWOULDBLOCK) {
		return errors.New("another process is writing it; wait for that to end, or choose another folder")
	}
	return nil
}
