package chat

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Where templates and special tokens are found, and which of them win.
func TestLoad(t *testing.T) {
	for name, c := range map[string]struct {
		files               map[string]string
		withTools           bool
		text, bos, eos, err string
	}{
		"a string":                         {files: map[string]string{configFile: `{"chat_template":"a{{ bos_token }}","bos_token":"<s>","eos_token":{"content":"</s>","lstrip":false}}`}, text: "a<s>", bos: "<s>", eos: "</s>"},
		"several":                          {files: map[string]string{configFile: `{"chat_template":[{"name":"default","template":"d"},{"name":"tool_use","template":"t"}]}`}, text: "d"},
		"several, with tools":              {files: map[string]string{configFile: `{"chat_template":[{"name":"default","template":"d"},{"name":"tool_use","template":"t"}]}`}, withTools: true, text: "t"},
		"no default":                       {files: map[string]string{configFile: `{"chat_template":[{"name":"rag","template":"r"},{"name":"a","template":"t"}]}`}, err: "several chat templates (a, rag)"},
		"a file":                           {files: map[string]string{configFile: `{"chat_template":"a","pad_token":null}`, templateFile: "f"}, text: "f"},
		"files":                            {files: map[string]string{templateFile: "f", "additional_chat_templates/tool_use.jinja": "u"}, withTools: true, text: "u"},
		"files of another kind":            {files: map[string]string{configFile: `{"chat_template":"a"}`, "chat_templates/default.jinja": "v"}, text: "v"},
		"older special tokens":             {files: map[string]string{configFile: `{"chat_template":"a","bos_token":"<a>"}`, specialFile: `{"bos_token":"<b>"}`}, text: "a", bos: "<b>"},
		"special tokens that do not count": {files: map[string]string{configFile: `{"chat_template":"a","bos_token":"<a>","added_tokens_decoder":{}}`, specialFile: `{"bos_token":"<b>"}`}, text: "a", bos: "<a>"},
		"none":                             {files: map[string]string{configFile: `{"chat_template":null}`}, err: "no chat template"},
		"nothing":                          {err: "no chat template"},
		"damaged":                          {files: map[string]string{configFile: `{`}, err: configFile + ": want a JSON object"},
		"a number":                         {files: map[string]string{configFile: `{"chat_template":5}`}, err: "chat_template: want a string"},
		"no name":                          {files: map[string]string{configFile: `{"chat_template":[{"template":"d"}]}`}, err: "entry 0 lacks"},
		"not UTF-8":                        {files: map[string]string{templateFile: "\xff"}, err: templateFile + ": not UTF-8"},
	} {
		dir := filepath.Join(t.TempDir(), "model[1") // which is no pattern
		for file, content := range c.files {
			path := filepath.Join(dir, file)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		text := ""
		all, err := Load(dir)
		if err == nil {
			var tmpl *Template
			if tmpl, err = all.Parse(c.withTools); err == nil {
				text, err = tmpl.Render([]Value{NewDict("role", "user", "content", "x")}, Args{Special: all.Special})
			}
		}
		switch {
		case c.err != "":
			if err == nil || !strings.Contains(err.Error(), c.err) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s: got error %v, want one with %s", name, err, c.err)
			}
		case err != nil:
			t.Errorf("%s: %v", name, err)
		case text != c.text || all.Special["bos_token"] != c.bos || all.Special["eos_token"] != c.eos:
			t.Errorf("%s: got %q with the tokens %v", name, text, all.Special)
		}
	}
}
