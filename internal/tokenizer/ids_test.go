package tokenizer

import (
	"slices"
	"strings"
	"testing"
)

// TestIDs: lines of ids are read back as they were written, and what is not one is refused.
func TestIDs(t *testing.T) {
	tok, err := Train(slices.Values([]string{"ab"}), 260, nil)
	if err != nil {
		t.Fatal(err)
	}
	for text, ids := range map[string][]int{"[]": nil, "[7]": {7}, "[5,0,255]": {5, 0, 255}} {
		if got := string(AppendIDs([]byte("> "), ids)); got != "> "+text {
			t.Errorf("%v is written as %q", ids, got)
		}
		if got, err := tok.ParseIDs(text); err != nil || !slices.Equal(got, ids) {
			t.Errorf("%s is read as %v, %v", text, got, err)
		}
	}
	for text, want := range map[string]string{"7": "expected a JSON array", "[a]": "expected a JSON array", "[7,null]": "expected a JSON array", "null": "expected a JSON array", "[-1]": "id -1 is not", "[9999]": "id 9999 is not"} {
		if got, err := tok.ParseIDs(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s is read as %v, %v; want an error with %q", text, got, err, want)
		}
	}
}
