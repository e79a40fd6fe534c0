package lb

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maitred/maitred/internal/core/routing"
	"github.com/maitred/maitred/internal/lb/certs"
	"github.com/maitred/maitred/internal/lb/flight"
	"github.com/maitred/maitred/internal/lb/gate"
	"github.com/maitred/maitred/internal/lb/l4"
	"github.com/maitred/maitred/internal/lb/l7"
	"github.com/maitred/maitred/internal/lb/park"
	"github.com/maitred/maitred/internal/lb/probe"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/reading"
	"github.com/maitred/maitred/internal/store"
)

// Config is what a balancer is made of. Store, ID and Random are needed.
type Config struct {
	Store   *store.Store
	ID      string // of the balancer, the same after a restart
	Host    string
	Zone    string // availability zone of this machine, that metrics are told by as well; "": unknown
	Version string
	// Dir is the directory of what the balancers of this machine share, one of which takes over from another; "": they do
	// not. It exists and belongs to them alone.
	Dir string
	// Certificates choose among the certificates of a listener; nil: there are none.
	Certificates *certs.Cache
	// AccessLog takes the requests to load balancers whose attribute access_logs.s3.enabled is true; nil: none.
	AccessLog   l7.AccessLog
	Secret      []byte // seals cookies: at least 16 bytes, the same at all balancers
	ObserveHTTP func(l7.Sample)
	ObserveFlow func(l4.Sample)
	// Readings takes what was measured in each second, with a last one at the end; nil: nothing is measured. It must not
	// block.
	Readings func(reading.Frame)
	// Peer is where the readings are read, nil where they are not. It is written into the balancer's record.
	Peer *model.Peer
	// Line is in place of Peer where the direct line is the balancer's own, and goes to whoever takes over from it; nil
	// where it is not.
	Line      Line
	Now       func() time.Time
	Random    func() uint64
	Heartbeat time.Duration   // between two signs of life in the store; 10 s if zero
	Grace     time.Duration   // that requests have to end when the balancer does; 30 s if zero
	Hurry     <-chan struct{} // when it is closed, the end waits for no request
	Serving   func()          // called once, when what the store has is served; nil: nobody waits for it
	Log       *slog.Logger
}

const (
	defaultHeartbeat = 10 * time.Second
	defaultGrace     = 30 * time.Second
)

// Balancer serves all load balancers of a store.
type Balancer struct {
	config  Config
	table   atomic.Pointer[routing.Table]
	parked  *park.Lot
	flights *flight.Targets
	prober  *probe.Runner
	writer  *writer
	inbox   inbox
	census  census
	meter   *meter // nil: nothing is measured
	leaving atomic.Bool
	// bequeathing: what waits here is told to the balancer that has taken over.
	bequeathing atomic.Bool
	peer        *model.Peer // of the record
	gate        *gate.Gate
}

// New makes a balancer; Run makes it serve.
func New(config Config) (*Balancer, error) {
	if config.Store == nil || config.ID == "" || config.Random == nil {
		return nil, errors.New("a balancer needs a store, an id and a source of random numbers")
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	if config.Heartbeat == 0 {
		config.Heartbeat = defaultHeartbeat
	}
	if config.Grace == 0 {
		config.Grace = defaultGrace
	}
	b := &Balancer{config: config, peer: config.Peer, inbox: newInbox(), writer: newWriter(config.Store, config.Log), gate: gate.New(config.Store.View, config.Now)}
	if config.Readings != nil {
		b.meter = newMeter(b)
	}
	b.flights = flight.New(b.inbox.notice)
	b.prober = probe.New(probe.Config{
		Check: new(probe.Prober).Check, Changed: b.inbox.changed, Suspected: func(path string, _ bool) { b.inbox.notice(path) },
		Now: config.Now, Balancer: config.ID,
	})
	b.parked = park.New(config.Now, b.demand)
	b.table.Store(&routing.Table{})
	return b, nil
}

// Table is the present route table.
func (b *Balancer) Table() *routing.Table { return b.table.Load() }

// Run serves until ctx ends. Then it takes no more connections, lets requests end for as long as Grace says, and tells the
// store that it is gone. Until the last request has ended it follows the store: targets that are deregistered meanwhile
// are drained as ever.
//
// If another balancer serves for this machine, it takes over from that one, without a moment in which nobody listens. If
// another one takes over, it lets requests end as well, and gives ErrTakenOver.
func (b *Balancer) Run(ctx context.Context) error {
	e, err := b.inherit(ctx)
	if err != nil {
		return err
	}
	if err := b.openLine(ctx, e); err != nil {
		return errors.Join(err, e.refuse())
	}
	inner, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	var others sync.WaitGroup
	others.Go(func() { b.prober.Run(inner) })
	if b.meter != nil {
		others.Go(func() { b.meter.run(inner) })
	}
	l := newLoop(b)
	defer l.watcher.Close()
	b.forgetDemands()
	closeDoor, err := l.begin(ctx, e, &others)
	if err == nil {
		others.Go(func() { b.writer.run(inner) })
		l.run(ctx)
	}
	cancel()
	closeDoor()
	others.Wait()
	if e.lock != nil {
		defer func() { _ = e.lock.Close() }() // whoever took over has a copy
	}
	switch {
	case err != nil:
		return err
	case l.taken():
		return ErrTakenOver
	}
	return b.farewell(context.WithoutCancel(ctx), l.joined)
}

// patient is a context that ends when nobody wants to wait any more.
func (b *Balancer) patient(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), b.config.Grace)
	if b.config.Hurry != nil {
		go func() {
			select {
			case <-b.config.Hurry:
				cancel()
			case <-ctx.Done():
			}
		}()
	}
	return ctx, cancel
}

// farewellTimeout bounds the last write.
const farewellTimeout = 2 * time.Second

// farewell writes what is still to be written, and that the balancer serves nothing any more.
func (b *Balancer) farewell(ctx context.Context, joined time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, farewellTimeout)
	defer cancel()
	b.writer.put(b.record(false, nil, joined))
	if err := b.writer.flush(ctx); err != nil {
		return fmt.Errorf("tell the store that the balancer is gone: %w", err)
	}
	return nil
}

// record describes the balancer.
func (b *Balancer) record(connected bool, failed map[string]string, joined time.Time) *model.Balancer {
	return &model.Balancer{
		ID: b.config.ID, Host: b.config.Host, Zone: b.config.Zone, Version: b.config.Version, JoinedAt: joined, SeenAt: stored(b.config.Now()),
		Connected: connected, Failed: failed, Peer: b.peer,
	}
}

// stored is a time as it comes back from the store, so that records can be compared.
func stored(t time.Time) time.Time { return t.UTC().Round(0) }
