package daemon

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
)

// pipes is a listener without a network: what is sent to it is accepted.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	close(p.closed)
	return nil
}

func (*pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

// TestStalled: who begins to send a request and never ends does not hold a connection for ever.
func TestStalled(t *testing.T) {
	t.Parallel()
	for name, sent := range map[string]string{
		"header": "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\n",
		"body":   "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\n{",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				listener := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
				reads := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.ReadAll(r.Body) })
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan error, 1)
				go func() { done <- serve(ctx, listener, reads, slog.New(slog.DiscardHandler)) }()
				here, there := net.Pipe()
				listener.conns <- there
				if _, err := io.WriteString(here, sent); err != nil {
					t.Fatal(err)
				}
				// Time passes by itself while everybody waits; without a bound, that is for ever, and the bubble says so.
				if _, err := io.ReadAll(here); err != nil && !errors.Is(err, io.ErrClosedPipe) {
					t.Errorf("got %v, want the end of the connection", err)
				}
				cancel()
				if err := <-done; err != nil {
					t.Errorf("serve = %v", err)
				}
			})
		})
	}
}
