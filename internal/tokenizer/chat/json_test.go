package chat

import (
	"math"
	"strings"
	"testing"
)

// TestParseJSONOfPython reads what json.dumps writes, and says where it cannot.
func TestParseJSONOfPython(t *testing.T) {
	v, err := ParseJSON([]byte("\xef\xbb\xbf{\"a\": [NaN, Infinity, -Infinity, 1.0, \"Infinity\"]}\n"))
	if err != nil {
		t.Fatal(err)
	}
	list, _ := v.(*Dict).Get("a")
	a := list.(*List).Items()
	if f, ok := a[0].(float64); !ok || !math.IsNaN(f) {
		t.Errorf("NaN is %v", a[0])
	}
	if a[1] != math.Inf(1) || a[2] != math.Inf(-1) || a[3] != 1.0 || a[4] != "Infinity" {
		t.Errorf("read %v", a[1:])
	}
	for text, want := range map[string]string{
		"[\n1,\n}":       "line 3: not JSON: ",
		"[1,\n\n":        "line 1: the JSON value is cut off",
		"{}\n{}":         "line 2: found more after the end of the JSON value",
		"\n\"\\udfff\"":  "found \\udfff, half of a surrogate pair",
		"[-NaN]":         "line 1: not JSON: ",
		"\xff\xfe[\x00]": "is not valid UTF-8",
	} {
		if v, err := ParseJSON([]byte(text)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v, error %v; want %s", text, v, err, want)
		}
	}
}
