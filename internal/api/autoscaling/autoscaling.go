// Package autoscaling is the API of Application Auto Scaling: services of ECS are scalable targets, whose desired counts
// scaling policies and scheduled actions move between two bounds. It checks what a request says with the API's own errors,
// converts the AWS SDK's types to those of package model and back, and leaves what a request means to package control.
// Whoever measures and scales follows the store; nothing is scaled here but what a call itself moves into its bounds.
//
// What is not there: predictive scaling, and all scalable dimensions but ecs:service:DesiredCount. Both are refused.
//
// Three things make the scaler look at a target tracking policy each second, on data of each second, instead of waiting for
// the policy's alarms: a predefined metric of high resolution, a customised metric of the namespace Maitred, and the tag
// maitred:scaling=fast of the service, which holds for all its policies.
package autoscaling

import (
	"context"
	"errors"
	_ "time/tzdata" // scheduled actions name zones, and not every machine knows them

	"github.com/maitred/maitred/internal/api/usecase"
	"github.com/maitred/maitred/internal/api/wire"
	"github.com/maitred/maitred/internal/api/wire/codec"
	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// API implements the operations. It may be used by any number of goroutines.
type API struct {
	usecase.Deps
	codec *codec.Codec // of the documents of policies
}

// New returns the API.
func New(deps usecase.Deps) *API { return &API{deps, codec.New()} }

// Service describes the API to the wire.
func (a *API) Service() *wire.Service {
	return &wire.Service{
		Name: "application-autoscaling", SigningNames: []string{"application-autoscaling"},
		TargetPrefix: "AnyScaleFrontendService", JSONVersion: "1.1",
		Naming: codec.Identity, InternalCode: "InternalServiceException", Ops: a.table(),
	}
}

// op makes an operation of a method.
func op[I, O any](a *API, name string, do func(context.Context, control.Call, *I) (*O, error)) wire.Operation {
	return usecase.Op(name, a.Call, do, wireError)
}

// wireError translates an error to what the caller sees.
func wireError(err error) error {
	if refusal, ok := errors.AsType[*model.Error](err); ok {
		return refused(refusal)
	}
	code := "ConcurrentUpdateException"
	if errors.Is(err, store.ErrClosed) || errors.Is(err, store.ErrNoSpace) {
		code = "InternalServiceException"
	}
	return usecase.Error(err, string(validation), wire.Error{Code: code})
}

// refused is a refusal of control in the codes of this API. Those of alarms are CloudWatch's.
func refused(e *model.Error) *wire.Error {
	code := e.Code
	switch code {
	case "ValidationError":
		code = "ValidationException"
	case "LimitExceededFault":
		code = "LimitExceededException"
	}
	return &wire.Error{Code: code, Message: e.Message}
}
