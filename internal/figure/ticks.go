package figure

import (
	"math"
	"strconv"

	"gonum.org/v1/plot"
)

// decimals puts ticks at round numbers: 1, 2 or 5 times a power of ten apart.
type decimals struct {
	whole bool // at whole numbers alone
	few   bool // labels stand side by side, not one above the other
}

// Ticks implements plot.Ticker.
func (d decimals) Ticks(low, high float64) []plot.Tick {
	intervals := 5.0
	if d.few {
		intervals = 4
	}
	raw := (high - low) / intervals
	step := math.Pow(10, math.Floor(math.Log10(raw)))
	for _, digit := range []float64{10, 5, 2} {
		if wider := step * digit; digit == 10 && wider/2 < raw || digit == 5 && wider/2.5 < raw || digit == 2 && step < raw {
			step = wider
			break
		}
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

// number writes a tick; thousands, millions and so on with their letter.
func number(x float64, places int) string {
	for _, unit := range []struct {
		size   float64
		letter string
	}{{1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e4, "k"}} {
		if math.Abs(x) >= unit.size {
			size := min(unit.size, 1e12)
			if unit.letter == "k" {
				size = 1e3
			}
			return strconv.FormatFloat(math.Round(x/size*1e4)/1e4, 'f', -1, 64) + unit.letter
		}
	}
	return strconv.FormatFloat(x, 'f', places, 64)
}

// logTicks are 1, 2 and 5 times the powers of ten, and the powers alone where
// those would be many.
func logTicks(low, high float64) []plot.Tick {
	digits := []float64{1, 2, 5}
	if high/low > 1e4 {
		digits = digits[:1]
	}
	var ticks []plot.Tick
	for exponent := math.Floor(math.Log10(low)); exponent <= math.Log10(high)+1e-9; exponent++ {
		for _, digit := range digits {
			value := digit * math.Pow(10, exponent)
			if value >= low*(1-1e-9) && value <= high*(1+1e-9) {
				ticks = append(ticks, plot.Tick{Value: value, Label: number(value, max(0, int(-exponent)))})
			}
		}
	}
	return ticks
}
