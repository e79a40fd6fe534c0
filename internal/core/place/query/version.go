package query

import (
	"cmp"
	"regexp"
	"strconv"
	"strings"
)

var (
	versionForm = regexp.MustCompile(`^v?[0-9]+(\.[0-9]+)*([-+][0-9A-Za-z.+-]*)?$`)
	numberForm  = regexp.MustCompile(`^[+-]?[0-9]+(\.[0-9]+)?$`)
)

// compareVersions compares number by number; 1.2 is 1.2.0, and 1.2.0-rc1 comes before 1.2.0.
func compareVersions(a, b string) int {
	aNumbers, aRest := cutVersion(a)
	bNumbers, bRest := cutVersion(b)
	for i := range max(len(aNumbers), len(bNumbers)) {
		if c := compareNumbers(at(aNumbers, i), at(bNumbers, i)); c != 0 {
			return c
		}
	}
	if (aRest == "") != (bRest == "") {
		return cmp.Compare(len(bRest), len(aRest)) // what has a suffix comes before what has none
	}
	return strings.Compare(aRest, bRest)
}

// cutVersion gives the numbers and the suffix of a pre-release; what follows a + is no part of the order.
func cutVersion(s string) (numbers []string, suffix string) {
	s, _, _ = strings.Cut(strings.TrimPrefix(s, "v"), "+")
	s, suffix, _ = strings.Cut(s, "-")
	return strings.Split(s, "."), suffix
}

func at(numbers []string, i int) string {
	if i < len(numbers) {
		return numbers[i]
	}
	return ""
}

// compareNumbers compares strings of digits of any length.
func compareNumbers(a, b string) int {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
}

// compareText compares as numbers if both are, else as text.
func compareText(a, b string) int {
	if !numberForm.MatchString(a) || !numberForm.MatchString(b) {
		return strings.Compare(a, b)
	}
	x, errX := strconv.ParseFloat(a, 64)
	y, errY := strconv.ParseFloat(b, 64)
	if errX != nil || errY != nil { // out of range
		return strings.Compare(a, b)
	}
	return cmp.Compare(x, y)
}
