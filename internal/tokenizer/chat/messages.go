package chat

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"nfcot/internal/ckpt/jsontext"
)

// Message is a message of a conversation, as templates see it.
func Message(role, content string) Value {
	return NewDict("role", role, "content", content)
}

// ParseMessages reads a conversation: a JSON list of messages, or an object with one under
// "messages". See Messages.
func ParseMessages(text []byte) ([]Value, error) {
	v, err := ParseJSON(text)
	if err != nil {
		return nil, err
	}
	if whole, ok := v.(*Dict); ok {
		v, _ = whole.Get("messages")
	}
	list, ok := v.(*List)
	if !ok {
		return nil, errors.New(`want a list of messages, or an object with one under "messages"`)
	}
	return Messages(list)
}

// Messages are those of a list, each an object with a role. Where the content of one is a list
// of texts, it is made one text, in place: the templates of language models print a list as
// Python would.
func Messages(list *List) ([]Value, error) {
	for i, m := range list.items {
		d, ok := m.(*Dict)
		if !ok {
			return nil, fmt.Errorf("message %d is no object; want {\"role\": …, \"content\": …}", i+1)
		}
		role, _ := d.Get("role")
		if _, ok := role.(string); !ok {
			return nil, fmt.Errorf("message %d has no role; want {\"role\": …, \"content\": …}", i+1)
		}
		if err := joinText(d); err != nil {
			return nil, fmt.Errorf("message %d: %w", i+1, err)
		}
	}
	return list.items, nil
}

// joinText makes one text of a message's content that is a list of texts.
func joinText(message *Dict) error {
	content, _ := message.Get("content")
	parts, ok := content.(*List)
	if !ok {
		return nil
	}
	var whole strings.Builder
	for _, part := range parts.items {
		var kind, text Value
		if d, ok := part.(*Dict); ok {
			kind, _ = d.Get("type")
			text, _ = d.Get("text")
		}
		s, ok := text.(string)
		if kind != "text" || !ok {
			name, _ := kind.(string)
			return fmt.Errorf("content has a part of type %s; a language model reads parts of type text only", cmp.Or(name, "unknown"))
		}
		whole.WriteString(s)
	}
	message.Set("content", whole.String())
	return nil
}

// AppendJSON appends what ParseJSON reads as v: a value that has come from it, or is made of
// lists, dicts, texts, numbers, bools and nil.
func AppendJSON(out []byte, v Value) []byte {
	switch v := v.(type) {
	case bool:
		return strconv.AppendBool(out, v)
	case int64:
		return strconv.AppendInt(out, v, 10)
	case float64:
		return append(out, jsonFloat(v)...)
	case string:
		return append(out, jsontext.Quote(v)...)
	case *List:
		out = append(out, '[')
		for i, item := range v.items {
			if i > 0 {
				out = append(out, ',')
			}
			out = AppendJSON(out, item)
		}
		return append(out, ']')
	case *Dict:
		out = append(out, '{')
		for i, key := range v.keys {
			if i > 0 {
				out = append(out, ',')
			}
			out = AppendJSON(append(AppendJSON(out, key), ':'), v.values[i])
		}
		return append(out, '}')
	}
	return append(out, "null"...)
}
