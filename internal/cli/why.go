package cli

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/why"
)

// Story writes the answer of `maitred why` for people: what happened, newest first, and under each the chain of causes.
// Of more than so many steps it writes the newest ones, and what happened to several tasks at once as one; when steps is
// the number of all, each is written by itself.
func (p *Printer) Story(s why.Story, steps int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\n%s\n", s.Kind, p.Bold(s.Subject), p.Green(s.Now))
	for _, h := range s.Held {
		fmt.Fprintf(&b, "%s %s\n", p.Red("held up:"), h)
	}
	p.scaling(&b, s.Scaling)
	b.WriteByte('\n')
	together := steps != len(s.Steps)
	for left := s.Steps; len(left) > 0; steps-- {
		if steps == 0 {
			fmt.Fprintf(&b, "%s\n", p.Dim(fmt.Sprintf("… and %d earlier steps (--all shows them)", len(left))))
			break
		}
		n := 1
		for together && n < len(left) && alike(left[0], left[n]) {
			n++
		}
		p.step(&b, left[:n])
		left = left[n:]
	}
	return b.String()
}

// margin is as wide as the time of a step.
var margin = strings.Repeat(" ", len(stepTime)+2)

const stepTime = "2006-01-02 15:04:05.000"

// step writes steps that are alike: what happened, what was printed, and the causes.
func (p *Printer) step(b *strings.Builder, steps []why.Step) {
	first := steps[0]
	text := first.Text
	if len(steps) > 1 {
		text = summary(steps)
	}
	fmt.Fprintf(b, "%s  %s\n", first.At.Local().Format(stepTime), text)
	for _, line := range first.Details {
		fmt.Fprintf(b, "%s  %s\n", margin, line)
	}
	for _, line := range first.Output {
		fmt.Fprintf(b, "%s  %s\n", margin, p.Dim("| "+plain(line)))
	}
	if first.OutputIn != "" {
		fmt.Fprintf(b, "%s  %s\n", margin, p.Dim("its output is in "+first.OutputIn))
	}
	for depth, c := range first.Because {
		fmt.Fprintf(b, "%s%s\n", strings.Repeat("  ", depth+13), p.Dim("because "+sentence(c)))
	}
}

// alike says that the same happened to two tasks at the same time, for the same causes.
func alike(a, b why.Step) bool {
	return a.Verb != "" && a.Verb == b.Verb && sameTime(a.At, b.At) && slices.EqualFunc(a.Because, b.Because, sameCause) &&
		slices.Equal(a.Output, b.Output) && a.OutputIn == b.OutputIn
}

// sameTime compares times as they are shown, to the millisecond.
func sameTime(a, b time.Time) bool {
	return a.Truncate(time.Millisecond).Equal(b.Truncate(time.Millisecond))
}

// sameCause compares two causes without those behind them, which follow in a chain.
func sameCause(a, b model.Cause) bool {
	return a.Kind == b.Kind && a.Subject == b.Subject && a.ID == b.ID && a.Detail == b.Detail && a.At.Equal(b.At)
}

// summary tells steps that are alike in one line: 2 tasks of web:1 are started on box: 5f66eef5 b51d0db7.
func summary(steps []why.Step) string {
	verb := strings.Replace(" "+steps[0].Verb, " is ", " are ", 1)
	if verb == " runs" {
		verb = " run"
	}
	ids := make([]string, len(steps))
	for i, s := range steps {
		id := model.ShortID(s.Task)
		ids[i] = id[:min(len(id), 8)]
	}
	return fmt.Sprintf("%d tasks%s: %s", len(steps), verb, strings.Join(ids, " "))
}

var escapes = regexp.MustCompile(`\x1b(\[[\x30-\x3f]*[\x20-\x2f]*[\x40-\x7e]|\][^\x07\x1b]*(\x07|\x1b\\)?)`)

// plain is a line that a program printed without what would steer the reader's terminal.
func plain(line string) string {
	line = strings.ReplaceAll(escapes.ReplaceAllString(line, ""), "\t", "    ")
	return strings.Map(func(r rune) rune {
		if unicode.IsGraphic(r) {
			return r
		}
		return -1
	}, line)
}

// sentence tells one cause.
func sentence(c model.Cause) string {
	at := " at " + c.At.Local().Format("15:04:05.000")
	detail := ""
	if c.Detail != "" {
		detail = ": " + c.Detail
	}
	switch c.Kind {
	case model.CauseAPI:
		id := ""
		if c.ID != "" {
			id = ", request " + c.ID
		}
		return "somebody called " + c.Subject + at + detail + id
	case model.CauseExit:
		return "task " + model.ShortID(c.Subject) + " ended" + at + detail
	case model.CauseHealth:
		return "task " + model.ShortID(c.Subject) + " failed its health check" + at + detail
	case model.CauseMachine:
		return "machine " + c.Subject + at + detail
	case model.CauseOperator:
		return "the operator" + at + detail
	case model.CauseDeployment:
		return "deployment " + c.Subject + " went on" + at + detail
	case model.CauseService, model.CauseRetry:
		return "service " + model.ShortID(c.Subject) + " was looked at" + at + detail
	case model.CauseAlarm:
		return "the measurements of " + c.Subject + at + detail // an alarm, or a metric of the fast lane
	case model.CauseScaling:
		return "scaling by " + c.Subject + at + detail
	case model.CauseRequest:
		return "target group " + c.Subject + " was asked for and had no task" + at + detail
	case model.CauseSchedule:
		return "the time of scheduled action " + c.Subject + " came" + at + detail
	}
	return string(c.Kind) + " " + c.Subject + at + detail
}
