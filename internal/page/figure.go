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
	"html"
	"image/color"
	"math"
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

	narrow bool // drawn for a small screen
}

// Measures in points, 1/72 inch.
const (
	width        = 520
	narrowWidth  = 340 // on small screens, where letters keep their size and panels stand one above the other
	panelHeight  = 280 // of a panel that has the whole width
	smallHeight  = 200 // of the others, and on small screens
	rowHeight    = 22  // of a row or bar with a name of one line
	axisHeight   = 60  // of a panel of rows or bars, beside the rows
	legendHeight = 16  // of a line of the legend
	nameShare    = 0.4 // of the width is the most that names of rows and bars have
	fontSize     = 11
	dotsPerInch  = 144 // of PNG

	marked = 16   // lines of more points have no markers, which would hide them
	margin = 0.04 // of an axis's range, beyond the data
)

var (
	ink   = color.NRGBA{0x22, 0x22, 0x22, 0xff} // of axes and text
	faint = color.NRGBA{0xdd, 0xdd, 0xdd, 0xff} // of grid lines
)

// What the library writes of an SVG's root element and of the fonts of its texts.
const (
	svgOpens    = "<svg "
	svgOpened   = `xmlns:xlink="http://www.w3.org/1999/xlink">`
	svgFont     = "font-family:Liberation Sans;"
	svgVariants = "font-variant:normal;font-weight:normal;font-style:normal;"
	fontFamily  = "Liberation Sans,Arial,Helvetica,sans-serif" // of the same widths, but for the last
)

// svg is the figure as the library draws it: what opens the root element, and the rest.
func (f *Figure) svg() (opening, body string, err error) {
	c := vgsvg.New(f.width(), f.height())
	if err := f.draw(draw.New(c)); err != nil {
		return "", "", err
	}
	var out bytes.Buffer
	if _, err := c.WriteTo(&out); err != nil {
		return "", "", err
	}
	opening, body, ok := strings.Cut(out.String(), svgOpened)
	if !ok || !strings.Contains(opening, svgOpens) {
		return "", "", fmt.Errorf("figure %s: its SVG has no element that ends in %s", f.Name, svgOpened)
	}
	return opening + svgOpened, body, nil
}

// title is the figure's name for those who do not see it.
func (f *Figure) title() string {
	return "\n<title>" + html.EscapeString(f.Title) + "</title>"
}

// SVG is the figure as a file of its own.
func (f *Figure) SVG() ([]byte, error) {
	opening, body, err := f.svg()
	if err != nil {
		return nil, err
	}
	opening = strings.Replace(opening, svgOpens, svgOpens+`role="img" `, 1)
	return []byte(opening + f.title() + strings.ReplaceAll(body, svgFont, "font-family:"+fontFamily+";")), nil
}

// Inline is the figure as two elements of an HTML page, of the classes wide and
// narrow, of which the page shows the one that there is room for. They have no
// background, and axes and text have the page's own colour, so that they can be read
// on dark ground; grid lines have the colour of the variable --faint, and the first
// style that of --first, which has to be lighter there. The page says which font
// they have.
func (f *Figure) Inline() (string, error) {
	small := *f
	small.narrow = true
	var both strings.Builder
	for _, drawn := range []*Figure{f, &small} {
		_, body, err := drawn.svg()
		if err != nil {
			return "", err
		}
		class := "wide"
		if drawn.narrow {
			class = "narrow"
		}
		fmt.Fprintf(&both, `<svg class="%s" role="img" viewBox="0 0 %g %g">`, class, drawn.width(), drawn.height())
		both.WriteString(f.title() + inPage(body))
	}
	return both.String(), nil
}

// inPage leaves colours and fonts to the page.
var inPage = strings.NewReplacer("#222222", "currentColor", "#DDDDDD", "var(--faint)", "#0072B2", "var(--first)", "#FFFFFF", "none",
	"\n\tstyle=", " style=", svgFont, "", svgVariants, "").Replace

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

func (f *Figure) width() vg.Length {
	if f.narrow {
		return narrowWidth
	}
	return width
}

// columns is the number of panels side by side.
func (f *Figure) columns() int {
	if f.narrow {
		return 1
	}
	return max(1, f.Columns)
}

// panelWidth is the width of each panel.
func (f *Figure) panelWidth() vg.Length { return f.width() / vg.Length(f.columns()) }

// rows is the number of panels one above the other.
func (f *Figure) rows() int { return max(1, (len(f.Panels)+f.columns()-1)/f.columns()) }

// panelHeight is the height of the figure's panels, which is the same for all.
func (f *Figure) panelHeight() vg.Length {
	height := vg.Length(panelHeight)
	if f.narrow || f.columns() > 1 {
		height = smallHeight
	}
	for _, p := range f.Panels {
		if n := len(p.Rows) + len(p.Bars); n > 0 {
			height = max(axisHeight+p.rowHeight(f.panelWidth())*vg.Length(n), 120)
		}
	}
	return height
}

func (f *Figure) height() vg.Length {
	return vg.Length(math.Ceil(float64(f.panelHeight()*vg.Length(f.rows()) + f.legend().height() + 12)))
}

// label is the style of text in figures.
func label(size vg.Length) text.Style {
	return text.Style{Color: ink, Font: font.From(font.Font{Typeface: "Liberation", Variant: "Sans"}, size), Handler: plot.DefaultTextHandler}
}

// broken breaks a text into lines of at most a width, between words if it can.
func broken(s string, style text.Style, most vg.Length) string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(s) {
		if line != "" && style.Width(line+" "+word) <= most {
			line += " " + word
			continue
		}
		if line != "" {
			lines = append(lines, line)
		}
		line = ""
		for _, r := range word {
			if line != "" && style.Width(line+string(r)) > most {
				lines = append(lines, line)
				line = ""
			}
			line += string(r)
		}
	}
	return strings.Join(append(lines, line), "\n")
}

func (f *Figure) draw(c draw.Canvas) error {
	c.FillPolygon(color.White, []vg.Point{c.Min, {X: c.Min.X, Y: c.Max.Y}, c.Max, {X: c.Max.X, Y: c.Min.Y}})
	legend := f.legend()
	plots := make([][]*plot.Plot, f.rows())
	for r := range plots {
		plots[r] = make([]*plot.Plot, f.columns())
	}
	for i := range f.Panels {
		p, err := f.Panels[i].plot(f.panelWidth())
		if err != nil {
			return fmt.Errorf("figure %s: %w", f.Name, err)
		}
		plots[i/f.columns()][i%f.columns()] = p
	}
	tiles := draw.Tiles{Rows: f.rows(), Cols: f.columns(), PadX: 14, PadY: 10}
	cells := plot.Align(plots, tiles, draw.Crop(c, 6, -14, legend.height()+6, -6))
	for r := range plots {
		for i, p := range plots[r] {
			if p != nil {
				p.Draw(cells[r][i])
			}
		}
	}
	legend.draw(c)
	return nil
}
