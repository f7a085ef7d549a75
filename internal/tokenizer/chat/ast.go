package chat

// The syntax tree. Names are bound to places in frames by scope.go, before anything runs.

// An expr is an expression.
type expr interface {
	eval(f *frame) Value
}

type (
	constant struct{ value Value }
	name     struct {
		name string
		at   place
	}
	list      struct{ items []expr }
	tuple     struct{ items []expr }
	dict      struct{ keys, values []expr }
	condition struct{ test, then, otherwise expr } // otherwise may be nil
	and       struct{ left, right expr }
	or        struct{ left, right expr }
	not       struct{ of expr }
	unary     struct {
		op string
		of expr
	}
	binary struct {
		op          string
		left, right expr
	}
	concat   struct{ items []expr }
	compared struct {
		first expr
		ops   []string
		rest  []expr
	}
	attribute struct {
		of   expr
		name string
	}
	item  struct{ of, key expr }
	slice struct{ of, start, stop, step expr } // nil where left out
	call  struct {
		of   expr
		args arguments
		line int
	}
	filter struct {
		of   expr // nil: the text of a block
		name string
		args arguments
		line int
	}
	test struct {
		of   expr
		name string
		args arguments
		line int
	}
)

// arguments are those of a call.
type arguments struct {
	positional []expr
	names      []string
	keyword    []expr
	star, dict expr // *args and **kwargs, or nil
}

// A stmt is a statement.
type stmt interface {
	exec(f *frame, out *output) signal
}

// A signal is how a statement ended.
type signal int

const (
	normally signal = iota
	broke
	continued
)

type (
	data struct{ text string }
	show struct {
		of   expr
		line int
	}
	branch struct { // if, elif, else
		tests  []expr
		bodies [][]stmt
		line   int
	}
	loop struct {
		target    target
		iter      expr
		test      expr // or nil
		recursive bool
		body      []stmt
		otherwise []stmt
		line      int

		bodyScope, elseScope, testScope *scope
		loopAt                          place
		testTarget                      target
	}
	assign struct {
		target target
		value  expr
	}
	assignBlock struct {
		target target
		filter *filter // innermost of the chain has a nil of; or nil
		body   []stmt
		scope  *scope
	}
	macro struct {
		name     string // "" of a call block
		at       place
		params   []string
		defaults []expr // of the last parameters
		body     []stmt
		scope    *scope

		usesCaller, usesKwargs, usesVarargs bool
	}
	callBlock struct {
		call   *call
		caller *macro
	}
	generation struct{ caller *macro } // a call block that gives its body
	with       struct {
		targets []target
		values  []expr
		body    []stmt
		scope   *scope
	}
	filterBlock struct {
		filter *filter
		body   []stmt
		scope  *scope
	}
	jump struct{ signal signal }
)

// A target is what is assigned to: *nameTarget, *tupleTarget or *attributeTarget.
type target interface {
	assign(f *frame, value Value)
}

type (
	nameTarget struct {
		name string
		at   place
	}
	tupleTarget     struct{ items []target }
	attributeTarget struct {
		of   *name
		attr string
	}
)
