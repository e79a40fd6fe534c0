package lb_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/maitred/maitred/internal/lb"
	"github.com/maitred/maitred/internal/lb/accesslog"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
	"github.com/maitred/maitred/internal/testneeds"
)

func TestNewNeedsItsParts(t *testing.T) {
	t.Parallel()
	if _, err := lb.New(lb.Config{}); err == nil {
		t.Error("a balancer is made of nothing")
	}
}

// TestServed takes a target from its registration to its end.
func TestServed(t *testing.T) {
	t.Parallel()
	w, f, _, x := newSite(t)
	w.put(x)
	r := w.run()
	w.untilState(x, model.TargetHealthy)
	untilAnswer(t, f.url(), http.StatusOK, "one")
	if got := w.balancer(); !got.Connected || got.Host != "here" || got.Version != "test" || got.JoinedAt.IsZero() || len(got.Failed) > 0 {
		t.Errorf("the balancer says %+v", got)
	}

	w.put(drained(x, time.Minute))
	w.until("it is drained", func(*store.View) bool { h := w.health(x); return h.Drained && h.State == model.TargetDraining })
	w.remove(x.Key())
	w.until("its health is forgotten", func(*store.View) bool { return w.health(x) == nil })
	untilAnswer(t, f.url(), http.StatusServiceUnavailable, "")

	joined := w.balancer().JoinedAt
	r.end(t)
	if got := w.balancer(); got.Connected || !got.JoinedAt.Equal(joined) {
		t.Errorf("after the end the balancer says %+v, want it gone, and to have joined at %s", got, joined)
	}
	if got := ask(t.Context(), f.url()); got.err == nil {
		t.Errorf("after the end the answer is %+v", got)
	}
}

// TestDrain keeps a target that is being deregistered until its last request has ended.
func TestDrain(t *testing.T) {
	t.Parallel()
	w, f, one, two := newWorld(t), newFront(t), newBackend(t, "one"), newBackend(t, "two")
	f.put(w)
	x := one.target(t, "")
	w.put(x)
	w.run()
	w.untilState(x, model.TargetHealthy)
	slow := later(t.Context(), f.url()+"slow")
	<-one.slow
	y := two.target(t, "")
	w.put(y)
	w.untilState(y, model.TargetHealthy)

	w.put(drained(x, time.Hour))
	w.untilState(x, model.TargetDraining)
	for range 20 {
		if got := ask(t.Context(), f.url()); got.body != "two" {
			t.Fatalf("while the other target is drained the answer is %+v", got)
		}
	}
	if w.health(x).Drained {
		t.Error("it is said to be drained with a request in flight")
	}
	close(one.release)
	if got := <-slow; got.code != http.StatusOK || got.body != "one" {
		t.Errorf("the last request is answered by %+v", got)
	}
	w.until("it is drained", func(*store.View) bool { return w.health(x).Drained })

	w.put(x) // registered again
	w.untilState(x, model.TargetHealthy)
	if w.health(x).Drained {
		t.Error("it is healthy and said to be drained")
	}
	w.put(drained(y, time.Hour))
	w.until("the other one is drained", func(*store.View) bool { return w.health(y).Drained })
	untilAnswer(t, f.url(), http.StatusOK, "one")
}

// TestDelayOver cuts what is in flight when the deregistration delay is over.
func TestDelayOver(t *testing.T) {
	t.Parallel()
	w, f, b, x := newSite(t)
	w.put(x)
	w.run()
	w.untilState(x, model.TargetHealthy)
	slow := later(t.Context(), f.url()+"slow")
	<-b.slow
	w.put(drained(x, 50*time.Millisecond))
	if got := <-slow; got.code != http.StatusBadGateway {
		t.Errorf("the request that was cut is answered by %+v, want 502", got)
	}
	w.until("it is drained", func(*store.View) bool { return w.health(x).Drained })
}

// TestGoneWithRequests cuts what is in flight to a target whose record is deleted.
func TestGoneWithRequests(t *testing.T) {
	t.Parallel()
	w, f, b, x := newSite(t)
	w.put(x)
	w.run()
	w.untilState(x, model.TargetHealthy)
	slow := later(t.Context(), f.url()+"slow")
	<-b.slow
	w.remove(x.Key())
	if got := <-slow; got.code != http.StatusBadGateway {
		t.Errorf("the request that was cut is answered by %+v, want 502", got)
	}
}

// TestEndDrains goes on following the store until its last request has ended.
func TestEndDrains(t *testing.T) {
	t.Parallel()
	w, f, b, x := newSite(t)
	w.put(x)
	r := w.run()
	w.untilState(x, model.TargetHealthy)
	slow := later(t.Context(), f.url()+"slow")
	<-b.slow
	r.stop()
	eventually(t, "nobody listens", func() bool { return ask(t.Context(), f.url()).err != nil })
	w.put(drained(x, time.Hour))
	w.untilState(x, model.TargetDraining)
	if h := w.health(x); h.Drained || !w.balancer().Connected {
		t.Errorf("with a request in flight %+v and %+v are said", h, w.balancer())
	}
	close(b.release)
	if got := <-slow; got.code != http.StatusOK {
		t.Errorf("the last request is answered by %+v", got)
	}
	r.end(t)
	if h := w.health(x); !h.Drained || w.balancer().Connected {
		t.Errorf("after the end %+v and %+v are said", h, w.balancer())
	}
}

// TestListenerChanges moves a listener to another port, another protocol, and away.
func TestListenerChanges(t *testing.T) {
	t.Parallel()
	w, f, _, x := newSite(t)
	w.put(x)
	w.run()
	untilAnswer(t, f.url(), http.StatusOK, "one")

	before := f.url()
	f.listener.Port = testneeds.Port(t)
	f.put(w)
	untilAnswer(t, f.url(), http.StatusOK, "one")
	eventually(t, "the old port is closed", func() bool { return ask(t.Context(), before).err != nil })

	// The port of the listener that goes is taken by one of another protocol in the same change.
	group, balancer, listener := f.group, f.lb, f.listener
	balancer.ARN, balancer.Type = netARN, model.NetworkLB
	group.Protocol, group.ProtocolVersion, group.ARN = "TCP", "", account+"targetgroup/tcp/0123456789abcdef"
	group.Check.Protocol, group.Check.Path, group.Check.Matcher = "TCP", "", ""
	listener.ARN, listener.LoadBalancer, listener.Protocol = account+"listener/net/web/0123456789abcdef/0000000000000001", netARN, "TCP"
	listener.Actions = []model.Action{{Type: model.ActionForward, Forward: &model.Forward{Groups: []model.WeightedGroup{{Group: group.ARN, Weight: 1}}}}}
	y := *x
	y.Group = group.ARN
	if _, err := w.store.Update(t.Context(), func(tx *store.Tx) error {
		tx.Delete(f.listener.Key())
		for _, r := range []model.Record{&balancer, &group, &listener, &y} {
			tx.Put(r)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	w.untilState(&y, model.TargetHealthy)
	w.untilState(x, model.TargetUnused)
	c, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(f.listener.Port)))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_, _ = fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	got := make([]byte, 4096)
	if n, err := c.Read(got); err != nil || !strings.HasPrefix(string(got[:n]), "HTTP/1.1 200") {
		t.Errorf("through TCP comes %q, %v", got[:n], err)
	}

	w.remove(listener.Key())
	eventually(t, "nobody listens", func() bool { return ask(t.Context(), f.url()).err != nil })
}

// TestPortTaken tells that a port cannot be had, and serves as soon as it can.
func TestPortTaken(t *testing.T) {
	t.Parallel()
	w, f, b := newWorld(t), newFront(t), newBackend(t, "one")
	other, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(f.listener.Port)))
	if err != nil {
		t.Fatal(err)
	}
	f.put(w)
	w.put(b.target(t, ""))
	w.run()
	w.until("the failure is told", func(*store.View) bool {
		r := w.balancer()
		return r != nil && strings.Contains(r.Failed[listenerARN], "address already in use")
	})
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	w.until("it is served", func(*store.View) bool { return len(w.balancer().Failed) == 0 })
	untilAnswer(t, f.url(), http.StatusOK, "one")
}

// TestStoreAway serves on while nothing can be written, and then writes the newest state alone.
func TestStoreAway(t *testing.T) {
	t.Parallel()
	w, f, one, two := newWorld(t), newFront(t), newBackend(t, "one"), newBackend(t, "two")
	f.group.Check.Interval = time.Second
	f.put(w)
	x, y := one.target(t, ""), two.target(t, "")
	w.put(x, y)
	w.run()
	w.untilState(x, model.TargetHealthy)
	w.untilState(y, model.TargetHealthy)
	w.away.Store(true)
	before := w.writes.Load()
	one.Close() // its connections are refused: it is out of rotation at once, and unhealthy after two checks
	for range 50 {
		if got := ask(t.Context(), f.url()); got.code != http.StatusOK || got.body != "two" {
			t.Fatalf("with the store away the answer is %+v", got)
		}
	}
	if got := w.writes.Load(); got != before {
		t.Fatal("the store is not away")
	}
	w.away.Store(false)
	w.untilState(x, model.TargetUnhealthy)
	if h := w.health(y); h.State != model.TargetHealthy {
		t.Errorf("the other target is said to be %+v", h)
	}
}

// TestRestart knows after a restart what it knew before: healthy targets stay so, without a check and without a write.
func TestRestart(t *testing.T) {
	t.Parallel()
	w, f, b := newWorld(t), newFront(t), newBackend(t, "one")
	f.group.Check.Interval = time.Hour
	f.put(w)
	x := b.target(t, "")
	w.put(x)
	r := w.run()
	w.untilState(x, model.TargetHealthy)
	since := w.health(x)
	r.end(t)
	w.run()
	untilAnswer(t, f.url(), http.StatusOK, "one")
	w.until("it is back", func(*store.View) bool { return w.balancer().Connected })
	if diff := cmp.Diff(since, w.health(x)); diff != "" {
		t.Errorf("what is known of the target has changed (-before +after):\n%s", diff)
	}
}

// TestStaleHealth removes what is left of a target that went while there was no balancer.
func TestStaleHealth(t *testing.T) {
	t.Parallel()
	w, _, _, x := newSite(t)
	w.put(&model.TargetHealth{Balancer: balancerID, Target: x.Path(), State: model.TargetHealthy})
	w.run()
	w.until("it is removed", func(*store.View) bool { return w.health(x) == nil })
}

// TestFewWrites writes one record for a target that is healthy at once.
func TestFewWrites(t *testing.T) {
	t.Parallel()
	w, f, b := newWorld(t), newFront(t), newBackend(t, "one")
	f.put(w)
	w.run(func(c *lb.Config) { c.Heartbeat = time.Hour })
	untilAnswer(t, f.url(), http.StatusServiceUnavailable, "")
	before := w.writes.Load()
	const targets = 20
	var all []*model.Target
	for i := range targets {
		x := b.target(t, fmt.Sprintf("arn:aws:ecs:us-east-1:123456789012:task/c/%032d", i))
		all = append(all, x)
		w.put(x)
	}
	for _, x := range all {
		w.untilState(x, model.TargetHealthy)
	}
	// One write each at most.
	if got := w.writes.Load() - before; got > 2*targets {
		t.Errorf("%d commits for %d targets", got, targets)
	}
}

// TestAccessLog logs the requests to load balancers that have it turned on.
func TestAccessLog(t *testing.T) {
	t.Parallel()
	w, f, b := newWorld(t), newFront(t), newBackend(t, "one")
	f.put(w)
	w.put(b.target(t, ""))
	var log entries
	w.run(func(c *lb.Config) { c.AccessLog = &log })
	untilAnswer(t, f.url(), http.StatusOK, "one")
	if got := log.count(); got != 0 {
		t.Errorf("%d requests are logged, and nobody wants it", got)
	}
	f.lb.Attributes = map[string]string{"access_logs.s3.enabled": "true"}
	f.put(w)
	eventually(t, "a request is logged", func() bool { return ask(t.Context(), f.url()).code == http.StatusOK && log.count() > 0 })
}

type entries struct {
	mu sync.Mutex
	n  int
}

func (e *entries) Log(*accesslog.Entry) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.n++
	return true
}

func (e *entries) count() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.n
}

// TestHurry cuts what has not ended.
func TestHurry(t *testing.T) {
	t.Parallel()
	w, f, b, x := newSite(t)
	w.put(x)
	hurry := make(chan struct{})
	r := w.run(func(c *lb.Config) { c.Hurry = hurry })
	w.untilState(x, model.TargetHealthy)
	slow := later(context.Background(), f.url()+"slow")
	<-b.slow
	r.stop()
	close(hurry)
	r.end(t)
	if got := <-slow; got.err == nil && got.code == http.StatusOK {
		t.Errorf("the request that was cut is answered by %+v", got)
	}
}
