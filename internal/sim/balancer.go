package sim

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/maitred/maitred/internal/core/health"
	"github.com/maitred/maitred/internal/core/routing"
	"github.com/maitred/maitred/internal/lb/flight"
	"github.com/maitred/maitred/internal/lb/park"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// heartbeat is how often a balancer says that it is there.
const heartbeat = 30 * time.Second

// balancer is a process that serves load balancers. Its table, its judgment of targets and its count of what is in flight
// are production's; its shell, which follows the store, checks targets and writes what it knows, is simulated.
type balancer struct {
	w      *world
	id     string
	life   int // counts the starts; what an earlier one planned does not happen
	store  *store.Store
	view   *store.View
	ending bool      // it takes no new requests
	cut    time.Time // until then the store cannot be reached
	next   time.Time // when it looks at the store, zero for never
	joined time.Time
	known  bool // to the store, in this life

	table    *routing.Table
	flights  *flight.Targets
	requests map[*request]bool
	counter  uint64
	lot      *park.Lot
	waits    []*parked            // those who wait there, the first one first
	checked  map[string]*checked  // by path of the target
	drains   map[string]time.Time // when what is in flight must end

	outbox  map[model.Key]model.Record // nil: to be deleted
	sending bool
}

func newBalancer(w *world, id string) *balancer { return &balancer{w: w, id: id} }

// boot starts the balancer.
func (b *balancer) boot() {
	if b.store != nil {
		return
	}
	st, err := store.OpenSync(b.w.ctx, b.w.backend, store.Scope{Balancer: b.id})
	if err != nil {
		panic(err)
	}
	b.life++
	b.store, b.ending, b.sending, b.known, b.joined = st, false, false, false, b.w.now
	b.table, b.flights = &routing.Table{}, flight.New(b.drained)
	b.requests, b.checked, b.drains = map[*request]bool{}, map[string]*checked{}, map[string]time.Time{}
	b.outbox = map[model.Key]model.Record{}
	b.w.tell("balancer %s is up", b.id)
	b.lots()
	b.beat()
	b.wake(0)
}

// serves says that clients reach the balancer: it opens its ports when the store knows of it.
func (b *balancer) serves() bool {
	if b.store == nil || b.ending || b.view == nil {
		return false
	}
	if !b.known {
		r, _, ok := b.store.View().Get(model.BalancerKey(b.id))
		b.known = ok && r.(*model.Balancer).Connected && r.(*model.Balancer).JoinedAt.Equal(b.joined)
	}
	return b.known
}

// later plans something for this life of the balancer.
func (b *balancer) later(d time.Duration, do func()) {
	life := b.life
	b.w.after(d, func() {
		if b.life == life && b.store != nil {
			do()
		}
	})
}

// beat says that the balancer is there, and again from time to time.
func (b *balancer) beat() {
	b.put(b.record(true))
	b.later(heartbeat, func() {
		if !b.ending {
			b.beat()
		}
	})
}

func (b *balancer) record(connected bool) *model.Balancer {
	return &model.Balancer{ID: b.id, Host: b.id, JoinedAt: b.joined, SeenAt: b.w.now, Connected: connected}
}

// interesting says whether a transaction is about what balancers look at.
func interesting(txn *store.Txn) bool {
	of := func(k model.Key) bool {
		switch k.Kind {
		case model.KindTarget, model.KindTargetGroup, model.KindListener, model.KindLoadBalancer, model.KindRule:
			return true
		}
		return false
	}
	return slices.ContainsFunc(txn.Puts, func(p store.Put) bool { return of(p.Key) }) || slices.ContainsFunc(txn.Deletes, of)
}

// wake makes the balancer look at the store.
func (b *balancer) wake(d time.Duration) {
	at := b.w.now.Add(d)
	if at.Before(b.cut) {
		at = b.cut
	}
	if b.store == nil || !b.next.IsZero() && !b.next.After(at) {
		return
	}
	b.next = at
	b.later(at.Sub(b.w.now), func() {
		if b.next.Equal(at) {
			b.look()
		}
	})
}

// look takes over what is in the store: first what is to be checked, then where requests go, then what is to be told.
func (b *balancer) look() {
	b.next = time.Time{}
	if b.w.now.Before(b.cut) {
		b.wake(0)
		return
	}
	if _, err := b.store.Pump(b.w.ctx); err != nil {
		panic(err)
	}
	b.view = b.store.View()
	b.place()
	b.retable()
	paths := slices.Collect(maps.Keys(b.checked))
	for h := range b.view.TargetHealthsOf(b.id) {
		paths = append(paths, h.Target)
	}
	slices.Sort(paths)
	for _, path := range slices.Compact(paths) {
		b.observe(path)
	}
}

// retable compiles the table.
func (b *balancer) retable() {
	v := b.view
	b.table = routing.Compile(b.table, routing.Input{
		LoadBalancers: v.LoadBalancers(), Listeners: v.Listeners(""), Rules: v.Rules, Group: v.TargetGroup, Targets: v.Targets,
		Health: func(path string) routing.Health {
			m := b.checked[path].machine
			if m.Suspect && m.State == model.TargetHealthy {
				m.State = model.TargetInitial
			}
			return routing.Health{State: m.State, Since: m.Since}
		},
	})
	b.callParked()
}

// observe writes what is new of a target, and closes it when it is being deregistered.
func (b *balancer) observe(path string) {
	key := model.TargetHealthKey(b.id, path)
	known := b.newest(key)
	t, ok := b.view.Target(path)
	if !ok {
		delete(b.drains, path)
		delete(b.checked, path)
		b.quit(path)
		b.flights.Forget(func(other string) bool { return other != path })
		if known != nil {
			b.put(nil, key)
		}
		return
	}
	if h := b.health(t); known == nil || *known != *h {
		b.put(h)
	}
}

// newest is what was last written of a target, or will be next.
func (b *balancer) newest(key model.Key) *model.TargetHealth {
	r, asked := b.outbox[key]
	if !asked {
		r, _, _ = b.view.Get(key)
	}
	h, _ := r.(*model.TargetHealth)
	return h
}

// health is what there is to tell of a target.
func (b *balancer) health(t *model.Target) *model.TargetHealth {
	path := t.Path()
	m := b.checked[path].machine
	h := &model.TargetHealth{
		Balancer: b.id, Target: path, Service: t.Service,
		State: m.State, Reason: m.Reason, Description: m.Description, Since: m.Since,
	}
	f := b.flights.Target(path)
	switch {
	case t.Draining():
		if _, known := b.drains[path]; !known && !f.Closed() {
			b.drains[path] = t.DrainBy
			b.later(t.DrainBy.Sub(b.w.now), func() { b.over(path, t.DrainBy) })
		}
		h.Drained, h.Since = f.Close(), t.DrainAt
	case f.Closed():
		delete(b.drains, path)
		f.Open()
	}
	return h
}

// over cuts what is still in flight to a target whose deregistration delay is over.
func (b *balancer) over(path string, by time.Time) {
	if b.drains[path].Equal(by) {
		delete(b.drains, path)
		b.quit(path)
	}
}

// drained is told when the last request to a target that is being deregistered has ended.
func (b *balancer) drained(path string) {
	b.later(0, func() {
		if _, ok := b.checked[path]; ok {
			b.observe(path)
		}
	})
}

// put has a record written; a nil one with a key is to be deleted.
func (b *balancer) put(r model.Record, keys ...model.Key) {
	if r != nil {
		keys = append(keys, r.Key())
	}
	for _, k := range keys {
		b.outbox[k] = r
	}
	b.send(b.w.between(0, b.w.faults.lag(5*time.Millisecond)))
}

// send writes all that is to be written, and again until it is known to be.
func (b *balancer) send(d time.Duration) {
	if b.sending {
		return
	}
	b.sending = true
	if at := b.w.now.Add(d); at.Before(b.cut) {
		d = b.cut.Sub(b.w.now)
	}
	b.later(d, func() {
		b.sending = false
		if !b.flush() {
			b.send(b.w.between(50*time.Millisecond, 2*time.Second))
		}
	})
}

// flush writes what is to be written, or a part of it, and says whether all of it is known to be.
func (b *balancer) flush() bool {
	if len(b.outbox) == 0 {
		return true
	}
	if b.w.now.Before(b.cut) {
		return false
	}
	order := slices.SortedFunc(maps.Keys(b.outbox), func(x, y model.Key) int {
		return cmp.Or(cmp.Compare(x.Kind, y.Kind), cmp.Compare(x.Path, y.Path))
	})
	order = order[:min(len(order), 100)]
	var err error
	b.w.backend.as(actor{balancer: b}, func() {
		_, err = b.store.Update(b.w.ctx, func(tx *store.Tx) error {
			for _, k := range order {
				switch r := b.outbox[k]; {
				case r != nil:
					tx.Put(r)
				case tx.View().Version(k) != 0:
					tx.Delete(k)
				}
			}
			return nil
		})
	})
	if err != nil {
		return false
	}
	for _, k := range order {
		delete(b.outbox, k)
	}
	return len(b.outbox) == 0
}

// stop ends the process: what it had in flight is lost.
func (b *balancer) stop() {
	b.store.Close()
	b.store, b.view, b.next = nil, nil, time.Time{}
	b.abandon()
}

// abandon lets all that is in flight or waits be lost.
func (b *balancer) abandon() {
	for r := range b.requests {
		b.w.was(r.group, span{r.at, b.w.now})
	}
	clear(b.requests)
	b.waits = nil
}

// kill ends the balancer at once, and starts it again.
func (b *balancer) kill(after time.Duration) {
	if b.store == nil {
		return
	}
	b.w.tell("balancer %s is killed for %v", b.id, after)
	b.stop()
	b.w.after(after, b.boot)
}

// restart ends the balancer as its role does: it takes nothing new, lets what is in flight end, and says that it is gone.
func (b *balancer) restart(after time.Duration) {
	if b.store == nil || b.ending {
		return
	}
	b.w.tell("balancer %s is stopped for %v", b.id, after)
	b.ending = true
	b.later(graceTime, func() {
		b.abandon()
		b.put(b.record(false))
		b.flush()
		b.stop()
		b.w.after(after, b.boot)
	})
}

// graceTime is how long a balancer that ends lets requests end.
const graceTime = 10 * time.Second

// cutOff separates the balancer from the store for a while, or for longer if it is already.
func (b *balancer) cutOff(d time.Duration) {
	b.w.tell("balancer %s is cut off for %v", b.id, d)
	if until := b.w.now.Add(d); until.After(b.cut) {
		b.cut = until
	}
}

// checked is a target with its health.
type checked struct {
	target  *model.Target
	group   *model.TargetGroup
	machine health.Machine
	turn    time.Time // of the next check that counts
	backoff time.Duration
	planned int // counts the checks that were planned; only the last one happens
}
