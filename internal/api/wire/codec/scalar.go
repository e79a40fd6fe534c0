package codec

import (
	"encoding/base64"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"time"
)

const (
	// The years 1 to 9999, in milliseconds since the epoch: outside of them a
	// time has no RFC 3339 form.
	timeMillisMin = -62135596800000
	timeMillisMax = 253402300799999
)

// setInt puts i into the integer v if it fits.
func setInt(v reflect.Value, i int64) error {
	if v.OverflowInt(i) {
		return &FieldError{Reason: fmt.Sprintf("%d is out of the range of a 32-bit integer", i)}
	}
	v.SetInt(i)
	return nil
}

// parseInt reads an integer; a number with an empty fraction, as 1.0 or 1e3, is
// an integer too, because some languages have no other numbers.
func parseInt(v reflect.Value, text string) error {
	if i, err := strconv.ParseInt(text, 10, 64); err == nil {
		return setInt(v, i)
	}
	const exact = 1 << 53
	f, ok := parseFloat(text)
	if !ok || f != math.Trunc(f) || math.Abs(f) > exact {
		return &FieldError{Reason: "expected an integer, got " + clip(text)}
	}
	return setInt(v, int64(f))
}

// parseFloat reads a decimal number, without the hexadecimal, underscored and
// spelled-out forms that Go knows besides.
func parseFloat(text string) (float64, bool) {
	for _, c := range []byte(text) {
		if (c < '0' || c > '9') && c != '+' && c != '-' && c != '.' && c != 'e' && c != 'E' {
			return 0, false
		}
	}
	f, err := strconv.ParseFloat(text, 64)
	return f, err == nil
}

// specialFloat reads the three values that the protocols spell as strings.
func specialFloat(text string) (float64, bool) {
	switch text {
	case "NaN":
		return math.NaN(), true
	case "Infinity":
		return math.Inf(1), true
	case "-Infinity":
		return math.Inf(-1), true
	default:
		return 0, false
	}
}

// specialFloatName is the inverse of specialFloat; it is empty for usual numbers.
func specialFloatName(f float64) string {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	default:
		return ""
	}
}

func floatBits(v reflect.Value) int { return v.Type().Bits() }

// appendFloat writes a finite number in its shortest form, without an exponent
// where people would not write one.
func appendFloat(dst []byte, f float64, bits int) []byte {
	abs := math.Abs(f)
	if abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		return strconv.AppendFloat(dst, f, 'e', -1, bits)
	}
	return strconv.AppendFloat(dst, f, 'f', -1, bits)
}

// setEpoch puts seconds since the epoch into the time v, to the millisecond.
func setEpoch(v reflect.Value, seconds float64) error {
	ms := math.Round(seconds * 1000)
	if math.IsNaN(ms) || ms < timeMillisMin || ms > timeMillisMax {
		return &FieldError{Reason: "the timestamp is out of range"}
	}
	v.Set(reflect.ValueOf(time.UnixMilli(int64(ms)).UTC()))
	return nil
}

// appendEpoch writes seconds since the epoch with at most three digits of
// fraction: clients read the number as a float and lose what is finer.
func appendEpoch(dst []byte, t time.Time) []byte {
	ms := t.UnixMilli()
	if ms < 0 {
		dst, ms = append(dst, '-'), -ms
	}
	dst = strconv.AppendInt(dst, ms/1000, 10)
	rest := ms % 1000
	if rest == 0 {
		return dst
	}
	digits := [4]byte{'.', byte('0' + rest/100), byte('0' + rest/10%10), byte('0' + rest%10)}
	n := len(digits)
	for digits[n-1] == '0' {
		n--
	}
	return append(dst, digits[:n]...)
}

// parseDateTime reads the RFC 3339 time of the query protocols, to the millisecond.
func parseDateTime(v reflect.Value, text string) error {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return &FieldError{Reason: "expected a time as 2006-01-02T15:04:05Z, got " + clip(text)}
	}
	return setEpoch(v, float64(t.Round(time.Millisecond).UnixMilli())/1000)
}

func appendDateTime(dst []byte, t time.Time) []byte {
	return t.UTC().Truncate(time.Millisecond).AppendFormat(dst, "2006-01-02T15:04:05.999Z")
}

// timeOf returns the time in v; through its address where it has one, which saves
// a copy on the heap.
func timeOf(v reflect.Value) time.Time {
	if v.CanAddr() {
		return *v.Addr().Interface().(*time.Time)
	}
	return v.Interface().(time.Time)
}

// parseBlob reads base64.
func parseBlob(v reflect.Value, text string) error {
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return &FieldError{Reason: "expected base64: " + err.Error()}
	}
	v.SetBytes(b)
	return nil
}

// clip quotes a value for an error text, shortened.
func clip(s string) string {
	const bytesMax = 40
	if len(s) > bytesMax {
		s = s[:bytesMax] + "…"
	}
	return strconv.Quote(s)
}
