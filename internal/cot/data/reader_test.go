package data

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"nfcot/internal/cot"
)

// put writes a file into a folder of the test's.
func put(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// short is an example as tests write it: prompt|chain|answer, or its messages.
func short(ex cot.Example) string {
	s := string(ex.Messages)
	if s == "" {
		s = ex.Prompt + "|" + ex.CoT + "|" + ex.Answer
	}
	if ex.TaskID != "" {
		s = ex.TaskID + ":" + s
	}
	return s
}

// readAll reads a source: its examples, and what is said of it or what is wrong, without the
// name of its first file.
func readAll(s Source) (examples []string, said string) {
	all, counts, err := s.Read()
	for _, ex := range all {
		examples = append(examples, short(ex))
	}
	said = counts.String()
	if err != nil {
		said = err.Error()
	}
	return examples, strings.ReplaceAll(said, s.Files[0], "FILE")
}

const (
	firstExample  = `{"task_id": 3.0, "prompt": "def a():\n", "cot": "one\ntwo", "answer": "    pass\n", "test": ["other"], "score": NaN}`
	secondExample = `{"prompt":"def b():\n","cot":null,"answer":"    return 1\n","entry_point":7}`
)

// layouts are the ways in which a file may hold the two examples.
var layouts = map[string]string{
	"lines":  firstExample + "\n" + secondExample,
	"marked": "\ufeff" + firstExample + "\r\n" + secondExample + "\r\n",
	"blank":  "\n  \n" + firstExample + "\n\n" + secondExample + "\n",
	"array":  "[" + firstExample + ",\n" + secondExample + "]\n",
	"pretty": "\ufeff\n[\n " + strings.ReplaceAll(firstExample, ", \"", ",\n   \"") + ",\n" + secondExample + "\n]\n",
}

func TestLayouts(t *testing.T) {
	for name, text := range layouts {
		for _, file := range []string{"x.jsonl", "x"} {
			examples, said := readAll(Source{Files: Files{put(t, file, text)}})
			if got, want := strings.Join(examples, "\n"), "3:def a():\n|one\ntwo|    pass\n\ndef b():\n||    return 1\n"; got != want {
				t.Errorf("%s: %q (%s)", name, got, said)
			}
			if said != "reading 2 examples as nfcot; 1 of them without a chain of thought" {
				t.Errorf("%s: %s", name, said)
			}
		}
	}
}

// TestFormats: each shape, by its keys alone.
func TestFormats(t *testing.T) {
	for _, tt := range []struct{ text, want, said string }{
		{`{"prompt":"p","completion":" c"}`, "p|| c", "reading 1 example as prompt-completion"},
		{`{"prompt":"p","answer":"a","cot":"c"}`, "p|c|a", "reading 1 example as nfcot"},
		{`{"instruction":"Add.","input":"1 2","output":"3"}`, alpacaWith + "Add.\n\n### Input:\n1 2\n\n### Response:\n||3", "reading 1 example as alpaca"},
		{`{"instruction":"Add.","input":"","output":"3","history":[]}`, alpacaWithout + "Add.\n\n### Response:\n||3", "reading 1 example as alpaca"},
		{`{"question":"q","steps":["a","b c"],"answer":"d","edges":[[0,1]]}`, "q|a\nb c|d", "reading 1 example as prosqa"},
		{`{"question":"q","answer":"a <<1+1=2>>2.\n#### 1,002.0"}`, "q|a 2.|1002", "reading 1 example as gsm8k"},
		{`{"text":"all of it"}`, "||all of it", "reading 1 example as text"},
		{"1 + 2||<<1+2=3>> #### 3\n\n4 + 5||9 #### 9\n", "1 + 2|<<1+2=3>>|3\n4 + 5|9|9", "reading 2 examples as icot"},
		{"a line\n\n{ another\n", "||a line\n||{ another", "reading 2 examples as text"},
		{"a line\r\n\r\nanother\r\n", "||a line\n||another", "reading 2 examples as text"},
		{"question,answer\nq,\"a\r\n\"\"b\"\"\n#### 5\"\n", "q|a\n\"b\"|5", "reading 1 example as gsm8k"},
		{`{"messages":[{"role":"user","content":"u"},{"role":"assistant","content":"a"}],"task_id":"x"}`,
			`x:[{"role":"user","content":"u"},{"role":"assistant","content":"a"}]`, "reading 1 example as messages"},
		{`{"conversations":[{"from":"human","value":"u"},{"from":"gpt","value":"a"}]}`,
			`[{"role":"user","content":"u"},{"role":"assistant","content":"a"}]`, "reading 1 example as sharegpt"},
		{firstExample + "\n" + `{"task_id":"","prompt":"","cot":"","answer":"","messages":[{"role":"assistant","content":"a"}]}`,
			"3:def a():\n|one\ntwo|    pass\n\n" + `[{"role":"assistant","content":"a"}]`, "reading 2 examples as nfcot; 1 of them without a chain of thought"},
	} {
		examples, said := readAll(Source{Files: Files{put(t, "x", tt.text)}})
		if got := strings.Join(examples, "\n"); got != tt.want || said != tt.said {
			t.Errorf("%s:\n%q, want\n%q (%s)", tt.text, got, tt.want, said)
		}
	}
}

// TestRefused: what is wrong is said with its place, and nothing is made of it.
func TestRefused(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"x", "", "FILE: is empty, expected JSON lines"},
		{"x.jsonl", "\n \n", "FILE: is empty, expected JSON lines"},
		{"x.jsonl", "a b\n", "FILE:1: invalid JSON: invalid character 'a' looking for beginning of value (at byte 1)"},
		{"x.jsonl", firstExample + "\n{\"prompt\":3,\"answer\":\"a\"}", `FILE:2: key "prompt": found number, expected string`},
		{"x.jsonl", firstExample + "\n\n{\"prompt\":\"p\",\"answer\":\"\\ud800\"}", `FILE:3: key "answer": found \ud800, half of a surrogate pair, which is no character`},
		{"x.jsonl", "[" + secondExample + `,{"prompt":"p"}]`, `FILE: element 2 of the array: the example has no prompt or no answer; expected {"task_id", "prompt", "cot", "answer"}`},
		{"x.jsonl", firstExample + "\n{\"question\":\"q\",\"answer\":\"a\"}", `FILE:2: the example has no prompt or no answer; expected {"task_id", "prompt", "cot", "answer"}`},
		{"x.jsonl", "{\n \"prompt\": \"p\",\n \"answer\": \"a\"\n}\n", "FILE:1: invalid JSON: found an object that does not end in its line, expected JSON lines (an object a line) or one array"},
		{"x.jsonl", `{"prompt":"p","cot":NaN,"answer":"a"}`, `FILE:1: key "cot": found NaN, expected string`},
		{"x.jsonl", `{"question":"q","steps":["s",null],"answer":"a"}`, `FILE:1: key "steps": found null, expected string`},
		{"x.json", `["a"]`, "FILE: element 1 of the array: found a string, expected an object"},
		{"x", `{"a":1,"b":2}`, "FILE:1: found the keys a, b, expected those of a known shape (prompt+answer, prompt+completion, messages, conversations, instruction+output, question+steps+answer, question+answer, text); --columns prompt=KEY,answer=KEY says which keys are which"},
		{"x", `{"prompt":"p","completion":"c"}` + "\n" + `{"prompt":"p","answer":"c"}`, "FILE:2: found the keys answer, prompt, expected prompt, completion, the keys of prompt-completion"},
		{"x", "\xff\xfe{\x00", "FILE: is UTF-16 (by its byte order mark), expected UTF-8"},
		{"x", "a\n\xff\n", "FILE:2: is not valid UTF-8"},
		{"x", "a || b #### c\nd\n", "FILE:2: found no question||chain #### answer"},
		{"x.csv", "", "FILE: has no rows"},
		{"x.csv", "prompt,answer\n", "FILE: has no rows"},
		{"x.csv", "a,b\n1,2\n", "FILE:2: found the keys a, b, expected those of a known shape"},
		{"x.csv", "prompt,answer\np,a\nq\n", "FILE:3: found 1 fields, expected 2, as many as the first line names"},
		{"x.csv", "prompt,answer\np,\"a\nq\n", "FILE:3: not CSV: extraneous or missing \" in quoted-field"},
		{"x.csv", "prompt,answer,prompt\n", "FILE: the column prompt is there twice"},
		{"x.csv", "prompt,answer\np,\xff\n", `FILE:2: key "answer": is not valid UTF-8`},
		{"x.csv", "question,steps,answer\nq,['a' 'b'],c\n", `FILE:2: key "steps": invalid JSON`},
		{"x", "PAR1 is how parquet begins", "FILE: damaged parquet data: "},
		{"x", `{"instruction":"i","output":"o","system":"s"}`, `FILE:1: key "system" is not supported beside instruction and output`},
	} {
		if _, said := readAll(Source{Files: Files{put(t, tt.name, tt.text)}}); !strings.HasPrefix(said, tt.want) {
			t.Errorf("%q: %s, want %s", tt.text, said, tt.want)
		}
	}
}

// TestSource: what is said of a source beside its files.
func TestSource(t *testing.T) {
	qa := put(t, "qa.csv", "question,rationale,final\nq,r,5\n")
	think := put(t, "think.jsonl", `{"prompt":"p","completion":"<think>\na\nb\n</think>\n\nc"}`)
	text := put(t, "text", "a || b #### c\n")
	chat := put(t, "chat.csv", `id,conversation`+"\n"+`1,"[{""from"":""human"",""value"":""u""},{""from"":""gpt"",""value"":""a""}]"`+"\n")
	for _, tt := range []struct {
		source Source
		want   string
		said   string
	}{
		{Source{Files: Files{qa}, Columns: Columns{"prompt": "question", "cot": "rationale", "answer": "final"}}, "q|r|5", "reading 1 example as nfcot"},
		{Source{Files: Files{qa}, Columns: Columns{"prompt": "final", "completion": "question"}}, "5||q", "reading 1 example as prompt-completion"},
		{Source{Files: Files{qa}, Columns: Columns{"prompt": "question", "answer": "answer"}}, "", "FILE:2: there is no column answer for answer; found the keys final, question, rationale"},
		{Source{Files: Files{qa}, Columns: Columns{"prompts": "question"}}, "", "--columns names prompts; want one of answer, completion, conversations, cot"},
		{Source{Files: Files{qa}, Format: "alpaca", Columns: Columns{"prompt": "question"}}, "", "--columns names prompt; want one of history, input, instruction, output"},
		{Source{Files: Files{qa}, Format: "xml"}, "", "--format is xml; want one of nfcot, prompt-completion, "},
		{Source{Files: Files{qa}, Format: "gsm8k"}, "", "FILE:2: found the keys final, question, rationale, expected question, answer, the keys of gsm8k"},
		{Source{Files: Files{chat}, Columns: Columns{"task_id": "id", "conversations": "conversation"}}, `1:[{"role":"user","content":"u"},{"role":"assistant","content":"a"}]`, "reading 1 example as sharegpt"},
		{Source{Files: Files{text}, Format: "text"}, "||a || b #### c", "reading 1 example as text"},
		{Source{Files: Files{text}, Format: "gsm8k"}, "", "FILE:1: found a line of plain text, expected a row with the keys question, answer (gsm8k)"},
		{Source{Files: Files{think}}, "p||<think>\na\nb\n</think>\n\nc", "reading 1 example as prompt-completion"},
		{Source{Files: Files{think}, CoTFrom: "think"}, "p|a\nb|c", "reading 1 example as prompt-completion"},
		{Source{Files: Files{think}, CoTFrom: "gsm8k"}, "", "FILE: no row can be used; dropped 1: no #### in the answer (FILE:1); see --format, --columns and --cot-from"},
		{Source{Files: Files{think}, CoTFrom: "thoughts"}, "", "--cot-from is thoughts; want one of think, gsm8k, gsm8k-equations"},
		{Source{Files: Files{text}, CoTFrom: "think"}, "", "FILE:1: the example has a chain of thought beside its answer; leave --cot-from out"},
		{Source{Files: Files{t.TempDir()}}, "", "FILE: is a folder, expected a file; FILE/*.jsonl names the files in it"},
		{Source{Files: Files{text + "*.gone"}}, "", "FILE: there is no such file"},
		{Source{Files: Files{text + ".gone"}}, "", "FILE: no such file or directory"},
	} {
		examples, said := readAll(tt.source)
		if got := strings.Join(examples, "\n"); got != tt.want || !strings.HasPrefix(said, tt.said) {
			t.Errorf("%+v:\n%q, want\n%q (%s)", tt.source, got, tt.want, said)
		}
	}
}

// TestFiles: several files, patterns, compressed ones, of several shapes.
func TestFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, text []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var members bytes.Buffer
	for _, part := range []string{`{"prompt":"1",`, `"completion":"a"}` + "\n", `{"prompt":"2","completion":"b"}`} {
		z := gzip.NewWriter(&members)
		z.Write([]byte(part))
		z.Close()
	}
	write("b-1.jsonl.gz", members.Bytes())
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	frames := z.EncodeAll([]byte("prompt,answer,cot\n3,c,"), nil)
	write("b-2.csv.zst", z.EncodeAll([]byte("\n4,,y\n"), frames))
	write("a.tsv", []byte("\ufeff prompt \tanswer\t\r\n5\te\t\r\n\r\n6\tf\t1\r\n"))
	write("c.TSV", []byte("prompt\tanswer\n8\th\n"))
	write("[odd].jsonl", []byte(`{"prompt":"7","completion":"g"}`))
	s := Source{Files: Files{filepath.Join(dir, "b-*"), filepath.Join(dir, "[odd].jsonl"), filepath.Join(dir, "a.tsv"), filepath.Join(dir, "c.TSV")}}
	examples, said := readAll(s)
	if got := strings.Join(examples, " "); got != "1||a 2||b 3||c 7||g 5||e 6||f 8||h" {
		t.Errorf("%s", got)
	}
	if want := "reading 7 examples: 3 as prompt-completion, 4 as nfcot; dropped 1: no answer (" + filepath.Join(dir, "b-2.csv.zst:3") + ")"; said != want {
		t.Errorf("%s, want %s", said, want)
	}
	r := NewReader(s)
	for range r.Examples() {
		break // must not read on
	}
}

// TestTexts: whatever the layout of a file of examples, the same texts come out of it, and
// none of what makes its shape.
func TestTexts(t *testing.T) {
	all := func(text string) string {
		out, path := "", put(t, "f", text)
		for part, err := range NewReader(Source{Files: Files{path}}).Texts() {
			if err != nil {
				return strings.ReplaceAll(err.Error(), path, "f")
			}
			out += part + "|"
		}
		return out
	}
	for name, text := range layouts {
		if got, want := all(text), "def a():\n|one\ntwo\n|    pass\n|def b():\n|\n|    return 1\n|"; got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	for text, want := range map[string]string{
		"":                                      "f: is empty, expected JSON lines",
		"\n\ufeffa\n{\"prompt\":1}":             "\n|\ufeffa\n|{\"prompt\":1}\n|",
		"\xff\xfea\x00\n\x00":                   "f: is UTF-16 (by its byte order mark), expected UTF-8",
		`{"prompt":"p"}`:                        "p|\n||",
		"[a link](x)\n":                         "[a link](x)\n|",
		firstExample + "\nno JSON":              "f:2: invalid JSON: invalid character 'o' in literal null (expecting 'u') (at byte 2)",
		"[\n{\"a\":1}]":                         "f: element 1 of the array: found the keys a, expected those of a known shape (prompt+answer, prompt+completion, messages, conversations, instruction+output, question+steps+answer, question+answer, text); --columns prompt=KEY,answer=KEY says which keys are which",
		`{"prompt":"p","completion":"c"}`:       "p|\n|c|",
		`{"question":"q","answer":"w\n#### 4"}`: "q|w\n|4|",
		`{"messages":[{"role":"user","content":"u"},{"role":"assistant","content":"a"}]}`: "u|a|",
		`{"text":"t"}`: "t|",
	} {
		if got := all(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestConversations(t *testing.T) {
	const ask, reply = `{"role":"user","content":"u"}`, `{"role":"assistant","content":"a"}`
	for _, tt := range []struct{ text, want string }{
		{`{"messages":[{"content":[{"type":"text","text":"u"}],"role":"user","name":null},` + reply + `]}`, `[{"content":"u","role":"user"},` + reply + `]`},
		{`{"messages":"[` + strings.ReplaceAll(ask+","+reply, `"`, `\"`) + `]"}`, "[" + ask + "," + reply + "]"},
		{`{"conversations":[` + ask + `,` + reply + `],"system":"s","tools":[]}`, `[{"role":"system","content":"s"},` + ask + "," + reply + `]`},
		{`{"conversations":[{"from":"human","value":"u"},{"from":"function_call","value":"{\"name\":\"f\",\"arguments\":{\"x\":1}}"},{"from":"observation","value":"2"},{"from":"gpt","value":"a"}]}`,
			`[` + ask + `,{"role":"assistant","content":"","tool_calls":[{"type":"function","function":{"name":"f","arguments":{"x":1}}}]},{"role":"tool","content":"2"},` + reply + `]`},
		{`{"messages":[` + ask + `,{"role":"assistant","content":null,"tool_calls":[{"x":NaN}]}]}`, `[` + ask + `,{"role":"assistant","tool_calls":[{"x":NaN}]}]`},
		{`{"messages":[{"role":"developer","content":""},{"role":"user","content":""},{"role":"assistant","content":""}]}`,
			`[{"role":"developer","content":""},{"role":"user","content":""},{"role":"assistant","content":""}]`},

		{`{"messages":[{"role":"user","content":"u","weight":0},{"role":"assistant","content":"a","weight":1.0,"train":true,"loss":null}]}`,
			`[{"role":"user","content":"u","weight":0},{"role":"assistant","content":"a","weight":1.0,"train":true}]`},

		{`{"messages":[]}`, "dropped 1: no turn of the assistant's (FILE:1)"},
		{`{"messages":null}`, "dropped 1: no conversation (FILE:1)"},
		{`{"messages":[` + ask + `]}`, "dropped 1: no turn of the assistant's (FILE:1)"},
		{`{"messages":[{"role":"user","content":null},` + reply + `]}`, "dropped 1: a message without content (FILE:1)"},

		{`{"messages":[` + ask + `,{"role":"bing","content":"b"}]}`, "FILE:1: message 2: found the role bing, expected system, "},
		{`{"messages":[{"role":"user","content":7},` + reply + `]}`, "FILE:1: message 1: found a content that is no text"},
		{`{"messages":[{"role":"user","from":"human","value":"x"}]}`, "FILE:1: message 1: has two keys for its role"},
		{`{"messages":[{"content":"x"}]}`, `FILE:1: message 1: has no role; want {"role": ..., "content": ...}, or`},
		{`{"messages":["x"]}`, `FILE:1: message 1: is no object; want`},
		{`{"messages":[` + ask + `,{"role":"assistant","content":"a","weight":0}]}`, `FILE:1: message 2: found "weight": 0, and all that the assistant says is learned alike; leave`},
		{`{"messages":[` + ask + `,{"role":"assistant","content":"a","weight":0.5}]}`, `FILE:1: message 2: found "weight": 0.5, and all`},
		{`{"messages":[` + ask + `,{"role":"assistant","content":"a","training":"no"}]}`, `FILE:1: message 2: found "training": "no", and all`},
		{`{"conversations":[{"from":"gpt","value":"a","loss":false}]}`, `FILE:1: message 1: found "loss": false, and all`},
		{`{"messages":"hello"}`, `FILE:1: key "messages": line 1: not JSON`},
		{`{"messages":{"role":"user"}}`, `FILE:1: key "messages": want a list of messages`},
		{`{"messages":[{"role":"user","content":[{"type":"image_url"}]}]}`, "FILE:1: message 1: content has a part of type image_url"},
		{`{"messages":[{"role":"user","content":"\ud800"}]}`, `FILE:1: key "messages": found \ud800, half of a surrogate pair`},
		{`{"messages":[` + ask + `],"tools":[{"name":"f"}]}`, `FILE:1: key "tools": conversations with definitions of tools are not supported`},
		{`{"messages":[{"role":"system","content":"a"},` + reply + `],"system":"b"}`, "FILE:1: there is a system's message both in the conversation and under the key system"},
		{`{"conversations":[{"from":"function_call","value":"call f"}]}`, "FILE:1: message 1: function_call: line 1: not JSON"},
		{`{"conversations":[{"from":"function_call","value":"[{}]"}]}`, `FILE:1: message 1: function_call: found no name`},
	} {
		examples, said := readAll(Source{Files: Files{put(t, "x", tt.text)}})
		if got := strings.Join(append(examples, said), "\n"); !strings.Contains(got, tt.want) {
			t.Errorf("%s:\n%s, want\n%s", tt.text, got, tt.want)
		}
	}
	if _, said := readAll(Source{Files: Files{put(t, "x", `{"messages":[`+ask+","+reply+`]}`)}, CoTFrom: "think"}); said != "FILE:1: found a conversation, whose chain of thought its template writes; leave --cot-from out" {
		t.Error(said)
	}
}

func TestTake(t *testing.T) {
	for _, tt := range []struct{ rule, answer, want string }{
		{"think", "<think>a</think>b", "a|b|"},
		{"think", "  <think>\n a\n\n b \n</think>\n\n b\n", "a\n\n b|b\n|"},
		{"think", "begun by the prompt\n</think>b", "begun by the prompt|b|"},
		{"think", "no thought", "|no thought|"},
		{"think", "<think></think>b", "|b|"},
		{"think", "<think>a", "||<think> without </think>"},
		{"think", "x<think>a</think>b", "||more than one stretch of thought"},
		{"think", "<think>a<think>b</think>c", "||more than one stretch of thought"},
		{"think", "<think>a</think>b</think>c", "||more than one stretch of thought"},
		{"gsm8k", "One thing: 5*2=<<5*2=10>>10.\nThen <<10-.5=9.5>>9.5\n#### 9.50", "One thing: 5*2=10.\nThen 9.5|9.5|"},
		{"gsm8k", "a\r\nb.\r\n#### -1,234\r\n", "a\nb.|-1234|"},
		{"gsm8k", "#### in it is #### $12.", "#### in it is|12|"},
		{"gsm8k", "####5", "|5|"},
		{"gsm8k", "no marker, 5", "||no #### in the answer"},
		{"gsm8k", "a\n####\n", "||no number behind ####"},
		{"gsm8k", "a\n#### five", "||no number behind ####"},
		{"gsm8k", "a\n#### 5\nso it is", "||no number behind ####"},
		{"gsm8k", "a #### 3 #### x", "||no number behind ####"},
		{"gsm8k-equations", "It is 5*2=<<5*2=10>>10, and\n<<10+1=11>>11.\n#### 11", "<<5*2=10>>\n<<10+1=11>>|11|"},
		{"gsm8k-equations", "none\n#### 11", "|11|no <<...>> in the chain of thought"},
	} {
		chain, rest, wrong := take(tt.rule, tt.answer)
		if got := chain + "|" + rest + "|" + wrong; got != tt.want {
			t.Errorf("%s of %q: %q, want %q", tt.rule, tt.answer, got, tt.want)
		}
	}
	examples, _ := readAll(Source{Files: Files{put(t, "x", "q||<<1+1=2>> <<2*2=4>> #### 4")}, CoTFrom: "gsm8k-equations"})
	if got := strings.Join(examples, ""); got != "q|<<1+1=2>>\n<<2*2=4>>|4" {
		t.Errorf("%q", got)
	}
}

func TestColumns(t *testing.T) {
	var c Columns
	if err := c.Set("prompt=question, answer=final answer"); err != nil || c.String() != "answer=final answer,prompt=question" {
		t.Errorf("%s (%v)", c, err)
	}
	for text, want := range map[string]string{
		"":                "\"\" is no pair",
		"prompt":          "is no pair",
		"=x":              "is no pair",
		"cot=a,cot=b":     "cot is given twice",
		"prompt=question": "prompt is given twice",
	} {
		if err := c.Set(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

func TestThousands(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		if got := thousands(n); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
}

// TestMany: of many dropped rows a few places are named.
func TestMany(t *testing.T) {
	text := `{"question":"q","answer":"#### 1"}` + strings.Repeat("\n"+`{"question":"q","answer":"?"}`, 1234)
	_, said := readAll(Source{Files: Files{put(t, "x", text)}})
	if want := "reading 1 example as gsm8k; dropped 1,234: no #### in the answer (FILE:2, FILE:3, FILE:4, FILE:5, FILE:6, ...)"; said != want {
		t.Errorf("%s, want %s", said, want)
	}
	if got := fmt.Sprint(Source{}.Given(), Source{Format: "text"}.Given()); got != "false true" {
		t.Error(got)
	}
}
