package data

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/bits"
	"slices"
	"strings"

	"nfcot/internal/cot"
	"nfcot/internal/page"
)

// A View is how a model sees examples.
type View interface {
	// See returns an example's tokens, and which of them are targets, that are learned.
	See(ex cot.Example, index int) (tokens []int, targets []bool, err error)
	// Decode is the text of tokens, special ones included.
	Decode(tokens []int) string
}

// An Inspection is what there is in a source.
type Inspection struct {
	Counts
	Conversations int      `json:"conversations"`
	Duplicates    int      `json:"duplicates"` // examples that one before them is the same as
	Unit          string   `json:"unit"`       // of lengths: tokens as a model sees them, or bytes of text
	Lengths       []Length `json:"lengths"`    // of whole examples, and of what is learned of them
	Histogram     []Bin    `json:"histogram"`  // of whole examples
	Longest       string   `json:"longest"`    // its place
	Context       int      `json:"context,omitempty"`
	TooLong       *Tally   `json:"too_long,omitempty"` // examples with more than Context tokens
	Shown         []Shown  `json:"shown"`              // the first examples
}

// A Length is how long examples are.
type Length struct {
	Of     string  `json:"of"`
	Least  int     `json:"least"`
	Median int     `json:"median"`
	Mean   float64 `json:"mean"`
	P99    int     `json:"p99"` // 99 % are not longer
	Most   int     `json:"most"`
}

// A Bin is how many examples are of a length from Least to Most.
type Bin struct {
	Least int `json:"least"`
	Most  int `json:"most"`
	N     int `json:"n"`
}

// A Shown is an example as it is learned.
type Shown struct {
	Where string `json:"where"`
	Parts []Part `json:"parts"`
}

// A Part is a stretch of an example.
type Part struct {
	Text   string `json:"text"`
	Target bool   `json:"target"` // it is learned; else it is given
}

// shown is how many examples are.
const shown = 3

// Inspect reads all of a source, as a model sees it; without a view lengths are in bytes. It
// counts what is longer than a context; 0: nothing is.
func Inspect(ctx context.Context, r *Reader, view View, most int) (*Inspection, error) {
	x := &Inspection{Unit: "bytes"}
	switch {
	case view != nil:
		x.Unit = "tokens"
	case most > 0:
		return nil, errors.New("--context counts tokens; give --tokenizer or --init")
	}
	if most > 0 {
		x.Context, x.TooLong = most, &Tally{Name: "too long"}
	}
	seen := map[uint64]bool{}
	whole, learned, longest := map[int]int{}, map[int]int{}, -1
	for ex, err := range r.Examples() {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return nil, err
		}
		parts, n, targets, err := see(ex, r.Counts.Examples-1, view, len(x.Shown) < shown)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.Where, err)
		}
		whole[n]++
		learned[targets]++
		if n > longest {
			longest, x.Longest = n, r.Where
		}
		if most > 0 && n > most {
			x.TooLong.add(r.Where)
		}
		if ex.Messages != "" {
			x.Conversations++
		}
		if key := keyOf(ex); seen[key] {
			x.Duplicates++
		} else {
			seen[key] = true
		}
		if len(x.Shown) < shown {
			x.Shown = append(x.Shown, Shown{r.Where, parts})
		}
	}
	x.Counts = r.Counts
	x.Dropped = append([]Tally{}, x.Dropped...) // a list also where there are none
	x.Lengths = []Length{lengthOf("whole", whole), lengthOf("learned", learned)}
	x.Histogram = histogram(whole)
	return x, nil
}

// keyOf is the same for examples that say the same, and for no others that anybody will meet.
func keyOf(ex cot.Example) uint64 {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %d %d %s%s%s%s", len(ex.Prompt), len(ex.CoT), len(ex.Answer), ex.Prompt, ex.CoT, ex.Answer, ex.Messages))
	return binary.LittleEndian.Uint64(sum[:])
}

// see returns the length of an example and of what is learned of it, and if they are wanted its
// parts.
func see(ex cot.Example, index int, view View, wanted bool) (parts []Part, n, learned int, err error) {
	if view == nil {
		for _, p := range []Part{{ex.Prompt, false}, {string(ex.Messages), false}, {ex.CoT, true}, {ex.Answer, true}} {
			if n += len(p.Text); p.Target {
				learned += len(p.Text)
			}
			if p.Text != "" {
				parts = append(parts, p)
			}
		}
		return parts, n, learned, nil
	}
	tokens, targets, err := view.See(ex, index)
	if err != nil {
		return nil, 0, 0, err
	}
	for i := 0; i < len(tokens); {
		end := i + 1
		for end < len(tokens) && targets[end] == targets[i] {
			end++
		}
		if targets[i] {
			learned += end - i
		}
		if wanted {
			parts = append(parts, Part{view.Decode(tokens[i:end]), targets[i]})
		}
		i = end
	}
	return parts, len(tokens), learned, nil
}

// lengthOf sums up how many examples are of each length.
func lengthOf(of string, counts map[int]int) Length {
	lengths := slices.Sorted(maps.Keys(counts))
	x := Length{Of: of, Least: lengths[0], Most: lengths[len(lengths)-1]}
	n, sum := 0, 0
	for length, k := range counts {
		n, sum = n+k, sum+k*length
	}
	x.Mean = float64(sum) / float64(n)
	below := 0
	for _, length := range lengths {
		if below < (n+1)/2 {
			x.Median = length
		}
		if float64(below) < 0.99*float64(n) {
			x.P99 = length
		}
		below += counts[length]
	}
	return x
}

// histogram counts lengths in bins of which each is twice as wide as the one before it.
func histogram(counts map[int]int) []Bin {
	var bins []Bin
	for length, k := range counts {
		i := bits.Len(uint(max(length-1, 0))) // 0 or 1, 2, 3 to 4, 5 to 8
		for len(bins) <= i {
			bins = append(bins, Bin{Least: 1<<len(bins)/2 + 1, Most: 1 << len(bins)})
		}
		bins[i].N += k
	}
	bins[0].Least = 0
	first := slices.IndexFunc(bins, func(b Bin) bool { return b.N > 0 })
	return bins[first:]
}

// WriteText writes it for people.
func (x *Inspection) WriteText(w io.Writer) error {
	var out strings.Builder
	share := func(n int) string {
		return fmt.Sprintf("%s (%.1f %%)", thousands(n), 100*float64(n)/float64(x.Examples))
	}
	fmt.Fprintf(&out, "%s\n\n", strings.TrimPrefix(x.Counts.String(), "reading "))
	fmt.Fprintf(&out, "with a chain of thought  %s\nconversations            %s\nduplicates               %s\n", share(x.Chains), share(x.Conversations), share(x.Duplicates))
	if x.TooLong != nil {
		fmt.Fprintf(&out, "longer than %-12d %s%s\n", x.Context, share(x.TooLong.N), places(*x.TooLong))
	}
	fmt.Fprintf(&out, "longest                  %s, %s %s\n\n", x.Longest, thousands(x.Lengths[0].Most), x.Unit)
	t := page.Table{Header: []string{x.Unit, "least", "median", "mean", "99 %", "most"}}
	for _, l := range x.Lengths {
		t.Rows = append(t.Rows, []string{l.Of, fmt.Sprint(l.Least), fmt.Sprint(l.Median), fmt.Sprintf("%.1f", l.Mean), fmt.Sprint(l.P99), fmt.Sprint(l.Most)})
	}
	if err := t.WriteText(&out); err != nil {
		return err
	}
	out.WriteByte('\n')
	const width = 40
	most := slices.MaxFunc(x.Histogram, func(a, b Bin) int { return a.N - b.N }).N
	for _, b := range x.Histogram {
		line := fmt.Sprintf("%9d to %-9d %9s %s", b.Least, b.Most, thousands(b.N), strings.Repeat("#", (b.N*width+most-1)/most))
		fmt.Fprintln(&out, strings.TrimRight(line, " "))
	}
	for i, s := range x.Shown {
		fmt.Fprintf(&out, "\nexample %d (%s); what is learned is behind >\n", i+1, s.Where)
		for _, p := range s.Parts {
			margin := "    "
			if p.Target {
				margin = "  > "
			}
			for line := range strings.Lines(p.Text) {
				fmt.Fprintln(&out, strings.TrimRight(margin+strings.TrimSuffix(line, "\n"), " "))
			}
		}
	}
	_, err := io.WriteString(w, out.String())
	return err
}
