package data

import (
	"testing"

	"nfcot/internal/ckpt/jsontext"
)

// TestOwn: what is written is read back as the same examples.
func TestOwn(t *testing.T) {
	text := firstExample + "\n" + secondExample + "\n" + `{"task_id":"x\u2028","messages":[{"role":"assistant","content":"a","score":NaN}]}` + "\n" + `{"messages":[{"role":"assistant","content":"é"}]}`
	want, _, err := Source{Files: Files{put(t, "x", text)}}.Read()
	if err != nil || len(want) != 4 {
		t.Fatal(want, err)
	}
	written := ""
	for line, err := range Own(t.Context(), NewReader(Source{Files: Files{put(t, "x", text)}})) {
		if err != nil {
			t.Fatal(err)
		}
		text, err := jsontext.Marshal(line)
		if err != nil {
			t.Fatal(err)
		}
		written += string(text) + "\n"
	}
	got, _, err := Source{Files: Files{put(t, "y", written)}}.Read()
	if err != nil || len(got) != len(want) {
		t.Fatalf("%s: %v (%v)", written, got, err)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%+v came back as %+v", want[i], got[i])
		}
	}
}
