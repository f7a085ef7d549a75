package chat

import (
	"math"
	"strings"
)

// The evaluation of expressions.

func (e *constant) eval(*frame) Value { return e.value }

func (e *name) eval(f *frame) Value {
	f.step(1)
	v := *f.at(e.at)
	if v == missing {
		return undefinedName(e.name)
	}
	return v
}

func (f *frame) all(list []expr) []Value {
	f.step(len(list))
	out := make([]Value, len(list))
	for i, e := range list {
		out[i] = e.eval(f)
	}
	return out
}

func (e *list) eval(f *frame) Value  { return &List{f.all(e.items)} }
func (e *tuple) eval(f *frame) Value { return &Tuple{f.all(e.items)} }

func (e *dict) eval(f *frame) Value {
	out := NewDict()
	for i := range e.keys {
		f.step(1)
		out.set(e.keys[i].eval(f), e.values[i].eval(f))
	}
	return out
}

func (e *condition) eval(f *frame) Value {
	f.step(1)
	if truth(e.test.eval(f)) {
		return e.then.eval(f)
	}
	if e.otherwise == nil {
		return &undefined{message: "UndefinedError: the inline if-expression evaluated to false and no else section was defined"}
	}
	return e.otherwise.eval(f)
}

func (e *and) eval(f *frame) Value {
	f.step(1)
	if left := e.left.eval(f); !truth(left) {
		return left
	}
	return e.right.eval(f)
}

func (e *or) eval(f *frame) Value {
	f.step(1)
	if left := e.left.eval(f); truth(left) {
		return left
	}
	return e.right.eval(f)
}

func (e *not) eval(f *frame) Value { return !truth(e.of.eval(f)) }

func (e *unary) eval(f *frame) Value {
	v := e.of.eval(f)
	if u, ok := v.(*undefined); ok {
		u.fail()
	}
	i, x, isInt, ok := number(v)
	switch {
	case !ok:
		fail("TypeError: bad operand type for unary %s: '%s'", e.op, typeName(v))
	case isInt && e.op == "-":
		if i == math.MinInt64 {
			fail("integers beyond 64 bits are not supported")
		}
		return -i
	case isInt:
		return i
	case e.op == "-":
		return -x
	}
	return x
}

// concat joins the texts of its items; beside text in which HTML is escaped, they are escaped too.
func (e *concat) eval(f *frame) Value {
	var out strings.Builder
	all := f.all(e.items)
	escaped := false
	for _, v := range all {
		_, isMarkup := v.(markup)
		escaped = escaped || isMarkup
	}
	for _, v := range all {
		s := str(v)
		if _, isMarkup := v.(markup); escaped && !isMarkup {
			s = escape(s)
		}
		f.sized(int64(out.Len() + len(s)))
		out.WriteString(s)
	}
	if escaped {
		return markup(out.String())
	}
	return out.String()
}

// compared is a chain: a < b < c is a < b and b < c.
func (e *compared) eval(f *frame) Value {
	left := e.first.eval(f)
	for i, op := range e.ops {
		f.step(1)
		right := e.rest[i].eval(f)
		if !holds(f.run, op, left, right) {
			return false
		}
		left = right
	}
	return true
}

// holds tells whether a comparison is true.
func holds(r *run, op string, a, b Value) bool {
	switch op {
	case "==":
		return equal(a, b)
	case "!=":
		return !equal(a, b)
	case "in":
		return contains(r, b, a)
	case "not in":
		return !contains(r, b, a)
	case "<":
		return compare(a, b, op) < 0
	case "<=":
		return compare(a, b, op) <= 0
	case ">":
		return compare(a, b, op) > 0
	}
	return compare(a, b, op) >= 0
}

// contains is Python's v in where.
func contains(r *run, where, v Value) bool {
	switch where := where.(type) {
	case string, markup:
		part, ok := text(v)
		if u, isUndefined := v.(*undefined); isUndefined {
			fail("TypeError: 'in <string>' requires string as left operand, not Undefined (%s)", u.message)
		}
		if !ok {
			fail("TypeError: 'in <string>' requires string as left operand, not %s", typeName(v))
		}
		whole, _ := text(where)
		r.sized(int64(len(whole)))
		return strings.Contains(whole, part)
	case *Dict:
		if _, ok := v.(*undefined); ok {
			return false
		}
		_, ok := where.get(v)
		return ok
	case dictView:
		if where.kind == "keys" {
			return contains(r, where.dict, v)
		}
	case *namespace, *function, *loopContext, nil, bool, int64, float64:
		fail("TypeError: argument of type '%s' is not iterable", typeName(where))
	}
	for item := range items(where) {
		r.step(1)
		if equal(item, v) {
			return true
		}
	}
	return false
}

func (e *attribute) eval(f *frame) Value {
	f.step(1)
	return getAttribute(e.of.eval(f), e.name)
}

func (e *item) eval(f *frame) Value {
	f.step(1)
	return getItem(e.of.eval(f), e.key.eval(f))
}

func (e *slice) eval(f *frame) Value {
	of := e.of.eval(f)
	bound := func(e expr) Value {
		if e == nil {
			return nil
		}
		return e.eval(f)
	}
	return getSlice(f.run, of, bound(e.start), bound(e.stop), bound(e.step))
}

// arguments evaluates those of a call.
func (a *arguments) eval(f *frame) (args []Value, kwargs *Dict) {
	args = f.all(a.positional)
	kwargs = NewDict()
	for i, name := range a.names {
		kwargs.set(name, a.keyword[i].eval(f))
	}
	if a.star != nil {
		args = append(args, collect(f.run, a.star.eval(f))...)
	}
	if a.dict != nil {
		more, ok := a.dict.eval(f).(*Dict)
		if !ok {
			fail("TypeError: argument after ** must be a mapping")
		}
		for i, k := range more.keys {
			name, isString := k.(string)
			if _, twice := kwargs.get(k); twice || !isString {
				fail("TypeError: got multiple values for keyword argument '%s'", str(k))
			}
			kwargs.set(name, more.values[i])
		}
	}
	return args, kwargs
}

func (e *call) eval(f *frame) Value { return e.evalWith(f, nil) }

// evalWith calls, and passes a caller along if there is one.
func (e *call) evalWith(f *frame, caller *function) Value {
	f.step(1)
	of := e.of.eval(f)
	args, kwargs := e.args.eval(f)
	if caller != nil {
		kwargs.set("caller", caller)
	}
	switch of := of.(type) {
	case *function:
		return of.call(f.run, args, kwargs)
	case *loopContext:
		if of.recurse == nil {
			fail("TypeError: The loop must have the 'recursive' marker to be called recursively.")
		}
		p := newParams("loop", args, kwargs)
		over := p.need("iterable")
		p.end()
		return of.recurse(over, of.depth0+1)
	case *undefined:
		of.fail()
	}
	failAt(e.line, "TypeError: '%s' object is not callable", typeName(of))
	return nil
}

func (e *filter) eval(f *frame) Value { return e.apply(f, nil) }

// apply runs the filter, and those before it, on the text of a block; without a block, on the value it stands behind.
func (e *filter) apply(f *frame, block Value) Value {
	if e == nil {
		return block
	}
	f.step(1)
	var of Value
	switch inner := e.of.(type) {
	case nil:
		of = block
	case *filter:
		of = inner.apply(f, block)
	default:
		of = e.of.eval(f)
	}
	args, kwargs := e.args.eval(f)
	return applyFilter(f.run, e.name, of, args, kwargs)
}

func (e *test) eval(f *frame) Value {
	f.step(1)
	of := e.of.eval(f)
	args, kwargs := e.args.eval(f)
	return applyTest(f.run, e.name, of, args, kwargs)
}

func applyFilter(r *run, name string, of Value, args []Value, kwargs *Dict) Value {
	apply, ok := filters[name]
	if !ok {
		fail("TemplateRuntimeError: No filter named '%s' found.", name)
	}
	if apply == nil {
		fail("the filter %s is not supported", name)
	}
	p := newParams(name, args, kwargs)
	out := apply(r, of, p)
	p.end()
	return out
}

func applyTest(r *run, name string, of Value, args []Value, kwargs *Dict) bool {
	apply, ok := tests[name]
	if !ok {
		fail("TemplateRuntimeError: No test named '%s' found.", name)
	}
	p := newParams(name, args, kwargs)
	out := apply(r, of, p)
	p.end()
	return out
}

// params are the arguments of a function of ours, taken one by one.
type params struct {
	of     string
	args   []Value
	kwargs *Dict
	used   int
}

func newParams(of string, args []Value, kwargs *Dict) *params {
	return &params{of: of, args: args, kwargs: kwargs}
}

// get is the next parameter, which may also be passed by name unless that begins with a slash; otherwise its default.
func (p *params) get(name string, otherwise Value) Value {
	v, ok := p.find(name)
	if !ok {
		return otherwise
	}
	return v
}

// need is get for a parameter without a default.
func (p *params) need(name string) Value {
	v, ok := p.find(name)
	if !ok {
		fail("TypeError: %s() missing 1 required positional argument: '%s'", p.of, name)
	}
	return v
}

func (p *params) find(name string) (Value, bool) {
	p.used++
	if p.used <= len(p.args) {
		return p.args[p.used-1], true
	}
	v, ok := p.kwargs.get(name)
	if ok {
		p.kwargs = p.kwargs.clone()
		p.kwargs.remove(name)
	}
	return v, ok
}

// integer is get for a number without fraction.
func (p *params) integer(name string, otherwise int64) int64 {
	return toInt(p.of, p.get(name, otherwise))
}

// toInt is v as an index or count.
func toInt(of string, v Value) int64 {
	if u, ok := v.(*undefined); ok {
		u.fail()
	}
	i, _, isInt, ok := number(v)
	if !ok || !isInt {
		fail("TypeError: %s: '%s' object cannot be interpreted as an integer", of, typeName(v))
	}
	return i
}

// rest are all other positional parameters.
func (p *params) rest() []Value {
	out := p.args[min(p.used, len(p.args)):]
	p.used = max(p.used, len(p.args))
	return out
}

// end refuses parameters that were not taken.
func (p *params) end() {
	if p.used < len(p.args) {
		fail("TypeError: %s() takes at most %d arguments", p.of, p.used)
	}
	if len(p.kwargs.keys) > 0 {
		fail("TypeError: %s() got an unexpected keyword argument '%s'", p.of, p.kwargs.keys[0])
	}
}
