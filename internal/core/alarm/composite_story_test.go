package alarm_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/maitred/maitred/internal/core/alarm"
	"github.com/maitred/maitred/internal/model"
)

// TestCompositeStories runs the scripts of testdata/composite.
//
//	parse                    a rule a line: how it was understood, and whom it asks about, or what is wrong with it
//	composite wait=2 extension=3   a new composite alarm, its rule in the input; with a suppressor if it has periods
//	do                       a line each, one second apart: "cpu=ALARM" changes an alarm (the suppressor is called
//	                         suppressor), "gone cpu" deletes one, "update RULE" changes the rule, "disable" and "enable" its
//	                         actions, "-" is only the time. It prints the second, the state, the reason if it is new, and what becomes of the
//	                         actions
func TestCompositeStories(t *testing.T) {
	t.Parallel()
	datadriven.Walk(t, "testdata/composite", func(t *testing.T, path string) {
		s := &compositeStory{}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "parse":
				return eachLine(d.Input, understood)
			case "composite":
				*s = compositeStory{now: noon, others: map[string]*model.AlarmState{}}
				s.alarm = &model.Alarm{
					ARN: arnOf("all"), Name: "all", Region: "eu-west-1", Rule: strings.TrimSpace(d.Input), ActionsEnabled: true, UpdatedAt: noon,
				}
				d.MaybeScanArgs(t, "wait", &s.alarm.Wait)
				d.MaybeScanArgs(t, "extension", &s.alarm.Extension)
				if len(d.CmdArgs) > 0 {
					s.alarm.Suppressor = "suppressor"
				}
				return ""
			case "do":
				return eachLine(d.Input, func(line string) string { return s.do(t, line) })
			}
			t.Fatalf("what is %s?", d.Cmd)
			return ""
		})
	})
}

func arnOf(name string) string { return "arn:aws:cloudwatch:eu-west-1:000000000000:alarm:" + name }

func understood(text string) string {
	rule, err := alarm.ParseRule(text)
	if err != nil {
		return text + "\n  " + err.Error()
	}
	return fmt.Sprintf("%s\n  %s  asks about %q", text, rule, rule.Alarms())
}

type compositeStory struct {
	alarm  *model.Alarm
	state  *model.AlarmState
	now    time.Time
	others map[string]*model.AlarmState
}

func (s *compositeStory) do(t *testing.T, line string) string {
	s.now = s.now.Add(time.Second)
	name, value, changes := strings.Cut(line, "=")
	word, rest, _ := strings.Cut(line, " ")
	switch {
	case word == "update":
		s.alarm.Rule, s.alarm.UpdatedAt = rest, s.now
	case word == "gone":
		delete(s.others, rest)
	case word == "disable", word == "enable":
		s.alarm.ActionsEnabled = word == "enable"
	case changes:
		other := &model.Alarm{Name: name, Region: "eu-west-1"}
		s.others[name], _ = alarm.Become(other, s.others[name], alarm.Verdict{Value: model.AlarmValue(value)}, s.now)
	}
	return fmt.Sprintf("%2d %-17s %s", int(s.now.Sub(noon).Seconds()), line, s.evaluate(t))
}

func (s *compositeStory) evaluate(t *testing.T) string {
	rule, err := alarm.ParseRule(s.alarm.Rule)
	if err != nil {
		t.Fatal(err)
	}
	v := alarm.EvaluateComposite(s.alarm, s.state, rule, s.child)
	next, transition := alarm.Become(s.alarm, s.state, v, s.now)
	s.state = next
	out := fmt.Sprintf("%-5s", next.Value)
	p := alarm.Actions(s.alarm, next, s.others[s.alarm.Suppressor], s.now)
	switch p.Timing {
	case alarm.Now:
		next.Acted = s.now
		out += "  acts"
	case alarm.Later:
		out += "  " + p.Reason
		if !p.At.IsZero() {
			out += fmt.Sprintf(" until %d", int(p.At.Sub(noon).Seconds()))
		}
	case alarm.Never:
	}
	out = strings.TrimRight(out, " ")
	if transition {
		out += "\n     " + next.Reason + "\n     " + next.ReasonData
	}
	return out
}

func (s *compositeStory) child(ref string) (alarm.Child, bool) {
	name := strings.TrimPrefix(ref, arnOf(""))
	state, ok := s.others[name]
	if !ok {
		return alarm.Child{}, false
	}
	return alarm.Child{ARN: arnOf(name), Value: state.Value, Since: state.Since}, true
}
