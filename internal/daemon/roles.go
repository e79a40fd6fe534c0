package daemon

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/maitred/maitred/internal/agent"
	"github.com/maitred/maitred/internal/agent/host"
	"github.com/maitred/maitred/internal/agent/lifecycle"
	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/engine"
	"github.com/maitred/maitred/internal/meter/own"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/reading"
	"github.com/maitred/maitred/internal/store"
)

// resync is how often the scheduler looks at everything, changed or not.
const resync = 30 * time.Second

// random is the source of ids.
func random() (b [16]byte) {
	_, _ = rand.Read(b[:]) // never fails: it ends the program instead
	return b
}

// startServer begins the scheduler and the API.
func (s *server) startServer(ctx context.Context, roles *roles, listener net.Listener) error {
	call := control.Call{Scope: s.scope(), Operation: "maitred", Now: time.Now().UTC(), IDs: random, Timings: s.timings, VPC: s.cfg.VPC}
	if _, err := s.store.Update(ctx, func(tx *store.Tx) error {
		control.EnsureRegion(tx, call)
		return nil
	}); err != nil {
		return errors.Join(fmt.Errorf("make the default cluster: %w", err), listener.Close())
	}
	put, err := s.openLogs(ctx, roles, "server", "server")
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	s.put = put
	if err := s.openMetrics(ctx, roles); err != nil {
		return errors.Join(err, listener.Close())
	}
	if err := s.openShared(ctx, roles); err != nil {
		return errors.Join(err, listener.Close())
	}
	if err := s.own.Add(own.KeptIn(func() own.Kept { return keptNow(s.metrics.Counts()) })); err != nil {
		return errors.Join(err, listener.Close())
	}
	api, err := s.api()
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	if err := s.startMeter(ctx, roles); err != nil {
		return errors.Join(err, listener.Close())
	}
	roles.run(ctx, "scheduler", func(ctx context.Context) error {
		return engine.Run(ctx, engine.Config{
			Store: s.store, Account: s.cfg.Account, IDs: random, Timings: s.timings, Refuse: refuse, Connected: control.AgentConnected, Resync: resync, Log: s.cfg.Log,
			Told: s.scheduled,
		})
	})
	if err := s.startShared(ctx, roles); err != nil {
		return errors.Join(err, listener.Close())
	}
	s.startScaling(ctx, roles)
	if err := s.startIssuer(ctx, roles); err != nil {
		return errors.Join(err, listener.Close())
	}
	roles.run(ctx, "API", func(ctx context.Context) error { return serve(ctx, listener, s.handler(api), s.cfg.Log) })
	return nil
}

// joinTimeout bounds the wait for this machine to be a container instance.
const joinTimeout = 10 * time.Second

// joined waits until this machine can run tasks: whoever is told that maitred is up may run one at once.
func (s *server) joined(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, joinTimeout)
	defer cancel()
	watcher := s.store.Watch(model.KindMachine, model.KindInstance)
	defer watcher.Close()
	for {
		_, _, view := watcher.Snapshot()
		m, ok := view.Machine(s.machine)
		for range view.InstancesOfMachine(s.machine) {
			if ok && m.Connected {
				return nil
			}
		}
		select {
		case <-watcher.C():
		case <-ctx.Done():
			return fmt.Errorf("this machine does not join a cluster: %w", ctx.Err())
		}
	}
}

// startAgent opens the driver and begins the agent. Unless they are detached, the tasks end when it does, and what the
// driver keeps running for them too.
func (s *server) startAgent(ctx context.Context, roles *roles) (name, reason string, err error) {
	d, reason, err := s.cfg.openDriver(ctx)
	if err != nil {
		return "", "", err
	}
	roles.end(func() error { return s.closeDriver(ctx, d) })
	machine, err := host.Describe(host.Options{
		ID: s.machine, Region: s.cfg.Region, Zone: s.cfg.Zone, Address: s.cfg.Address, Clusters: s.cfg.Clusters,
		Driver: d.Name(), DriverReason: reason, Version: s.cfg.Version,
	})
	if err != nil {
		return "", "", err
	}
	line, err := s.listenPeer(ctx)
	if err != nil {
		return "", "", err
	}
	s.openLine(line)
	machine.Peer = s.line
	machine.Policy = s.cfg.policy()
	endpoints, err := s.startMetadata(ctx, roles, d, machine)
	if err != nil {
		return "", "", errors.Join(err, line.Close())
	}
	feed := newFeed()
	life := lifecycle.DefaultOptions()
	life.FirstCheck = s.timings.FirstCheck
	a, err := agent.New(agent.Config{
		Store: s.store, Driver: d, Machine: *machine, Dir: s.cfg.DataDir, Log: s.cfg.Log, Lifecycle: life,
		BindAddress: s.cfg.Address,
		HostNetwork: d.Name() == "process",
		Prepare:     s.newPreparer(endpoints).prepare,
		Readings:    func(f reading.Frame) { s.local.Agent(&f); feed.Add(f) },
	})
	if err != nil {
		return "", "", errors.Join(err, line.Close())
	}
	line.Handle("GET "+reading.AgentPath, feed)
	if s.balancerFeed != nil {
		line.Handle("GET "+reading.BalancerPath, s.balancerFeed)
	}
	s.logs = a.Logs
	s.serveExec(line, a, d)
	s.serveCopy(line, a, d)
	roles.run(ctx, "agent", a.Run)
	if err := s.startLogs(ctx, roles, d, line); err != nil {
		return "", "", errors.Join(err, line.Close())
	}
	roles.run(ctx, "line to the agent", line.Run)
	if !s.cfg.Detach {
		roles.end(func() error { return s.stopTasks(ctx, a) })
	}
	return d.Name(), reason, nil
}

// stopTasks ends the tasks of this machine; the next `maitred up` starts them anew.
func (s *server) stopTasks(ctx context.Context, a *agent.Agent) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	stopped := make(chan error, 1)
	go func() { stopped <- a.StopAll(ctx, stopReason, stopGrace) }()
	var err error
	select {
	case err = <-stopped:
	case <-s.cfg.Hurry:
		err = errors.Join(a.StopAll(ctx, stopReason, 0), <-stopped)
	}
	if err != nil {
		return fmt.Errorf("stop the tasks: %w", err)
	}
	return nil
}

// stopReason is why tasks end that nobody asked to stop.
const stopReason = "maitred up was stopped"
