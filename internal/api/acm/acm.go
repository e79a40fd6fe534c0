// Package acm is the part of the API of AWS Certificate Manager that load balancers need: certificates are imported, looked
// at and deleted, and one is made on request: by an ACME server, to which its names are proven by the load balancers, or
// without such a server for development, signed by itself. What was requested is renewed before it runs out.
//
// Private keys are sealed before they are stored and never given back.
package acm

import (
	"context"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acm/types"

	"github.com/maitred/maitred/internal/api/constraint"
	"github.com/maitred/maitred/internal/api/usecase"
	"github.com/maitred/maitred/internal/api/wire"
	"github.com/maitred/maitred/internal/api/wire/codec"
	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
)

// Seal closes the private key of a certificate (given by ARN).
type Seal = control.SealKey

// Deps is what the API works with.
type Deps struct {
	usecase.Deps
	// ACME says that there is an ACME server, from which certificates are requested.
	ACME bool
	// Sealing calls do with what seals; the key that it seals with is not changed until do has returned.
	Sealing func(do func(Seal) error) error
}

// API implements the operations. It may be used by any number of goroutines.
type API struct{ Deps }

// New returns the API.
func New(deps Deps) *API { return &API{deps} }

// Service describes the API to the wire.
func (a *API) Service() *wire.Service {
	return &wire.Service{
		Name: "acm", SigningNames: []string{"acm"}, TargetPrefix: "CertificateManager", JSONVersion: "1.1",
		Naming: codec.Identity, Ops: a.table(),
	}
}

// op makes an operation of a method.
func op[I, O any](a *API, name string, do func(context.Context, control.Call, *I) (*O, error)) wire.Operation {
	return usecase.Op(name, a.Call, do, wireError)
}

// wireError translates an error to what the caller sees.
func wireError(err error) error {
	return usecase.Error(err, "ValidationException", wire.Error{Code: "ServiceUnavailable", HTTPStatus: http.StatusServiceUnavailable})
}

func invalid(format string, args ...any) *wire.Error {
	return wire.Errorf("ValidationException", format, args...)
}

// null refuses a member that is missing.
func null(member string) *wire.Error { return constraint.Code("ValidationException").Null(member) }

func tagsIn(tags []types.Tag) []model.Tag {
	var list []model.Tag
	for _, t := range tags {
		list = append(list, model.Tag{Key: aws.ToString(t.Key), Value: aws.ToString(t.Value)})
	}
	return list
}

func tagsOut(tags []model.Tag) []types.Tag {
	list := []types.Tag{}
	for _, t := range tags {
		list = append(list, types.Tag{Key: aws.String(t.Key), Value: aws.String(t.Value)})
	}
	return list
}
