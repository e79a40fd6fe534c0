package l7_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maitred/maitred/internal/core/routing"
	"github.com/maitred/maitred/internal/lb/accesslog"
	"github.com/maitred/maitred/internal/lb/flight"
	"github.com/maitred/maitred/internal/lb/l7"
	"github.com/maitred/maitred/internal/lb/park"
	"github.com/maitred/maitred/internal/model"
)

const (
	account     = "arn:aws:elasticloadbalancing:eu-west-1:000000000000:"
	lbARN       = account + "loadbalancer/app/web/0123456789abcdef"
	listenerARN = account + "listener/app/web/0123456789abcdef/fedcba9876543210"
)

// rig is a load balancer with one listener on a socket of its own, and the world that it is told of.
type rig struct {
	t       testing.TB
	server  *l7.Server
	flights *flight.Targets
	addr    string
	table   atomic.Pointer[routing.Table]
	done    chan error

	mu      sync.Mutex
	lb      model.LoadBalancer
	record  model.Listener
	rules   []*model.Rule
	groups  []*model.TargetGroup
	targets map[string][]*model.Target
	health  map[string]model.TargetState
	drained map[string]bool
	refused []string
	samples []l7.Sample
	log     []accesslog.Entry
	lot     *park.Lot
	demands []string // whether requests wait, as it was said
}

type option func(*rig, *l7.Config)

func attribute(key, value string) option {
	return func(r *rig, _ *l7.Config) { r.lb.Attributes[key] = value }
}

func newRig(t testing.TB, options ...option) *rig {
	t.Helper()
	r := &rig{
		t: t, targets: map[string][]*model.Target{}, health: map[string]model.TargetState{}, drained: map[string]bool{}, done: make(chan error, 1),
		lb:     model.LoadBalancer{ARN: lbARN, Name: "web", Type: model.Application, Attributes: map[string]string{}},
		record: model.Listener{ARN: listenerARN, LoadBalancer: lbARN, Port: 80, Protocol: "HTTP", Attributes: map[string]string{}},
	}
	r.flights = flight.New(func(path string) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.drained[path] = true
	})
	config := l7.Config{
		ARN: listenerARN, Table: r.table.Load, Flights: r.flights, AccessLog: r, Secret: []byte("0123456789abcdef"),
		Now: time.Now, Random: rand.Uint64, Log: slog.New(slog.DiscardHandler), Linger: time.Millisecond,
		Parked: r.parks(),
		Refused: func(path string) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.refused = append(r.refused, path)
		},
		Observe: func(s l7.Sample) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.samples = append(r.samples, s)
		},
	}
	for _, o := range options {
		o(r, &config)
	}
	server, err := l7.New(config)
	if err != nil {
		t.Fatal(err)
	}
	r.server = server
	r.compile()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.addr = l.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	go func() { r.done <- server.Serve(ctx, l) }()
	t.Cleanup(func() {
		defer cancel()
		limit, stop := context.WithTimeout(context.Background(), 30*time.Second)
		defer stop()
		if err := server.Shutdown(limit); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if err := <-r.done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return r
}

// Log keeps an entry of the access log.
func (r *rig) Log(e *accesslog.Entry) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.log = append(r.log, *e)
	return true
}

// compile makes the table anew.
func (r *rig) compile() {
	r.mu.Lock()
	defer r.mu.Unlock()
	lb, record := r.lb, r.record
	r.table.Store(routing.Compile(r.table.Load(), routing.Input{
		LoadBalancers: slices.Values([]*model.LoadBalancer{&lb}),
		Listeners:     slices.Values([]*model.Listener{&record}),
		Rules:         func(string) iterRules { return slices.Values(r.rules) },
		Group: func(arn string) (*model.TargetGroup, bool) {
			for _, g := range r.groups {
				if g.ARN == arn {
					return g, true
				}
			}
			return nil, false
		},
		Targets: func(group string) iterTargets { return slices.Values(r.targets[group]) },
		Health: func(path string) routing.Health {
			state, ok := r.health[path]
			if !ok {
				state = model.TargetHealthy
			}
			return routing.Health{State: state}
		},
	}))
}

// group adds a target group, to which the default rule leads if it is the first one.
func (r *rig) group(name string, change func(*model.TargetGroup)) *model.TargetGroup {
	g := &model.TargetGroup{
		ARN: account + "targetgroup/" + name + "/0123456789abcdef", Name: name, Protocol: "HTTP", ProtocolVersion: "HTTP1", Port: 80,
		TargetType: "ip", Attributes: map[string]string{},
	}
	if change != nil {
		change(g)
	}
	r.mu.Lock()
	r.groups = append(r.groups, g)
	if len(r.groups) == 1 {
		r.record.Actions = []model.Action{forwardTo(g)}
	}
	r.mu.Unlock()
	r.compile()
	return g
}

func forwardTo(groups ...*model.TargetGroup) model.Action {
	f := &model.Forward{}
	for _, g := range groups {
		f.Groups = append(f.Groups, model.WeightedGroup{Group: g.ARN, Weight: 1})
	}
	return model.Action{Type: model.ActionForward, Forward: f}
}

// target registers an address with a group.
func (r *rig) target(g *model.TargetGroup, address string) *model.Target {
	r.t.Helper()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		r.t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		r.t.Fatal(err)
	}
	x := &model.Target{Group: g.ARN, ID: host, Address: host, Port: n, RegisteredAt: time.Now()}
	r.mu.Lock()
	r.targets[g.ARN] = append(r.targets[g.ARN], x)
	r.mu.Unlock()
	r.compile()
	return x
}

// entry waits for the n-th entry of the access log.
func (r *rig) entry(n int) accesslog.Entry {
	r.t.Helper()
	var e accesslog.Entry
	eventually(r.t, fmt.Sprintf("the access log has %d entries", n), func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		if len(r.log) >= n {
			e = r.log[n-1]
		}
		return len(r.log) >= n
	})
	return e
}

// eventually waits until something is so.
func eventually(t testing.TB, what string, so func() bool) {
	t.Helper()
	for range 6000 {
		if so() {
			return
		}
		<-time.After(5 * time.Millisecond)
	}
	t.Fatalf("it never is so that %s", what)
}

// raw sends bytes on a connection of their own and reads what comes until the load balancer closes it.
func (r *rig) raw(send string) string {
	r.t.Helper()
	c := r.dial()
	if _, err := io.WriteString(c, send); err != nil {
		r.t.Fatal(err)
	}
	got, err := io.ReadAll(c)
	if err != nil && len(got) == 0 {
		r.t.Logf("after %q: %v", send, err)
	}
	return string(got)
}

func (r *rig) dial() net.Conn {
	r.t.Helper()
	c, err := net.Dial("tcp", r.addr)
	if err != nil {
		r.t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	r.t.Cleanup(func() { _ = c.Close() })
	return c
}

// recorder is a target that keeps the bytes of each connection and answers each request that it sees in them.
type recorder struct {
	addr string
	mu   sync.Mutex
	got  []*bytes.Buffer
}

// newRecorder starts one. It reads requests with net/http's parser and answers 200 with "ok"; the bytes are kept as they
// came.
func newRecorder(t testing.TB) *recorder {
	t.Helper()
	rec := &recorder{}
	rec.addr = listen(t, func(c net.Conn) {
		rec.mu.Lock()
		buf := &bytes.Buffer{}
		rec.got = append(rec.got, buf)
		rec.mu.Unlock()
		in := bufio.NewReader(io.TeeReader(c, lockedWriter{&rec.mu, buf}))
		for {
			req, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			if _, err := io.Copy(io.Discard, req.Body); err != nil {
				return
			}
			if _, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"); err != nil || req.Close {
				return
			}
		}
	})
	return rec
}

type lockedWriter struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// bytes gives all that came, one connection after the other.
func (rec *recorder) bytes() string {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	var all string
	for _, b := range rec.got {
		all += b.String()
	}
	return all
}

// listen serves connections with handle, and waits for it at the end of the test.
func listen(t testing.TB, handle func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	open := map[net.Conn]bool{}
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open[c] = true
			mu.Unlock()
			wg.Go(func() {
				handle(c)
				_ = c.Close()
				mu.Lock()
				delete(open, c)
				mu.Unlock()
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		for c := range open {
			_ = c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return l.Addr().String()
}

// answering is a target that reads one head and answers with these bytes, then closes.
func answering(t testing.TB, answer string) string {
	return listen(t, func(c net.Conn) {
		req, err := http.ReadRequest(bufio.NewReader(c))
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, req.Body)
		_, _ = io.WriteString(c, answer)
	})
}

// client is an HTTP client of the test.
func client(t testing.TB) *http.Client {
	tr := &http.Transport{DisableCompression: true}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 20 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func (r *rig) get(path string) (*http.Response, string) {
	r.t.Helper()
	resp, err := client(r.t).Get("http://" + r.addr + path)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp, body(r.t, resp)
}

func body(t testing.TB, resp *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err != nil {
		t.Fatal(fmt.Errorf("read the body: %w", err))
	}
	return string(b)
}
