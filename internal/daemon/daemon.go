package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maitred/maitred/internal/agent/host"
	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/driver/keeper"
	"github.com/maitred/maitred/internal/logs/disk"
	"github.com/maitred/maitred/internal/meter"
	"github.com/maitred/maitred/internal/meter/fellow"
	"github.com/maitred/maitred/internal/meter/own"
	"github.com/maitred/maitred/internal/metrics/keep"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/peer"
	"github.com/maitred/maitred/internal/reading"
	"github.com/maitred/maitred/internal/store"
	"github.com/maitred/maitred/internal/store/etcd"
)

// Keeper is the verb keeper: the parent of this machine's tasks. It returns the exit code.
func Keeper(args []string, stderr io.Writer) int { return keeper.Main(args, stderr) }

// TimingTable lists the delays that AWS chose for itself.
func TimingTable() []model.TimingRow { return model.TimingTable() }

// server is the roles that run in this process.
type server struct {
	cfg     Config
	machine string // id, where there is an agent
	backend *etcd.Backend
	store   *store.Store
	timings model.Timings
	url     string
	serving atomic.Bool // writes are served
	logs    openLog     // nil where there is no agent
	put     *disk.Store // log events that were put here; nil where there is no server
	kept    *disk.Store // those that this machine's containers wrote; nil where there is no agent
	metrics *keep.Store // nil where there is no server
	peers   *peer.Caller
	meter   *meter.Collector // nil where there is no server
	own     *own.Process     // what this process tells of itself
	local   *meter.Local     // what its agent and its balancer measured
	// balancerFeed is what this process's balancer measures, and line the direct line to its agent, by which it is read; nil
	// where there is none.
	balancerFeed *reading.Feed
	line         *model.Peer
	door         *peer.Server // of the line
	box          *fellow.Box  // nil where there is no server
	// measuredUntil is when the server before this one put what was measured last; zero if there was none.
	measuredUntil time.Time
	// missing is what was measured meanwhile that another server is asked for; zero if none is.
	missing struct{ from, to time.Time }
	// asked is full while questions are answered.
	asked   chan struct{}
	keyFile sync.Mutex // of secrets, while the server uses or changes it
	turn    *os.File   // the lock of a balancer's identity; nil where there is a server or an agent
}

func (s *server) scope() arn.Scope { return arn.Scope{Region: s.cfg.Region, Account: s.cfg.Account} }

// Run runs the roles until ctx ends, and then ends them in order. Nothing of a role is left behind but what is meant to
// outlive it: the state, and the tasks if they are detached.
func Run(ctx context.Context, cfg Config) (err error) {
	if cfg, err = cfg.complete(); err != nil {
		return err
	}
	if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
		return fmt.Errorf("make the data directory: %w", err)
	}
	s := &server{cfg: cfg, asked: make(chan struct{}, maxQuestions), own: own.New(cfg.Version)}
	if cfg.Balancer {
		s.balancerFeed = newFeed()
	}
	s.timings, _ = model.TimingsByName(cfg.Timings)
	listener, err := s.listen(ctx)
	if err != nil {
		return err
	}
	if err := s.open(ctx); err != nil {
		return errors.Join(err, closeListener(listener))
	}
	defer func() { err = errors.Join(err, s.backend.Close(), s.yield()) }()
	defer s.store.Close()
	s.peers = s.newCaller()
	defer s.peers.Close()
	roles := newRoles()
	err = s.start(ctx, roles, listener)
	if err == nil {
		err = roles.wait(ctx)
	}
	return errors.Join(err, roles.stop())
}

// listen takes the API's address before anything else is begun.
func (s *server) listen(ctx context.Context) (net.Listener, error) {
	if !s.cfg.Server {
		return nil, nil
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", s.cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen on %s (another maitred? choose another address with --listen): %w", s.cfg.Listen, err)
	}
	s.url = "http://" + listener.Addr().String()
	return listener, nil
}

func closeListener(l net.Listener) error {
	if l == nil {
		return nil
	}
	return l.Close()
}

// open opens the store: all of it for a server, else what concerns this machine's agent, or its balancer.
func (s *server) open(ctx context.Context) (err error) {
	var scope store.Scope
	if s.cfg.Agent {
		if s.machine, err = host.ID(s.cfg.DataDir); err != nil {
			return err
		}
	}
	switch {
	case s.cfg.Server:
	case s.cfg.Agent:
		scope.Machine = s.machine
	case s.cfg.Balancer:
		if scope.Balancer, err = s.cfg.balancerID(); err != nil {
			return err
		}
	}
	if s.backend, err = s.openBackend(ctx); err != nil {
		return err
	}
	if s.store, err = store.Open(ctx, s.backend, scope, store.WithLogger(s.cfg.Log), store.WithLeads(s.own.Leads)); err != nil {
		return errors.Join(err, s.backend.Close())
	}
	s.local = meter.NewLocal(s.store)
	if err := s.startOwn(); err != nil {
		s.store.Close()
		return errors.Join(err, s.backend.Close())
	}
	return nil
}

// openBackend embeds etcd in a server, unless it is told of another one. An agent alone finds the server's embedded one
// through the data directory.
func (s *server) openBackend(ctx context.Context) (*etcd.Backend, error) {
	c := s.cfg
	endpoints := c.EtcdEndpoints
	switch {
	case len(endpoints) == 0 && c.Server:
		return etcd.Embed(ctx, etcd.Member{Dir: c.etcdDir(), Log: c.Log})
	case len(endpoints) == 0:
		endpoint, err := etcd.Endpoint(c.etcdDir())
		if err != nil {
			return nil, fmt.Errorf("find the server of this machine (start `maitred server` with the same --data-dir, or give --etcd-endpoints): %w", err)
		}
		endpoints = []string{endpoint}
	}
	identity, err := s.identity()
	if err != nil {
		return nil, err
	}
	return etcd.Dial(ctx, etcd.Remote{
		Endpoints: endpoints, CA: c.EtcdCA, Cert: c.EtcdCert, Key: c.EtcdKey, Identity: identity, Log: c.Log,
	})
}

// identity names this process in an etcd that it shares with others: another name on each machine, the same one after a
// restart. Of balancers there are several while one takes over from another: each takes the first name that is free.
func (s *server) identity() (string, error) {
	id, err := host.ID(s.cfg.DataDir)
	if err != nil {
		return "", err
	}
	switch {
	case s.cfg.Server:
		return "server-" + id, nil
	case s.cfg.Agent:
		return id, nil
	}
	n, err := s.takeTurn()
	return fmt.Sprintf("balancer-%s-%d", id, n), err
}

// start begins the roles in order, and tells when all is ready.
func (s *server) start(ctx context.Context, roles *roles, listener net.Listener) error {
	ready := Ready{API: s.url, Region: s.cfg.Region, DataDir: s.cfg.DataDir}
	if s.cfg.Agent {
		d, reason, err := s.startAgent(ctx, roles)
		if err != nil {
			return errors.Join(err, closeListener(listener))
		}
		ready.Driver, ready.DriverReason = d, reason
	}
	if s.cfg.Server {
		if err := s.startServer(ctx, roles, listener); err != nil {
			return err
		}
	}
	if s.cfg.Agent && s.cfg.Server && len(s.cfg.Clusters) == 0 {
		if err := s.joined(ctx); err != nil {
			return err
		}
	}
	if s.cfg.Balancer {
		if err := s.startBalancer(ctx, roles); err != nil {
			return err
		}
	}
	url, err := s.startScrapes(ctx, roles)
	if err != nil {
		return err
	}
	ready.Metrics = url
	s.serving.Store(true)
	if s.cfg.Example != "" {
		ready.ExampleName = s.cfg.Example
		if err := s.example(ctx, &ready); err != nil {
			return err
		}
	}
	for range s.store.View().Machines() {
		ready.Machines++
	}
	s.cfg.Announce(ready)
	return nil
}

// roles are the goroutines of a process. They are ended one after the other, the last one first.
type roles struct {
	failed chan error
	over   chan struct{} // closed when there is nothing left to do
	ends   []func() error
}

func newRoles() *roles { return &roles{failed: make(chan error, 16), over: make(chan struct{})} }

// run begins a role. It has ended, and ended well, when its turn in stop is over.
func (r *roles) run(ctx context.Context, name string, run func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan error, 1)
	go func() {
		err := run(ctx)
		if ctx.Err() == nil {
			r.failed <- fmt.Errorf("the %s ended: %w", name, cmpErr(err))
		}
		done <- err
	}()
	r.ends = append(r.ends, func() error { cancel(); return <-done })
}

func cmpErr(err error) error {
	if err == nil {
		return errors.New("for no reason")
	}
	return err
}

// end adds something that is to be done when the roles that began later have ended.
func (r *roles) end(do func() error) { r.ends = append(r.ends, do) }

// wait returns when ctx ends or there is nothing left to do, or with the error of a role that ended before.
func (r *roles) wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-r.over:
		return nil
	case err := <-r.failed:
		return err
	}
}

func (r *roles) stop() error {
	var errs []error
	for _, end := range slices.Backward(r.ends) {
		errs = append(errs, end())
	}
	return errors.Join(errs...)
}

// The bounds of the end. Each container's own stopTimeout holds; nothing takes longer than the longest one that ECS
// knows of, and nothing waits when the owner is in a hurry.
const (
	stopGrace   = 2 * time.Minute
	stopTimeout = stopGrace + 5*time.Second
	closeGrace  = 10 * time.Second
)
