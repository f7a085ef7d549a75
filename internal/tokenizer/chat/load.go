package chat

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"nfcot/internal/ckpt/jsontext"
)

// Templates are those of a model: mostly one, "default"; some models have several, of which "tool_use" is for
// conversations with tools.
type Templates struct {
	Sources map[string]string // by name; empty: the model has no chat template
	Special map[string]string // bos_token, eos_token and the other special tokens that templates see
}

// The files of a Hugging Face folder that say how to chat.
const (
	configFile    = "tokenizer_config.json"
	specialFile   = "special_tokens_map.json"
	templateFile  = "chat_template.jinja"
	templatesDir  = "additional_chat_templates"
	templatesDir2 = "chat_templates"
	extension     = ".jinja"
)

// specialNames are the special tokens that templates see.
var specialNames = []string{"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"}

// Load reads the templates of a folder: the files chat_template.jinja and additional_chat_templates/NAME.jinja (or
// chat_templates/NAME.jinja), and without these what tokenizer_config.json has under chat_template. A folder without any
// is no error.
func Load(dir string) (*Templates, error) {
	t := &Templates{Sources: map[string]string{}, Special: map[string]string{}}
	if err := t.readConfig(filepath.Join(dir, configFile), dir); err != nil {
		return nil, err
	}
	fromFiles := map[string]string{}
	paths := map[string]string{"default": filepath.Join(dir, templateFile)}
	for _, folder := range []string{templatesDir2, templatesDir} {
		files, _ := os.ReadDir(filepath.Join(dir, folder)) // most models have none
		for _, file := range files {
			if name, ok := strings.CutSuffix(file.Name(), extension); ok {
				paths[name] = filepath.Join(dir, folder, file.Name())
			}
		}
	}
	for name, path := range paths {
		text, err := readText(path)
		if err != nil {
			return nil, err
		}
		if text != nil {
			fromFiles[name] = string(text)
		}
	}
	if len(fromFiles) > 0 {
		t.Sources = fromFiles
	}
	return t, nil
}

// Save gives write the files of a folder that Load reads the templates from.
func (t *Templates) Save(write func(name, text string) error) error {
	for name, source := range t.Sources {
		file := templateFile
		if name != "default" {
			if filepath.Base(name) != name {
				return fmt.Errorf("the model has a chat template of the name %.40q, which is not one of a file", name)
			}
			file = filepath.Join(templatesDir, name+extension)
		}
		if err := write(file, source); err != nil {
			return err
		}
	}
	return nil
}

// readText reads a file of UTF-8; a missing one is nil.
func readText(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("%s: %w", path, errors.Unwrap(err))
	case !utf8.Valid(text):
		return nil, fmt.Errorf("%s: not UTF-8", path)
	}
	if text == nil {
		text = []byte{}
	}
	return text, nil
}

func readObject(path string) (map[string]json.RawMessage, error) {
	text, err := readText(path)
	if err != nil || text == nil {
		return nil, err
	}
	object, err := jsontext.Object(text)
	if err == nil {
		err = jsontext.Check(text)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: want a JSON object: %w", path, err)
	}
	return object, nil
}

// readConfig reads templates and special tokens. The older file of special tokens counts if the config does not list the
// added tokens.
func (t *Templates) readConfig(path, dir string) error {
	config, err := readObject(path)
	if err != nil {
		return err
	}
	t.addSpecial(config)
	if _, modern := config["added_tokens_decoder"]; !modern {
		older, err := readObject(filepath.Join(dir, specialFile))
		if err != nil {
			return err
		}
		t.addSpecial(older)
	}
	raw, ok := config["chat_template"]
	if !ok || string(raw) == "null" {
		return nil
	}
	var one string
	if jsontext.Unmarshal(raw, &one) == nil {
		t.Sources["default"] = one
		return nil
	}
	var several []struct {
		Name     *string
		Template *string
	}
	if jsontext.Unmarshal(raw, &several) != nil {
		return fmt.Errorf("%s: chat_template: want a string, or a list of objects with name and template", path)
	}
	for i, one := range several {
		if one.Name == nil || one.Template == nil {
			return fmt.Errorf("%s: chat_template: entry %d lacks a name or a template", path, i)
		}
		t.Sources[*one.Name] = *one.Template
	}
	return nil
}

// addSpecial takes the special tokens of an object; each is a text, or an object with one as its content.
func (t *Templates) addSpecial(object map[string]json.RawMessage) {
	for _, name := range specialNames {
		var text *string
		var token struct{ Content *string }
		if jsontext.Unmarshal(object[name], &text) != nil || text == nil {
			if jsontext.Unmarshal(object[name], &token) != nil {
				continue
			}
			text = token.Content
		}
		if text != nil {
			t.Special[name] = *text
		}
	}
}

// Any says whether there is a template.
func (t *Templates) Any() bool { return t != nil && len(t.Sources) > 0 }

// Parse parses the template for a conversation with or without tools.
func (t *Templates) Parse(withTools bool) (*Template, error) {
	if !t.Any() {
		return nil, errors.New("the model has no chat template")
	}
	source, ok := t.Sources["default"]
	if withTools {
		if forTools, has := t.Sources["tool_use"]; has {
			source, ok = forTools, true
		}
	}
	if !ok {
		return nil, fmt.Errorf("the model has several chat templates (%s), none of which is called default",
			strings.Join(slices.Sorted(maps.Keys(t.Sources)), ", "))
	}
	return Parse(source)
}
