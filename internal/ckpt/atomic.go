package ckpt

// Output that appears under its name whole or not at all: written beside the
// target under a temporary name (".NAME.tmp-*"), flushed to the disk, renamed.
// A killed process can leave the temporary behind, never half a result.

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// WriteFile creates or replaces path (mode 0644) with what write writes. If
// write fails or panics, path stays as it was. A symbolic link stays and its
// target is replaced; something that is no regular file, such as /dev/stdout
// or a pipe, is written to directly.
func WriteFile(path string, write func(io.Writer) error) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("%s: %w", path, err)
		}
	}()
	target := path
	if stat, err := os.Stat(path); err == nil {
		switch {
		case stat.IsDir():
			return errors.New("is a folder, expected a file")
		case !stat.Mode().IsRegular():
			return writeThrough(path, write)
		}
		if target, err = filepath.EvalSymlinks(path); err != nil {
			return err
		}
	}
	return replaceFile(target, write)
}

func writeThrough(path string, write func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return cmp.Or(writeBuffered(f, write), f.Close())
}

func replaceFile(target string, write func(io.Writer) error) (err error) {
	dir, name := filepath.Split(target)
	dir = filepath.Clean(dir)
	temp, err := os.CreateTemp(dir, "."+name+".tmp-*")
	if err != nil {
		return fmt.Errorf("cannot write in folder %s: %w", dir, reason(err))
	}
	done := false
	defer func() { // also when write panics
		temp.Close()
		if !done {
			os.Remove(temp.Name())
		}
	}()
	if err := writeBuffered(temp, write); err != nil {
		return err
	}
	if err := cmp.Or(temp.Chmod(0o644), temp.Sync(), temp.Close()); err != nil {
		return err
	}
	if err := os.Rename(temp.Name(), target); err != nil {
		return err
	}
	done = true
	syncDir(dir)
	return nil
}

func writeBuffered(w io.Writer, write func(io.Writer) error) error {
	b := bufio.NewWriterSize(w, 1<<16)
	if err := write(b); err != nil {
		return err
	}
	return b.Flush()
}

// markerName is a file that WriteDir leaves in its folders. It is the licence
// to replace them later.
const (
	markerName = ".nfcot"
	markerText = "nfcot wrote this folder as a whole and may replace it as a whole.\n"
)

// WriteDir creates or replaces the folder path with what fill puts into the
// empty folder tmpDir. If fill fails or panics, path stays as it was. Anything
// in a replaced folder is lost; therefore only a folder that is empty or that
// WriteDir made (it holds a file .nfcot) is replaced, any other is refused.
//
// Replacing is one exchange of names where the system has that (Linux). Where
// it has not, path is missing for an instant, and a process killed in it
// leaves the former folder as ".NAME.old-*" beside it.
func WriteDir(path string, fill func(tmpDir string) error) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("%s: %w", path, err)
		}
	}()
	target, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	if resolved, err := filepath.EvalSymlinks(target); err == nil {
		target = resolved
	}
	exists, err := replaceable(target)
	if err != nil {
		return err
	}
	parent, name := filepath.Split(target)
	temp, err := os.MkdirTemp(parent, "."+name+".tmp-*")
	if err != nil {
		return fmt.Errorf("cannot write in folder %s: %w", parent, reason(err))
	}
	defer os.RemoveAll(temp) // what failed, or after an exchange the former folder
	if err := fill(temp); err != nil {
		return err
	}
	marker := filepath.Join(temp, markerName)
	if err := cmp.Or(os.WriteFile(marker, []byte(markerText), 0o644), os.Chmod(temp, 0o755), syncTree(temp)); err != nil {
		return err
	}
	if exists {
		err = swap(temp, target)
	} else {
		err = os.Rename(temp, target)
	}
	syncDir(parent)
	return err
}

// CheckDir fails where WriteDir would, before it fills the folder. It changes nothing.
func CheckDir(path string) error {
	tried := errors.New("tried")
	if err := WriteDir(path, func(string) error { return tried }); !errors.Is(err, tried) {
		return err
	}
	return nil
}

// replaceable says whether there is something at path, and fails unless it is
// WriteDir's to replace.
func replaceable(path string) (exists bool, err error) {
	entries, err := os.ReadDir(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case len(entries) == 0:
		return true, nil
	}
	if _, err := os.Stat(filepath.Join(path, markerName)); err != nil {
		return true, fmt.Errorf("the folder is not empty and was not made by nfcot (no %s in it); choose another, or empty it", markerName)
	}
	return true, nil
}

// swap puts the folder temp in the place of the existing folder target.
func swap(temp, target string) error {
	if exchange(temp, target) == nil {
		return nil
	}
	return renameOver(temp, target)
}

// renameOver is swap in two steps: the former folder aside, the new one in.
func renameOver(temp, target string) error {
	parent, name := filepath.Split(target)
	aside, err := os.MkdirTemp(parent, "."+name+".old-*")
	if err != nil {
		return err
	}
	former := filepath.Join(aside, name)
	if err := os.Rename(target, former); err != nil {
		return cmp.Or(err, os.Remove(aside))
	}
	if err := os.Rename(temp, target); err != nil {
		return cmp.Or(os.Rename(former, target), os.Remove(aside), err)
	}
	return os.RemoveAll(aside)
}

// syncTree flushes every file and folder under root to the disk.
func syncTree(root string) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			syncDir(path)
		case d.Type().IsRegular():
			f, err := os.Open(path)
			if err != nil {
				return err
			}
			return cmp.Or(f.Sync(), f.Close())
		}
		return nil
	})
}

// syncDir flushes the names in a folder. Some file systems cannot, and then it
// is theirs to keep a rename safe: not an error.
func syncDir(path string) {
	if f, err := os.Open(path); err == nil {
		_ = f.Sync()
		f.Close()
	}
}

// reason strips the operation and the path off an error of package os: our
// messages begin with the path that the user knows.
func reason(err error) error {
	if pathErr, ok := err.(*fs.PathError); ok {
		return pathErr.Err
	}
	return err
}
