package metrics

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Function is what a statistic computes ("CloudWatch statistics definitions").
type Function string

// The functions. Those from Percentile on need the single values, not only a statistic set.
const (
	SampleCount     Function = "SampleCount"
	Sum             Function = "Sum"
	Average         Function = "Average"
	Minimum         Function = "Minimum"
	Maximum         Function = "Maximum"
	Percentile      Function = "p"
	TrimmedMean     Function = "tm"
	WinsorizedMean  Function = "wm"
	TrimmedCount    Function = "tc"
	TrimmedSum      Function = "ts"
	PercentileRank  Function = "PR"
	maxDecimals              = 10
	hundred                  = 100
	percentileAlias          = "IQM"
)

// Statistic is a statistic as it is asked for by name.
type Statistic struct {
	Function Function
	// Low and High are the boundaries of what counts: what is over Low and not over High. They are -Inf and +Inf where none
	// is given. A percentile has High alone.
	Low, High float64
	// Percent says that the boundaries are parts of the number of values, 0 to 100, and not values.
	Percent bool
}

// NeedsValues says whether the statistic can only be computed of single values ("Percentiles": of a statistic set only
// if SampleCount is 1, or Minimum and Maximum are the same; never when a value is negative).
func (s Statistic) NeedsValues() bool {
	switch s.Function {
	case SampleCount, Sum, Average, Minimum, Maximum:
		return false
	default:
		return true
	}
}

// ParseStatistic understands the name of a statistic: Average, Sum, Minimum, Maximum, SampleCount, p95.45, tm90, wm98, tc90,
// ts90, TM(2%:98%), TM(150:1000), PR(:300) and so on, IQM. The error says what is wrong in words fit for an API's answer.
func ParseStatistic(name string) (Statistic, error) {
	all := Statistic{Low: math.Inf(-1), High: math.Inf(1)}
	if f := Function(name); slices.Contains([]Function{SampleCount, Sum, Average, Minimum, Maximum}, f) {
		all.Function = f
		return all, nil
	}
	if strings.EqualFold(name, percentileAlias) {
		return Statistic{Function: TrimmedMean, Low: 25, High: 75, Percent: true}, nil
	}
	for _, f := range []Function{TrimmedMean, WinsorizedMean, TrimmedCount, TrimmedSum, PercentileRank, Percentile} {
		if rest, ok := cutFold(name, string(f)); ok {
			all.Function = f
			return parseBounds(all, name, rest)
		}
	}
	return Statistic{}, fmt.Errorf("the value %q is not a statistic: use Average, Sum, Minimum, Maximum, SampleCount, p0 to p100, "+
		"tm, wm, tc, ts, PR or IQM", name)
}

func cutFold(s, prefix string) (rest string, ok bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return "", false
	}
	return s[len(prefix):], true
}

func parseBounds(st Statistic, name, rest string) (Statistic, error) {
	inner, pair := strings.CutPrefix(rest, "(")
	if pair && st.Function != Percentile {
		inner, ok := strings.CutSuffix(inner, ")")
		low, high, colon := strings.Cut(inner, ":")
		if !ok || !colon {
			return Statistic{}, fmt.Errorf("the statistic %q needs two boundaries in brackets with a colon between them", name)
		}
		return parsePair(st, name, low, high)
	}
	if st.Function == PercentileRank {
		return Statistic{}, fmt.Errorf("the statistic %q needs boundaries, such as PR(:300)", name)
	}
	high, err := parsePercent(rest)
	if err != nil {
		return Statistic{}, fmt.Errorf("the statistic %q is not valid: %w", name, err)
	}
	st.Percent, st.High = true, high
	if st.Function != Percentile {
		st.Low = 0
	}
	return st, nil
}

func parsePair(st Statistic, name, low, high string) (Statistic, error) {
	percent := strings.HasSuffix(low, "%") || strings.HasSuffix(high, "%")
	if percent && st.Function == PercentileRank {
		return Statistic{}, fmt.Errorf("the statistic %q has boundaries that are values, not percentages", name)
	}
	st.Percent = percent
	if percent {
		st.Low, st.High = 0, hundred
	}
	if low == "" && high == "" {
		return Statistic{}, fmt.Errorf("the statistic %q has no boundary", name)
	}
	for _, side := range []struct {
		text string
		to   *float64
	}{{low, &st.Low}, {high, &st.High}} {
		if side.text == "" {
			continue
		}
		v, err := parseBound(side.text, percent)
		if err != nil {
			return Statistic{}, fmt.Errorf("the statistic %q is not valid: %w", name, err)
		}
		*side.to = v
	}
	if st.Low >= st.High {
		return Statistic{}, fmt.Errorf("the lower boundary of the statistic %q is not below the upper one", name)
	}
	return st, nil
}

func parseBound(text string, percent bool) (float64, error) {
	if !percent {
		return parseNumber(text)
	}
	text, ok := strings.CutSuffix(text, "%")
	if !ok {
		return 0, fmt.Errorf("both boundaries are percentages, or none is")
	}
	return parsePercent(text)
}

func parsePercent(text string) (float64, error) {
	v, err := parseNumber(text)
	if err == nil && v > hundred {
		return 0, fmt.Errorf("%s is not between 0 and 100", text)
	}
	return v, err
}

// parseNumber takes digits with up to ten decimals, as CloudWatch does: no sign, no exponent.
func parseNumber(text string) (float64, error) {
	whole, decimals, point := strings.Cut(text, ".")
	if whole == "" || len(whole) > 30 || strings.Trim(whole+decimals, "0123456789") != "" || point && decimals == "" {
		return 0, fmt.Errorf("%q is not a number", text)
	}
	if len(decimals) > maxDecimals {
		return 0, fmt.Errorf("%s has more than %d decimals", text, maxDecimals)
	}
	return strconv.ParseFloat(text, 64)
}
