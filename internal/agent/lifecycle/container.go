package lifecycle

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/model"
)

// phase is a state of a container; a restart leads from running back to starting, with the next attempt.
type phase int

const (
	waiting  phase = iota // not to be started yet
	starting              // the driver was asked to start it
	running
	ended // for good
)

// The bounds of texts, in bytes ("Container": reason).
const (
	reasonMax = 1024
	outputMax = 255
)

// The pauses between attempts to make the driver do something.
const (
	firstPause = time.Second
	lastPause  = 30 * time.Second
)

// pause is the n-th such pause, counted from 0.
func pause(n int) time.Duration { return min(firstPause<<min(n, 10), lastPause) }

// container is what is known of one container.
type container struct {
	def        *model.ContainerDefinition
	needs      []model.Dependency
	remembered *model.ObservedContainer // what an earlier run of the agent published

	phase   phase
	attempt int
	began   time.Time // when the first attempt was asked for, zero if none was
	ran     bool      // some attempt was executed
	last    int       // the newest attempt that was executed
	gone    bool      // the driver said that the present attempt exited, which it never takes back
	started time.Time // when the present attempt was executed

	// While starting or stopping: whether an answer of the driver is awaited, and when to ask again if not.
	sought   bool // the present attempt was asked for at least once
	asked    bool
	canceled bool // what was asked last was Cancel
	tries    int
	askAt    time.Time
	giveUpAt time.Time
	trouble  string

	signalled time.Time
	killAt    time.Time
	kills     int

	health    health
	exit      *int
	reason    string
	runtimeID string
	image     string
	exitedAt  time.Time
}

// end is the end of a container for good.
func (c *container) end(reason string) {
	c.phase, c.asked = ended, false
	c.reason = clip(reason, reasonMax)
}

// neverStart ends a container that its dependencies keep from starting, with the exit code that ECS gives it
// ("ContainerDependency").
func (c *container) neverStart(why string) {
	code := 143
	c.exit = &code
	c.end("CannotStartContainerError: dependency graph: " + why)
}

// ask asks the driver for an attempt.
func (l *Life) ask(c *container, now time.Time) {
	if c.began.IsZero() {
		c.began = now
	}
	if c.giveUpAt.IsZero() {
		c.giveUpAt = now.Add(l.options.StartLimit)
	}
	c.phase, c.sought, c.asked, c.canceled = starting, true, true, false
	l.do(Start, c)
}

// Report notes the state of an attempt, as the answer of a start or whenever the driver tells it.
func (l *Life) Report(name string, attempt int, s *driver.Status, now time.Time) {
	c := l.container(name)
	switch {
	case c == nil || attempt > c.attempt:
		l.leftover(name, attempt, s.State)
		return
	case attempt < c.attempt || c.gone || s.State == driver.Starting:
		return // late news: an attempt follows upon the reported end of the one before
	case c.phase == ended:
		l.leftover(name, attempt, s.State)
		return
	}
	l.pulled(c, s)
	if c.phase != running {
		if s.State == driver.Exited && s.ExitCode == nil && strings.HasPrefix(s.Reason, "Cannot") {
			l.notStarted(c, s.Reason)
			return
		}
		c.run(s, now)
	}
	if s.State == driver.Exited {
		l.exited(c, s, now)
	}
}

// pulled notes when the image of a first attempt was pulled; later ones do not belong to the task's start.
func (l *Life) pulled(c *container, s *driver.Status) {
	if c.attempt > 0 {
		return
	}
	if at := s.PullStartedAt; !at.IsZero() && (l.pullStarted.IsZero() || at.Before(l.pullStarted)) {
		l.pullStarted = stamp(at, at)
	}
	if at := s.PullStoppedAt; at.After(l.pullStopped) {
		l.pullStopped = stamp(at, at)
	}
}

// run is the moment in which an attempt was executed.
func (c *container) run(s *driver.Status, now time.Time) {
	c.phase, c.asked, c.ran, c.last, c.gone = running, false, true, c.attempt, false
	c.tries, c.giveUpAt, c.trouble = 0, time.Time{}, ""
	c.started = stamp(s.StartedAt, now)
	if c.began.IsZero() {
		c.began = c.started
	}
	c.runtimeID, c.image, c.reason, c.exit = s.RuntimeID, s.Image, "", nil
	c.health = health{}
}

// exited is the end of an attempt that ran.
func (l *Life) exited(c *container, s *driver.Status, now time.Time) {
	c.exitedAt, c.exit, c.reason = stamp(s.ExitedAt, now), s.ExitCode, clip(s.Reason, reasonMax)
	c.gone = true
	if l.mayRestart(c, s) {
		c.attempt++
		c.gone = false
		c.phase, c.sought, c.asked, c.askAt = starting, false, false, time.Time{}
		return
	}
	c.end(c.reason)
	l.executionEnds(c)
}

// executionEnds notes when the first essential container ended.
func (l *Life) executionEnds(c *container) {
	if c.def.Essential && l.executionStopped.IsZero() {
		l.executionStopped = c.exitedAt
	}
}

// mayRestart follows "Restart individual containers in Amazon ECS tasks with container restart policies".
func (l *Life) mayRestart(c *container, s *driver.Status) bool {
	p := c.def.Restart
	return p != nil && !l.stopping && l.wanted() && s.ExitCode != nil &&
		!slices.Contains(p.IgnoredExitCodes, *s.ExitCode) &&
		c.exitedAt.Sub(c.started) >= p.AttemptPeriod
}

// wanted says that the task shall run.
func (l *Life) wanted() bool {
	return l.task.Desired != model.TaskStopped && l.halt == nil && l.refused == ""
}

// Failed notes that an attempt was not started and never will be. The reason begins with ECS's name of the error; it is
// "" when the start was canceled.
func (l *Life) Failed(name string, attempt int, reason string) {
	if c := l.container(name); c != nil && c.attempt == attempt && c.phase == starting {
		l.notStarted(c, reason)
	}
}

func (l *Life) notStarted(c *container, reason string) {
	if reason == "" {
		reason = c.trouble
	}
	if reason == "" || l.stopping && c.canceled {
		reason = stoppedEarly
	}
	c.exit = nil
	c.end(reason)
	if c.ran {
		l.executionEnds(c)
	}
}

// Unsure notes that nobody knows whether an attempt was started or canceled: the driver did not answer. The trouble
// begins with ECS's name of the error.
func (l *Life) Unsure(name string, attempt int, trouble string, now time.Time) {
	if c := l.container(name); c != nil && c.attempt == attempt && c.phase == starting {
		c.asked = false
		if !c.canceled {
			c.trouble = trouble
		}
		c.askAt = now.Add(pause(c.tries))
		c.tries++
	}
}

// Unsent notes that the stop signal did not reach an attempt.
func (l *Life) Unsent(name string, attempt int, now time.Time) {
	c := l.container(name)
	if c == nil || c.attempt != attempt || c.phase != running || c.signalled.IsZero() {
		return
	}
	c.askAt = now.Add(pause(c.tries))
	c.tries++
}

// Vanished notes that the driver does not know an attempt that it had said to run.
func (l *Life) Vanished(name string, attempt int, now time.Time) {
	if c := l.container(name); c != nil && c.attempt == attempt && c.phase == running {
		l.vanish(c, now)
	}
}

func (l *Life) vanish(c *container, now time.Time) {
	c.exitedAt, c.exit = stamp(time.Time{}, now), nil
	c.end("ContainerVanishedError: the driver does not know the container any more")
	l.executionEnds(c)
}

// adopt gives a container the state in which it was found.
func (l *Life) adopt(c *container, found []Found, now time.Time) {
	f := newest(found, c.def.Name)
	for i := range found {
		if x := &found[i]; x.Name == c.def.Name && x != f {
			l.leftover(x.Name, x.Attempt, x.Status.State)
		}
	}
	r := c.remembered
	switch {
	case r != nil && r.Status == model.TaskStopped:
		c.recall(r, f)
		if f != nil {
			l.leftover(f.Name, f.Attempt, f.Status.State)
		}
	case r != nil && r.Status == model.TaskRunning && (f == nil || f.Attempt < r.Restarts):
		c.recall(r, f)
		l.vanish(c, now)
	case f != nil:
		c.attempt, c.began = f.Attempt, stamp(f.Status.StartedAt, now)
		c.phase, c.sought = starting, true
		l.Report(c.def.Name, c.attempt, &f.Status, now)
		c.recallHealth()
	}
}

// newest is the latest attempt of a container.
func newest(found []Found, name string) *Found {
	var f *Found
	for i := range found {
		if x := &found[i]; x.Name == name && (f == nil || x.Attempt > f.Attempt) {
			f = x
		}
	}
	return f
}

// recall takes over an end that was published. What the driver still knows of it only tells that it ran.
func (c *container) recall(r *model.ObservedContainer, f *Found) {
	c.attempt, c.last, c.phase, c.ran = r.Restarts, r.Restarts, ended, r.RuntimeID != "" || f != nil
	c.exit, c.reason, c.runtimeID, c.image = r.ExitCode, r.Reason, r.RuntimeID, r.Image
	c.health.state = r.Health
	if f != nil {
		c.attempt = max(c.attempt, f.Attempt)
		c.began, c.exitedAt = f.Status.StartedAt, f.Status.ExitedAt
		c.gone = f.Status.State == driver.Exited && f.Attempt == c.attempt
	}
}

// stamp is a moment as it is recorded: t, or now if t is unknown.
func stamp(t, now time.Time) time.Time {
	if t.IsZero() {
		t = now
	}
	return t.UTC().Round(0) // without the monotonic reading, which is not stored
}

// clip bounds a text in bytes, at the end of a character.
func clip(s string, most int) string {
	s = strings.ToValidUTF8(s, "?")
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most]
}
