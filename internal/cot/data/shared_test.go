package data

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nfcot/internal/ckpt"
	"nfcot/internal/ckpt/jsontext"
	"nfcot/internal/shared"
)

// TestPublishedData: of the sets that the field trains on every row is read.
func TestPublishedData(t *testing.T) {
	dir := filepath.Join(shared.Data(t), "cot")
	for _, tt := range []struct{ name, format, first string }{
		{"gsm8k_train.jsonl.gz", "reading 7,473 examples as gsm8k", "Natalia sold 48/2 = 24 clips in May.\nNatalia sold 48+24 = 72 clips altogether in April and May.|72"},
		{"gsm8k_test.jsonl", "reading 1,319 examples as gsm8k", "Janet sells 16 - 3 - 4 = 9 duck eggs a day.\nShe makes 9 * 2 = $18 every day at the farmer’s market.|18"},
		{"prosqa_valid.json", "reading 300 examples as prosqa", "Tom is a terpus.\nEvery terpus is a brimpus.\nEvery brimpus is a lempus.|Tom is a lempus."},
		{"mult_4x4_test.txt", "reading 1,000 examples as icot", "7 6 9 2 * 1 6 3 6|7 6 9 2 0 + 0 2 0 8 7 1 ( 7 8 9 0 8 1 ) + 0 0 1 0 9 8 0 ( 7 8 0 1 7 0 1 ) + 0 0 0 2 0 8 7 1|7 8 0 3 7 8 8 1"},
		{"mult_5x5_test.txt", "reading 1,000 examples as icot", "9 4 0 8 3 * 1 4 2 0 1|"},
	} {
		examples, said := readAll(Source{Files: Files{filepath.Join(dir, tt.name)}})
		if said != tt.format || !strings.Contains(examples[0], tt.first) {
			t.Errorf("%s: %s, %q", tt.name, said, examples[0])
		}
	}
	// The last equation gives the answer, in nine of ten.
	examples, said := readAll(Source{Files: Files{filepath.Join(dir, "gsm8k_train.jsonl.gz")}, CoTFrom: "gsm8k-equations"})
	right := 0
	for _, ex := range examples {
		parts := strings.Split(ex, "|")
		chain, answer := parts[len(parts)-2], parts[len(parts)-1]
		if strings.HasSuffix(chain, "="+answer+">>") {
			right++
		}
	}
	if right < 6800 || !strings.HasPrefix(said, "reading 7,378 examples as gsm8k; dropped 95: no <<...>> in the chain of thought") {
		t.Errorf("%d answers are those of the last equation; %s", right, said)
	}
}

// rowsAlone reads each line of a file by itself: the example, or what is said of it.
func rowsAlone(t *testing.T, path string) (all []string) {
	for record, err := range ckpt.Records(path) {
		if err != nil {
			t.Fatal(err)
		}
		examples, said := readAll(Source{Files: Files{put(t, "x.jsonl", string(record.Text))}})
		all = append(all, strings.Join(append(examples, said), " "))
	}
	return all
}

// TestFieldCases: the situations of public reports, with what is expected in each.
func TestFieldCases(t *testing.T) {
	dir := shared.Field(t)
	var want struct{ Final []string }
	text, err := os.ReadFile(filepath.Join(dir, "gsm8k_answers", "expected.json"))
	if err == nil {
		err = jsontext.Unmarshal(text, &want)
	}
	if err != nil {
		t.Fatal(err)
	}
	for i, got := range rowsAlone(t, filepath.Join(dir, "gsm8k_answers", "train.jsonl")) {
		if number := want.Final[i]; strings.HasPrefix(number, "REFUSED") != strings.Contains(got, "dropped 1: no") || !strings.HasPrefix(number, "REFUSED") && !strings.Contains(got, "|"+number+" reading") {
			t.Errorf("gsm8k_answers, row %d: %s, want %s", i+1, got, number)
		}
	}
	for name, want := range map[string][]string{
		"sft_sharegpt_roles": {
			`"system".*"user".*"assistant".*reading 1 example`, `[{"role":"assistant",`, `[{"role":"system","content":"outer"},{"role":"user","content":"a"},{"role":"user","content":"b"},{"role":"assistant"`,
			`"tool_calls":`, "no turn of the assistant's", `[{"role":"user","content":"x"},{"role":"assistant","content":"y"}]`, "found the role bing", `[{"role":"user","content":"m"},{"role":"assistant","content":"n"}]`},
		"chat_content_parts": {`[{"role":"user","content":"What is 2+3?"},{"role":"assistant","content":"5"}]`, `[{"role":"user","content":"What is 2+3?"},{"role":"assistant","content":"5"}]`, "a part of type image_url", `{"role":"assistant","tool_calls":`},
	} {
		for i, got := range rowsAlone(t, filepath.Join(dir, name, "train.jsonl")) {
			for _, part := range strings.Split(want[i], ".*") {
				if !strings.Contains(got, part) {
					t.Errorf("%s, row %d: %s, want %s", name, i+1, got, want[i])
				}
			}
		}
		_, said := readAll(Source{Files: Files{filepath.Join(dir, name, "train.jsonl")}})
		if line := fmt.Sprintf("FILE:%d: ", map[string]int{"sft_sharegpt_roles": 7, "chat_content_parts": 3}[name]); !strings.HasPrefix(said, line) {
			t.Errorf("%s: %s", name, said)
		}
	}
	examples, said := readAll(Source{Files: Files{filepath.Join(dir, "parquet_old_list_names", "m_old.parquet")}})
	if len(examples) != 2 || !strings.HasSuffix(said, "dropped 1: no turn of the assistant's (FILE: row 2); dropped 1: no conversation (FILE: row 3); dropped 1: a message without content (FILE: row 4)") {
		t.Errorf("parquet_old_list_names: %q (%s)", examples, said)
	}
	for _, name := range []string{"gsm8k", "messages", "pc"} {
		for text, err := range NewReader(Source{Files: Files{filepath.Join(dir, "tokenize_unknown_shape", name+".jsonl")}}).Texts() {
			if err != nil || strings.ContainsAny(text, `{"`) {
				t.Fatalf("tokenize_unknown_shape, %s: %q (%v)", name, text, err)
			}
		}
	}
}
