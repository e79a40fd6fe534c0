package daemon

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/maitred/maitred/internal/agent"
	"github.com/maitred/maitred/internal/agent/host"
	"github.com/maitred/maitred/internal/agent/lifecycle"
	"github.com/maitred/maitred/internal/api/acm"
	"github.com/maitred/maitred/internal/api/autoscaling"
	"github.com/maitred/maitred/internal/api/cloudwatch"
	"github.com/maitred/maitred/internal/api/ec2"
	"github.com/maitred/maitred/internal/api/ecs"
	"github.com/maitred/maitred/internal/api/elbv2"
	apilogs "github.com/maitred/maitred/internal/api/logs"
	"github.com/maitred/maitred/internal/api/sts"
	"github.com/maitred/maitred/internal/api/wire"
	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/engine"
	"github.com/maitred/maitred/internal/logs"
	"github.com/maitred/maitred/internal/logs/disk"
	"github.com/maitred/maitred/internal/meter/own"
	"github.com/maitred/maitred/internal/metrics"
	"github.com/maitred/maitred/internal/metrics/keep"
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

// api is the handler of all AWS APIs.
func (s *server) api() (http.Handler, error) {
	return wire.NewHandler(wire.Config{Region: s.cfg.Region, Log: s.cfg.Log, Told: s.answered}, services(parts{
		ecs: ecs.Deps{
			Store: s.store, Account: s.cfg.Account, Now: time.Now, IDs: random, Timings: s.timings, VPC: s.cfg.VPC, Refuse: refuse, Log: s.cfg.Log,
		},
		put: s.put, sources: s.logSources, sealing: s.sealing, acme: s.cfg.ACMEDirectory != "", addresses: s.cfg.BalancerAddresses, metrics: s.metrics, given: s.given(),
	})...)
}

// parts are what the APIs work with. Only ecs is needed to list their operations.
type parts struct {
	ecs       ecs.Deps
	put       *disk.Store
	sources   func() logs.Source
	sealing   func(func(acm.Seal) error) error
	acme      bool // certificates can be requested
	addresses []string
	metrics   *keep.Store
	given     metrics.Putter // what clients put
}

// services are the AWS APIs that are served.
func services(p parts) []*wire.Service {
	d := p.ecs
	events := apilogs.New(apilogs.Deps{Store: d.Store, Account: d.Account, Now: d.Now, Put: p.put, Sources: p.sources})
	networks := ec2.New(ec2.Deps{Store: d.Store, Account: d.Account, Now: d.Now, IDs: d.IDs, Timings: d.Timings, VPC: d.VPC})
	certificates := acm.New(acm.Deps{Store: d.Store, Account: d.Account, Now: d.Now, IDs: d.IDs, Sealing: p.sealing, ACME: p.acme})
	balancers := elbv2.New(elbv2.Deps{
		Store: d.Store, Account: d.Account, Now: d.Now, IDs: d.IDs, Timings: d.Timings, VPC: d.VPC, Addresses: p.addresses,
	})
	scaling := autoscaling.New(autoscaling.Deps{Store: d.Store, Account: d.Account, Now: d.Now, IDs: d.IDs})
	measurements := cloudwatch.New(cloudwatch.Deps{
		Store: d.Store, Account: d.Account, Now: d.Now, IDs: d.IDs, Reader: p.metrics, Putter: p.given, Lister: p.metrics,
	})
	return []*wire.Service{
		ecs.New(d).Service(), balancers.Service(), scaling.Service(), measurements.Service(), events.Service(), certificates.Service(),
		networks.Service(), sts.New(d.Account), elbv2.Classic(),
	}
}

// API is an AWS API and what is done with its operations.
type API struct {
	Name       string
	Operations []Operation
}

// Operation is one row of an API's table. Error is the code of a refused one.
type Operation struct {
	Name, Status, Error string
}

// Operations lists all operations of all APIs from the tables that serve them.
func Operations() []API {
	var apis []API
	deps := ecs.Deps{Store: &store.Store{}, Account: Defaults().Account, Now: time.Now, IDs: arn.IDs(random), Refuse: refuse}
	for _, service := range services(parts{ecs: deps}) {
		api := API{Name: service.Name}
		for _, op := range service.Table() {
			api.Operations = append(api.Operations, Operation{op.Name, string(op.Status), op.Error})
		}
		apis = append(apis, api)
	}
	return apis
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
