package model

import (
	"fmt"
	"strings"
	"time"
)

// AlarmValue is the state of an alarm ("StateValue").
type AlarmValue string

// The states of an alarm.
const (
	AlarmOK           AlarmValue = "OK"
	AlarmAlarm        AlarmValue = "ALARM"
	AlarmInsufficient AlarmValue = "INSUFFICIENT_DATA"
)

// The ways to treat missing data ("TreatMissingData").
const (
	MissingMissing      = "missing"
	MissingIgnore       = "ignore"
	MissingBreaching    = "breaching"
	MissingNotBreaching = "notBreaching"
)

// The comparison operators; the statistic is on the left ("ComparisonOperator").
const (
	GreaterOrEqual = "GreaterThanOrEqualToThreshold"
	Greater        = "GreaterThanThreshold"
	Less           = "LessThanThreshold"
	LessOrEqual    = "LessThanOrEqualToThreshold"
)

// Alarm is a metric alarm or a composite alarm, as its owner wants it ("MetricAlarm", "CompositeAlarm").
type Alarm struct {
	ARN         string `json:"arn"`
	Name        string `json:"name"`
	Region      string `json:"region"`
	Description string `json:"desc,omitempty"`
	// ActionsEnabled says whether the actions of a state are carried out: ARNs of scaling policies, or URLs.
	ActionsEnabled      bool     `json:"enabled"`
	OKActions           []string `json:"ok,omitempty"`
	AlarmActions        []string `json:"alarm,omitempty"`
	InsufficientActions []string `json:"insufficient,omitempty"`

	// Metric, Statistic, Unit and Period are those of an alarm on one metric; Queries those of an alarm on metric math,
	// one of which is not Hidden. A composite alarm has neither.
	Metric    *Metric       `json:"metric,omitempty"`
	Statistic string        `json:"stat,omitempty"`
	Unit      string        `json:"unit,omitempty"`
	Period    int           `json:"period,omitempty"` // seconds
	Queries   []MetricQuery `json:"queries,omitempty"`

	EvaluationPeriods int     `json:"n,omitempty"`
	DatapointsToAlarm int     `json:"m,omitempty"` // 0: not given, so as many as EvaluationPeriods
	Threshold         float64 `json:"threshold,omitempty"`
	Comparison        string  `json:"op,omitempty"`
	// TreatMissing is "" if it was not given, which means MissingMissing.
	TreatMissing string `json:"missing,omitempty"`
	// LowSamples is "", "evaluate" or "ignore" ("EvaluateLowSampleCountPercentile").
	LowSamples string `json:"lowSamples,omitempty"`

	// Rule is the expression of a composite alarm, "" for a metric alarm; Suppressor is the alarm that keeps it from
	// acting, with the seconds of ActionsSuppressorWaitPeriod and ActionsSuppressorExtensionPeriod. Both name alarms, or
	// have their ARNs, as it was given (control.AlarmRef).
	Rule       string `json:"rule,omitempty"`
	Suppressor string `json:"suppressor,omitempty"`
	Wait       int    `json:"wait,omitempty"`
	Extension  int    `json:"extension,omitempty"`
	// Children are the names of the alarms that Rule looks at, sorted.
	Children []string `json:"children,omitempty"`

	// Policy is the ARN of the scaling policy that made the alarm for itself, "" for one that a user made.
	Policy    string    `json:"policy,omitempty"`
	Tags      []Tag     `json:"tags,omitempty"`
	UpdatedAt time.Time `json:"updated"` // the configuration
	Cause     Cause     `json:"cause"`
}

// Key implements Record.
func (a *Alarm) Key() Key { return AlarmKey(a.Region, a.Name) }

// Composite says whether the alarm looks at other alarms.
func (a *Alarm) Composite() bool { return a.Rule != "" }

// ActionsIn are the actions of a state.
func (a *Alarm) ActionsIn(v AlarmValue) []string {
	switch v {
	case AlarmAlarm:
		return a.AlarmActions
	case AlarmOK:
		return a.OKActions
	case AlarmInsufficient:
		return a.InsufficientActions
	}
	return nil
}

// Needed is how many breaching points make an alarm.
func (a *Alarm) Needed() int {
	if a.DatapointsToAlarm > 0 {
		return a.DatapointsToAlarm
	}
	return a.EvaluationPeriods
}

// Resolution is the period that points are looked at with: of the alarm itself, or of the shortest of its queries.
func (a *Alarm) Resolution() time.Duration {
	period := a.Period
	for _, q := range a.Queries {
		if q.Period > 0 && (period == 0 || q.Period < period) {
			period = q.Period
		}
	}
	return time.Duration(period) * time.Second
}

// AlarmKey is the key of an alarm.
func AlarmKey(region, name string) Key { return Key{KindAlarm, AlarmPath(region, name)} }

// AlarmPath is the path of an alarm: a name may have slashes, a path has them between its parts alone.
func AlarmPath(region, name string) string {
	return region + "/" + strings.ReplaceAll(strings.ReplaceAll(name, "%", "%25"), "/", "%2F")
}

// AlarmName gives the name in the path of an alarm.
func AlarmName(path string) string {
	_, name, _ := strings.Cut(path, "/")
	return strings.NewReplacer("%25", "%", "%2F", "/").Replace(name)
}

// AlarmState is what an alarm was last found to be. It is written on transitions, and by SetAlarmState.
type AlarmState struct {
	Alarm      string     `json:"alarm"` // path
	Value      AlarmValue `json:"value"`
	Reason     string     `json:"reason"`
	ReasonData string     `json:"data,omitempty"` // JSON
	// Since is when Value became what it is; UpdatedAt when the state was last written.
	Since     time.Time `json:"since"`
	UpdatedAt time.Time `json:"updated"`
	// LeftAlarm is when Value was last ALARM and became something else: an extension period begins then.
	LeftAlarm time.Time `json:"leftAlarm,omitzero"`
	// Set says that SetAlarmState wrote it: the next evaluation restores the truth.
	Set   bool  `json:"set,omitempty"`
	Cause Cause `json:"cause"`
	// LastEvent numbers the newest AlarmEvent.
	LastEvent int `json:"lastEvent,omitempty"`
	// Acted is when the scaling actions of this state were last carried out: they are repeated each minute.
	Acted time.Time `json:"acted,omitzero"`
	// Untold is what URLs among the actions are yet to be told, the oldest first.
	Untold []AlarmNotice `json:"untold,omitempty"`
	// Dropped counts what was dropped of Untold because too many waited.
	Dropped int `json:"dropped,omitempty"`
}

// AlarmNotice is that an alarm became so, for URLs among its actions.
type AlarmNotice struct {
	Value  AlarmValue `json:"value"`
	Reason string     `json:"reason"`
	At     time.Time  `json:"at"`
	URLs   []string   `json:"urls"`
}

// Key implements Record.
func (s *AlarmState) Key() Key { return Key{KindAlarmState, s.Alarm} }

// The types of alarm events ("HistoryItemType").
const (
	AlarmConfigured = "ConfigurationUpdate"
	AlarmChanged    = "StateUpdate"
	AlarmActed      = "Action"
)

// MaxAlarmEvents is how many events of an alarm are kept, for AlarmEventsKept at most, also when the alarm is deleted.
const (
	MaxAlarmEvents  = 100
	AlarmEventsKept = 14 * 24 * time.Hour
)

// AlarmEvent is one item of an alarm's history ("AlarmHistoryItem").
type AlarmEvent struct {
	Alarm     string    `json:"alarm"` // path
	Number    int       `json:"n"`
	Type      string    `json:"type"`
	At        time.Time `json:"at"`
	Summary   string    `json:"summary"`
	Data      string    `json:"data,omitempty"` // JSON
	Composite bool      `json:"composite,omitempty"`
}

// Key implements Record.
func (e *AlarmEvent) Key() Key { return AlarmEventKey(e.Alarm, e.Number) }

// AlarmEventKey is the key of an event; those of an alarm sort by number.
func AlarmEventKey(alarm string, number int) Key {
	return Key{KindAlarmEvent, fmt.Sprintf("%s/%010d", alarm, number)}
}
