//go:build !purego

package kernel

import "syscall"

// permitAMX asks the kernel to let this process use the contents of tiles, which it must save at every switch of threads.
// See Documentation/arch/x86/xstate.rst of Linux.
func permitAMX() bool {
	const (
		archReqXcompPerm = 0x1023
		xtileData        = 18
	)
	_, _, errno := syscall.RawSyscall(syscall.SYS_ARCH_PRCTL, archReqXcompPerm, xtileData, 0)
	return errno == 0
}
