package probe

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/maitred/maitred/internal/core/health"
)

// The paths of checks that name none.
const (
	defaultPath     = "/"
	defaultGRPCPath = "/AWS.ALB/healthcheck"
)

// parsePath gives the address of a check.
func parsePath(t Target) (*url.URL, error) {
	path := t.Group.Check.Path
	switch {
	case path != "":
	case t.Group.HTTP() && t.Group.ProtocolVersion == "GRPC":
		path = defaultGRPCPath
	default:
		path = defaultPath
	}
	u, err := url.ParseRequestURI(path)
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(path, "/") {
		return nil, fmt.Errorf("the path %q does not begin with /", path)
	}
	u.Scheme, u.Host = "http", t.Endpoint()
	if t.Group.Check.Protocol == "HTTPS" {
		u.Scheme = "https"
	}
	return u, nil
}

// askHTTP1 sends a GET by HTTP/1.1 and takes the status of the answer. Redirects are not followed.
func (p *Prober) askHTTP1(ctx context.Context, t Target) (health.Outcome, error) {
	r, err := request(ctx, t, http.MethodGet)
	if err != nil {
		return health.Outcome{}, err
	}
	r.Close = true
	o := health.Outcome{Kind: health.Answered}
	err = p.connect(ctx, t, func(conn net.Conn) error {
		if t.Group.Check.Protocol == "HTTPS" {
			conn = tls.Client(conn, insecure("http/1.1"))
		}
		o.Code, err = exchange(ctx, conn, r)
		return err
	})
	return o, err
}

// exchange sends a request and gives the status of the answer.
func exchange(ctx context.Context, conn net.Conn, r *http.Request) (int, error) {
	if err := r.Write(conn); err != nil {
		return 0, fmt.Errorf("sending the request: %w", err)
	}
	head := &io.LimitedReader{R: conn, N: maxHeader}
	in := bufio.NewReader(head)
	for {
		answer, err := http.ReadResponse(in, r) //nolint:bodyclose // closing it would read it to its end; the connection is closed
		if err != nil {
			return 0, fmt.Errorf("reading the answer: %w", err)
		}
		if informational(answer.StatusCode) {
			continue // any number of them ends with maxHeader
		}
		drain(ctx, conn, answer.Body)
		return answer.StatusCode, nil
	}
}

// informational says that another answer follows.
func informational(code int) bool { return code < 200 && code != http.StatusSwitchingProtocols }

// drain reads what it may of a body, for as long as it may.
func drain(ctx context.Context, conn io.Closer, body io.Reader) {
	ctx, cancel := context.WithTimeout(ctx, drainTime)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	_, _ = io.CopyN(io.Discard, body, maxBody)
}

// askHTTP2 sends the request of an HTTP/2 or gRPC check and takes the status of the answer.
func (p *Prober) askHTTP2(ctx context.Context, t Target) (health.Outcome, error) {
	ask := get
	if t.Group.ProtocolVersion == "GRPC" {
		ask = call
	}
	o := health.Outcome{Kind: health.Answered}
	err := p.connect(ctx, t, func(conn net.Conn) (err error) {
		transport := transportOn(conn)
		defer transport.CloseIdleConnections()
		o.Code, err = ask(ctx, conn, transport, t)
		return err
	})
	return o, err
}

// transportOn speaks HTTP/2 on one connection: it needs no second one.
func transportOn(conn net.Conn) *http.Transport {
	dialled := false
	var protocols http.Protocols
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Transport{
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			if dialled {
				return nil, errors.New("the connection was closed")
			}
			dialled = true
			return conn, nil
		},
		TLSClientConfig: insecure(), Protocols: &protocols, DisableCompression: true, MaxConnsPerHost: 1,
		MaxResponseHeaderBytes: maxHeader,
		HTTP2:                  &http.HTTP2Config{MaxReadFrameSize: maxHeader, MaxReceiveBufferPerConnection: maxHeader, MaxReceiveBufferPerStream: maxHeader},
	}
}

// get is the check of a target that speaks HTTP/2.
func get(ctx context.Context, conn io.Closer, transport *http.Transport, t Target) (int, error) {
	r, err := request(ctx, t, http.MethodGet)
	if err != nil {
		return 0, err
	}
	answer, err := roundTrip(transport, r)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	drain(ctx, conn, answer.Body)
	return answer.StatusCode, nil
}

// call is the check of a target that speaks gRPC: a unary call with an empty message. The status is in the trailers, or
// in the headers when there is nothing else ("gRPC over HTTP2": Trailers-Only). An answer without one is not gRPC.
func call(ctx context.Context, conn io.Closer, transport *http.Transport, t Target) (int, error) {
	r, err := request(ctx, t, http.MethodPost)
	if err != nil {
		return 0, err
	}
	r.Header.Set("Content-Type", "application/grpc")
	r.Header.Set("Te", "trailers")
	const empty = "\x00\x00\x00\x00\x00" // not compressed, of length 0
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(empty)), int64(len(empty))
	answer, err := roundTrip(transport, r)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	status := answer.Header.Get("Grpc-Status")
	if status == "" {
		if _, err := io.CopyN(io.Discard, answer.Body, maxBody); !errors.Is(err, io.EOF) {
			return 0, fmt.Errorf("reading the answer until its trailers: %w", cmp.Or(err, errTooMuch))
		}
		status = answer.Trailer.Get("Grpc-Status")
	}
	drain(ctx, conn, answer.Body)
	code, err := strconv.ParseUint(status, 10, 16)
	if err != nil {
		return 0, fmt.Errorf("the answer has the gRPC status %q: %w", status, err)
	}
	return int(code), nil
}

func roundTrip(transport *http.Transport, r *http.Request) (*http.Response, error) {
	answer, err := transport.RoundTrip(r)
	if err != nil {
		return nil, fmt.Errorf("asking: %w", err)
	}
	if answer.ProtoMajor != 2 {
		answer.Body.Close()
		return nil, fmt.Errorf("the target speaks %s", answer.Proto)
	}
	return answer, nil
}
