package cli

import (
	"fmt"
	"strings"

	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/why"
)

// Story writes the answer of `maitred why` for people: what happened, newest first, and under each the chain of causes.
func (p *Printer) Story(s why.Story, steps int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\n%s\n", s.Kind, p.Bold(s.Subject), p.Green(s.Now))
	for _, h := range s.Held {
		fmt.Fprintf(&b, "%s %s\n", p.Red("held up:"), h)
	}
	b.WriteByte('\n')
	for i, step := range s.Steps {
		if i == steps {
			fmt.Fprintf(&b, "%s\n", p.Dim(fmt.Sprintf("… and %d earlier steps (--all shows them)", len(s.Steps)-steps)))
			break
		}
		fmt.Fprintf(&b, "%s  %s\n", step.At.Local().Format("2006-01-02 15:04:05.000"), step.Text)
		for depth, c := range step.Because {
			fmt.Fprintf(&b, "%s%s\n", strings.Repeat("  ", depth+13), p.Dim("because "+sentence(c)))
		}
	}
	return b.String()
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
	}
	return string(c.Kind) + " " + c.Subject + at + detail
}
