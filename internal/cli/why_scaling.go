package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/maitred/maitred/internal/why"
)

// scaling writes how a service is scaled now, and why the desired count stays what it is.
func (p *Printer) scaling(b *strings.Builder, s *why.Scaling) {
	if s == nil {
		return
	}
	fmt.Fprintf(b, "scaled between %d and %d: %d desired, %d running\n", s.Min, s.Max, s.Desired, s.Running)
	for _, policy := range s.Policies {
		fmt.Fprintf(b, "  policy %s %s\n", p.Bold(policy.Name), policy.Text)
		if policy.Cooldown != "" {
			fmt.Fprintf(b, "    %s\n", policy.Cooldown)
		}
		if len(policy.Seconds) > 0 {
			fmt.Fprintf(b, "    the last seconds, newest first: %s\n", why.Numbers(policy.Seconds))
		}
		for _, alarm := range policy.Alarms {
			fmt.Fprintf(b, "    alarm %s is %s\n", alarm.Name, alarm.Sentence(localTime))
		}
	}
	for _, line := range s.Schedules {
		fmt.Fprintf(b, "  %s\n", line)
	}
	for _, held := range s.Held {
		fmt.Fprintf(b, "%s %s\n", p.Dim("not scaled:"), held)
	}
}

func localTime(t time.Time) string { return t.Local().Format("15:04:05") }
