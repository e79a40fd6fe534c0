package lb

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/maitred/maitred/internal/core/routing"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// loop is the one goroutine that decides what is served.
type loop struct {
	*Balancer
	watcher *store.Watcher
	view    *store.View
	used    map[string]string    // the target groups that listeners lead to, and an address of such a listener
	drains  map[string]*drain    // targets that are being deregistered
	later   map[string]time.Time // when to look at a target again that is new
	ports   *ports
	joined  time.Time
	calm    time.Time // no pass before
	beatAt  time.Time
	retryAt time.Time
	said    map[string]string // the listeners that were said to fail
	unfit   map[string]string // listeners of TLS without a certificate that can be used, and why
	over    chan struct{}     // closed when all that was served has ended; nil while it is served

	asks       chan chan offer      // from a balancer that wants to take over
	heirs      chan *line           // the one that has
	heir       *line                // the same, nil as long as there is none
	bequeathed map[string]time.Time // the targets that it was told to be drained
	elder      *elder               // nil: this balancer took over from nobody
}

// drain is a target that is being deregistered.
type drain struct {
	by  time.Time // when what is in flight must end
	cut bool      // it was told to
}

// A pass takes up all that has changed. However much changes, there is a pause between two of them: passRest times what
// the last one took, so that they take a tenth of a CPU at most, within these bounds.
const (
	pauseShort = 5 * time.Millisecond
	pauseLong  = 100 * time.Millisecond
	passRest   = 9
)

// retryEvery is the time between two attempts to open a port that cannot be opened.
const retryEvery = time.Second

func newLoop(b *Balancer) *loop {
	return &loop{
		Balancer: b, drains: map[string]*drain{}, later: map[string]time.Time{}, ports: newPorts(b), joined: stored(b.config.Now()),
		asks: make(chan chan offer), heirs: make(chan *line, 1), bequeathed: map[string]time.Time{},
		watcher: b.config.Store.Watch(
			model.KindLoadBalancer, model.KindListener, model.KindRule, model.KindTargetGroup, model.KindTarget, model.KindCertificate,
		),
	}
}

// run follows the store and what the data plane tells until ctx ends or another balancer has taken over, and then until
// the last request has ended. The first pass has been made.
func (l *loop) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		news, told, end := l.watcher.C(), l.inbox.c, ctx.Done()
		if l.config.Now().Before(l.calm) {
			news, told = nil, nil // and the timer ends the pause
		}
		if l.over != nil {
			end = nil
		}
		select {
		case <-end:
			l.leave(ctx)
		case <-l.over:
			l.pass(ctx) // the end of the last request may not have been heard yet
			return
		case offers := <-l.asks:
			offers <- l.ports.offer()
		case l.heir = <-l.heirs:
			l.bequeathDemands()
			l.observe(slices.Collect(maps.Keys(l.drains)))
			if l.over == nil {
				l.leave(ctx)
			}
		case <-news:
			l.pass(ctx)
		case <-told:
			l.pass(ctx)
		case <-timer.C:
			l.tick(ctx)
		}
		timer.Reset(max(0, l.next().Sub(l.config.Now())))
	}
}

// leave takes no more connections, and lets requests end.
func (l *loop) leave(ctx context.Context) {
	l.over = make(chan struct{})
	l.leaving.Store(true)
	patience, enough := l.patient(ctx)
	l.ports.end(patience)
	go func() { // ends with the last request, or with the patience
		defer close(l.over)
		defer enough()
		l.ports.ending.Wait()
		l.elder.wait(patience)
	}()
}

// next is when the loop has something to do although nothing happens.
func (l *loop) next() time.Time {
	now, at := l.config.Now(), l.beatAt
	earlier := func(t time.Time) {
		if t.Before(at) {
			at = t
		}
	}
	if now.Before(l.calm) {
		earlier(l.calm)
	}
	if len(l.ports.failed) > 0 && l.over == nil {
		earlier(l.retryAt)
	}
	for _, d := range l.drains {
		if !d.cut {
			earlier(d.by)
		}
	}
	for _, t := range l.later {
		earlier(t)
	}
	return at
}

// tick does what is due.
func (l *loop) tick(ctx context.Context) {
	now := l.config.Now()
	for path, d := range l.drains {
		if !d.cut && !now.Before(d.by) {
			d.cut = true
			l.flights.Target(path).Quit()
		}
	}
	var due []string
	for path, at := range l.later {
		if !now.Before(at) {
			due = append(due, path)
		}
	}
	l.observe(due)
	if len(l.ports.failed) > 0 && !now.Before(l.retryAt) {
		l.settle(ctx)
	}
	if !now.Before(l.beatAt) {
		l.certify()
		l.beat()
	}
	l.confess()
}

// settle opens and closes ports as the table says, unless the end has begun.
func (l *loop) settle(ctx context.Context) {
	if l.over == nil {
		l.ports.settle(ctx, l.Table())
	}
	l.retryAt = l.config.Now().Add(retryEvery)
}

// beat tells the store that the balancer is there.
func (l *loop) beat() {
	l.beatAt = l.config.Now().Add(l.config.Heartbeat)
	l.said = l.failures()
	l.writer.put(l.record(true, l.said, l.joined))
}

// confess tells the store which listeners cannot be served, when they are others than before.
func (l *loop) confess() {
	if !maps.Equal(l.said, l.failures()) {
		l.beat()
	}
}

func (l *loop) failures() map[string]string {
	all := maps.Clone(l.unfit)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, l.ports.failed)
	return all
}

// pass takes up all that has changed since the last one: in the store, and in what the data plane tells.
func (l *loop) pass(ctx context.Context) {
	began := l.config.Now()
	changes, all, view := l.watcher.Snapshot()
	told, lost, drains := l.inbox.take()
	for group, since := range l.inbox.takeWaits() {
		l.tellDemand(group, since)
	}
	l.view = view
	var changed []string
	for _, c := range changes {
		if c.Key.Kind == model.KindTarget {
			changed = append(changed, c.Key.Path)
		} else {
			all = true
		}
	}
	for _, x := range lost {
		l.ports.lose(ctx, x)
	}
	if all {
		l.renew(ctx)
	} else {
		l.check(changed)
		for path := range told {
			changed = append(changed, path)
		}
		if drains {
			changed = slices.AppendSeq(changed, maps.Keys(l.drains))
		}
		l.retarget(changed)
	}
	if l.confess(); !l.beatAt.After(began) {
		l.beat()
	}
	now := l.config.Now()
	l.calm = now.Add(min(max(pauseShort, passRest*now.Sub(began)), pauseLong))
}

// renew looks at everything.
func (l *loop) renew(ctx context.Context) {
	l.used = l.leads()
	l.checkAll()
	l.swap(routing.Compile(l.Table(), l.input()))
	l.certify()
	l.settle(ctx)
	l.gate.Forget(func(arn string) bool {
		_, ok := l.view.LoadBalancer(arn)
		return ok
	})
	l.flights.Forget(func(path string) bool {
		_, ok := l.view.Target(path)
		return ok
	})
	var paths []string
	for t := range l.view.Targets("") {
		paths = append(paths, t.Path())
	}
	for h := range l.config.Store.View().TargetHealthsOf(l.config.ID) {
		if _, ok := l.view.Target(h.Target); !ok {
			paths = append(paths, h.Target)
		}
	}
	l.observe(paths)
}

// retarget makes the table that follows from changes of some targets (given by path) alone.
func (l *loop) retarget(paths []string) {
	if len(paths) == 0 {
		return
	}
	groups := map[string]bool{}
	for _, path := range paths {
		groups[groupOf(path)] = true
	}
	l.swap(l.Table().Retarget(l.input(), slices.Sorted(maps.Keys(groups))...))
	l.observe(paths)
}

// groupOf is the ARN of the group in the path of a target: all but the last two parts.
func groupOf(path string) string {
	slashes := 0
	for i := len(path) - 1; i >= 0; i-- {
		if path[i] == '/' {
			if slashes++; slashes == 2 {
				return path[:i]
			}
		}
	}
	return ""
}

// swap makes a table the one that is served.
func (l *loop) swap(t *routing.Table) {
	if t == l.Table() {
		return
	}
	l.table.Store(t)
	l.ports.apply(t)
	l.callParked(t)
}

func (l *loop) input() routing.Input {
	v := l.view
	return routing.Input{
		LoadBalancers: v.LoadBalancers(), Listeners: v.Listeners(""), Rules: v.Rules, Group: v.TargetGroup, Targets: v.Targets,
		Health: func(path string) routing.Health {
			h, suspect := l.prober.Current(path)
			if suspect && h.State == model.TargetHealthy {
				h.State = model.TargetInitial // gets nothing while others are healthy
			}
			return h
		},
	}
}
