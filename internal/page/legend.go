package page

import (
	"image/color"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// An entry is a line of the legend.
type entry struct {
	name  string
	thumb plot.Thumbnailer
}

// legend is what tells series, or what bars are stacked from, apart, once for all
// panels, and the number of columns that it has room for.
func (f *Figure) legend() (entries []entry, columns int) {
	seen := map[string]bool{}
	longest := 0
	add := func(name string, thumb plot.Thumbnailer) {
		if name != "" && !seen[name] {
			seen[name] = true
			entries = append(entries, entry{name, thumb})
			longest = max(longest, len([]rune(name)))
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
	return entries, max(1, min(len(entries), (width-40)/(longest*6+44)))
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
