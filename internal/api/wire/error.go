package wire

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/maitred/maitred/internal/api/wire/codec"
)

// Fault says whose mistake an error is.
type Fault uint8

const (
	// Sender: the request is wrong; sending it again does not help.
	Sender Fault = iota
	// Receiver: the server failed; SDKs try again.
	Receiver
)

// String returns the name of the fault on the wire.
func (f Fault) String() string {
	if f == Receiver {
		return "Receiver"
	}
	return "Sender"
}

// Error is an error as AWS clients see it.
type Error struct {
	// Code is the name of the error's shape, as "ClusterNotFoundException", or
	// the code itself for services that only speak the query protocols.
	Code string
	// Message is for people.
	Message string
	// HTTPStatus 0 means: as the service's model says, else by the fault.
	HTTPStatus int
	// QueryCode is the code in the query protocols where it is another one; empty:
	// as the service's model says, else Code.
	QueryCode string
	// Fault is whose mistake it is.
	Fault Fault
	// Fields are further members of the error, by wire name, as resourceIds of
	// ConflictException.
	Fields map[string]any
}

// Error returns the code and the message.
func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Errorf returns the sender's error with the given code.
func Errorf(code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// wireError is an Error with everything decided.
type wireError struct {
	*Error
	status    int
	queryCode string
}

// resolve decides what e leaves to the model of service, which may be nil.
func resolve(e *Error, service *Service) wireError {
	var model ErrorModel
	if service != nil {
		model = service.Errors[e.Code]
	}
	w := wireError{Error: e, status: e.HTTPStatus, queryCode: e.QueryCode}
	if w.status == 0 {
		w.status = model.HTTPStatus
	}
	if w.status < 400 || w.status > 599 {
		w.status = http.StatusBadRequest
		if e.Fault == Receiver {
			w.status = http.StatusInternalServerError
		}
	}
	if w.queryCode == "" {
		w.queryCode = model.QueryCode
	}
	if w.queryCode == "" {
		w.queryCode = e.Code
	}
	return w
}

// asError returns the *Error in err. Any other error is logged here, once, and
// hidden behind a generic text.
func (h *Handler) asError(ctx context.Context, r *Request, service *Service, err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	level := slog.LevelError
	if ctx.Err() != nil { // the caller has gone; nothing is wrong here
		level = slog.LevelDebug
	}
	h.config.Log.LogAttrs(ctx, level, "API operation failed", append(r.attrs(), slog.Any("error", err))...)
	return internalError(service)
}

func internalError(service *Service) *Error {
	code := "InternalFailure"
	if service != nil && service.InternalCode != "" {
		code = service.InternalCode
	}
	return &Error{Code: code, Message: "The request failed because of an internal error.", Fault: Receiver}
}

// attrs are the keys by which log lines of a request are found.
func (r *Request) attrs() []slog.Attr {
	return []slog.Attr{
		slog.String("service", r.Service),
		slog.String("operation", r.Operation),
		slog.String("requestId", r.RequestID),
	}
}

// decodeError turns an error of the codec into the sender's; errors of the
// codec that are not about the body stay what they are.
func decodeError(err error) error {
	var field *codec.FieldError
	var syntax *codec.SyntaxError
	switch {
	case errors.As(err, &field):
		return &Error{Code: "SerializationException", QueryCode: "MalformedInput", Message: field.Error()}
	case errors.As(err, &syntax):
		return malformed(syntax.Error())
	case errors.Is(err, codec.ErrTooLarge):
		return tooLarge(err.Error())
	default:
		return err
	}
}

func malformed(text string) *Error {
	return &Error{Code: "SerializationException", QueryCode: "MalformedQueryString", Message: text}
}

func tooLarge(text string) *Error {
	return &Error{Code: "RequestEntityTooLarge", Message: text, HTTPStatus: http.StatusRequestEntityTooLarge}
}

func unknownOperation(format string, args ...any) *Error {
	e := Errorf("UnknownOperationException", format, args...)
	e.QueryCode = "InvalidAction"
	return e
}
