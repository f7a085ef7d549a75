package chat

import (
	"math"
	"regexp"
	"strconv"
	"strings"
)

// Python's two ways to format: "%s" % x and "{}".format(x).

var percentRE = regexp.MustCompile(`%(?:\(([^()]*)\))?([-+ #0]*)([0-9]*|\*)(?:\.([0-9]*|\*))?[hlL]?(.?)`)

// formatPercent is format % args, where args is a tuple, a dict for %(name)s, or one value.
func formatPercent(r *run, format string, args Value) string {
	var positional []Value
	named, isDict := args.(*Dict)
	if t, ok := args.(*Tuple); ok {
		positional = t.items
	} else {
		positional = []Value{args}
	}
	next := func() Value {
		if len(positional) == 0 {
			fail("TypeError: not enough arguments for format string")
		}
		v := positional[0]
		positional = positional[1:]
		return v
	}
	var out strings.Builder
	done := 0
	for _, m := range percentRE.FindAllStringSubmatchIndex(format, -1) {
		out.WriteString(format[done:m[0]])
		done = m[1]
		group := func(i int) string {
			if m[2*i] < 0 {
				return ""
			}
			return format[m[2*i]:m[2*i+1]]
		}
		verb := group(5)
		if verb == "%" && m[1]-m[0] == 2 {
			out.WriteByte('%')
			continue
		}
		if group(3) == "*" || group(4) == "*" {
			fail("a * in a format is not supported")
		}
		var v Value
		if m[2] >= 0 {
			if !isDict {
				fail("TypeError: format requires a mapping")
			}
			var ok bool
			if v, ok = named.get(group(1)); !ok {
				fail("KeyError: '%s'", group(1))
			}
			positional = nil
		} else {
			v = next()
		}
		spec := formatSpec{flags: group(2), precision: -1, verb: verb}
		spec.width, _ = strconv.Atoi(group(3))
		if m[8] >= 0 {
			spec.precision, _ = strconv.Atoi(group(4))
		}
		r.sized(int64(spec.width) + int64(max(spec.precision, 0)))
		out.WriteString(spec.format(v))
		r.sized(int64(out.Len()))
	}
	out.WriteString(format[done:])
	if len(positional) > 0 && !isDict {
		fail("TypeError: not all arguments converted during string formatting")
	}
	return out.String()
}

// A formatSpec is what stands between % and the end of a format.
type formatSpec struct {
	flags            string
	width, precision int // precision -1: none
	verb             string
}

func (s formatSpec) has(flag string) bool { return strings.Contains(s.flags, flag) }

func (s formatSpec) format(v Value) string {
	out, sign := "", ""
	switch s.verb {
	case "s", "r":
		out = str(v)
		if s.verb == "r" {
			out = repr(v)
		}
		if s.precision >= 0 {
			runes := []rune(out)
			out = string(runes[:min(len(runes), s.precision)])
		}
		return s.pad("", out, false)
	case "d", "i", "u":
		out, sign = s.integer(v)
	case "f", "F", "e", "E", "g", "G":
		out, sign = s.float(v)
	default:
		fail("the format %%%s is not supported", s.verb)
	}
	if sign == "" && s.has("+") {
		sign = "+"
	} else if sign == "" && s.has(" ") {
		sign = " "
	}
	return s.pad(sign, out, s.has("0"))
}

// pad brings sign and text to the width.
func (s formatSpec) pad(sign, text string, zeros bool) string {
	missing := max(s.width-len(sign)-runeCount(text), 0)
	switch {
	case s.has("-"):
		return sign + text + strings.Repeat(" ", missing)
	case zeros:
		return sign + strings.Repeat("0", missing) + text
	}
	return strings.Repeat(" ", missing) + sign + text
}

func (s formatSpec) integer(v Value) (digits, sign string) {
	i, f, isInt, ok := number(needDefined(v))
	if !ok {
		fail("TypeError: %%%s format: a real number is required, not %s", s.verb, typeName(v))
	}
	if !isInt {
		if math.IsNaN(f) || math.IsInf(f, 0) {
			fail("ValueError: cannot convert float %v to integer", f)
		}
		i = truncate(f, nil).(int64)
	}
	digits = strconv.FormatInt(i, 10)
	if i < 0 {
		digits, sign = digits[1:], "-"
	}
	if missing := s.precision - len(digits); missing > 0 {
		digits = strings.Repeat("0", missing) + digits
	}
	return digits, sign
}

func (s formatSpec) float(v Value) (digits, sign string) {
	_, f, _, ok := number(needDefined(v))
	if !ok {
		fail("TypeError: must be real number, not %s", typeName(v))
	}
	if math.IsNaN(f) || math.IsInf(f, 0) || s.has("#") {
		fail("this format of a float is not supported")
	}
	precision := s.precision
	if precision < 0 {
		precision = 6
	}
	verb := strings.ToLower(s.verb)[0]
	if verb == 'g' {
		digits = formatGeneral(f, precision)
	} else {
		digits = strconv.FormatFloat(f, verb, precision, 64)
	}
	if strings.HasPrefix(digits, "-") {
		digits, sign = digits[1:], "-"
	}
	if s.verb != strings.ToLower(s.verb) {
		digits = strings.ToUpper(digits)
	}
	return digits, sign
}

// formatGeneral is %g: so many digits, without zeros at the end.
func formatGeneral(f float64, precision int) string {
	precision = max(precision, 1)
	scientific := strconv.FormatFloat(f, 'e', precision-1, 64)
	mantissa, exponent, _ := strings.Cut(scientific, "e")
	trim := func(s string) string {
		if strings.Contains(s, ".") {
			return strings.TrimRight(strings.TrimRight(s, "0"), ".")
		}
		return s
	}
	if e, _ := strconv.Atoi(exponent); e < -4 || e >= precision {
		return trim(mantissa) + "e" + exponent
	} else {
		return trim(strconv.FormatFloat(f, 'f', precision-1-e, 64))
	}
}

// formatBraces is format.format(...), with {}, {0} and {name} alone.
func formatBraces(r *run, format string, p *params) string {
	args, kwargs := p.rest(), p.kwargs
	p.kwargs = NewDict()
	var out strings.Builder
	automatic, manual := 0, false
	for i := 0; i < len(format); i++ {
		switch c := format[i]; {
		case (c == '{' || c == '}') && i+1 < len(format) && format[i+1] == c:
			out.WriteByte(c)
			i++
		case c == '}':
			fail("ValueError: Single '}' encountered in format string")
		case c == '{':
			end := strings.IndexByte(format[i:], '}')
			if end < 0 {
				fail("ValueError: expected '}' before end of string")
			}
			field := format[i+1 : i+end]
			i += end
			v := formatField(field, args, kwargs, &automatic, &manual)
			out.WriteString(str(v))
		default:
			out.WriteByte(c)
		}
		r.sized(int64(out.Len()))
	}
	return out.String()
}

func formatField(field string, args []Value, kwargs *Dict, automatic *int, manual *bool) Value {
	index := *automatic
	switch n, err := strconv.Atoi(field); {
	case field == "":
		if *manual {
			fail("ValueError: cannot switch from manual field specification to automatic field numbering")
		}
		*automatic++
	case err == nil && n >= 0 && strings.Trim(field, "0123456789") == "":
		if *automatic > 0 {
			fail("ValueError: cannot switch from automatic field numbering to manual field specification")
		}
		index, *manual = n, true
	case identifierRE.MatchString(field):
		v, ok := kwargs.get(field)
		if !ok {
			fail("KeyError: '%s'", field)
		}
		return v
	default:
		fail("the field {%s} in format() is not supported", field)
	}
	if index >= len(args) {
		fail("IndexError: Replacement index %d out of range for positional args tuple", index)
	}
	return args[index]
}
