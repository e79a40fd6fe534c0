package probe_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	core "github.com/maitred/maitred/internal/core/health"
	"github.com/maitred/maitred/internal/lb/probe"
	"github.com/maitred/maitred/internal/model"
)

// at is a target that listens somewhere on this machine, of a group that is checked as c says.
func at(t *testing.T, address net.Addr, c model.TargetCheck) probe.Target {
	t.Helper()
	host, text, err := net.SplitHostPort(address.String())
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	c.Port, c.Timeout = "traffic-port", time.Minute
	return probe.Target{Path: "a", Address: host, Port: port, Group: &model.TargetGroup{Protocol: "HTTP", ProtocolVersion: "HTTP1", Check: c}}
}

func answered(code int) core.Outcome { return core.Outcome{Kind: core.Answered, Code: code} }

// serve is a server of HTTP/1.1 and HTTP/2, by TLS or not.
func serve(t *testing.T, secure, http2 bool, h http.HandlerFunc) net.Addr {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.Protocols = &http.Protocols{}
	s.Config.Protocols.SetHTTP1(!http2)
	s.Config.Protocols.SetUnencryptedHTTP2(http2)
	s.Config.Protocols.SetHTTP2(http2)
	s.EnableHTTP2 = http2
	if secure {
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return s.Listener.Addr()
}

// TestRequest: what a target of an Application Load Balancer sees of a check.
func TestRequest(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, protocol, version string
	}{
		{"HTTP", "HTTP", "HTTP1"}, {"HTTPS", "HTTPS", "HTTP1"}, {"h2c", "HTTP", "HTTP2"}, {"h2", "HTTPS", "HTTP2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got http.Request
			var from []string
			address := serve(t, tt.protocol == "HTTPS", tt.version == "HTTP2", func(w http.ResponseWriter, r *http.Request) {
				got, from = *r, append(from, r.RemoteAddr)
				http.Redirect(w, r, "/elsewhere", http.StatusFound)
			})
			target := at(t, address, model.TargetCheck{Protocol: tt.protocol, Path: "/healthz?deep=1"})
			target.Group.ProtocolVersion, target.Host = tt.version, "192.0.2.1:443"
			var p probe.Prober
			for range 2 {
				if o := p.Check(t.Context(), target); o != answered(http.StatusFound) {
					t.Fatalf("got %+v, want 302", o)
				}
			}
			if got.Method != http.MethodGet || got.RequestURI != "/healthz?deep=1" || got.Host != address.String() {
				t.Errorf("got %s %s for host %s", got.Method, got.RequestURI, got.Host)
			}
			if diff := cmp.Diff([]string{"ELB-HealthChecker/2.0"}, got.Header["User-Agent"]); diff != "" {
				t.Error(diff)
			}
			if len(from) != 2 || from[0] == from[1] {
				t.Errorf("the checks came from %v, want a new connection for each, and redirects not to be followed", from)
			}
			if wantClose := tt.version == "HTTP1"; got.Close != wantClose {
				t.Errorf("Connection: close is %v, want %v", got.Close, wantClose)
			}
		})
	}
}

// TestNetworkRequest: targets of Network Load Balancers see the balancer's address as Host, and HTTP/1.1 always.
func TestNetworkRequest(t *testing.T) {
	t.Parallel()
	hosts := make(chan string, 2)
	address := serve(t, false, false, func(_ http.ResponseWriter, r *http.Request) { hosts <- r.Host })
	target := at(t, address, model.TargetCheck{Protocol: "HTTP"})
	target.Group.Protocol, target.Group.ProtocolVersion, target.Host = "TCP", "", "192.0.2.1:443"
	var p probe.Prober
	if o := p.Check(t.Context(), target); o != answered(200) {
		t.Errorf("got %+v, want 200", o)
	}
	target.Host = ""
	p.Check(t.Context(), target)
	if a, b := <-hosts, <-hosts; a != "192.0.2.1:443" || b != address.String() {
		t.Errorf("the hosts are %q and %q", a, b)
	}
}

// TestCheckPort: the port of a check may be another one than that of requests.
func TestCheckPort(t *testing.T) {
	t.Parallel()
	target := at(t, serve(t, false, false, func(http.ResponseWriter, *http.Request) {}), model.TargetCheck{Protocol: "HTTP"})
	target.Group.Check.Port, target.Port = strconv.Itoa(target.Port), 1
	if o := new(probe.Prober).Check(t.Context(), target); o != answered(200) {
		t.Errorf("got %+v, want 200", o)
	}
	target.Group.Check.Port, target.Address = "8080", "fd00::1"
	if got, want := target.Endpoint(), "[fd00::1]:8080"; got != want {
		t.Errorf("Endpoint = %s, want %s", got, want)
	}
}

// TestGRPC asks real servers: by default one that knows no such method, as all do.
func TestGRPC(t *testing.T) {
	t.Parallel()
	server := grpc.NewServer(grpc.UnknownServiceHandler(func(any, grpc.ServerStream) error {
		return status.Error(codes.Unavailable, "not yet")
	}))
	grpc_health_v1.RegisterHealthServer(server, health.NewServer())
	for _, tt := range []struct {
		name    string
		address net.Addr
		path    string
		want    core.Outcome
	}{
		{"a method that is not there", serveGRPC(t, grpc.NewServer()), "", answered(12)},
		{"the health service", serveGRPC(t, server), "/grpc.health.v1.Health/Check", answered(0)},
		{"an error", serveGRPC(t, grpc.NewServer(grpc.UnknownServiceHandler(func(any, grpc.ServerStream) error {
			return status.Error(codes.Unavailable, "not yet")
		}))), "/a.B/C", answered(14)},
		{"after a message", serveGRPC(t, grpc.NewServer(grpc.UnknownServiceHandler(func(_ any, s grpc.ServerStream) error {
			if err := s.SendMsg(&grpc_health_v1.HealthCheckResponse{}); err != nil {
				return err
			}
			return status.Error(codes.DataLoss, "no more")
		}))), "/a.B/C", answered(15)},
		{"HTTP/2 that is not gRPC", serve(t, false, true, http.NotFound), "/", core.Outcome{Kind: core.Failed}},
		{"HTTP/1.1", serve(t, false, false, http.NotFound), "/", core.Outcome{Kind: core.Failed}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			target := at(t, tt.address, model.TargetCheck{Protocol: "HTTP", Path: tt.path})
			target.Group.ProtocolVersion = "GRPC"
			if o := new(probe.Prober).Check(t.Context(), target); o != tt.want {
				t.Errorf("got %+v, want %+v", o, tt.want)
			}
		})
	}
}

func serveGRPC(t *testing.T, s *grpc.Server) net.Addr {
	t.Helper()
	l := listen(t)
	go func() { _ = s.Serve(l) }()
	t.Cleanup(s.Stop)
	return l.Addr()
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// TestGRPCSecure: the status comes in the trailers, by TLS.
func TestGRPCSecure(t *testing.T) {
	t.Parallel()
	address := serve(t, true, true, func(w http.ResponseWriter, r *http.Request) {
		message, err := io.ReadAll(r.Body)
		if err != nil || !bytes.Equal(message, make([]byte, 5)) || r.Method != http.MethodPost ||
			r.Header.Get("Te") != "trailers" || r.Header.Get("Content-Type") != "application/grpc" || r.URL.Path != "/AWS.ALB/healthcheck" {
			t.Errorf("got %s %s with %v and %q, %v", r.Method, r.URL, r.Header, message, err)
		}
		w.Header().Set("Trailer", "Grpc-Status")
		w.WriteHeader(http.StatusOK)
		w.Header().Set("Grpc-Status", "12")
	})
	target := at(t, address, model.TargetCheck{Protocol: "HTTPS"})
	target.Group.ProtocolVersion = "GRPC"
	if o := new(probe.Prober).Check(t.Context(), target); o != answered(12) {
		t.Errorf("got %+v, want 12", o)
	}
}

// TestConnections: what is found out by connecting alone, and what all checks meet with when they cannot connect.
func TestConnections(t *testing.T) {
	t.Parallel()
	plain := serve(t, false, false, func(http.ResponseWriter, *http.Request) {})
	secure := serve(t, true, false, func(http.ResponseWriter, *http.Request) {})
	closed := listen(t)
	closed.Close()
	resets := accept(t, func(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0) })
	failed, accepted := core.Outcome{Kind: core.Failed}, core.Outcome{Kind: core.Accepted}
	for _, tt := range []struct {
		name, protocol string
		address        net.Addr
		want           core.Outcome
	}{
		{"TCP", "TCP", plain, accepted},
		{"TCP, refused", "TCP", closed.Addr(), failed},
		{"TLS", "TLS", secure, accepted},
		{"TLS with what speaks HTTP", "TLS", plain, failed},
		{"TLS, refused", "TLS", closed.Addr(), failed},
		{"HTTP, refused", "HTTP", closed.Addr(), failed},
		{"HTTP, reset", "HTTP", resets, failed},
		{"HTTPS with what speaks HTTP", "HTTPS", plain, failed},
		{"HTTPS, reset", "HTTPS", resets, failed},
		{"a protocol that nobody knows", "ICMP", plain, core.Outcome{Kind: core.Unable}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			target := at(t, tt.address, model.TargetCheck{Protocol: tt.protocol})
			if o := new(probe.Prober).Check(t.Context(), target); o != tt.want {
				t.Errorf("got %+v, want %+v", o, tt.want)
			}
		})
	}
}

// TestPaths: a path that is none is never sent.
func TestPaths(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"no-slash", "/a b\r\nX: y", "/\x00", "http://elsewhere/", "*", "/%zz"} {
		for _, version := range []string{"HTTP1", "HTTP2", "GRPC"} {
			target := at(t, serve(t, false, version != "HTTP1", func(_ http.ResponseWriter, r *http.Request) {
				t.Errorf("%q was sent as %q", path, r.RequestURI)
			}), model.TargetCheck{Protocol: "HTTP", Path: path})
			target.Group.ProtocolVersion = version
			if o := new(probe.Prober).Check(t.Context(), target); o.Kind != core.Unable {
				t.Errorf("%q by %s: got %+v, want that it cannot be asked", path, version, o)
			}
		}
	}
}

// accept runs a server that does something with each connection and closes it.
func accept(t *testing.T, serve func(net.Conn)) net.Addr {
	t.Helper()
	l := listen(t)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serve(conn)
			conn.Close()
		}
	}()
	return l.Addr()
}

// TestProxyHeader: where the group has the PROXY protocol on, it comes first in checks, too.
func TestProxyHeader(t *testing.T) {
	t.Parallel()
	want := []byte{0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a, 0x20, 0x00, 0x00, 0x00}
	for _, tt := range []struct {
		protocol string
		next     string // what comes after it begins with
	}{
		{"TCP", ""}, {"HTTP", "GET / HTTP/1.1\r\n"}, {"HTTPS", "\x16\x03\x01"}, {"TLS", "\x16\x03\x01"},
	} {
		t.Run(tt.protocol, func(t *testing.T) {
			t.Parallel()
			got := make(chan []byte, 1)
			address := accept(t, func(c net.Conn) {
				b := make([]byte, len(want)+len(tt.next))
				n, _ := io.ReadFull(c, b)
				got <- b[:n]
			})
			target := at(t, address, model.TargetCheck{Protocol: tt.protocol})
			target.Group.Protocol, target.Group.Attributes = "TCP", map[string]string{model.AttributeProxyProtocol: "true"}
			new(probe.Prober).Check(t.Context(), target)
			if diff := cmp.Diff(append(bytes.Clone(want), tt.next...), <-got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestEnds: a check ends with its context, and with its timeout, wherever it is.
func TestEnds(t *testing.T) {
	t.Parallel()
	reached := make(chan struct{})
	done := make(chan struct{})
	t.Cleanup(func() { close(done) })
	target := at(t, accept(t, func(c net.Conn) {
		close(reached)
		<-done
	}), model.TargetCheck{Protocol: "HTTP"})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-reached; cancel() }()
	if o := new(probe.Prober).Check(ctx, target); o.Kind != core.TimedOut {
		t.Errorf("got %+v", o)
	}
	var dials atomic.Int64
	p := probe.Prober{Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		dials.Add(1)
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	target.Group.Check.Timeout = time.Nanosecond
	if o := p.Check(t.Context(), target); o.Kind != core.TimedOut || dials.Load() != 1 {
		t.Errorf("got %+v after %d dials", o, dials.Load())
	}
	p.Dial = func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no route") }
	target.Group.Check.Timeout = time.Minute
	if o := p.Check(t.Context(), target); o.Kind != core.Failed {
		t.Errorf("got %+v", o)
	}
}
