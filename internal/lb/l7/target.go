package l7

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maitred/maitred/internal/core/routing"
	"github.com/maitred/maitred/internal/lb/anomaly"
	"github.com/maitred/maitred/internal/lb/cookie"
	"github.com/maitred/maitred/internal/lb/flight"
	"github.com/maitred/maitred/internal/model"
)

// groups is what a server remembers of target groups from one table to the next.
type groups struct {
	server *Server
	copies sync.Pool // *[]byte of copyBuffer

	mu    sync.Mutex
	table *routing.Table // the one that was pruned for last
	known map[string]*group
}

// group is what is remembered of a target group: whose turn it is, and its targets.
type group struct {
	groups  *groups
	id      cookie.ID
	counter atomic.Uint64
	view    atomic.Pointer[view]

	mu     sync.Mutex
	judged time.Time
}

// view is the targets of a group in one table.
type view struct {
	of      *routing.Group
	list    []*target          // in the order of the group's
	targets map[string]*target // by path
	ids     map[cookie.ID]*target
}

// target is what is remembered of a target: the connections to it, and how it did lately.
type target struct {
	path, address string
	id            cookie.ID
	flight        *flight.Target
	transport     sender
	server        *Server
	stays         atomic.Pointer[stay]
	staying       sync.Mutex   // held while a stay is made
	refusedUntil  atomic.Int64 // Unix nanoseconds
	requests      atomic.Int64 // since anomalies were looked for
	errors        atomic.Int64
	weight        atomic.Uint64 // of anomaly mitigation, in 1/1000 of what is lost
	history       anomaly.Target
}

// group gives what is remembered of a group of a table, as that table has it.
func (gs *groups) group(t *routing.Table, g *routing.Group) (*group, *view) {
	gs.mu.Lock()
	if gs.known == nil {
		gs.known = map[string]*group{}
	}
	if gs.table != t {
		gs.prune(t)
	}
	arn := g.Record.ARN
	x, ok := gs.known[arn]
	if !ok {
		x = &group{groups: gs, id: cookie.NewID(arn)}
		gs.known[arn] = x
	}
	gs.mu.Unlock()
	if v := x.view.Load(); v != nil && v.of == g {
		return x, v
	}
	v := x.renew(g)
	return x, v
}

// prune drops the groups that are in no table any more.
func (gs *groups) prune(t *routing.Table) {
	gs.table = t
	for arn, x := range gs.known {
		if _, ok := t.Groups[arn]; !ok {
			delete(gs.known, arn)
			x.drop()
		}
	}
}

func (x *group) drop() {
	if v := x.view.Load(); v != nil {
		for _, t := range v.targets {
			t.transport.end()
		}
	}
}

// close ends the connections to all targets.
func (gs *groups) close() {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	for _, x := range gs.known {
		x.drop()
	}
}

// renew makes the view of a group, with the targets of the view before as they were. It is called by a request, and all that
// come meanwhile wait: where only what is known of targets has changed, it costs a look at each of them.
func (x *group) renew(g *routing.Group) *view {
	x.mu.Lock()
	defer x.mu.Unlock()
	old := x.view.Load()
	if old != nil && old.of == g {
		return old
	}
	if old == nil {
		old = &view{of: &routing.Group{}}
	}
	v := &view{of: g, list: make([]*target, len(g.Targets)), targets: old.targets, ids: old.ids}
	left, fresh := v.follow(old, func(rt *routing.Target) *target {
		return x.groups.server.newTarget(g.Record, rt, x.groups.server.config.Flights.Target(rt.Path))
	})
	if len(left)+len(fresh) > 0 {
		v.index(left, fresh)
	}
	for _, t := range left {
		t.transport.end()
	}
	x.view.Store(v)
	return v
}

// follow fills the list: with the targets of the view before, as far as they are still the same, and with fresh ones. Those
// that are left out are left. Both views are ordered by path.
func (v *view) follow(old *view, newTarget func(*routing.Target) *target) (left, fresh []*target) {
	was, list := old.of.Targets, old.list
	for i, rt := range v.of.Targets {
		for len(was) > 0 && was[0] != rt && was[0].Path < rt.Path {
			left = append(left, list[0])
			was, list = was[1:], list[1:]
		}
		if len(was) > 0 && (was[0] == rt || was[0].Path == rt.Path) {
			t := list[0]
			if !t.flight.Gone() && (was[0] == rt || t.address == addressOf(rt.Record)) {
				v.list[i] = t
			} else {
				left = append(left, t)
			}
			was, list = was[1:], list[1:]
		}
		if v.list[i] == nil {
			v.list[i] = newTarget(rt)
			fresh = append(fresh, v.list[i])
		}
	}
	return append(left, list...), fresh
}

// index makes the view's maps of those of the view before.
func (v *view) index(left, fresh []*target) {
	v.targets, v.ids = maps.Clone(v.targets), maps.Clone(v.ids)
	if v.targets == nil {
		v.targets, v.ids = make(map[string]*target, len(fresh)), make(map[cookie.ID]*target, len(fresh))
	}
	for _, t := range left {
		delete(v.targets, t.path)
		delete(v.ids, t.id)
	}
	for _, t := range fresh {
		v.targets[t.path], v.ids[t.id] = t, t
	}
}

func addressOf(t *model.Target) string { return net.JoinHostPort(t.Address, strconv.Itoa(t.Port)) }

func (s *Server) newTarget(g *model.TargetGroup, rt *routing.Target, f *flight.Target) *target {
	t := &target{
		path: rt.Path, address: addressOf(rt.Record),
		id: cookie.NewID(rt.Path), flight: f, server: s,
	}
	t.transport = s.transport(g, t.address)
	t.stay()
	return t
}

// stay is the time of a target from when it is registered until its deregistration delay is over.
type stay struct {
	quit <-chan struct{}
	ctx  context.Context
}

// stay gives the context of what takes off to the target now. A target that is registered again, when its delay was over and
// it was not forgotten yet, is the same target with another stay.
func (t *target) stay() context.Context {
	quit := t.flight.Quitted()
	if now := t.stays.Load(); now != nil && now.quit == quit {
		return now.ctx
	}
	t.staying.Lock()
	defer t.staying.Unlock()
	if now := t.stays.Load(); now != nil && now.quit == quit {
		return now.ctx
	}
	ctx, end := context.WithCancelCause(t.server.ctx)
	t.stays.Store(&stay{quit, ctx})
	t.server.await(quit, func() {
		end(errQuit)
		t.transport.CloseIdleConnections()
	})
	return ctx
}

// await calls done when a target has to quit, unless the server ends before.
func (s *Server) await(quit <-chan struct{}, done func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return
	}
	s.work.Go(func() { // ends when the target is forgotten, or with the server
		select {
		case <-quit:
			done()
		case <-s.ctx.Done():
		}
	})
}

// transport makes the connections to one target: a task that gets the address of another is not sent what was meant for
// that one. Certificates of targets are not checked ("Target groups for your Application Load Balancers").
func (s *Server) transport(g *model.TargetGroup, address string) sender {
	d := &dialer{dial: s.config.Dial, address: address}
	d.tls = &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}} //nolint:gosec // as ALB does
	if g.ProtocolVersion != "HTTP2" && g.ProtocolVersion != "GRPC" {
		if g.Protocol == "HTTPS" {
			return &pool{dial: func(ctx context.Context) (net.Conn, error) { return d.secure(ctx, "tcp", address) }}
		}
		return &pool{dial: func(ctx context.Context) (net.Conn, error) { return d.plain(ctx, "tcp", address) }}
	}
	var protocols http.Protocols
	protocols.SetHTTP2(g.Protocol == "HTTPS")
	protocols.SetUnencryptedHTTP2(g.Protocol != "HTTPS")
	d.tls.NextProtos = []string{"h2"}
	return framedSender{&http.Transport{
		DialContext: d.plain, DialTLSContext: d.secure, Protocols: &protocols,
		MaxIdleConnsPerHost: 1024, IdleConnTimeout: time.Minute, DisableCompression: true,
		MaxResponseHeaderBytes: maxAnswer, ExpectContinueTimeout: time.Second,
		ReadBufferSize: 8 << 10, WriteBufferSize: 8 << 10,
	}}
}

// dialer connects to one target.
type dialer struct {
	dial    func(ctx context.Context, address string) (net.Conn, error)
	address string
	tls     *tls.Config
}

// dialError is a connection that did not come about: no byte of a request was sent.
type dialError struct {
	err     error
	timeout bool // of the connection itself: 504, all else is 502
	tls     bool // the connection came about, but not TLS on it
}

func (e *dialError) Error() string { return e.err.Error() }
func (e *dialError) Unwrap() error { return e.err }

func (d *dialer) plain(ctx context.Context, _, _ string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	dial := d.dial
	if dial == nil {
		dial = func(ctx context.Context, address string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", address)
		}
	}
	c, err := dial(ctx, d.address)
	if err != nil {
		var timeout net.Error
		late := errors.As(err, &timeout) && timeout.Timeout() || errors.Is(err, context.DeadlineExceeded)
		return nil, &dialError{err: fmt.Errorf("connect to the target: %w", err), timeout: late}
	}
	return c, nil
}

func (d *dialer) secure(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := d.plain(ctx, network, address)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, tlsTimeout)
	defer cancel()
	t := tls.Client(c, d.tls)
	if err := t.HandshakeContext(ctx); err != nil {
		return nil, &dialError{err: fmt.Errorf("speak TLS with the target: %w", errors.Join(err, c.Close())), tls: true}
	}
	return t, nil
}
