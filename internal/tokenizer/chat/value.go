package chat

import (
	"cmp"
	"fmt"
	"iter"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// A Value is what templates compute with, Python's values in Go's types: nil (None), bool, int64, float64, string, *List,
// *Tuple, *Dict, and inside a template what only it can make: undefined values, namespaces, macros, iterators.
type Value = any

// A List is a Python list. Templates cannot change it.
type List struct{ items []Value }

// A Tuple is a Python tuple.
type Tuple struct{ items []Value }

// A Dict is a Python dict: it keeps the order in which keys came.
type Dict struct {
	keys, values []Value
	index        map[Value]int
}

// NewList makes a list.
func NewList(items ...Value) *List { return &List{items: items} }

// Items are the values of a list.
func (l *List) Items() []Value { return l.items }

// NewDict makes a dict of keys and values in turn; keys are strings.
func NewDict(pairs ...Value) *Dict {
	d := &Dict{index: map[Value]int{}}
	for i := 0; i+1 < len(pairs); i += 2 {
		d.Set(pairs[i].(string), pairs[i+1])
	}
	return d
}

// Set puts a value under a key; a new key goes to the end.
func (d *Dict) Set(key string, value Value) { d.set(key, value) }

// With returns a copy of a dict in which a key has another value.
func (d *Dict) With(key string, value Value) *Dict {
	c := d.clone()
	c.set(key, value)
	return c
}

// Get returns the value of a key, nil and false if there is none.
func (d *Dict) Get(key string) (Value, bool) { return d.get(key) }

// All yields keys and values in their order.
func (d *Dict) All() iter.Seq2[string, Value] {
	return func(yield func(string, Value) bool) {
		for i, key := range d.keys {
			if name, ok := key.(string); ok && !yield(name, d.values[i]) {
				return
			}
		}
	}
}

func (d *Dict) set(key, value Value) {
	k := hash(key)
	if i, ok := d.index[k]; ok {
		d.values[i] = value
		return
	}
	d.index[k] = len(d.keys)
	d.keys = append(d.keys, key)
	d.values = append(d.values, value)
}

func (d *Dict) get(key Value) (Value, bool) {
	i, ok := d.index[hash(key)]
	if !ok {
		return nil, false
	}
	return d.values[i], true
}

func (d *Dict) remove(key string) {
	if i, ok := d.index[key]; ok {
		d.keys = slices.Delete(slices.Clone(d.keys), i, i+1)
		d.values = slices.Delete(slices.Clone(d.values), i, i+1)
		d.index = map[Value]int{}
		for i, k := range d.keys {
			d.index[hash(k)] = i
		}
	}
}

// clone copies a dict, not its values.
func (d *Dict) clone() *Dict {
	out := NewDict()
	for i, k := range d.keys {
		out.set(k, d.values[i])
	}
	return out
}

// tupleKey is what a tuple is as a key.
type tupleKey string

// hash turns a key into what equal keys share. It fails for values that cannot be keys.
func hash(key Value) Value {
	switch k := key.(type) {
	case nil, string, int64:
		return k
	case bool:
		if k {
			return int64(1)
		}
		return int64(0)
	case float64:
		if k == math.Trunc(k) && math.Abs(k) < 1<<62 {
			return int64(k)
		}
		return k
	case *Tuple:
		var out strings.Builder
		for _, item := range k.items {
			fmt.Fprintf(&out, "%T%v;", hash(item), hash(item))
		}
		return tupleKey(out.String())
	case *List, *Dict:
		fail("TypeError: unhashable type: '%s'", typeName(key))
	}
	fail("a key of type %s is not supported", typeName(key))
	return nil
}

// An undefined is the value of a name or attribute that is not there. Most uses of it are errors.
type undefined struct{ message string }

func undefinedName(name string) *undefined {
	return &undefined{message: fmt.Sprintf("UndefinedError: '%s' is undefined", name)}
}

// fail is the error of using u.
func (u *undefined) fail() { fail("%s", u.message) }

// A namespace is what namespace() makes: the one thing whose attributes can be set.
type namespace struct{ attrs *Dict }

// A function is anything that can be called.
type function struct {
	name string
	call func(r *run, args []Value, kwargs *Dict) Value
}

// A rangeValue is what range() makes.
type rangeValue struct{ start, stop, step int64 }

func (r rangeValue) len() int64 {
	if r.step > 0 && r.start < r.stop {
		return (r.stop - r.start + r.step - 1) / r.step
	}
	if r.step < 0 && r.start > r.stop {
		return (r.start - r.stop - r.step - 1) / -r.step
	}
	return 0
}

// A dictView is d.keys(), d.values() or d.items().
type dictView struct {
	kind string
	dict *Dict
}

func (v dictView) items() []Value {
	switch v.kind {
	case "keys":
		return v.dict.keys
	case "values":
		return v.dict.values
	}
	out := make([]Value, len(v.dict.keys))
	for i, k := range v.dict.keys {
		out[i] = &Tuple{[]Value{k, v.dict.values[i]}}
	}
	return out
}

// An iterator is a Python generator or iterator: it gives each item once.
type iterator struct{ next func() (Value, bool) }

// A markup is a text in which HTML is escaped.
type markup string

func typeName(v Value) string {
	switch v := v.(type) {
	case nil:
		return "NoneType"
	case bool:
		return "bool"
	case int64:
		return "int"
	case float64:
		return "float"
	case string:
		return "str"
	case *List:
		return "list"
	case *Tuple:
		return "tuple"
	case *Dict:
		return "dict"
	case *undefined:
		return "Undefined"
	case *namespace:
		return "TemplateNamespace"
	case rangeValue:
		return "range"
	case dictView:
		return "dict_" + v.kind
	case *iterator:
		return "generator"
	case *function:
		return "function"
	case *loopContext:
		return "LoopContext"
	case markup:
		return "Markup"
	}
	return fmt.Sprintf("%T", v)
}

func truth(v Value) bool {
	switch v := v.(type) {
	case nil, *undefined:
		return false
	case bool:
		return v
	case int64:
		return v != 0
	case float64:
		return v != 0
	case string:
		return v != ""
	case markup:
		return v != ""
	case *List:
		return len(v.items) > 0
	case *Tuple:
		return len(v.items) > 0
	case *Dict:
		return len(v.keys) > 0
	case rangeValue:
		return v.len() > 0
	case dictView:
		return len(v.dict.keys) > 0
	case *loopContext:
		return v.length() > 0
	}
	return true
}

// length is len(v); ok is false for values without one.
func length(v Value) (n int64, ok bool) {
	switch v := v.(type) {
	case string:
		return int64(runeCount(v)), true
	case markup:
		return int64(runeCount(string(v))), true
	case *List:
		return int64(len(v.items)), true
	case *Tuple:
		return int64(len(v.items)), true
	case *Dict:
		return int64(len(v.keys)), true
	case rangeValue:
		return v.len(), true
	case dictView:
		return int64(len(v.dict.keys)), true
	case *loopContext:
		return v.length(), true
	case *undefined:
		return 0, true
	}
	return 0, false
}

// iterable tells whether items works on v.
func iterable(v Value) bool {
	switch v.(type) {
	case string, markup, *List, *Tuple, *Dict, rangeValue, dictView, *iterator, *undefined:
		return true
	}
	return false
}

// items yields what v holds, as a for loop does: the keys of a dict, the characters of a string.
func items(v Value) iter.Seq[Value] {
	next := iterate(v)
	return func(yield func(Value) bool) {
		for item, ok := next(); ok && yield(item); item, ok = next() {
		}
	}
}

// iterate returns a function that gives one item after the other.
func iterate(v Value) func() (Value, bool) {
	switch v := v.(type) {
	case string:
		return func() (Value, bool) {
			for _, r := range v {
				char := string(r)
				v = v[len(char):]
				return char, true
			}
			return nil, false
		}
	case *List:
		return inTurn(v.items)
	case *Tuple:
		return inTurn(v.items)
	case *Dict:
		return inTurn(v.keys)
	case dictView:
		return inTurn(v.items())
	case *undefined:
		return inTurn(nil)
	case rangeValue:
		i := int64(-1)
		return func() (Value, bool) {
			i++
			return v.start + i*v.step, i < v.len()
		}
	case *iterator:
		return v.next
	case markup, *loopContext:
		fail("going through a value of type %s is not supported", typeName(v))
	}
	fail("TypeError: '%s' object is not iterable", typeName(v))
	return nil
}

func inTurn(list []Value) func() (Value, bool) {
	return func() (Value, bool) {
		if len(list) == 0 {
			return nil, false
		}
		item := list[0]
		list = list[1:]
		return item, true
	}
}

// collect is Python's list(v).
func collect(r *run, v Value) []Value {
	if l, ok := v.(*List); ok {
		return l.items
	}
	var out []Value
	for item := range items(v) {
		r.step(1)
		out = append(out, item)
	}
	return out
}

// number returns v as a number, where bools count as 0 and 1.
func number(v Value) (i int64, f float64, isInt, ok bool) {
	switch v := v.(type) {
	case bool:
		if v {
			return 1, 1, true, true
		}
		return 0, 0, true, true
	case int64:
		return v, float64(v), true, true
	case float64:
		return 0, v, false, true
	}
	return 0, 0, false, false
}

// maxDepth bounds how deep values may be nested where they are compared or printed, as Python's stack does.
const maxDepth = 500

// equal is Python's ==.
func equal(a, b Value) bool { return equalDeep(a, b, 0) }

func equalDeep(a, b Value, depth int) bool {
	if depth > maxDepth {
		fail("RecursionError: values are nested too deep")
	}
	if ai, af, aInt, ok := number(a); ok {
		bi, bf, bInt, ok := number(b)
		if aInt && bInt {
			return ok && ai == bi
		}
		return ok && af == bf
	}
	switch a := a.(type) {
	case nil:
		return b == nil
	case string:
		switch b := b.(type) {
		case string:
			return a == b
		case markup:
			return a == string(b)
		}
		return false
	case markup:
		return equalDeep(string(a), b, depth)
	case *undefined:
		_, ok := b.(*undefined)
		return ok
	case *List:
		b, ok := b.(*List)
		return ok && equalItems(a.items, b.items, depth)
	case *Tuple:
		b, ok := b.(*Tuple)
		return ok && equalItems(a.items, b.items, depth)
	case *Dict:
		b, ok := b.(*Dict)
		if !ok || len(a.keys) != len(b.keys) {
			return false
		}
		for i, k := range a.keys {
			if v, ok := b.get(k); !ok || !equalDeep(a.values[i], v, depth+1) {
				return false
			}
		}
		return true
	case rangeValue:
		b, ok := b.(rangeValue)
		return ok && a.len() == b.len() && (a.len() == 0 || a.start == b.start && (a.len() == 1 || a.step == b.step))
	case dictView:
		if b, ok := b.(dictView); ok && a.kind == b.kind && a.dict == b.dict && a.kind != "values" {
			return true
		}
		fail("comparing a value of type %s is not supported", typeName(a))
	}
	return a == b
}

func equalItems(a, b []Value, depth int) bool {
	return slices.EqualFunc(a, b, func(a, b Value) bool { return equalDeep(a, b, depth+1) })
}

// compare is the order of two values; op names the operator for the error of values that have none.
func compare(a, b Value, op string) int {
	_, af, aInt, aOK := number(a)
	_, bf, bInt, bOK := number(b)
	switch {
	case aOK && bOK && aInt && bInt:
		ai, _, _, _ := number(a)
		bi, _, _, _ := number(b)
		return cmp.Compare(ai, bi)
	case aOK && bOK:
		if math.IsNaN(af) || math.IsNaN(bf) {
			fail("comparing NaN is not supported")
		}
		return cmp.Compare(af, bf)
	}
	for _, v := range []Value{a, b} {
		if u, ok := v.(*undefined); ok {
			u.fail()
		}
	}
	if a, ok := text(a); ok {
		if b, ok := text(b); ok {
			return strings.Compare(a, b)
		}
	}
	if a, ok := a.(*List); ok {
		if b, ok := b.(*List); ok {
			return compareItems(a.items, b.items, op)
		}
	}
	if a, ok := a.(*Tuple); ok {
		if b, ok := b.(*Tuple); ok {
			return compareItems(a.items, b.items, op)
		}
	}
	fail("TypeError: '%s' not supported between instances of '%s' and '%s'", op, typeName(a), typeName(b))
	return 0
}

func compareItems(a, b []Value, op string) int {
	for i := range min(len(a), len(b)) {
		if !equal(a[i], b[i]) {
			return compare(a[i], b[i], op)
		}
	}
	return cmp.Compare(len(a), len(b))
}

// text returns v if it is a string.
func text(v Value) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case markup:
		return string(v), true
	}
	return "", false
}

// str is Python's str(v).
func str(v Value) string {
	switch v := v.(type) {
	case string:
		return v
	case markup:
		return string(v)
	case *undefined:
		return ""
	}
	var out strings.Builder
	writeRepr(&out, v, 0)
	return out.String()
}

// repr is Python's repr(v).
func repr(v Value) string {
	var out strings.Builder
	writeRepr(&out, v, 0)
	return out.String()
}

func writeRepr(out *strings.Builder, v Value, depth int) {
	if depth > maxDepth {
		fail("RecursionError: values are nested too deep")
	}
	if out.Len() > maxText {
		fail("a text is longer than %d bytes", maxText)
	}
	switch v := v.(type) {
	case nil:
		out.WriteString("None")
	case bool:
		out.WriteString(pythonBool(v))
	case int64:
		out.WriteString(strconv.FormatInt(v, 10))
	case float64:
		out.WriteString(floatRepr(v))
	case string:
		out.WriteString(quote(v))
	case markup:
		out.WriteString("Markup(" + quote(string(v)) + ")")
	case *List:
		writeItems(out, "[", v.items, "]", depth)
	case *Tuple:
		if len(v.items) == 1 {
			writeItems(out, "(", v.items, ",)", depth)
			return
		}
		writeItems(out, "(", v.items, ")", depth)
	case *Dict:
		out.WriteByte('{')
		for i, k := range v.keys {
			if i > 0 {
				out.WriteString(", ")
			}
			writeRepr(out, k, depth+1)
			out.WriteString(": ")
			writeRepr(out, v.values[i], depth+1)
		}
		out.WriteByte('}')
	case *undefined:
		out.WriteString("Undefined")
	case *namespace:
		out.WriteString("<Namespace ")
		writeRepr(out, v.attrs, depth+1)
		out.WriteByte('>')
	case rangeValue:
		fmt.Fprintf(out, "range(%d, %d", v.start, v.stop)
		if v.step != 1 {
			fmt.Fprintf(out, ", %d", v.step)
		}
		out.WriteByte(')')
	case dictView:
		writeItems(out, "dict_"+v.kind+"([", v.items(), "])", depth)
	default: // what Python prints of others has an address in it
		fail("printing a value of type %s is not supported", typeName(v))
	}
}

func writeItems(out *strings.Builder, open string, items []Value, end string, depth int) {
	out.WriteString(open)
	for i, item := range items {
		if i > 0 {
			out.WriteString(", ")
		}
		writeRepr(out, item, depth+1)
	}
	out.WriteString(end)
}

func pythonBool(b bool) string {
	if b {
		return "True"
	}
	return "False"
}

// floatRepr is Python's repr of a float: the shortest digits that give it back.
func floatRepr(f float64) string {
	switch {
	case math.IsNaN(f):
		return "nan"
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	}
	digits := strconv.FormatFloat(f, 'e', -1, 64)
	_, exponent, _ := strings.Cut(digits, "e")
	if e, _ := strconv.Atoi(exponent); e < -4 || e >= 16 {
		return digits
	}
	out := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(out, ".") {
		out += ".0"
	}
	return out
}

// quote is Python's repr of a string.
func quote(s string) string {
	mark := '\''
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		mark = '"'
	}
	var out strings.Builder
	out.WriteRune(mark)
	for _, r := range s {
		switch {
		case r == mark || r == '\\':
			out.WriteByte('\\')
			out.WriteRune(r)
		case r == '\n':
			out.WriteString(`\n`)
		case r == '\r':
			out.WriteString(`\r`)
		case r == '\t':
			out.WriteString(`\t`)
		case r == ' ' || unicode.IsPrint(r):
			out.WriteRune(r)
		case r < 0x100:
			fmt.Fprintf(&out, `\x%02x`, r)
		case r < 0x10000:
			fmt.Fprintf(&out, `\u%04x`, r)
		default:
			fmt.Fprintf(&out, `\U%08x`, r)
		}
	}
	out.WriteRune(mark)
	return out.String()
}
