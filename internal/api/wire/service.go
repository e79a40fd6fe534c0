package wire

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/maitred/maitred/internal/api/wire/codec"
)

// Service describes one AWS API: how it is recognised, how it is spelled, and
// what its operations do.
type Service struct {
	// Name is the product's short name of the service, as "ecs".
	Name string
	// SigningNames are its names in credential scopes, as "elasticloadbalancing".
	SigningNames []string
	// TargetPrefix stands before the dot of X-Amz-Target, and names the service
	// in the paths of rpc-v2-cbor. Empty: only the query protocols.
	TargetPrefix string
	// JSONVersion is "1.0" or "1.1"; empty: awsJson is not spoken.
	JSONVersion string
	// CBOR says that rpc-v2-cbor is spoken.
	CBOR bool
	// QueryVersion is the Version of the query protocol, as "2015-12-01"; empty:
	// it is not spoken.
	QueryVersion string
	// QueryStyle is the dialect of the query protocol.
	QueryStyle codec.Style
	// Namespace is the xmlns of XML answers.
	Namespace string
	// Naming is the spelling of JSON members.
	Naming codec.Naming
	// InternalCode is the code of errors that are none of the caller's business;
	// default InternalFailure.
	InternalCode string
	// Errors are the modelled errors by code. Errors that are not listed are 400
	// for the sender's fault and 500 for the receiver's.
	Errors map[string]ErrorModel
	// Ops are the operations.
	Ops []Operation
}

// ErrorModel is what an API's model says about one of its errors.
type ErrorModel struct {
	HTTPStatus int    // 0: by the fault
	QueryCode  string // the code in the query protocol; empty: the same
}

// Operation is one row of a Service's table; [Op] and [Refuse] make them.
type Operation struct {
	name    string
	in, out reflect.Type // nil for refused operations
	call    func(ctx context.Context, r *Request, in any) (any, error)
	refusal *Error
	refuses string // the code that handle refuses valid requests with, "" if it carries them out
}

// Op is an operation that is implemented by handle.
func Op[I, O any](name string, handle func(context.Context, *Request, *I) (*O, error)) Operation {
	op := Operation{name: name, in: reflect.TypeFor[I](), out: reflect.TypeFor[O]()}
	if handle == nil {
		return op
	}
	op.call = func(ctx context.Context, r *Request, in any) (any, error) {
		out, err := handle(ctx, r, in.(*I))
		if err != nil {
			return nil, err
		}
		if out == nil {
			return nil, errors.New("the operation returned neither an output nor an error")
		}
		return out, nil
	}
	return op
}

// Refuse is an operation that always answers the error code with text.
func Refuse(name, code, text string) Operation {
	return Operation{name: name, refusal: &Error{Code: code, Message: text}}
}

// Unsupported is an operation that this version does not have; it always answers
// the error code, and instead says what to do.
func Unsupported(name, code, instead string) Operation {
	return Refuse(name, code, name+" is not supported by this version of maitred: "+instead+".")
}

// AllUnsupported are the operations that this version does not have, by what to do
// instead of them.
func AllUnsupported(code string, names map[string][]string) []Operation {
	var ops []Operation
	for instead, names := range names {
		for _, name := range names {
			ops = append(ops, Unsupported(name, code, instead))
		}
	}
	return ops
}

// Refusing marks an operation that checks requests and then refuses those that
// are valid with an error code.
func (op Operation) Refusing(code string) Operation {
	op.refuses = code
	return op
}

// Status says what a Service does with an operation.
type Status string

// The statuses of operations.
const (
	StatusImplemented Status = "implemented"
	StatusRefused     Status = "refused"
)

// OpInfo describes one operation for documentation and coverage tests.
type OpInfo struct {
	Name   string
	Status Status
	Error  string // the code that a refused operation answers
}

// Table lists the operations by name.
func (s *Service) Table() []OpInfo {
	table := make([]OpInfo, 0, len(s.Ops))
	for _, op := range s.Ops {
		info := OpInfo{Name: op.name, Status: StatusImplemented}
		if op.refusal != nil {
			info.Status, info.Error = StatusRefused, op.refusal.Code
		}
		if op.refuses != "" {
			info.Status, info.Error = StatusRefused, op.refuses
		}
		table = append(table, info)
	}
	slices.SortFunc(table, func(a, b OpInfo) int { return cmp.Compare(a.Name, b.Name) })
	return table
}

// check finds what is wrong with the description of a service.
func (s *Service) check() error {
	var errs []error
	if s.Name == "" {
		errs = append(errs, errors.New("it has no name"))
	}
	if s.JSONVersion != "" && s.JSONVersion != "1.0" && s.JSONVersion != "1.1" {
		errs = append(errs, fmt.Errorf("JSON version %q: expected 1.0 or 1.1", s.JSONVersion))
	}
	if (s.JSONVersion != "" || s.CBOR) != (s.TargetPrefix != "") {
		errs = append(errs, errors.New("a target prefix is needed for JSON and CBOR, and only for them"))
	}
	if s.TargetPrefix == "" && s.QueryVersion == "" {
		errs = append(errs, errors.New("it speaks no protocol"))
	}
	seen := map[string]bool{}
	for _, op := range s.Ops {
		if op.name == "" || seen[op.name] {
			errs = append(errs, fmt.Errorf("operation %q: no name, or registered twice", op.name))
		}
		seen[op.name] = true
		if op.call == nil && op.refusal == nil {
			errs = append(errs, fmt.Errorf("operation %s: no handler", op.name))
		}
	}
	return errors.Join(errs...)
}

// compile works out the plans of all types of s, in the namings that its
// protocols use.
func (s *Service) compile(c *codec.Codec) error {
	var errs []error
	for _, op := range s.Ops {
		if op.refusal != nil {
			continue
		}
		for _, t := range []reflect.Type{op.in, op.out} {
			if s.JSONVersion != "" {
				errs = append(errs, c.Check(t, s.Naming))
			}
			if s.CBOR || s.QueryVersion != "" {
				errs = append(errs, c.Check(t, codec.Identity))
			}
		}
	}
	return errors.Join(errs...)
}

// ClientOperation is an operation that an SDK client has.
type ClientOperation struct {
	Name   string
	Input  reflect.Type // the struct, not the pointer
	Output reflect.Type
}

// ClientOperations lists the operations of an AWS SDK client type such as
// *ecs.Client by name, so that a test can tell that none is forgotten.
func ClientOperations(client reflect.Type) []ClientOperation {
	var ops []ClientOperation
	for m := range client.Methods() {
		if m.Type.NumIn() != 4 || m.Type.NumOut() != 2 { // receiver, context, input, options
			continue
		}
		in, out := m.Type.In(2), m.Type.Out(0)
		if in.Kind() != reflect.Pointer || out.Kind() != reflect.Pointer || !strings.HasSuffix(in.Elem().Name(), "Input") {
			continue
		}
		ops = append(ops, ClientOperation{Name: m.Name, Input: in.Elem(), Output: out.Elem()})
	}
	return ops
}
