package experiment

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"nfcot/internal/ckpt"
)

// The life of a run folder. A file .lock, which the process that writes the folder has locked,
// comes first and goes last. Beside it there are the files of Start, then the first state; only
// then does training begin. Whatever was killed before that state has kept nothing that
// counts: such a folder holds a beginning, which is begun anew.

// A FolderError says why a run cannot be written into a folder.
type FolderError struct{ error }

// Unwrap returns the error itself.
func (e FolderError) Unwrap() error { return e.error }

// folderErrorf makes a FolderError.
func folderErrorf(format string, args ...any) error {
	return FolderError{fmt.Errorf(format, args...)}
}

// CheckFolder refuses a folder for a new run that holds something.
func CheckFolder(dir string) error {
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		return folderErrorf("%s: is a file; expected a folder for the run", dir)
	}
	if files, _ := os.ReadDir(dir); len(files) > 0 && !isBeginning(dir) {
		return notEmpty(dir)
	}
	return nil
}

func notEmpty(dir string) error {
	return folderErrorf("%s: the folder is not empty; continue its run with --resume, or choose another folder", dir)
}

// isBeginning says whether dir is the folder of a run that was killed before it had saved a
// state.
func isBeginning(dir string) bool {
	for _, later := range []string{StateDir, ModelFile, MetricsFile} {
		if exists(filepath.Join(dir, later)) {
			return false
		}
	}
	return ckpt.WasLocked(dir)
}

// Start takes the run folder for this process, until Finish or Close, and writes what is known
// before training. To resume, it leaves the folder of a run with a saved state as it is and
// says so; the run of a beginning begins anew, also to resume, and logf is told.
func (r *Run) Start(resume bool, logf func(string, ...any)) (saved bool, err error) {
	if r.lock, err = lockFolder(r.Dir); err != nil {
		return false, err
	}
	if err := ckpt.Recover(r.Dir); err != nil {
		return false, err
	}
	state := filepath.Join(r.Dir, StateDir)
	if resume && exists(state) {
		return true, nil
	}
	files, err := os.ReadDir(r.Dir)
	switch empty := len(files) == 1; { // but for the lock
	case err != nil:
		return false, err
	case resume && (r.lock.Made || !isBeginning(r.Dir)):
		return false, errors.Join(folderErrorf("%s: no saved state to resume from", state), r.leave())
	case r.lock.Made && !empty, !isBeginning(r.Dir):
		return false, errors.Join(notEmpty(r.Dir), r.leave())
	case !r.lock.Made:
		logf("%s: what was begun here has not saved a state; it begins anew", r.Dir)
	}
	return false, r.writeStart()
}

// lockFolder takes a run folder for this process.
func lockFolder(dir string) (*ckpt.Lock, error) {
	lock, err := ckpt.LockDir(dir)
	if errors.Is(err, ckpt.ErrBusy) {
		err = FolderError{err}
	}
	return lock, err
}

// leave gives back a folder that is not to be written into.
func (r *Run) leave() error {
	if r.lock.Made {
		return r.lock.Remove()
	}
	return r.lock.Close()
}

// Close leaves the folder to others; one without a saved state is then a beginning.
func (r *Run) Close() error { return r.lock.Close() }

// Resume is the experiment of the unfinished run in a folder, which the command train or
// rl began.
func Resume(dir, command string) (Experiment, error) {
	has := func(name string) bool { return exists(filepath.Join(dir, name)) }
	switch {
	case has(ModelFile) && !has(StateDir):
		return Experiment{}, errors.Join(fmt.Errorf("%s: the run is complete; there is nothing to resume", dir), tidyUp(dir))
	case isBeginning(dir) && !has(ConfigFile):
		return Experiment{}, fmt.Errorf("%s: what was begun here has nothing yet, not even %s; give the command that began it, without --resume", dir, ConfigFile)
	}
	x, err := ReadConfig(dir)
	if err == nil && x.Command() != command {
		err = fmt.Errorf("%s: the run was begun by nfcot %s; continue it with nfcot %s --resume -o %s", dir, x.Command(), x.Command(), dir)
	}
	return x, err
}

// tidyUp ends the life of the folder of a run that was killed when it was complete.
func tidyUp(dir string) error {
	if !ckpt.WasLocked(dir) {
		return nil
	}
	lock, err := lockFolder(dir)
	if err != nil {
		return err
	}
	return errors.Join(ckpt.Recover(dir), lock.Remove())
}

// tidy ends the life of a finished run's folder.
func (r *Run) tidy() error {
	if err := ckpt.RemoveDir(filepath.Join(r.Dir, StateDir)); err != nil {
		return err
	}
	return r.lock.Remove()
}
