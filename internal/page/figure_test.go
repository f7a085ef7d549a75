package page

import (
	"bytes"
	"encoding/xml"
	"html"
	"image/png"
	"io"
	"math"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"gonum.org/v1/plot"
)

// figures are one of each kind, with data that plots often trip over.
func figures() []*Figure {
	nan, inf, zero := math.NaN(), math.Inf(1), 0.0
	line := []Point{{1, 10, 5, 15}, {2, nan, 0, 0}, {3, inf, 0, 0}, {4, 20, nan, inf}, {5, 30, 25, 35}}
	return []*Figure{
		{Name: "none", Title: "nothing"},
		{Name: "empty", Title: "a panel without data", Panels: []Panel{{X: "x", Y: "y", LogX: true, Series: []Series{{Name: "empty"}}}}},
		{Name: "one", Title: "one point", Panels: []Panel{{X: "x", Y: "y", LogX: true, Series: []Series{{Name: "one", Points: line[:1]}}}}},
		{Name: "lines", Title: `<lines> & "more"`, Columns: 2, Panels: []Panel{
			{Title: "first", X: "x", Y: "y", LogX: true, Whole: true, Series: []Series{{Name: "<a> & b", Points: line}, {Name: "c", Style: 7, Stroke: Dashed, Points: line[3:]}}},
			{Title: "second", X: "x, %", Y: "y", Line: &zero, Series: []Series{{Name: "far", Style: 12, Points: []Point{{-1e9, 1e-9, 0, 0}, {1e12, 2e-9, 0, 0}}}}},
			{Title: "third", X: "x", Y: "y", Scattered: true, Series: []Series{{Name: "left", Points: line[:1]}, {Name: "right", Style: 1, Points: line[:1]}}},
		}},
		{Name: "rows", Title: "rows", Panels: []Panel{{X: "points", Line: &zero, Rows: []Row{{"first row", 1, 0, 2}, {"second & last", nan, 0, 0}, {"third", -3, -3, -3}}}}},
		{Name: "bars", Title: "bars", Panels: []Panel{{X: "ms", Stack: []string{"thinking", "answering"}, Bars: []Bar{{"short", []float64{0, 0}}, {"long", []float64{3, inf}}}}}},
	}
}

// textOf is the text of an XML document; it fails where that is not well formed.
func textOf(t *testing.T, document string) string {
	t.Helper()
	var text strings.Builder
	for d := xml.NewDecoder(strings.NewReader(document)); ; {
		token, err := d.Token()
		if err == io.EOF {
			return text.String()
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, document)
		}
		if data, ok := token.(xml.CharData); ok {
			text.Write(data)
			text.WriteByte('\n')
		}
	}
}

func TestFigures(t *testing.T) {
	for _, f := range figures() {
		svg, err := f.SVG()
		if err != nil {
			t.Fatalf("%s: %v", f.Name, err)
		}
		inline, err := f.Inline()
		if err != nil {
			t.Fatal(err)
		}
		wide, narrow, ok := strings.Cut(inline, "</svg>")
		if !ok {
			t.Fatalf("%s: there is one element:\n%s", f.Name, inline)
		}
		for _, document := range []string{string(svg), wide + "</svg>", narrow} {
			title := ">\n<title>" + html.EscapeString(f.Title) + "</title>"
			if root, _, _ := strings.Cut(document, title); !strings.Contains(root, ` role="img"`) || strings.Count(root, "<svg") != 1 || strings.Contains(root, "<g") {
				t.Errorf("%s: the root element does not begin with the title %q", f.Name, f.Title)
			}
			text := textOf(t, document)
			for _, p := range f.Panels {
				names := []string{p.Title, p.X, p.Y}
				for _, s := range p.Series {
					names = append(names, s.Name)
				}
				for _, r := range p.Rows {
					names = append(names, r.Name)
				}
				for _, b := range p.Bars {
					names = append(names, b.Name)
				}
				for _, name := range append(names, p.Stack...) {
					if !strings.Contains(text, name) {
						t.Errorf("%s: the figure does not say %q", f.Name, name)
					}
				}
			}
			for _, bad := range []string{"NaN", "Inf", "%!", "#-"} {
				if strings.Contains(document, bad) {
					t.Errorf("%s: the figure has %s in it", f.Name, bad)
				}
			}
		}
		for _, bad := range []string{"#222222", "#FFFFFF", "http", "<?xml", "<script"} {
			if strings.Contains(inline, bad) {
				t.Errorf("%s: the element has %s in it", f.Name, bad)
			}
		}
		pixels, err := f.PNG()
		if err != nil {
			t.Fatal(err)
		}
		image, err := png.Decode(bytes.NewReader(pixels))
		if err != nil {
			t.Fatalf("%s: %v", f.Name, err)
		}
		if got := image.Bounds().Dx(); got != width*dotsPerInch/72 {
			t.Errorf("%s: the image is %d pixels wide, want %d", f.Name, got, width*dotsPerInch/72)
		}
		if again, _ := f.SVG(); !bytes.Equal(again, svg) {
			t.Errorf("%s: the same figure has different bytes", f.Name)
		}
		if again, _ := f.PNG(); !bytes.Equal(again, pixels) {
			t.Errorf("%s: the same figure has different pixels", f.Name)
		}
	}
}

// Points at one place stand side by side, in the order of the series and around
// where they belong; others stay.
func TestDodge(t *testing.T) {
	all := [][]Point{{{X: 5}}, {{X: 5}}, {{X: 100}}, {{X: 5}}, {{X: 0}}}
	dodge(all, 1.2)
	x := func(i int) float64 { return all[i][0].X }
	if !(x(0) < x(1) && x(1) < x(3)) || math.Abs(x(0)+x(1)+x(3)-15) > 1e-9 || x(2) != 100 || x(4) != 0 {
		t.Errorf("points stand at %v", all)
	}
}

func TestTicks(t *testing.T) {
	for _, tt := range []struct {
		name string
		got  func() []string
		want string
	}{
		{"percent", labels(decimals{}, 0, 100), "0 20 40 60 80 100"},
		{"around zero", labels(decimals{few: true}, -35, 17), "-30 -20 -10 0 10"},
		{"small", labels(decimals{}, 0, 0.06), "0.00 0.01 0.02 0.03 0.04 0.05 0.06"},
		{"whole", labels(decimals{whole: true}, 0, 3), "0 1 2 3"},
		{"large", labels(decimals{}, 0, 3e6), "0 500k 1M 1.5M 2M 2.5M 3M"},
		{"k", labels(logarithmic{whole: true}, 1, 16), "1 2 5 10 16"},
		{"k of a hundred", labels(logarithmic{whole: true}, 1, 128), "1 2 5 10 20 50 100"},
		{"TFLOP", labels(logarithmic{}, 0.15, 2.1), "0.2 0.5 1 2"},
		{"decades", labels(logarithmic{}, 1, 1e6), "1 10 100 1000 10k 100k 1M"},
		{"many decades", labels(logarithmic{}, 1e-7, 3e9), "1e-6 0.001 1 1000 1M 1G"},
		{"less than a decade", labels(logarithmic{}, 4.5, 18), "6 8 10 12 14 16 18"},
		{"one k", labels(logarithmic{whole: true}, 0.5, 2), "1 2"},
	} {
		if got := strings.Join(tt.got(), " "); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

// Whatever the values, an axis has two ticks at least, and not more than there is room for.
func TestAxesHaveTicks(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for range 10000 {
		low := math.Pow(10, 16*rng.Float64()-8)
		high := low * math.Pow(10, rng.Float64()*rng.Float64()*10)
		if rng.IntN(10) == 0 {
			high = low
		}
		axis := plot.Axis{Min: low, Max: high}
		settle(&axis, false)
		whole := plot.Axis{Min: math.Ceil(low), Max: math.Ceil(high)}
		settle(&whole, false)
		for _, tt := range []struct {
			ticker plot.Ticker
			axis   plot.Axis
		}{{decimals{}, axis}, {decimals{few: true}, axis}, {logarithmic{}, axis}, {decimals{whole: true, few: true}, whole}, {logarithmic{whole: true}, whole}} {
			if n := len(tt.ticker.Ticks(tt.axis.Min, tt.axis.Max)); n < 2 || n > 14 {
				t.Fatalf("%#v has %d ticks from %g to %g", tt.ticker, n, tt.axis.Min, tt.axis.Max)
			}
		}
	}
}

// Names are broken between words, and words that are too long anywhere; no line is too wide, and nothing is lost.
func TestBroken(t *testing.T) {
	style := label(fontSize)
	for _, text := range []string{"", "short", "a name of several words", "a " + strings.Repeat("long", 20) + " word", strings.Repeat("\u7b2c", 30)} {
		lines := broken(text, style, 80)
		if got := style.Width(lines); got > 80 {
			t.Errorf("%q is %v wide", lines, got)
		}
		joined := strings.NewReplacer("\n", "", " ", "").Replace
		if joined(lines) != joined(text) {
			t.Errorf("%q became %q", text, lines)
		}
	}
	if got := broken("a name of several words", style, 80); got != "a name of\nseveral words" {
		t.Errorf("found %q", got)
	}
}

// Long names take room from their own rows and from the legend, not from the panel, and do not leave the figure.
func TestLongNames(t *testing.T) {
	name := strings.Repeat("a very long name ", 8)
	rows := &Figure{Panels: []Panel{{X: "x, " + name, Rows: []Row{{name, 1, 0, 2}, {"b", 2, 1, 3}}}}}
	series := &Figure{Panels: []Panel{{X: "x", Y: "y", Series: []Series{{Name: name, Points: []Point{{1, 2, 0, 0}}}}}}}
	for _, f := range []*Figure{rows, series} {
		for _, narrow := range []bool{false, true} {
			short, long := *f, *f
			short.narrow, long.narrow = narrow, narrow
			short.Panels = []Panel{{Rows: []Row{{Name: "a"}, {Name: "b"}}[:len(f.Panels[0].Rows)], Series: []Series{{Name: "a"}}[:len(f.Panels[0].Series)]}}
			if long.height() <= short.height() {
				t.Errorf("with long names the figure is %v high, else %v", long.height(), short.height())
			}
			_, body, err := long.svg()
			if err != nil {
				t.Fatal(err)
			}
			for _, match := range textAt.FindAllStringSubmatch(body, -1) {
				x, err := strconv.ParseFloat(match[1], 64)
				if err != nil {
					t.Fatal(err)
				}
				if right := x + float64(label(fontSize).Width(html.UnescapeString(match[2]))); x < 0 || right > float64(long.width()) {
					t.Errorf("%q stands from %g to %g in a figure %v wide", match[2], x, right, long.width())
				}
			}
		}
	}
}

// textAt finds a text that stands upright, and its x.
var textAt = regexp.MustCompile(`<text x="([^"]*)"[^>]*transform="scale\(1, -1\)"[^>]*>([^<]*)</text>`)

func labels(ticker plot.Ticker, low, high float64) func() []string {
	return func() (all []string) {
		for _, tick := range ticker.Ticks(low, high) {
			all = append(all, tick.Label)
		}
		return all
	}
}
