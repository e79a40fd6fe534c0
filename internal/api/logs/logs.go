// Package logs is the API of Amazon CloudWatch Logs: log groups and streams, events put in and read back, and filters.
//
// Groups are records of the store. What containers write stays on the machine that it was written on, and what is put by
// PutLogEvents on the server that took it; both are read from wherever they are.
package logs

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/maitred/maitred/internal/api/usecase"
	"github.com/maitred/maitred/internal/api/wire"
	"github.com/maitred/maitred/internal/api/wire/codec"
	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/logs"
	"github.com/maitred/maitred/internal/logs/disk"
	"github.com/maitred/maitred/internal/model"
)

// Deps is what the API works with.
type Deps struct {
	usecase.Deps
	// Put keeps what is put here, and Sources gives all places that events are read from, Put among them.
	Put     *disk.Store
	Sources func() logs.Source
}

// API implements the operations. It may be used by any number of goroutines.
type API struct{ Deps }

// New returns the API.
func New(deps Deps) *API { return &API{deps} }

// Service describes the API to the wire.
func (a *API) Service() *wire.Service {
	return &wire.Service{
		Name: "logs", SigningNames: []string{"logs"}, TargetPrefix: "Logs_20140328", JSONVersion: "1.1",
		Naming: codec.LowerFirst, InternalCode: "ServiceUnavailableException", Ops: a.table(),
	}
}

// op makes an operation of a method.
func op[I, O any](a *API, name string, do func(context.Context, control.Call, *I) (*O, error)) wire.Operation {
	return usecase.Op(name, a.Call, do, wireError)
}

// wireError translates an error to what the caller sees.
func wireError(err error) error {
	if errors.Is(err, logs.ErrNoGroup) {
		return &wire.Error{Code: "ResourceNotFoundException", Message: "The specified log group does not exist."}
	}
	return usecase.Error(err, "InvalidParameterException", wire.Error{Code: "ServiceUnavailableException"})
}

// invalid refuses a parameter.
func invalid(format string, args ...any) *wire.Error {
	return wire.Errorf("InvalidParameterException", format, args...)
}

func noStream() *wire.Error {
	return wire.Errorf("ResourceNotFoundException", "The specified log stream does not exist.")
}

// found is a group that a request is about.
type found struct {
	*model.LogGroup
	group logs.Group
	from  int64 // the oldest time that it keeps, in milliseconds since 1970
}

// group finds the group that a request names: by its name, or by an identifier that may be an ARN.
func (a *API) group(call control.Call, name, identifier *string) (found, error) {
	n := aws.ToString(name)
	if id := aws.ToString(identifier); id != "" {
		if n != "" {
			return found{}, invalid("logGroupName and logGroupIdentifier cannot be given together.")
		}
		var err error
		if n, err = a.groupOfARN(call, id); err != nil {
			return found{}, err
		}
	}
	if problem := model.LogGroupNameProblem(n); problem != "" {
		return found{}, invalid("logGroupName: %s.", problem)
	}
	g, err := control.FindLogGroup(a.Store.View(), call.Region, n)
	if err != nil {
		return found{}, err
	}
	return found{g, logs.Group{Region: g.Region, Name: g.Name, Created: g.CreatedAt.UnixMilli()}, control.LogsKeptFrom(g, call.Now)}, nil
}

// groupOfARN gives the name in arn:aws:logs:REGION:ACCOUNT:log-group:NAME, with or without :* behind it; a name is given
// back as it is.
func (a *API) groupOfARN(call control.Call, id string) (string, error) {
	if !strings.HasPrefix(id, "arn:") {
		return id, nil
	}
	name, ok := strings.CutPrefix(id, groupARN(call.Scope, ""))
	if !ok {
		return "", invalid("%.200q is not the ARN of a log group of this account and region: those begin with %s.", id, groupARN(call.Scope, ""))
	}
	return strings.TrimSuffix(name, ":*"), nil
}

func groupARN(s arn.Scope, name string) string {
	return "arn:aws:logs:" + s.Region + ":" + s.Account + ":log-group:" + name
}

// streamName checks the name of a stream ("CreateLogStream").
func streamName(name *string) (string, error) {
	const most = 512
	n := aws.ToString(name)
	if n == "" || len(n) > most || strings.ContainsAny(n, ":*") {
		return "", invalid("logStreamName: %.100q should have 1 to %d characters, and no : and no *.", n, most)
	}
	return n, nil
}

// stream finds a group, and the name of a stream in it, which need not be there.
func (a *API) stream(call control.Call, group, name *string) (found, string, error) {
	g, err := a.group(call, group, nil)
	if err != nil {
		return found{}, "", err
	}
	n, err := streamName(name)
	return g, n, err
}

// haveStream refuses a stream that a group does not have.
func (a *API) haveStream(ctx context.Context, g found, name string) error {
	streams, err := a.Sources().Streams(ctx, g.group, name)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(streams, func(s logs.Stream) bool { return s.Name == name }) {
		return noStream()
	}
	return nil
}

// limit reads how many results are wanted.
func limit(n *int32, standard, most int) (int, error) {
	if n == nil {
		return standard, nil
	}
	if *n < 1 || int(*n) > most {
		return 0, invalid("limit should be between 1 and %d, got %d.", most, *n)
	}
	return int(*n), nil
}

// span reads a time range; neither end need be given.
func span(start, end *int64, from int64) (first, last int64, err error) {
	first, last = from, math.MaxInt64
	if start != nil {
		first = max(first, *start)
	}
	if end != nil {
		last = *end
	}
	for name, t := range map[string]*int64{"startTime": start, "endTime": end} {
		if t != nil && *t < 0 {
			return 0, 0, invalid("%s should not be negative, got %d.", name, *t)
		}
	}
	return first, last, nil
}
