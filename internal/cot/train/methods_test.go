package train

import (
	"slices"
	"testing"
)

// A flow without blocks is the identity, in every stage.
func TestNoFlow(t *testing.T) {
	for _, method := range []string{"nfcot", "nfcot-dual"} {
		c := tiny(method)
		c.Flow.Blocks, c.Stages.Flow.Steps = 0, 3
		if err := c.Check(); err != nil {
			t.Fatal(err)
		}
		model, _ := run(t, c, examples(15))
		if n := len(weights(model, "flow.")); n != 0 {
			t.Errorf("%s: %d parameters of the flow", method, n)
		}
		u := examples(1)[0].Codes
		if e := model.Coder().ToCodes(u); !slices.Equal(e.Data, u.Data) {
			t.Errorf("%s: thoughts %v stand for %v", method, u.Data, e.Data)
		}
	}
}
