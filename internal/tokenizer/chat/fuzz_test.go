package chat

import (
	"strings"
	"testing"
)

// FuzzTemplate: any template renders or gives an error of one line, never a fault of this package.
func FuzzTemplate(f *testing.F) {
	for _, source := range []string{
		"{% for m in messages %}{{ m.role ~ loop.index }}{% else %}{% endfor %}",
		"{% macro f(a, b=1) %}{{ f(a) }}{% endmacro %}{{ f(1) }}",
		"{% set ns = namespace(x=[]) %}{% for i in range(99999) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x }}",
		"{{ 'a' * 99999999999 }}{{ [1] * 9999999999 }}{{ 9 ** 99 }}{{ '%99999999999d' % 1 }}",
		"{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
		"{{ messages | map('tojson', indent=2) | join('\\n') }}{% raw %}{{{% endraw %}{#- c -#}",
		"{% call(x) f() %}{% endcall %}{% filter upper %}{% endfilter %}{% with a = 1 %}{% endwith %}{% generation %}{% endgeneration %}",
		"{{ " + strings.Repeat("(", 500) + "1" + strings.Repeat(")", 500) + " }}",
		"{{ 1" + strings.Repeat(" + 1", 3000) + " }}",
		"{{ 'x'[::2].center(10) | indent(3) | truncate(5) }}{{ {'a': (1,)} }}{{ -1 // 2 % 3 }}",
	} {
		f.Add(source)
	}
	messages := []Value{NewDict("role", "user", "content", "hi"), NewDict("role", "assistant", "content", NewList())}
	f.Fuzz(func(t *testing.T, source string) {
		tmpl, err := Parse(source)
		if err == nil {
			_, err = tmpl.Render(messages, Args{Special: map[string]string{"bos_token": "<s>"}, Extra: NewDict("x", 1.5)})
		}
		if err != nil && (strings.Contains(err.Error(), "runtime error") || strings.Contains(err.Error(), "interface conversion")) {
			t.Fatalf("%q: %v", source, err)
		}
	})
}

// What a hostile template asks for without end ends in an error.
func TestBounds(t *testing.T) {
	for source, want := range map[string]string{
		"{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}":                                  "takes too long",
		"{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}":                                                         "calls within calls",
		"{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}":                                                                 "calls within calls",
		"{% set n = namespace(x=[]) %}{% for i in range(9999) %}{% set n.x = [n.x] %}{% endfor %}{{ n.x }}":               "nested too deep",
		"{% set n = namespace(x=[]) %}{% for i in range(9999) %}{% set n.x = [n.x] %}{% endfor %}{{ n.x|tojson }}":        "nested too deep",
		"{% set n = namespace(x=[]) %}{% for i in range(9999) %}{% set n.x = [n.x] %}{% endfor %}{{ n.x == [[n.x, 1]] }}": "",
		"{% set n = namespace(x='ab') %}{% for i in range(99) %}{% set n.x = n.x + n.x %}{% endfor %}":                    "is longer than",
		"{% set n = namespace(x=[1]) %}{% for i in range(99) %}{% set n.x = n.x + n.x %}{% endfor %}":                     "is longer than",
		"{{ 'a' * 9999999999 }}":                                                  "is longer than",
		"{{ ([1] * 9999999999) | length }}":                                       "is longer than",
		"{{ '%9999999999d' % 1 }}":                                                "is longer than",
		"{{ 'a' | center(9999999999) }}":                                          "is longer than",
		"{{ 'a' | indent(9999999999) }}":                                          "is longer than",
		"{{ ('a' * 9999).replace('a', 'a' * 9999) }}":                             "is longer than",
		"{{ [1] | tojson(indent=9999999999) }}":                                   "is longer than",
		"{{ range(999999999) | list }}":                                           "Range too big",
		"{{ 9 ** 99 }}":                                                           "64 bits",
		"{{ 9223372036854775807 + 1 }}":                                           "64 bits",
		"{{ " + strings.Repeat("(", 500) + "1" + strings.Repeat(")", 500) + " }}": "nested deeper",
		"{{ 1" + strings.Repeat(" + 1", 3000) + " }}":                             "in a row",
		strings.Repeat("{% if 1 %}", 500):                                         "nested deeper",
	} {
		tmpl, err := Parse(source)
		if err == nil {
			_, err = tmpl.Render([]Value{NewDict("role", "user")}, Args{})
		}
		if want == "" && err == nil {
			continue
		}
		if err == nil || want == "" || !strings.Contains(err.Error(), want) {
			t.Errorf("%.100s: got error %.200v, want one with %q", source, err, want)
		}
	}
}
