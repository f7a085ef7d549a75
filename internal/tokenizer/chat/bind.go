package chat

// Binding: every name gets its place, and what Jinja refuses before a template runs is refused.

// A binder binds the statements of a scope.
type binder struct {
	*symbols
	inLoop bool // break and continue have a loop to leave
	soft   bool // inside an if, an unknown filter or test only fails when it runs
}

// bindTemplate binds a whole template and returns its scope.
func bindTemplate(body []stmt) *scope {
	top := (*symbols)(nil).inner()
	top.statements(body)
	scope := top.finish()
	binder{symbols: top}.statements(body)
	return scope
}

// inner opens a scope.
func (b binder) inner() binder { return binder{symbols: b.symbols.inner()} }

func (b binder) statements(body []stmt) {
	for _, st := range body {
		b.statement(st)
	}
}

func (b binder) statement(st stmt) {
	switch st := st.(type) {
	case *show:
		b.expr(st.of)
	case *branch:
		b.soft = true
		for _, t := range st.tests {
			b.expr(t)
		}
		for _, body := range st.bodies {
			b.statements(body)
		}
	case *loop:
		b.loop(st)
	case *assign:
		b.expr(st.value)
		b.target(st.target)
	case *assignBlock:
		in := b.inner()
		in.symbols.statements(st.body)
		in.filterNames(st.filter)
		st.scope = in.finish()
		in.statements(st.body)
		if st.filter != nil {
			in.expr(st.filter)
		}
		b.target(st.target)
	case *macro:
		st.at = b.place(st.name)
		b.macro(st)
	case *callBlock:
		b.macro(st.caller)
		b.expr(st.call)
	case *generation:
		b.macro(st.caller)
	case *with:
		b.with(st)
	case *filterBlock:
		in := b.inner()
		in.symbols.statements(st.body)
		in.filterArguments(st.filter)
		st.scope = in.finish()
		in.statements(st.body)
		in.expr(st.filter)
	case *jump:
		if !b.inLoop {
			fail("a break or continue outside of a loop is not supported")
		}
	}
}

// filterNames refuses names in the arguments of the filters of a set block, which Jinja cannot find.
func (b binder) filterNames(f *filter) {
	for f != nil {
		for _, e := range append(append([]expr{}, f.args.positional...), f.args.keyword...) {
			if _, isConstant := e.(*constant); !isConstant {
				fail("arguments that are not constants are not supported for the filter of a set block")
			}
		}
		f, _ = f.of.(*filter)
	}
}

func (b binder) loop(l *loop) {
	if assigns(l, "loop") {
		failAt(l.line, "TemplateAssertionError: Can't assign to special loop variable in for-loop target")
	}
	in := b.inner()
	in.inLoop = true
	in.declare("loop")
	in.symbols.target(l.target, true)
	in.symbols.statements(l.body)
	l.bodyScope = in.finish()

	test := b.inner()
	test.symbols.target(l.target, true)
	if l.test != nil {
		test.symbols.expr(l.test)
	}
	l.testScope = test.finish()
	l.testTarget = copyTarget(l.target)
	test.target(l.testTarget)
	if l.test != nil {
		test.expr(l.test)
	}

	otherwise := b.inner()
	otherwise.inLoop = b.inLoop && !l.recursive
	otherwise.symbols.statements(l.otherwise)
	l.elseScope = otherwise.finish()

	b.soft = false
	b.expr(l.iter)
	in.target(l.target)
	l.loopAt = in.place("loop")
	in.statements(l.body)
	otherwise.statements(l.otherwise)
}

func (b binder) macro(m *macro) {
	in := b.inner()
	for _, p := range m.params {
		in.declare(p)
	}
	in.exprs(m.defaults)
	in.symbols.statements(m.body)
	for name, uses := range map[string]*bool{"caller": &m.usesCaller, "kwargs": &m.usesKwargs, "varargs": &m.usesVarargs} {
		*uses = mentions(m.body, name)
		if !*uses {
			continue
		}
		for _, p := range m.params {
			if p == name {
				fail("a parameter called %s is not supported", name)
			}
		}
		in.declare(name)
	}
	m.scope = in.finish()
	for _, e := range m.defaults {
		in.expr(e)
	}
	in.statements(m.body)
}

func (b binder) with(w *with) {
	in := b.inner()
	in.inLoop = b.inLoop
	for _, t := range w.targets {
		in.symbols.target(t, true)
	}
	in.symbols.statements(w.body)
	w.scope = in.finish()
	for i, t := range w.targets {
		b.expr(w.values[i])
		in.target(t)
	}
	in.statements(w.body)
}

func (b binder) target(t target) {
	switch t := t.(type) {
	case *nameTarget:
		t.at = b.place(t.name)
	case *tupleTarget:
		for _, item := range t.items {
			b.target(item)
		}
	case *attributeTarget:
		t.of.at = b.place(t.of.name)
	}
}

func copyTarget(t target) target {
	switch t := t.(type) {
	case *nameTarget:
		return &nameTarget{name: t.name}
	case *tupleTarget:
		out := &tupleTarget{}
		for _, item := range t.items {
			out.items = append(out.items, copyTarget(item))
		}
		return out
	}
	return t
}

func (b binder) expr(e expr) {
	switch e := e.(type) {
	case *name:
		e.at = b.place(e.name)
		return
	case *condition:
		b.soft = true
	case *filter:
		if _, known := filters[e.name]; !known && !b.soft {
			failAt(e.line, "TemplateAssertionError: No filter named '%s'", e.name)
		}
	case *test:
		if _, known := tests[e.name]; !known && !b.soft {
			failAt(e.line, "TemplateAssertionError: No test named '%s'", e.name)
		}
	}
	children(e, b.expr)
}

// assigns tells whether a loop assigns to a name, in its target or anywhere in it.
func assigns(st stmt, name string) bool {
	found := false
	var inTarget func(t target)
	inTarget = func(t target) {
		switch t := t.(type) {
		case *nameTarget:
			found = found || t.name == name
		case *tupleTarget:
			for _, item := range t.items {
				inTarget(item)
			}
		}
	}
	var visit func(stmt)
	visit = func(st stmt) {
		switch st := st.(type) {
		case *loop:
			inTarget(st.target)
		case *assign:
			inTarget(st.target)
		case *assignBlock:
			inTarget(st.target)
		}
		bodies(st, visit)
	}
	visit(st)
	return found
}

// mentions tells whether statements load a name, anywhere in them.
func mentions(body []stmt, wanted string) bool {
	found := false
	var inExpr func(expr)
	inExpr = func(e expr) {
		if n, ok := e.(*name); ok && n.name == wanted {
			found = true
		}
		children(e, inExpr)
	}
	var visit func(stmt)
	visit = func(st stmt) {
		for _, e := range expressions(st) {
			inExpr(e)
		}
		bodies(st, visit)
	}
	for _, st := range body {
		visit(st)
	}
	return found
}

// expressions are those of a statement itself.
func expressions(st stmt) (out []expr) {
	switch st := st.(type) {
	case *show:
		out = append(out, st.of)
	case *branch:
		out = st.tests
	case *loop:
		out = append(out, st.iter)
		if st.test != nil {
			out = append(out, st.test)
		}
	case *assign:
		out = append(out, st.value)
	case *assignBlock:
		if st.filter != nil {
			out = append(out, st.filter)
		}
	case *macro:
		out = st.defaults
	case *callBlock:
		out = append([]expr{st.call}, st.caller.defaults...)
	case *with:
		out = st.values
	case *filterBlock:
		out = append(out, st.filter)
	}
	return out
}

// bodies calls visit on the statements inside a statement.
func bodies(st stmt, visit func(stmt)) {
	var all [][]stmt
	switch st := st.(type) {
	case *branch:
		all = st.bodies
	case *loop:
		all = [][]stmt{st.body, st.otherwise}
	case *assignBlock:
		all = [][]stmt{st.body}
	case *macro:
		all = [][]stmt{st.body}
	case *callBlock:
		all = [][]stmt{st.caller.body}
	case *generation:
		all = [][]stmt{st.caller.body}
	case *with:
		all = [][]stmt{st.body}
	case *filterBlock:
		all = [][]stmt{st.body}
	}
	for _, body := range all {
		for _, st := range body {
			visit(st)
		}
	}
}
