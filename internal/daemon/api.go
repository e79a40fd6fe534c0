package daemon

import (
	"net/http"
	"time"

	"github.com/maitred/maitred/internal/api/acm"
	"github.com/maitred/maitred/internal/api/autoscaling"
	"github.com/maitred/maitred/internal/api/cloudwatch"
	"github.com/maitred/maitred/internal/api/ec2"
	"github.com/maitred/maitred/internal/api/ecs"
	"github.com/maitred/maitred/internal/api/elbv2"
	apilogs "github.com/maitred/maitred/internal/api/logs"
	"github.com/maitred/maitred/internal/api/sts"
	"github.com/maitred/maitred/internal/api/usecase"
	"github.com/maitred/maitred/internal/api/wire"
	"github.com/maitred/maitred/internal/logs"
	"github.com/maitred/maitred/internal/logs/disk"
	"github.com/maitred/maitred/internal/metrics"
	"github.com/maitred/maitred/internal/metrics/keep"
	"github.com/maitred/maitred/internal/store"
)

// api is the handler of all AWS APIs.
func (s *server) api() (http.Handler, error) {
	return wire.NewHandler(wire.Config{Region: s.cfg.Region, Log: s.cfg.Log, Told: s.answered}, services(parts{
		ecs: ecs.Deps{
			Deps:    usecase.Deps{Store: s.store, Account: s.cfg.Account, Now: time.Now, IDs: random},
			Timings: s.timings, VPC: s.cfg.VPC, Refuse: refuse, Log: s.cfg.Log,
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
	d := p.ecs.Deps
	events := apilogs.New(apilogs.Deps{Deps: d, Put: p.put, Sources: p.sources})
	networks := ec2.New(ec2.Deps{Deps: d, Timings: p.ecs.Timings, VPC: p.ecs.VPC})
	certificates := acm.New(acm.Deps{Deps: d, Sealing: p.sealing, ACME: p.acme})
	balancers := elbv2.New(elbv2.Deps{Deps: d, Timings: p.ecs.Timings, VPC: p.ecs.VPC, Addresses: p.addresses})
	scaling := autoscaling.New(d)
	measurements := cloudwatch.New(cloudwatch.Deps{Deps: d, Reader: p.metrics, Putter: p.given, Lister: p.metrics})
	return []*wire.Service{
		ecs.New(p.ecs).Service(), balancers.Service(), scaling.Service(), measurements.Service(), events.Service(), certificates.Service(),
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
	deps := ecs.Deps{Deps: usecase.Deps{Store: &store.Store{}, Account: Defaults().Account, Now: time.Now, IDs: random}, Refuse: refuse}
	for _, service := range services(parts{ecs: deps}) {
		api := API{Name: service.Name}
		for _, op := range service.Table() {
			api.Operations = append(api.Operations, Operation{op.Name, string(op.Status), op.Error})
		}
		apis = append(apis, api)
	}
	return apis
}
