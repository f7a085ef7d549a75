package page

import (
	"math"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
)

// decimals puts ticks at round numbers: 1, 2 or 5 times a power of ten apart.
type decimals struct {
	whole bool // at whole numbers alone
	few   bool // labels stand side by side, not one above the other
}

// Ticks implements plot.Ticker.
func (d decimals) Ticks(low, high float64) []plot.Tick {
	intervals := 6.0
	if d.few {
		intervals = 5
	}
	raw := (high - low) / intervals
	step := math.Pow(10, math.Floor(math.Log10(raw)))
	switch ratio := raw / step; { // to the nearest of 1, 2, 5 and 10
	case ratio > 7:
		step *= 10
	case ratio > 3.2:
		step *= 5
	case ratio > 1.4:
		step *= 2
	}
	if d.whole {
		step = max(1, math.Round(step))
	}
	places := max(0, int(-math.Floor(math.Log10(step)+1e-9)))
	var ticks []plot.Tick
	for i := math.Ceil(low/step - 1e-9); i*step <= high+1e-9*step; i++ {
		ticks = append(ticks, plot.Tick{Value: i * step, Label: number(i*step, places)})
	}
	return ticks
}

// number writes a tick; from ten thousand on in thousands, millions and so on.
func number(x float64, places int) string {
	letter := ""
	for _, unit := range []struct {
		from, size float64
		letter     string
	}{{1e12, 1e12, "T"}, {1e9, 1e9, "G"}, {1e6, 1e6, "M"}, {1e4, 1e3, "k"}} {
		if math.Abs(x) >= unit.from*(1-1e-9) {
			x, letter, places = math.Round(x/unit.size*1e4)/1e4, unit.letter, -1
			break
		}
	}
	if places > 5 && x != 0 {
		return strings.Replace(strconv.FormatFloat(x, 'g', 3, 64), "e-0", "e-", 1)
	}
	return strconv.FormatFloat(x+0, 'f', places, 64) + letter // -0 + 0 is 0
}

// A logarithmic axis has ticks at 1, 2 and 5 times the powers of ten, at powers
// alone where those would be many, and at even distances where they would be few.
type logarithmic struct {
	whole bool // whole numbers: the largest has a tick too, if there is room
}

// Ticks implements plot.Ticker.
func (l logarithmic) Ticks(low, high float64) (ticks []plot.Tick) {
	const decades = 4.0 // that have room for the three digits
	digits, every := []float64{1, 2, 5}, 1.0
	if n := math.Log10(high / low); n > decades {
		digits, every = digits[:1], math.Ceil(n/(2*decades))
	}
	for exponent := every * math.Floor(math.Log10(low)/every); exponent <= math.Log10(high)+1e-9; exponent += every {
		for _, digit := range digits {
			value := digit * math.Pow(10, exponent)
			if value >= low*(1-1e-9) && value <= high*(1+1e-9) && (value >= 1 || !l.whole) {
				ticks = append(ticks, plot.Tick{Value: value, Label: number(value, max(0, int(-exponent)))})
			}
		}
	}
	if n := len(ticks); l.whole && n > 0 && high > 1.3*ticks[n-1].Value {
		ticks = append(ticks, plot.Tick{Value: high, Label: number(high, 0)})
	}
	if n := len(ticks); n < 2 || n < 3 && !l.whole {
		return decimals{whole: l.whole, few: true}.Ticks(low, high)
	}
	return ticks
}

// widen leaves room around the data.
func widen(a *plot.Axis) {
	room := margin * (a.Max - a.Min)
	if a.Min != 0 {
		a.Min -= room
	}
	a.Max += room
}

// settle gives an axis without data, or with a single value, a width; signed: its values may be below zero.
func settle(a *plot.Axis, signed bool) {
	switch {
	case a.Min > a.Max, a.Min == a.Max && a.Min == 0 && !signed:
		a.Min, a.Max = 0, 1
	case a.Min == a.Max && a.Min > 0:
		a.Min, a.Max = a.Min/2, a.Max*2
	case a.Min == a.Max:
		a.Min, a.Max = a.Min-1, a.Max+1
	}
}
