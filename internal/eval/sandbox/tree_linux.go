package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// An entry is something of the host that a confined program finds at the same
// path in its own root: a symbolic link, or what is bound there.
type entry struct {
	Path   string
	Link   string // what a symbolic link says, "" for other things
	Folder bool
}

// tree returns what a root needs to make all of the given host paths reachable
// in it. No two bound entries contain each other, and links come first.
func tree(paths []string) ([]entry, error) {
	links := map[string]entry{}
	bound := map[string]entry{}
	for _, p := range paths {
		if !filepath.IsAbs(p) {
			return nil, fmt.Errorf("sandbox: %s is not an absolute path", p)
		}
		if err := trace(filepath.Clean(p), links, bound); err != nil {
			return nil, err
		}
	}
	within := func(path string) bool { // some other bound entry
		for dir := filepath.Dir(path); dir != "/"; dir = filepath.Dir(dir) {
			if _, ok := bound[dir]; ok {
				return true
			}
		}
		return false
	}
	var all []entry
	for _, entries := range []map[string]entry{links, bound} {
		var these []entry
		for path, e := range entries {
			if !within(path) {
				these = append(these, e)
			}
		}
		slices.SortFunc(these, func(a, b entry) int { return strings.Compare(a.Path, b.Path) })
		all = append(all, these...)
	}
	return all, nil
}

// ownFolders are those that every root has of its own.
var ownFolders = []string{"/", scratchPath, devPath, "/proc", "/sys"}

// trace follows a path from the root to where it really is and notes the
// symbolic links on the way, which the path is made of, and the end.
func trace(path string, links, bound map[string]entry) error {
	const most = 40 // links in a path, as for the kernel
	followed := 0
	done, rest := "/", strings.TrimPrefix(path, "/")
	for rest != "" {
		var name string
		name, rest, _ = strings.Cut(rest, "/")
		here := filepath.Join(done, name)
		link, err := os.Readlink(here)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // what is not there cannot be needed
		}
		if errors.Is(err, syscall.EINVAL) { // no link
			done = here
			continue
		}
		if err != nil {
			return err
		}
		if followed++; followed > most {
			return fmt.Errorf("sandbox: %s: too many symbolic links", path)
		}
		links[here] = entry{Path: here, Link: link}
		if !filepath.IsAbs(link) {
			link = filepath.Join(done, link)
		}
		done, rest = "/", strings.TrimPrefix(filepath.Join(link, rest), "/")
	}
	info, err := os.Lstat(done)
	if err != nil {
		return err
	}
	if slices.Contains(ownFolders, done) {
		return fmt.Errorf("sandbox: %s cannot be given to confined programs as a whole", done)
	}
	bound[done] = entry{Path: done, Folder: info.IsDir()}
	return nil
}
