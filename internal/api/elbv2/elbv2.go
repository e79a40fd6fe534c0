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
	"net/http"

	"github.com/maitred/maitred/internal/api/usecase"
	"github.com/maitred/maitred/internal/api/wire"
	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
)

// Deps is what the API works with.
type Deps struct {
	usecase.Deps
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
	return usecase.Op(name, a.call, do, wireError)
}

func (a *API) call(ctx context.Context, r *wire.Request) (control.Call, error) {
	call, err := a.Call(ctx, r)
	if err != nil {
		return call, err
	}
	call.Timings, call.VPC, call.Addresses = a.Timings, a.VPC, a.Addresses
	return call, a.EnsureRegion(ctx, call)
}

// wireError translates an error to what the caller sees.
func wireError(err error) error {
	return usecase.Error(err, string(validation), wire.Error{Code: "ServiceUnavailable", HTTPStatus: http.StatusServiceUnavailable})
}
