package chat

// The analysis of a scope: which names it loads and stores, in the order of the text. It stops at inner scopes, of which
// it sees only what is computed outside of them.

func (s *symbols) statements(body []stmt) {
	for _, st := range body {
		s.statement(st)
	}
}

func (s *symbols) statement(st stmt) {
	switch st := st.(type) {
	case *show:
		s.expr(st.of)
	case *branch:
		s.branch(st, 0)
	case *loop:
		s.expr(st.iter)
	case *assign:
		s.expr(st.value)
		s.target(st.target, false)
	case *assignBlock:
		s.target(st.target, false)
	case *macro:
		s.store(st.name)
	case *callBlock:
		s.expr(st.call)
	case *with:
		s.exprs(st.values)
	case *filterBlock:
		s.filterArguments(st.filter)
	}
}

// branch analyzes an if from its i-th test on: what follows an elif is a branch within the else.
func (s *symbols) branch(b *branch, i int) {
	s.expr(b.tests[i])
	then := s.copy()
	then.statements(b.bodies[i])
	otherwise := s.copy()
	elifs := s.copy()
	for j := i + 1; j < len(b.tests); j++ {
		elifs.expr(b.tests[j])
		inner := elifs.copy()
		inner.statements(b.bodies[j])
		elifs.join([]*symbols{inner})
	}
	if len(b.bodies) > len(b.tests) {
		otherwise.statements(b.bodies[len(b.tests)])
	}
	s.join([]*symbols{then, elifs, otherwise})
}

func (s *symbols) target(t target, asParameter bool) {
	switch t := t.(type) {
	case *nameTarget:
		if asParameter {
			s.declare(t.name)
		} else {
			s.store(t.name)
		}
	case *tupleTarget:
		for _, item := range t.items {
			s.target(item, asParameter)
		}
	case *attributeTarget:
		s.load(t.of.name)
	}
}

func (s *symbols) exprs(all []expr) {
	for _, e := range all {
		s.expr(e)
	}
}

func (s *symbols) expr(e expr) {
	if n, ok := e.(*name); ok {
		checkName(n.name)
		s.load(n.name)
		return
	}
	children(e, s.expr)
}

// filterArguments analyzes the filters of a block.
func (s *symbols) filterArguments(f *filter) {
	if f != nil {
		s.expr(f)
	}
}

// children calls visit on the parts of an expression, in the order of the text.
func children(e expr, visit func(expr)) {
	all := func(list []expr) {
		for _, e := range list {
			visit(e)
		}
	}
	some := func(list ...expr) {
		for _, e := range list {
			if e != nil {
				visit(e)
			}
		}
	}
	args := func(a arguments) {
		all(a.positional)
		all(a.keyword)
		some(a.star, a.dict)
	}
	switch e := e.(type) {
	case *list:
		all(e.items)
	case *tuple:
		all(e.items)
	case *concat:
		all(e.items)
	case *dict:
		for i := range e.keys {
			some(e.keys[i], e.values[i])
		}
	case *condition:
		some(e.test, e.then, e.otherwise)
	case *and:
		some(e.left, e.right)
	case *or:
		some(e.left, e.right)
	case *not:
		visit(e.of)
	case *unary:
		visit(e.of)
	case *binary:
		some(e.left, e.right)
	case *compared:
		visit(e.first)
		all(e.rest)
	case *attribute:
		visit(e.of)
	case *item:
		some(e.of, e.key)
	case *slice:
		some(e.of, e.start, e.stop, e.step)
	case *call:
		visit(e.of)
		args(e.args)
	case *filter:
		some(e.of)
		args(e.args)
	case *test:
		visit(e.of)
		args(e.args)
	}
}
