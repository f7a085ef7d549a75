package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"nfcot/internal/ckpt/jsontext"
)

// What stands beside a tokenizer.json says more of added tokens: flags that are others than in the file, and tokens that the file
// does not list. transformers 5 takes both, in the order that is kept here.

const (
	configFile  = "tokenizer_config.json"
	specialFile = "special_tokens_map.json" // this one and the next count where the first does not list the added tokens
	addedFile   = "added_tokens.json"
)

// named are the special tokens that have names, in the order in which those that are missing are added.
var named = []string{"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"}

// A besideToken is an added token as it stands beside a tokenizer.json. Flags that are missing are false, but normalized, which is
// true unless the token is special.
type besideToken struct {
	Content    *string `json:"content"`
	SingleWord bool    `json:"single_word"`
	LStrip     bool    `json:"lstrip"`
	RStrip     bool    `json:"rstrip"`
	Normalized *bool   `json:"normalized"`
	Special    bool    `json:"special"`
}

// addBeside takes in what the files in dir say of added tokens. A token that has no id in tokenizer.json gets the next one, if
// the model that is there has a row for it.
func (d *document) addBeside(dir string) error {
	config, err := readBeside(dir, configFile)
	if err != nil {
		return err
	}
	if string(config["split_special_tokens"]) == "true" {
		return fmt.Errorf("%s: split_special_tokens is true, which is not implemented: special tokens in a text are tokens here", filepath.Join(dir, configFile))
	}
	listed, isListed, err := listedTokens(config)
	if err != nil {
		return fmt.Errorf("%s: %w", filepath.Join(dir, configFile), err)
	}
	if !isListed {
		special, err := readBeside(dir, specialFile)
		if err != nil {
			return err
		}
		maps.Copy(config, special)
	}
	special := specialTokens(config)
	if !isListed {
		if listed, err = oldTokens(dir, special); err != nil {
			return err
		}
	}
	rows, err := rowsBeside(dir)
	if err != nil {
		return err
	}
	for _, token := range listed {
		d.put(token, rows)
	}
	for _, token := range special {
		if !slices.ContainsFunc(d.AddedTokens, func(a addedToken) bool { return a.Content == *token.Content }) {
			d.put(token, rows)
		}
	}
	return nil
}

// put adds a token, or gives one that is there other flags. One that is special stays so.
func (d *document) put(token besideToken, rows int) {
	a := addedToken{Content: *token.Content, SingleWord: &token.SingleWord, LStrip: &token.LStrip, RStrip: &token.RStrip,
		Normalized: token.Normalized, Special: &token.Special}
	if a.Normalized == nil {
		normalized := !token.Special
		a.Normalized = &normalized
	}
	if i := slices.IndexFunc(d.AddedTokens, func(b addedToken) bool { return b.Content == a.Content }); i >= 0 {
		special := token.Special || d.AddedTokens[i].Special != nil && *d.AddedTokens[i].Special
		a.ID, a.Special = d.AddedTokens[i].ID, &special
		d.AddedTokens[i] = a
		return
	}
	id, inVocab := d.Model.Vocab[a.Content]
	if !inVocab {
		for _, other := range d.Model.Vocab {
			id = max(id, other+1)
		}
		for _, other := range d.AddedTokens {
			id = max(id, other.ID+1)
		}
	}
	if a.ID = id; inVocab || id < rows {
		d.AddedTokens = append(d.AddedTokens, a)
	}
}

// listedTokens are the tokens that a tokenizer_config.json lists under their ids, which do not count. isListed is false where it
// has no such list.
func listedTokens(config map[string]json.RawMessage) (tokens []besideToken, isListed bool, err error) {
	raw, isListed := config["added_tokens_decoder"]
	if !isListed || isNull(raw) {
		return nil, false, nil
	}
	byID := map[string]json.RawMessage{}
	if jsontext.Unmarshal(raw, &byID) != nil {
		return nil, true, fmt.Errorf("added_tokens_decoder is %.40s; expected an object of tokens", raw)
	}
	number := func(id string) int {
		n, _ := strconv.Atoi(id)
		return n
	}
	ids := slices.SortedFunc(maps.Keys(byID), func(a, b string) int { return number(a) - number(b) })
	for _, id := range ids {
		var token besideToken
		if err := jsontext.Unmarshal(byID[id], &token); err != nil || token.Content == nil || *token.Content == "" {
			return nil, true, fmt.Errorf("added_tokens_decoder: token %q is %.60s; expected an object with a content and flags", id, byID[id])
		}
		tokens = append(tokens, token)
	}
	return tokens, true, nil
}

// specialTokens are the special tokens that a tokenizer_config.json names: by the usual names, by others, and by none. What is
// neither a text nor an object with a content is none.
func specialTokens(config map[string]json.RawMessage) (tokens []besideToken) {
	add := func(raw json.RawMessage) {
		var token besideToken
		if jsontext.Unmarshal(raw, &token.Content) != nil && jsontext.Unmarshal(raw, &token) != nil || token.Content == nil || *token.Content == "" {
			return
		}
		token.Special = true
		tokens = append(tokens, token)
	}
	for _, name := range named {
		add(config[name])
	}
	for _, name := range slices.Sorted(maps.Keys(config)) {
		if strings.HasSuffix(name, "_token") && !slices.Contains(named, name) && jsontext.Kind(config[name]) == "a string" {
			add(config[name])
		}
	}
	for _, name := range []string{"extra_special_tokens", "additional_special_tokens"} {
		var list []json.RawMessage
		object := map[string]json.RawMessage{}
		if jsontext.Unmarshal(config[name], &list) != nil && jsontext.Unmarshal(config[name], &object) == nil {
			for _, key := range slices.Sorted(maps.Keys(object)) {
				list = append(list, object[key])
			}
		}
		for _, raw := range list {
			add(raw)
		}
	}
	return tokens
}

// oldTokens are those of an added_tokens.json, in the order of their ids.
func oldTokens(dir string, special []besideToken) (tokens []besideToken, err error) {
	object, err := readBeside(dir, addedFile)
	if err != nil {
		return nil, err
	}
	ids := map[string]int{}
	for content, raw := range object {
		var id *int
		if jsontext.Unmarshal(raw, &id) != nil || id == nil || content == "" {
			return nil, fmt.Errorf("%s: %q is %.40s; expected the id of a token", filepath.Join(dir, addedFile), content, raw)
		}
		ids[content] = *id
	}
	for _, content := range slices.SortedFunc(maps.Keys(ids), func(a, b string) int { return ids[a] - ids[b] }) {
		isSpecial := slices.ContainsFunc(special, func(t besideToken) bool { return *t.Content == content })
		tokens = append(tokens, besideToken{Content: &content, Special: isSpecial})
	}
	return tokens, nil
}

// rowsBeside is how many tokens the model has rows for that is beside a tokenizer.json; 0: there is none.
func rowsBeside(dir string) (int, error) {
	config, err := readBeside(dir, "config.json")
	rows := 0
	if raw, ok := config["vocab_size"]; ok && jsontext.Unmarshal(raw, &rows) != nil {
		rows = 0 // whoever reads the model says what is wrong
	}
	return rows, err
}

// readBeside reads a JSON object; one of a file that is missing is empty.
func readBeside(dir, name string) (map[string]json.RawMessage, error) {
	path := filepath.Join(dir, name)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return map[string]json.RawMessage{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, errors.Unwrap(err))
	}
	object, err := jsontext.Object(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return object, nil
}
