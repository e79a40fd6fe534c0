// Package usecase makes operations of the wire out of use cases, which know nothing of it: they are told who calls and what is
// asked, and refuse in control's words or fail as the store does.
package usecase

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/maitred/maitred/internal/api/wire"
	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// Op makes an operation. call says what the use case is told of a request, translate what the caller is told of an error.
func Op[I, O any](
	name string, call func(context.Context, *wire.Request) (control.Call, error),
	do func(context.Context, control.Call, *I) (*O, error), translate func(error) error,
) wire.Operation {
	return wire.Op(name, func(ctx context.Context, r *wire.Request, in *I) (*O, error) {
		c, err := call(ctx, r)
		if err != nil {
			return nil, translate(err)
		}
		out, err := do(ctx, c, in)
		if err != nil {
			return nil, translate(err)
		}
		return out, nil
	})
}

// Deps is what each API works with.
type Deps struct {
	Store   *store.Store
	Account string // 12 digits
	Now     func() time.Time
	IDs     arn.IDs
}

// Call is a request to the account as use cases know it, for Op. Requests are not authenticated: everybody is the account's root user.
func (d Deps) Call(_ context.Context, r *wire.Request) (control.Call, error) {
	scope := arn.Scope{Region: r.Region, Account: d.Account}
	return control.Call{
		Scope: scope, Operation: r.Operation, RequestID: r.RequestID, Principal: scope.Root(), Now: d.Now().UTC(), IDs: d.IDs,
	}, nil
}

// Update carries out a use case. When it returns, the view shows what was written. The function may be called more than
// once, each time with a newer view.
func (d Deps) Update(ctx context.Context, do func(*store.Tx) error) error {
	rev, err := d.Store.Update(ctx, do)
	if rev != 0 && errors.Is(err, store.ErrNotSeen) {
		return fmt.Errorf("committed at revision %d: %w", rev, err)
	}
	return err
}

// EnsureRegion makes what each region has, as its default VPC, when the region is met for the first time; later it costs a
// look at the view.
func (d Deps) EnsureRegion(ctx context.Context, call control.Call) error {
	if control.RegionKnown(d.Store.View(), call.Scope) {
		return nil
	}
	return d.Update(ctx, func(tx *store.Tx) error {
		control.EnsureRegion(tx, call)
		return nil
	})
}

// Error is what the caller is told of an error of a use case. invalid is the API's code for bad values, and busy is how it says
// that it cannot serve now. What is neither the caller's nor known stays as it is; the wire logs and hides it.
func Error(err error, invalid string, busy wire.Error) error {
	if refusal, ok := errors.AsType[*model.Error](err); ok {
		return &wire.Error{Code: refusal.Code, Message: refusal.Message}
	}
	if errors.Is(err, store.ErrTooLarge) {
		return wire.Errorf(invalid, "The request is too large to be carried out at once; ask for less in one request")
	}
	for _, reason := range []error{store.ErrContended, store.ErrUnknownOutcome, store.ErrNotSeen, store.ErrClosed, store.ErrNoSpace} {
		if errors.Is(err, reason) {
			busy.Fault, busy.Message = wire.Receiver, "The store does not take the request: "+reason.Error()
			return &busy
		}
	}
	return err
}
