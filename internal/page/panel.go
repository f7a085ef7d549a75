package page

import (
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// A Panel has either Series, Rows or Bars.
type Panel struct {
	Title      string
	X, Y       string // what the axes show, with units
	LogX       bool
	Whole      bool     // x are whole numbers
	YMin, YMax float64  // the least range of y that is shown; data may widen it
	Line       *float64 // a line to compare with: at this x for Rows, at this y for Series
	Series     []Series // lines, or points where Scattered
	Scattered  bool     // no lines from point to point; points at one place stand side by side
	Rows       []Row    // a dot with its interval each, from top to bottom
	Bars       []Bar    // from top to bottom
	Stack      []string // names of what each bar is stacked from
}

// A Row is a value with its interval; there is none unless Low < High.
type Row struct {
	Name             string
	Value, Low, High float64
}

// A Bar is stacked from one number or several, from the left.
type Bar struct {
	Name  string
	Stack []float64
}

// names are the names of rows or bars from the bottom, in lines, in a panel of a width.
func (p *Panel) names(width vg.Length) []string {
	var names []string
	add := func(name string) { names = append(names, broken(name, label(fontSize-1), nameShare*width)) }
	for _, r := range p.Rows {
		add(r.Name)
	}
	for _, b := range p.Bars {
		add(b.Name)
	}
	slices.Reverse(names)
	return names
}

// rowHeight is the height of each row or bar, enough for the name of most lines.
func (p *Panel) rowHeight(width vg.Length) vg.Length {
	lines := 1
	for _, name := range p.names(width) {
		lines = max(lines, 1+strings.Count(name, "\n"))
	}
	return rowHeight + fontSize*vg.Length(lines-1)
}

// plot makes the library's plot of a panel of a width.
func (p *Panel) plot(width vg.Length) (*plot.Plot, error) {
	out := plot.New()
	out.BackgroundColor = nil // the figure has its own
	out.Title.Text, out.Title.TextStyle = broken(p.Title, label(fontSize), 0.9*width), label(fontSize)
	out.Title.TextStyle.XAlign, out.Title.TextStyle.YAlign, out.Title.Padding = text.XCenter, text.YTop, 4
	for _, a := range []struct {
		*plot.Axis
		label string
	}{{&out.X, p.X}, {&out.Y, p.Y}} {
		style := a.Label.TextStyle
		a.Label.TextStyle = label(fontSize)
		a.Label.TextStyle.XAlign, a.Label.TextStyle.YAlign = style.XAlign, style.YAlign
		a.Label.Text, a.Label.Padding = broken(a.label, label(fontSize), 0.65*width), 3
		style = a.Tick.Label
		a.Tick.Label = label(fontSize - 1)
		a.Tick.Label.XAlign, a.Tick.Label.YAlign = style.XAlign, style.YAlign
		a.Tick.Color, a.Color, a.Tick.Length, a.Padding = ink, ink, 4, 4
	}
	grid := plotter.NewGrid()
	grid.Horizontal.Color, grid.Vertical.Color = faint, faint
	out.Add(grid)
	switch {
	case len(p.Rows) > 0:
		grid.Horizontal.Width = 0
		err := p.addRows(out)
		p.nominal(out, p.names(width))
		return out, err
	case len(p.Bars) > 0:
		grid.Horizontal.Width = 0
		err := p.addBars(out)
		p.nominal(out, p.names(width))
		return out, err
	}
	return out, p.addSeries(out, width)
}

func (p *Panel) addRows(out *plot.Plot) error {
	points, bars := make(plotter.XYs, 0, len(p.Rows)), intervals{LineStyle: draw.LineStyle{Color: colors[0], Width: 1.6}, flat: true}
	for i, r := range p.Rows {
		y := float64(len(p.Rows) - 1 - i)
		if !isFinite(r.Value) {
			continue
		}
		points = append(points, plotter.XY{X: r.Value, Y: y})
		if r.Low < r.High {
			bars.points = append(bars.points, Point{r.Value, y, r.Low, r.High})
		}
	}
	if p.Line != nil {
		out.Add(rule{plotter.XY{X: *p.Line, Y: -0.5}, plotter.XY{X: *p.Line, Y: float64(len(p.Rows)) - 0.5}})
	}
	if len(bars.points) > 0 {
		out.Add(bars)
	}
	if len(points) > 0 {
		dots, err := plotter.NewScatter(points)
		if err != nil {
			return err
		}
		dots.GlyphStyle = draw.GlyphStyle{Color: colors[0], Radius: 3.6, Shape: draw.CircleGlyph{}}
		out.Add(dots)
	}
	return nil
}

func (p *Panel) addBars(out *plot.Plot) error {
	stack := make([]plotter.Values, len(p.Stack))
	for j := range stack {
		stack[j] = make(plotter.Values, len(p.Bars))
		for i, b := range p.Bars {
			if j < len(b.Stack) && isFinite(b.Stack[j]) {
				stack[j][len(p.Bars)-1-i] = b.Stack[j]
			}
		}
	}
	var below *plotter.BarChart
	for j := range stack {
		bars, err := plotter.NewBarChart(stack[j], rowHeight*0.6)
		if err != nil {
			return err
		}
		bars.Horizontal, bars.Color, bars.LineStyle.Width = true, stackColor(j), 0
		if below != nil {
			bars.StackOn(below)
		}
		below = bars
		out.Add(bars)
	}
	out.X.Min = 0
	return nil
}

// nominal names the places of the y axis, from the bottom.
func (p *Panel) nominal(out *plot.Plot, names []string) {
	out.NominalY(names...)
	out.X.Padding = label(fontSize-1).Height("") / 2
	out.Y.Tick.Label.YAlign = text.YCenter
	out.Y.Min, out.Y.Max = -0.5, float64(len(names))-0.5
	settle(&out.X, p.Line != nil)
	widen(&out.X)
	out.X.Tick.Marker = decimals{few: true}
}

// A rule is a thin line across a panel, to compare with.
type rule [2]plotter.XY

// Plot implements plot.Plotter.
func (r rule) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	c.StrokeLine2(draw.LineStyle{Color: ink, Width: 0.8, Dashes: []vg.Length{3, 3}}, x(r[0].X), y(r[0].Y), x(r[1].X), y(r[1].Y))
}

// DataRange implements plot.DataRanger.
func (r rule) DataRange() (xmin, xmax, ymin, ymax float64) { return r[0].X, r[1].X, r[0].Y, r[1].Y }
