package ckpt

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// lock keeps other processes from the file until it is closed, also by the end of this one.
// It fails with ErrBusy where another one has it, and otherwise where there are no locks. What
// is locked lies far behind the end of the file: the file itself can be read.
func lock(f *os.File) error {
	err := windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY,
		0, 1, 0, &windows.Overlapped{OffsetHigh: 1 << 30})
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return ErrBusy
	}
	return err
}
