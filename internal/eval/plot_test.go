package eval

import (
	"encoding/xml"
	"io"
	"reflect"
	"strings"
	"testing"
)

func TestPlottedKs(t *testing.T) {
	for _, tt := range []struct {
		n    int
		want []int
	}{
		{0, nil}, {1, []int{1}}, {2, []int{1, 2}}, {4, []int{1, 2, 3, 4}}, {10, []int{1, 2, 3, 5, 7, 10}},
		{200, []int{1, 2, 3, 5, 7, 10, 20, 30, 50, 70, 100, 200}},
	} {
		if got := plottedKs(tt.n); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("plottedKs(%d) = %v, want %v", tt.n, got, tt.want)
		}
	}
}

func TestTicks(t *testing.T) {
	for _, tt := range []struct {
		largest int
		want    []int
	}{
		{1, []int{1}}, {8, []int{1, 2, 5, 8}}, {12, []int{1, 2, 5, 10}}, {200, []int{1, 2, 5, 10, 20, 50, 100, 200}},
	} {
		if got := ticks(tt.largest); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("ticks(%d) = %v, want %v", tt.largest, got, tt.want)
		}
	}
}

// A plot is well-formed XML in which every curve has its points and its name.
func TestPlotPassAtK(t *testing.T) {
	half := Estimate{0.5, 0.25, 0.75, "bootstrap"}
	for _, curves := range [][]Curve{
		nil,
		{{Name: "none"}},
		{{Name: "one", Points: []PassEstimate{{1, half}}}},
		{{Name: `<a> & "b"`, Points: []PassEstimate{{1, half}, {10, half}}}, {Name: "c", Points: []PassEstimate{{1, half}, {2, half}, {5, half}}}},
	} {
		plot := PlotPassAtK(curves)
		var text strings.Builder
		circles := 0
		for d := xml.NewDecoder(strings.NewReader(plot)); ; {
			token, err := d.Token()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatalf("%v in\n%s", err, plot)
			}
			switch token := token.(type) {
			case xml.CharData:
				text.Write(token)
				text.WriteByte('\n')
			case xml.StartElement:
				if token.Name.Local == "circle" {
					circles++
				}
			}
		}
		points := 0
		for _, c := range curves {
			points += len(c.Points)
			if !strings.Contains(text.String(), c.Name+"\n") {
				t.Errorf("the plot does not name %q", c.Name)
			}
		}
		if circles != points {
			t.Errorf("%d circles for %d points", circles, points)
		}
		if strings.Contains(plot, "%!") || strings.Contains(plot, "NaN") {
			t.Errorf("the plot is broken:\n%s", plot)
		}
	}
	// The middle of the axis is half of pass@k: 20 + 350/2.
	if plot := PlotPassAtK([]Curve{{Name: "x", Points: []PassEstimate{{1, half}}}}); !strings.Contains(plot, `cy="195.0"`) {
		t.Errorf("a pass@1 of a half is not in the middle:\n%s", plot)
	}
}
