package lb_test

import (
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// TestChurn registers, deregisters and removes targets thousands of times, as fast as the store takes it, while requests go
// through an Application and a Network Load Balancer: none is lost.
func TestChurn(t *testing.T) {
	t.Parallel()
	w, f := newWorld(t), newFront(t)
	tcp := networkFront(t)
	f.put(w)
	tcp.put(w)
	c := &churn{world: w, random: rand.New(rand.NewPCG(1, 2))} //nolint:gosec // a test's
	for range 12 {
		b := newBackend(t, "x")
		for _, group := range []string{f.group.ARN, tcp.group.ARN} {
			x := b.target(t, "")
			x.Group = group
			c.targets = append(c.targets, x)
			w.put(x)
		}
	}
	r := w.run()
	untilAnswer(t, f.url(), http.StatusOK, "x")
	untilAnswer(t, tcp.url(), http.StatusOK, "x")
	for _, x := range c.targets {
		w.untilState(x, model.TargetHealthy)
	}
	ctx, stop := context.WithCancel(context.Background())
	var clients sync.WaitGroup
	for _, front := range []struct {
		url   string
		fresh bool
	}{{f.url(), false}, {f.url(), false}, {f.url(), true}, {tcp.url(), true}, {tcp.url(), true}} {
		clients.Go(func() { c.client(ctx, t, front.url, front.fresh) })
	}
	const changes = 4000
	for i := range changes {
		c.change()
		if i%100 == 0 { // and some requests among them, however slow the machine is
			before := c.asked.Load()
			eventually(t, "requests go on", func() bool { return c.asked.Load() > before+10 })
		}
	}
	stop()
	clients.Wait()
	t.Logf("%d requests, %d commits, of which the changes were %d; %d targets removed", c.asked.Load(), w.writes.Load(), changes, c.removed)
	if c.removed == 0 {
		t.Error("no target was ever drained and removed")
	}
	c.settle()
	r.end(t)
}

// networkFront is a front of a Network Load Balancer.
func networkFront(t *testing.T) *front {
	t.Helper()
	f := newFront(t)
	f.lb.ARN, f.lb.Type, f.lb.Name = netARN, model.NetworkLB, "net"
	f.group.ARN, f.group.Protocol, f.group.ProtocolVersion = account+"targetgroup/tcp/0123456789abcdef", "TCP", ""
	f.group.Check.Protocol, f.group.Check.Path, f.group.Check.Matcher = "TCP", "", ""
	f.listener.ARN, f.listener.LoadBalancer, f.listener.Protocol = account+"listener/net/net/0123456789abcdef/0000000000000001", netARN, "TCP"
	f.listener.Actions = []model.Action{{Type: model.ActionForward, Forward: &model.Forward{Groups: []model.WeightedGroup{{Group: f.group.ARN, Weight: 1}}}}}
	return f
}

// churn is targets that come and go.
type churn struct {
	*world
	random  *rand.Rand
	targets []*model.Target // as they are when they are registered; the first two stay
	asked   atomic.Int64
	removed int
}

// change does to one target what comes next in its life: it is registered, deregistered, and removed when it is drained.
func (c *churn) change() {
	x := c.targets[2+c.random.IntN(len(c.targets)-2)]
	now, ok := c.store.View().Target(x.Path())
	switch {
	case !ok, now.Draining() && c.random.IntN(3) == 0: // it may come back before it is gone
		again := *x
		again.RegisteredAt = time.Now().UTC().Round(0)
		c.put(&again)
	case !now.Draining():
		c.put(drained(now, time.Hour))
	case c.drained(now):
		c.removed++
		c.remove(x.Key())
	}
}

// drained says what core/balance does: the balancer sends the target nothing since this deregistration.
func (c *churn) drained(x *model.Target) bool {
	h := c.health(x)
	return h != nil && h.Drained && h.Since.Equal(x.DrainAt)
}

// settle has all targets registered, and waits until they are healthy.
func (c *churn) settle() {
	for _, x := range c.targets {
		c.put(x)
	}
	for _, x := range c.targets {
		c.untilState(x, model.TargetHealthy)
	}
	c.until("nothing is known of any other target", func(v *store.View) bool {
		n := 0
		for range v.TargetHealthsOf(balancerID) {
			n++
		}
		return n == len(c.targets)
	})
}

// client sends one request after the other.
func (c *churn) client(ctx context.Context, t *testing.T, url string, fresh bool) {
	transport := &http.Transport{DisableKeepAlives: fresh}
	defer transport.CloseIdleConnections()
	for ctx.Err() == nil {
		req, err := http.NewRequestWithContext(context.WithoutCancel(ctx), http.MethodGet, url, http.NoBody)
		if err != nil {
			t.Error(err)
			return
		}
		resp, err := transport.RoundTrip(req)
		if err != nil {
			t.Errorf("a request to %s is lost: %v", url, err)
			return
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK || string(body) != "x" {
			t.Errorf("a request to %s is answered by %d %q, %v", url, resp.StatusCode, body, err)
			return
		}
		c.asked.Add(1)
	}
}
