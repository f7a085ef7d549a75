package probe

import (
	"encoding/json"
	"maps"
	"math"
	"strings"
	"testing"

	"nfcot/internal/cot/generate"
	"nfcot/internal/eval"
	"nfcot/internal/eval/bench"
)

// Of samples by hand: the first thought decides, whatever follows; where it is of several chains, most thoughts do; a
// problem with one chain does not count.
func TestOrders(t *testing.T) {
	there, back := chain{order: "there", lines: []string{"plan 1", "a", "b"}}, chain{order: "back", lines: []string{"plan 2", "b", "a"}}
	left, right := chain{order: "there", lines: []string{"go", "a", "b"}}, chain{order: "back", lines: []string{"go", "b", "a"}}
	p := &Probe{Generator: &generate.Generator{N: 4}, Bench: &bench.Benchmark{Problems: []eval.Problem{{TaskID: "x"}, {TaskID: "y"}, {TaskID: "z"}}}}
	x := p.ordersOf([][]string{
		{"plan 1", "a", "b"}, {"plan 1", "b", "a"}, {"plan 2", "?", "?"}, {"plan", "b", "a"},
		{"plan 1", "a", "b"}, {"", "", ""}, {"", "", ""}, {"", "", ""},
		{"go", "b", "a"}, {"go", "a", "?"}, {"go", "?", "a"}, {"go", "b", "?"},
	}, [][]chain{{there, back}, {there}, {left, right}})
	want := map[string]map[string]int{"x": {"there": 2, "back": 1}, "z": {"there": 1, "back": 3}}
	for _, problem := range x.Problems {
		if !maps.Equal(problem.Samples, want[problem.TaskID]) {
			t.Errorf("%s: %v, want %v", problem.TaskID, problem.Samples, want[problem.TaskID])
		}
	}
	if len(x.Problems) != len(want) || len(x.Shares) != 2 {
		t.Fatalf("there are %d problems and the orders %v", len(x.Problems), x.Shares)
	}
	sum := 0.0
	for i, share := range []float64{3.0 / 8, 4.0 / 8} {
		if got := x.Shares[i].Share; math.Abs(got.Value-share) > 1e-12 || got.Low > got.Value || got.High < got.Value {
			t.Errorf("%s: %+v, want %g", x.Shares[i].Order, got, share)
		}
		sum += x.Shares[i].Share.Value
	}
	if math.Abs(x.Valid.Value-sum) > 1e-12 {
		t.Errorf("valid are %+v, want the sum of the orders, %g", x.Valid, sum)
	}
	if x := p.ordersOf(make([][]string, 12), [][]chain{{there}, {back}, {left}}); x != nil {
		t.Errorf("problems with one chain each have the orders %+v", x)
	}
}

// The text of a comparison has the orders, if there are any; its JSON has no key for them if there are none.
func TestOrdersAreShown(t *testing.T) {
	c := Comparison{Samples: 2, Orders: &Orders{Valid: eval.Estimate{Value: 0.991, Low: 0.98, High: 1},
		Shares: []OrderShare{{"first to last", eval.Estimate{Value: 0.512, Low: 0.49, High: 0.53}}}}}
	var b strings.Builder
	if err := c.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{" first to last ", " 51.2 % [49.0, 53.0] ", " 99.1 % [98.0, 100.0] "} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the text lacks %q:\n%s", want, b.String())
		}
	}
	c.Orders = nil
	b.Reset()
	if err := c.WriteText(&b); err != nil || strings.Contains(b.String(), "order") {
		t.Errorf("without orders the text is\n%s%v", b.String(), err)
	}
	if text, err := json.Marshal(c); err != nil || strings.Contains(string(text), `"orders"`) {
		t.Errorf("without orders the JSON is %s, %v", text, err)
	}
}
