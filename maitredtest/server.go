package maitredtest

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/maitred/maitred/internal/agent"
	"github.com/maitred/maitred/internal/agent/host"
	"github.com/maitred/maitred/internal/agent/ports"
	"github.com/maitred/maitred/internal/api/ecs"
	"github.com/maitred/maitred/internal/api/sts"
	"github.com/maitred/maitred/internal/api/usecase"
	"github.com/maitred/maitred/internal/api/wire"
	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/driver/fake"
	"github.com/maitred/maitred/internal/engine"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
	"github.com/maitred/maitred/internal/store/mem"
)

// Account is the AWS account of everything on a Server.
const Account = "123456789012"

// Server is a maitred that lasts as long as a test.
type Server struct {
	Endpoint string // URL of the API
	Region   string // of requests that name none

	t        testing.TB
	ctx      context.Context //nolint:containedctx // lasts as long as the server
	clock    *clock
	store    *store.Store
	timings  model.Timings
	log      *slog.Logger
	machines []*machine
	loop     *engine.Loop

	turn sync.Mutex // is held by whoever drives loop

	mu     sync.Mutex
	script func(Container) Behaviour
}

// machine is a machine and its agent.
type machine struct {
	fake  *fake.Machine
	agent *agent.Agent
}

// Start starts a server, which ends with the test. It is ready: a service that is created now gets its tasks.
func Start(t testing.TB, options ...Option) *Server {
	t.Helper()
	c, timings, err := configure(options)
	if err != nil {
		t.Fatalf("maitredtest: %v", err)
	}
	// The test's own context ends before its cleanup begins, and the cleanup still needs the server.
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	s := &Server{Region: c.region, t: t, ctx: ctx, clock: newClock(c.now), timings: timings, log: slog.New(slog.DiscardHandler)}
	var running sync.WaitGroup
	backend := mem.New(mem.Options{})
	if s.store, err = store.OpenSync(ctx, backend, store.Scope{}); err != nil {
		t.Fatalf("maitredtest: open the store: %v", err)
	}
	t.Cleanup(func() {
		cancel()
		running.Wait()
		s.store.Close()
		if err := backend.Close(); err != nil {
			t.Errorf("maitredtest: close the store: %v", err)
		}
	})
	for i, m := range c.machines {
		s.join(i, m, &running)
	}
	s.schedule(&running)
	s.serve()
	s.Settle()
	return s
}

// join starts a machine and its agent.
func (s *Server) join(number int, m Machine, running *sync.WaitGroup) {
	s.t.Helper()
	described, err := host.Describe(host.Options{
		ID: fmt.Sprintf("%032x", number+1), Region: s.Region, Zone: m.Zone, Address: "127.0.0.1",
		CPU: cmp.Or(m.CPU, 64*1024), Memory: cmp.Or(m.Memory, 256*1024), Driver: "fake", DriverReason: "in a test", Version: "test",
	})
	if err != nil {
		s.t.Fatalf("maitredtest: describe a machine: %v", err)
	}
	described.Host = fmt.Sprintf("machine-%d", number+1)
	joined := &machine{fake: fake.New(fake.Config{Script: s.behave, Now: s.clock.Now, After: s.clock.after})}
	joined.agent, err = agent.New(agent.Config{
		Store: s.store, Driver: joined.fake.Connect(), Machine: *described, Log: s.log, HostNetwork: true, SampleEvery: -1,
		Ports: ports.Config{First: 32768, Last: 60999, Free: func(string, int) bool { return true }},
		Now:   s.clock.Now, NewTimer: func() agent.Timer { return newTimer(s.clock) },
	})
	if err != nil {
		s.t.Fatalf("maitredtest: make an agent: %v", err)
	}
	s.machines = append(s.machines, joined)
	running.Go(func() {
		if err := joined.agent.Run(s.ctx); err != nil {
			s.t.Errorf("maitredtest: the agent of %s ended: %v", described.Host, err)
		}
	})
}

// schedule makes the first cluster and starts the scheduler.
func (s *Server) schedule(running *sync.WaitGroup) {
	s.t.Helper()
	call := control.Call{
		Scope: arn.Scope{Region: s.Region, Account: Account}, Operation: "maitredtest", Now: s.clock.Now(), IDs: random, Timings: s.timings,
	}
	if _, err := s.store.Update(s.ctx, func(tx *store.Tx) error {
		control.EnsureRegion(tx, call)
		return nil
	}); err != nil {
		s.t.Fatalf("maitredtest: make the default cluster: %v", err)
	}
	s.loop = engine.NewLoop(engine.Config{
		Store: s.store, Account: Account, IDs: random, Timings: s.timings, Refuse: refuse, Resync: resync, Log: s.log,
	}, nil)
	running.Go(func() {
		defer s.loop.Close()
		s.drive()
	})
}

const resync = 30 * time.Second

// serve begins to answer requests.
func (s *Server) serve() {
	s.t.Helper()
	deps := ecs.Deps{
		Deps:    usecase.Deps{Store: s.store, Account: Account, Now: s.clock.Now, IDs: random},
		Timings: s.timings, Refuse: refuse, Log: s.log,
	}
	api, err := wire.NewHandler(wire.Config{Region: s.Region, Log: s.log}, ecs.New(deps).Service(), sts.New(Account))
	if err != nil {
		s.t.Fatalf("maitredtest: make the API: %v", err)
	}
	server := httptest.NewServer(http.Handler(api))
	s.t.Cleanup(server.Close)
	s.Endpoint = server.URL
}

// random is the source of ids.
func random() (b [16]byte) {
	_, _ = rand.Read(b[:]) // never fails: it ends the program instead
	return b
}

// refuse refuses nothing: what is not run needs nothing of its machine.
func refuse(*model.Machine, *model.TaskDefinition) string { return "" }
