package tokenizer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// parsed is the JSON of a small tokenizer as Go maps and slices, for a test to damage.
func parsed(t *testing.T) map[string]any {
	doc := byteDocument([2]string{"a", "b"}, [2]string{"ab", "ab"})
	doc.AddedTokens = []addedToken{newSpecial(258, "<s>")}
	data, err := build(t, doc).JSON()
	if err != nil {
		t.Fatal(err)
	}
	var tree map[string]any
	if err := json.Unmarshal(data, &tree); err != nil {
		t.Fatal(err)
	}
	return tree
}

// setAt walks to the object that holds the last field of a path and sets that field; a nil value removes it.
func setAt(t *testing.T, tree any, path string, value any) {
	fields := strings.Split(path, ".")
	for _, f := range fields[:len(fields)-1] {
		if list, ok := tree.([]any); ok {
			tree = list[f[0]-'0']
		} else {
			tree = tree.(map[string]any)[f]
		}
	}
	object, ok := tree.(map[string]any)
	if !ok {
		t.Fatalf("no object at %s", path)
	}
	if object[fields[len(fields)-1]] = value; value == nil {
		delete(object, fields[len(fields)-1])
	}
}

func raw(text string) json.RawMessage { return json.RawMessage(text) }

// Whatever is not understood is an error that names it, in one line.
func TestRefusedFiles(t *testing.T) {
	for _, c := range []struct {
		path  string
		value any
		want  string // in the error
	}{
		{"version", "2.0", `version "2.0"`},
		{"version", 1, "version: found a JSON number, want string"},
		{"extra", 1, `unknown field "extra"`},
		{"normalizer", raw(`{"type":"BertNormalizer"}`), `normalizer: found type "BertNormalizer"`},
		{"normalizer", raw(`{"type":"NFC","strip":true}`), `normalizer: NFC: unknown field "strip"`},
		{"normalizer", raw(`5`), "normalizer: found 5, want an object with a type"},
		{"normalizer", raw(`{"type":"Sequence","normalizers":[{"type":"NFC"},{"type":"Nmt"}]}`), `normalizer: found type "Nmt"`},
		{"normalizer", raw(`{"type":"Prepend"}`), "normalizer: Prepend: prepend is missing"},
		{"normalizer", raw(`{"type":"Strip","strip_left":true}`), "normalizer: Strip: strip_left or strip_right is missing"},
		{"normalizer", raw(`{"type":"Replace","pattern":{"String":" "}}`), "normalizer: Replace: content is missing"},
		{"normalizer", raw(`{"type":"Replace","pattern":{"String":""},"content":"a"}`), "normalizer: Replace: an empty pattern"},
		{"normalizer", raw(`{"type":"Replace","pattern":{"Regex":"x*"},"content":"a"}`), `normalizer: Replace: pattern "x*": a pattern that may match nothing`},
		{"normalizer", raw(`{"type":"Replace","pattern":{"Regex":"a(?=b)"},"content":"a"}`), `normalizer: Replace: pattern "a(?=b)"`},
		{"normalizer", raw(`{"type":"Replace","pattern":{},"content":"a"}`), "normalizer: Replace: the pattern wants either a String or a Regex"},
		{"pre_tokenizer", raw(`{"type":"BertPreTokenizer"}`), `pre_tokenizer: found type "BertPreTokenizer"`},
		{"pre_tokenizer", raw(`{"type":"Digits"}`), "pre_tokenizer: Digits: individual_digits is missing"},
		{"pre_tokenizer", raw(`{"type":"Metaspace"}`), "pre_tokenizer: Metaspace: replacement is missing"},
		{"pre_tokenizer", raw(`{"type":"Metaspace","replacement":"ab"}`), `pre_tokenizer: Metaspace: found "ab", want one character`},
		{"pre_tokenizer", raw(`{"type":"Metaspace","replacement":"_","prepend_scheme":"last"}`), `Metaspace: found prepend_scheme "last"`},
		{"pre_tokenizer", raw(`{"type":"Metaspace","replacement":"_","add_prefix_space":false}`), "Metaspace: add_prefix_space is false, but prepend_scheme is always"},
		{"pre_tokenizer", raw(sequence(split("a"), `{"type":"Metaspace","replacement":"_","prepend_scheme":"first"}`)), "first is only supported for the first pre-tokenizer"},
		{"pre_tokenizer", raw(`{"type":"ByteLevel"}`), "pre_tokenizer: ByteLevel: add_prefix_space is missing"},
		{"pre_tokenizer", raw(`{"type":"ByteLevel","add_prefix_space":false,"magic":1}`), `ByteLevel: unknown field "magic"`},
		{"pre_tokenizer", raw(`{"type":"Sequence"}`), "a Sequence wants"},
		{"pre_tokenizer", raw(`{"type":"Sequence","pretokenizers":[` + noRegex + `],"more":1}`), "a Sequence wants"},
		{"pre_tokenizer", raw(sequence(strings.Replace(split("a"), "Isolated", "Kept", 1), noRegex)), `behavior "Kept"`},
		{"pre_tokenizer", raw(sequence(strings.Replace(split("a"), "Regex", "Glob", 1), noRegex)), `unknown field "Glob"`},
		{"pre_tokenizer", raw(sequence(split("a("), noRegex)), `pattern "a("`},
		{"pre_tokenizer", raw(sequence(split(`\w+`), noRegex)), `the escape "\\w" is not supported`},
		{"pre_tokenizer", raw(sequence(split(`[a&&b]`), noRegex)), "sets inside sets"},
		{"pre_tokenizer", raw(sequence(split(`[[:alpha:]]`), noRegex)), "sets inside sets"},
		{"pre_tokenizer", raw(sequence(split(`a$`), noRegex)), "the anchor $"},
		{"pre_tokenizer", raw(sequence(split(`(?i)a`), noRegex)), "the group (?i)"},
		{"pre_tokenizer", raw(sequence(split(`a{2}+`), noRegex)), "the quantifier }+"},
		{"pre_tokenizer", raw(sequence(split(`\p{Punct}`), noRegex)), "the property"},
		{"pre_tokenizer", raw(sequence(split(`\p`), noRegex)), "the property"},
		{"pre_tokenizer", raw(sequence(split(`a\`), noRegex)), "ends in a backslash"},
		{"post_processor", raw(`{"type":"BertProcessing"}`), `post_processor: found type "BertProcessing"`},
		{"post_processor", raw(`{"type":"Sequence","processors":[{"type":"Other"}]}`), `post_processor: found type "Other"`},
		{"post_processor", raw(`{"type":"TemplateProcessing","x":1}`), `post_processor: unknown field "x"`},
		{"post_processor", raw(`{"type":"RobertaProcessing","sep":["<s>",258],"cls":["<s>",258]}`), `post_processor: found type "RobertaProcessing"`},
		{"post_processor", raw(`{"type":"Sequence","processors":[` + templateOf(textPiece) + `,` + templateOf(textPiece) + `]}`), "post_processor: only one TemplateProcessing"},
		{"post_processor", raw(`{"type":"Sequence","processors":[{"type":"Sequence","processors":[` + templateOf(textPiece) + `]}]}`), `post_processor: found type "Sequence"`},
		{"post_processor", raw(templateOf()), "post_processor: single: it lacks the text"},
		{"post_processor", raw(templateOf(textPiece, textPiece)), `post_processor: single: piece 1: found Sequence "A"`},
		{"post_processor", raw(templateOf(`{"Sequence":{"id":"B","type_id":0}}`)), `post_processor: single: piece 0: found Sequence "B"`},
		{"post_processor", raw(templateOf(`{}`, textPiece)), "post_processor: single: piece 0: want either"},
		{"post_processor", raw(templateOf(`{"Other":{"id":"A","type_id":0}}`, textPiece)), `post_processor: unknown field "Other"`},
		{"post_processor", raw(templateOf(`{"SpecialToken":{"id":"<none>","type_id":0}}`, textPiece)), `special_tokens has no ids and tokens for "<none>"`},
		{"post_processor", raw(strings.Replace(templateOf(startPiece, textPiece), "[258]", "[257]", 1)), `"<s>" has id 257, which is`},
		{"post_processor", raw(strings.Replace(templateOf(startPiece, textPiece), "[258]", "[-1]", 1)), `"<s>" has id -1, which is ""`},
		{"post_processor", raw(strings.Replace(templateOf(startPiece, textPiece), "[258]", "[258,258]", 1)), `special_tokens has no ids and tokens for "<s>"`},
		{"decoder", raw(`{"type":"WordPiece"}`), `decoder: found type "WordPiece"`},
		{"decoder", raw(`{"type":"Metaspace"}`), "decoder: Metaspace: replacement is missing"},
		{"decoder", raw(`{"type":"Strip","content":" "}`), "decoder: Strip: want a content, start and stop"},
		{"decoder", raw(`{"type":"Sequence","decoders":[{"type":"Fuse","x":1}]}`), `decoder: Fuse: unknown field "x"`},
		{"decoder", raw(`{"type":"ByteLevel","x":1}`), `decoder: unknown field "x"`},
		{"model", nil, "model: the vocab is empty"},
		{"model.type", "Unigram", `model: found type "Unigram"`},
		{"model", raw(`{"type":"Unigram","unk_id":0,"vocab":[["a",-1.5]]}`), `model: found type "Unigram", only BPE is supported`},
		{"model.dropout", 0.1, "model: found dropout 0.1"},
		{"model.continuing_subword_prefix", "##", `continuing_subword_prefix "##"`},
		{"model.end_of_word_suffix", "</w>", `end_of_word_suffix "</w>"`},
		{"model.magic", 1, `unknown field "magic"`},
		{"model.vocab", raw(`[]`), "model.vocab: found a JSON array, want object"},
		{"model.vocab.ab", "x", "model.vocab: found a JSON string, want int"},
		{"model.vocab.ab", -1, `token "ab" has id -1`},
		{"model.vocab.ab", 1 << 30, `token "ab" has id 1073741824`},
		{"model.vocab.ab", 0, `tokens "!" and "ab" both have id 0`},
		{"model.vocab.ab", nil, `merge 0 ("a", "b"): "ab" is not in the vocabulary`},
		{"model.vocab.", 300, "the token of id 300 is empty"},
		{"model.merges", raw(`["ab"]`), `merge line 1: found "ab"`},
		{"model.merges", raw(`["a b c"]`), `merge line 1: found "a b c"`},
		{"model.merges", raw(`[["a","b","c"]]`), "merge 0 has 3 parts"},
		{"model.merges", raw(`["a b",["a","b"]]`), `want a list of "a b" or`},
		{"model.merges", raw(`7`), `want a list of "a b" or`},
		{"added_tokens.0.content", "", "added_tokens: entry 0: the content is empty"},
		{"added_tokens.0.lstrip", nil, `"<s>" has no flag "lstrip"`},
		{"added_tokens.0.id", 5, `tokens "&" and "<s>" both have id 5`},
		{"added_tokens.0.content", "ab", `"ab" has id 258, but 256 in the vocabulary`},
		{"added_tokens.0.more", 1, `unknown field "more"`},
	} {
		tree := parsed(t)
		setAt(t, tree, c.path, c.value)
		data, err := json.Marshal(tree)
		if err != nil {
			t.Fatal(err)
		}
		_, err = Parse(data)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s = %v: got error %v, want one line with %s", c.path, c.value, err, c.want)
		}
	}
	tree := parsed(t)
	setAt(t, tree, "added_tokens", append(tree["added_tokens"].([]any), tree["added_tokens"].([]any)...))
	data, _ := json.Marshal(tree)
	if _, err := Parse(data); err == nil || !strings.Contains(err.Error(), `"<s>" is listed twice`) {
		t.Errorf("a token added twice: got error %v", err)
	}
}

// The pieces of a template: the token <s>, and the text.
const (
	startPiece = `{"SpecialToken":{"id":"<s>","type_id":0}}`
	textPiece  = `{"Sequence":{"id":"A","type_id":0}}`
)

// templateOf is a post-processor that makes these pieces of a text.
func templateOf(single ...string) string {
	return `{"type":"TemplateProcessing","single":[` + strings.Join(single, ",") + `],"pair":[],"special_tokens":{"<s>":{"id":"<s>","ids":[258],"tokens":["<s>"]}}}`
}

// The tokens of a template stand around a whole text, also an empty one, and nowhere
// else; a template alone and one in a sequence are the same, and saved they stay.
func TestTemplate(t *testing.T) {
	byteLevel := `{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":false,"use_regex":true}`
	for _, c := range []struct {
		postProcessor string
		before, after []int
	}{
		{"null", nil, nil},
		{byteLevel, nil, nil},
		{templateOf(textPiece), nil, nil},
		{templateOf(startPiece, textPiece), []int{258}, nil},
		{templateOf(textPiece, startPiece), nil, []int{258}},
		{templateOf(startPiece, startPiece, textPiece, startPiece), []int{258, 258}, []int{258}},
		{`{"type":"Sequence","processors":[` + byteLevel + `,` + templateOf(startPiece, textPiece) + `]}`, []int{258}, nil},
	} {
		tree := parsed(t)
		setAt(t, tree, "post_processor", raw(c.postProcessor))
		data, err := json.Marshal(tree)
		if err != nil {
			t.Fatal(err)
		}
		tok, err := Parse(data)
		if err != nil {
			t.Fatal(err)
		}
		if data, err = tok.JSON(); err != nil {
			t.Fatal(err)
		}
		saved, err := Parse(data)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{"", "ab", "<s>ab"} {
			want := slices.Concat(c.before, tok.Encode(text), c.after)
			if got := tok.EncodePrompt(text); !slices.Equal(got, want) || !slices.Equal(saved.EncodePrompt(text), want) {
				t.Errorf("%s: %q becomes %v, want %v", c.postProcessor, text, got, want)
			}
			if slices.Contains(tok.Encode(text), 258) != strings.Contains(text, "<s>") {
				t.Errorf("%s: %q alone becomes %v", c.postProcessor, text, tok.Encode(text))
			}
		}
	}
}

// Options that cannot change what Encode and Decode give.
func TestAcceptedFiles(t *testing.T) {
	for _, c := range []struct {
		path  string
		value any
	}{
		{"version", "1.0"},
		{"post_processor", raw(`{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":false}`)},
		{"post_processor", raw(`{"type":"Sequence","processors":[{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":false,"use_regex":true},
			` + templateOf(startPiece, textPiece) + `]}`)},
		{"truncation", raw(`{"direction":"Right","max_length":5,"strategy":"LongestFirst","stride":0}`)},
		{"padding", raw(`{"strategy":"BatchLongest"}`)},
		{"normalizer", raw(`{"type":"Sequence","normalizers":[]}`)},
		{"normalizer", raw(`{"type":"Sequence","normalizers":[{"type":"NFC"}]}`)},
		{"model.type", nil},
		{"model.dropout", 0},
		{"model.unk_token", "<s>"},
		{"model.fuse_unk", true},
		{"model.byte_fallback", true},
		{"model.continuing_subword_prefix", ""},
		{"model.merges", []string{"a b", "ab ab"}},
		{"model.merges", []string{"#version: 0.2", "a b", "ab ab"}},
		{"pre_tokenizer", raw(`{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true}`)},
	} {
		tree := parsed(t)
		setAt(t, tree, c.path, c.value)
		data, err := json.Marshal(tree)
		if err != nil {
			t.Fatal(err)
		}
		tok, err := Parse(data)
		if err != nil {
			t.Errorf("%s = %v: %v", c.path, c.value, err)
			continue
		}
		if got, want := texts(tok, tok.Encode("<s>ababab x")), []string{"<s>", "abab", "ab", "Ġ", "x"}; !slices.Equal(got, want) {
			t.Errorf("%s = %v: got %q, want %q", c.path, c.value, got, want)
		}
		checkSave(t, tok)
	}
}

// checkSave checks that saving and loading changes nothing.
func checkSave(t *testing.T, tok *Tokenizer) {
	t.Helper()
	var first, second bytes.Buffer
	if err := tok.Save(&first); err != nil {
		t.Fatal(err)
	}
	again, err := Parse(first.Bytes())
	if err != nil {
		t.Fatalf("a saved tokenizer does not load: %v", err)
	}
	if err := again.Save(&second); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Errorf("saved twice:\n%s\n%s", first.Bytes(), second.Bytes())
	}
	rapid.Check(t, func(t *rapid.T) {
		text := strange.Draw(t, "text")
		if a, b := tok.Encode(text), again.Encode(text); !slices.Equal(a, b) {
			t.Fatalf("%q: %v before saving, %v after", text, a, b)
		}
	})
}

func TestDamagedFiles(t *testing.T) {
	whole, err := build(t, byteDocument()).JSON()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ content, want string }{
		"empty":    {"", "line 1: the JSON value is cut off"},
		"cut":      {string(whole[:len(whole)/2]), "the JSON value is cut off"},
		"tail":     {string(whole) + "\n{}", fmt.Sprintf("line %d: found more after the end", strings.Count(string(whole), "\n")+2)},
		"syntax":   {"{\n\"version\": nope}", "line 2: not JSON"},
		"no UTF-8": {"{\n\n\"\xff\"}", "line 3: not UTF-8"},
		"list":     {"[]", "top level: found a JSON array, want object"},
		"null":     {"null", `found version "", want "1.0"`},
	} {
		path := filepath.Join(t.TempDir(), "tokenizer.json")
		if err := os.WriteFile(path, []byte(c.content), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Load(path)
		if err == nil || !strings.HasPrefix(err.Error(), path+": ") || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got error %v, want one line with the path and %s", name, err, c.want)
		}
	}
	if _, err := Load(t.TempDir()); err == nil || !strings.Contains(err.Error(), "tokenizer.json") {
		t.Errorf("an empty folder: got error %v", err)
	}
}
