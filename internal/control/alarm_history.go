package control

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// alarmChange is what was done to an alarm's configuration, in the words of its history.
type alarmChange struct {
	text, kind, member string
}

var (
	alarmCreated = alarmChange{"created", "Create", "createdAlarm"}
	alarmUpdated = alarmChange{"updated", "Update", "updatedAlarm"}
	alarmDeleted = alarmChange{"deleted", "Delete", "deletedAlarm"}
)

// noteAlarm writes a change of the configuration into an alarm's history; the state counts it.
func noteAlarm(tx *store.Tx, call Call, a *model.Alarm, s *model.AlarmState, what alarmChange) {
	NoteAlarmEvent(tx, s, model.AlarmEvent{
		Type: model.AlarmConfigured, At: call.Now, Summary: "Alarm \"" + a.Name + "\" " + what.text, Composite: a.Composite(),
		Data: object("version", "1.0", "type", what.kind, what.member, alarmRecord(a, s)),
	})
}

// noteTransition writes a change of the state into an alarm's history.
func noteTransition(tx *store.Tx, call Call, a *model.Alarm, old, s *model.AlarmState) {
	NoteAlarmEvent(tx, s, AlarmTransition(a, old, s, call.Now))
}

// AlarmTransition is the event of an alarm whose state has become another one, for NoteAlarmEvent.
func AlarmTransition(a *model.Alarm, old, s *model.AlarmState, now time.Time) model.AlarmEvent {
	return model.AlarmEvent{
		Type: model.AlarmChanged, At: now, Composite: a.Composite(),
		Summary: "Alarm updated from " + string(old.Value) + " to " + string(s.Value),
		Data:    object("version", "1.0", "oldState", stateRecord(old), "newState", stateRecord(s)),
	}
}

// eventsPart is how many old events one new event removes, at most, so that they become fewer.
const eventsPart = 2

// NoteAlarmEvent adds an event to the history of the alarm that a state is of. It numbers it, and counts it in the state,
// which the caller has to put. What is too old, or too much, goes, bit by bit. It writes up to
// three records.
func NoteAlarmEvent(tx *store.Tx, s *model.AlarmState, e model.AlarmEvent) {
	s.LastEvent++
	e.Alarm, e.Number = s.Alarm, s.LastEvent
	tx.Put(&e)
	n := 0
	for old := range tx.View().AlarmEvents(s.Alarm) {
		if n++; n > eventsPart || old.Number > s.LastEvent-model.MaxAlarmEvents && e.At.Sub(old.At) <= model.AlarmEventsKept {
			return
		}
		tx.Delete(old.Key())
	}
}

// lastAlarmEvent is the number of the newest event of an alarm (given by path) that has no state, and so was deleted.
func lastAlarmEvent(v *store.View, path string) (last int) {
	for e := range v.AlarmEvents(path) {
		last = e.Number
	}
	return last
}

// sweepAlarmEvents removes events of deleted alarms of a region that are too old. Only deletions leave such events, so it is
// enough that each deletion removes some.
func sweepAlarmEvents(tx *store.Tx, call Call) {
	n := 0
	for e := range tx.View().AlarmEvents(call.Region) {
		if call.Now.Sub(e.At) <= model.AlarmEventsKept {
			continue
		}
		if _, ok := tx.View().AlarmState(e.Alarm); ok {
			continue
		}
		if n++; n > alarmsPart {
			return
		}
		tx.Delete(e.Key())
	}
}

// AlarmTime is how times stand in the JSON of alarms, in UTC.
const AlarmTime = "2006-01-02T15:04:05.000+0000"

// The JSON of alarms in their history, with the members and in the order of CloudWatch ("DescribeAlarmHistory").
type (
	alarmJSON struct {
		Name           string           `json:"alarmName"`
		Description    string           `json:"alarmDescription,omitempty"`
		ARN            string           `json:"alarmArn"`
		UpdatedAt      string           `json:"alarmConfigurationUpdatedTimestamp"`
		Namespace      string           `json:"namespace,omitempty"`
		Metric         string           `json:"metricName,omitempty"`
		Statistic      string           `json:"statistic,omitempty"`
		Extended       string           `json:"extendedStatistic,omitempty"`
		Period         int              `json:"period,omitempty"`
		Dimensions     []dimensionJSON  `json:"dimensions,omitzero"`
		Unit           string           `json:"unit,omitempty"`
		Metrics        []queryJSON      `json:"metrics,omitempty"`
		Threshold      *json.RawMessage `json:"threshold,omitempty"`
		Comparison     string           `json:"comparisonOperator,omitempty"`
		Evaluation     int              `json:"evaluationPeriods,omitempty"`
		Datapoints     int              `json:"datapointsToAlarm,omitempty"`
		Missing        string           `json:"treatMissingData,omitempty"`
		LowSamples     string           `json:"evaluateLowSampleCountPercentile,omitempty"`
		Rule           string           `json:"alarmRule,omitempty"`
		Suppressor     string           `json:"actionsSuppressor,omitempty"`
		Wait           int              `json:"actionsSuppressorWaitPeriod,omitempty"`
		Extension      int              `json:"actionsSuppressorExtensionPeriod,omitempty"`
		State          string           `json:"stateValue"`
		StateUpdatedAt string           `json:"stateUpdatedTimestamp"`
		ActionsEnabled bool             `json:"actionsEnabled"`
		AlarmActions   []string         `json:"alarmActions"`
		Insufficient   []string         `json:"insufficientDataActions"`
		OKActions      []string         `json:"okactions"`
	}
	dimensionJSON struct {
		Value string `json:"value"`
		Name  string `json:"name"`
	}
	queryJSON struct {
		ID         string    `json:"id"`
		Expression string    `json:"expression,omitempty"`
		Label      string    `json:"label,omitempty"`
		Stat       *statJSON `json:"metricStat,omitempty"`
		Period     int       `json:"period,omitempty"`
		Return     bool      `json:"returnData"`
	}
	statJSON struct {
		Metric metricJSON `json:"metric"`
		Period int        `json:"period"`
		Stat   string     `json:"stat"`
		Unit   string     `json:"unit,omitempty"`
	}
	metricJSON struct {
		Namespace  string          `json:"namespace"`
		Name       string          `json:"metricName"`
		Dimensions []dimensionJSON `json:"dimensions"`
	}
	stateJSON struct {
		Value  string          `json:"stateValue"`
		Reason string          `json:"stateReason"`
		Data   json.RawMessage `json:"stateReasonData,omitempty"`
	}
)

func alarmRecord(a *model.Alarm, s *model.AlarmState) alarmJSON {
	r := alarmJSON{
		Name: a.Name, Description: a.Description, ARN: a.ARN, UpdatedAt: a.UpdatedAt.UTC().Format(AlarmTime),
		Period: a.Period, Unit: a.Unit, Comparison: a.Comparison, Evaluation: a.EvaluationPeriods, Datapoints: a.DatapointsToAlarm,
		Missing: a.TreatMissing, LowSamples: a.LowSamples,
		Rule: a.Rule, Suppressor: a.Suppressor, Wait: a.Wait, Extension: a.Extension,
		State: string(s.Value), StateUpdatedAt: s.UpdatedAt.UTC().Format(AlarmTime), ActionsEnabled: a.ActionsEnabled,
		AlarmActions: listed(a.AlarmActions), Insufficient: listed(a.InsufficientActions), OKActions: listed(a.OKActions),
	}
	if a.Metric != nil {
		r.Namespace, r.Metric, r.Dimensions = a.Metric.Namespace, a.Metric.Name, dimensionRecords(a.Metric.Dimensions)
	}
	if model.BasicStatistic(a.Statistic) {
		r.Statistic = a.Statistic
	} else {
		r.Extended = a.Statistic
	}
	for _, q := range a.Queries {
		r.Metrics = append(r.Metrics, queryRecord(q))
	}
	if !a.Composite() {
		r.Threshold = new(json.RawMessage(javaNumber(a.Threshold)))
	}
	return r
}

func queryRecord(q model.MetricQuery) queryJSON {
	r := queryJSON{ID: q.ID, Expression: q.Expression, Label: q.Label, Return: !q.Hidden}
	if q.Metric == nil {
		r.Period = q.Period
		return r
	}
	r.Stat = &statJSON{
		Metric: metricJSON{q.Metric.Namespace, q.Metric.Name, dimensionRecords(q.Metric.Dimensions)},
		Period: q.Period, Stat: q.Statistic, Unit: q.Unit,
	}
	return r
}

func dimensionRecords(dimensions []model.Dimension) []dimensionJSON {
	records := make([]dimensionJSON, 0, len(dimensions))
	for _, d := range dimensions {
		records = append(records, dimensionJSON{Value: d.Value, Name: d.Name})
	}
	return records
}

func stateRecord(s *model.AlarmState) stateJSON {
	r := stateJSON{Value: string(s.Value), Reason: s.Reason}
	if json.Valid([]byte(s.ReasonData)) {
		r.Data = json.RawMessage(s.ReasonData)
	}
	return r
}

// listed is a list that JSON shows even if it is empty.
func listed(list []string) []string { return append(make([]string, 0, len(list)), list...) }

// javaNumber writes a number as CloudWatch does: whole ones have a decimal too.
func javaNumber(f float64) string {
	s := strconv.FormatFloat(f, 'g', -1, 64)
	if abs := max(f, -f); abs < 1e7 && (abs >= 1e-3 || abs == 0) {
		s = strconv.FormatFloat(f, 'f', -1, 64)
	}
	if !strings.ContainsAny(s, ".e") {
		s += ".0"
	}
	return s
}

// object is a JSON object of names and values in turn.
func object(members ...any) string {
	b := []byte{'{'}
	for pair := range slices.Chunk(members, 2) {
		name, _ := json.Marshal(pair[0]) //nolint:errchkjson // a string
		value, err := json.Marshal(pair[1])
		if err != nil {
			value = []byte("null") // not reached: it is plain data
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(append(append(b, name...), ':'), value...)
	}
	return string(append(b, '}'))
}
