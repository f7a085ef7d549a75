package chat

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Running a template. A template is a stranger's program, so its work is bounded: steps, depth of calls, length of text.

const (
	maxSteps = 5_000_000
	maxCalls = 200      // macros within macros
	maxText  = 64 << 20 // bytes of any one text
)

// A run is one rendering.
type run struct {
	caller *Dict // what the caller passes to the template
	now    time.Time
	steps  int
	calls  int
}

// step counts work: one for each expression, and more for long texts.
func (r *run) step(n int) {
	if r.steps += n; r.steps > maxSteps {
		fail("the template takes too long: more than %d steps", maxSteps)
	}
}

// sized counts the work on n bytes or items, and refuses results that are too long.
func (r *run) sized(n int64) {
	if n > maxText {
		fail("a text or list is longer than %d", maxText)
	}
	r.step(int(n / 32))
}

// lookup finds a name among what the caller passed and the globals.
func (r *run) lookup(name string) Value {
	if v, ok := r.caller.get(name); ok {
		return v
	}
	if v, ok := globals[name]; ok {
		return v
	}
	return missing
}

// An absent is the value of a name that has none.
type absent struct{}

var missing Value = absent{}

// A frame holds the names of a scope.
type frame struct {
	*run
	parent *frame
	scope  *scope
	vars   []Value
}

// open makes a frame of a scope inside f; f may be nil.
func (r *run) open(s *scope, parent *frame) *frame {
	f := &frame{run: r, parent: parent, scope: s, vars: make([]Value, len(s.names))}
	for i, l := range s.loads {
		switch l.kind {
		case fromCaller:
			f.vars[i] = r.lookup(s.names[i])
		case fromOuter:
			f.vars[i] = *parent.at(l.outer)
		default:
			f.vars[i] = missing
		}
	}
	return f
}

func (f *frame) open(s *scope) *frame { return f.run.open(s, f) }

// at is the variable at a place.
func (f *frame) at(p place) *Value {
	for range p.up {
		f = f.parent
	}
	return &f.vars[p.index]
}

// own is the variable of a name of the frame's own scope.
func (f *frame) own(name string) *Value { return &f.vars[slices.Index(f.scope.names, name)] }

// An output collects text.
type output struct {
	strings.Builder
	*run
	spans *[][2]int // where generation blocks are, if asked for
}

func (o *output) write(s string) {
	o.sized(int64(o.Len() + len(s)))
	o.WriteString(s)
}

// render runs statements and returns what they write.
func (f *frame) render(body []stmt) string {
	out := &output{run: f.run}
	f.statements(body, out)
	return out.String()
}

func (f *frame) statements(body []stmt, out *output) signal {
	for _, st := range body {
		f.step(1)
		if s := st.exec(f, out); s != normally {
			return s
		}
	}
	return normally
}

// A failure is an error on its way out of the evaluation.
type failure struct{ err error }

func fail(format string, args ...any) { panic(failure{fmt.Errorf(format, args...)}) }

func failAt(line int, format string, args ...any) {
	panic(failure{fmt.Errorf("line %d: "+format, append([]any{line}, args...)...)})
}

// recovered turns a failure, or a fault of this package, into an error.
func recovered(err *error) {
	switch p := recover().(type) {
	case nil:
	case failure:
		*err = p.err
	default:
		*err = fmt.Errorf("the template does something that is not supported: %v", p)
	}
}

func (s *data) exec(_ *frame, out *output) signal {
	out.write(s.text)
	return normally
}

func (s *show) exec(f *frame, out *output) signal {
	out.write(str(s.of.eval(f)))
	return normally
}

func (s *branch) exec(f *frame, out *output) signal {
	for i, t := range s.tests {
		if truth(t.eval(f)) {
			return f.statements(s.bodies[i], out)
		}
	}
	if len(s.bodies) > len(s.tests) {
		return f.statements(s.bodies[len(s.tests)], out)
	}
	return normally
}

func (s *assign) exec(f *frame, _ *output) signal {
	s.target.assign(f, s.value.eval(f))
	return normally
}

func (s *assignBlock) exec(f *frame, _ *output) signal {
	in := f.open(s.scope)
	s.target.assign(f, s.filter.apply(in, in.render(s.body)))
	return normally
}

func (s *filterBlock) exec(f *frame, out *output) signal {
	in := f.open(s.scope)
	out.write(str(s.filter.apply(in, in.render(s.body))))
	return normally
}

func (s *with) exec(f *frame, out *output) signal {
	in := f.open(s.scope)
	for i, t := range s.targets {
		t.assign(in, s.values[i].eval(f))
	}
	return in.statements(s.body, out)
}

func (s *jump) exec(*frame, *output) signal { return s.signal }

func (t *nameTarget) assign(f *frame, value Value) { *f.at(t.at) = value }

func (t *tupleTarget) assign(f *frame, value Value) {
	if u, ok := value.(*undefined); ok && len(t.items) > 0 {
		fail("ValueError: not enough values to unpack (%s)", u.message)
	}
	var all []Value
	for v := range items(value) {
		if all = append(all, v); len(all) > len(t.items) {
			fail("ValueError: too many values to unpack (expected %d)", len(t.items))
		}
	}
	if len(all) < len(t.items) {
		fail("ValueError: not enough values to unpack (expected %d, got %d)", len(t.items), len(all))
	}
	for i, item := range t.items {
		item.assign(f, all[i])
	}
}

func (t *attributeTarget) assign(f *frame, value Value) {
	ns, ok := (*f.at(t.of.at)).(*namespace)
	if !ok {
		fail("TemplateRuntimeError: cannot assign attribute on non-namespace object")
	}
	ns.set(t.attr, value)
}

func (n *namespace) set(name string, value Value) {
	if strings.HasPrefix(name, "_") {
		fail("SecurityError: Chat templates cannot store underscore-prefixed attributes on a namespace, but got '%s'", name)
	}
	n.attrs.set(name, value)
}

// A loopContext is the variable loop.
type loopContext struct {
	of          Value // what is looped over
	next        func() (Value, bool)
	index0      int64
	total       int64 // -1: not known yet
	ahead       []Value
	before, now Value
	hasBefore   bool
	changed     *Tuple
	depth0      int64
	recurse     func(of Value, depth int64) string
}

// advance moves to the next item.
func (l *loopContext) advance() bool {
	item, ok := l.peek()
	if !ok {
		return false
	}
	l.ahead = l.ahead[1:]
	l.index0++
	l.before, l.hasBefore = l.now, l.index0 > 0
	l.now = item
	return true
}

// peek is the item after the current one.
func (l *loopContext) peek() (Value, bool) {
	if len(l.ahead) == 0 {
		item, ok := l.next()
		if !ok {
			return nil, false
		}
		l.ahead = append(l.ahead, item)
	}
	return l.ahead[0], true
}

func (l *loopContext) length() int64 {
	if l.total >= 0 {
		return l.total
	}
	n, ok := length(l.of)
	if !ok {
		for item, more := l.next(); more; item, more = l.next() {
			l.ahead = append(l.ahead, item)
		}
		n = l.index0 + 1 + int64(len(l.ahead))
	}
	l.total = n
	return n
}

func (s *loop) exec(f *frame, out *output) signal {
	return s.run(f, s.iter.eval(f), 0, out)
}

// run is the loop over a value; a break or continue ends within it, but those of its else belong to a loop around it.
func (s *loop) run(f *frame, over Value, depth int64, out *output) signal {
	l := &loopContext{of: over, index0: -1, total: -1, depth0: depth}
	l.next = iterate(over)
	if s.test != nil {
		l.of = &iterator{next: s.filtered(f, l.next)}
		l.next = l.of.(*iterator).next
	}
	if s.recursive {
		l.recurse = func(of Value, depth int64) string {
			defer f.called()()
			inner := &output{run: f.run}
			s.run(f, of, depth, inner)
			return inner.String()
		}
	}
	empty := true
	for l.advance() {
		empty = false
		f.step(1)
		in := f.open(s.bodyScope)
		s.target.assign(in, l.now)
		*in.at(s.loopAt) = l
		if in.statements(s.body, out) == broke {
			break
		}
	}
	if empty {
		in := f.open(s.elseScope)
		return in.statements(s.otherwise, out)
	}
	return normally
}

// filtered leaves out the items for which the loop's test is false.
func (s *loop) filtered(f *frame, next func() (Value, bool)) func() (Value, bool) {
	in := f.open(s.testScope)
	return func() (Value, bool) {
		for {
			item, ok := next()
			if !ok {
				return nil, false
			}
			f.step(1)
			s.testTarget.assign(in, item)
			if truth(s.test.eval(in)) {
				return item, true
			}
		}
	}
}

// called counts a call; what it returns ends it.
func (r *run) called() func() {
	if r.calls++; r.calls > maxCalls {
		fail("RecursionError: more than %d calls within calls", maxCalls)
	}
	return func() { r.calls-- }
}

func (m *macro) exec(f *frame, _ *output) signal {
	*f.at(m.at) = m.value(f)
	return normally
}

// value is the macro as something to call.
func (m *macro) value(f *frame) *function {
	return &function{name: m.name, call: func(r *run, args []Value, kwargs *Dict) Value {
		defer r.called()()
		return m.invoke(f, args, kwargs)
	}}
}

func (m *macro) invoke(f *frame, args []Value, kwargs *Dict) Value {
	in := f.open(m.scope)
	left := kwargs.clone()
	given := min(len(args), len(m.params))
	for i, p := range m.params {
		switch {
		case i < given:
			*in.own(p) = args[i]
		default:
			if v, ok := left.get(p); ok {
				*in.own(p) = v
				left.remove(p)
			}
		}
	}
	if m.usesCaller {
		caller, _ := left.get("caller")
		if caller == nil {
			caller = &undefined{message: "UndefinedError: No caller defined"}
		}
		left.remove("caller")
		*in.own("caller") = caller
	}
	if m.usesKwargs {
		*in.own("kwargs") = left
	} else if len(left.keys) > 0 {
		fail("TypeError: macro '%s' takes no keyword argument '%s'", m.name, left.keys[0])
	}
	if m.usesVarargs {
		*in.own("varargs") = &Tuple{args[given:]}
	} else if len(args) > given {
		fail("TypeError: macro '%s' takes not more than %d argument(s)", m.name, len(m.params))
	}
	m.fillDefaults(in)
	return in.render(m.body)
}

// fillDefaults gives parameters that were not passed their defaults, in order.
func (m *macro) fillDefaults(in *frame) {
	for i, p := range m.params {
		v := in.own(p)
		if *v != missing {
			continue
		}
		if d := i - (len(m.params) - len(m.defaults)); d >= 0 {
			*v = m.defaults[d].eval(in)
		} else {
			*v = &undefined{message: fmt.Sprintf("UndefinedError: parameter '%s' was not provided", p)}
		}
	}
}

func (s *callBlock) exec(f *frame, out *output) signal {
	out.write(str(s.call.evalWith(f, s.caller.value(f))))
	return normally
}

func (s *generation) exec(f *frame, out *output) signal {
	start := out.Len()
	out.write(str(s.caller.value(f).call(f.run, nil, NewDict())))
	if out.spans != nil {
		*out.spans = append(*out.spans, [2]int{start, out.Len()})
	}
	return normally
}
