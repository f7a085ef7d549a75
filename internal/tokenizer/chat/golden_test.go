package chat

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"nfcot/internal/shared"
)

// A templateCase is a case of the golden templates: messages and arguments, and what transformers makes of them.
type templateCase struct {
	Template         string
	Messages, Kwargs json.RawMessage
	Text             *string
	Error            *struct{ Type, Message string }
}

// args are the arguments of a case.
func (c *templateCase) args(t testing.TB) Args {
	t.Helper()
	a := Args{Extra: NewDict()}
	if len(c.Kwargs) == 0 {
		return a
	}
	kwargs := parseJSON(t, c.Kwargs).(*Dict)
	for i, k := range kwargs.keys {
		v := kwargs.values[i]
		switch k {
		case "add_generation_prompt":
			a.AddGenerationPrompt = truth(v)
		case "continue_final_message":
			a.ContinueFinalMessage = truth(v)
		case "tools":
			a.Tools = v
		case "documents":
			a.Documents = v
		default:
			a.Extra.set(k, v)
		}
	}
	return a
}

func parseJSON(t testing.TB, text []byte) Value {
	t.Helper()
	v, err := ParseJSON(text)
	if err != nil {
		t.Fatalf("%.100s: %v", text, err)
	}
	return v
}

func TestGoldenTemplates(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(shared.Goldens(t), "chat", "templates.json"))
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Templates map[string]string
		Cases     []templateCase
		BOS       string `json:"bos_token"`
		EOS       string `json:"eos_token"`
		Now       string
	}
	if err := json.Unmarshal(text, &golden); err != nil {
		t.Fatal(err)
	}
	now, err := time.Parse("2006-01-02T15:04:05", golden.Now)
	if err != nil || len(golden.Cases) == 0 {
		t.Fatalf("%d cases: %v", len(golden.Cases), err)
	}
	for i, c := range golden.Cases {
		a := c.args(t)
		a.Special, a.Now = map[string]string{"bos_token": golden.BOS, "eos_token": golden.EOS}, now
		tmpl, err := Parse(golden.Templates[c.Template])
		got := ""
		if err == nil {
			got, err = tmpl.Render(parseJSON(t, c.Messages).(*List).items, a)
		}
		checkCase(t, i, c, got, err)
	}
}

// checkCase compares a rendering with the text or error wanted.
func checkCase(t *testing.T, i int, c templateCase, got string, err error) {
	t.Helper()
	var raised *Raised
	switch {
	case c.Error == nil && err != nil:
		t.Errorf("case %d (%s): %v, want the text %q", i, c.Template, err, *c.Text)
	case c.Error == nil && got != *c.Text:
		t.Errorf("case %d (%s):\n got %q\nwant %q", i, c.Template, got, *c.Text)
	case c.Error != nil && err == nil:
		t.Errorf("case %d (%s): got %q, want the error %s: %s", i, c.Template, got, c.Error.Type, c.Error.Message)
	case c.Error != nil && c.Error.Type == "TemplateError" && (!errors.As(err, &raised) || raised.Message != c.Error.Message):
		t.Errorf("case %d (%s): got the error %v, want %s", i, c.Template, err, c.Error.Message)
	}
}
