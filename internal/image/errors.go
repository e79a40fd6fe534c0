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
	e := &Error{Ref: shown(ref.text), err: err}
	var (
		status   *transport.Error
		platform *platformError
		plainly  *plainError
	)
	switch {
	case errors.As(err, &e):
	case errors.As(err, &platform):
		e.Reason, e.text = Platform, platform.Error()
	case errors.Is(err, errAbsent):
		e.Reason, e.text = Absent, errAbsent.Error()
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, errNoRoom):
		e.Reason, e.text = NoSpace, "no space left on the disk of "+s.cfg.Dir
	case errors.As(err, &plainly):
		e.Reason, e.text = Unreachable, plainly.Error()
	case errors.As(err, &status):
		e.Reason, e.text = explainStatus(ref.host(), login, status)
	case errors.Is(err, errNotFound), (ref.kind == kindLayout || ref.kind == kindDockerArchive) && errors.Is(err, os.ErrNotExist):
		e.Reason, e.text = NotFound, bare(err)
	case errors.Is(err, errCorrupt):
		e.Reason, e.text = Corrupt, bare(err)
	case isFormat(err), ref.kind != kindRegistry && errors.Is(err, io.ErrUnexpectedEOF):
		e.Reason, e.text = Corrupt, errCorrupt.Error()+": "+bare(err)
	case errors.Is(err, errUnsupported), errors.Is(err, layer.ErrRefused):
		e.Reason, e.text = Unsupported, bare(err)
	case errors.Is(err, context.Canceled):
		e.Reason, e.text = Canceled, "the pull was canceled"
	case isUnreachable(err):
		e.Reason, e.text = Unreachable, "cannot reach "+ref.host()+": "+bare(err)
	default:
		e.Reason, e.text = Other, bare(err)
	}
	return e
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
	var e *Error
	if errors.As(err, &e) {
		return e.Reason == Unreachable
	}
	var status *transport.Error
	if errors.As(err, &status) {
		return status.StatusCode >= 500 || status.StatusCode == http.StatusTooManyRequests
	}
	var plainly *plainError
	var network net.Error
	var op *net.OpError
	return errors.As(err, &plainly) || errors.As(err, &network) || errors.As(err, &op) || errors.Is(err, errIdle) ||
		errors.Is(err, errTimeout) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// bare is the text of an error without the address of the request, which may carry a signature or a token.
func bare(err error) string {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	var call *os.SyscallError
	if errors.As(err, &call) {
		err = call.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "no answer in time"
	}
	return fmt.Sprintf("%.500s", strings.ToValidUTF8(err.Error(), "?"))
}

// isFormat tells the errors of what reads compressed streams and archives.
func isFormat(err error) bool {
	var deflate flate.CorruptInputError
	if errors.As(err, &deflate) {
		return true
	}
	for _, broken := range []error{
		gzip.ErrHeader, gzip.ErrChecksum, tar.ErrHeader, zstd.ErrCRCMismatch, zstd.ErrMagicMismatch, zstd.ErrReservedBlockType,
		zstd.ErrWindowSizeExceeded, zstd.ErrUnexpectedBlockSize, zstd.ErrBlockTooSmall, zstd.ErrDecoderSizeExceeded, zstd.ErrUnknownDictionary,
	} {
		if errors.Is(err, broken) {
			return true
		}
	}
	return false
}
