package sandbox

import (
	"debug/elf"
	"errors"
	"fmt"
	"io"
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

// ownLibraries returns the files that this program, which the checks run, needs
// to start where it is linked dynamically, as a build with cgo is. A static one
// needs none.
func ownLibraries() ([]string, error) {
	const self = "/proc/self/exe"
	f, err := elf.Open(self)
	if err != nil {
		return nil, fmt.Errorf("sandbox: %s: %w", self, err)
	}
	defer f.Close()
	loader := slices.IndexFunc(f.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP })
	if loader < 0 {
		return nil, nil
	}
	name, err := io.ReadAll(f.Progs[loader].Open())
	if err != nil {
		return nil, fmt.Errorf("sandbox: %s: %w", self, err)
	}
	files := []string{strings.TrimRight(string(name), "\x00")}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	for line := range strings.Lines(string(maps)) {
		// The sixth field is the path of what is mapped.
		if fields := strings.Fields(line); len(fields) == 6 && strings.Contains(filepath.Base(fields[5]), ".so") {
			files = append(files, filepath.Dir(fields[5]))
		}
	}
	return files, nil
}
