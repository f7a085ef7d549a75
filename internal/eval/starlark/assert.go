package starlark

// This file makes Python's assert statement available to tests in Starlark,
// which has none, but allows "assert" as the name of a function. It knows just
// enough of the lexical structure to find the statements and their ends.

import "strings"

// rewriteAsserts turns every `assert EXPR` into `assert(EXPR)` and every
// `assert EXPR, MESSAGE` into `assert(EXPR, lambda: MESSAGE)`: as in Python,
// the message is only computed when it is needed. Lines keep their numbers.
func rewriteAsserts(source string) string {
	var (
		out   strings.Builder
		depth int // open brackets
		// The statement being rewritten, if any: the depth it began at, and
		// whether its message has begun.
		inside, message bool
		began           int
	)
	for source != "" {
		token := nextToken(source)
		source = source[len(token):]
		if inside && depth == began {
			switch token[0] {
			case '\n', '\r', ';', '#':
				out.WriteByte(')')
				inside = false
			case ',':
				if !message {
					token = ", lambda:"
					message = true
				}
			}
		}
		switch token {
		case "(", "[", "{":
			depth++
		case ")", "]", "}":
			depth--
		case "assert":
			token = "assert("
			inside, began, message = true, depth, false
		}
		out.WriteString(token)
	}
	if inside {
		out.WriteByte(')')
	}
	return out.String()
}

// nextToken is the string literal, comment, word or escaped line break that
// source begins with, or else its first byte. Source is not empty.
func nextToken(source string) string {
	switch c := source[0]; {
	case c == '#':
		if end := strings.IndexAny(source, "\r\n"); end >= 0 {
			return source[:end]
		}
		return source
	case c == '"' || c == '\'':
		return stringLiteral(source)
	case c == '\\':
		if strings.HasPrefix(source, "\\\r\n") {
			return source[:3]
		}
		return source[:min(2, len(source))]
	case isWordByte(c):
		end := 1
		for end < len(source) && isWordByte(source[end]) {
			end++
		}
		return source[:end]
	}
	return source[:1]
}

// stringLiteral is the literal that source begins with, to the end of the line
// or text if it is not closed. Prefixes (r, b) do not matter: in raw strings
// too a backslash keeps the quote after it from closing.
func stringLiteral(source string) string {
	quote := source[:1]
	if triple := strings.Repeat(quote, 3); strings.HasPrefix(source, triple) {
		quote = triple
	}
	for i := len(quote); i < len(source); i++ {
		switch {
		case source[i] == '\\':
			i++
		case strings.HasPrefix(source[i:], quote):
			return source[:i+len(quote)]
		case source[i] == '\n' && len(quote) == 1:
			return source[:i]
		}
	}
	return source
}

func isWordByte(c byte) bool {
	return c == '_' || c >= 0x80 || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}
