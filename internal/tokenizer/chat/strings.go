package chat

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// stringMethods are the methods of Python's str.
var stringMethods map[string]func(r *run, s string, p *params) Value

func init() {
	stringMethods = map[string]func(r *run, s string, p *params) Value{
		"capitalize": func(_ *run, s string, _ *params) Value { return capitalize(s) },
		"casefold":   func(*run, string, *params) Value { fail("casefold is not supported"); return nil },
		"center":     func(r *run, s string, p *params) Value { return pad(r, s, p, 0) },
		"count":      func(_ *run, s string, p *params) Value { return countIn(s, p) },
		"endswith":   func(_ *run, s string, p *params) Value { return affix(s, p, strings.HasSuffix) },
		"find":       func(_ *run, s string, p *params) Value { return findIn(s, p, strings.Index) },
		"format":     func(r *run, s string, p *params) Value { return formatBraces(r, s, p) },
		"index":      func(_ *run, s string, p *params) Value { return found(findIn(s, p, strings.Index)) },
		"isalnum": every(func(r rune) bool {
			return unicode.IsLetter(r) || unicode.Is(unicode.Nd, r) || isDigit(r) || unicode.IsNumber(r)
		}),
		"isalpha": every(unicode.IsLetter),
		"isascii": func(_ *run, s string, _ *params) Value {
			return strings.IndexFunc(s, func(r rune) bool { return r > 127 }) < 0
		},
		"isdecimal":    every(func(r rune) bool { return unicode.Is(unicode.Nd, r) }),
		"isdigit":      every(isDigit),
		"islower":      func(_ *run, s string, _ *params) Value { return allCased(s, isLower) },
		"isnumeric":    every(isNumeric),
		"isspace":      every(isSpace),
		"isupper":      func(_ *run, s string, _ *params) Value { return allCased(s, isUpper) },
		"join":         func(r *run, s string, p *params) Value { return joinTexts(r, s, p.need("/iterable")) },
		"ljust":        func(r *run, s string, p *params) Value { return pad(r, s, p, -1) },
		"lower":        func(_ *run, s string, _ *params) Value { return lower(s) },
		"lstrip":       func(_ *run, s string, p *params) Value { return strip(s, p, true, false) },
		"partition":    func(_ *run, s string, p *params) Value { return partition(s, p, strings.Index, false) },
		"removeprefix": func(_ *run, s string, p *params) Value { return strings.TrimPrefix(s, textArg(p, "/prefix")) },
		"removesuffix": func(_ *run, s string, p *params) Value { return strings.TrimSuffix(s, textArg(p, "/suffix")) },
		"replace": func(r *run, s string, p *params) Value {
			return replace(r, s, textArg(p, "/old"), textArg(p, "/new"), p.integer("/count", -1))
		},
		"rfind":      func(_ *run, s string, p *params) Value { return findIn(s, p, strings.LastIndex) },
		"rindex":     func(_ *run, s string, p *params) Value { return found(findIn(s, p, strings.LastIndex)) },
		"rjust":      func(r *run, s string, p *params) Value { return pad(r, s, p, 1) },
		"rpartition": func(_ *run, s string, p *params) Value { return partition(s, p, strings.LastIndex, true) },
		"rsplit":     func(_ *run, s string, p *params) Value { return split(s, p, true) },
		"rstrip":     func(_ *run, s string, p *params) Value { return strip(s, p, false, true) },
		"split":      func(_ *run, s string, p *params) Value { return split(s, p, false) },
		"splitlines": func(_ *run, s string, p *params) Value { return texts(splitLines(s, truth(p.get("keepends", false)))) },
		"startswith": func(_ *run, s string, p *params) Value { return affix(s, p, strings.HasPrefix) },
		"strip":      func(_ *run, s string, p *params) Value { return strip(s, p, true, true) },
		"swapcase":   func(*run, string, *params) Value { fail("swapcase is not supported"); return nil },
		"title":      func(_ *run, s string, _ *params) Value { return title(s) },
		"upper":      func(_ *run, s string, _ *params) Value { return upper(s) },
		"zfill":      zeroFill,
	}
}

// texts makes a list of strings.
func texts(all []string) *List {
	out := make([]Value, len(all))
	for i, s := range all {
		out[i] = s
	}
	return &List{out}
}

// textArg is a parameter that must be a string.
func textArg(p *params, name string) string { return needText(p.of, p.need(name)) }

func needText(of string, v Value) string {
	if u, ok := v.(*undefined); ok {
		fail("TypeError: %s: must be str, not Undefined (%s)", of, u.message)
	}
	s, ok := v.(string)
	if !ok {
		fail("TypeError: %s: must be str, not %s", of, typeName(v))
	}
	return s
}

// every makes the method that asks something of all characters of a text, which is not empty.
func every(is func(rune) bool) func(*run, string, *params) Value {
	return func(_ *run, s string, _ *params) Value {
		for _, r := range s {
			if !is(r) {
				return false
			}
		}
		return s != ""
	}
}

// allCased tells whether all cased characters are of one case, and there is one.
func allCased(s string, is func(rune) bool) bool {
	any := false
	for _, r := range s {
		if isCased(r) {
			if !is(r) {
				return false
			}
			any = true
		}
	}
	return any
}

// strip takes away white space, or the characters given.
func strip(s string, p *params, left, right bool) string {
	is := isSpace
	if chars := p.get("/chars", nil); chars != nil {
		set := needText(p.of, chars)
		is = func(r rune) bool { return strings.ContainsRune(set, r) }
	}
	if left {
		s = strings.TrimLeftFunc(s, is)
	}
	if right {
		s = strings.TrimRightFunc(s, is)
	}
	return s
}

// within is the part of s that the parameters start and end of a method leave, and where it begins in characters.
func within(s string, p *params) (part string, from int, ok bool) {
	start, end := p.get("/start", nil), p.get("/end", nil)
	if start == nil && end == nil {
		return s, 0, true
	}
	runes := []rune(s)
	n := int64(len(runes))
	clip := func(v Value, otherwise int64) int64 {
		i := sliceBound(v, otherwise)
		if i < 0 {
			i = max(i+n, 0)
		}
		return i
	}
	first, last := clip(start, 0), min(clip(end, n), n)
	if first > n || first > last {
		return "", 0, false
	}
	return string(runes[first:last]), int(first), true
}

func affix(s string, p *params, has func(s, affix string) bool) Value {
	wanted := p.need("/prefix")
	part, _, ok := within(s, p)
	if all, isTuple := wanted.(*Tuple); isTuple {
		for _, one := range all.items {
			if has(part, needText(p.of, one)) && ok {
				return true
			}
		}
		return false
	}
	return has(part, needText(p.of, wanted)) && ok
}

func findIn(s string, p *params, index func(s, part string) int) int64 {
	wanted := textArg(p, "/sub")
	part, from, ok := within(s, p)
	i := index(part, wanted)
	if !ok || i < 0 {
		return -1
	}
	return int64(from + runeCount(part[:i]))
}

func found(i int64) Value {
	if i < 0 {
		fail("ValueError: substring not found")
	}
	return i
}

func countIn(s string, p *params) Value {
	wanted := textArg(p, "/sub")
	part, _, ok := within(s, p)
	if !ok {
		return int64(0)
	}
	return int64(strings.Count(part, wanted))
}

func replace(r *run, s, old, content string, count int64) string {
	n := int64(strings.Count(s, old))
	if count >= 0 {
		n = min(n, count)
	}
	if grows := int64(len(content) - len(old)); grows > 0 && n > 0 {
		if n > maxText/grows {
			r.sized(maxText + 1)
		}
		r.sized(int64(len(s)) + n*grows)
	}
	return strings.Replace(s, old, content, int(n))
}

func partition(s string, p *params, index func(s, part string) int, right bool) Value {
	sep := textArg(p, "/sep")
	if sep == "" {
		fail("ValueError: empty separator")
	}
	i := index(s, sep)
	switch {
	case i >= 0:
		return &Tuple{[]Value{s[:i], sep, s[i+len(sep):]}}
	case right:
		return &Tuple{[]Value{"", "", s}}
	}
	return &Tuple{[]Value{s, "", ""}}
}

// split is str.split or, from the right, str.rsplit.
func split(s string, p *params, right bool) Value {
	sep, most := p.get("sep", nil), p.integer("maxsplit", -1)
	if most < 0 {
		most = int64(len(s)) + 1
	}
	if sep == nil {
		return texts(splitSpace(s, most, right))
	}
	by := needText(p.of, sep)
	if by == "" {
		fail("ValueError: empty separator")
	}
	if !right {
		return texts(strings.SplitN(s, by, int(min(most, int64(len(s))+1))+1))
	}
	var out []string
	for ; most > 0; most-- {
		i := strings.LastIndex(s, by)
		if i < 0 {
			break
		}
		out = append(out, s[i+len(by):])
		s = s[:i]
	}
	return texts(reversed(append(out, s)))
}

// splitSpace splits at runs of white space, at most so many times.
func splitSpace(s string, most int64, right bool) (out []string) {
	if right {
		for s = strings.TrimRightFunc(s, isSpace); s != "" && most > 0; most-- {
			i := strings.LastIndexFunc(s, isSpace)
			if i < 0 {
				break
			}
			_, size := utf8.DecodeRuneInString(s[i:])
			out = append(out, s[i+size:])
			s = strings.TrimRightFunc(s[:i], isSpace)
		}
		if s != "" {
			out = append(out, s)
		}
		return reversed(out)
	}
	for s = strings.TrimLeftFunc(s, isSpace); s != ""; most-- {
		i := strings.IndexFunc(s, isSpace)
		if i < 0 || most <= 0 {
			return append(out, s)
		}
		out = append(out, s[:i])
		s = strings.TrimLeftFunc(s[i:], isSpace)
	}
	return out
}

func reversed(all []string) []string {
	out := make([]string, len(all))
	for i, s := range all {
		out[len(all)-1-i] = s
	}
	return out
}

// pad is center (0), ljust (-1) and rjust (1).
func pad(r *run, s string, p *params, side int) Value {
	width := toInt(p.of, p.need("/width"))
	fill := needText(p.of, p.get("/fillchar", " "))
	if runeCount(fill) != 1 {
		fail("TypeError: The fill character must be exactly one character long")
	}
	missing := width - int64(runeCount(s))
	if missing <= 0 {
		return s
	}
	r.sized(missing * 4)
	left := missing / 2
	if missing%2 != 0 && width%2 != 0 {
		left++ // as Python's center does
	}
	switch side {
	case -1:
		left = 0
	case 1:
		left = missing
	}
	return strings.Repeat(fill, int(left)) + s + strings.Repeat(fill, int(missing-left))
}

func zeroFill(r *run, s string, p *params) Value {
	missing := toInt(p.of, p.need("/width")) - int64(runeCount(s))
	if missing <= 0 {
		return s
	}
	r.sized(missing)
	zeros := strings.Repeat("0", int(missing))
	if s != "" && (s[0] == '+' || s[0] == '-') {
		return s[:1] + zeros + s[1:]
	}
	return zeros + s
}

// joinTexts is sep.join(all), which wants strings.
func joinTexts(r *run, sep string, all Value) Value {
	var out strings.Builder
	i := 0
	for v := range items(all) {
		if i > 0 {
			out.WriteString(sep)
		}
		s, ok := text(v)
		if !ok {
			fail("TypeError: sequence item %d: expected str instance, %s found", i, typeName(v))
		}
		r.sized(int64(out.Len() + len(s)))
		out.WriteString(s)
		i++
	}
	return out.String()
}
