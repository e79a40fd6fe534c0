package lifecycle_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/maitred/maitred/internal/agent/lifecycle"
	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/model"
)

// TestScripts plays the stories of testdata. Their commands:
//
//	task [option ...]   a new task, with a network interface of its own if the option awsvpc says so, and with the
//	                    containers of the lines below: name, then any of essential, on=NAME:CONDITION, link=NAME,
//	                    volumes=NAME, start=DURATION, stop=DURATION, health=INTERVAL/RETRIES[/STARTPERIOD],
//	                    restart=PERIOD, ignored=CODE
//	at TIME             the facts of the lines below happen, then the life is asked what follows
//	adopt TIME          the agent was restarted: the life is made anew from what was last published and what the driver
//	                    has, one line each: NAME/ATTEMPT STATE [STARTED [EXITED CODE]]
func TestScripts(t *testing.T) {
	t.Parallel()
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		s := &script{t: t}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			s.d = d
			switch d.Cmd {
			case "task":
				return s.define()
			case "at":
				return s.at()
			case "adopt":
				return s.adopt()
			}
			d.Fatalf(t, "unknown command %q", d.Cmd)
			return ""
		})
	})
}

type script struct {
	t        *testing.T
	d        *datadriven.TestData
	options  lifecycle.Options
	task     *model.Task
	def      *model.TaskDefinition
	life     *lifecycle.Life
	last     *model.Observed
	holdings lifecycle.Holdings
}

func epoch() time.Time { return time.Date(2026, 1, 2, 3, 4, 0, 0, time.UTC) }

func (s *script) check(err error) {
	s.t.Helper()
	if err != nil {
		s.d.Fatalf(s.t, "%v", err)
	}
}

func (s *script) duration(text string) time.Duration {
	s.t.Helper()
	d, err := time.ParseDuration(text)
	s.check(err)
	return d
}

func (s *script) number(text string) int {
	s.t.Helper()
	n, err := strconv.Atoi(text)
	s.check(err)
	return n
}

func (s *script) define() string {
	s.options, s.holdings = lifecycle.DefaultOptions(), lifecycle.Holdings{}
	for _, arg := range s.d.CmdArgs {
		switch arg.Key {
		case "awsvpc":
			s.holdings.Attachment = &model.Attachment{Address: "10.0.0.2"}
		case "eager":
			s.options.FirstCheck = 500 * time.Millisecond
		default:
			s.d.Fatalf(s.t, "unknown option %q", arg.Key)
		}
	}
	s.def, s.last = &model.TaskDefinition{}, nil
	for line := range strings.Lines(s.d.Input) {
		s.def.Containers = append(s.def.Containers, s.container(strings.Fields(line)))
	}
	s.task = &model.Task{ARN: "arn:aws:ecs:r:1:task/c/t", Machine: "m", Desired: model.TaskRunning}
	s.life = lifecycle.New(s.task, s.def, s.holdings, nil, nil, epoch(), s.options)
	return ""
}

func (s *script) container(words []string) model.ContainerDefinition {
	c := model.ContainerDefinition{Name: words[0]}
	for _, word := range words[1:] {
		key, value, _ := strings.Cut(word, "=")
		switch key {
		case "essential":
			c.Essential = true
		case "on":
			name, condition, _ := strings.Cut(value, ":")
			c.DependsOn = append(c.DependsOn, model.Dependency{Container: name, Condition: condition})
		case "link":
			c.Links = append(c.Links, value+":alias")
		case "volumes":
			c.VolumesFrom = append(c.VolumesFrom, model.VolumeFrom{Container: value})
		case "start":
			c.StartTimeout = s.duration(value)
		case "stop":
			c.StopTimeout = s.duration(value)
		case "health":
			part := strings.Split(value, "/")
			c.HealthCheck = &model.HealthCheck{
				Command: []string{"CMD-SHELL", "probe", c.Name}, Interval: s.duration(part[0]), Retries: s.number(part[1]),
			}
			if len(part) > 2 {
				c.HealthCheck.StartPeriod = s.duration(part[2])
			}
		case "restart":
			c.Restart = &model.RestartPolicy{AttemptPeriod: s.duration(value)}
		case "ignored":
			c.Restart.IgnoredExitCodes = append(c.Restart.IgnoredExitCodes, s.number(value))
		default:
			s.d.Fatalf(s.t, "unknown property %q", word)
		}
	}
	return c
}

func (s *script) at() string {
	now := epoch().Add(s.duration(s.d.CmdArgs[0].Key))
	for line := range strings.Lines(s.d.Input) {
		s.fact(strings.TrimSpace(line), now)
	}
	return s.step(now)
}

func (s *script) fact(line string, now time.Time) {
	verb, rest, _ := strings.Cut(line, " ")
	who, rest, _ := strings.Cut(rest, " ")
	name, number, _ := strings.Cut(who, "/")
	attempt, _ := strconv.Atoi(number)
	switch verb {
	case "want-stopped":
		task := *s.task
		task.Desired = model.TaskStopped
		s.task = &task
		s.life.Want(s.task)
	case "want-drained": // stopped, once its targets are drained, or so much later
		task := *s.task
		task.Desired, task.DrainBy = model.TaskStopped, now.Add(s.duration(who))
		s.task = &task
		s.life.Want(s.task)
	case "drained":
		task := *s.task
		task.Drained = true
		s.task = &task
		s.life.Want(s.task)
	case "halt":
		s.life.Halt("the machine goes home", now.Add(s.duration(who)))
	case "refuse":
		s.life.Refuse(who + " " + rest)
	case "released":
		s.life.Released()
	case "running":
		status := &driver.Status{State: driver.Running, StartedAt: now, RuntimeID: "pid-" + who}
		if rest != "" { // how long its image was pulled
			status.PullStartedAt, status.PullStoppedAt = now.Add(-s.duration(rest)), now
		}
		s.life.Report(name, attempt, status, now)
	case "exited":
		status := &driver.Status{State: driver.Exited, ExitedAt: now}
		code, reason, _ := strings.Cut(rest, " ")
		if code != "?" {
			n := s.number(code)
			status.ExitCode = &n
		}
		status.Reason = reason
		s.life.Report(name, attempt, status, now)
	case "failed":
		s.life.Failed(name, attempt, rest)
	case "unsure":
		s.life.Unsure(name, attempt, "CannotStartContainerError: "+rest, now)
	case "unsent":
		s.life.Unsent(name, attempt, now)
	case "vanished":
		s.life.Vanished(name, attempt, now)
	case "pass":
		s.life.Checked(name, attempt, lifecycle.Result{}, now)
	case "fail":
		s.life.Checked(name, attempt, lifecycle.Result{ExitCode: 1, Output: rest + "\nmore"}, now)
	default:
		s.d.Fatalf(s.t, "unknown fact %q", verb)
	}
}

func (s *script) adopt() string {
	now := epoch().Add(s.duration(s.d.CmdArgs[0].Key))
	var found []lifecycle.Found
	for line := range strings.Lines(s.d.Input) {
		words := strings.Fields(line)
		name, number, _ := strings.Cut(words[0], "/")
		f := lifecycle.Found{Name: name, Attempt: s.number(number), Status: driver.Status{State: driver.State(words[1])}}
		f.Status.RuntimeID = "pid-" + words[0]
		if len(words) > 2 {
			f.Status.StartedAt = epoch().Add(s.duration(words[2]))
		}
		if len(words) > 4 {
			code := s.number(words[4])
			f.Status.ExitedAt, f.Status.ExitCode = epoch().Add(s.duration(words[3])), &code
		}
		found = append(found, f)
	}
	s.life = lifecycle.New(s.task, s.def, s.holdings, s.last, found, now, s.options)
	return s.step(now)
}

func (s *script) step(now time.Time) string {
	plan := s.life.Step(now)
	var b strings.Builder
	for _, a := range plan.Actions {
		fmt.Fprintf(&b, "%s %s/%d", a.Verb, a.Name, a.Attempt)
		if a.Verb == lifecycle.Check {
			fmt.Fprintf(&b, " %q within %v", a.Command, a.Timeout)
		}
		b.WriteByte('\n')
	}
	if plan.Seen != nil {
		s.last = plan.Seen
		b.WriteString(observed(plan.Seen))
	}
	if !plan.Wake.IsZero() {
		fmt.Fprintf(&b, "look again at %v\n", plan.Wake.Sub(epoch()))
	}
	if again := s.life.Step(now); len(again.Actions) > 0 || again.Seen != nil || !again.Wake.Equal(plan.Wake) {
		s.t.Errorf("%s: a second step at the same time is not empty: %+v", s.d.Pos, again)
	}
	if b.Len() == 0 {
		return "nothing\n"
	}
	return b.String()
}

func observed(o *model.Observed) string {
	var b strings.Builder
	fmt.Fprintf(&b, "publish %s", o.Status)
	if o.Health != "" {
		fmt.Fprintf(&b, " %s", o.Health)
	}
	for _, at := range []struct {
		name string
		time time.Time
	}{
		{"pull-started", o.PullStartedAt},
		{"pull-stopped", o.PullStoppedAt},
		{"started", o.StartedAt},
		{"stopping", o.StoppingAt},
		{"execution-stopped", o.ExecutionStoppedAt},
		{"stopped", o.StoppedAt},
	} {
		if !at.time.IsZero() {
			fmt.Fprintf(&b, " %s=%v", at.name, at.time.Sub(epoch()))
		}
	}
	if o.Attachment != nil {
		fmt.Fprintf(&b, " at %s", o.Attachment.Address)
	}
	b.WriteByte('\n')
	if o.StopCode != "" || o.StopReason != "" {
		fmt.Fprintf(&b, "  because %s: %s\n", o.StopCode, o.StopReason)
	}
	for i := range o.Containers {
		c := &o.Containers[i]
		fmt.Fprintf(&b, "  %s %s", c.Name, c.Status)
		if c.Health != "" {
			fmt.Fprintf(&b, " %s", c.Health)
		}
		if c.ExitCode != nil {
			fmt.Fprintf(&b, " exit=%d", *c.ExitCode)
		}
		if c.Restarts > 0 {
			fmt.Fprintf(&b, " restarts=%d", c.Restarts)
		}
		if c.Reason != "" {
			fmt.Fprintf(&b, " %q", c.Reason)
		}
		b.WriteByte('\n')
	}
	return b.String()
}
