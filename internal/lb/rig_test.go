package lb_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/maitred/maitred/internal/lb"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
	"github.com/maitred/maitred/internal/store/mem"
	"github.com/maitred/maitred/internal/testneeds"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	account     = "arn:aws:elasticloadbalancing:us-east-1:123456789012:"
	lbARN       = account + "loadbalancer/app/web/0123456789abcdef"
	netARN      = account + "loadbalancer/net/web/0123456789abcdef"
	listenerARN = account + "listener/app/web/0123456789abcdef/fedcba9876543210"
	groupARN    = account + "targetgroup/web/0123456789abcdef"
	balancerID  = "0123456789abcdef0123456789abcdef"
)

// world is a store and a balancer that serves it.
type world struct {
	t      *testing.T
	store  *store.Store
	away   atomic.Bool // commits fail
	writes atomic.Int64
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t}
	backend := mem.New(mem.Options{
		Faults: func(*store.Txn) mem.Fault {
			if w.away.Load() {
				return mem.Fault{Err: errors.New("the store is away")}
			}
			return mem.Fault{}
		},
		Committed: func(int64) { w.writes.Add(1) },
	})
	s, err := store.Open(context.Background(), backend, store.Scope{})
	if err != nil {
		t.Fatal(err)
	}
	w.store = s
	t.Cleanup(func() {
		s.Close()
		if err := backend.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

type running struct {
	*lb.Balancer
	stop context.CancelFunc
	done chan struct{}
	err  error
}

// run has a balancer serve until the test ends, or end is called.
func (w *world) run(change ...func(*lb.Config)) *running {
	w.t.Helper()
	config := lb.Config{
		Store: w.store, ID: balancerID, Host: "here", Version: "test", Secret: []byte("0123456789abcdef"), Random: rand.Uint64,
		Grace: 20 * time.Second,
	}
	for _, c := range change {
		c(&config)
	}
	b, err := lb.New(config)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{Balancer: b, stop: cancel, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		r.err = b.Run(ctx)
	}()
	w.t.Cleanup(func() {
		cancel()
		<-r.done
	})
	return r
}

// end has it end, and waits for that.
func (r *running) end(t *testing.T) {
	t.Helper()
	r.stop()
	<-r.done
	if r.err != nil {
		t.Errorf("Run: %v", r.err)
	}
}

func (w *world) put(records ...model.Record) {
	w.t.Helper()
	if _, err := w.store.Update(context.Background(), func(tx *store.Tx) error {
		for _, r := range records {
			tx.Put(r)
		}
		return nil
	}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) remove(keys ...model.Key) {
	w.t.Helper()
	if _, err := w.store.Update(context.Background(), func(tx *store.Tx) error {
		for _, k := range keys {
			tx.Delete(k)
		}
		return nil
	}); err != nil {
		w.t.Fatal(err)
	}
}

// until waits for the store to show something.
func (w *world) until(what string, so func(v *store.View) bool) {
	w.t.Helper()
	watcher := w.store.Watch()
	defer watcher.Close()
	limit := time.NewTimer(time.Minute)
	defer limit.Stop()
	for {
		if _, _, v := watcher.Snapshot(); so(v) {
			return
		}
		select {
		case <-watcher.C():
		case <-limit.C:
			w.t.Fatalf("it never is so that %s", what)
		}
	}
}

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

func (w *world) health(x *model.Target) *model.TargetHealth {
	r, _, _ := w.store.View().Get(model.TargetHealthKey(balancerID, x.Path()))
	h, _ := r.(*model.TargetHealth)
	return h
}

func (w *world) untilState(x *model.Target, s model.TargetState) {
	w.t.Helper()
	w.until(fmt.Sprintf("%s is %s", x.Path(), s), func(*store.View) bool {
		h := w.health(x)
		return h != nil && h.State == s
	})
}

func (w *world) balancer() *model.Balancer {
	r, _, _ := w.store.View().Get(model.BalancerKey(balancerID))
	b, _ := r.(*model.Balancer)
	return b
}

// front is a load balancer with one listener that leads to one group.
type front struct {
	lb       model.LoadBalancer
	listener model.Listener
	group    model.TargetGroup
}

func (f *front) put(w *world) {
	w.t.Helper()
	balancer, listener, group := f.lb, f.listener, f.group
	w.put(&balancer, &listener, &group)
}

func (f *front) url() string { return fmt.Sprintf("http://127.0.0.1:%d/", f.listener.Port) }

func newFront(t testing.TB) *front {
	t.Helper()
	return &front{
		lb: model.LoadBalancer{ARN: lbARN, Name: "web", Type: model.Application, Address: "127.0.0.1", Attributes: map[string]string{}},
		listener: model.Listener{
			ARN: listenerARN, LoadBalancer: lbARN, Port: testneeds.Port(t), Protocol: "HTTP",
			Actions: []model.Action{{Type: model.ActionForward, Forward: &model.Forward{Groups: []model.WeightedGroup{{Group: groupARN, Weight: 1}}}}},
		},
		group: model.TargetGroup{
			ARN: groupARN, Name: "web", Protocol: "HTTP", ProtocolVersion: "HTTP1", Port: 80, TargetType: "ip", Attributes: map[string]string{},
			Check: model.TargetCheck{
				Protocol: "HTTP", Port: "traffic-port", Path: "/health", Interval: 5 * time.Second, Timeout: 4 * time.Second,
				Healthy: 2, Unhealthy: 2, Matcher: "200",
			},
		},
	}
}

// backend is a target that answers with its name; /slow is answered once release is closed.
type backend struct {
	*httptest.Server
	slow    chan struct{} // gets one for each request that waits
	release chan struct{}
}

// newSite is a world with a front, and a backend behind it, called one, whose target is not registered yet.
func newSite(t *testing.T) (*world, *front, *backend, *model.Target) {
	t.Helper()
	w, f, b := newWorld(t), newFront(t), newBackend(t, "one")
	f.put(w)
	x := b.target(t, "")
	return w, f, b, x
}

func newBackend(t testing.TB, name string) *backend {
	t.Helper()
	b := &backend{slow: make(chan struct{}, 100), release: make(chan struct{})}
	b.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			b.slow <- struct{}{}
			select {
			case <-b.release:
			case <-r.Context().Done():
			}
		}
		_, _ = io.WriteString(rw, name)
	}))
	t.Cleanup(b.Close)
	return b
}

// target is the backend as a target of the group.
func (b *backend) target(t testing.TB, task string) *model.Target {
	t.Helper()
	at, err := netip.ParseAddrPort(b.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return &model.Target{
		Group: groupARN, ID: at.Addr().String(), Address: at.Addr().String(), Port: int(at.Port()), Task: task,
		RegisteredAt: time.Now().UTC().Round(0),
	}
}

// drained is the target as it is while it is being deregistered.
func drained(x *model.Target, delay time.Duration) *model.Target {
	d := *x
	d.DrainAt = time.Now().UTC().Round(0)
	d.DrainBy = d.DrainAt.Add(delay)
	return &d
}

type answer struct {
	code int
	body string
	err  error
}

// ask sends a request on a connection of its own.
func ask(ctx context.Context, url string) (a answer) {
	transport := &http.Transport{DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return answer{err: err}
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return answer{err: err}
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, string(body), err}
}

// untilAnswer waits for an answer with a code and a body, any if it is "".
func untilAnswer(t *testing.T, url string, code int, body string) {
	t.Helper()
	var last answer
	for range 6000 {
		if last = ask(t.Context(), url); last.err == nil && last.code == code && (last.body == body || body == "") {
			return
		}
		<-time.After(5 * time.Millisecond)
	}
	t.Fatalf("%s answers %+v, want %d %q", url, last, code, body)
}

func later(ctx context.Context, url string) <-chan answer {
	c := make(chan answer, 1)
	go func() { c <- ask(ctx, url) }()
	return c
}
