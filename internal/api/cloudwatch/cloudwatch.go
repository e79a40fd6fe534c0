// Package cloudwatch is the API of Amazon CloudWatch: metrics and alarms. It checks what a request says with CloudWatch's own
// errors, converts the AWS SDK's types to those of packages model and metrics and back, and leaves what a request means to
// package control and to whoever keeps the measurements. Alarms are evaluated, and their actions carried out, elsewhere.
//
// It speaks the three protocols that clients of CloudWatch speak: awsJson 1.0, rpc-v2-cbor and awsQuery.
//
// What CloudWatch has and this version has not is refused where it is asked for: by the operation's name, or by
// ValidationError with the name of the member.
package cloudwatch

import (
	"context"
	"net/http"

	"github.com/maitred/maitred/internal/api/usecase"
	"github.com/maitred/maitred/internal/api/wire"
	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/metrics"
	"github.com/maitred/maitred/internal/metrics/keep"
	"github.com/maitred/maitred/internal/model"
)

// Lister tells which metrics there are; keep.Store is one.
type Lister interface {
	List(f keep.Filter) (keep.Page, error)
	// Units gives the units that a metric has had.
	Units(region string, m model.Metric) ([]string, error)
}

// Deps is what the API works with.
type Deps struct {
	usecase.Deps
	// Reader, Putter and Lister are where measurements are kept. Without one of them the operations that need it fail.
	Reader metrics.Reader
	Putter metrics.Putter
	Lister Lister
}

// API implements the operations. It may be used by any number of goroutines.
type API struct{ Deps }

// New returns the API.
func New(deps Deps) *API { return &API{deps} }

// Service describes the API to the wire.
func (a *API) Service() *wire.Service {
	return &wire.Service{
		Name: "cloudwatch", SigningNames: []string{"monitoring"}, TargetPrefix: "GraniteServiceVersion20100801",
		JSONVersion: "1.0", CBOR: true, QueryVersion: "2010-08-01",
		Namespace: "http://monitoring.amazonaws.com/doc/2010-08-01/", InternalCode: internalFault,
		Errors: map[string]wire.ErrorModel{
			"ConcurrentModificationException": {HTTPStatus: http.StatusTooManyRequests},
			"InvalidFormatFault":              {QueryCode: "InvalidFormat"},
			"LimitExceededFault":              {QueryCode: "LimitExceeded"},
			"ResourceNotFound":                {HTTPStatus: http.StatusNotFound},
			"ResourceNotFoundException":       {HTTPStatus: http.StatusNotFound},
			internalFault:                     {HTTPStatus: http.StatusInternalServerError, QueryCode: "InternalServiceError"},
			missingParameter:                  {QueryCode: "MissingParameter"},
			invalidParameter:                  {QueryCode: "InvalidParameterValue"},
			invalidCombination:                {QueryCode: "InvalidParameterCombination"},
		},
		Ops: a.table(),
	}
}

// The shapes of CloudWatch's errors; in the query protocol some have other names.
const (
	internalFault      = "InternalServiceFault"
	missingParameter   = "MissingRequiredParameterException"
	invalidParameter   = "InvalidParameterValueException"
	invalidCombination = "InvalidParameterCombinationException"
)

// op makes an operation of a method.
func op[I, O any](a *API, name string, do func(context.Context, control.Call, *I) (*O, error)) wire.Operation {
	return usecase.Op(name, a.Call, do, wireError)
}

// wireError translates an error to what the caller sees.
func wireError(err error) error {
	return usecase.Error(err, string(validation), wire.Error{Code: "ServiceUnavailable", HTTPStatus: http.StatusServiceUnavailable})
}

// errNoMetrics is what operations on measurements fail with where none are kept.
var errNoMetrics = &wire.Error{Code: internalFault, Message: "Measurements are not kept by this server.", Fault: wire.Receiver}
