package kernel

import "golang.org/x/sys/unix"

// adviseHugePages asks for huge pages in size bytes from address start on. It is advice, which changes no content: a system
// that does not take it has ordinary pages.
func adviseHugePages(start, size uintptr) {
	unix.Syscall(unix.SYS_MADVISE, start, size, unix.MADV_HUGEPAGE)
}
