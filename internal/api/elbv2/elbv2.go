// Package elbv2 is the API of Elastic Load Balancing, version 2: Application and Network Load Balancers with their
// listeners, rules, target groups and targets. It checks what a request says with ELB's own errors, converts the AWS SDK's
// types to those of package model and back, and leaves what a request means to package control.
//
// A load balancer's DNS name is its address: an IP address of this machine that control chooses, or the load balancer's
// tag maitred:address. Whoever serves it (a balancer) follows the store; nothing is served here.
//
// What ELB has and this version has not is refused where it is asked for: by the operation's name, or by
// InvalidConfigurationRequest with the name of the member.
package elbv2

import (
	"context"
	"errors"
	"time"

	"github.com/maitred/maitred/internal/api/wire"
	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// Deps is what the API works with.
type Deps struct {
	Store     *store.Store
	Account   string // 12 digits
	Now       func() time.Time
	IDs       arn.IDs
	Timings   model.Timings
	VPC       string   // CIDR block of default VPCs, "" for control.DefaultCIDR
	Addresses []string // that load balancers may have; none: control.DefaultAddresses
}

// API implements the operations. It may be used by any number of goroutines.
type API struct{ Deps }

// New returns the API.
func New(deps Deps) *API { return &API{deps} }

// Service describes the API to the wire.
func (a *API) Service() *wire.Service {
	return &wire.Service{
		Name: "elbv2", SigningNames: []string{signingName}, QueryVersion: "2015-12-01",
		Namespace: "http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/", InternalCode: "InternalFailure",
		Ops: a.table(),
	}
}

// signingName is shared by both versions of the API, so that the Version alone tells them apart.
const signingName = "elasticloadbalancing"

// op makes an operation of a method.
func op[I, O any](a *API, name string, do func(context.Context, control.Call, *I) (*O, error)) wire.Operation {
	return wire.Op(name, func(ctx context.Context, r *wire.Request, in *I) (*O, error) {
		scope := arn.Scope{Region: r.Region, Account: a.Account}
		call := control.Call{
			Scope: scope, Operation: r.Operation, RequestID: r.RequestID, Principal: scope.Root(), Now: a.Now().UTC(),
			IDs: a.IDs, Timings: a.Timings, VPC: a.VPC, Addresses: a.Addresses,
		}
		if err := a.ensureRegion(ctx, call); err != nil {
			return nil, wireError(err)
		}
		out, err := do(ctx, call, in)
		if err != nil {
			return nil, wireError(err)
		}
		return out, nil
	})
}

// ensureRegion makes the default VPC, whose subnets load balancers are in, when the region is met for the first time.
func (a *API) ensureRegion(ctx context.Context, call control.Call) error {
	if control.RegionKnown(a.Store.View(), call.Scope) {
		return nil
	}
	return a.update(ctx, func(tx *store.Tx) error {
		control.EnsureRegion(tx, call)
		return nil
	})
}

// update carries out a use case, which may be called more than once, each time with a newer view.
func (a *API) update(ctx context.Context, do func(*store.Tx) error) error {
	_, err := a.Store.Update(ctx, do)
	return err
}

// updateAll carries out a use case in parts, as long as it says that there is more.
func (a *API) updateAll(ctx context.Context, do func(*store.Tx) (more bool, err error)) error {
	for more := true; more; {
		if err := a.update(ctx, func(tx *store.Tx) (err error) {
			more, err = do(tx)
			return err
		}); err != nil {
			return err
		}
	}
	return nil
}

// wireError translates an error to what the caller sees; what is not the caller's is hidden by the wire.
func wireError(err error) error {
	if refusal, ok := errors.AsType[*model.Error](err); ok {
		return &wire.Error{Code: refusal.Code, Message: refusal.Message}
	}
	if errors.Is(err, store.ErrTooLarge) {
		return invalid("The request is too large to be carried out at once; ask for less in one request")
	}
	for _, busy := range []error{store.ErrContended, store.ErrUnknownOutcome, store.ErrNotSeen, store.ErrClosed, store.ErrNoSpace} {
		if errors.Is(err, busy) {
			return &wire.Error{
				Code: "ServiceUnavailable", Message: "The store does not take the request: " + busy.Error(), Fault: wire.Receiver, HTTPStatus: 503,
			}
		}
	}
	return err
}
