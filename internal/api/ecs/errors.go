package ecs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/maitred/maitred/internal/api/wire"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// storeFault is what a caller is told of an error of the store.
type storeFault struct {
	is    error
	fault wire.Fault
	text  string
}

func faults() []storeFault {
	return []storeFault{
		{store.ErrContended, wire.Receiver, "The request was given up, because what it changes was changed by others all the time. Nothing was changed; try again."},
		{store.ErrTooLarge, wire.Sender, "The request is too large to be carried out at once. Nothing was changed; ask for less in one request."},
		{store.ErrNoSpace, wire.Receiver, "The database of maitred is full and takes deletions only. Nothing was changed; delete what is no longer needed, or give the database more room."},
		{store.ErrUnknownOutcome, wire.Receiver, "The database did not answer in time, so it is unknown whether the request was carried out. Describe what it was to change before trying again."},
		{store.ErrNotSeen, wire.Receiver, "The request was carried out, but its outcome could not be read back in time. Describe what it was to change."},
		{store.ErrClosed, wire.Receiver, "maitred is being stopped. Nothing was changed; try again."},
	}
}

// wireError translates an error to what the caller sees. What is neither the caller's nor known stays as it is; the
// wire logs and hides it.
func (a *API) wireError(ctx context.Context, r *wire.Request, err error) error {
	if refusal, ok := errors.AsType[*model.Error](err); ok {
		e := &wire.Error{Code: refusal.Code, Message: refusal.Message}
		if len(refusal.Resources) > 0 {
			e.Fields = map[string]any{"resourceIds": refusal.Resources}
		}
		return e
	}
	for _, f := range faults() {
		if !errors.Is(err, f.is) {
			continue
		}
		a.Log.LogAttrs(ctx, slog.LevelWarn, "the store refused a request",
			slog.String("operation", r.Operation), slog.String("requestId", r.RequestID), slog.Any("error", err))
		if f.fault == wire.Receiver {
			return &wire.Error{Code: "ServerException", Message: f.text, Fault: f.fault}
		}
		return &wire.Error{Code: "ClientException", Message: f.text}
	}
	return err
}

// enum is an enumeration of the SDK.
type enum[E any] interface {
	~string
	Values() []E
}

// enumProblem says in ECS's words that a value is given that is no member of its enumeration.
func enumProblem[E enum[E]](member string, value E) string {
	if value == "" || slices.Contains(value.Values(), value) {
		return ""
	}
	return oneOf(member, value, value.Values())
}

func oneOf[E ~string](member string, value E, allowed []E) string {
	names := make([]string, len(allowed))
	for i, a := range allowed {
		names[i] = string(a)
	}
	return fmt.Sprintf("%s should be one of [%s], got %.100q.", member, strings.Join(names, ","), string(value))
}

// notOneOf refuses a value that is none of those allowed.
func notOneOf[E ~string](member string, value E, allowed []E) *model.Error {
	return model.InvalidParameter(oneOf(member, value, allowed))
}

// checkEnum refuses a value that is given and no member of its enumeration.
func checkEnum[E enum[E]](member string, value E) error {
	if problem := enumProblem(member, value); problem != "" {
		return model.InvalidParameter(problem)
	}
	return nil
}

// checkEnums is checkEnum for each of a list, as in include.
func checkEnums[E enum[E]](member string, values []E) error {
	for _, v := range values {
		if !slices.Contains(v.Values(), v) {
			return notOneOf(member, v, v.Values())
		}
	}
	return nil
}
