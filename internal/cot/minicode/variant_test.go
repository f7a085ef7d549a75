package minicode

import (
	"strings"
	"testing"
)

// everyVariant returns a Spec for every family at every level in every variant.
func everyVariant() []Spec {
	specs := everySpec()
	for _, s := range everySpec() {
		for _, v := range variants {
			s.Variant = Variant(v)
			specs = append(specs, s)
		}
	}
	return specs
}

// Of a variant only chains and task_ids differ from the benchmark: chains lack their first line without a plan, and are
// the benchmark's own or those in the first order where there is one order.
func TestVariants(t *testing.T) {
	for _, s := range everyVariant() {
		plain := s
		plain.Variant = ""
		for _, split := range splits {
			originals, n := examples(t, plain, split, 9, 60), 0
			for i, ex := range examples(t, s, split, 9, 60) {
				was := originals[i]
				if id := strings.TrimPrefix(ex.TaskID, s.folder(s.Families[0], split)); ex.TaskID == id || !strings.HasSuffix(was.TaskID, split+id) {
					t.Fatalf("%s: the task_id is %s, and of the benchmark %s", s, ex.TaskID, was.TaskID)
				}
				want := was.CoT
				switch {
				case s.Variant == withoutPlan:
					_, want, _ = strings.Cut(was.CoT, "\n")
				case s.Variant == onlyOneOrder:
					want = Chains(was.TaskID, was.Prompt)[0].Text
				}
				if ex.CoT != want {
					t.Fatalf("%s: the chain is\n%s\nwant\n%s", ex.TaskID, ex.CoT, want)
				}
				if ex.CoT != was.CoT {
					n++
				}
				was.TaskID, was.CoT = ex.TaskID, ex.CoT
				if ex != was {
					t.Fatalf("%s: the problem is\n%v\nand of the benchmark\n%v", s, ex, was)
				}
			}
			_, sc := lookup(s.Families[0], s.Level)
			if want := map[bool]int{true: 15, false: 0}[len(sc.orders) > 1]; s.Variant == onlyOneOrder && (n < want || n > 3*want) {
				t.Errorf("%s: %d of 60 chains are others, want about %d", s, n, 2*want)
			}
		}
	}
}
