package tensor

import (
	"runtime"
	"strings"
	"time"
)

// A Profile says where the time of a tape's operations goes (Tape.Profile). The clock is read at the border of every
// part, and all time between two readings is that of the part that ends: nothing is left out, and nothing counts twice.
type Profile struct {
	Costs map[Part]*Cost
	last  time.Time // of the clock
}

// A Part is a pass of an operation: forward or backward, or a product of matrices in it.
type Part struct {
	Operation string // the method of Tape; "" for what lies between operations
	Pass      string // forward, backward, product, dX or dW
}

// A Cost is what a part took.
type Cost struct {
	Time  time.Duration
	FLOPs float64 // of its products of matrices
}

// NewProfile starts the clock.
func NewProfile() *Profile { return &Profile{map[Part]*Cost{}, time.Now()} }

// Lap reads the clock: the time since the last reading went into a part, which multiplied so much. A nil Profile does
// nothing.
func (p *Profile) Lap(part Part, flops float64) {
	if p == nil {
		return
	}
	now := time.Now()
	c := p.Costs[part]
	if c == nil {
		c = new(Cost)
		p.Costs[part] = c
	}
	c.Time += now.Sub(p.last)
	c.FLOPs += flops
	p.last = now
}

// lap ends a pass of o in the profile, if there is one.
func (o *op) lap(pass string, flops float64) {
	if o.t != nil && o.t.Profile != nil {
		o.t.Profile.Lap(Part{o.name, pass}, flops)
	}
}

// pass is which one is under way.
func (o *op) pass() string {
	if o.backward != nil {
		return "backward"
	}
	return "forward"
}

// operation is the name of the exported method of Tape that is under way.
func operation() string {
	callers := make([]uintptr, 8)
	frames := runtime.CallersFrames(callers[:runtime.Callers(3, callers)])
	for {
		frame, more := frames.Next()
		name := frame.Function[strings.LastIndexByte(frame.Function, '.')+1:]
		if first := name[0]; first >= 'A' && first <= 'Z' || !more {
			return name
		}
	}
}
