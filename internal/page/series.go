package page

import (
	"cmp"
	"image/color"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

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

const besides = 8 // points from one to the next of those that stand side by side

var (
	colors = []color.NRGBA{
		{0x00, 0x72, 0xb2, 0xff}, {0xd5, 0x5e, 0x00, 0xff}, {0x00, 0x9e, 0x73, 0xff}, {0xcc, 0x79, 0xa7, 0xff},
		{0xe6, 0x9f, 0x00, 0xff}, {0x56, 0xb4, 0xe9, 0xff}, {0x88, 0x88, 0x88, 0xff}, ink, {0x94, 0x67, 0xbd, 0xff},
	}
	markers = []draw.GlyphDrawer{
		draw.CircleGlyph{}, draw.BoxGlyph{}, draw.PyramidGlyph{}, draw.CrossGlyph{}, draw.RingGlyph{}, draw.SquareGlyph{}, draw.TriangleGlyph{}, draw.PlusGlyph{},
	}
	dashes = [][]vg.Length{nil, {7, 2}, {2, 2}, {7, 2, 2, 2}, {4, 4}}
)

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
	return draw.GlyphStyle{Color: s.color(), Radius: 3.2, Shape: heavy{markers[s.Style%len(markers)]}}
}

// A heavy glyph is drawn with lines that can be seen: the library's are thin.
type heavy struct{ draw.GlyphDrawer }

// DrawGlyph implements draw.GlyphDrawer.
func (h heavy) DrawGlyph(c *draw.Canvas, style draw.GlyphStyle, at vg.Point) {
	h.GlyphDrawer.DrawGlyph(&draw.Canvas{Canvas: heavyLines{c.Canvas}, Rectangle: c.Rectangle}, style, at)
}

// heavyLines is a canvas of which all lines have one width.
type heavyLines struct{ vg.Canvas }

// SetLineWidth implements vg.Canvas.
func (c heavyLines) SetLineWidth(vg.Length) { c.Canvas.SetLineWidth(1.3) }

func (p *Panel) addSeries(out *plot.Plot, width vg.Length) error {
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
		out.X.Min, out.X.Max = extent(all)
		settle(&out.X, false)
		dodge(all, (out.X.Max-out.X.Min)*float64(besides/width))
	}
	for i, s := range p.Series {
		if err := p.addPoints(out, s, all[i], alpha); err != nil {
			return err
		}
	}
	if p.Line != nil && out.X.Min < out.X.Max {
		out.Add(rule{plotter.XY{X: out.X.Min, Y: *p.Line}, plotter.XY{X: out.X.Max, Y: *p.Line}})
	}
	settle(&out.X, false)
	settle(&out.Y, p.Line != nil)
	widen(&out.Y)
	if p.LogX && out.X.Min > 0 {
		out.X.Scale, out.X.Tick.Marker = plot.LogScale{}, logarithmic{p.Whole}
	} else {
		out.X.Tick.Marker = decimals{whole: p.Whole, few: true}
	}
	out.Y.Tick.Marker = decimals{}
	return nil
}

// addPoints draws one series: the band or bars of its intervals, its line, its markers.
func (p *Panel) addPoints(out *plot.Plot, s Series, points []Point, alpha uint8) error {
	if len(points) == 0 {
		return nil
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
	return nil
}

// extent is the range of x.
func extent(all [][]Point) (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, points := range all {
		for _, q := range points {
			low, high = min(low, q.X), max(high, q.X)
		}
	}
	return low, high
}

// dodge moves points that hide one another aside: those of which x is nearly the
// same stand side by side, around where they belong.
func dodge(all [][]Point, near float64) {
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
