package data

import (
	"errors"
	"fmt"
	"slices"

	"nfcot/internal/cot"
	"nfcot/internal/tokenizer/chat"
)

// speakers are the roles of messages by the names that files have for them. A call of
// ShareGPT's is the assistant's, what comes of it the tool's.
var speakers = map[string]string{
	"system": "system", "developer": "developer", "user": "user", "assistant": "assistant", "tool": "tool", "function": "function", "ipython": "ipython",
	"human": "user", "gpt": "assistant", "observation": "tool", "function_call": "assistant",
}

// conversation reads the conversation of a row, a list under key. One without an answer is
// dropped.
func conversation(r *row, key, rule string) (ex cot.Example, dropped string, err error) {
	if rule != "" {
		return ex, "", r.errorf("found a conversation, whose chain of thought its template writes; leave --cot-from out")
	}
	if r.fields[key].isNull() {
		return ex, "no conversation", nil
	}
	for _, tools := range []string{"tools", "functions"} {
		if v, ok := r.fields[tools]; ok && !v.isEmpty() {
			return ex, "", r.errorf("key %q: conversations with definitions of tools are not supported", tools)
		}
	}
	v, err := chat.ParseJSON(r.fields[key].asJSON())
	if err != nil {
		return ex, "", r.errorf("key %q: %w", key, err)
	}
	list, ok := v.(*chat.List)
	if !ok {
		return ex, "", r.errorf("key %q: want a list of messages", key)
	}
	all := make([]chat.Value, len(list.Items()))
	for i, m := range list.Items() {
		if all[i], err = message(m); err != nil {
			return ex, "", r.errorf("message %d: %w", i+1, err)
		}
	}
	if all, err = withSystem(r, all); err != nil {
		return ex, "", err
	}
	if all, err = chat.Messages(chat.NewList(all...)); err != nil {
		return ex, "", r.errorf("%w", err)
	}
	if dropped, err = checkMessages(r, all); err != nil || dropped != "" {
		return ex, dropped, err
	}
	for i, m := range all {
		if err := checkLearned(m.(*chat.Dict)); err != nil {
			return ex, "", r.errorf("message %d: %w", i+1, err)
		}
	}
	ex.Messages = cot.Messages(chat.AppendJSON(nil, chat.NewList(all...)))
	return ex, "", nil
}

// message is a message of a file with a role and a content that templates know, without keys
// that have null. It may be ShareGPT's, with from and value.
func message(v chat.Value) (chat.Value, error) {
	given, ok := v.(*chat.Dict)
	if !ok {
		return nil, errors.New(`is no object; want {"role": ..., "content": ...}, or {"from": ..., "value": ...}`)
	}
	m := chat.NewDict()
	for key, value := range given.All() {
		switch {
		case key == "from":
			key = "role"
		case key == "value":
			key = "content"
		}
		if _, twice := m.Get(key); twice {
			return nil, fmt.Errorf("has two keys for its %s", key)
		}
		if value != nil {
			m.Set(key, value)
		}
	}
	role, _ := m.Get("role")
	name, ok := role.(string)
	if !ok {
		return nil, errors.New(`has no role; want {"role": ..., "content": ...}, or {"from": ..., "value": ...}`)
	}
	known, ok := speakers[name]
	if !ok {
		return nil, fmt.Errorf("found the role %s, expected system, developer, user, assistant, tool, function or ipython, or ShareGPT's human, gpt, observation or function_call", name)
	}
	m.Set("role", known)
	if name == "function_call" {
		return m, calls(m)
	}
	return m, nil
}

// weights are the keys by which fine-tuning tools say whether, or how much, a message is learned.
var weights = []string{"weight", "loss", "train", "training"}

// checkLearned refuses a message of the assistant's that says that it is not to be learned, or
// not as much as others: all of them are, alike.
func checkLearned(m *chat.Dict) error {
	if role, _ := m.Get("role"); role != "assistant" {
		return nil
	}
	for _, key := range weights {
		if v, given := m.Get(key); given && v != true && v != int64(1) && v != 1.0 {
			return fmt.Errorf("found %q: %s, and all that the assistant says is learned alike; leave the message out, or the key", key, chat.AppendJSON(nil, v))
		}
	}
	return nil
}

// calls makes of a content that is JSON, a call or a list of them, what templates know as
// calls.
func calls(m *chat.Dict) error {
	content, _ := m.Get("content")
	text, _ := content.(string)
	v, err := chat.ParseJSON([]byte(text))
	if err != nil {
		return fmt.Errorf("function_call: %w", err)
	}
	list, ok := v.(*chat.List)
	if !ok {
		list = chat.NewList(v)
	}
	all := slices.Clone(list.Items())
	for i, v := range all {
		call, ok := v.(*chat.Dict)
		if !ok {
			return errors.New(`function_call: found no object, expected {"name": ..., "arguments": ...}`)
		}
		if name, _ := call.Get("name"); name == nil {
			return errors.New(`function_call: found no name, expected {"name": ..., "arguments": ...}`)
		}
		if arguments, _ := call.Get("arguments"); arguments == nil {
			call.Set("arguments", chat.NewDict())
		}
		all[i] = chat.NewDict("type", "function", "function", call)
	}
	m.Set("content", "")
	m.Set("tool_calls", chat.NewList(all...))
	return nil
}

// withSystem puts the text that a row has for the system before its messages.
func withSystem(r *row, all []chat.Value) ([]chat.Value, error) {
	text, err := r.text("system")
	if err != nil || text == "" {
		return all, err
	}
	if len(all) > 0 {
		if role, _ := all[0].(*chat.Dict).Get("role"); role == "system" {
			return nil, r.errorf("there is a system's message both in the conversation and under the key system")
		}
	}
	return slices.Insert(all, 0, chat.Message("system", text)), nil
}

// checkMessages refuses a content that is no text, and drops a conversation that lacks one, or
// an answer. A message of calls needs none.
func checkMessages(r *row, all []chat.Value) (dropped string, err error) {
	answered := false
	for i, m := range all {
		m := m.(*chat.Dict)
		role, _ := m.Get("role")
		content, ok := m.Get("content")
		_, calls := m.Get("tool_calls")
		if _, text := content.(string); ok && !text {
			return "", r.errorf("message %d: found a content that is no text", i+1)
		}
		if !ok && !calls {
			dropped = "a message without content"
		}
		answered = answered || role == "assistant"
	}
	if !answered {
		return "no turn of the assistant's", nil
	}
	return dropped, nil
}
