package starlark

// This file says how alike the programs are that were sampled for one problem.

import (
	"context"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"go.starlark.net/resolve"
	"go.starlark.net/syntax"

	"nfcot/internal/eval"
)

// Structures compares the programs of each problem's verdicts pair by pair: half the
// cosine of the counts of (parent, child) node types in their syntax trees, and half
// whether the trees are equal but for the names of variables and for docstrings.
// Docstrings count in neither.
func Structures(ctx context.Context, assemble eval.Assemble, problems []eval.Problem, verdicts []eval.Verdict) ([]eval.Structure, error) {
	all := make([]eval.Structure, len(problems))
	trees := make([]map[string]*tree, len(problems)) // by what they are equal in
	index := make(map[string]int, len(problems))
	for i, p := range problems {
		all[i].TaskID, trees[i], index[p.TaskID] = p.TaskID, map[string]*tree{}, i
	}
	for _, v := range verdicts {
		i, ok := index[v.TaskID]
		if !ok {
			return nil, fmt.Errorf("task_id %q is not among the %d problems", v.TaskID, len(problems))
		}
		program, err := assemble(ctx, problems[i], v.Sample)
		if err != nil {
			return nil, err
		}
		t := parseTree(program)
		switch {
		case t == nil:
			all[i].Unparsed++
		case trees[i][t.canonical] != nil:
			trees[i][t.canonical].programs++
		default:
			trees[i][t.canonical] = t
		}
	}
	for i := range all {
		all[i].Similarity = similarity(trees[i])
	}
	return all, nil
}

// A tree is what is compared of a program's syntax tree.
type tree struct {
	canonical string       // the whole tree, with numbers for the names of variables
	edges     map[edge]int // how often each occurs
	programs  int          // that have this very tree
}

// An edge is a node and a child of it, by their types. Operators are nodes, as in
// Python's own trees; parentheses are not.
type edge struct{ parent, child string }

// similarity is the mean over all pairs of programs; nil if there is none.
func similarity(trees map[string]*tree) *float64 {
	var before []*tree
	sum, pairs := 0.0, 0
	for _, key := range slices.Sorted(maps.Keys(trees)) {
		a := trees[key]
		equal := a.programs * (a.programs - 1) / 2
		sum += float64(equal)
		pairs += equal
		for _, b := range before {
			sum += float64(a.programs*b.programs) * a.cosine(b) / 2
			pairs += a.programs * b.programs
		}
		before = append(before, a)
	}
	if pairs == 0 {
		return nil
	}
	mean := sum / float64(pairs)
	return &mean
}

// cosine is that of two trees' counts of edges; 0 if a tree has none.
func (t *tree) cosine(o *tree) float64 {
	var both, mine, others int
	for e, n := range t.edges {
		both += n * o.edges[e]
		mine += n * n
	}
	for _, n := range o.edges {
		others += n * n
	}
	return float64(both) / math.Sqrt(float64(max(1, mine))*float64(max(1, others)))
}

// maxParsed is the longest program that is parsed, in bytes: the parser's stack grows
// with what is nested in a program, and this process must not end of it.
const maxParsed = 32 << 10

// parseTree returns the tree of a program, nil if it is not in Starlark's grammar.
func parseTree(program string) *tree {
	if len(program) > maxParsed || !utf8.ValidString(program) {
		return nil
	}
	file, err := dialect.Parse(candidateFile, program, 0)
	if err != nil {
		return nil
	}
	everyName := func(string) bool { return true } // what a name without a binding means does not matter
	if err := resolve.File(file, everyName, everyName); err != nil {
		return nil
	}
	t := &tree{edges: map[edge]int{}, programs: 1}
	var listing strings.Builder
	for _, stmt := range withoutDocstring(file.Stmts) {
		t.add(&listing, stmt, "Module", 0)
	}
	t.canonical = listing.String()
	return t
}

// add counts a node and all below it, and lists them with their depths, which
// together say what the tree is.
func (t *tree) add(listing *strings.Builder, n syntax.Node, parent string, depth int) {
	if parens, ok := n.(*syntax.ParenExpr); ok {
		t.add(listing, parens.X, parent, depth)
		return
	}
	if def, ok := n.(*syntax.DefStmt); ok {
		def.Body = withoutDocstring(def.Body)
	}
	kind, op := strings.TrimPrefix(reflect.TypeOf(n).String(), "*syntax."), operator(n)
	fmt.Fprintf(listing, "%d %s %s %s\n", depth, kind, op, detail(n))
	t.edges[edge{parent, kind}]++
	if op != "" {
		t.edges[edge{kind, op}]++
	}
	syntax.Walk(n, func(child syntax.Node) bool {
		if child != n && child != nil {
			t.add(listing, child, kind, depth+1)
		}
		return child == n
	})
}

// withoutDocstring leaves out a string that is the first statement.
func withoutDocstring(body []syntax.Stmt) []syntax.Stmt {
	if len(body) > 0 {
		if first, ok := body[0].(*syntax.ExprStmt); ok {
			if text, ok := first.X.(*syntax.Literal); ok && text.Token == syntax.STRING {
				return body[1:]
			}
		}
	}
	return body
}

// operator is the operator of a node, "" if it has none.
func operator(n syntax.Node) string {
	switch n := n.(type) {
	case *syntax.BinaryExpr:
		return n.Op.String()
	case *syntax.UnaryExpr:
		return n.Op.String()
	case *syntax.AssignStmt:
		return n.Op.String()
	case *syntax.BranchStmt:
		return n.Token.String()
	}
	return ""
}

// detail is what else tells a node from others of its type: values, names unless they
// are those of variables, and which of its children are there.
func detail(n syntax.Node) string {
	switch n := n.(type) {
	case *syntax.Literal:
		return fmt.Sprintf("%s %q", n.Token, fmt.Sprint(n.Value))
	case *syntax.Ident:
		if b, ok := n.Binding.(*resolve.Binding); ok && b.First != nil {
			return fmt.Sprint(b.Scope, b.Index)
		}
		return n.Name
	case *syntax.IfStmt:
		return fmt.Sprint(len(n.True))
	case *syntax.SliceExpr:
		return fmt.Sprint(n.Lo != nil, n.Hi != nil, n.Step != nil)
	}
	return ""
}
