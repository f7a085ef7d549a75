package generate

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// TestCounted: who watches is told of tokens now and then, not of each.
func TestCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []int
		token := counted(func(tokens int) { told = append(told, tokens) })
		for range 25 {
			time.Sleep(tellEvery / 10)
			token(nil, 0)
		}
		if want := []int{10, 20}; !slices.Equal(told, want) {
			t.Errorf("told of %v, want %v", told, want)
		}
	})
}
