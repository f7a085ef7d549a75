package data

import (
	"cmp"
	"fmt"
	"iter"
	"strconv"
	"strings"

	"nfcot/internal/ckpt"
	"nfcot/internal/ckpt/jsontext"
	"nfcot/internal/cot"
	"nfcot/internal/tokenizer"
)

// exampleOf is the example of a record. What is not needed to learn from it may be of any
// kind: it then is another tool's, and counts as missing.
func exampleOf(r ckpt.Record) (ex cot.Example, err error) {
	fields, err := jsontext.Object(r.Text)
	if err != nil {
		return ex, fmt.Errorf("%s: %w", r.Where, err)
	}
	for _, key := range []struct {
		name  string
		value *string
	}{{"prompt", &ex.Prompt}, {"cot", &ex.CoT}, {"answer", &ex.Answer}} {
		if text, ok := fields[key.name]; ok {
			if err := jsontext.Unmarshal(text, key.value); err != nil {
				return ex, fmt.Errorf("%s: key %q: %w", r.Where, key.name, err)
			}
		}
	}
	for name, value := range map[string]*string{"task_id": &ex.TaskID, "entry_point": &ex.EntryPoint, "test": &ex.Test} {
		if jsontext.Unmarshal(fields[name], value) != nil {
			*value = ""
		}
	}
	if n := uint64(0); ex.TaskID == "" && jsontext.Unmarshal(fields["task_id"], &n) == nil && n > 0 {
		ex.TaskID = strconv.FormatUint(n, 10)
	}
	return ex, nil
}

// TrainTokenizer learns a vocabulary of at most so many tokens from the texts of files, whose
// lines it is given by path.
func TrainTokenizer(paths []string, vocabSize int, lines func(path string) iter.Seq2[string, error]) (*tokenizer.Tokenizer, error) {
	var failed error
	tok, err := tokenizer.Train(func(yield func(string) bool) {
		for _, path := range paths {
			for text, err := range Texts(path, lines(path)) {
				if failed = err; err != nil || !yield(text) {
					return
				}
			}
		}
	}, vocabSize, cot.SpecialTokens)
	return tok, cmp.Or(failed, err)
}

// Texts yields the texts of a file, whose path errors name, out of its lines: of a file of
// examples (JSON with prompts, as ckpt.Records reads it) prompt, chain and answer; of any
// other file its lines. The first line that is not blank says which of the two a file is.
func Texts(path string, lines iter.Seq2[string, error]) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		next, stop := iter.Pull2(lines)
		defer stop()
		line, err, more := next()
		first, wrong := ckpt.WithoutBOM(line)
		if wrong != nil {
			yield("", fmt.Errorf("%s: %w", path, wrong))
			return
		}
		var head []string // up to the first line that is not blank
		for ; more && err == nil && strings.TrimSpace(first) == ""; first = line {
			head = append(head, line)
			line, err, more = next()
		}
		all := func(yield func(string, error) bool) {
			for _, blank := range head {
				if !yield(blank, nil) {
					return
				}
			}
			for ; more && yield(line, err) && err == nil; line, err, more = next() {
			}
		}
		if err != nil || !holdsExamples(first) {
			for line, err := range all {
				if !yield(line+"\n", err) {
					return
				}
			}
			return
		}
		for r, err := range ckpt.RecordsIn(path, all) {
			var ex cot.Example
			if err == nil {
				ex, err = exampleOf(r)
			}
			if err == nil && ex.Prompt == "" {
				err = fmt.Errorf("%s: found no prompt, expected an example", r.Where)
			}
			if err != nil {
				yield("", err)
				return
			}
			if !yield(ex.Prompt, nil) || !yield(ex.CoT+"\n", nil) || !yield(ex.Answer, nil) {
				return
			}
		}
	}
}

// holdsExamples says whether a file whose first line is this one holds examples: the line
// is one of them, or begins an array of objects.
func holdsExamples(line string) bool {
	line = strings.TrimSpace(line)
	if rest, ok := strings.CutPrefix(line, "["); ok {
		rest = strings.TrimSpace(rest)
		return rest == "" || rest[0] == '{'
	}
	fields, err := jsontext.Object([]byte(line))
	prompt := ""
	return err == nil && jsontext.Unmarshal(fields["prompt"], &prompt) == nil && prompt != ""
}
