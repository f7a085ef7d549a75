package ckpt

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// ErrBusy is wrapped by the error of opening what another process is writing.
var ErrBusy = errors.New("another process is writing it; wait for that to end, or choose another folder")

// lockName is the file in a folder that LockDir locks.
const lockName = ".lock"

// A Lock keeps other processes from a folder.
type Lock struct {
	// Made says that the folder had no file .lock before: nobody has written into it, or
	// who did has ended with Remove.
	Made bool

	path string
	file *os.File
}

// LockDir makes the folder dir, if need be, and a file .lock in it, and has the folder to
// itself until Close or Remove, or the end of the process. A folder that another process has
// is refused with ErrBusy. On file systems without locks nobody is refused.
func LockDir(dir string) (*Lock, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("%s: %w", dir, reason(err))
	}
	path := filepath.Join(dir, lockName)
	for {
		_, before := os.Lstat(path)
		file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
		if err != nil {
			return nil, fmt.Errorf("%s: cannot write in the folder: %w", dir, reason(err))
		}
		if err := lock(file); errors.Is(err, ErrBusy) {
			file.Close()
			return nil, fmt.Errorf("%s: %w", dir, err)
		}
		if isAt(file, path) {
			return &Lock{errors.Is(before, os.ErrNotExist), path, file}, nil
		}
		file.Close() // who had it has removed it meanwhile: it keeps nobody from the folder any more
	}
}

// isAt says whether an open file is the one at path.
func isAt(file *os.File, path string) bool {
	is, err := file.Stat()
	if err != nil {
		return false
	}
	at, err := os.Lstat(path)
	return err == nil && os.SameFile(is, at)
}

// Close gives the folder free and leaves the file, by which the next LockDir knows that
// something was begun here. A nil lock is free.
func (l *Lock) Close() error {
	if l == nil {
		return nil
	}
	return l.file.Close()
}

// Remove gives the folder free and takes the file away.
func (l *Lock) Remove() error {
	if l == nil {
		return nil
	}
	if err := os.Remove(l.path); err == nil {
		return l.file.Close()
	}
	return errors.Join(l.file.Close(), os.Remove(l.path)) // systems that remove no open file
}

// WasLocked says whether LockDir has been in the folder dir, and Remove has not.
func WasLocked(dir string) bool {
	_, err := os.Lstat(filepath.Join(dir, lockName))
	return err == nil
}
