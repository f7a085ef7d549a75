package chat

import "strings"

// A Raised is the error that a template raises itself, with raise_exception. Its text is the template's message.
type Raised struct{ Message string }

// Error implements error.
func (e *Raised) Error() string { return e.Message }

// maxRange is the sandbox's limit.
const maxRange = 100_000

// globals are what every template sees beside what the caller passes.
var globals map[string]Value

func init() {
	globals = map[string]Value{
		"raise_exception": method("raise_exception", func(_ *run, p *params) Value {
			panic(failure{&Raised{Message: str(p.need("message"))}})
		}),
		"strftime_now": method("strftime_now", func(r *run, p *params) Value {
			return strftime(r.now, needText(p.of, p.need("format")))
		}),
		"range":     method("range", makeRange),
		"namespace": &function{name: "namespace", call: makeNamespace},
		"dict":      &function{name: "dict", call: makeDict},
		"lipsum":    notSupported("lipsum"),
		"cycler":    notSupported("cycler"),
		"joiner":    notSupported("joiner"),
	}
}

func notSupported(name string) *function {
	return &function{name: name, call: func(*run, []Value, *Dict) Value {
		fail("%s() is not supported", name)
		return nil
	}}
}

func makeRange(_ *run, p *params) Value {
	first := toInt(p.of, p.need("/start"))
	out := rangeValue{stop: first, step: 1}
	if stop, ok := p.find("/stop"); ok {
		out.start, out.stop = first, toInt(p.of, stop)
	}
	out.step = p.integer("/step", 1)
	if out.step == 0 {
		fail("ValueError: range() arg 3 must not be zero")
	}
	for _, bound := range []int64{out.start, out.stop, out.step} {
		if bound > 1<<62 || bound < -1<<62 {
			tooLarge()
		}
	}
	if out.len() > maxRange {
		fail("OverflowError: Range too big. The sandbox blocks ranges larger than MAX_RANGE (%d).", maxRange)
	}
	return out
}

func makeNamespace(r *run, args []Value, kwargs *Dict) Value {
	ns := &namespace{attrs: NewDict()}
	all := makeDict(r, args, kwargs).(*Dict)
	for i, k := range all.keys {
		name, ok := k.(string)
		if !ok {
			fail("TypeError: attributes of a namespace are strings, not %s", typeName(k))
		}
		ns.set(name, all.values[i])
	}
	return ns
}

// makeDict is Python's dict: of a dict or of pairs, and of keyword arguments.
func makeDict(r *run, args []Value, kwargs *Dict) Value {
	out := NewDict()
	if len(args) > 1 {
		fail("TypeError: dict expected at most 1 argument, got %d", len(args))
	}
	if len(args) == 1 {
		if d, ok := args[0].(*Dict); ok {
			out = d.clone()
		} else {
			for _, pair := range collect(r, args[0]) {
				both := collect(r, pair)
				if len(both) != 2 {
					fail("ValueError: dictionary update sequence element has length %d; 2 is required", len(both))
				}
				out.set(both[0], both[1])
			}
		}
	}
	for i, k := range kwargs.keys {
		out.set(k, kwargs.values[i])
	}
	return out
}

// checkName refuses names of Jinja's own that this package does not have.
func checkName(name string) {
	if name == "self" || strings.HasPrefix(name, "__") {
		fail("the name %s is not supported", name)
	}
}
