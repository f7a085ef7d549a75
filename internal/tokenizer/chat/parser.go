package chat

import (
	"slices"
	"strings"
)

// The parser of statements: Jinja's, with its extensions for loop controls and {% generation %}.

type parser struct {
	tokens []token
	pos    int
	depth  int
	tags   []string // that are open
	marks  bool     // there was a {% generation %}
}

// maxNesting bounds how deep a template may be nested.
const maxNesting = 200

// enter counts a level of nesting; what it returns ends it.
func (p *parser) enter() func() {
	if p.depth++; p.depth > maxNesting {
		p.fail("the template is nested deeper than %d levels", maxNesting)
	}
	return func() { p.depth-- }
}

func (p *parser) current() token { return p.tokens[p.pos] }

func (p *parser) peek() token { return p.tokens[min(p.pos+1, len(p.tokens)-1)] }

func (p *parser) next() token {
	t := p.tokens[p.pos]
	p.pos = min(p.pos+1, len(p.tokens)-1)
	return t
}

func (p *parser) fail(format string, args ...any) { failAt(p.current().line, format, args...) }

// at tells whether the current token is of a kind, and if it is a name, one of the names given.
func (p *parser) at(kind string, names ...string) bool {
	t := p.current()
	return t.kind == kind && (len(names) == 0 || slices.Contains(names, t.text))
}

// skipIf moves over a token of a kind.
func (p *parser) skipIf(kind string, names ...string) bool {
	if p.at(kind, names...) {
		p.next()
		return true
	}
	return false
}

func (p *parser) expect(kind string) token {
	if !p.at(kind) {
		p.fail("TemplateSyntaxError: expected %s, got %s", kind, describe(p.current()))
	}
	return p.next()
}

func describe(t token) string {
	switch t.kind {
	case tokenName, tokenString:
		return "'" + t.text + "'"
	case tokenEOF:
		return "the end of the template"
	}
	return "'" + t.kind + "'"
}

// statements parses the body of a tag up to one of the tags that end it, whose name is then the current token.
func (p *parser) statements(ends ...string) []stmt {
	p.skipIf(":")
	p.expect(tokenBlockEnd)
	body := p.body(ends)
	if p.at(tokenEOF) {
		p.fail("TemplateSyntaxError: Unexpected end of template; %s is open, want {%% %s %%}", p.tags[len(p.tags)-1], strings.Join(ends, " %} or {% "))
	}
	return body
}

// body parses up to a tag named by ends, or to the end of the template.
func (p *parser) body(ends []string) (out []stmt) {
	defer p.enter()()
	for {
		switch t := p.current(); t.kind {
		case tokenEOF:
			return out
		case tokenData:
			out = append(out, &data{text: p.next().text})
		case tokenBegin:
			p.next()
			out = append(out, &show{of: p.tuple(nil, true), line: t.line})
			p.expect(tokenEnd)
		default:
			p.next() // block_begin
			if p.at(tokenName, ends...) && len(ends) > 0 {
				return out
			}
			out = append(out, p.statement())
			p.expect(tokenBlockEnd)
		}
	}
}

func (p *parser) statement() stmt {
	tag := p.expect(tokenName)
	p.tags = append(p.tags, tag.text)
	defer func() { p.tags = p.tags[:len(p.tags)-1] }()
	switch tag.text {
	case "for":
		return p.parseFor(tag.line)
	case "if":
		return p.parseIf(tag.line)
	case "set":
		return p.parseSet()
	case "macro":
		m := &macro{name: p.expect(tokenName).text}
		p.signature(m)
		m.body = p.statements("endmacro")
		p.next()
		return m
	case "call":
		return p.parseCall()
	case "filter":
		b := &filterBlock{filter: p.filters(nil, true).(*filter)}
		b.body = p.statements("endfilter")
		p.next()
		return b
	case "with":
		return p.parseWith()
	case "generation":
		p.marks = true
		g := &generation{caller: &macro{}}
		g.caller.body = p.statements("endgeneration")
		p.next()
		return g
	case "print":
		return p.parsePrint(tag.line)
	case "break":
		return &jump{broke}
	case "continue":
		return &jump{continued}
	case "block", "extends", "include", "import", "from", "autoescape":
		failAt(tag.line, "the tag {%% %s %%} is not supported", tag.text)
	}
	failAt(tag.line, "TemplateSyntaxError: Encountered unknown tag '%s'", tag.text)
	return nil
}

func (p *parser) parseFor(line int) stmt {
	l := &loop{line: line}
	l.target = p.target(func() bool { return p.at(tokenName, "in") }, false)
	if !p.skipIf(tokenName, "in") {
		p.fail("TemplateSyntaxError: expected 'in', got %s", describe(p.current()))
	}
	l.iter = p.tuple(func() bool { return p.at(tokenName, "recursive") }, false)
	if p.skipIf(tokenName, "if") {
		l.test = p.expression()
	}
	l.recursive = p.skipIf(tokenName, "recursive")
	l.body = p.statements("endfor", "else")
	if p.next().text == "else" {
		l.otherwise = p.statements("endfor")
		p.next()
	}
	return l
}

func (p *parser) parseIf(line int) stmt {
	b := &branch{line: line}
	for {
		b.tests = append(b.tests, p.tuple(nil, false))
		b.bodies = append(b.bodies, p.statements("elif", "else", "endif"))
		switch p.next().text {
		case "elif":
			continue
		case "else":
			b.bodies = append(b.bodies, p.statements("endif"))
			p.next()
		}
		return b
	}
}

func (p *parser) parseSet() stmt {
	target := p.target(nil, true)
	if p.skipIf("=") {
		return &assign{target: target, value: p.tuple(nil, true)}
	}
	b := &assignBlock{target: target}
	if p.at("|") {
		b.filter = p.filters(nil, false).(*filter)
	}
	b.body = p.statements("endset")
	p.next()
	return b
}

// signature parses the parameters of a macro.
func (p *parser) signature(m *macro) {
	p.expect("(")
	for !p.at(")") {
		if len(m.params) > 0 {
			p.expect(",")
		}
		m.params = append(m.params, p.expect(tokenName).text)
		if p.skipIf("=") {
			m.defaults = append(m.defaults, p.expression())
		} else if len(m.defaults) > 0 {
			p.fail("TemplateSyntaxError: non-default argument follows default argument")
		}
	}
	p.next()
}

func (p *parser) parseCall() stmt {
	b := &callBlock{caller: &macro{}}
	if p.at("(") {
		p.signature(b.caller)
	}
	called, ok := p.expression().(*call)
	if !ok {
		p.fail("TemplateSyntaxError: expected call")
	}
	b.call = called
	b.caller.body = p.statements("endcall")
	p.next()
	return b
}

func (p *parser) parseWith() stmt {
	w := &with{}
	for !p.at(tokenBlockEnd) {
		if len(w.targets) > 0 {
			p.expect(",")
		}
		w.targets = append(w.targets, p.target(nil, false))
		p.expect("=")
		w.values = append(w.values, p.expression())
	}
	w.body = p.statements("endwith")
	p.next()
	return w
}

func (p *parser) parsePrint(line int) stmt {
	out := &show{of: &constant{""}, line: line}
	var all []expr
	for !p.at(tokenBlockEnd) {
		if len(all) > 0 {
			p.expect(",")
		}
		all = append(all, p.expression())
	}
	if len(all) > 0 {
		out.of = &concat{items: all}
	}
	return out
}

// target parses what is assigned to: names, tuples of these and, if attributes is set, attributes of a namespace.
func (p *parser) target(end func() bool, attributes bool) target {
	var items []target
	isTuple := false
	for {
		if len(items) > 0 {
			p.expect(",")
		}
		if p.at(tokenBlockEnd) || p.at(")") || end != nil && end() {
			break
		}
		items = append(items, p.targetItem(attributes))
		if !p.at(",") {
			break
		}
		isTuple = true
	}
	if len(items) == 1 && !isTuple {
		return items[0]
	}
	if !isTuple {
		p.fail("TemplateSyntaxError: expected a name to assign to, got %s", describe(p.current()))
	}
	return &tupleTarget{items: items}
}

func (p *parser) targetItem(attributes bool) target {
	if p.skipIf("(") {
		defer p.enter()()
		inner := p.target(nil, false)
		p.expect(")")
		return inner
	}
	t := p.expect(tokenName)
	if slices.Contains([]string{"true", "True", "false", "False", "none", "None"}, t.text) {
		failAt(t.line, "TemplateSyntaxError: can't assign to '%s'", t.text)
	}
	if attributes && p.skipIf(".") {
		return &attributeTarget{of: &name{name: t.text}, attr: p.expect(tokenName).text}
	}
	return &nameTarget{name: t.text}
}
