//go:build unix

package study

import (
	"os"
	"os/exec"
	"syscall"
)

// detach keeps the terminal's interrupt from a process, which this one interrupts itself: two interrupts would end it
// before it has saved anything.
func detach(c *exec.Cmd) {
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return c.Process.Signal(os.Interrupt) }
}
