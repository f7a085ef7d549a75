package kernel

import (
	"syscall"
	"unsafe"
)

// fenced returns n zeros that end where unmapped memory begins, so that reading or writing past them is a fault.
func fenced(n int) []float32 {
	page := syscall.Getpagesize()
	size := (4*n + page) / page * page // one float of room at least: a slice must not point past its memory
	mem, err := syscall.Mmap(-1, 0, size+page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		panic(err)
	}
	if err := syscall.Mprotect(mem[size:], syscall.PROT_NONE); err != nil {
		panic(err)
	}
	if n == 0 {
		return []float32{}
	}
	return unsafe.Slice((*float32)(unsafe.Pointer(&mem[size-4*n])), n)
}
