package image

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/maitred/maitred/internal/image/layer"
)

// Reason is the kind of an Error.
type Reason string

// The reasons.
const (
	BadName      Reason = "bad name"
	NotFound     Reason = "not found"    // no such image, or none that this user may know of
	Unauthorized Reason = "unauthorized" // credentials are wrong, or are needed
	Unreachable  Reason = "unreachable"  // the source cannot be asked now; later it may
	Platform     Reason = "platform"     // the image is of another kind of machine
	Corrupt      Reason = "corrupt"      // what came is not what its digest says
	Unsupported  Reason = "unsupported"  // nothing that this store can make a container's file system of
	NoSpace      Reason = "no space"     // the disk is full
	Absent       Reason = "absent"       // not here, and not to be pulled
	Canceled     Reason = "canceled"     // by the caller
	Other        Reason = "other"
)

// Error is why an image could not be had. Its text names the image, the registry where there is one, and the reason in
// a few words; credentials and addresses that carry them are never in it.
type Error struct {
	Ref    string
	Reason Reason
	text   string
	err    error
}

// Error gives "image REF: reason".
func (e *Error) Error() string { return "image " + e.Ref + ": " + e.text }

// Unwrap gives what the reason was found in.
func (e *Error) Unwrap() error { return e.err }

var (
	errCorrupt     = errors.New("it is damaged")
	errUnsupported = errors.New("it cannot be used")
	errNotFound    = errors.New("there is no such image")
	errAbsent      = errors.New("it is not on this machine, and the pull policy is never")
	errIdle        = errors.New("no byte came for too long")
	errTimeout     = errors.New("the pull took too long")
	errNoRoom      = errors.New("no space left")
)

// plainError says that a registry would be spoken to without TLS, which nobody allowed.
type plainError struct{ host string }

func (e *plainError) Error() string {
	return e.host + " does not speak TLS; a registry without it has to be named as insecure"
}

// explain makes the Error of what happened.
func (s *Store) explain(ref reference, login bool, err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	e := &Error{Ref: shown(ref.text), err: err}
	if status, ok := errors.AsType[*transport.Error](err); ok {
		e.Reason, e.text = explainStatus(ref.host(), login, status)
		return e
	}
	e.Reason, e.text = reasonOf(ref, err), bare(err)
	switch {
	case e.Reason == NoSpace:
		e.text = "no space left on the disk of " + s.cfg.Dir
	case e.Reason == Canceled:
		e.text = "the pull was canceled"
	case e.Reason == Corrupt && !errors.Is(err, errCorrupt):
		e.text = errCorrupt.Error() + ": " + e.text
	case e.Reason == Unreachable && !isPlain(err):
		e.text = "cannot reach " + ref.host() + ": " + e.text
	}
	return e
}

// reasonOf finds the reason of everything that is no answer of a registry.
func reasonOf(ref reference, err error) Reason {
	is := func(targets ...error) bool {
		return slices.ContainsFunc(targets, func(t error) bool { return errors.Is(err, t) })
	}
	_, otherPlatform := errors.AsType[*platformError](err)
	file := ref.kind == kindLayout || ref.kind == kindDockerArchive
	switch {
	case otherPlatform:
		return Platform
	case is(errAbsent):
		return Absent
	case is(syscall.ENOSPC, syscall.EDQUOT, errNoRoom):
		return NoSpace
	case is(errNotFound), file && is(os.ErrNotExist):
		return NotFound
	case is(errCorrupt), isFormat(err), ref.kind != kindRegistry && is(io.ErrUnexpectedEOF):
		return Corrupt
	case is(errUnsupported, layer.ErrRefused):
		return Unsupported
	case is(context.Canceled):
		return Canceled
	case isUnreachable(err):
		return Unreachable
	}
	return Other
}

func isPlain(err error) bool {
	_, ok := errors.AsType[*plainError](err)
	return ok
}

func explainStatus(host string, login bool, e *transport.Error) (Reason, string) {
	code := http.StatusText(e.StatusCode)
	if len(e.Errors) > 0 && e.Errors[0].Code != "" {
		code = fmt.Sprintf("%.60s", e.Errors[0].Code)
	}
	code = fmt.Sprintf("(%d %s)", e.StatusCode, code)
	switch e.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		if login {
			return Unauthorized, fmt.Sprintf("%s refuses the credentials, or they may not pull it %s", host, code)
		}
		return Unauthorized, fmt.Sprintf("%s wants credentials, or the image does not exist %s", host, code)
	case http.StatusNotFound:
		return NotFound, fmt.Sprintf("%s has no such image %s", host, code)
	case http.StatusTooManyRequests:
		return Unreachable, fmt.Sprintf("%s allows no more requests for now %s", host, code)
	}
	if e.StatusCode >= 500 {
		return Unreachable, fmt.Sprintf("%s fails %s", host, code)
	}
	return Other, fmt.Sprintf("%s answers %s", host, code)
}

// isUnreachable tells what may be otherwise in a while from what stays as it is.
func isUnreachable(err error) bool {
	if status, ok := errors.AsType[*transport.Error](err); ok {
		return status.StatusCode >= 500 || status.StatusCode == http.StatusTooManyRequests
	}
	if _, ok := errors.AsType[net.Error](err); ok || isPlain(err) {
		return true
	}
	return slices.ContainsFunc([]error{
		errIdle, errTimeout, context.DeadlineExceeded, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.EPIPE,
	}, func(t error) bool { return errors.Is(err, t) })
}

// bare is the text of an error without the address of the request, which may carry a signature or a token.
func bare(err error) string {
	if plainly, ok := errors.AsType[*plainError](err); ok {
		return plainly.Error()
	}
	if platform, ok := errors.AsType[*platformError](err); ok {
		return platform.Error()
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		err = op.Err
	}
	if call, ok := errors.AsType[*os.SyscallError](err); ok {
		err = call.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "no answer in time"
	}
	return fmt.Sprintf("%.500s", strings.ToValidUTF8(err.Error(), "?"))
}

// isFormat tells the errors of what reads compressed streams and archives.
func isFormat(err error) bool {
	if _, ok := errors.AsType[flate.CorruptInputError](err); ok {
		return true
	}
	return slices.ContainsFunc([]error{
		gzip.ErrHeader, gzip.ErrChecksum, tar.ErrHeader, zstd.ErrCRCMismatch, zstd.ErrMagicMismatch, zstd.ErrReservedBlockType,
		zstd.ErrWindowSizeExceeded, zstd.ErrUnexpectedBlockSize, zstd.ErrBlockTooSmall, zstd.ErrDecoderSizeExceeded,
		zstd.ErrUnknownDictionary,
	}, func(broken error) bool { return errors.Is(err, broken) })
}
