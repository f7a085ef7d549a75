package page

import (
	"bytes"
	"encoding/xml"
	"image/png"
	"io"
	"math"
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
		for _, document := range []string{string(svg), inline} {
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
	dodge(all)
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
	} {
		if got := strings.Join(tt.got(), " "); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

func labels(ticker plot.Ticker, low, high float64) func() []string {
	return func() (all []string) {
		for _, tick := range ticker.Ticks(low, high) {
			all = append(all, tick.Label)
		}
		return all
	}
}
