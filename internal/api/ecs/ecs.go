// Package ecs is the API of Amazon ECS: it checks what a request says with ECS's own errors, converts the AWS SDK's
// types to those of package model and back, and leaves what a request means to package control.
//
// [API.Service] is the table of operations, one line each, in table.go. An operation is a method
//
//	func (a *API) createCluster(ctx context.Context, call control.Call, in *ecs.CreateClusterInput) (*ecs.CreateClusterOutput, error)
//
// that reads a.Store.View(), writes by a.Update, and returns a [*model.Error] for what its caller can put right; every
// other error is translated in errors.go or logged and hidden by the wire. Whatever the API gives back as it was given
// is kept as a document: the AWS API's JSON of SDK structs (documents.go).
package ecs

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/maitred/maitred/internal/api/usecase"
	"github.com/maitred/maitred/internal/api/wire"
	"github.com/maitred/maitred/internal/api/wire/codec"
	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
)

// Deps is what the API works with.
type Deps struct {
	usecase.Deps
	Timings model.Timings
	VPC     string // CIDR block of default VPCs, "" for control.DefaultCIDR
	// Refuse says why a machine's driver cannot run a task definition, "" if it can.
	Refuse func(*model.Machine, *model.TaskDefinition) string
	Log    *slog.Logger // nil: nothing is logged
}

// API implements the operations. It may be used by any number of goroutines.
type API struct {
	Deps
	docs documents
}

// New returns the API. It panics if something that it cannot work without is missing.
func New(deps Deps) *API {
	if deps.Store == nil || deps.Account == "" || deps.Now == nil || deps.IDs == nil || deps.Refuse == nil {
		panic("ecs.New: a dependency is missing")
	}
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	return &API{Deps: deps, docs: newDocuments()}
}

// Service describes the API to the wire.
func (a *API) Service() *wire.Service {
	return &wire.Service{
		Name:         "ecs",
		SigningNames: []string{"ecs"},
		TargetPrefix: "AmazonEC2ContainerServiceV20141113",
		JSONVersion:  "1.1",
		Naming:       codec.LowerFirst,
		InternalCode: "ServerException",
		Ops:          a.table(),
	}
}

// op makes an operation of a method.
func op[I, O any](
	a *API, name string, do func(context.Context, control.Call, *I) (*O, error),
) wire.Operation {
	return wire.Op(name, func(ctx context.Context, r *wire.Request, in *I) (*O, error) {
		call, err := a.call(ctx, r)
		if err != nil {
			return nil, a.wireError(ctx, r, err)
		}
		out, err := do(ctx, call, in)
		if err != nil {
			return nil, a.wireError(ctx, r, err)
		}
		return out, nil
	})
}

// call is a request as the use cases know it.
func (a *API) call(ctx context.Context, r *wire.Request) (control.Call, error) {
	call, err := a.Call(ctx, r)
	if err != nil {
		return call, err
	}
	call.Connected = func(m *model.Machine) bool { return control.AgentConnected(m, call.Now) }
	call.Timings, call.VPC, call.Refuse = a.Timings, a.VPC, a.Refuse
	return call, a.ensureRegion(ctx, call)
}

// ensureRegion makes the region's default cluster when the region is met for the first time; later it costs a look at
// the view.
func (a *API) ensureRegion(ctx context.Context, call control.Call) error {
	if control.RegionKnown(a.Store.View(), call.Scope) {
		return nil
	}
	if err := a.EnsureRegion(ctx, call); err != nil {
		return fmt.Errorf("make the default cluster of %s: %w", call.Region, err)
	}
	return a.joinCluster(ctx, call, call.Cluster(control.DefaultCluster))
}
