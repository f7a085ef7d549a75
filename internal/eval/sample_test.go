package eval

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"nfcot/internal/ckpt/jsontext"
)

// encode is JSON as files have it, without escapes for HTML.
func encode(t *testing.T, v any) string {
	t.Helper()
	out, err := jsontext.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestUnknownKeysSurvive(t *testing.T) {
	line := `{"zeta":1e400,"task_id":"a/0","big":123456789012345678901234567890,"completion":"x < y\n","Task_ID":"other",` +
		`"nested":{"b":[1.50,null],"a":"<>"},"logp_text":null,"seed":0,"empty":""}`
	var s Sample
	if err := json.Unmarshal([]byte(line), &s); err != nil {
		t.Fatal(err)
	}
	extra := `"zeta":1e400,"big":123456789012345678901234567890,"Task_ID":"other","nested":{"b":[1.50,null],"a":"<>"},"empty":""`
	known := `"task_id":"a/0","completion":"x < y\n","seed":0,"logp_text":null`
	if got, want := encode(t, s), "{"+known+","+extra+"}"; got != want {
		t.Errorf("sample:\n got %s\nwant %s", got, want)
	}
	v := NewVerdict(s, Outcome{Kind: Failed, Detail: "why", Seconds: 0.5})
	want := "{" + known + `,"passed":false,"result":"failed: why","seconds":0.5,` + extra + "}"
	if got := encode(t, v); got != want {
		t.Errorf("verdict:\n got %s\nwant %s", got, want)
	}
	var back Verdict
	if err := json.Unmarshal([]byte(want), &back); err != nil {
		t.Fatal(err)
	}
	if got := encode(t, back); got != want {
		t.Errorf("verdict read and written:\n got %s\nwant %s", got, want)
	}

	// A verdict judged again has no second verdict in it.
	if err := json.Unmarshal([]byte(want), &s); err != nil {
		t.Fatal(err)
	}
	want = "{" + known + `,"passed":true,"result":"passed","seconds":2,` + extra + "}"
	if got := encode(t, NewVerdict(s, Outcome{Kind: Passed, Seconds: 2})); got != want {
		t.Errorf("second verdict:\n got %s\nwant %s", got, want)
	}
}

// TestKeysTwice: of a key that comes twice the last value counts, at the first place.
func TestKeysTwice(t *testing.T) {
	var s Sample
	line := `{"x":1,"task_id":"a","completion":"one","y":0,"x":[2],"completion":"two"}`
	if err := json.Unmarshal([]byte(line), &s); err != nil {
		t.Fatal(err)
	}
	if got, want := encode(t, s), `{"task_id":"a","completion":"two","x":[2],"y":0}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestSampleRoundTrip(t *testing.T) {
	thoughts := -12.25
	s := Sample{
		TaskID: "t", Completion: "\tc", Seed: -1 << 63, ReasoningPositions: 4, AnswerTokens: 5, LogPThoughts: &thoughts,
		Finished: true, ThinkSeconds: .125, AnswerSeconds: .25, ThinkFLOPs: 1e12, AnswerFLOPs: 2e12,
		Extra: []Field{{Key: "k", Value: json.RawMessage(`[1]`)}},
	}
	line := encode(t, s)
	want := `{"task_id":"t","completion":"\tc","seed":-9223372036854775808,"reasoning_positions":4,"answer_tokens":5,` +
		`"logp_thoughts":-12.25,"logp_text":null,"finished":true,"think_seconds":0.125,"answer_seconds":0.25,` +
		`"think_flops":1000000000000,"answer_flops":2000000000000,"k":[1]}`
	if line != want {
		t.Errorf("\n got %s\nwant %s", line, want)
	}
	var back Sample
	if err := json.Unmarshal([]byte(line), &back); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(back, s) {
		t.Errorf("got %+v, want %+v", back, s)
	}
}

func TestBadSamples(t *testing.T) {
	for _, tt := range []struct{ line, want string }{
		{`{"task_id":"a"}`, `key "completion" is missing (or "solution", a whole program)`},
		{`{"task_id":"a","completion":null,"solution":null}`, `key "completion" is missing (or "solution", a whole program)`},
		{`{"task_id":"a","solution":1}`, `key "solution": found a number, expected a string`},
		{`{"completion":"a"}`, `key "task_id" is missing`},
		{`{"task_id":3.5,"completion":"a"}`, `key "task_id": found 3.5, expected a string or a whole number`},
		{`{"task_id":["a"],"completion":"a"}`, `key "task_id": found ["a"], expected a string or a whole number`},
		{`{"task_id":"\ud800","completion":"a"}`, `key "task_id": found \ud800, half of a surrogate pair, which is no character`},
		{`{"task_id":"a","completion":["a"]}`, `key "completion": found an array, expected a string`},
		{`[1]`, `found an array, expected an object`},
	} {
		var s Sample
		err := json.Unmarshal([]byte(tt.line), &s)
		if err == nil || err.Error() != tt.want {
			t.Errorf("%s: got error %v, want %s", tt.line, err, tt.want)
		}
	}
}

// TestMetadataOfOthers: what other tools write under any key is no error, and is kept.
func TestMetadataOfOthers(t *testing.T) {
	for _, tt := range []struct{ line, want string }{
		{`{"task_id":"a","completion":"b","seed":1.0,"answer_tokens":12.0}`, `{"task_id":"a","completion":"b","seed":1,"answer_tokens":12}`},
		{`{"seed":"abc","task_id":"a","completion":"b"}`, `{"task_id":"a","completion":"b","seed":"abc"}`},
		{`{"task_id":"a","completion":"b","seed":18446744073709551615,"finished":"stop"}`, `{"task_id":"a","completion":"b","seed":18446744073709551615,"finished":"stop"}`},
		{`{"task_id":"a","completion":"b","logp_text":-Infinity,"score":NaN, "all": [ Infinity, 1.0 ]}`, `{"task_id":"a","completion":"b","logp_text":-Infinity,"score":NaN,"all":[Infinity,1.0]}`},
		{`{"task_id":"a","completion":"b","seed":7,"seed":null,"think_flops":1e999}`, `{"task_id":"a","completion":"b","seed":7,"think_flops":1e999}`},
		{`{"task_id":7.0,"completion":"\ud83d\ud83d\ude00","x":"\udfff"}`, `{"task_id":"7","completion":"\ud83d😀","x":"\udfff"}`},
		{`{"task_id":"a","solution":"\uD800<"}`, `{"task_id":"a","solution":"\ud800<"}`},
	} {
		var s Sample
		if err := s.UnmarshalJSON([]byte(tt.line)); err != nil {
			t.Fatalf("%s: %v", tt.line, err)
		}
		if got := encode(t, s); got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.line, got, tt.want)
		}
		want := strings.TrimSuffix(tt.want, "}")
		got := encode(t, NewVerdict(s, Outcome{Kind: Passed}))
		var back Verdict
		if err := back.UnmarshalJSON([]byte(got)); err != nil || encode(t, back) != got || !strings.Contains(got, `"passed":true`) {
			t.Errorf("%s: the verdict %s came back as %s (%v), want %s...", tt.line, got, encode(t, back), err, want)
		}
	}
}

func TestSolutionsAndNumberedTasks(t *testing.T) {
	for _, tt := range []struct{ line, want string }{
		{`{"task_id":11,"solution":"x = 1\n"}`, `{"task_id":"11","solution":"x = 1\n"}`},
		{`{"solution":"","task_id":"a","completion":"b"}`, `{"task_id":"a","completion":"b","solution":""}`},
		{`{"task_id":"a","completion":"","solution":null}`, `{"task_id":"a","completion":""}`},
	} {
		var s Sample
		if err := json.Unmarshal([]byte(tt.line), &s); err != nil {
			t.Fatal(err)
		}
		if got := encode(t, s); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.line, got, tt.want)
		}
	}
	if got := encode(t, NewVerdict(Sample{TaskID: "a", Solution: new("s")}, Outcome{Kind: Passed})); !strings.Contains(got, `"solution":"s"`) {
		t.Errorf("a verdict without its solution: %s", got)
	}
}

func TestKindOf(t *testing.T) {
	for _, kind := range []Kind{Passed, Failed, TimedOut, OutOfMemory, Crashed} {
		if got := KindOf(Outcome{Kind: kind, Detail: "a: b"}.Result()); got != kind {
			t.Errorf("KindOf of %q: got %q", kind, got)
		}
	}
}
