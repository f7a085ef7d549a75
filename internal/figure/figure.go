// Package figure draws figures as SVG and PNG: lines with intervals, dots with
// intervals, and stacked bars, one or several panels a figure. The same numbers
// give the same bytes. Colours are Okabe and Ito's, which the colour-blind can
// tell apart; markers and dashes tell series apart in grey.
package figure

import (
	"bytes"
	"cmp"
	"fmt"
	"image/color"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// A Figure is one panel or several.
type Figure struct {
	Name    string // of its files, without a suffix
	Title   string // what it shows, in a sentence
	Columns int    // of panels; 0: one
	Panels  []Panel
}

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
	Parts      []string // names of the parts of a bar
}

// A Series is a line of points in the order of x. Style chooses colour, marker
// and dashes: equal styles look equal in all figures.
type Series struct {
	Name   string
	Style  int
	Stroke Stroke
	Points []Point
}

// A Stroke is how a line is drawn.
type Stroke int

// The strokes of lines. Most figures leave it to the style.
const (
	Styled Stroke = iota
	Solid
	Dashed
)

// A Point has an interval of y if Low < High.
type Point struct{ X, Y, Low, High float64 }

// A Row is a value with its interval; there is none unless Low < High.
type Row struct {
	Name             string
	Value, Low, High float64
}

// A Bar is stacked from parts.
type Bar struct {
	Name  string
	Parts []float64
}

// Measures in points, 1/72 inch.
const (
	width        = 520
	panelHeight  = 280 // of a panel that has its figure's whole width
	smallHeight  = 200 // of the others
	rowHeight    = 22  // of a row or bar
	axisHeight   = 60  // of a panel of rows or bars, beside the rows
	legendHeight = 16  // of a line of the legend
	fontSize     = 11
	dotsPerInch  = 144 // of PNG

	marked = 16   // lines of more points have no markers, which would hide them
	margin = 0.04 // of an axis's range, beyond the data
)

var (
	ink   = color.NRGBA{0x22, 0x22, 0x22, 0xff} // of axes and text
	faint = color.NRGBA{0xdd, 0xdd, 0xdd, 0xff} // of grid lines

	colors = []color.NRGBA{
		{0x00, 0x72, 0xb2, 0xff}, {0xd5, 0x5e, 0x00, 0xff}, {0x00, 0x9e, 0x73, 0xff}, {0xcc, 0x79, 0xa7, 0xff},
		{0xe6, 0x9f, 0x00, 0xff}, {0x56, 0xb4, 0xe9, 0xff}, {0x88, 0x88, 0x88, 0xff}, ink, {0x94, 0x67, 0xbd, 0xff},
	}
	markers = []draw.GlyphDrawer{
		draw.CircleGlyph{}, draw.BoxGlyph{}, draw.PyramidGlyph{}, draw.CrossGlyph{}, draw.RingGlyph{}, draw.SquareGlyph{}, draw.TriangleGlyph{}, draw.PlusGlyph{},
	}
	dashes = [][]vg.Length{nil, {7, 2}, {2, 2}, {7, 2, 2, 2}, {4, 4}}
)

// SVG is the figure as a file of its own.
func (f *Figure) SVG() ([]byte, error) {
	c := vgsvg.New(width, f.height())
	if err := f.draw(draw.New(c)); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if _, err := c.WriteTo(&out); err != nil {
		return nil, err
	}
	return bytes.ReplaceAll(out.Bytes(), []byte("font-family:Liberation Sans"), []byte("font-family:Liberation Sans,Arial,Helvetica,sans-serif")), nil
}

// Inline is the figure as an element of an HTML page. It has no background,
// and axes and text have the page's own colour, so that it can be read on dark
// ground; grid lines have the colour of the variable --faint, and the first style
// that of --first, which has to be lighter there.
func (f *Figure) Inline() (string, error) {
	whole, err := f.SVG()
	if err != nil {
		return "", err
	}
	_, body, _ := strings.Cut(string(whole), `xmlns:xlink="http://www.w3.org/1999/xlink">`)
	body = strings.NewReplacer("#222222", "currentColor", "#DDDDDD", "var(--faint)", "#0072B2", "var(--first)", "#FFFFFF", "none").Replace(body)
	return fmt.Sprintf(`<svg role="img" aria-label="%s" viewBox="0 0 %d %.0f">`, escape(f.Title), width, float64(f.height())) + body, nil
}

// escape makes text the value of an attribute.
var escape = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;").Replace

// PNG is the figure as pixels.
func (f *Figure) PNG() ([]byte, error) {
	c := vgimg.PngCanvas{Canvas: vgimg.NewWith(vgimg.UseWH(width, f.height()), vgimg.UseDPI(dotsPerInch))}
	if err := f.draw(draw.New(c)); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	_, err := c.WriteTo(&out)
	return out.Bytes(), err
}

// columns is the number of panels side by side.
func (f *Figure) columns() int { return max(1, f.Columns) }

// rows is the number of panels one above the other.
func (f *Figure) rows() int { return max(1, (len(f.Panels)+f.columns()-1)/f.columns()) }

// panelHeight is the height of the figure's panels, which is the same for all.
func (f *Figure) panelHeight() vg.Length {
	height := vg.Length(panelHeight)
	if f.columns() > 1 {
		height = smallHeight
	}
	for _, p := range f.Panels {
		if n := len(p.Rows) + len(p.Bars); n > 0 {
			height = max(vg.Length(axisHeight+rowHeight*n), 120)
		}
	}
	return height
}

func (f *Figure) height() vg.Length {
	entries, columns := f.legend()
	lines := (len(entries) + columns - 1) / columns
	return f.panelHeight()*vg.Length(f.rows()) + legendHeight*vg.Length(lines) + 12
}

// An entry is a line of the legend.
type entry struct {
	name  string
	thumb plot.Thumbnailer
}

// legend is what tells series, or the parts of bars, apart, once for all
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
		for i, name := range p.Parts {
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

// A swatch is a part of a bar as the legend shows it.
type swatch int

// Thumbnail implements plot.Thumbnailer.
func (s swatch) Thumbnail(c *draw.Canvas) {
	c.FillPolygon(partColor(int(s)), c.ClipPolygonXY([]vg.Point{
		{X: c.Min.X, Y: c.Min.Y}, {X: c.Min.X, Y: c.Max.Y}, {X: c.Max.X, Y: c.Max.Y}, {X: c.Max.X, Y: c.Min.Y}}))
}

// partColor is dark for the first part and light for the second.
func partColor(i int) color.Color { return []color.NRGBA{colors[0], colors[4], colors[2]}[i%3] }

func (s Series) color() color.NRGBA { return colors[s.Style%len(colors)] }

func (s Series) line() draw.LineStyle {
	style := draw.LineStyle{Color: s.color(), Width: 1.6}
	switch s.Stroke {
	case Styled:
		style.Dashes = dashes[s.Style%len(dashes)]
	case Dashed:
		style.Dashes = []vg.Length{4, 3}
	}
	return style
}

func (s Series) marker() draw.GlyphStyle {
	return draw.GlyphStyle{Color: s.color(), Radius: 3.2, Shape: markers[s.Style%len(markers)]}
}

// label is the style of text in figures.
func label(size vg.Length) text.Style {
	return text.Style{Color: ink, Font: font.From(font.Font{Typeface: "Liberation", Variant: "Sans"}, size), Handler: plot.DefaultTextHandler}
}

func (f *Figure) draw(c draw.Canvas) error {
	c.FillPolygon(color.White, []vg.Point{c.Min, {X: c.Min.X, Y: c.Max.Y}, c.Max, {X: c.Max.X, Y: c.Min.Y}})
	entries, columns := f.legend()
	lines := (len(entries) + columns - 1) / columns
	below := legendHeight * vg.Length(lines)
	plots := make([][]*plot.Plot, f.rows())
	for r := range plots {
		plots[r] = make([]*plot.Plot, f.columns())
	}
	for i := range f.Panels {
		p, err := f.Panels[i].plot()
		if err != nil {
			return fmt.Errorf("figure %s: %w", f.Name, err)
		}
		plots[i/f.columns()][i%f.columns()] = p
	}
	tiles := draw.Tiles{Rows: f.rows(), Cols: f.columns(), PadX: 14, PadY: 10}
	cells := plot.Align(plots, tiles, draw.Crop(c, 6, -14, below+6, -6))
	for r := range plots {
		for i, p := range plots[r] {
			if p != nil {
				p.Draw(cells[r][i])
			}
		}
	}
	for i, e := range entries {
		legend := plot.NewLegend()
		legend.TextStyle = label(fontSize)
		legend.Top, legend.Left, legend.ThumbnailWidth = true, true, 26
		legend.Add(e.name, e.thumb)
		cell := c
		cell.Min.X = 40 + (width-40)/vg.Length(columns)*vg.Length(i%columns)
		cell.Max.Y = c.Min.Y + below - legendHeight*vg.Length(i/columns) + 2
		legend.Draw(cell)
	}
	return nil
}

// plot makes the library's plot of a panel.
func (p *Panel) plot() (*plot.Plot, error) {
	out := plot.New()
	out.BackgroundColor = nil // the figure has its own
	out.Title.Text, out.Title.TextStyle = p.Title, label(fontSize)
	out.Title.TextStyle.XAlign, out.Title.TextStyle.YAlign, out.Title.Padding = text.XCenter, text.YTop, 4
	for _, a := range []struct {
		*plot.Axis
		label string
	}{{&out.X, p.X}, {&out.Y, p.Y}} {
		style := a.Label.TextStyle
		a.Label.TextStyle = label(fontSize)
		a.Label.TextStyle.XAlign, a.Label.TextStyle.YAlign = style.XAlign, style.YAlign
		a.Label.Text, a.Label.Padding = a.label, 3
		style = a.Tick.Label
		a.Tick.Label = label(fontSize - 1)
		a.Tick.Label.XAlign, a.Tick.Label.YAlign = style.XAlign, style.YAlign
		a.Tick.Color, a.Color, a.Tick.Length, a.Padding = ink, ink, 4, 4
	}
	grid := plotter.NewGrid()
	grid.Horizontal.Color, grid.Vertical.Color = faint, faint
	out.Add(grid)
	switch {
	case p.Rows != nil:
		grid.Horizontal.Width = 0
		return out, p.addRows(out)
	case p.Bars != nil:
		grid.Horizontal.Width = 0
		return out, p.addBars(out)
	}
	return out, p.addSeries(out)
}

func (p *Panel) addSeries(out *plot.Plot) error {
	if p.YMin < p.YMax {
		out.Y.Min, out.Y.Max = p.YMin, p.YMax
	}
	alpha := uint8(0x28) // of the bands of intervals
	if len(p.Series) > 4 {
		alpha = 0x12
	}
	all := make([][]Point, len(p.Series))
	for i, s := range p.Series {
		all[i] = s.finite(p.LogX)
	}
	if p.Scattered {
		dodge(all)
	}
	for i, s := range p.Series {
		points := all[i]
		if len(points) == 0 {
			continue
		}
		line := make(plotter.XYs, len(points))
		var bars intervals
		var upper, lower plotter.XYs
		for i, q := range points {
			line[i] = plotter.XY{X: q.X, Y: q.Y}
			if q.Low < q.High {
				bars.points = append(bars.points, q)
				upper, lower = append(upper, plotter.XY{X: q.X, Y: q.High}), append(plotter.XYs{{X: q.X, Y: q.Low}}, lower...)
			}
		}
		bars.LineStyle = draw.LineStyle{Color: s.color(), Width: 1.2}
		if !p.Scattered && len(upper) > 1 {
			band, err := plotter.NewPolygon(append(upper, lower...))
			if err != nil {
				return err
			}
			fill := s.color()
			fill.A = alpha
			band.Color, band.LineStyle.Width = fill, 0
			out.Add(band)
		} else if len(bars.points) > 0 {
			out.Add(bars)
		}
		if !p.Scattered && len(line) > 1 {
			l, err := plotter.NewLine(line)
			if err != nil {
				return err
			}
			l.LineStyle = s.line()
			out.Add(l)
		}
		if len(points) <= marked {
			dots, err := plotter.NewScatter(line)
			if err != nil {
				return err
			}
			dots.GlyphStyle = s.marker()
			out.Add(dots)
		}
	}
	if p.Line != nil && out.X.Min < out.X.Max {
		out.Add(rule{plotter.XY{X: out.X.Min, Y: *p.Line}, plotter.XY{X: out.X.Max, Y: *p.Line}})
	}
	settle(&out.X)
	settle(&out.Y)
	widen(&out.Y)
	if p.LogX && out.X.Min > 0 {
		out.X.Scale, out.X.Tick.Marker = plot.LogScale{}, logarithmic{p.Whole}
	} else {
		out.X.Tick.Marker = decimals{whole: p.Whole, few: true}
	}
	out.Y.Tick.Marker = decimals{}
	return nil
}

// dodge moves points that hide one another aside: those of which x is nearly the
// same stand side by side, around where they belong.
func dodge(all [][]Point) {
	low, high := math.Inf(1), math.Inf(-1)
	for _, points := range all {
		for _, q := range points {
			low, high = min(low, q.X), max(high, q.X)
		}
	}
	near := 0.012 * (high - low)
	moved := make([][]Point, len(all))
	for i, points := range all {
		moved[i] = slices.Clone(points)
		for j, q := range points {
			for k, others := range all {
				if k != i && slices.ContainsFunc(others, func(other Point) bool { return math.Abs(other.X-q.X) < near }) {
					moved[i][j].X += near / 2 * float64(cmp.Compare(i, k))
				}
			}
		}
	}
	copy(all, moved)
}

// widen leaves room around the data.
func widen(a *plot.Axis) {
	room := margin * (a.Max - a.Min)
	if a.Min != 0 {
		a.Min -= room
	}
	a.Max += room
}

// finite are the points that can be drawn.
func (s Series) finite(logX bool) []Point {
	var points []Point
	for _, q := range s.Points {
		if isFinite(q.X) && isFinite(q.Y) && (!logX || q.X > 0) {
			if !isFinite(q.Low) || !isFinite(q.High) {
				q.Low, q.High = q.Y, q.Y
			}
			points = append(points, q)
		}
	}
	return points
}

func isFinite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

// settle gives an axis without data, or with a single value, a width.
func settle(a *plot.Axis) {
	switch {
	case a.Min > a.Max:
		a.Min, a.Max = 0, 1
	case a.Min == a.Max && a.Min > 0:
		a.Min, a.Max = a.Min/2, a.Max*1.5
	case a.Min == a.Max:
		a.Min, a.Max = a.Min-1, a.Max+1
	}
}

func (p *Panel) addRows(out *plot.Plot) error {
	names := make([]string, len(p.Rows))
	points, bars := make(plotter.XYs, 0, len(p.Rows)), intervals{LineStyle: draw.LineStyle{Color: colors[0], Width: 1.6}, flat: true}
	for i, r := range p.Rows {
		y := float64(len(p.Rows) - 1 - i)
		names[len(p.Rows)-1-i] = r.Name
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
	nominal(out, names)
	return nil
}

func (p *Panel) addBars(out *plot.Plot) error {
	names := make([]string, len(p.Bars))
	parts := make([]plotter.Values, len(p.Parts))
	for i, b := range p.Bars {
		names[len(p.Bars)-1-i] = b.Name
	}
	for j := range parts {
		parts[j] = make(plotter.Values, len(p.Bars))
		for i, b := range p.Bars {
			if j < len(b.Parts) && isFinite(b.Parts[j]) {
				parts[j][len(p.Bars)-1-i] = b.Parts[j]
			}
		}
	}
	var below *plotter.BarChart
	for j := range parts {
		bars, err := plotter.NewBarChart(parts[j], rowHeight*0.6)
		if err != nil {
			return err
		}
		bars.Horizontal, bars.Color, bars.LineStyle.Width = true, partColor(j), 0
		if below != nil {
			bars.StackOn(below)
		}
		below = bars
		out.Add(bars)
	}
	out.X.Min = 0
	nominal(out, names)
	return nil
}

// nominal names the places of the y axis, from the bottom.
func nominal(out *plot.Plot, names []string) {
	out.NominalY(names...)
	out.Y.Tick.Label.YAlign = text.YCenter
	out.Y.Min, out.Y.Max = -0.5, float64(len(names))-0.5
	settle(&out.X)
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

// intervals are bars from Low to High: upright, or flat at the height Y.
type intervals struct {
	draw.LineStyle
	points []Point
	flat   bool
}

// Plot implements plot.Plotter.
func (b intervals) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	for _, q := range b.points {
		if b.flat {
			c.StrokeLine2(b.LineStyle, x(q.Low), y(q.Y), x(q.High), y(q.Y))
		} else {
			c.StrokeLine2(b.LineStyle, x(q.X), y(q.Low), x(q.X), y(q.High))
		}
	}
}

// DataRange implements plot.DataRanger.
func (b intervals) DataRange() (xmin, xmax, ymin, ymax float64) {
	xmin, xmax, ymin, ymax = math.Inf(1), math.Inf(-1), math.Inf(1), math.Inf(-1)
	for _, q := range b.points {
		low, high := Point{q.X, q.Low, 0, 0}, Point{q.X, q.High, 0, 0}
		if b.flat {
			low, high = Point{q.Low, q.Y, 0, 0}, Point{q.High, q.Y, 0, 0}
		}
		xmin, xmax, ymin, ymax = min(xmin, low.X), max(xmax, high.X), min(ymin, low.Y), max(ymax, high.Y)
	}
	return xmin, xmax, ymin, ymax
}
