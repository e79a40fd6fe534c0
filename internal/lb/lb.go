package lb

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maitred/maitred/internal/core/routing"
	"github.com/maitred/maitred/internal/lb/flight"
	"github.com/maitred/maitred/internal/lb/l4"
	"github.com/maitred/maitred/internal/lb/l7"
	"github.com/maitred/maitred/internal/lb/probe"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// Config is what a balancer is made of. Store, ID and Random are needed.
type Config struct {
	Store   *store.Store
	ID      string // of the balancer, the same after a restart
	Host    string
	Version string
	// Certificate chooses the certificate of a TLS connection to a listener; nil: there are none.
	Certificate func(*model.Listener, *tls.ClientHelloInfo) (*tls.Certificate, error)
	// CertificateARN names a certificate for access logs; nil: they do not.
	CertificateARN func(*tls.Certificate) string
	AccessLog      l7.AccessLog // nil: none
	Secret         []byte       // seals cookies: at least 16 bytes, the same at all balancers
	ObserveHTTP    func(l7.Sample)
	ObserveFlow    func(l4.Sample)
	Now            func() time.Time
	Random         func() uint64
	Heartbeat      time.Duration   // between two signs of life in the store; 10 s if zero
	Grace          time.Duration   // that requests have to end when the balancer does; 30 s if zero
	Hurry          <-chan struct{} // when it is closed, the end waits for no request
	Log            *slog.Logger
}

const (
	defaultHeartbeat = 10 * time.Second
	defaultGrace     = 30 * time.Second
)

// Balancer serves all load balancers of a store.
type Balancer struct {
	config  Config
	table   atomic.Pointer[routing.Table]
	flights *flight.Targets
	prober  *probe.Runner
	writer  *writer

	// What others tell the loop: targets of which something changed, by path.
	mu      sync.Mutex
	told    map[string]bool
	tell    chan struct{}
	reports map[string]report // what the prober said last
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
	b := &Balancer{
		config: config, told: map[string]bool{}, tell: make(chan struct{}, 1), reports: map[string]report{},
		writer: newWriter(config.Store, config.Log),
	}
	b.flights = flight.New(b.notice)
	b.prober = probe.New(probe.Config{
		Check: new(probe.Prober).Check, Changed: b.changed, Suspected: func(path string, _ bool) { b.notice(path) },
		Now: config.Now, Balancer: config.ID,
	})
	b.table.Store(&routing.Table{})
	return b, nil
}

// Table is the present route table.
func (b *Balancer) Table() *routing.Table { return b.table.Load() }

// report is what the prober says of a target.
type report struct {
	state               model.TargetState
	reason, description string
	since               time.Time
}

// changed takes note of a target's health.
func (b *Balancer) changed(path string, state model.TargetState, reason, description string, since time.Time) {
	b.mu.Lock()
	b.reports[path] = report{state, reason, description, since}
	b.mu.Unlock()
	b.notice(path)
}

// notice has the loop look at a target. It never blocks.
func (b *Balancer) notice(path string) {
	b.mu.Lock()
	b.told[path] = true
	b.mu.Unlock()
	select {
	case b.tell <- struct{}{}:
	default:
	}
}

// heard takes what the loop was told.
func (b *Balancer) heard() map[string]bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	told := b.told
	b.told = map[string]bool{}
	return told
}

func (b *Balancer) report(path string) (report, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r, ok := b.reports[path]
	return r, ok
}

func (b *Balancer) forget(path string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.reports, path)
}

// Run serves until ctx ends. Then it takes no more connections, lets requests end for as long as Grace says, and tells the
// store that it is gone.
func (b *Balancer) Run(ctx context.Context) error {
	inner, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var others sync.WaitGroup
	others.Go(func() { b.prober.Run(inner) })
	others.Go(func() { b.writer.run(inner) })
	l := newLoop(b)
	l.run(ctx)
	patience, enough := b.patient(inner)
	err := l.end(patience)
	enough()
	cancel()
	others.Wait()
	return errors.Join(err, b.farewell(context.WithoutCancel(ctx)))
}

// patient is a context that ends when nobody wants to wait any more.
func (b *Balancer) patient(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, b.config.Grace)
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
func (b *Balancer) farewell(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, farewellTimeout)
	defer cancel()
	b.writer.put(b.record(false, nil, time.Time{}))
	if err := b.writer.flush(ctx); err != nil {
		return fmt.Errorf("tell the store that the balancer is gone: %w", err)
	}
	return nil
}

// record describes the balancer.
func (b *Balancer) record(connected bool, failed map[string]string, joined time.Time) *model.Balancer {
	now := b.config.Now().UTC().Round(0)
	return &model.Balancer{
		ID: b.config.ID, Host: b.config.Host, Version: b.config.Version, JoinedAt: joined, SeenAt: now,
		Connected: connected, Failed: failed,
	}
}
