package sandbox

import "golang.org/x/sys/unix"

// arch is what the kernel calls the only gate that programs may enter by.
const arch = unix.AUDIT_ARCH_X86_64

// foreignBit is set in the numbers of x32, which come through the same gate.
const foreignBit = 0x40000000

// The calls that only this machine has, next to newer ones that say the same.
var (
	allowedHere = []uintptr{
		unix.SYS_ARCH_PRCTL, // where thread-local variables are
		unix.SYS_OPEN, unix.SYS_CREAT, unix.SYS_STAT, unix.SYS_LSTAT, unix.SYS_NEWFSTATAT, unix.SYS_ACCESS, unix.SYS_READLINK,
		unix.SYS_MKDIR, unix.SYS_RMDIR, unix.SYS_UNLINK, unix.SYS_RENAME, unix.SYS_RENAMEAT, unix.SYS_LINK, unix.SYS_SYMLINK,
		unix.SYS_PIPE, unix.SYS_DUP2, unix.SYS_POLL, unix.SYS_SELECT, unix.SYS_EPOLL_CREATE, unix.SYS_EPOLL_WAIT, unix.SYS_EVENTFD,
		unix.SYS_SIGNALFD, unix.SYS_GETDENTS, unix.SYS_TIME, unix.SYS_ALARM, unix.SYS_PAUSE, unix.SYS_GETPGRP,
	}
	attributesHere = []uintptr{unix.SYS_CHMOD, unix.SYS_UTIME, unix.SYS_UTIMES, unix.SYS_FUTIMESAT}
	forksHere      = []uintptr{unix.SYS_FORK, unix.SYS_VFORK}
)
