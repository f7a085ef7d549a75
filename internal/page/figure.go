// Package page makes what a report is of: figures as SVG and PNG, tables, and documents of both, as one HTML page,
// as Markdown and as text. The same numbers give the same bytes.
//
// A figure has lines with intervals, dots with intervals, or stacked bars, in one panel or several. Colours are Okabe
// and Ito's, which the colour-blind can tell apart; markers and dashes tell series apart in grey. The package knows
// nothing of evaluations or methods, and does not print.
package page

import (
	"bytes"
	"fmt"
	"image/color"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
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
	const opened = `xmlns:xlink="http://www.w3.org/1999/xlink">`
	_, body, ok := strings.Cut(string(whole), opened)
	if !ok {
		return "", fmt.Errorf("figure %s: its SVG has no element that ends in %s", f.Name, opened)
	}
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
