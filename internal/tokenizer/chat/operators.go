package chat

import (
	"math"
	"math/bits"
	"strings"
)

// Arithmetic as Python has it.

func (e *binary) eval(f *frame) Value {
	f.step(1)
	left := e.left.eval(f)
	return operate(f.run, e.op, left, e.right.eval(f))
}

func operate(r *run, op string, a, b Value) Value {
	for _, v := range []Value{a, b} {
		if u, ok := v.(*undefined); ok {
			if _, formats := a.(string); !formats || op != "%" {
				u.fail()
			}
		}
	}
	ai, af, aInt, aOK := number(a)
	bi, bf, bInt, bOK := number(b)
	switch {
	case aOK && bOK && aInt && bInt:
		return operateInts(op, ai, bi)
	case aOK && bOK:
		return operateFloats(op, af, bf)
	case op == "+":
		return add(r, a, b)
	case op == "*" && bOK && bInt:
		return repeat(r, a, bi)
	case op == "*" && aOK && aInt:
		return repeat(r, b, ai)
	case op == "%":
		if format, ok := a.(string); ok {
			return formatPercent(r, format, b)
		}
	}
	name := op
	if op == "**" {
		name = "** or pow()"
	}
	fail("TypeError: unsupported operand type(s) for %s: '%s' and '%s'", name, typeName(a), typeName(b))
	return nil
}

func tooLarge() { fail("integers beyond 64 bits are not supported") }

func operateInts(op string, a, b int64) Value {
	if b == 0 && (op == "/" || op == "//" || op == "%") {
		fail("ZeroDivisionError: division by zero")
	}
	switch op {
	case "+":
		sum := a + b
		if (sum > a) != (b > 0) && b != 0 {
			tooLarge()
		}
		return sum
	case "-":
		difference := a - b
		if (difference < a) != (b > 0) && b != 0 {
			tooLarge()
		}
		return difference
	case "*":
		return multiply(a, b)
	case "/":
		if max(a, -a) > 1<<53 || max(b, -b) > 1<<53 {
			fail("dividing integers beyond 53 bits is not supported")
		}
		return float64(a) / float64(b)
	case "//":
		if a == math.MinInt64 && b == -1 {
			tooLarge()
		}
		q := a / b
		if a%b != 0 && (a < 0) != (b < 0) {
			q--
		}
		return q
	case "%":
		m := a % b
		if m != 0 && (m < 0) != (b < 0) {
			m += b
		}
		return m
	}
	if b < 0 {
		return operateFloats(op, float64(a), float64(b))
	}
	if a == -1 {
		return 1 - 2*(b%2)
	}
	out := int64(1)
	for ; b > 0 && a != 1 && out != 0; b-- {
		out = multiply(out, a) // it is too large soon
	}
	return out
}

func multiply(a, b int64) int64 {
	high, low := bits.Mul64(uint64(max(a, -a)), uint64(max(b, -b)))
	if high != 0 || low > math.MaxInt64 {
		tooLarge()
	}
	return a * b
}

func operateFloats(op string, a, b float64) Value {
	if b == 0 && (op == "/" || op == "//" || op == "%") {
		fail("ZeroDivisionError: float division by zero")
	}
	switch op {
	case "+":
		return a + b
	case "-":
		return a - b
	case "*":
		return a * b
	case "/":
		return a / b
	case "//", "%":
		m := math.Mod(a, b)
		q := (a - m) / b
		if m != 0 {
			if (m < 0) != (b < 0) {
				m += b
				q--
			}
		} else {
			m = math.Copysign(0, b)
		}
		if op == "%" {
			return m
		}
		if q == 0 {
			return math.Copysign(0, a/b)
		}
		floor := math.Floor(q)
		if q-floor > 0.5 {
			floor++
		}
		return floor
	}
	if a == 0 && b < 0 {
		fail("ZeroDivisionError: 0.0 cannot be raised to a negative power")
	}
	out := math.Pow(a, b)
	if math.IsNaN(out) || math.IsInf(out, 0) {
		fail("a power without a finite value is not supported")
	}
	return out
}

func add(r *run, a, b Value) Value {
	switch a := a.(type) {
	case string, markup:
		x, _ := text(a)
		y, ok := text(b)
		if !ok {
			fail(`TypeError: can only concatenate str (not "%s") to str`, typeName(b))
		}
		r.sized(int64(len(x) + len(y)))
		_, left := a.(markup)
		_, right := b.(markup)
		switch {
		case left && right:
			return markup(x + y)
		case left:
			return markup(x + escape(y))
		case right:
			return markup(escape(x) + y)
		}
		return x + y
	case *List:
		if b, ok := b.(*List); ok {
			r.sized(16 * int64(len(a.items)+len(b.items)))
			return &List{append(append([]Value{}, a.items...), b.items...)}
		}
		fail(`TypeError: can only concatenate list (not "%s") to list`, typeName(b))
	case *Tuple:
		if b, ok := b.(*Tuple); ok {
			r.sized(16 * int64(len(a.items)+len(b.items)))
			return &Tuple{append(append([]Value{}, a.items...), b.items...)}
		}
		fail(`TypeError: can only concatenate tuple (not "%s") to tuple`, typeName(b))
	}
	fail("TypeError: unsupported operand type(s) for +: '%s' and '%s'", typeName(a), typeName(b))
	return nil
}

// repeat is n times a text or list.
func repeat(r *run, v Value, n int64) Value {
	n = max(n, 0)
	size := func(of int) int64 {
		total := int64(maxText) + 1
		if of == 0 || n <= maxText/int64(of) {
			total = n * int64(of)
		}
		r.sized(total)
		return total
	}
	times := func(items []Value) []Value {
		if len(items) == 0 {
			return nil
		}
		size(16 * len(items))
		var out []Value
		for range n {
			out = append(out, items...)
		}
		return out
	}
	switch v := v.(type) {
	case string:
		if v == "" {
			return ""
		}
		size(len(v))
		return strings.Repeat(v, int(n))
	case *List:
		return &List{times(v.items)}
	case *Tuple:
		return &Tuple{times(v.items)}
	}
	fail("TypeError: multiplying a value of type %s is not supported", typeName(v))
	return nil
}
