package minicode

import "fmt"

// An affine is the function x -> (x*a + b) mod m, with 0 <= a, b < m. It is
// what the answer of fold, trace and rule computes.
type affine struct{ a, b, m int }

// at returns the function's value, in 0 to m-1 for negative x too, which is
// what % gives in Python and in Starlark.
func (f affine) at(x int) int { return ((x*f.a+f.b)%f.m + f.m) % f.m }

func (f affine) then(g affine) affine {
	return affine{f.a * g.a % f.m, g.at(f.b), f.m}
}

func (f affine) String() string { return fmt.Sprintf("x * %d + %d", f.a, f.b) }

func (f affine) answer() string {
	return answerText(fmt.Sprintf("(%s) %% %d", f, f.m))
}

// test covers every residue, and some x below and above them.
func (f affine) test() string {
	var conditions []string
	for x := range f.m {
		conditions = append(conditions, f.condition(x))
	}
	for _, x := range []int{f.m + 3, 3*f.m + 2, -1, -f.m - 2} {
		conditions = append(conditions, f.condition(x))
	}
	return testText(conditions)
}

func (f affine) condition(x int) string {
	return fmt.Sprintf("candidate(%d) == %d", x, f.at(x))
}
