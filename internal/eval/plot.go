package eval

// Plots of pass@k over k, as SVG that needs no script and no font of its own.
// The same numbers give the same bytes.

import (
	"fmt"
	"math"
	"strings"
)

// A Curve is pass@k over k of one run, under the name that the legend shows.
// Its points are in the order of k.
type Curve struct {
	Name   string
	Points []PassEstimate
}

// Curves gives pass@k, and that of EvalPlus's base inputs alone if there is
// such a thing, for the k that a plot over a logarithmic axis wants.
func (r *Report) Curves() (pass, base []PassEstimate) {
	ks := plottedKs(r.MinSamples)
	if r.BasePassAtK != nil {
		base = r.curve(TaskReport.passesBase, ks)
	}
	return r.curve(TaskReport.passes, ks), base
}

// plottedKs are 1, 2, 3, 5, 7, 10, 20, 30 ... and n.
func plottedKs(n int) []int {
	var ks []int
	for decade := 1; ; decade *= 10 {
		for _, digit := range []int{1, 2, 3, 5, 7} {
			if k := digit * decade; k < n {
				ks = append(ks, k)
				continue
			}
			if n > 0 {
				ks = append(ks, n)
			}
			return ks
		}
	}
}

// The plot's measures, in pixels.
const (
	plotWidth, plotHeight   = 640, 420
	plotLeft, plotRight     = 60, 20
	plotTop, plotBottom     = 20, 50
	legendLine, legendInset = 18, 12
)

// plotColors tell curves apart, for the colour-blind too (Okabe and Ito's).
var plotColors = []string{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"}

// PlotPassAtK draws curves of pass@k with their 95 % intervals: k on a
// logarithmic axis, pass@k from 0 to 100 %.
func PlotPassAtK(curves []Curve) string {
	largest := 1
	for _, c := range curves {
		for _, p := range c.Points {
			largest = max(largest, p.K)
		}
	}
	x := func(k int) float64 {
		if largest == 1 {
			return (plotLeft + plotWidth - plotRight) / 2
		}
		return plotLeft + (plotWidth-plotLeft-plotRight)*math.Log(float64(k))/math.Log(float64(largest))
	}
	y := func(value float64) float64 { return plotTop + (plotHeight-plotTop-plotBottom)*(1-value) }

	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" font-family="sans-serif" font-size="13">`+"\n",
		plotWidth, plotHeight)
	b.WriteString("<title>pass@k over k, with 95 % intervals</title>\n" + `<rect width="100%" height="100%" fill="white"/>` + "\n")
	for percent := 0; percent <= 100; percent += 20 {
		at := y(float64(percent) / 100)
		fmt.Fprintf(&b, `<line x1="%d" x2="%d" y1="%.1f" y2="%.1[3]f" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end">%d</text>`+"\n",
			plotLeft, plotWidth-plotRight, at, plotLeft-8, at+4, percent)
	}
	for _, k := range ticks(largest) {
		fmt.Fprintf(&b, `<line x1="%.1f" x2="%.1[1]f" y1="%[2]d" y2="%d" stroke="#888"/><text x="%.1[1]f" y="%[4]d" text-anchor="middle">%d</text>`+"\n",
			x(k), plotHeight-plotBottom, plotHeight-plotBottom+5, plotHeight-plotBottom+20, k)
	}
	fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="middle">k</text>`+"\n", (plotLeft+plotWidth-plotRight)/2, plotHeight-10)
	fmt.Fprintf(&b, `<text x="16" y="%d" text-anchor="middle" transform="rotate(-90 16 %[1]d)">pass@k, %%</text>`+"\n", (plotTop+plotHeight-plotBottom)/2)
	for i, c := range curves {
		c.draw(&b, plotColors[i%len(plotColors)], x, y)
	}
	for i, c := range curves { // over all curves, at the bottom on the right, where curves rarely are
		at := plotHeight - plotBottom - legendInset - legendLine*(len(curves)-1-i)
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end" fill="%s">%s</text>`+"\n",
			plotWidth-plotRight-legendInset, at, plotColors[i%len(plotColors)], xmlText(c.Name))
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// draw draws the curve's band of intervals, its line and its points; a lone
// point has its interval as a bar.
func (c Curve) draw(b *strings.Builder, color string, x func(int) float64, y func(float64) float64) {
	var line, upper, lower []string
	for i, p := range c.Points {
		line = append(line, fmt.Sprintf("%.1f,%.1f", x(p.K), y(p.Value)))
		upper = append(upper, fmt.Sprintf("%.1f,%.1f", x(p.K), y(p.High)))
		back := c.Points[len(c.Points)-1-i]
		lower = append(lower, fmt.Sprintf("%.1f,%.1f", x(back.K), y(back.Low)))
	}
	if len(c.Points) == 1 {
		p := c.Points[0]
		fmt.Fprintf(b, `<line x1="%.1f" x2="%.1[1]f" y1="%.1[2]f" y2="%.1f" stroke="%s" stroke-opacity="0.4" stroke-width="4"/>`+"\n",
			x(p.K), y(p.Low), y(p.High), color)
	} else if len(c.Points) > 1 {
		fmt.Fprintf(b, `<polygon points="%s %s" fill="%s" fill-opacity="0.15"/>`+"\n", strings.Join(upper, " "), strings.Join(lower, " "), color)
		fmt.Fprintf(b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>`+"\n", strings.Join(line, " "), color)
	}
	for _, p := range c.Points {
		fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="3" fill="%s"><title>pass@%d %.1f %% [%.1f, %.1f]</title></circle>`+"\n",
			x(p.K), y(p.Value), color, p.K, 100*p.Value, 100*p.Low, 100*p.High)
	}
}

// ticks are the k that an axis up to the largest names: powers of ten, with 2
// and 5 between them, and the largest itself if it has room.
func ticks(largest int) []int {
	var ks []int
	for decade := 1; decade <= largest; decade *= 10 {
		for _, digit := range []int{1, 2, 5} {
			if k := digit * decade; k <= largest {
				ks = append(ks, k)
			}
		}
	}
	if last := ks[len(ks)-1]; float64(largest) > 1.3*float64(last) {
		ks = append(ks, largest)
	}
	return ks
}

// xmlText is text between tags.
var xmlText = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace
