package lb

import (
	"sync"
	"time"

	"github.com/maitred/maitred/internal/model"
)

// inbox is what others tell the loop. They never wait for it, and what they tell is merged.
type inbox struct {
	c chan struct{} // holds one: there is something to hear

	mu      sync.Mutex
	paths   map[string]bool   // of targets of which something changed
	reports map[string]report // what the prober said last of each target
	lost    []loss
	drains  bool                 // something changed of all that are being deregistered
	waits   map[string]time.Time // groups for which something waits since a time, or nothing any more
}

// report is what the prober says of a target.
type report struct {
	state               model.TargetState
	reason, description string
	since               time.Time
}

// loss is a port that is not served any more, and why.
type loss struct {
	arn string
	of  *port
	err error
}

func newInbox() inbox {
	return inbox{c: make(chan struct{}, 1), paths: map[string]bool{}, reports: map[string]report{}}
}

// notice has the loop look at a target.
func (i *inbox) notice(path string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.paths[path] = true
	i.wake()
}

// changed takes note of a target's health.
func (i *inbox) changed(path string, state model.TargetState, reason, description string, since time.Time) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.reports[path] = report{state, reason, description, stored(since)}
	i.paths[path] = true
	i.wake()
}

// lose has the loop find another way to serve a listener.
func (i *inbox) lose(l loss) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.lost = append(i.lost, l)
	i.wake()
}

// wait has the loop tell the heir that something waits for a group, or nothing any more.
func (i *inbox) wait(group string, since time.Time) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.waits == nil {
		i.waits = map[string]time.Time{}
	}
	i.waits[group] = since
	i.wake()
}

func (i *inbox) takeWaits() map[string]time.Time {
	i.mu.Lock()
	defer i.mu.Unlock()
	waits := i.waits
	i.waits = nil
	return waits
}

// review has the loop look at all targets that are being deregistered.
func (i *inbox) review() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.drains = true
	i.wake()
}

func (i *inbox) wake() {
	select {
	case i.c <- struct{}{}:
	default:
	}
}

// take gives what was told since the last time.
func (i *inbox) take() (paths map[string]bool, lost []loss, drains bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	select {
	case <-i.c:
	default:
	}
	paths, lost, drains = i.paths, i.lost, i.drains
	i.paths, i.lost, i.drains = map[string]bool{}, nil, false
	return paths, lost, drains
}

func (i *inbox) report(path string) (report, bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	r, ok := i.reports[path]
	return r, ok
}

func (i *inbox) forget(path string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.reports, path)
}
