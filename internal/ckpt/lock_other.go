//go:build !unix && !windows

package ckpt

import (
	"errors"
	"os"
)

// lock has no form that all systems know.
func lock(*os.File) error { return errors.ErrUnsupported }
