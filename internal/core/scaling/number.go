package scaling

import (
	"math"
	"strconv"
)

// number writes a measurement for people.
func number(f float64) string { return strconv.FormatFloat(rounded(f, 1e4), 'f', -1, 64) }

// rounded leaves out what lies behind a digit, if the number is not too large to have one there.
func rounded(f, digit float64) float64 {
	if math.Abs(f) > 1e9 {
		return f
	}
	return math.Round(f*digit) / digit
}

// ceil is the count that a number of tasks comes to. What the arithmetic of floats adds to a whole number is left out.
func ceil(f float64) int {
	return int(math.Ceil(max(0, min(rounded(f, 1e6), math.MaxInt32))))
}

// finite leaves out what is no number.
func finite(points []float64) []float64 {
	var rest []float64
	for _, p := range points {
		if !math.IsNaN(p) && !math.IsInf(p, 0) {
			rest = append(rest, p)
		}
	}
	return rest
}

// mean is the average of at least one number; each is divided first, so that the sum stays finite.
func mean(points []float64) float64 {
	var sum float64
	for _, p := range points {
		sum += p / float64(len(points))
	}
	return rounded(sum, 1e6) // 3 × 0.1 / 3 is 0.1
}
