package starlark

import (
	"strings"
	"testing"
)

func TestRewriteAsserts(t *testing.T) {
	for _, tt := range []struct{ source, want string }{
		{"assert a", "assert( a)"},
		{"assert a == b\n", "assert( a == b)\n"},
		{"assert(a)\r\n", "assert((a))\r\n"},
		{"assert (a), 'm'\n", "assert( (a), lambda: 'm')\n"},
		{"assert a, 'x, y', # why, so\n", "assert( a, lambda: 'x, y', )# why, so\n"},
		{"if x: assert a; assert b, m; y = 1\n", "if x: assert( a); assert( b, lambda: m); y = 1\n"},
		{"assert f(a,\n  b) == [1,\n 2], 'm'\nz = 1\n", "assert( f(a,\n  b) == [1,\n 2], lambda: 'm')\nz = 1\n"},
		{"assert a == \\\n  b\nc", "assert( a == \\\n  b)\nc"},
		{"assert a == \\\r\n  b\r\n", "assert( a == \\\r\n  b)\r\n"},
		{"assert s == 'it\\'s; # not', 'm'\n", "assert( s == 'it\\'s; # not', lambda: 'm')\n"},
		{"assert s == '''a\n; ' #'''\n", "assert( s == '''a\n; ' #''')\n"},
		{"assert s == r'\\';'\n", "assert( s == r'\\';')\n"},
		// No statements:
		{"x = 'assert a'\n", "x = 'assert a'\n"},
		{"# assert a\n", "# assert a\n"},
		{"'''\nassert a\n'''\n", "'''\nassert a\n'''\n"},
		{"\"\"\"\nassert \"a\", b\n\"\"\"", "\"\"\"\nassert \"a\", b\n\"\"\""},
		{"reassert = asserts = assert_1 = 2\n", "reassert = asserts = assert_1 = 2\n"},
		{"'open\nassert a\n", "'open\nassert( a)\n"},
		{"", ""},
	} {
		if got := rewriteAsserts(tt.source); got != tt.want {
			t.Errorf("rewriteAsserts(%q)\n got %q\nwant %q", tt.source, got, tt.want)
		}
	}
}

// Lines keep their numbers, and a text without the word is left alone.
func FuzzRewriteAsserts(f *testing.F) {
	f.Add("assert a, 'b'\n")
	f.Add("x = \"\"\"assert\n")
	f.Add("assert (((\\\n#")
	f.Add("assert a\\")
	f.Add("a)#")
	f.Fuzz(func(t *testing.T, source string) {
		got := rewriteAsserts(source)
		if strings.Count(got, "\n") != strings.Count(source, "\n") {
			t.Errorf("rewriteAsserts(%q) = %q has other lines", source, got)
		}
		if !strings.Contains(source, "assert") && got != source {
			t.Errorf("rewriteAsserts(%q) = %q", source, got)
		}
	})
}
