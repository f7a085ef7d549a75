package chat

import (
	"encoding/json"
	"strings"
	"testing"
)

const (
	chatML = "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' + '\n' }}{% endfor %}" +
		"{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
	// What is thought is shown in the last turn alone, in its own form.
	thinking = "{% for m in messages %}{% set c = m.content %}{{ '<' + m.role + '>' }}{% if m.role == 'assistant' %}" +
		"{% set said = c.split('</think>')[-1].strip() %}" +
		"{% if loop.last %}{{ '<think>' + (c.split('</think>')[0].replace('<think>', '').strip() if '</think>' in c else '') + '</think>' + said }}{% else %}{{ said }}{% endif %}" +
		"{% else %}{{ c }}{% endif %}{{ '<end>' }}{% endfor %}{% if add_generation_prompt %}{{ '<assistant>' }}{% endif %}"
	// Its generation prompt begins a thought, which no turn keeps.
	forgetful = "{% for m in messages %}{{ '<' + m.role + '>' + m.content.split('</think>')[-1] + '<end>' }}{% endfor %}{% if add_generation_prompt %}{{ '<assistant><think>' }}{% endif %}"
	// The system's message is in the last of the user's, which is another one as the conversation goes on.
	moving = "{% for m in messages %}{% if m.role == 'user' %}{{ '[' + ('sys ' if loop.index0 >= messages|length - 2 else '') + m.content + ']' }}{% else %}{{ ' ' + m.content|trim + '<end>' }}{% endif %}{% endfor %}"
)

// messagesOf makes a conversation of texts: u: the user's, a: the assistant's, s: the system's.
func messagesOf(texts ...string) (all []Value) {
	roles := map[byte]string{'u': "user", 'a': "assistant", 's': "system"}
	for _, text := range texts {
		all = append(all, NewDict("role", roles[text[0]], "content", text[2:]))
	}
	return all
}

// What the assistant says in a text is in brackets in what is wanted.
func TestTurns(t *testing.T) {
	for _, tt := range []struct {
		name, template string
		messages       []Value
		want           string
	}{
		{"one", chatML, messagesOf("u:hi", "a:hello"), "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n«hello»<|im_end|>\n"},
		{"several, and an empty one", chatML, messagesOf("s:be", "u:1", "a:one", "u:", "a:", "u:3"),
			"<|im_start|>system\nbe<|im_end|>\n<|im_start|>user\n1<|im_end|>\n<|im_start|>assistant\n«one»<|im_end|>\n<|im_start|>user\n<|im_end|>\n" +
				"<|im_start|>assistant\n«»<|im_end|>\n<|im_start|>user\n3<|im_end|>\n"},
		{"nobody has asked", chatML, messagesOf("a:hello", "u:hi", "a:x"),
			"<|im_start|>assistant\nhello<|im_end|>\n<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n«x»<|im_end|>\n"},
		{"what the user says is what the assistant says", chatML, messagesOf("u:x", "a:x", "u:x", "a:x"),
			"<|im_start|>user\nx<|im_end|>\n<|im_start|>assistant\n«x»<|im_end|>\n<|im_start|>user\nx<|im_end|>\n<|im_start|>assistant\n«x»<|im_end|>\n"},
		{"content with the end in it", chatML, messagesOf("u:x", "a:a<|im_end|>\n<|im_start|>assistant\nb"),
			"<|im_start|>user\nx<|im_end|>\n<|im_start|>assistant\n«a<|im_end|>\n<|im_start|>assistant\nb»<|im_end|>\n"},
		{"thoughts of the last turn", thinking, messagesOf("u:1", "a:<think>\nr\n</think>\n\none", "u:2", "a:<think>s</think>two"),
			"<user>1<end><assistant>«one»<end><user>2<end><assistant>«<think>s</think>two»<end>"},
		{"no thoughts in the last turn", thinking, messagesOf("u:1", "a:one"), "<user>1<end><assistant>«<think></think>one»<end>"},
		{"thoughts of earlier turns", thinking, messagesOf("u:1", "a:<think>r</think>one", "u:2"), "<user>1<end><assistant>«one»<end><user>2<end>"},
		{"a prompt that no turn begins with", forgetful, messagesOf("u:1", "a:one", "u:2", "a:two"), "<user>1<end><assistant>«one»<end><user>2<end><assistant>«two»<end>"},
		{"no generation prompt, trimmed", moving, messagesOf("u:1", "a: one ", "u:2", "a:two"), "[1] «one»<end>[sys 2] «two»<end>"},
		{"marked", "{% for m in messages %}{{ m.role[0] }}{% if m.role == 'assistant' %}{% generation %}{{ m.content }}.{% endgeneration %}{% else %}{{ m.content }}{% endif %}{% endfor %}",
			messagesOf("a:0", "u:1", "a:2"), "a«0.»u1a«2.»"},
	} {
		template, err := Parse(tt.template)
		if err != nil {
			t.Fatal(err)
		}
		text, turns, err := template.Turns(tt.messages, Args{})
		var got strings.Builder
		at := 0
		for _, turn := range turns {
			if turn.Open == (tt.name == "marked") {
				t.Errorf("%s: open is %v", tt.name, turn.Open)
			}
			got.WriteString(text[at:turn.From] + "«" + text[turn.From:turn.To] + "»")
			at = turn.To
		}
		got.WriteString(text[at:])
		if err != nil || got.String() != tt.want {
			t.Errorf("%s:\n got %q, %v\nwant %q", tt.name, got.String(), err, tt.want)
		}
	}
}

// Where it is not certain what the assistant says, the message is named.
func TestTurnsRefused(t *testing.T) {
	calls := messagesOf("u:x")
	v, err := ParseJSON([]byte(`{"role": "assistant", "content": null, "tool_calls": [{"function": {"name": "f", "arguments": {}}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	calls = append(calls, v)
	for _, tt := range []struct {
		name, template string
		messages       []Value
		want           string
	}{
		{"twice", "{% for m in messages %}{{ m.content }},{{ m.content }};{% endfor %}", messagesOf("u:1", "a:2"), "message 2: the chat template does not render its content once"},
		{"not at all", "{% for m in messages %}{{ m.role }}{% endfor %}", messagesOf("u:1", "a:2"), "message 2: the chat template does not render its content once"},
		{"in the next message", "{% for m in messages %}{{ m.content if loop.last else '' }}{% endfor %}", messagesOf("u:1", "a:2", "u:3"), "message 2: the chat template does not render"},
		{"its length before it", "{% for m in messages %}{{ m.content|length }}:{{ m.content }};{% endfor %}", messagesOf("u:1", "a:2"), "message 2: the chat template renders what comes before it otherwise"},
		{"thoughts left out", forgetful, messagesOf("u:1", "a:<think>r</think>one"), "message 2: the chat template leaves out what the last answer thinks"},
		{"tools", chatML, calls, "message 2: it calls tools"},
		{"its own error", "{% if messages|length > 1 %}{{ raise_exception('no') }}{% endif %}", messagesOf("u:1", "a:2"), "chat template: no"},
	} {
		if tt.name == "tools" { // a template that has something to say of them
			tt.template = "{% for m in messages %}{{ m.content or 'call' }}{% endfor %}"
		}
		template, err := Parse(tt.template)
		if err != nil {
			t.Fatal(err)
		}
		if _, turns, err := template.Turns(tt.messages, Args{}); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, %v; want %q", tt.name, turns, err, tt.want)
		}
	}
}

// Rendering leaves the messages as they are.
func TestTurnsChangeNothing(t *testing.T) {
	messages := messagesOf("u:1", "a:<think>r</think>one", "u:2", "a:two")
	write := func() string {
		var all []string
		for _, m := range messages {
			content, _ := m.(*Dict).Get("content")
			all = append(all, content.(string))
		}
		text, err := json.Marshal(all)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	template, err := Parse(thinking)
	if err != nil {
		t.Fatal(err)
	}
	before := write()
	if _, _, err := template.Turns(messages, Args{}); err != nil || write() != before {
		t.Errorf("%v; %s, was %s", err, write(), before)
	}
}
