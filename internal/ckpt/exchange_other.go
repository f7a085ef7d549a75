//go:build !linux

package ckpt

import "errors"

// exchange has no portable form; see swap for what happens instead.
func exchange(_, _ string) error { return errors.ErrUnsupported }
