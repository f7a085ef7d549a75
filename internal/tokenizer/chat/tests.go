package chat

// A testFunc is a test: what stands behind "is".
type testFunc func(r *run, v Value, p *params) bool

// tests are Jinja's tests.
var tests map[string]testFunc

func init() {
	plain := func(is func(v Value) bool) testFunc { return func(_ *run, v Value, _ *params) bool { return is(v) } }
	against := func(op string) testFunc {
		return func(r *run, v Value, p *params) bool { return holds(r, op, v, p.need("/other")) }
	}
	remainder := func(want int64) func(Value) bool {
		return func(v Value) bool { return equal(operate(&run{}, "%", v, int64(2)), want) }
	}
	tests = map[string]testFunc{
		"odd":  plain(remainder(1)),
		"even": plain(remainder(0)),
		"divisibleby": func(r *run, v Value, p *params) bool {
			return equal(operate(r, "%", v, p.need("num")), int64(0))
		},
		"defined":   plain(func(v Value) bool { _, ok := v.(*undefined); return !ok }),
		"undefined": plain(func(v Value) bool { _, ok := v.(*undefined); return ok }),
		"filter":    plain(func(v Value) bool { s, ok := v.(string); _, known := filters[s]; return ok && known }),
		"test":      plain(func(v Value) bool { s, ok := v.(string); _, known := tests[s]; return ok && known }),
		"none":      plain(func(v Value) bool { return v == nil }),
		"boolean":   plain(func(v Value) bool { _, ok := v.(bool); return ok }),
		"false":     plain(func(v Value) bool { return v == false }),
		"true":      plain(func(v Value) bool { return v == true }),
		"integer":   plain(func(v Value) bool { _, ok := v.(int64); return ok }),
		"float":     plain(func(v Value) bool { _, ok := v.(float64); return ok }),
		"lower":     plain(func(v Value) bool { return allCased(str(v), isLower) }),
		"upper":     plain(func(v Value) bool { return allCased(str(v), isUpper) }),
		"string":    plain(func(v Value) bool { _, ok := text(v); return ok }),
		"mapping":   plain(func(v Value) bool { _, ok := v.(*Dict); return ok }),
		"number":    plain(func(v Value) bool { _, _, _, ok := number(v); return ok }),
		"sequence":  plain(isSequence),
		"iterable":  plain(func(v Value) bool { _, isLoop := v.(*loopContext); return iterable(v) || isLoop }),
		"callable": plain(func(v Value) bool {
			switch v.(type) {
			case *function, *undefined, *loopContext:
				return true
			}
			return false
		}),
		"sameas":  func(_ *run, v Value, p *params) bool { return sameAs(v, p.need("other")) },
		"escaped": plain(func(v Value) bool { _, ok := v.(markup); return ok }),
		"in":      func(r *run, v Value, p *params) bool { return contains(r, p.need("seq"), v) },
	}
	for op, names := range map[string][]string{
		"==": {"==", "eq", "equalto"}, "!=": {"!=", "ne"}, ">": {">", "gt", "greaterthan"}, ">=": {">=", "ge"},
		"<": {"<", "lt", "lessthan"}, "<=": {"<=", "le"},
	} {
		for _, name := range names {
			tests[name] = against(op)
		}
	}
}

// isSequence is Jinja's test: whatever has a length and subscripts.
func isSequence(v Value) bool {
	switch v.(type) {
	case string, markup, *List, *Tuple, *Dict, rangeValue, *undefined:
		return true
	}
	return false
}

// sameAs is Python's is, where that is certain.
func sameAs(a, b Value) bool {
	for _, v := range []Value{a, b} {
		switch v.(type) {
		case int64, float64, string, *Tuple, markup:
			if typeName(a) == typeName(b) {
				fail("sameas of values of type %s is not supported", typeName(v))
			}
		}
	}
	return a == b
}
