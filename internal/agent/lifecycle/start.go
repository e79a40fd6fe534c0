package lifecycle

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/maitred/maitred/internal/model"
)

// startUp asks for what may start now and gives up what never can. It says whether a container ended by that.
func (l *Life) startUp(now time.Time) bool {
	changed := false
	for _, c := range l.containers {
		switch c.phase {
		case waiting:
			changed = l.release(c, now) || changed
		case starting:
			l.insist(c, now)
		case running, ended:
		}
	}
	return changed || l.breakDeadlock()
}

// needs are the dependencies of a container: what it depends on by name, and the containers that it links or whose
// volumes it mounts, which have to be there before it ("ContainerDefinition": links, volumesFrom).
func needs(c *model.ContainerDefinition) []model.Dependency {
	list := slices.Clone(c.DependsOn)
	add := func(name string) {
		if !slices.ContainsFunc(list, func(d model.Dependency) bool { return d.Container == name }) {
			list = append(list, model.Dependency{Container: name, Condition: model.DependStart})
		}
	}
	for _, link := range c.Links {
		name, _, _ := strings.Cut(link, ":")
		add(name)
	}
	for _, from := range c.VolumesFrom {
		add(from.Container)
	}
	return list
}

// release starts a container whose dependencies are fulfilled, or ends it if they never will be.
func (l *Life) release(c *container, now time.Time) (changed bool) {
	for i := range c.needs {
		ready, never := l.fulfilled(&c.needs[i], now)
		if never != "" {
			c.neverStart(never)
			return true
		}
		if !ready {
			return false
		}
	}
	l.ask(c, now)
	return true // others may depend on START
}

// insist asks again when the driver could not tell what became of a start.
func (l *Life) insist(c *container, now time.Time) {
	switch {
	case c.asked:
	case now.Before(c.askAt):
		l.look(c.askAt)
	case !c.giveUpAt.IsZero() && !now.Before(c.giveUpAt):
		l.cancel(c)
	default:
		l.ask(c, now)
	}
}

func (l *Life) cancel(c *container) {
	c.asked, c.canceled = true, true
	l.do(Cancel, c)
}

// fulfilled says whether a dependency lets its dependents start, or why it never will ("ContainerDependency").
func (l *Life) fulfilled(d *model.Dependency, now time.Time) (ready bool, never string) {
	on := l.container(d.Container)
	if on == nil {
		return false, fmt.Sprintf("there is no container %q", d.Container)
	}
	ready, never = on.meets(d.Condition)
	if ready || never != "" || on.began.IsZero() || on.def.StartTimeout <= 0 {
		return ready, never
	}
	deadline := on.began.Add(on.def.StartTimeout)
	if now.Before(deadline) {
		l.look(deadline)
		return false, ""
	}
	return false, fmt.Sprintf("the dependency on container %q has timed out: it was not %s within %v",
		d.Container, d.Condition, on.def.StartTimeout)
}

// meets says whether a container is in a condition that others wait for, or why it will never be.
func (c *container) meets(condition string) (ready bool, never string) {
	if c.phase == ended && !c.ran {
		return false, fmt.Sprintf("container %q did not start", c.def.Name)
	}
	switch condition {
	case model.DependComplete:
		return c.phase == ended, ""
	case model.DependSuccess:
		if c.phase == ended && (c.exit == nil || *c.exit != 0) {
			return false, fmt.Sprintf("container %q did not exit successfully", c.def.Name)
		}
		return c.phase == ended, ""
	case model.DependHealthy:
		return c.meetsHealthy()
	}
	return c.ran, ""
}

func (c *container) meetsHealthy() (ready bool, never string) {
	switch {
	case c.def.HealthCheck == nil:
		return false, fmt.Sprintf("container %q has no health check", c.def.Name)
	case c.phase == ended:
		return false, fmt.Sprintf("container %q exited", c.def.Name)
	case c.health.state == model.Unhealthy:
		return false, fmt.Sprintf("container %q is UNHEALTHY", c.def.Name)
	}
	return c.health.state == model.Healthy, ""
}

// breakDeadlock ends containers that wait for one another: nothing is alive that could ever let them start.
func (l *Life) breakDeadlock() (changed bool) {
	for _, c := range l.containers {
		if c.phase == starting || c.phase == running {
			return false
		}
	}
	for _, c := range l.containers {
		if c.phase == waiting {
			c.neverStart("the containers depend on one another in a circle")
			changed = true
		}
	}
	return changed
}

// noteRunning notes that all containers have started; those that ran to their end count.
func (l *Life) noteRunning(now time.Time) {
	if l.stopping || !l.started.IsZero() {
		return
	}
	var last time.Time
	for _, c := range l.containers {
		switch {
		case c.phase == waiting || c.phase == starting && !c.ran || c.def.Essential && !c.ran:
			return
		case !c.ran:
			last = now
		case c.started.After(last):
			last = c.started
		}
	}
	l.started = stamp(last, now)
}
