package sandbox

import "golang.org/x/sys/unix"

// arch is what the kernel calls the only gate that programs may enter by.
const arch = unix.AUDIT_ARCH_AARCH64

// foreignBit is 0: all numbers that come through the gate are this machine's.
const foreignBit = 0

// The calls of this machine that others have under other names.
var (
	allowedHere    = []uintptr{unix.SYS_FSTATAT, unix.SYS_RENAMEAT}
	attributesHere []uintptr
	forksHere      []uintptr
)
