//go:build unix

package ckpt

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// lock keeps other processes from the file until it is closed, also by the end of this one.
// It fails with ErrBusy where another one has it, and otherwise where there are no locks.
func lock(f *os.File) error {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return ErrBusy
	}
	return err
}

// hold keeps a temporary, a file or a folder, from being taken for a leftover until release is
// called. It fails where somebody has just done so.
func hold(path string) (release func() error, ok bool) {
	f, err := os.Open(path)
	if err != nil {
		return func() error { return nil }, !errors.Is(err, os.ErrNotExist)
	}
	if err := lock(f); errors.Is(err, ErrBusy) || !isAt(f, path) {
		f.Close()
		return nil, false
	}
	return f.Close, true
}

// isLeftover says whether no process holds a temporary any more. Where there are no locks
// nobody knows.
func isLeftover(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	return lock(f) == nil
}
