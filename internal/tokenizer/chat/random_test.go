package chat

import (
	"bufio"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"
)

// Random templates, against transformers. What is not supported here may be refused, by name; anything else must be the
// same. NFCOT_RANDOM_TEMPLATES may name a larger file of testdata/random_templates.py.
func TestRandomTemplates(t *testing.T) {
	path := os.Getenv("NFCOT_RANDOM_TEMPLATES")
	if path == "" {
		path = "testdata/random_templates.jsonl"
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	same, refused := 0, map[string]int{}
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for i := 1; lines.Scan(); i++ {
		var c templateCase
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		a := c.args(t)
		a.Special, a.Now = map[string]string{"bos_token": "<s>", "eos_token": "</s>"}, time.Date(2025, 3, 9, 8, 5, 7, 0, time.UTC)
		tmpl, err := Parse(c.Template)
		got := ""
		if err == nil {
			got, err = tmpl.Render(parseJSON(t, c.Messages).(*List).items, a)
		}
		switch {
		case err != nil && strings.Contains(err.Error(), "runtime error"):
			t.Errorf("line %d: %v\n%s", i, err, c.Template)
		case c.Error == nil && err != nil && strings.Contains(err.Error(), "not supported"):
			refused[err.Error()]++
		default:
			if c.Error == nil {
				same++
			}
			checkCase(t, i, c, got, err)
		}
		if t.Failed() {
			t.Fatalf("%s\n%s", c.Template, c.Messages)
		}
	}
	for what, n := range refused {
		t.Logf("%d refused: %s", n, what)
	}
	if same < 10 {
		t.Errorf("only %d templates rendered alike", same)
	}
}
