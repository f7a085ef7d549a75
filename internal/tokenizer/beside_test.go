package tokenizer

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The tokens are those of transformers 5.24.
func TestAddedTokensBeside(t *testing.T) {
	doc := byteDocument()
	doc.Model.Vocab["<tool>"] = 256
	doc.AddedTokens = []addedToken{newSpecial(257, "<s>")}
	data, err := build(t, doc).JSON()
	if err != nil {
		t.Fatal(err)
	}
	const text = "i <tool> <s> <a>"
	plain := []string{"i", "Ġ", "<", "t", "o", "o", "l", ">", "Ġ", "<s>", "Ġ", "<", "a", ">"}
	tool := []string{"i", "Ġ", "<tool>", "Ġ", "<s>", "Ġ", "<", "a", ">"}
	a := []string{"i", "Ġ", "<", "t", "o", "o", "l", ">", "Ġ", "<s>", "Ġ", "<a>"}
	for name, c := range map[string]struct {
		files map[string]string
		want  []string
	}{
		"nothing":         {nil, plain},
		"listed":          {map[string]string{configFile: `{"added_tokens_decoder": {"5": {"content": "<tool>"}}}`}, tool},
		"flags":           {map[string]string{configFile: `{"added_tokens_decoder": {"9": {"content": "<tool>", "rstrip": true}}}`}, slices.Delete(slices.Clone(tool), 3, 4)},
		"flags of others": {map[string]string{configFile: `{"added_tokens_decoder": {"9": {"content": "<s>", "lstrip": true, "special": true}}}`}, slices.Delete(slices.Clone(plain), 8, 9)},
		"named":           {map[string]string{configFile: `{"pad_token": "<tool>"}`}, tool},
		"named, as an object": {map[string]string{configFile: `{"pad_token": {"__type": "AddedToken", "content": "<tool>", "lstrip": true}}`},
			slices.Delete(slices.Clone(tool), 1, 2)},
		"another name":                   {map[string]string{configFile: `{"image_token": "<tool>"}`}, tool},
		"without a name":                 {map[string]string{configFile: `{"additional_special_tokens": ["<s>", "<tool>"]}`}, tool},
		"by other names":                 {map[string]string{configFile: `{"extra_special_tokens": {"a": "<tool>"}}`}, tool},
		"the old map":                    {map[string]string{specialFile: `{"unk_token": {"content": "<tool>"}}`}, tool},
		"an old map that does not count": {map[string]string{configFile: `{"added_tokens_decoder": {}}`, specialFile: `{"pad_token": "<tool>"}`}, plain},
		"the old list":                   {map[string]string{addedFile: `{"<tool>": 256}`}, tool},
		"with a row":                     {map[string]string{configFile: `{"pad_token": "<a>"}`, "config.json": `{"vocab_size": 259}`}, a},
		"listed, a row":                  {map[string]string{configFile: `{"added_tokens_decoder": {"300": {"content": "<a>"}, "301": {"content": "<b>"}}}`, "config.json": `{"vocab_size": 259}`}, a},
		"without a row":                  {map[string]string{configFile: `{"pad_token": "<a>"}`, "config.json": `{"vocab_size": 258}`}, plain},
		"without a model":                {map[string]string{configFile: `{"pad_token": "<a>", "eos_token": null, "bos_token": 5}`}, plain},
	} {
		dir := t.TempDir()
		write := func(name, text string) {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		write("tokenizer.json", string(data))
		for file, text := range c.files {
			write(file, text)
		}
		tok, err := Load(dir)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := texts(tok, tok.Encode(text)); !slices.Equal(got, c.want) {
			t.Errorf("%s:\n got %q\nwant %q", name, got, c.want)
		}
		if id, ok := tok.TokenID("<a>"); ok && id != 258 {
			t.Errorf("%s: the new token has id %d, want the next one, 258", name, id)
		}
		if tok, err = Load(filepath.Join(dir, "tokenizer.json")); err != nil || !slices.Equal(texts(tok, tok.Encode(text)), plain) {
			t.Errorf("%s: the file alone is not read as it is (%v)", name, err)
		}
	}
}

func TestDamagedFilesBeside(t *testing.T) {
	data, err := build(t, byteDocument()).JSON()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ file, text, want string }{
		{configFile, `[]`, "found an array, expected an object"},
		{configFile, `{"split_special_tokens": true}`, "split_special_tokens is true, which is not implemented"},
		{configFile, `{"added_tokens_decoder": []}`, "added_tokens_decoder is []; expected an object of tokens"},
		{configFile, `{"added_tokens_decoder": {"1": "x"}}`, `added_tokens_decoder: token "1" is "x"; expected an object with a content and flags`},
		{configFile, `{"added_tokens_decoder": {"1": {"content": "x", "lstrip": 1}}}`, `token "1" is {"content"`},
		{specialFile, `{`, "unexpected end of JSON input"},
		{addedFile, `{"x": "1"}`, `"x" is "1"; expected the id of a token`},
	} {
		dir := t.TempDir()
		for name, text := range map[string]string{"tokenizer.json": string(data), c.file: c.text} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := Load(dir); err == nil || !strings.HasPrefix(err.Error(), filepath.Join(dir, c.file)+": ") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %s: got error %v, want %s", c.file, c.text, err, c.want)
		}
	}
}
