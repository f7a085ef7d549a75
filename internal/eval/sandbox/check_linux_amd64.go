package sandbox

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// foreignCalls enter the kernel as other architectures do.
var foreignCalls = []attempt{
	{name: "a call of i386", alone: true, fatal: refusedI386, try: func(target) error {
		// mov $20, %eax; int $0x80; ret, which is getpid.
		code := []byte{0xb8, 20, 0, 0, 0, 0xcd, 0x80, 0xc3}
		page, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE|unix.PROT_EXEC, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
		if err != nil {
			return errHeld("no memory to execute code in")
		}
		copy(page, code)
		entry := unsafe.SliceData(page)
		function := &entry // a Go function is a pointer to a pointer to code
		(*(*func())(unsafe.Pointer(&function)))()
		return nil
	}},
	{name: "a call of x32", alone: true, fatal: killedBy(unix.SIGSYS), try: func(target) error {
		_, _, errno := syscall.RawSyscall(foreignBit|unix.SYS_GETPID, 0, 0, 0)
		if errno != 0 {
			return errno
		}
		return nil
	}},
}

// refusedI386 is also true of a kernel without i386, which answers with SIGSEGV,
// at which the Go runtime exits with status 2.
func refusedI386(e End) bool { return killedBy(unix.SIGSYS)(e) || e.ExitCode == 2 }
