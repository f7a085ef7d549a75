package ckpt

// Output that appears under its name whole or not at all: written beside the
// target under a temporary name (".NAME.tmp-*"), flushed to the disk, renamed.
// A killed process can leave the temporary behind, never half a result; who writes
// the same name next removes it.

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
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

// WriteBytes is WriteFile with bytes that are there already.
func WriteBytes(path string, text []byte) error {
	return WriteFile(path, func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
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
	path, release, err := makeTemp(dir, name, createTemp)
	if err != nil {
		return err
	}
	defer release()
	done := false
	defer func() { // also when write panics
		if !done {
			os.Remove(path)
		}
	}()
	temp, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return reason(err)
	}
	defer temp.Close()
	if err := writeBuffered(temp, write); err != nil {
		return err
	}
	if err := cmp.Or(temp.Chmod(0o644), temp.Sync(), temp.Close()); err != nil {
		return err
	}
	if err := os.Rename(path, target); err != nil {
		return err
	}
	done = true
	syncDir(dir)
	return nil
}

// makeTemp makes a temporary of a name in dir and holds it until it is released. It removes
// those of killed processes.
func makeTemp(dir, name string, create func(dir, pattern string) (string, error)) (path string, release func() error, err error) {
	prefix := "." + name + tempMark
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if old := filepath.Join(dir, e.Name()); strings.HasPrefix(e.Name(), prefix) && isLeftover(old) {
			os.RemoveAll(old)
		}
	}
	for {
		if path, err = create(dir, prefix+"*"); err != nil {
			return "", nil, fmt.Errorf("cannot write in folder %s: %w", dir, reason(err))
		}
		if release, ok := hold(path); ok {
			return path, release, nil
		}
	}
}

// createTemp is os.MkdirTemp for a file.
func createTemp(dir, pattern string) (string, error) {
	f, err := os.CreateTemp(dir, pattern)
	if err != nil {
		return "", err
	}
	return f.Name(), f.Close()
}

func writeBuffered(w io.Writer, write func(io.Writer) error) error {
	b := bufio.NewWriterSize(w, 1<<16)
	if err := write(b); err != nil {
		return err
	}
	return b.Flush()
}

// What stands between name and number of a temporary, and of what was put aside for it.
const (
	tempMark = ".tmp-"
	oldMark  = ".old-"
)

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
// leaves the former folder as ".NAME.old-*" beside it, for Recover.
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
	if _, err := replaceable(target); err != nil {
		return err
	}
	parent, name := filepath.Split(target)
	temp, release, err := makeTemp(parent, name, os.MkdirTemp)
	if err != nil {
		return err
	}
	defer release()
	defer os.RemoveAll(temp) // what failed, or after an exchange the former folder
	if err := fill(temp); err != nil {
		return err
	}
	marker := filepath.Join(temp, markerName)
	if err := cmp.Or(os.WriteFile(marker, []byte(markerText), 0o644), os.Chmod(temp, 0o755), syncTree(temp)); err != nil {
		return err
	}
	exists, err := replaceable(target) // again: another process may have written it meanwhile
	switch {
	case err != nil:
		return err
	case exists:
		err = swap(temp, target)
	default:
		err = os.Rename(temp, target)
	}
	syncDir(parent)
	return err
}

// RemoveDir removes the folder path with all that is in it: a killed process leaves it whole,
// or not under its name.
func RemoveDir(path string) error {
	parent, name := filepath.Split(filepath.Clean(path))
	temp, release, err := makeTemp(filepath.Clean(parent), name, os.MkdirTemp)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	defer release()
	if err := os.Rename(path, filepath.Join(temp, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(err, os.RemoveAll(temp))
	}
	return os.RemoveAll(temp)
}

// Recover makes good what killed processes left of their writing into the folder dir, which
// nobody else may be writing into (see LockDir): a folder that was put aside comes back where
// none has taken its place, and temporaries go.
func Recover(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name, old, temporary := leftover(e.Name())
		if !temporary {
			continue
		}
		path := filepath.Join(dir, e.Name())
		if target := filepath.Join(dir, name); old {
			if _, err := os.Lstat(target); errors.Is(err, fs.ErrNotExist) {
				if err := os.Rename(filepath.Join(path, name), target); err != nil && !errors.Is(err, fs.ErrNotExist) {
					return err
				}
			}
		}
		if err := os.RemoveAll(path); err != nil {
			return err
		}
	}
	return nil
}

// leftover says whether a file's name is that of a temporary, of what, and whether that was
// put aside.
func leftover(file string) (name string, old, ok bool) {
	for _, mark := range []string{tempMark, oldMark} {
		i := strings.LastIndex(file, mark)
		if i < 2 || file[0] != '.' {
			continue
		}
		if _, err := strconv.ParseUint(file[i+len(mark):], 10, 64); err == nil {
			return file[1:i], mark == oldMark, true
		}
	}
	return "", false, false
}

// CheckFile fails where WriteFile would for want of the folder, or because there is one of
// the file's name: before there is work that would be lost.
func CheckFile(path string) error {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return fmt.Errorf("%s: is a folder, expected a file", path)
	}
	dir := filepath.Dir(path)
	info, err := os.Stat(dir)
	if err == nil && !info.IsDir() {
		err = errors.New("it is a file")
	}
	if err != nil {
		return fmt.Errorf("%s: cannot write in folder %s: %w", path, dir, reason(err))
	}
	return nil
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
	aside, err := os.MkdirTemp(parent, "."+name+oldMark+"*")
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
