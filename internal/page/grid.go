package page

import (
	"cmp"
	"math"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// A grid is a table as a page shows it.
type grid struct {
	Title  string
	Width  int // of the window, in rem, that the table needs; below it rows are cards
	Header []cell
	Rows   [][]cell
}

// A cell has the classes of its column, and the column's name as label.
type cell struct{ Text, Class, Label string }

// Classes of columns.
const (
	numberClass = "number" // stands right
	proseClass  = "prose"  // stands under its label in a card
	shortClass  = "short"  // has half of a card's width, beside another that is short
)

const (
	proseColumns = 40  // a text of more characters is prose
	shortCell    = 10  // em, of a short cell and its label
	cellPadding  = 1   // em, left and right
	leastText    = 6   // em, of a text that is as long and not a number
	fontSlack    = 1.2 // other fonts are wider than the one that is measured
	tableFont    = 0.9 // rem
	bodyPadding  = 2   // rem, left and right
	widthStep    = 2   // rem: tables of nearly the same width become cards together
)

func newGrid(t Table) grid {
	columns := make([]column, len(t.Header))
	em := 0.0
	for i := range columns {
		columns[i] = t.column(i)
		em += columns[i].least + cellPadding
	}
	g := grid{Title: t.Title, Rows: make([][]cell, len(t.Rows))}
	g.Width = widthStep * int(math.Ceil((tableFont*em+bodyPadding)/widthStep))
	alone := true // no short column before waits for this one
	for i, c := range columns {
		class := c.class
		g.Header = append(g.Header, cell{Text: c.name, Class: class})
		pair := i > 0 && c.short && (!alone || i+1 < len(columns) && columns[i+1].short)
		if pair {
			class = strings.TrimSpace(class + " " + shortClass)
		}
		alone = !pair || !alone
		for j, text := range c.texts {
			g.Rows[j] = append(g.Rows[j], cell{text, class, c.name})
		}
	}
	return g
}

// widths are those of the document's tables, in order.
func widths(d Document) []int {
	var all []int
	for _, s := range d.Sections {
		for _, t := range s.Tables {
			all = append(all, newGrid(t).Width)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// A column is a column of a table, measured.
type column struct {
	name, class string
	texts       []string
	least       float64 // em, of the width that it needs
	short       bool    // and nowhere empty
}

func (t Table) column(i int) column {
	c := column{name: t.Header[i], short: true}
	for _, row := range t.Rows {
		c.texts = append(c.texts, row[i])
	}
	c.class = classOf(c.texts)
	c.least = emOf(longestWord(c.name))
	for j, text := range c.texts {
		least := min(emOf(text), leastText)
		if c.class == numberClass {
			c.texts[j], least = oneWord(text), 0
		}
		c.least = max(c.least, emOf(longestWord(c.texts[j])), least)
		c.short = c.short && text != "" && emOf(c.name)+emOf(text) <= shortCell
	}
	return c
}

// classOf is the class of a column of texts: of numbers if all of them are that are not empty.
func classOf(texts []string) string {
	numbers, names, long := false, false, false
	for _, s := range texts {
		switch {
		case isNumber(s):
			numbers = true
		case s != "" && s != "-":
			names = true
		}
		long = long || utf8.RuneCountInString(s) > proseColumns
	}
	switch {
	case numbers && !names:
		return numberClass
	case long:
		return proseClass
	}
	return ""
}

// isNumber tells numbers, with an interval or a unit after them, from names: in tables they stand right.
func isNumber(s string) bool {
	return strings.IndexAny(strings.TrimLeft(s, "+-"), "0123456789") == 0
}

// inBrackets finds intervals, with a mark after them.
var inBrackets = regexp.MustCompile(`\[[^\]]*\]( ~)?`)

// oneWord keeps an interval on one line.
func oneWord(s string) string {
	return inBrackets.ReplaceAllStringFunc(s, func(s string) string { return strings.ReplaceAll(s, " ", "\u00a0") })
}

// longestWord is the widest part of a text that a line cannot break: the page lets paths break after slashes.
func longestWord(s string) string {
	words := strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == '/' })
	if len(words) == 0 {
		return ""
	}
	return slices.MaxFunc(words, func(a, b string) int { return cmp.Compare(emOf(a), emOf(b)) })
}

// emOf is the width of a text in em.
func emOf(s string) float64 { return fontSlack * float64(label(fontSize).Width(s)/fontSize) }
