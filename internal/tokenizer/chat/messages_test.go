package chat

import (
	"strings"
	"testing"
)

func TestParseMessages(t *testing.T) {
	for text, want := range map[string]string{
		`[{"role":"user","content":"a"}]`: `[{"role":"user","content":"a"}]`,
		`{"messages":[{"content":[{"type":"text","text":"a "},{"text":"b","type":"text"}],"role":"user"}],"x":1}`:        `[{"content":"a b","role":"user"}]`,
		`[{"role":"assistant","content":null,"calls":[{"n":-1.50,"k":NaN,"big":12345678901234567,"t":true,"é<":"\n"}]}]`: `[{"role":"assistant","content":null,"calls":[{"n":-1.5,"k":NaN,"big":12345678901234567,"t":true,"é<":"\n"}]}]`,
		`[]`: `[]`,
	} {
		messages, err := ParseMessages([]byte(text))
		if got := string(AppendJSON(nil, NewList(messages...))); err != nil || got != want {
			t.Errorf("%s: %s (%v), want %s", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		`3`:                   "want a list of messages",
		`{"messages":{}}`:     "want a list of messages",
		`[3]`:                 "message 1 is no object",
		`[{"content":"a"}]`:   "message 1 has no role",
		`[{"role":7}]`:        "message 1 has no role",
		`[{"role":"user"`:     "line 1: ",
		`[{"role":"\ud800"}]`: "half of a surrogate pair",
		`[{"role":"user","content":[{"type":"image_url","image_url":{"url":"x"}}]}]`: "message 1: content has a part of type image_url",
		`[{"role":"user","content":["a"]}]`:                                          "message 1: content has a part of type unknown",
		`[{"role":"user","content":[{"type":"text"}]}]`:                              "message 1: content has a part of type text",
	} {
		if _, err := ParseMessages([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %s", text, err, want)
		}
	}
}
