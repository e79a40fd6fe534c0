// Package flight counts what is in flight to each target, so that a target that is being deregistered is known to be
// drained the moment its last request has ended: no request can slip in after that.
package flight

import (
	"sync"
	"sync/atomic"
)

// Targets are the targets of a balancer, by their paths.
type Targets struct {
	mu      sync.Mutex
	known   map[string]*Target
	drained func(path string)
}

// New makes an empty set. drained is called, by whichever goroutine ends the last request, when a target that was closed
// has nothing in flight any more; it must not block.
func New(drained func(path string)) *Targets {
	return &Targets{known: map[string]*Target{}, drained: drained}
}

// Target gives what is known of a target; there is one for each path until it is forgotten.
func (t *Targets) Target(path string) *Target {
	t.mu.Lock()
	defer t.mu.Unlock()
	x, ok := t.known[path]
	if !ok {
		x = &Target{path: path, set: t}
		x.arm()
		t.known[path] = x
	}
	return x
}

// Forget drops the targets that keep does not want, with whatever is still in flight to them.
func (t *Targets) Forget(keep func(path string) bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for path, x := range t.known {
		if !keep(path) {
			delete(t.known, path)
			x.gone.Store(true)
			x.Quit()
		}
	}
}

// Drop is Forget of one target. It costs the same whatever other targets there are.
func (t *Targets) Drop(path string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if x, ok := t.known[path]; ok {
		delete(t.known, path)
		x.gone.Store(true)
		x.Quit()
	}
}

// Target counts what is in flight to one target: requests of HTTP, connections of TCP, flows of UDP.
type Target struct {
	path   string
	set    *Targets
	flying atomic.Int64
	closed atomic.Bool
	gone   atomic.Bool // the set has forgotten it
	quit   atomic.Pointer[quit]
}

// quit is closed at most once.
type quit struct {
	once sync.Once
	c    chan struct{}
}

func (t *Target) arm() { t.quit.Store(&quit{c: make(chan struct{})}) }

// Path is the target's.
func (t *Target) Path() string { return t.path }

// Gone says that the target was forgotten: of one with its path, the set has another.
func (t *Target) Gone() bool { return t.gone.Load() }

// InFlight is how much is in flight.
func (t *Target) InFlight() int64 { return t.flying.Load() }

// Begin takes off, unless the target is closed: then it says false, and another target has to be found. Each Begin that
// says true is followed by one End.
func (t *Target) Begin() bool {
	t.flying.Add(1)
	// Close sets the flag before it counts, and this counts before it looks at the flag: one of the two sees the other.
	if t.closed.Load() {
		t.End()
		return false
	}
	return true
}

// End lands.
func (t *Target) End() {
	if t.flying.Add(-1) == 0 && t.closed.Load() {
		t.set.drained(t.path)
	}
}

// Close lets nothing more take off; it says whether nothing is in flight.
func (t *Target) Close() (drained bool) {
	t.closed.Store(true)
	return t.flying.Load() == 0
}

// Open takes Close back: the target was registered again. What was told to quit stays so, what takes off now is not.
func (t *Target) Open() {
	select {
	case <-t.Quitted():
		t.arm()
	default:
	}
	t.closed.Store(false)
}

// Closed says that nothing may take off.
func (t *Target) Closed() bool { return t.closed.Load() }

// Quit says that what is in flight must end now: the deregistration delay is over.
func (t *Target) Quit() {
	q := t.quit.Load()
	q.once.Do(func() { close(q.c) })
}

// Quitted is closed by Quit; who takes off asks for it once.
func (t *Target) Quitted() <-chan struct{} { return t.quit.Load().c }
