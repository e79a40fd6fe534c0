package l7_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/maitred/maitred/internal/lb/flight"
	"github.com/maitred/maitred/internal/lb/l7"
	"github.com/maitred/maitred/internal/model"
)

// pipes is a listener whose connections are pipes: they live in the virtual time of a test.
type pipes struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p *pipes) dial() net.Conn {
	mine, theirs := net.Pipe()
	p.conns <- theirs
	return mine
}

// inTime runs a test in virtual time with a load balancer whose idle timeout is ten seconds and whose only target is
// served by handle.
func inTime(t *testing.T, handle func(net.Conn), test func(t *testing.T, r *rig, front *pipes)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		front := newPipes()
		var targets sync.WaitGroup
		r := &rig{t: t, targets: map[string][]*model.Target{}, health: map[string]model.TargetState{}, drained: map[string]bool{}}
		r.lb = model.LoadBalancer{ARN: lbARN, Type: model.Application, Attributes: map[string]string{
			model.AttributeIdleTimeout: "10", model.AttributeClientKeepAlive: "60",
		}}
		r.record = model.Listener{ARN: listenerARN, LoadBalancer: lbARN, Port: 80, Protocol: "HTTP", Attributes: map[string]string{}}
		r.flights = flight.New(func(string) {})
		config := l7.Config{
			ARN: listenerARN, Table: r.table.Load, Flights: r.flights, AccessLog: r, Secret: []byte("0123456789abcdef"),
			Now: time.Now, Random: rand.Uint64, Log: slog.New(slog.DiscardHandler), Parked: r.parks(),
			Dial: func(ctx context.Context, _ string) (net.Conn, error) {
				if handle == nil {
					<-ctx.Done()
					return nil, ctx.Err()
				}
				mine, theirs := net.Pipe()
				targets.Go(func() {
					handle(theirs)
					_ = theirs.Close()
				})
				return mine, nil
			},
		}
		server, err := l7.New(config)
		if err != nil {
			t.Fatal(err)
		}
		r.server = server
		r.target(r.group("app", nil), "10.0.0.1:80")
		served := make(chan error, 1)
		go func() { served <- server.Serve(context.Background(), front) }()
		test(t, r, front)
		limit, stop := context.WithTimeout(context.Background(), time.Hour)
		defer stop()
		if err := server.Shutdown(limit); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
		targets.Wait()
	})
}

func silent(c net.Conn) { _, _ = io.Copy(io.Discard, c) }

func answer(text string) func(net.Conn) {
	return func(c net.Conn) {
		in := bufio.NewReader(c)
		for {
			req, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, req.Body)
			if _, err := io.WriteString(c, text); err != nil {
				return
			}
		}
	}
}

const fine = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// response reads one and how long it took to come.
func response(t *testing.T, c net.Conn) (code int, after time.Duration) {
	t.Helper()
	start := time.Now()
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatalf("after %v: %v", time.Since(start), err)
	}
	after = time.Since(start)
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, after
}

func TestTimeouts(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		target func(net.Conn)
		client func(c net.Conn)
		code   int
		after  time.Duration
	}{
		{"a target that does not answer", silent, func(c net.Conn) { _, _ = io.WriteString(c, getHead+"\r\n") }, 504, 10 * time.Second},
		{"a target that cannot be connected to", nil, func(c net.Conn) { _, _ = io.WriteString(c, getHead+"\r\n") }, 504, 10 * time.Second},
		{"a body that does not come", silent, func(c net.Conn) { _, _ = io.WriteString(c, postHead+"Content-Length: 5\r\n\r\nhe") }, 504, 10 * time.Second},
		{"half a head", silent, func(c net.Conn) { _, _ = io.WriteString(c, "GET / HT") }, 408, 10 * time.Second},
		{
			"a head a byte at a time", silent,
			func(c net.Conn) {
				for range 100 {
					if _, err := io.WriteString(c, "X"); err != nil {
						return
					}
					pause(time.Second)
				}
			}, 408, 10 * time.Second,
		},
		{
			"a body that comes slowly", answer(fine),
			func(c net.Conn) {
				_, _ = io.WriteString(c, postHead+"Content-Length: 5\r\n\r\n")
				for range 5 {
					pause(6 * time.Second)
					_, _ = io.WriteString(c, "x")
				}
			}, 200, 30 * time.Second,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			inTime(t, tt.target, func(t *testing.T, _ *rig, front *pipes) {
				c := front.dial()
				var wg sync.WaitGroup
				wg.Go(func() { tt.client(c) })
				code, after := response(t, c)
				if code != tt.code || after < tt.after || after > tt.after+2*time.Second {
					t.Errorf("got %d after %v, want %d after %v", code, after, tt.code, tt.after)
				}
				_ = c.Close()
				wg.Wait()
			})
		})
	}
}

// closed waits until the other side closes, and says how long it took.
func closed(c net.Conn) time.Duration {
	start := time.Now()
	_, _ = io.Copy(io.Discard, c)
	return time.Since(start)
}

func TestIdleClients(t *testing.T) {
	t.Parallel()
	t.Run("never a byte", func(t *testing.T) {
		t.Parallel()
		inTime(t, answer(fine), func(t *testing.T, _ *rig, front *pipes) {
			if after := closed(front.dial()); after != 10*time.Second {
				t.Errorf("closed after %v", after)
			}
		})
	})
	t.Run("after a request", func(t *testing.T) {
		t.Parallel()
		inTime(t, answer(fine), func(t *testing.T, _ *rig, front *pipes) {
			c := front.dial()
			_, _ = io.WriteString(c, getHead+"\r\n")
			response(t, c)
			if after := closed(c); after != 10*time.Second {
				t.Errorf("closed after %v", after)
			}
		})
	})
	t.Run("too old", func(t *testing.T) {
		t.Parallel()
		inTime(t, answer(fine), func(t *testing.T, _ *rig, front *pipes) {
			c := front.dial()
			in := bufio.NewReader(c)
			for i := 0; ; i++ {
				if _, err := io.WriteString(c, getHead+"\r\n"); err != nil {
					t.Fatal(err)
				}
				resp, err := http.ReadResponse(in, nil)
				if err != nil {
					t.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				if resp.Close {
					if i != 12 {
						t.Errorf("told to go after %d requests", i)
					}
					break
				}
				pause(5 * time.Second)
			}
			closed(c)
		})
	})
	t.Run("that read nothing", func(t *testing.T) {
		t.Parallel()
		big := "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + strings.Repeat("x", 1_000_000)
		inTime(t, answer(big), func(t *testing.T, r *rig, front *pipes) {
			c := front.dial()
			_, _ = io.WriteString(c, getHead+"\r\n")
			pause(15 * time.Second)
			if _, err := io.Copy(io.Discard, c); err != nil && !errors.Is(err, io.EOF) {
				t.Error(err)
			}
			if e := r.entry(1); e.Sent > 100_000 || e.Error == "" {
				t.Errorf("the access log says %s", e.Append(nil))
			}
		})
	})
}

// TestQuitOfUnread ends the deregistration delay of a target whose client reads nothing: the request is over at once, whatever
// the client does not read.
func TestQuitOfUnread(t *testing.T) {
	t.Parallel()
	large := "Link: " + strings.Repeat("x", 20_000) + "\r\n"
	for name, tt := range map[string]struct{ request, answer string }{
		"an interim answer":   {getHead + "\r\n", "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"},
		"large interim ones":  {getHead + "\r\n", "HTTP/1.1 103 Early Hints\r\n" + large + "\r\n"},
		"leave for its body":  {postHead + "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n", ""},
		"a large head":        {getHead + "\r\n", "HTTP/1.1 200 OK\r\n" + large + "\r\n"},
		"a body":              {getHead + "\r\n", "HTTP/1.1 200 OK\r\n\r\n" + strings.Repeat("x", 100_000)},
		"the express way one": {getHead + "\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n" + large + "\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			target := func(c net.Conn) {
				in := bufio.NewReader(c)
				for {
					req, err := http.ReadRequest(in)
					if err != nil {
						return
					}
					if req.URL.Path == "/prime" {
						_, _ = io.WriteString(c, fine)
						continue
					}
					if tt.answer != "" {
						_, _ = io.WriteString(c, tt.answer)
					}
					_, _ = in.ReadByte()
				}
			}
			inTime(t, target, func(t *testing.T, r *rig, front *pipes) {
				c := front.dial()
				_, _ = io.WriteString(c, "GET /prime HTTP/1.1\r\nHost: a\r\n\r\n")
				response(t, c)
				_, _ = io.WriteString(c, tt.request)
				pause(2 * time.Second) // targets have one to ask for a body
				f := r.flights.Target(r.targets[r.groups[0].ARN][0].Path())
				if n := f.InFlight(); n != 1 {
					t.Fatalf("%d requests are in flight", n)
				}
				f.Quit()
				synctest.Wait()
				if n := f.InFlight(); n != 0 {
					t.Errorf("%d requests are in flight when the delay is over", n)
				}
				if e := r.entry(2); e.Error != "the deregistration delay of the target is over" {
					t.Errorf("the access log says %s", e.Append(nil))
				}
				_ = c.Close()
			})
		})
	}
}

// TestShutdown lets a request end that is at work, and an idle client send one more.
func TestShutdown(t *testing.T) {
	t.Parallel()
	slow := func(c net.Conn) {
		req, err := http.ReadRequest(bufio.NewReader(c))
		if err != nil {
			return
		}
		_ = req
		pause(3 * time.Second)
		_, _ = io.WriteString(c, fine)
	}
	inTime(t, slow, func(t *testing.T, r *rig, front *pipes) {
		working, idle, silent := front.dial(), front.dial(), front.dial()
		_, _ = io.WriteString(working, getHead+"\r\n")
		synctest.Wait()
		start := time.Now()
		done := make(chan error)
		go func() { done <- r.server.Shutdown(context.Background()) }()
		synctest.Wait()
		_, _ = io.WriteString(idle, getHead+"\r\n")
		for _, c := range []net.Conn{working, idle} {
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil || resp.StatusCode != http.StatusOK || !resp.Close {
				t.Fatalf("got %v, %v", resp, err)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
		}
		closed(silent)
		if err := <-done; err != nil || time.Since(start) != 5*time.Second {
			t.Errorf("Shutdown gives %v after %v", err, time.Since(start))
		}
	})
}

// pause lets virtual time go by.
func pause(d time.Duration) { <-time.After(d) }
