package scaling

import (
	"math"
	"strconv"
)

// number writes a measurement for people.
func number(f float64) string {
	if f != 0 && math.Abs(f) < 0.001 || math.Abs(f) > 1e9 {
		return strconv.FormatFloat(f, 'g', 4, 64)
	}
	return strconv.FormatFloat(math.Round(f*1e4)/1e4, 'f', -1, 64)
}

// exact leaves out what the arithmetic of floats has added to a number: 0.7 three times is 2.1.
func exact(f float64) float64 {
	if f == math.Trunc(f) && math.Abs(f) < 1e12 {
		return f // a whole number has nothing to leave out
	}
	r, err := strconv.ParseFloat(strconv.FormatFloat(f, 'g', 12, 64), 64)
	if err != nil {
		return f // it is at the end of what there is
	}
	return r
}

// ceil is the count that a number of tasks comes to.
func ceil(f float64) int { return int(math.Ceil(max(0, min(exact(f), math.MaxInt32)))) }

// finite leaves out what is no number.
func finite(points []float64) []float64 {
	var rest []float64
	for _, p := range points {
		if isFinite(p) {
			rest = append(rest, p)
		}
	}
	return rest
}

func isFinite(f float64) bool { return !math.IsNaN(f) && !math.IsInf(f, 0) }

// mean is the average of at least one number; each is divided first, so that the sum stays finite.
func mean(points []float64) float64 {
	var sum float64
	for _, p := range points {
		sum += p / float64(len(points))
	}
	return exact(sum)
}
