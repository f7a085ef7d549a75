package chat

import "slices"

// The parser of expressions, from what binds least to what binds most.

// tuple parses expressions with commas between, which make a tuple, or one expression. end says where it may end early.
func (p *parser) tuple(end func() bool, withCondition bool) expr {
	parse := p.or
	if withCondition {
		parse = p.expression
	}
	items, isTuple := p.tupleItems(end, parse)
	if isTuple {
		return &tuple{items}
	}
	if len(items) == 0 {
		p.fail("TemplateSyntaxError: Expected an expression, got %s", describe(p.current()))
	}
	return items[0]
}

func (p *parser) tupleItems(end func() bool, parse func() expr) (items []expr, isTuple bool) {
	for {
		if len(items) > 0 {
			p.expect(",")
		}
		if p.at(tokenEnd) || p.at(tokenBlockEnd) || p.at(")") || end != nil && end() {
			return items, isTuple
		}
		items = append(items, parse())
		if !p.at(",") {
			return items, isTuple
		}
		isTuple = true
	}
}

func (p *parser) expression() expr {
	defer p.enter()()
	out := p.or()
	for p.skipIf(tokenName, "if") {
		c := &condition{test: p.or(), then: out}
		if p.skipIf(tokenName, "else") {
			c.otherwise = p.expression()
		}
		out = c
	}
	return out
}

func (p *parser) or() expr {
	left := p.and()
	for n := 0; p.skipIf(tokenName, "or"); n++ {
		p.chain(n)
		left = &or{left, p.and()}
	}
	return left
}

func (p *parser) and() expr {
	left := p.not()
	for n := 0; p.skipIf(tokenName, "and"); n++ {
		p.chain(n)
		left = &and{left, p.not()}
	}
	return left
}

// chain bounds how many operators stand in a row, since their tree is as deep.
func (p *parser) chain(n int) {
	if n > 10*maxNesting {
		p.fail("more than %d operators in a row", 10*maxNesting)
	}
}

func (p *parser) not() expr {
	if p.skipIf(tokenName, "not") {
		defer p.enter()()
		return &not{p.not()}
	}
	return p.compare()
}

func (p *parser) compare() expr {
	c := &compared{first: p.sum()}
	for {
		switch t := p.current(); {
		case p.skipIf("==") || p.skipIf("!=") || p.skipIf("<") || p.skipIf("<=") || p.skipIf(">") || p.skipIf(">="):
			c.ops = append(c.ops, t.kind)
		case p.skipIf(tokenName, "in"):
			c.ops = append(c.ops, "in")
		case p.at(tokenName, "not") && p.peek().kind == tokenName && p.peek().text == "in":
			p.next()
			p.next()
			c.ops = append(c.ops, "not in")
		case len(c.ops) == 0:
			return c.first
		default:
			return c
		}
		c.rest = append(c.rest, p.sum())
	}
}

// binaries parses operands with operators between, which bind to the left.
func (p *parser) binaries(operand func() expr, ops ...string) expr {
	left := operand()
	for n := 0; ; n++ {
		op := ""
		for _, o := range ops {
			if p.at(o) {
				op = o
			}
		}
		if op == "" {
			return left
		}
		p.chain(n)
		p.next()
		left = &binary{op, left, operand()}
	}
}

func (p *parser) sum() expr { return p.binaries(p.concat, "+", "-") }

func (p *parser) concat() expr {
	items := []expr{p.product()}
	for p.skipIf("~") {
		items = append(items, p.product())
	}
	if len(items) == 1 {
		return items[0]
	}
	return &concat{items}
}

func (p *parser) product() expr { return p.binaries(p.power, "*", "/", "//", "%") }

// power binds to the left in Jinja, unlike in Python.
func (p *parser) power() expr {
	return p.binaries(func() expr { return p.unary(true) }, "**")
}

func (p *parser) unary(withFilter bool) expr {
	defer p.enter()()
	var out expr
	switch {
	case p.skipIf("-"):
		out = &unary{"-", p.unary(false)}
	case p.skipIf("+"):
		out = &unary{"+", p.unary(false)}
	default:
		out = p.primary()
	}
	out = p.postfix(out)
	if withFilter {
		out = p.filterExpr(out)
	}
	return out
}

func (p *parser) primary() expr {
	switch t := p.current(); t.kind {
	case tokenName:
		p.next()
		switch t.text {
		case "true", "True":
			return &constant{true}
		case "false", "False":
			return &constant{false}
		case "none", "None":
			return &constant{nil}
		}
		return &name{name: t.text}
	case tokenString:
		text := ""
		for p.at(tokenString) {
			text += p.next().text
		}
		return &constant{text}
	case tokenInteger, tokenFloat:
		return &constant{p.next().num}
	case "(":
		p.next()
		items, isTuple := p.tupleItems(nil, p.expression)
		p.expect(")")
		if isTuple || len(items) == 0 {
			return &tuple{items}
		}
		return items[0]
	case "[":
		p.next()
		return &list{p.listItems("]")}
	case "{":
		return p.dict()
	}
	p.fail("TemplateSyntaxError: unexpected %s", describe(p.current()))
	return nil
}

// listItems parses expressions with commas between, up to a bracket.
func (p *parser) listItems(end string) (items []expr) {
	for !p.at(end) {
		if len(items) > 0 {
			p.expect(",")
			if p.at(end) {
				break
			}
		}
		items = append(items, p.expression())
	}
	p.next()
	return items
}

func (p *parser) dict() expr {
	d := &dict{}
	p.next()
	for !p.at("}") {
		if len(d.keys) > 0 {
			p.expect(",")
			if p.at("}") {
				break
			}
		}
		d.keys = append(d.keys, p.expression())
		p.expect(":")
		d.values = append(d.values, p.expression())
	}
	p.next()
	return d
}

func (p *parser) postfix(of expr) expr {
	for n := 0; ; n++ {
		p.chain(n)
		switch {
		case p.at("."), p.at("["):
			of = p.subscript(of)
		case p.at("("):
			of = p.call(of)
		default:
			return of
		}
	}
}

func (p *parser) filterExpr(of expr) expr {
	for n := 0; ; n++ {
		p.chain(n)
		switch {
		case p.at("|"):
			of = p.filters(of, false)
		case p.at(tokenName, "is"):
			of = p.test(of)
		case p.at("("):
			of = p.call(of)
		default:
			return of
		}
	}
}

func (p *parser) subscript(of expr) expr {
	if p.skipIf(".") {
		switch t := p.next(); t.kind {
		case tokenName:
			return &attribute{of, t.text}
		case tokenInteger:
			return &item{of, &constant{t.num}}
		default:
			failAt(t.line, "TemplateSyntaxError: expected name or number, got %s", describe(t))
		}
	}
	p.expect("[")
	var keys []expr
	var cut *slice
	for !p.at("]") {
		if len(keys) > 0 || cut != nil {
			p.expect(",")
		}
		key, isSlice := p.subscribed(of)
		if isSlice != nil && len(keys) == 0 && cut == nil {
			cut = isSlice
		} else if isSlice != nil || cut != nil {
			p.fail("slices beside other subscripts are not supported")
		} else {
			keys = append(keys, key)
		}
	}
	p.next()
	switch {
	case cut != nil:
		return cut
	case len(keys) == 1:
		return &item{of, keys[0]}
	}
	return &item{of, &tuple{keys}}
}

// subscribed parses an index or a slice.
func (p *parser) subscribed(of expr) (expr, *slice) {
	cut := &slice{of: of}
	if !p.skipIf(":") {
		index := p.expression()
		if !p.skipIf(":") {
			return index, nil
		}
		cut.start = index
	}
	if !p.at(":") && !p.at("]") && !p.at(",") {
		cut.stop = p.expression()
	}
	if p.skipIf(":") && !p.at("]") && !p.at(",") {
		cut.step = p.expression()
	}
	return nil, cut
}

func (p *parser) call(of expr) expr {
	line := p.current().line
	return &call{of: of, args: p.arguments(), line: line}
}

func (p *parser) arguments() (args arguments) {
	line := p.expect("(").line
	ensure := func(ok bool) {
		if !ok {
			failAt(line, "TemplateSyntaxError: invalid syntax for function call expression")
		}
	}
	for comma := false; !p.at(")"); comma = true {
		if comma {
			p.expect(",")
			if p.at(")") {
				break
			}
		}
		switch {
		case p.skipIf("*"):
			ensure(args.star == nil && args.dict == nil)
			args.star = p.expression()
		case p.skipIf("**"):
			ensure(args.dict == nil)
			args.dict = p.expression()
		case p.at(tokenName) && p.peek().kind == "=":
			ensure(args.dict == nil && !slices.Contains(args.names, p.current().text))
			args.names = append(args.names, p.next().text)
			p.next()
			args.keyword = append(args.keyword, p.expression())
		default:
			ensure(args.star == nil && args.dict == nil && len(args.names) == 0)
			args.positional = append(args.positional, p.expression())
		}
	}
	p.next()
	return args
}

// filters parses filters that follow each other; inline says that the first one has no bar before it.
func (p *parser) filters(of expr, inline bool) expr {
	for inline || p.at("|") {
		if !inline {
			p.next()
		}
		inline = false
		t := p.expect(tokenName)
		f := &filter{of: of, name: p.dotted(t.text), line: t.line}
		if p.at("(") {
			f.args = p.arguments()
		}
		of = f
	}
	return of
}

// dotted is a name that goes on after a dot.
func (p *parser) dotted(name string) string {
	for p.skipIf(".") {
		name += "." + p.expect(tokenName).text
	}
	return name
}

func (p *parser) test(of expr) expr {
	line := p.next().line
	negated := p.skipIf(tokenName, "not")
	t := &test{of: of, name: p.dotted(p.expect(tokenName).text), line: line}
	switch p.current().kind {
	case "(":
		t.args = p.arguments()
	case tokenName, tokenString, tokenInteger, tokenFloat, "[", "{":
		if p.at(tokenName, "else", "or", "and") {
			break
		}
		if p.at(tokenName, "is") {
			p.fail("TemplateSyntaxError: You cannot chain multiple tests with is")
		}
		t.args.positional = []expr{p.postfix(p.primary())}
	}
	if negated {
		return &not{t}
	}
	return t
}
