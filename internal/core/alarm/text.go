package alarm

import (
	"fmt"
	"strings"
	"time"

	"github.com/maitred/maitred/internal/model"
)

// listed is how many points a reason lists; of as many or more it says so.
const listed = 5

// reason is the text of a state that was decided, in CloudWatch's words ("Alarm events and EventBridge").
func (e *evaluation) reason(value model.AlarmValue, used []slot) string {
	n := periods(e.alarm)
	missing := n - len(used)
	speaking := speakingFor(used, value == model.AlarmAlarm)
	switch {
	case value == model.AlarmInsufficient:
		return "Insufficient Data: " + were(n, "datapoint") + " unknown."
	case len(used) == 0:
		return fmt.Sprintf("Threshold Crossed: no datapoints were received for %s%s.", many(n, "period"), e.filled(missing))
	case len(speaking) == 0:
		return fmt.Sprintf("Threshold Crossed: %s received for %s%s.", were(len(used), "datapoint"), many(n, "period"), e.filled(missing))
	case e.alarm.DatapointsToAlarm == 0:
		return "Threshold Crossed: " + e.crossing(many(len(speaking), "datapoint"), value, speaking, missing, "")
	}
	counted := fmt.Sprintf("%d out of the last %d datapoints", len(speaking), n)
	return "Threshold Crossed: " + e.crossing(counted, value, speaking, missing, e.minimum(value))
}

// crossing says that points are on one side of the threshold.
func (e *evaluation) crossing(counted string, value model.AlarmValue, speaking []slot, missing int, minimum string) string {
	verb := "were"
	if len(speaking) == 1 {
		verb = "was"
	}
	if value == model.AlarmOK {
		verb += " not"
	}
	condition := fmt.Sprintf("%s %s the threshold (%s)", verb, comparison(e.alarm.Comparison), number(e.alarm.Threshold))
	if len(speaking) < listed {
		return fmt.Sprintf("%s [%s] %s%s%s.", counted, list(speaking), condition, e.filled(missing), minimum)
	}
	return fmt.Sprintf("%s %s%s. The most recent datapoints which crossed the threshold: [%s]%s.",
		counted, condition, e.filled(missing), list(speaking[:listed]), minimum)
}

// minimum says how many points the transition takes.
func (e *evaluation) minimum(value model.AlarmValue) string {
	if value == model.AlarmAlarm {
		return fmt.Sprintf(" (minimum %s for OK -> ALARM transition)", many(e.alarm.Needed(), "datapoint"))
	}
	return fmt.Sprintf(" (minimum %s for ALARM -> OK transition)", many(periods(e.alarm)-e.alarm.Needed()+1, "datapoint"))
}

// filled says what missing points were taken for.
func (e *evaluation) filled(missing int) string {
	taken := ""
	switch e.alarm.TreatMissing {
	case model.MissingBreaching:
		taken = "Breaching"
	case model.MissingNotBreaching:
		taken = "NonBreaching"
	}
	if missing == 0 || taken == "" {
		return ""
	}
	return " and " + were(missing, "missing datapoint") + " treated as [" + taken + "]"
}

func speakingFor(used []slot, breach bool) []slot {
	var speaking []slot
	for _, s := range used {
		if s.breach == breach {
			speaking = append(speaking, s)
		}
	}
	return speaking
}

func list(slots []slot) string {
	items := make([]string, len(slots))
	for i, s := range slots {
		items[i] = fmt.Sprintf("%s (%s)", number(s.Value), s.At.UTC().Format("02/01/06 15:04:05"))
	}
	return strings.Join(items, ", ")
}

func comparison(operator string) string {
	switch operator {
	case model.GreaterOrEqual:
		return "greater than or equal to"
	case model.Greater:
		return "greater than"
	case model.Less:
		return "less than"
	}
	return "less than or equal to"
}

func many(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func were(n int, what string) string {
	if n == 1 {
		return many(n, what) + " was"
	}
	return many(n, what) + " were"
}

// stamp writes a time as CloudWatch does in JSON.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000+0000") }
