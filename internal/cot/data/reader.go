package data

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"nfcot/internal/ckpt"
	"nfcot/internal/cot"
	"nfcot/internal/progress"
	"nfcot/internal/tokenizer"
	"nfcot/internal/tokenizer/chat"
)

// A Reader reads the examples of a source one after the other, and counts them. No more than a
// row is held at a time.
type Reader struct {
	Source
	Counts Counts
	Where  string // the place of the last example: file and line, element or row

	start time.Time
	bar   *progress.Bar
}

// NewReader makes the reader of a source.
func NewReader(s Source) *Reader { return &Reader{Source: s} }

// Counts are what became of the rows of a source.
type Counts struct {
	Examples int     `json:"examples"`
	Chains   int     `json:"chains"`  // examples that have a chain of thought
	Formats  []Tally `json:"formats"` // of the examples
	Dropped  []Tally `json:"dropped"` // rows, by the reason why they cannot be used
}

// A Tally is how many rows are of a kind.
type Tally struct {
	Name  string   `json:"name"`
	N     int      `json:"n"`
	First []string `json:"first,omitempty"` // of dropped rows, where the first of them are
}

// named is how many places a tally has.
const named = 5

// count adds a row to the tally of a name.
func count(tallies []Tally, name, where string) []Tally {
	i := slices.IndexFunc(tallies, func(t Tally) bool { return t.Name == name })
	if i < 0 {
		i = len(tallies)
		tallies = append(tallies, Tally{Name: name})
	}
	tallies[i].add(where)
	return tallies
}

// add counts a row, and notes where it is, if that is said.
func (t *Tally) add(where string) {
	if t.N++; where != "" && len(t.First) < named {
		t.First = append(t.First, where)
	}
}

// String says it in one line.
func (c Counts) String() string {
	var out strings.Builder
	fmt.Fprintf(&out, "reading %s example", thousands(c.Examples))
	if c.Examples != 1 {
		out.WriteByte('s')
	}
	for i, f := range c.Formats {
		switch {
		case len(c.Formats) == 1:
			out.WriteString(" as " + f.Name)
		case i == 0:
			fmt.Fprintf(&out, ": %s as %s", thousands(f.N), f.Name)
		default:
			fmt.Fprintf(&out, ", %s as %s", thousands(f.N), f.Name)
		}
	}
	if c.Chains > 0 && c.Chains < c.Examples {
		fmt.Fprintf(&out, "; %s of them without a chain of thought", thousands(c.Examples-c.Chains))
	}
	out.WriteString(c.dropped())
	return out.String()
}

// dropped says which rows are dropped.
func (c Counts) dropped() string {
	var out strings.Builder
	for _, d := range c.Dropped {
		fmt.Fprintf(&out, "; dropped %s: %s%s", thousands(d.N), d.Name, places(d))
	}
	return out.String()
}

// places says where the first rows of a tally are.
func places(t Tally) string {
	more := ""
	switch {
	case len(t.First) == 0:
		return ""
	case t.N > len(t.First):
		more = ", ..."
	}
	return " (" + strings.Join(t.First, ", ") + more + ")"
}

// thousands writes a number with commas.
func thousands(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Examples yields the examples, up to the first error.
func (r *Reader) Examples() iter.Seq2[cot.Example, error] {
	return func(yield func(cot.Example, error) bool) {
		for row, err := range r.rows() {
			if err == nil && row.blank() {
				continue
			}
			ex, dropped := cot.Example{}, ""
			if err == nil {
				ex, dropped, err = row.example(r.CoTFrom)
			}
			if err == nil {
				dropped = cmp.Or(dropped, lacks(ex, row.format))
				r.count(row, ex, dropped)
			}
			if dropped == "" && (!yield(ex, err) || err != nil) {
				return
			}
		}
		if r.Counts.Examples == 0 {
			yield(cot.Example{}, r.nothing())
		}
	}
}

// lacks says what there is nothing to learn without; "" if it is all there.
func lacks(ex cot.Example, f *format) string {
	switch {
	case ex.Messages != "":
	case ex.Prompt == "" && f.name != "text":
		return "no prompt"
	case ex.Answer == "":
		return "no answer"
	}
	return ""
}

// Texts yields what the examples say, without what makes a shape of it: prompts, chains and
// answers, contents of messages, and of plain text the lines with their ends, also those that
// are blank. An answer need not be there.
func (r *Reader) Texts() iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for row, err := range r.rows() {
			ex, dropped, parts := cot.Example{}, "", []string(nil)
			switch {
			case err != nil:
			case row.blank():
				parts = []string{row.line + "\n"}
			default:
				if !row.has("answer") && row.format.name == "nfcot" && row.fields != nil {
					row.fields["answer"] = textValue("")
				}
				if ex, dropped, err = row.example(r.CoTFrom); err == nil {
					r.count(row, ex, dropped)
					parts, err = textsOf(ex, row)
				}
			}
			if err != nil {
				yield("", err)
				return
			}
			for _, text := range parts {
				if !yield(text, nil) {
					return
				}
			}
		}
	}
}

// TrainTokenizer learns a vocabulary of at most so many tokens from the texts of a source.
func TrainTokenizer(r *Reader, vocabSize int) (*tokenizer.Tokenizer, error) {
	var failed error
	tok, err := tokenizer.Train(func(yield func(string) bool) {
		for text, err := range r.Texts() {
			if failed = err; err != nil || !yield(text) {
				return
			}
		}
	}, vocabSize, cot.SpecialTokens)
	return tok, cmp.Or(failed, err)
}

// textsOf are the texts of an example, which a row has.
func textsOf(ex cot.Example, row shaped) (parts []string, err error) {
	switch {
	case row.format.name == "text" && row.fields == nil:
		return []string{ex.Answer + "\n"}, nil
	case row.format.name == "text":
		return []string{ex.Answer}, nil
	case ex.Messages == "":
		return []string{ex.Prompt, ex.CoT + "\n", ex.Answer}, nil
	}
	messages, err := chat.ParseMessages([]byte(ex.Messages))
	for _, m := range messages {
		content, _ := m.(*chat.Dict).Get("content")
		if text, ok := content.(string); ok {
			parts = append(parts, text)
		}
	}
	return parts, err
}

// count counts a row: an example, or one that is dropped for a reason.
func (r *Reader) count(row shaped, ex cot.Example, dropped string) {
	if dropped != "" {
		r.Counts.Dropped = count(r.Counts.Dropped, dropped, row.where)
		return
	}
	r.Where = row.where
	r.Counts.Examples++
	r.Counts.Formats = count(r.Counts.Formats, row.format.name, "")
	if ex.CoT != "" {
		r.Counts.Chains++
	}
}

// nothing is the error of a source without a single example.
func (r *Reader) nothing() error {
	if len(r.Counts.Dropped) == 0 {
		return fmt.Errorf("%s: %w", r.Files, ckpt.ErrEmpty)
	}
	return fmt.Errorf("%s: no row can be used%s; see --format, --columns and --cot-from", r.Files, r.Counts.dropped())
}

// A shaped row is one whose format is known.
type shaped struct {
	row
	format *format
}

// example is what the row says, or why it cannot be used.
func (r *shaped) example(rule string) (ex cot.Example, dropped string, err error) {
	ex, dropped, err = r.format.example(&r.row, rule)
	ex.TaskID = taskID(&r.row)
	return ex, dropped, err
}

// blank says whether the row is a line of plain text with nothing in it.
func (r *shaped) blank() bool { return r.fields == nil && strings.TrimSpace(r.line) == "" }

// rows yields the rows of all files, with their columns as they are called here.
func (r *Reader) rows() iter.Seq2[shaped, error] {
	return func(yield func(shaped, error) bool) {
		paths, err := r.Files.expand()
		if err == nil {
			err = r.Check()
		}
		if err != nil {
			yield(shaped{}, err)
			return
		}
		r.start = time.Now()
		var before, total int64
		sizes := make([]int64, len(paths))
		for i, path := range paths {
			sizes[i] = sizeOf(path)
			total += sizes[i]
		}
		for i, path := range paths {
			if !r.file(path, before, total, yield) {
				return
			}
			before += sizes[i]
		}
		if r.show(total, total); r.bar != nil {
			r.bar.End(thousands(r.Counts.Examples) + " examples")
		}
	}
}

// show shows how many bytes are read.
func (r *Reader) show(done, total int64) {
	const unit = 1_000_000
	if r.bar == nil && r.Begin != nil && total > 0 && done < total && time.Since(r.start) > time.Second {
		r.bar = r.Begin(int(done/unit), int(total/unit))
	}
	if r.bar != nil {
		r.bar.Set(int(done/unit), thousands(r.Counts.Examples)+" examples")
	}
}

// file yields the rows of a file. It says whether there may be more.
func (r *Reader) file(path string, before, total int64, yield func(shaped, error) bool) bool {
	f, err := openFile(path, r.Columns)
	if err != nil {
		yield(shaped{}, err)
		return false
	}
	defer f.Close()
	number, format := 0, formatNamed(r.Format)
	for row, err := range f.rows() {
		if number++; number%256 == 0 {
			r.show(before+min(f.done(), total-before), total)
		}
		x := shaped{row: row}
		if err == nil {
			err = x.rename(r.Columns)
		}
		if err == nil && format == nil && !x.blank() {
			format, err = formatOf(&x.row)
		}
		if err == nil && format != nil {
			x.format, err = format, format.check(&x.row)
		}
		if !yield(x, err) || err != nil {
			return false
		}
	}
	switch {
	case number == 0 && f.table:
		yield(shaped{}, fmt.Errorf("%s: has no rows", f.name))
	case number == 0:
		yield(shaped{}, fmt.Errorf("%s: %w", f.name, ckpt.ErrEmpty))
	}
	return number > 0
}
