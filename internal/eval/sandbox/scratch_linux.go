package sandbox

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// This file makes and removes the scratch folders of programs that have no
// mount namespace, and so no file system of their own.

// scratchPrefix begins the names of the folders of launchers in the host's
// folder for temporary files.
const scratchPrefix = "nfcot-sandbox-"

// A scratchRoot is a launcher's folder. The launcher holds a lock on it, so that
// others can see which folders belong to launchers that were killed.
type scratchRoot struct {
	path string
	lock *os.File
	made int
}

func newScratchRoot() (*scratchRoot, error) {
	removeStale(os.TempDir())
	const attempts = 10 // somebody may take a new folder for a stale one, before it is locked
	for range attempts {
		path, err := os.MkdirTemp(os.TempDir(), scratchPrefix)
		if err != nil {
			return nil, err
		}
		if lock := lockFolder(path); lock != nil {
			// For the users that programs run as to get to their own.
			if err := os.Chmod(path, 0o711); err == nil {
				return &scratchRoot{path: path, lock: lock}, nil
			}
			lock.Close()
		}
	}
	return nil, errors.New("no folder for scratch files")
}

// lockFolder returns nil if somebody else has the lock, or the folder is gone.
func lockFolder(path string) *os.File {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	f := os.NewFile(uintptr(fd), path)
	var locked, named unix.Stat_t
	if unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) == nil && unix.Fstat(fd, &locked) == nil &&
		unix.Lstat(path, &named) == nil && locked.Ino == named.Ino && int(locked.Uid) == os.Geteuid() {
		return f
	}
	f.Close()
	return nil
}

// removeStale removes what launchers left that were killed.
func removeStale(dir string) {
	paths, _ := filepath.Glob(filepath.Join(dir, scratchPrefix+"*")) // the pattern is good
	for _, path := range paths {
		if lock := lockFolder(path); lock != nil {
			removeTree(path)
			lock.Close()
		}
	}
}

// make makes a folder for a program that runs as the given user, 0 for our own.
func (s *scratchRoot) make(id int) (string, error) {
	s.made++
	dir := filepath.Join(s.path, strconv.Itoa(s.made))
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", err
	}
	if id != 0 {
		if err := os.Chown(dir, id, id); err != nil {
			return "", err
		}
	}
	return dir, nil
}

func (s *scratchRoot) remove() {
	if s != nil {
		removeTree(s.path)
		s.lock.Close()
	}
}

// removeTree removes a folder and all in it, which may be hostile: paths longer
// than the kernel takes, folders deeper than descriptors last, modes that let
// nobody in, symbolic links to other places. What cannot be removed stays.
func removeTree(path string) {
	parent, err := unix.Open(filepath.Dir(path), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	defer unix.Close(parent)
	name := filepath.Base(path)
	top, err := openFolder(parent, name)
	if err != nil {
		return
	}
	defer unix.Close(top)
	// Folders within folders are moved up to the top, so that no more than two
	// are open and no path has more than one name.
	moved := 0
	for {
		names := folderNames(top)
		if len(names) == 0 {
			break
		}
		before := moved
		removed := false
		for _, n := range names {
			if removeFrom(top, n, &moved) {
				removed = true
			}
		}
		if !removed && moved == before {
			break
		}
	}
	_ = unix.Unlinkat(parent, name, unix.AT_REMOVEDIR)
}

// removeFrom removes an entry of the folder top, and moves folders in it there.
func removeFrom(top int, name string, moved *int) bool {
	if unix.Unlinkat(top, name, 0) == nil {
		return true
	}
	dir, err := openFolder(top, name)
	if err != nil {
		return false
	}
	defer unix.Close(dir)
	for _, inner := range folderNames(dir) {
		if unix.Unlinkat(dir, inner, 0) == nil || unix.Unlinkat(dir, inner, unix.AT_REMOVEDIR) == nil {
			continue
		}
		// To move a folder, its own entry for the one above changes.
		_ = unix.Fchmodat(dir, inner, 0o700, 0)
		*moved++
		_ = unix.Renameat(dir, inner, top, fmt.Sprintf(".%d-%d", os.Getpid(), *moved))
	}
	return unix.Unlinkat(top, name, unix.AT_REMOVEDIR) == nil
}

// openFolder opens a folder, not a link to one, after making that possible.
func openFolder(parent int, name string) (int, error) {
	const how = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	fd, err := unix.Openat(parent, name, how, 0)
	var st unix.Stat_t
	if err == nil && unix.Fstat(fd, &st) == nil && st.Mode&0o700 == 0o700 {
		return fd, nil
	}
	if err == nil {
		unix.Close(fd)
	}
	if err := unix.Fstatat(parent, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return -1, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return -1, unix.ENOTDIR
	}
	// The program is gone: nobody puts a link in its place meanwhile.
	if err := unix.Fchmodat(parent, name, 0o700, 0); err != nil {
		return -1, err
	}
	return unix.Openat(parent, name, how, 0)
}

// folderNames are the names in an open folder, some thousands at a time.
func folderNames(fd int) []string {
	const some = 4096
	again, err := unix.Openat(fd, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	f := os.NewFile(uintptr(again), ".")
	defer f.Close()
	names, _ := f.Readdirnames(some)
	return names
}
