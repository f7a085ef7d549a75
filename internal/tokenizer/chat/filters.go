package chat

import (
	"math"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// A filterFunc is a filter: it takes its parameters from p.
type filterFunc func(r *run, v Value, p *params) Value

// filters are Jinja's filters; those that are nil are known but not supported.
var filters map[string]filterFunc

func init() {
	filters = map[string]filterFunc{
		"abs":            filterAbs,
		"attr":           filterAttr,
		"batch":          filterBatch,
		"capitalize":     onText(func(s string) string { return capitalize(s) }),
		"center":         filterCenter,
		"count":          filterLength,
		"d":              filterDefault,
		"default":        filterDefault,
		"dictsort":       filterDictSort,
		"e":              filterEscape,
		"escape":         filterEscape,
		"filesizeformat": nil,
		"first":          filterFirst,
		"float":          filterFloat,
		"forceescape":    func(_ *run, v Value, _ *params) Value { return markup(escape(str(v))) },
		"format":         filterFormat,
		"groupby":        nil,
		"indent":         filterIndent,
		"int":            filterInt,
		"items":          filterItems,
		"join":           filterJoin,
		"last":           filterLast,
		"length":         filterLength,
		"list":           func(r *run, v Value, _ *params) Value { return &List{slices.Clone(collect(r, v))} },
		"lower":          onText(lower),
		"map":            filterMap,
		"max":            func(r *run, v Value, p *params) Value { return extreme(r, v, p, 1) },
		"min":            func(r *run, v Value, p *params) Value { return extreme(r, v, p, -1) },
		"pprint":         nil,
		"random":         nil,
		"reject":         func(r *run, v Value, p *params) Value { return choose(r, v, p, false, false) },
		"rejectattr":     func(r *run, v Value, p *params) Value { return choose(r, v, p, true, false) },
		"replace":        filterReplace,
		"reverse":        filterReverse,
		"round":          filterRound,
		"safe":           func(_ *run, v Value, _ *params) Value { return markup(str(v)) },
		"select":         func(r *run, v Value, p *params) Value { return choose(r, v, p, false, true) },
		"selectattr":     func(r *run, v Value, p *params) Value { return choose(r, v, p, true, true) },
		"slice":          nil,
		"sort":           filterSort,
		"string":         filterString,
		"striptags":      nil,
		"sum":            filterSum,
		"title":          onText(titleFilter),
		"tojson":         filterJSON,
		"trim":           filterTrim,
		"truncate":       filterTruncate,
		"unique":         filterUnique,
		"upper":          onText(upper),
		"urlencode":      nil,
		"urlize":         nil,
		"wordcount":      func(_ *run, v Value, _ *params) Value { return int64(len(strings.FieldsFunc(softText(v), notWord))) },
		"wordwrap":       nil,
		"xmlattr":        nil,
	}
}

func notWord(r rune) bool { return !isWord(r) }

// softText is v as a plain string; text in which HTML is escaped has rules of its own, which are not supported.
func softText(v Value) string {
	if _, ok := v.(markup); ok {
		fail("this filter of a value of type Markup is not supported")
	}
	return str(v)
}

// onText makes a filter of a function on texts.
func onText(apply func(string) string) filterFunc {
	return func(r *run, v Value, _ *params) Value {
		s := softText(v)
		r.sized(int64(len(s)))
		return apply(s)
	}
}

// needDefined refuses an undefined value.
func needDefined(v Value) Value {
	if u, ok := v.(*undefined); ok {
		u.fail()
	}
	return v
}

func filterAbs(_ *run, v Value, _ *params) Value {
	i, f, isInt, ok := number(needDefined(v))
	switch {
	case !ok:
		fail("TypeError: bad operand type for abs(): '%s'", typeName(v))
	case isInt && i == math.MinInt64:
		tooLarge()
	case isInt:
		return max(i, -i)
	}
	return math.Abs(f)
}

func filterAttr(_ *run, v Value, p *params) Value {
	name := str(p.need("name"))
	if found, ok := pythonAttribute(v, name); ok {
		return found
	}
	return noAttribute(v, name)
}

func filterBatch(r *run, v Value, p *params) Value {
	size, fill := toInt(p.of, p.need("linecount")), p.get("fill_with", nil)
	if size < 1 {
		fail("batches of %d are not supported", size)
	}
	next := iterate(v)
	return &iterator{next: func() (Value, bool) {
		var batch []Value
		for int64(len(batch)) < size {
			item, ok := next()
			if !ok {
				break
			}
			r.step(1)
			batch = append(batch, item)
		}
		if len(batch) == 0 {
			return nil, false
		}
		r.sized(size)
		for fill != nil && int64(len(batch)) < size {
			batch = append(batch, fill)
		}
		return &List{batch}, true
	}}
}

func filterCenter(r *run, v Value, p *params) Value {
	return pad(r, softText(v), &params{of: p.of, args: []Value{p.get("width", int64(80))}, kwargs: NewDict()}, 0)
}

func filterDefault(_ *run, v Value, p *params) Value {
	otherwise, boolean := p.get("default_value", ""), p.get("boolean", false)
	if _, ok := v.(*undefined); ok || truth(boolean) && !truth(v) {
		return otherwise
	}
	return v
}

func filterEscape(_ *run, v Value, _ *params) Value {
	if m, ok := v.(markup); ok {
		return m
	}
	return markup(escape(str(v)))
}

func filterFirst(_ *run, v Value, _ *params) Value {
	if item, ok := iterate(v)(); ok {
		return item
	}
	return &undefined{message: "UndefinedError: No first item, sequence was empty."}
}

func filterLast(r *run, v Value, _ *params) Value {
	if _, ok := v.(*iterator); ok {
		fail("TypeError: 'generator' object is not reversible")
	}
	all := collect(r, v)
	if len(all) == 0 {
		return &undefined{message: "UndefinedError: No last item, sequence was empty."}
	}
	return all[len(all)-1]
}

func filterLength(_ *run, v Value, _ *params) Value {
	n, ok := length(v)
	if !ok {
		fail("TypeError: object of type '%s' has no len()", typeName(v))
	}
	return n
}

func filterFloat(_ *run, v Value, p *params) Value {
	otherwise := p.get("default", 0.0)
	if _, f, _, ok := number(needDefined(v)); ok {
		return f
	}
	if s, ok := text(v); ok {
		if f, ok := parseFloat(s); ok {
			return f
		}
	}
	return otherwise
}

var floatText = regexp.MustCompile(`^[+-]?(?:(?:[0-9]+(?:_[0-9]+)*)?\.?(?:[0-9]+(?:_[0-9]+)*)?(?:[eE][+-]?[0-9]+(?:_[0-9]+)*)?|(?i:inf|infinity|nan))$`)

// parseFloat is Python's float(s).
func parseFloat(s string) (float64, bool) {
	s = strings.TrimFunc(s, isSpace)
	if strings.IndexFunc(s, func(r rune) bool { return r > 127 && isDigit(r) }) >= 0 {
		fail("numbers in other digits than 0 to 9 are not supported")
	}
	if !floatText.MatchString(s) {
		return 0, false
	}
	f, err := strconv.ParseFloat(strings.ReplaceAll(s, "_", ""), 64)
	return f, err == nil || math.IsInf(f, 0)
}

func filterInt(_ *run, v Value, p *params) Value {
	otherwise, base := p.get("default", int64(0)), p.integer("base", 10)
	needDefined(v)
	if i, f, isInt, ok := number(v); ok {
		if isInt {
			return i
		}
		return truncate(f, otherwise)
	}
	s, ok := text(v)
	if !ok {
		return otherwise
	}
	if i, ok := parseInt(s, base); ok {
		return i
	}
	if f, ok := parseFloat(s); ok {
		return truncate(f, otherwise)
	}
	return otherwise
}

// truncate is int(f).
func truncate(f float64, otherwise Value) Value {
	switch {
	case math.IsNaN(f) || math.IsInf(f, 0):
		return otherwise
	case math.Abs(f) >= 1<<63:
		tooLarge()
	}
	return int64(f)
}

var intText = regexp.MustCompile(`^[+-]?[0-9a-zA-Z]+(?:_[0-9a-zA-Z]+)*$`)

// parseInt is Python's int(s, base).
func parseInt(s string, base int64) (int64, bool) {
	s = strings.TrimFunc(s, isSpace)
	if !intText.MatchString(s) {
		return 0, false
	}
	if base != 10 {
		fail("int with another base than 10 is not supported")
	}
	i, err := strconv.ParseInt(strings.ReplaceAll(s, "_", ""), 10, 64)
	if err != nil && strings.Trim(s, "+-_0123456789") == "" {
		tooLarge()
	}
	return i, err == nil
}

func filterFormat(r *run, v Value, p *params) Value {
	args := p.rest()
	if len(args) > 0 && len(p.kwargs.keys) > 0 {
		fail("FilterArgumentError: can't handle positional and keyword arguments at the same time")
	}
	if len(p.kwargs.keys) > 0 {
		named := p.kwargs
		p.kwargs = NewDict()
		return formatPercent(r, softText(v), named)
	}
	return formatPercent(r, softText(v), &Tuple{args})
}

func filterIndent(r *run, v Value, p *params) Value {
	width, first, blank := p.get("width", int64(4)), truth(p.get("first", false)), truth(p.get("blank", false))
	by, ok := width.(string)
	if !ok {
		n := max(toInt(p.of, width), 0)
		r.sized(n)
		by = strings.Repeat(" ", int(n))
	}
	if _, ok := v.(markup); ok {
		softText(v)
	}
	s := add(r, needDefined(v), "\n").(string)
	lines := splitLines(s, false)
	r.sized(int64(len(s)) + int64(len(lines))*int64(len(by)))
	for i := range lines {
		if i == 0 && first || i > 0 && (blank || lines[i] != "") {
			lines[i] = by + lines[i]
		}
	}
	return strings.Join(lines, "\n")
}

func filterItems(_ *run, v Value, _ *params) Value {
	switch v := v.(type) {
	case *undefined:
		return &iterator{next: inTurn(nil)}
	case *Dict:
		return &iterator{next: inTurn(dictView{"items", v}.items())}
	}
	fail("TypeError: Can only get item pairs from a mapping.")
	return nil
}

func filterJoin(r *run, v Value, p *params) Value {
	sep, attribute := p.get("d", ""), p.get("attribute", nil)
	get := attributeGetter(attribute, nil)
	var out strings.Builder
	i := 0
	for item := range items(v) {
		r.step(1)
		if i > 0 {
			out.WriteString(str(sep))
		}
		s := str(get(item))
		r.sized(int64(out.Len() + len(s)))
		out.WriteString(s)
		i++
	}
	return out.String()
}

func filterReplace(r *run, v Value, p *params) Value {
	old, content, count := softText(p.need("old")), softText(p.need("new")), p.get("count", nil)
	n := int64(-1)
	if count != nil {
		n = toInt(p.of, count)
	}
	s := softText(v)
	r.sized(int64(len(s)))
	return replace(r, s, old, content, n)
}

func filterReverse(r *run, v Value, _ *params) Value {
	if s, ok := v.(string); ok {
		runes := []rune(s)
		slices.Reverse(runes)
		return string(runes)
	}
	all := slices.Clone(collect(r, v))
	slices.Reverse(all)
	if _, ok := v.(*iterator); ok {
		return &List{all}
	}
	return &iterator{next: inTurn(all)}
}

func filterRound(_ *run, v Value, p *params) Value {
	precision, method := p.integer("precision", 0), p.get("method", "common")
	i, f, isInt, ok := number(needDefined(v))
	if !ok {
		fail("TypeError: type %s doesn't define __round__ method", typeName(v))
	}
	if precision < 0 || precision > 15 {
		fail("round with a precision of %d is not supported", precision)
	}
	switch method {
	case "common":
		if isInt {
			return i
		}
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return f
		}
		out, _ := strconv.ParseFloat(strconv.FormatFloat(f, 'f', int(precision), 64), 64)
		return out
	case "ceil":
		return math.Ceil(f*math.Pow10(int(precision))) / math.Pow10(int(precision))
	case "floor":
		return math.Floor(f*math.Pow10(int(precision))) / math.Pow10(int(precision))
	}
	fail("FilterArgumentError: method must be common, ceil or floor")
	return nil
}

func filterString(_ *run, v Value, _ *params) Value {
	if m, ok := v.(markup); ok {
		return m
	}
	return str(v)
}

func filterSum(r *run, v Value, p *params) Value {
	attribute, total := p.get("attribute", nil), p.get("start", int64(0))
	get := attributeGetter(attribute, nil)
	if _, ok := text(total); ok {
		fail("TypeError: sum() can't sum strings [use ''.join(seq) instead]")
	}
	floats := false
	for item := range items(v) {
		r.step(1)
		next := get(item)
		if _, ok := next.(float64); ok && floats {
			fail("the sum of several floats is not supported") // Python compensates its rounding
		} else if ok {
			floats = true
		}
		total = operate(r, "+", total, next)
	}
	return total
}

var wordBegin = regexp.MustCompile(`[-` + `\s\v\x1c-\x1f\x85\p{Z}` + `({\[<]+`)

// titleFilter is the filter title, which is not Python's str.title: words begin after white space and some brackets.
func titleFilter(s string) string {
	var out strings.Builder
	word := func(s string) {
		if s != "" {
			n := len(string([]rune(s)[:1]))
			out.WriteString(upper(s[:n]) + lowerWithin(s[:n], s[n:]))
		}
	}
	done := 0
	for _, at := range wordBegin.FindAllStringIndex(s, -1) {
		word(s[done:at[0]])
		word(s[at[0]:at[1]])
		done = at[1]
	}
	word(s[done:])
	return out.String()
}

func filterTrim(_ *run, v Value, p *params) Value {
	return strip(softText(v), &params{of: p.of, args: []Value{p.get("chars", nil)}, kwargs: NewDict()}, true, true)
}

func filterTruncate(_ *run, v Value, p *params) Value {
	size, whole, end, leeway := p.integer("length", 255), truth(p.get("killwords", false)), p.get("end", "..."), p.get("leeway", nil)
	slack := int64(5)
	if leeway != nil {
		slack = toInt(p.of, leeway)
	}
	tail := needText(p.of, end)
	if size < int64(runeCount(tail)) || slack < 0 {
		fail("AssertionError: truncate to %d with a leeway of %d", size, slack)
	}
	runes := []rune(needText(p.of, v))
	if int64(len(runes)) <= size+slack {
		return v
	}
	cut := string(runes[:size-int64(runeCount(tail))])
	if i := strings.LastIndexByte(cut, ' '); !whole && i >= 0 {
		cut = cut[:i]
	}
	return cut + tail
}

// attributeGetter makes the function that gets an attribute like "function.name" or "0" of an item; nil gets the item.
func attributeGetter(attribute, otherwise Value) func(Value) Value {
	if attribute == nil {
		return func(item Value) Value { return item }
	}
	var path []Value
	if s, ok := attribute.(string); ok {
		for _, part := range strings.Split(s, ".") {
			if n, err := strconv.ParseInt(part, 10, 64); err == nil && strings.Trim(part, "0123456789") == "" {
				path = append(path, n)
			} else {
				path = append(path, part)
			}
		}
	} else {
		path = []Value{attribute}
	}
	return func(item Value) Value {
		for _, part := range path {
			item = getItem(item, part)
			if _, ok := item.(*undefined); ok && otherwise != nil {
				item = otherwise
			}
		}
		return item
	}
}

func filterMap(r *run, v Value, p *params) Value {
	attribute, byAttribute := p.kwargs.get("attribute")
	var change func(Value) Value
	if len(p.args) == 0 && byAttribute {
		p.kwargs = p.kwargs.clone()
		p.kwargs.remove("attribute")
		otherwise := p.get("default", nil)
		change = attributeGetter(attribute, otherwise)
	} else {
		name, ok := p.need("/name").(string)
		if !ok {
			fail("FilterArgumentError: map requires a filter argument")
		}
		args, kwargs := p.rest(), p.kwargs
		p.kwargs = NewDict()
		change = func(item Value) Value { return applyFilter(r, name, item, args, kwargs) }
	}
	next := iterateSome(v)
	return &iterator{next: func() (Value, bool) {
		item, ok := next()
		if !ok {
			return nil, false
		}
		r.step(1)
		return change(item), true
	}}
}

// iterateSome is iterate, but none and its like hold nothing.
func iterateSome(v Value) func() (Value, bool) {
	if !truth(v) {
		return inTurn(nil)
	}
	return iterate(v)
}

// choose is select, reject, selectattr and rejectattr.
func choose(r *run, v Value, p *params, byAttribute, keep bool) Value {
	get := func(item Value) Value { return item }
	if byAttribute {
		get = attributeGetter(p.need("/attribute"), nil)
	}
	holds := truth
	if name := p.get("/test", nil); name != nil {
		name, ok := name.(string)
		if !ok {
			fail("TemplateRuntimeError: a test's name must be a string")
		}
		args, kwargs := p.rest(), p.kwargs
		p.kwargs = NewDict()
		holds = func(item Value) bool { return applyTest(r, name, item, args, kwargs) }
	}
	next := iterateSome(v)
	return &iterator{next: func() (Value, bool) {
		for {
			item, ok := next()
			if !ok {
				return nil, false
			}
			r.step(1)
			if holds(get(item)) == keep {
				return item, true
			}
		}
	}}
}

// ignoreCase is v with letters in lower case, for comparing.
func ignoreCase(v Value) Value {
	if s, ok := v.(string); ok {
		return lower(s)
	}
	return v
}

// sortBy sorts items by keys; descending keeps the order of equal ones too.
func sortBy(r *run, list, keys []Value, descending bool) []Value {
	order := make([]int, len(list))
	for i := range order {
		order[i] = i
	}
	sort.SliceStable(order, func(i, j int) bool {
		r.step(1)
		if descending {
			return compare(keys[order[j]], keys[order[i]], "<") < 0
		}
		return compare(keys[order[i]], keys[order[j]], "<") < 0
	})
	out := make([]Value, len(list))
	for i, at := range order {
		out[i] = list[at]
	}
	return out
}

func filterSort(r *run, v Value, p *params) Value {
	reverse, caseSensitive, attribute := truth(p.get("reverse", false)), truth(p.get("case_sensitive", false)), p.get("attribute", nil)
	if s, ok := attribute.(string); ok && strings.Contains(s, ",") {
		fail("sort by several attributes is not supported")
	}
	get := attributeGetter(attribute, nil)
	list := collect(r, v)
	keys := make([]Value, len(list))
	for i, item := range list {
		keys[i] = get(item)
		if !caseSensitive {
			keys[i] = ignoreCase(keys[i])
		}
	}
	return &List{sortBy(r, list, keys, reverse)}
}

func filterDictSort(r *run, v Value, p *params) Value {
	caseSensitive, by, reverse := truth(p.get("case_sensitive", false)), p.get("by", "key"), truth(p.get("reverse", false))
	at := map[Value]int{"key": 0, "value": 1}
	i, ok := at[by]
	if !ok {
		fail(`FilterArgumentError: You can only sort by either "key" or "value"`)
	}
	d, ok := needDefined(v).(*Dict)
	if !ok {
		fail("TypeError: dictsort of a value of type %s", typeName(v))
	}
	pairs := dictView{"items", d}.items()
	keys := make([]Value, len(pairs))
	for j, pair := range pairs {
		keys[j] = pair.(*Tuple).items[i]
		if !caseSensitive {
			keys[j] = ignoreCase(keys[j])
		}
	}
	return &List{sortBy(r, pairs, keys, reverse)}
}

func filterUnique(r *run, v Value, p *params) Value {
	caseSensitive, attribute := truth(p.get("case_sensitive", false)), p.get("attribute", nil)
	get := attributeGetter(attribute, nil)
	next := iterate(v)
	seen := map[Value]bool{}
	return &iterator{next: func() (Value, bool) {
		for {
			item, ok := next()
			if !ok {
				return nil, false
			}
			r.step(1)
			key := get(item)
			if !caseSensitive {
				key = ignoreCase(key)
			}
			if key = hash(key); !seen[key] {
				seen[key] = true
				return item, true
			}
		}
	}}
}

// extreme is the largest (sign 1) or smallest (-1) item, the first of equal ones.
func extreme(r *run, v Value, p *params, sign int) Value {
	caseSensitive, attribute := truth(p.get("case_sensitive", false)), p.get("attribute", nil)
	get := attributeGetter(attribute, nil)
	var best, bestKey Value
	found := false
	op := "<"
	if sign > 0 {
		op = ">"
	}
	for item := range items(v) {
		r.step(1)
		key := get(item)
		if !caseSensitive {
			key = ignoreCase(key)
		}
		if !found || compare(key, bestKey, op)*sign > 0 {
			best, bestKey, found = item, key, true
		}
	}
	if !found {
		return &undefined{message: "UndefinedError: No aggregated item, sequence was empty."}
	}
	return best
}
