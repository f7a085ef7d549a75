package tokenizer

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"nfcot/internal/ckpt/jsontext"
)

// A document is a tokenizer.json. Its fields stand in the order in which Hugging Face's library writes them, so that a
// file of theirs that is loaded and saved comes out the same.
type document struct {
	Version       string          `json:"version"`
	Truncation    json.RawMessage `json:"truncation"`
	Padding       json.RawMessage `json:"padding"`
	AddedTokens   []addedToken    `json:"added_tokens"`
	Normalizer    json.RawMessage `json:"normalizer"`
	PreTokenizer  json.RawMessage `json:"pre_tokenizer"`
	PostProcessor json.RawMessage `json:"post_processor"`
	Decoder       json.RawMessage `json:"decoder"`
	Model         modelDocument   `json:"model"`
}

// A modelDocument is the section "model" of a BPE tokenizer.
type modelDocument struct {
	Type                    string     `json:"type"`
	Dropout                 *float64   `json:"dropout"`
	UnkToken                *string    `json:"unk_token"`
	ContinuingSubwordPrefix *string    `json:"continuing_subword_prefix"`
	EndOfWordSuffix         *string    `json:"end_of_word_suffix"`
	FuseUnk                 bool       `json:"fuse_unk"`
	ByteFallback            bool       `json:"byte_fallback"`
	IgnoreMerges            bool       `json:"ignore_merges"`
	Vocab                   vocabulary `json:"vocab"`
	Merges                  mergeList  `json:"merges"`
}

// newDocument is a tokenizer with GPT-2's pipeline: no normalization, GPT-2's pattern, nothing added at the ends.
func newDocument(vocab vocabulary, merges mergeList, added []addedToken) document {
	return document{
		Version:      "1.0",
		AddedTokens:  added,
		PreTokenizer: json.RawMessage(`{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true}`),
		Decoder:      json.RawMessage(`{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true}`),
		Model:        modelDocument{Vocab: vocab, Merges: merges},
	}
}

// A vocabulary maps the text of a token to its id; it is written in the order of ids.
type vocabulary map[string]int

// MarshalJSON implements json.Marshaler.
func (v vocabulary) MarshalJSON() ([]byte, error) {
	texts := make([]string, 0, len(v))
	for text := range v {
		texts = append(texts, text)
	}
	slices.SortFunc(texts, func(a, b string) int { return v[a] - v[b] })
	var out bytes.Buffer
	write := json.NewEncoder(&out)
	write.SetEscapeHTML(false)
	out.WriteByte('{')
	for i, text := range texts {
		if i > 0 {
			out.WriteByte(',')
		}
		if err := write.Encode(text); err != nil {
			return nil, err
		}
		fmt.Fprintf(&out, ":%d", v[text])
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}

// A mergeList holds the pairs of token texts to merge, first things first. Files spell a pair "a b" or ["a","b"].
type mergeList [][2]string

// UnmarshalJSON implements json.Unmarshaler.
func (l *mergeList) UnmarshalJSON(raw []byte) error {
	var pairs [][]string
	if json.Unmarshal(raw, &pairs) != nil {
		var lines []string
		if json.Unmarshal(raw, &lines) != nil {
			return errors.New(`model.merges: want a list of "a b" or a list of ["a","b"]`)
		}
		list, err := parseMerges(lines)
		if err != nil {
			return fmt.Errorf("model.merges: %w", err)
		}
		*l = list
		return nil
	}
	*l = make(mergeList, len(pairs))
	for i, p := range pairs {
		if len(p) != 2 {
			return fmt.Errorf("model.merges: merge %d has %d parts, want 2", i, len(p))
		}
		(*l)[i] = [2]string(p)
	}
	return nil
}

// parseMerges reads merges in the form "a b". Lines that begin with #version are comments in this form.
func parseMerges(lines []string) (mergeList, error) {
	list := make(mergeList, 0, len(lines))
	for i, line := range lines {
		if strings.HasPrefix(line, "#version") {
			continue
		}
		a, b, ok := strings.Cut(line, " ")
		if !ok || strings.Contains(b, " ") {
			return nil, fmt.Errorf("merge line %d: found %q, want two tokens with a space between", i+1, line)
		}
		list = append(list, [2]string{a, b})
	}
	return list, nil
}

// Load reads a tokenizer.json: path is that file, or the folder that holds it, where other files may say more of its added tokens.
// An error names the file, the part of it that is damaged or not supported, and what was expected.
func Load(path string) (*Tokenizer, error) {
	dir := ""
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		dir, path = path, filepath.Join(path, "tokenizer.json")
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, errors.Unwrap(err))
	}
	doc, err := parseDocument(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if dir != "" {
		if err := doc.addBeside(dir); err != nil {
			return nil, err
		}
	}
	t, err := newTokenizer(doc)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return t, nil
}

// Parse is Load for the content of a tokenizer.json.
func Parse(data []byte) (*Tokenizer, error) {
	doc, err := parseDocument(data)
	if err != nil {
		return nil, err
	}
	return newTokenizer(doc)
}

func parseDocument(data []byte) (doc document, err error) {
	data = bytes.TrimPrefix(data, jsontext.BOM)
	if err := checkUTF8(data); err != nil {
		return doc, err
	}
	if err := jsontext.Check(data); err != nil {
		return doc, err
	}
	if err := decodeStrictly(data, &doc); err != nil {
		return doc, cmp.Or(checkModelType(data), err)
	}
	if doc.Version != "1.0" {
		return doc, fmt.Errorf("found version %q, want \"1.0\"", doc.Version)
	}
	return doc, nil
}

// checkModelType refuses a model that is no BPE by its type, before its other fields, which differ.
func checkModelType(data []byte) error {
	var doc struct {
		Model struct {
			Type string `json:"type"`
		} `json:"model"`
	}
	if json.Unmarshal(data, &doc) != nil {
		return nil
	}
	model := modelDocument{Type: cmp.Or(doc.Model.Type, "BPE")}
	if err := model.checkOptions(); err != nil {
		return fmt.Errorf("model: %w", err)
	}
	return nil
}

func checkUTF8(data []byte) error {
	if utf8.Valid(data) {
		return nil
	}
	bad := 0
	for r, size := utf8.DecodeRune(data); r != utf8.RuneError || size > 1; r, size = utf8.DecodeRune(data[bad:]) {
		bad += size
	}
	return fmt.Errorf("line %d: not UTF-8", lineOf(data, bad))
}

func lineOf(data []byte, offset int) int { return 1 + bytes.Count(data[:offset], []byte("\n")) }

// decodeStrictly decodes the one JSON value in data; a field that `into` does not have is an error.
func decodeStrictly(data []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if err == nil {
		if _, err = d.Token(); err == io.EOF {
			return nil
		}
		return fmt.Errorf("line %d: found more after the end of the JSON value", lineOf(data, int(d.InputOffset())))
	}
	var syntax *json.SyntaxError
	var wrongType *json.UnmarshalTypeError
	switch {
	case err == io.EOF || err == io.ErrUnexpectedEOF:
		return fmt.Errorf("line %d: the JSON value is cut off", lineOf(data, len(data)))
	case errors.As(err, &syntax):
		return fmt.Errorf("line %d: not JSON: %w", lineOf(data, int(syntax.Offset)), err)
	case errors.As(err, &wrongType):
		return fmt.Errorf("%s: found a JSON %s, want %s", cmp.Or(wrongType.Field, "top level"), wrongType.Value, jsonName(wrongType.Type))
	}
	return errors.New(strings.TrimPrefix(err.Error(), "json: "))
}

// jsonName is what JSON calls a Go type.
func jsonName(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Struct, reflect.Map:
		return "object"
	case reflect.Slice:
		return "array"
	}
	return t.Kind().String()
}

// typeOf returns the field "type" of a component.
func typeOf(raw json.RawMessage) (string, error) {
	var component struct {
		Type *string `json:"type"`
	}
	if isNull(raw) || json.Unmarshal(raw, &component) != nil || component.Type == nil {
		return "", fmt.Errorf("found %.40s, want an object with a type", cmp.Or(string(raw), "nothing"))
	}
	return *component.Type, nil
}

// sequenceOf returns the components of a Sequence, which stand in the given field.
func sequenceOf(raw json.RawMessage, field string) ([]json.RawMessage, error) {
	var sequence map[string]json.RawMessage
	if err := decodeStrictly(raw, &sequence); err != nil {
		return nil, err
	}
	var list []json.RawMessage
	if json.Unmarshal(sequence[field], &list) != nil || list == nil || len(sequence) != 2 {
		return nil, fmt.Errorf("a Sequence wants the fields type and %s, which is a list", field)
	}
	return list, nil
}

// JSON returns the tokenizer as a tokenizer.json, which Hugging Face's library can load. The same tokenizer always gives
// the same bytes, also after a round through Parse.
func (t *Tokenizer) JSON() ([]byte, error) {
	var out bytes.Buffer
	write := json.NewEncoder(&out)
	write.SetEscapeHTML(false)
	write.SetIndent("", "  ")
	if err := write.Encode(t.doc); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

// Save writes the tokenizer as a tokenizer.json.
func (t *Tokenizer) Save(w io.Writer) error {
	data, err := t.JSON()
	if err != nil {
		return err
	}
	_, err = w.Write(data)
	return err
}
