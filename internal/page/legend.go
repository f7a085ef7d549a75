package page

import (
	"image/color"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// A legend tells series, or what bars are stacked from, apart, once for all panels.
type legend struct {
	entries []entry
	columns int
	left    vg.Length   // beside the first column
	column  vg.Length   // the width of a column
	rows    []vg.Length // heights of the rows, from the top
}

// An entry is a sample and its name, in lines.
type entry struct {
	name  string
	thumb plot.Thumbnailer
}

const thumbWidth = 26

// legend is the figure's legend, in as many columns as there is room for.
func (f *Figure) legend() legend {
	l := legend{left: 40}
	if f.narrow {
		l.left = 12
	}
	seen := map[string]bool{}
	longest := vg.Length(0)
	style := label(fontSize)
	add := func(name string, thumb plot.Thumbnailer) {
		if name != "" && !seen[name] {
			seen[name] = true
			l.entries = append(l.entries, entry{name, thumb})
			longest = max(longest, style.Width(name))
		}
	}
	for _, p := range f.Panels {
		for _, s := range p.Series {
			add(s.Name, sample{s, p.Scattered})
		}
		for i, name := range p.Stack {
			add(name, swatch(i))
		}
	}
	const beside = thumbWidth + 6 + 14 // sample, gap, and the gap to the next column
	room := f.width() - l.left
	l.columns = max(1, min(len(l.entries), int(room/(longest+beside))))
	l.column = room / vg.Length(l.columns)
	for i := range l.entries {
		e := &l.entries[i]
		e.name = broken(e.name, style, l.column-beside)
		height := vg.Length(legendHeight + fontSize*strings.Count(e.name, "\n"))
		if i%l.columns == 0 {
			l.rows = append(l.rows, 0)
		}
		l.rows[i/l.columns] = max(l.rows[i/l.columns], height)
	}
	return l
}

func (l legend) height() (sum vg.Length) {
	for _, height := range l.rows {
		sum += height
	}
	return sum
}

// draw draws the legend at the bottom of a figure.
func (l legend) draw(c draw.Canvas) {
	style := label(fontSize)
	style.XAlign, style.YAlign = text.XLeft, text.YTop
	top := c.Min.Y + l.height() + 2
	for i, e := range l.entries {
		if i > 0 && i%l.columns == 0 {
			top -= l.rows[i/l.columns-1]
		}
		left := c.Min.X + l.left + l.column*vg.Length(i%l.columns)
		e.thumb.Thumbnail(&draw.Canvas{Canvas: c.Canvas, Rectangle: vg.Rectangle{
			Min: vg.Point{X: left, Y: top - legendHeight + 2}, Max: vg.Point{X: left + thumbWidth, Y: top - 2}}})
		c.FillText(style, vg.Point{X: left + thumbWidth + 6, Y: top}, e.name)
	}
}

// A sample is a series as the legend shows it.
type sample struct {
	Series
	scattered bool
}

// Thumbnail implements plot.Thumbnailer.
func (s sample) Thumbnail(c *draw.Canvas) {
	middle := c.Center()
	if !s.scattered {
		c.StrokeLine2(s.line(), c.Min.X, middle.Y, c.Max.X, middle.Y)
	}
	if len(s.Points) <= marked {
		c.DrawGlyph(s.marker(), middle)
	}
}

// A swatch is one number of a stack as the legend shows it.
type swatch int

// Thumbnail implements plot.Thumbnailer.
func (s swatch) Thumbnail(c *draw.Canvas) {
	c.FillPolygon(stackColor(int(s)), c.ClipPolygonXY([]vg.Point{
		{X: c.Min.X, Y: c.Min.Y}, {X: c.Min.X, Y: c.Max.Y}, {X: c.Max.X, Y: c.Max.Y}, {X: c.Max.X, Y: c.Min.Y}}))
}

// stackColor is dark for the first number of a stack and light for the second.
func stackColor(i int) color.Color { return []color.NRGBA{colors[0], colors[4], colors[2]}[i%3] }
