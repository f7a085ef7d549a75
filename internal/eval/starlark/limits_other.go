//go:build !linux

package starlark

import "syscall"

// workerAttributes adds nothing here: a worker ends when its stdin does.
func workerAttributes() *syscall.SysProcAttr { return nil }

// limitAddressSpace does nothing where no such limit is dependable; the
// watcher is the only one then.
func limitAddressSpace(int64) error { return nil }
