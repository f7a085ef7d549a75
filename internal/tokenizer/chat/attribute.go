package chat

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// Attributes and subscripts, with Jinja's fallbacks from one to the other and its sandbox: what would change a value, and
// what begins with an underscore, is undefined.

// typeLabel is what Jinja's messages call an object.
func typeLabel(v Value) string {
	if v == nil {
		return "None"
	}
	return typeName(v) + " object"
}

func noAttribute(of Value, name string) *undefined {
	return &undefined{message: fmt.Sprintf("UndefinedError: '%s' has no attribute '%s'", typeLabel(of), name)}
}

// getAttribute is of.name: Python's attribute first, then the key of a dict.
func getAttribute(of Value, name string) Value {
	if v, ok := pythonAttribute(of, name); ok {
		return v
	}
	if d, ok := of.(*Dict); ok {
		if v, ok := d.get(name); ok {
			return v
		}
	}
	return noAttribute(of, name)
}

// getItem is of[key]: the key first, then Python's attribute.
func getItem(of, key Value) Value {
	if u, ok := of.(*undefined); ok {
		u.fail()
	}
	if v, ok := element(of, key); ok {
		return v
	}
	if name, ok := key.(string); ok {
		if v, ok := pythonAttribute(of, name); ok {
			return v
		}
		return noAttribute(of, name)
	}
	return &undefined{message: fmt.Sprintf("UndefinedError: %s has no element %s", typeLabel(of), repr(key))}
}

// element is what a container holds under a key.
func element(of, key Value) (Value, bool) {
	if d, ok := of.(*Dict); ok {
		switch key.(type) {
		case nil, bool, int64, float64, string, *Tuple:
			return d.get(key)
		}
		return nil, false
	}
	i, _, isInt, ok := number(key)
	if !ok || !isInt {
		return nil, false
	}
	n, ok := length(of)
	if i < 0 {
		i += n
	}
	if !ok || i < 0 || i >= n {
		return nil, false
	}
	switch of := of.(type) {
	case *List:
		return of.items[i], true
	case *Tuple:
		return of.items[i], true
	case string:
		return string([]rune(of)[i]), true
	case rangeValue:
		return of.start + i*of.step, true
	case markup:
		fail("subscripts of a value of type %s are not supported", typeName(of))
	}
	return nil, false
}

// unsafe are the methods that the sandbox keeps from templates.
var unsafe = map[string][]string{
	"list": {"append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove"},
	"dict": {"clear", "pop", "popitem", "setdefault", "update"},
}

// unsupported are attributes that Python has and this package has not.
var unsupported = map[string][]string{
	"str":      {"encode", "expandtabs", "format_map", "isidentifier", "isprintable", "istitle", "maketrans", "translate"},
	"int":      {"as_integer_ratio", "bit_count", "bit_length", "conjugate", "denominator", "from_bytes", "imag", "is_integer", "numerator", "real", "to_bytes"},
	"float":    {"as_integer_ratio", "conjugate", "from_number", "fromhex", "hex", "imag", "is_integer", "real"},
	"dict":     {"fromkeys"},
	"function": {"name", "arguments", "catch_kwargs", "catch_varargs", "caller", "explicit_caller", "fromkeys"},
	"range":    {"start", "stop", "step", "index", "count"},
	"generator": {
		"close", "gi_code", "gi_frame", "gi_running", "gi_suspended", "gi_yieldfrom", "send", "throw",
	},
	"dict_keys": {"isdisjoint", "mapping"}, "dict_items": {"isdisjoint", "mapping"}, "dict_values": {"mapping"},
}

// pythonAttribute is the attribute that Python has, mostly a method.
func pythonAttribute(of Value, name string) (Value, bool) {
	kind := typeName(of)
	if kind == "bool" {
		kind = "int"
	}
	if slices.Contains(unsafe[kind], name) {
		return &undefined{message: fmt.Sprintf("SecurityError: access to attribute '%s' of '%s' object is unsafe.", name, kind)}, true
	}
	if slices.Contains(unsupported[kind], name) {
		fail("the attribute %s of a value of type %s is not supported", name, kind)
	}
	switch of := of.(type) {
	case *undefined:
		of.fail()
	case markup:
		fail("attributes of a value of type %s are not supported", typeName(of))
	case *namespace:
		return of.attrs.get(name)
	case *loopContext:
		return of.attribute(name)
	case string:
		if m, ok := stringMethods[name]; ok {
			return method(name, func(r *run, p *params) Value {
				r.sized(int64(len(of)))
				return m(r, of, p)
			}), true
		}
	case *Dict:
		return of.method(name)
	case *List:
		if name == "copy" {
			return method(name, func(*run, *params) Value { return of }), true
		}
		return sequenceMethod(name, of.items)
	case *Tuple:
		return sequenceMethod(name, of.items)
	}
	return nil, false
}

// method makes a function of one of ours.
func method(name string, call func(r *run, p *params) Value) *function {
	return &function{name: name, call: func(r *run, args []Value, kwargs *Dict) Value {
		p := newParams(name, args, kwargs)
		out := call(r, p)
		p.end()
		return out
	}}
}

func (d *Dict) method(name string) (Value, bool) {
	switch name {
	case "keys", "values", "items":
		return method(name, func(*run, *params) Value { return dictView{name, d} }), true
	case "copy":
		return method(name, func(*run, *params) Value { return d.clone() }), true
	case "get":
		return method(name, func(_ *run, p *params) Value {
			key, otherwise := p.need("/key"), p.get("/default", nil)
			if v, ok := d.get(key); ok {
				return v
			}
			return otherwise
		}), true
	}
	return nil, false
}

func sequenceMethod(name string, items []Value) (Value, bool) {
	switch name {
	case "count":
		return method(name, func(r *run, p *params) Value {
			wanted, n := p.need("/value"), int64(0)
			for _, item := range items {
				r.step(1)
				if equal(item, wanted) {
					n++
				}
			}
			return n
		}), true
	case "index":
		return method(name, func(_ *run, p *params) Value {
			wanted := p.need("/value")
			for i, item := range items {
				if equal(item, wanted) {
					return int64(i)
				}
			}
			fail("ValueError: %s is not in list", repr(wanted))
			return nil
		}), true
	}
	return nil, false
}

func (l *loopContext) attribute(name string) (Value, bool) {
	switch name {
	case "index":
		return l.index0 + 1, true
	case "index0":
		return l.index0, true
	case "revindex":
		return l.length() - l.index0, true
	case "revindex0":
		return l.length() - l.index0 - 1, true
	case "length":
		return l.length(), true
	case "first":
		return l.index0 == 0, true
	case "last":
		_, more := l.peek()
		return !more, true
	case "depth":
		return l.depth0 + 1, true
	case "depth0":
		return l.depth0, true
	case "previtem":
		if !l.hasBefore {
			return &undefined{message: "UndefinedError: there is no previous item"}, true
		}
		return l.before, true
	case "nextitem":
		if next, more := l.peek(); more {
			return next, true
		}
		return &undefined{message: "UndefinedError: there is no next item"}, true
	case "cycle":
		return method(name, func(_ *run, p *params) Value {
			values := p.rest()
			if len(values) == 0 {
				fail("TypeError: no items for cycling given")
			}
			return values[l.index0%int64(len(values))]
		}), true
	case "changed":
		return method(name, func(_ *run, p *params) Value {
			values := &Tuple{p.rest()}
			if l.changed != nil && equal(l.changed, values) {
				return false
			}
			l.changed = values
			return true
		}), true
	}
	return nil, false
}

// getSlice is of[start:stop:step].
func getSlice(r *run, of, start, stop, step Value) Value {
	if u, ok := of.(*undefined); ok {
		u.fail()
	}
	var list []Value
	switch v := of.(type) {
	case *List:
		list = v.items
	case *Tuple:
		list = v.items
	case string:
		return sliceString(r, v, start, stop, step)
	case rangeValue:
		fail("a slice of a value of type %s is not supported", typeName(of))
	default:
		fail("TypeError: '%s' object is not subscriptable with a slice", typeName(of))
	}
	var out []Value
	for _, i := range sliceIndices(r, len(list), start, stop, step) {
		out = append(out, list[i])
	}
	if _, ok := of.(*Tuple); ok {
		return &Tuple{out}
	}
	return &List{out}
}

func sliceString(r *run, s string, start, stop, step Value) string {
	runes := []rune(s)
	r.sized(int64(len(s)))
	var out strings.Builder
	for _, i := range sliceIndices(r, len(runes), start, stop, step) {
		out.WriteRune(runes[i])
	}
	return out.String()
}

// sliceIndices are the positions that a slice of n items takes.
func sliceIndices(r *run, n int, start, stop, step Value) (out []int) {
	by := sliceBound(step, 1)
	if by == 0 {
		fail("ValueError: slice step cannot be zero")
	}
	lowest, highest := int64(0), int64(n)
	first, last := lowest, highest
	if by < 0 {
		lowest, highest = -1, int64(n)-1
		first, last = highest, lowest
	}
	clip := func(v Value, otherwise int64) int64 {
		if v == nil {
			return otherwise
		}
		i := sliceBound(v, 0)
		if i < 0 {
			i += int64(n)
		}
		return min(max(i, lowest), highest)
	}
	first, last = clip(start, first), clip(stop, last)
	for i := first; by > 0 && i < last || by < 0 && i > last; i += by {
		out = append(out, int(i))
		if by > 0 && i > math.MaxInt64-by || by < 0 && i < math.MinInt64-by {
			break
		}
	}
	r.sized(int64(len(out)))
	return out
}

func sliceBound(v Value, otherwise int64) int64 {
	if v == nil {
		return otherwise
	}
	i, _, isInt, ok := number(v)
	if !ok || !isInt {
		fail("TypeError: slice indices must be integers or None or have an __index__ method, not %s", typeName(v))
	}
	return i
}
