package alarm

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/maitred/maitred/internal/model"
)

// Child is an alarm that a composite alarm asks about.
type Child struct {
	ARN   string
	Value model.AlarmValue
	Since time.Time // of Value
}

// trigger is an alarm in the StateReasonData of a composite alarm.
type trigger struct {
	ARN   string `json:"arn"`
	State struct {
		Value     model.AlarmValue `json:"value"`
		Timestamp string           `json:"timestamp"`
	} `json:"state"`
}

// EvaluateComposite decides what a composite alarm is: ALARM if its rule holds, else OK. prev is the state before, nil for
// a new one; children answers for each name or ARN of the rule, false where there is no such alarm. The reason is the
// alarm that changed last, or, if none did since then, that the composite alarm was created or updated ("Composite alarms",
// "Alarm events and EventBridge").
func EvaluateComposite(
	a *model.Alarm, prev *model.AlarmState, rule *Rule, children func(nameOrARN string) (Child, bool),
) Verdict {
	value := crossed(rule.Eval(func(ref string) (model.AlarmValue, bool) {
		c, ok := children(ref)
		return c.Value, ok
	}))
	all := known(rule, children)
	newest := newestOf(all)
	switch {
	case prev == nil || prev.Value == model.AlarmInsufficient && !prev.Set:
		return verdictOf(value, a.ARN+" was created and its alarm rule evaluates to "+string(value), all)
	case len(all) == 0 || newest.Since.Before(a.UpdatedAt):
		return verdictOf(value, a.ARN+" was updated and its alarm rule evaluates to "+string(value), all)
	}
	at := newest.Since.UTC().Format("Monday 02 January, 2006 15:04:05 UTC")
	return verdictOf(value, newest.ARN+" transitioned to "+string(newest.Value)+" at "+at, []Child{newest})
}

func known(rule *Rule, children func(string) (Child, bool)) []Child {
	var all []Child
	for _, ref := range rule.alarms {
		c, ok := children(ref)
		if ok && !slices.ContainsFunc(all, func(o Child) bool { return o.ARN == c.ARN }) {
			all = append(all, c)
		}
	}
	return all
}

// newestOf gives the one that changed last; of several the first in the rule.
func newestOf(all []Child) (newest Child) {
	for i, c := range all {
		if i == 0 || c.Since.After(newest.Since) {
			newest = c
		}
	}
	return newest
}

func verdictOf(value model.AlarmValue, reason string, triggers []Child) Verdict {
	v := Verdict{Value: value, Reason: reason}
	for n := len(triggers); ; n = n * 3 / 4 { // as many as fit
		v.ReasonData = triggerData(triggers[:n])
		if len(v.ReasonData) <= maxData || n == 0 {
			return v
		}
	}
}

func triggerData(children []Child) string {
	triggers := make([]trigger, len(children))
	for i, c := range children {
		triggers[i].ARN = c.ARN
		triggers[i].State.Value, triggers[i].State.Timestamp = c.Value, stamp(c.Since)
	}
	text, err := json.Marshal(map[string][]trigger{"triggeringAlarms": triggers})
	if err != nil { // strings alone
		return ""
	}
	return string(text)
}

// Cyclic says that a composite alarm depends on itself, in which case it is not evaluated. children gives the alarms that
// an alarm's rule asks about by the same kind of name, none for a metric alarm.
func Cyclic(alarm string, children func(alarm string) []string) bool {
	seen := map[string]bool{}
	next := []string{alarm}
	for len(next) > 0 {
		current := next[len(next)-1]
		next = next[:len(next)-1]
		for _, child := range children(current) {
			if child == alarm {
				return true
			}
			if !seen[child] {
				seen[child] = true
				next = append(next, child)
			}
		}
	}
	return false
}
