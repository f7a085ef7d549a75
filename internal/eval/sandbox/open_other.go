//go:build !linux && !darwin

package sandbox

import (
	"context"
	"errors"
	"time"
)

// Main is for systems where there is a confined half.
func Main([]string) int { return 2 }

func open(context.Context, Options) (*Sandbox, error) {
	return nil, &Refused{Missing: "we know of none on this system", Remedy: "evaluate on Linux or macOS"}
}

// Times returns nothing here.
func (p *Process) Times() (cpu, waiting time.Duration) { return 0, 0 }

// Checks has nothing to try here.
func (s *Sandbox) Checks(context.Context) ([]Check, error) {
	return nil, errors.New("sandbox: there are no layers to try")
}
