package chat

import (
	"regexp"
	"strconv"
	"strings"
)

// The lexer. The caller's settings are those of transformers: trim_blocks (the newline after a block is dropped),
// lstrip_blocks (so is white space between a line's start and a block), one newline at the template's end dropped.

// A token is a part of the source. Its kind is one of the names below, or an operator: its text is then its kind.
type token struct {
	kind string
	text string // of names, strings (what they stand for), data
	num  Value  // of numbers
	line int
}

const (
	tokenData     = "data"
	tokenBegin    = "variable_begin"
	tokenEnd      = "variable_end"
	tokenBlock    = "block_begin"
	tokenBlockEnd = "block_end"
	tokenName     = "name"
	tokenString   = "string"
	tokenInteger  = "integer"
	tokenFloat    = "float"
	tokenEOF      = "eof"
)

type lexer struct {
	source string
	pos    int
	out    []token
	open   []byte // brackets that are open in an expression, by what closes them

	lineStart bool // what came before ended in a newline
	counted   int  // newlines are counted up to here
	line      int
}

// spaces is \s of Python's regular expressions.
const spaces = `[\s\v\x1c-\x1f\x85\p{Z}]`

var (
	tagRE        = regexp.MustCompile(`\{\{|\{%|\{#`)
	rawRE        = regexp.MustCompile(`^\{%[-+]?` + spaces + `*raw` + spaces + `*(?:-%\}` + spaces + `*|%\})`)
	endRawRE     = regexp.MustCompile(`\{%([-+]?)` + spaces + `*endraw` + spaces + `*(?:\+%\}|-%\}` + spaces + `*|%\}\n?)`)
	endCommentRE = regexp.MustCompile(`\+#\}|-#\}` + spaces + `*|#\}\n?`)
	blockEndRE   = regexp.MustCompile(`^(?:\+%\}|-%\}` + spaces + `*|%\}\n?)`)
	varEndRE     = regexp.MustCompile(`^(?:-\}\}` + spaces + `*|\}\})`)
	spaceRE      = regexp.MustCompile(`^` + spaces + `+`)
	floatRE      = regexp.MustCompile(`^(?:[0-9]+_)*[0-9]+(?:(?:\.(?:[0-9]+_)*[0-9]+)?[eE][+-]?(?:[0-9]+_)*[0-9]+|\.(?:[0-9]+_)*[0-9]+)`)
	integerRE    = regexp.MustCompile(`^(?:0[bB](?:_?[01])+|0[oO](?:_?[0-7])+|0[xX](?:_?[0-9a-fA-F])+|[1-9](?:_?[0-9])*|0(?:_?0)*)`)
	nameRE       = regexp.MustCompile(`^[\pL\pN_]+`)
	stringRE     = regexp.MustCompile(`^(?s:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")`)
	identifierRE = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// operators, longest first.
var operators = []string{"//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}", ">", "<", "=", ".", ":", "|", ",", ";"}

var newlines = strings.NewReplacer("\r\n", "\n", "\r", "\n")

// lex cuts a template into tokens, of which the last is an eof.
func lex(source string) []token {
	source = strings.TrimSuffix(newlines.Replace(source), "\n")
	l := &lexer{source: source, lineStart: true, line: 1}
	for l.pos < len(source) {
		l.data()
	}
	l.add(token{kind: tokenEOF})
	return l.out
}

func (l *lexer) add(t token) {
	for ; l.counted < l.pos; l.counted++ {
		if l.source[l.counted] == '\n' {
			l.line++
		}
	}
	t.line = l.line
	l.out = append(l.out, t)
}

func (l *lexer) fail(format string, args ...any) {
	l.add(token{})
	failAt(l.line, format, args...)
}

// skip moves over n bytes.
func (l *lexer) skip(n int) {
	l.lineStart = n > 0 && l.source[l.pos+n-1] == '\n'
	l.pos += n
}

// data reads text up to the next tag, and the tag.
func (l *lexer) data() {
	rest := l.source[l.pos:]
	at := tagRE.FindStringIndex(rest)
	if at == nil {
		l.add(token{kind: tokenData, text: rest})
		l.pos = len(l.source)
		return
	}
	data, tag := rest[:at[0]], rest[at[0]:]
	sign := byte(0)
	if len(tag) > 2 && (tag[2] == '-' || tag[2] == '+') {
		sign = tag[2]
	}
	l.addData(l.strip(data, sign, tag[1] == '{'))
	l.skip(len(data))
	if raw := rawRE.FindString(tag); raw != "" {
		l.skip(len(raw))
		l.raw()
		return
	}
	n := 2
	if sign != 0 {
		n++
	}
	switch tag[1] {
	case '#':
		l.skip(n)
		end := endCommentRE.FindStringIndex(l.source[l.pos:])
		if end == nil {
			l.fail("TemplateSyntaxError: Missing end of comment tag")
		}
		l.skip(end[1])
	case '{':
		l.add(token{kind: tokenBegin})
		l.skip(n)
		l.expression(varEndRE, tokenEnd)
	default:
		l.add(token{kind: tokenBlock})
		l.skip(n)
		l.expression(blockEndRE, tokenBlockEnd)
	}
}

func (l *lexer) addData(data string) {
	if data != "" {
		l.add(token{kind: tokenData, text: data})
	}
}

// strip takes away the white space that the tag behind text asks to drop.
func (l *lexer) strip(text string, sign byte, isVariable bool) string {
	if sign == '-' {
		return strings.TrimRightFunc(text, isSpace)
	}
	if sign == '+' || isVariable {
		return text
	}
	line := strings.LastIndexByte(text, '\n') + 1
	if (line > 0 || l.lineStart) && strings.TrimFunc(text[line:], isSpace) == "" {
		return text[:line]
	}
	return text
}

// raw reads up to the endraw tag.
func (l *lexer) raw() {
	rest := l.source[l.pos:]
	end := endRawRE.FindStringSubmatchIndex(rest)
	if end == nil {
		l.fail("TemplateSyntaxError: Missing end of raw directive")
	}
	sign := byte(0)
	if end[2] < end[3] {
		sign = rest[end[2]]
	}
	l.addData(l.strip(rest[:end[0]], sign, false))
	l.skip(end[1])
}

// expression reads the tokens of a tag up to its end.
func (l *lexer) expression(end *regexp.Regexp, kind string) {
	for l.pos < len(l.source) {
		rest := l.source[l.pos:]
		if tail := end.FindString(rest); tail != "" && len(l.open) == 0 {
			l.add(token{kind: kind})
			l.skip(len(tail))
			return
		}
		l.skip(l.token(rest))
	}
}

// token adds the token that rest begins with and returns its length.
func (l *lexer) token(rest string) int {
	if found := spaceRE.FindString(rest); found != "" {
		return len(found)
	}
	if found := floatRE.FindString(rest); found != "" && !(l.pos > 0 && l.source[l.pos-1] == '.') {
		value, err := strconv.ParseFloat(strings.ReplaceAll(found, "_", ""), 64)
		if err != nil && value == 0 {
			l.fail("the number %s is not supported", found)
		}
		l.add(token{kind: tokenFloat, num: value})
		return len(found)
	}
	if found := integerRE.FindString(rest); found != "" {
		value, err := strconv.ParseInt(strings.TrimLeft(found, "0_"), 10, 64)
		if strings.Trim(found, "0_") == "" {
			value, err = 0, nil
		} else if found[0] == '0' || strings.Contains(found, "_") {
			value, err = strconv.ParseInt(found, 0, 64)
		}
		if err != nil {
			l.fail("the number %s is not supported: integers have at most 64 bits here", found)
		}
		l.add(token{kind: tokenInteger, num: value})
		return len(found)
	}
	if found := nameRE.FindString(rest); found != "" {
		if !identifierRE.MatchString(found) {
			l.fail("the name %q is not supported: names are ASCII letters, digits and _", found)
		}
		l.add(token{kind: tokenName, text: found})
		return len(found)
	}
	if found := stringRE.FindString(rest); found != "" {
		l.add(token{kind: tokenString, text: l.unescape(found[1 : len(found)-1])})
		return len(found)
	}
	for _, op := range operators {
		if strings.HasPrefix(rest, op) {
			l.balance(op)
			l.add(token{kind: op, text: op})
			return len(op)
		}
	}
	l.fail("TemplateSyntaxError: unexpected char %.1q", []rune(rest)[0])
	return 0
}

// balance keeps track of brackets.
func (l *lexer) balance(op string) {
	switch op {
	case "{":
		l.open = append(l.open, '}')
	case "(":
		l.open = append(l.open, ')')
	case "[":
		l.open = append(l.open, ']')
	case "}", ")", "]":
		if len(l.open) == 0 || l.open[len(l.open)-1] != op[0] {
			l.fail("TemplateSyntaxError: unexpected '%s'", op)
		}
		l.open = l.open[:len(l.open)-1]
	}
}

// unescape reads the escapes of a string literal as Python's unicode-escape does.
func (l *lexer) unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var out strings.Builder
	for i := 0; i < len(s); {
		if s[i] != '\\' {
			out.WriteByte(s[i])
			i++
			continue
		}
		n := l.escape(&out, s[i:])
		i += n
	}
	return out.String()
}

var simpleEscapes = map[byte]string{'\n': "", '\\': `\`, '\'': "'", '"': `"`, 'a': "\a", 'b': "\b", 'f': "\f", 'n': "\n", 'r': "\r", 't': "\t", 'v': "\v"}

// escape writes the escape that s begins with and returns its length.
func (l *lexer) escape(out *strings.Builder, s string) int {
	if simple, ok := simpleEscapes[s[1]]; ok {
		out.WriteString(simple)
		return 2
	}
	digits := map[byte]int{'x': 2, 'u': 4, 'U': 8}[s[1]]
	switch {
	case digits > 0:
		if len(s) < 2+digits {
			l.fail("TemplateSyntaxError: truncated escape in a string")
		}
		value, err := strconv.ParseUint(s[2:2+digits], 16, 32)
		if err != nil || value > 0x10FFFF {
			l.fail("TemplateSyntaxError: illegal escape %.10q in a string", s)
		}
		if value >= 0xD800 && value < 0xE000 {
			l.fail("a surrogate in a string, %.6q, is not supported", s)
		}
		out.WriteRune(rune(value))
		return 2 + digits
	case s[1] >= '0' && s[1] <= '7':
		n := 1
		for n < 4 && n < len(s) && s[n] >= '0' && s[n] <= '7' {
			n++
		}
		value, _ := strconv.ParseUint(s[1:n], 8, 32)
		out.WriteRune(rune(value))
		return n
	case s[1] == 'N':
		l.fail(`the escape \N in a string is not supported`)
	}
	out.WriteByte('\\') // an unknown escape stays as it is
	return 1
}
