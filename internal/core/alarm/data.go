package alarm

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxData is how long a StateReasonData may be.
const maxData = 4000

// reasonData is the JSON that goes with a reason. Scaling policies read the values, the threshold and the query's date.
type reasonData struct {
	Version   string            `json:"version"`
	QueryDate string            `json:"queryDate"`
	StartDate string            `json:"startDate,omitempty"` // of the oldest point
	Unit      string            `json:"unit,omitempty"`
	Statistic string            `json:"statistic,omitempty"`
	Period    int               `json:"period"`
	Recent    []json.RawMessage `json:"recentDatapoints"` // oldest first
	Threshold json.RawMessage   `json:"threshold"`
	Evaluated []evaluated       `json:"evaluatedDatapoints"` // newest first; without a value if it is missing
}

type evaluated struct {
	Timestamp string          `json:"timestamp"`
	Samples   json.RawMessage `json:"sampleCount,omitempty"`
	Value     json.RawMessage `json:"value,omitempty"`
}

// data gives the StateReasonData of a decision. Where it would be too long it tells of the newest points only.
func (e *evaluation) data(used []slot) string {
	for limit := max(len(used), periods(e.alarm)); ; limit = limit * 3 / 4 {
		text := e.dataOf(used[:min(limit, len(used))], limit)
		if len(text) <= maxData || limit == 0 {
			return text
		}
	}
}

func (e *evaluation) dataOf(used []slot, limit int) string {
	d := reasonData{
		Version: "1.0", QueryDate: stamp(e.now), Unit: e.alarm.Unit, Statistic: statistic(e.alarm),
		Period: int(e.alarm.Resolution() / time.Second), Threshold: raw(e.alarm.Threshold), Recent: []json.RawMessage{},
		Evaluated: []evaluated{},
	}
	for _, s := range used {
		d.Evaluated = append(d.Evaluated, evaluated{Timestamp: stamp(s.At), Samples: samples(s.Samples), Value: raw(s.Value)})
	}
	for _, s := range slices.Backward(used) {
		d.Recent = append(d.Recent, raw(s.Value))
	}
	if len(used) > 0 {
		d.StartDate = stamp(used[len(used)-1].At)
	} else {
		d.Evaluated = e.unknown(limit)
	}
	text, err := json.Marshal(d)
	if err != nil { // every number was written by raw
		return ""
	}
	return string(text)
}

// unknown lists the newest periods, none of which has data.
func (e *evaluation) unknown(limit int) []evaluated {
	all := []evaluated{}
	for i := range min(limit, periods(e.alarm)) {
		all = append(all, evaluated{Timestamp: stamp(e.end.Add(-time.Duration(i+1) * e.alarm.Resolution()))})
	}
	return all
}

func samples(n float64) json.RawMessage {
	if n <= 0 {
		return nil
	}
	return raw(n)
}

func raw(v float64) json.RawMessage {
	if math.IsInf(v, 0) || math.IsNaN(v) {
		return json.RawMessage(`"` + number(v) + `"`)
	}
	return json.RawMessage(number(v))
}

// number writes a number as CloudWatch does, which is Java: 50.0, 1.0E7, 1.0E-4.
func number(v float64) string {
	switch size := math.Abs(v); {
	case math.IsInf(v, 1):
		return "Infinity"
	case math.IsInf(v, -1):
		return "-Infinity"
	case v == 0 || math.IsNaN(v) || size >= 1e-3 && size < 1e7:
		return fraction(strconv.FormatFloat(v, 'f', -1, 64))
	}
	digits, exponent, _ := strings.Cut(strconv.FormatFloat(v, 'E', -1, 64), "E")
	n, _ := strconv.Atoi(exponent)
	return fraction(digits) + "E" + strconv.Itoa(n)
}

func fraction(digits string) string {
	if strings.Contains(digits, ".") || digits == "NaN" {
		return digits
	}
	return digits + ".0"
}
