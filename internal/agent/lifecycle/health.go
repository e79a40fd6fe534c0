package lifecycle

import (
	"fmt"
	"strings"
	"time"

	"github.com/maitred/maitred/internal/model"
)

// ECS's defaults ("HealthCheck"), for a definition that does not say.
const (
	defaultInterval = 30 * time.Second
	defaultTimeout  = 5 * time.Second
)

// health is what the checks of the present attempt have found.
type health struct {
	state     model.Health // "" until one has decided
	failures  int          // in a row
	succeeded bool
	checking  bool
	checked   time.Time // when the last check began
	next      time.Time
}

// Result is the outcome of a health check.
type Result struct {
	ExitCode int
	Output   string // the first bytes of what the command wrote
	Err      string // why it could not be run or did not end in time; "" if it did
}

func interval(h *model.HealthCheck) time.Duration {
	if h.Interval <= 0 {
		return defaultInterval
	}
	return h.Interval
}

// check asks for the health checks that are due.
func (l *Life) check(now time.Time) {
	for _, c := range l.containers {
		h := c.def.HealthCheck
		if h == nil || c.phase != running || c.health.checking {
			continue
		}
		if c.health.next.IsZero() {
			c.health.next = c.started.Add(l.firstCheck(h))
		}
		if now.Before(c.health.next) {
			l.look(c.health.next)
			continue
		}
		c.health.checking, c.health.checked = true, now
		timeout := h.Timeout
		if timeout <= 0 {
			timeout = defaultTimeout
		}
		l.plan.Actions = append(l.plan.Actions, Action{
			Verb: Check, Name: c.def.Name, Attempt: c.attempt, Command: command(h.Command), Timeout: timeout,
		})
	}
}

func (l *Life) firstCheck(h *model.HealthCheck) time.Duration {
	if first := l.options.FirstCheck; first > 0 {
		return min(first, interval(h))
	}
	return interval(h)
}

// command gives the arguments that a health check's command stands for ("HealthCheck"; CMD is assumed).
func command(c []string) []string {
	if len(c) == 0 {
		return nil
	}
	switch c[0] {
	case "CMD":
		return c[1:]
	case "CMD-SHELL":
		return []string{"/bin/sh", "-c", strings.Join(c[1:], " ")}
	}
	return c
}

// Checked notes the result of a health check.
func (l *Life) Checked(name string, attempt int, r Result, now time.Time) {
	c := l.container(name)
	if c == nil || c.attempt != attempt || c.phase != running || !c.health.checking {
		return
	}
	x, h := &c.health, c.def.HealthCheck
	x.checking = false
	x.next = now.Add(interval(h))
	if l.stopping {
		return // it is being stopped: what it answers says nothing any more
	}
	if r.Err == "" && r.ExitCode == 0 {
		x.state, x.failures, x.succeeded = model.Healthy, 0, true
		c.reason = ""
		return
	}
	age := x.checked.Sub(c.started)
	if first := l.options.FirstCheck; first > 0 && !x.succeeded && age < interval(h) { // at twice the age each
		x.next = now.Add(max(first, min(age, interval(h)-age)))
		return
	}
	if !x.succeeded && age < h.StartPeriod {
		return
	}
	x.failures++
	if x.failures >= max(h.Retries, 1) {
		x.state = model.Unhealthy
		c.reason = clip(describe(&r), outputMax)
	}
}

// describe says in one line what a check found.
func describe(r *Result) string {
	line, _, _ := strings.Cut(strings.TrimSpace(r.Output), "\n")
	line = strings.TrimSpace(line)
	switch {
	case r.Err != "":
		return "health check: " + r.Err
	case line == "":
		return fmt.Sprintf("health check: exit code %d", r.ExitCode)
	}
	return fmt.Sprintf("health check: exit code %d: %s", r.ExitCode, line)
}

// recallHealth takes over the health of an attempt that was checked before the agent was restarted.
func (c *container) recallHealth() {
	r := c.remembered
	if c.phase != running || r == nil || r.Restarts != c.attempt || c.def.HealthCheck == nil {
		return
	}
	switch r.Health {
	case model.Healthy:
		c.health.state, c.health.succeeded = r.Health, true
	case model.Unhealthy:
		c.health.state, c.health.failures, c.reason = r.Health, max(c.def.HealthCheck.Retries, 1), r.Reason
	case model.Unknown:
	}
}

// shown is a container's health as it is published, "" for one without a check.
func (c *container) shown() model.Health {
	if c.def.HealthCheck != nil && c.health.state == "" {
		return model.Unknown
	}
	return c.health.state
}

// taskHealth rolls up the essential containers that have a check ("Determine Amazon ECS task health using container
// health checks"); "" if there are none.
func (l *Life) taskHealth() model.Health {
	worst := model.Health("")
	for _, c := range l.containers {
		if !c.def.Essential || c.def.HealthCheck == nil {
			continue
		}
		switch h := c.shown(); {
		case h == model.Unhealthy:
			return h
		case worst == "" || h == model.Unknown:
			worst = h
		}
	}
	return worst
}
