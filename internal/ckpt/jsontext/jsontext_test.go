package jsontext

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// TestUnmarshal reads what Python's json.dumps writes.
func TestUnmarshal(t *testing.T) {
	var v struct {
		N    int
		Many []int
		F    float64
		S    string
		Raw  json.RawMessage
	}
	text := "\xef\xbb\xbf" + `{"N": 3.0, "Many": [-1.00, 2, 0.0], "F": 2.0, "S": "NaN 1.0 \" Infinity \\", "other": [NaN, -Infinity, Infinity, 1.5]}`
	if err := Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	if v.N != 3 || len(v.Many) != 3 || v.Many[0] != -1 || v.Many[2] != 0 || v.F != 2 || v.S != `NaN 1.0 " Infinity \` {
		t.Errorf("read %+v", v)
	}
	for _, tt := range []struct{ text, want string }{
		{`{"N": 1.5}`, `field "N": found number 1.5, expected int`},
		{`{"N": 1.0e3}`, `field "N": found number 1.0e3, expected int`},
		{`{"N": NaN}`, `field "N": found NaN, expected int`},
		{`{"F": -Infinity}`, `field "F": found -Infinity, expected float64`},
		{`{"Many": [1, Infinity]}`, `field "Many": found Infinity, expected int`},
		{`{"N": "NaN"}`, `field "N": found string, expected int`},
		{`{"N": -NaN}`, `invalid JSON: invalid character`},
		{`{"N": 1.}`, `invalid JSON: invalid character`},
		{`{"N": 01.0}`, `invalid JSON: invalid character`},
		{`[1]`, `found array, expected object`},
		{`{"S": NaN}`, `field "S": found NaN, expected string`},
		{`{"S": -Infinity}`, `field "S": found -Infinity, expected string`},
		{`{"S": "\ud83d"}`, `found \ud83d, half of a surrogate pair`},
		{`{"S": "\uDE00\ud83d"}`, `found \uDE00, half of a surrogate pair`},
		{`{"S": "\ud83dx\ude00"}`, `found \ud83d, half of a surrogate pair`},
		{"{\"S\": \"\xed\xa0\xbd\"}", "is not valid UTF-8"},
		{``, `invalid JSON: unexpected end of JSON input (at byte 0)`},
	} {
		if err := Unmarshal([]byte(tt.text), &v); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got error %v, want %s", tt.text, err, tt.want)
		}
	}
	for _, fine := range []string{`{"S": "\ud83d\ude00"}`, `{"S": "\\ud83d"}`, `{"S": "\\\\"}`} {
		if err := Unmarshal([]byte(fine), &v); err != nil {
			t.Errorf("%s: %v", fine, err)
		}
	}
}

// TestUnmarshalList: a list of texts or numbers has neither NaN nor null for one.
func TestUnmarshalList(t *testing.T) {
	var texts []string
	var numbers [][]int
	var nullable []*int
	for _, tt := range []struct {
		text string
		into any
		want string // "": no error
	}{
		{`NaN`, new(string), "found NaN, expected string"},
		{`["NaN", Infinity]`, &texts, "found Infinity, expected string"},
		{`["null", null]`, &texts, "found null, expected string"},
		{`[[1], [2, null]]`, &numbers, "found null, expected int"},
		{`["null", "NaN"]`, &texts, ""},
		{`null`, &texts, ""},
		{`[null]`, &nullable, ""},
	} {
		err := Unmarshal([]byte(tt.text), tt.into)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || err.Error() != tt.want) {
			t.Errorf("%s: got error %v, want %q", tt.text, err, tt.want)
		}
	}
}

func TestFields(t *testing.T) {
	fields, err := Fields([]byte("\xef\xbb\xbf {\"a\" : NaN,\"b\":[ 1.0,\"\\ud800\" ], \"\\u0061\":{\"c\":-Infinity}} \n"))
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, f := range fields {
		all = append(all, f.Key+"="+string(f.Value))
	}
	if got, want := strings.Join(all, "|"), `a=NaN|b=[ 1.0,"\ud800" ]|a={"c":-Infinity}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	object, err := Object([]byte(`{"a":1,"a":NaN}`))
	if err != nil || len(object) != 1 || string(object["a"]) != "NaN" {
		t.Errorf("object %s, %v", object, err)
	}
	for text, want := range map[string]string{
		``: "unexpected end", `[1]`: "found an array, expected an object", `null`: "found null", `{"a":1} 2`: "after top-level value",
		`{"a":1`: "unexpected end", `{"x":1,"\ud800":1}`: `a key has \ud800`, "{\"\xff\":1}": "UTF-8",
	} {
		if _, err := Fields([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got error %v, want %s", text, err, want)
		}
	}
}

func TestCompact(t *testing.T) {
	if got := string(Compact([]byte("{ \"a \\\" b\" :\t[ NaN ,\n-Infinity, \" \" ]\r}"))); got != `{"a \" b":[NaN,-Infinity," "]}` {
		t.Errorf("got %s", got)
	}
}

// TestQuote: strings with halves of surrogate pairs are read and written as Python does.
func TestQuote(t *testing.T) {
	for _, text := range []string{`"\ud83d"`, `"a\ud83d\ude00\udfff"`, `"\\ud800<\n\udc00\ud800 \"é"`, `""`} {
		s, err := Unquote([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		want := strings.ReplaceAll(text, `\ud83d\ude00`, "😀")
		if got := string(Quote(s)); got != want {
			t.Errorf("%s became %q and %s", text, s, got)
		}
		if utf8.ValidString(s) != (Lone([]byte(text)) == "") {
			t.Errorf("%s became %q", text, s)
		}
	}
	if s, err := Unquote([]byte(`"\udbff"`)); err != nil || s != "\xed\xaf\xbf" {
		t.Errorf("%q, %v", s, err)
	}
	if _, err := Unquote([]byte(`3`)); err == nil {
		t.Error("3 is a string")
	}
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.String().Draw(t, "s")
		back, err := Unquote(Quote(s))
		if err != nil || back != s {
			t.Fatalf("%q came back as %q, %v", s, back, err)
		}
	})
}

// FuzzMask: what encoding/json reads, it reads after masking, and says the same.
func FuzzMask(f *testing.F) {
	for _, text := range []string{`[1.0,-0.0,"1.0"]`, `{"a":NaN}`, `1.0`, `-`, `"\"`, `I`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		masked := mask(text, true, asTexts)
		if len(masked) != len(text) {
			t.Fatalf("%q became %q", text, masked)
		}
		var a, b any
		if json.Unmarshal(text, &a) != nil {
			return
		}
		if err := json.Unmarshal(masked, &b); err != nil {
			t.Fatalf("%q became %q: %v", text, masked, err)
		}
		x, _ := json.Marshal(a)
		y, _ := json.Marshal(b)
		if string(x) != string(y) {
			t.Errorf("%s became %s", x, y)
		}
	})
}
