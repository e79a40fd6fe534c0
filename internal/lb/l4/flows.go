package l4

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maitred/maitred/internal/core/routing"
	"github.com/maitred/maitred/internal/model"
)

// flows are the flows of one socket, by their clients' addresses.
type flows struct {
	server  *Server
	socket  PacketConn
	to      netip.AddrPort // of the socket
	dial    func(context.Context, *model.Target) (net.Conn, error)
	running sync.WaitGroup
	buffers datagrams

	mu  sync.Mutex
	all map[netip.AddrPort]*udpFlow
}

// udpFlow is the datagrams between one client and its target.
type udpFlow struct {
	flows    *flows
	client   netip.AddrPort
	listener *routing.Listener
	out      net.Conn // to the target, of this flow alone
	way      *passage
	began    time.Time
	last     atomic.Int64 // when something moved, in nanoseconds since 1970
	answered atomic.Bool

	fromClient, toClient atomic.Int64

	mu    sync.Mutex
	cause End
	told  struct{ from, to int64 }
}

func dialUDP(ctx context.Context, t *model.Target) (net.Conn, error) {
	to, err := addressOf(t)
	if err != nil {
		return nil, err
	}
	var d net.Dialer
	return d.DialUDP(ctx, "udp", netip.AddrPort{}, to)
}

func (f *flows) find(client netip.AddrPort) *udpFlow {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.all[client]
}

func (f *flows) forget(u *udpFlow) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.all[u.client] == u {
		delete(f.all, u.client)
	}
}

func (f *flows) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.all)
}

// evictLooks is how many flows are looked at to find one that may go.
const evictLooks = 32

// room makes sure that there is room for one more flow. Where there is none, one goes that its target has never answered:
// of a few, the one that has been idle for longest. So a flood from made-up addresses pushes out its own.
func (f *flows) room() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.all) < f.server.cfg.MaxFlows {
		return true
	}
	var oldest *udpFlow
	looked := 0
	for _, u := range f.all { // in no order
		if !u.answered.Load() && (oldest == nil || u.last.Load() < oldest.last.Load()) {
			oldest = u
		}
		if looked++; looked == evictLooks {
			break
		}
	}
	if oldest == nil {
		return false
	}
	delete(f.all, oldest.client)
	oldest.cut(EndRejected)
	return true
}

// add begins a flow that has its target.
func (f *flows) add(client netip.AddrPort, l *routing.Listener, out net.Conn, way *passage) *udpFlow {
	u := &udpFlow{flows: f, client: client, listener: l, out: out, way: way, began: f.server.cfg.Now()}
	u.last.Store(u.began.UnixNano())
	way.cut = u.cut
	f.mu.Lock()
	f.all[client] = u
	f.mu.Unlock()
	u.observe(Sample{New: true, FailOpen: way.group.FailOpen})
	f.server.flying.add(way)
	f.running.Go(u.answers)
	return u
}

// answers passes on what the target sends, until the flow ends.
func (u *udpFlow) answers() {
	f := u.flows
	read := f.buffers.reader(u.out)
	for {
		n, err := read(func(payload []byte) {
			u.last.Store(f.server.cfg.Now().UnixNano())
			u.answered.Store(true)
			_, _ = f.socket.WriteToUDPAddrPort(payload, u.client) // what does not arrive is lost, as datagrams are
		})
		u.toClient.Add(int64(n))
		if err != nil {
			u.broke(err)
			break
		}
	}
	f.forget(u)
	f.server.flying.remove(u.way)
	u.way.land()
	u.mu.Lock()
	cause := u.cause
	u.mu.Unlock()
	u.observe(Sample{End: cause})
}

// broke ends a flow whose socket has failed. A target that is not there has said so by ICMP.
func (u *udpFlow) broke(err error) {
	if !fromPeer(err) {
		u.cut(EndUnreachable)
		return
	}
	if u.cut(EndUnreachable); !ours(err) {
		u.flows.server.cfg.Refused(u.way.target.Path)
	}
}

// cut ends a flow; the first cause stands.
func (u *udpFlow) cut(cause End) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.cause == "" {
		u.cause = cause
		_ = u.out.Close() // nothing is left to be said
	}
}

// observe completes a sample.
func (u *udpFlow) observe(s Sample) {
	u.mu.Lock()
	from, to := u.fromClient.Load(), u.toClient.Load()
	s.FromClient, s.ToClient = from-u.told.from, to-u.told.to
	u.told.from, u.told.to = from, to
	u.mu.Unlock()
	cfg := u.flows.server.cfg
	s.LoadBalancer, s.Listener, s.Protocol, s.Client = u.listener.LoadBalancer.ARN, cfg.ARN, "UDP", u.client
	s.Group, s.Target = u.way.group.Record.ARN, u.way.target.Path
	s.At = cfg.Now()
	s.Age = s.At.Sub(u.began)
	cfg.Observe(s)
}

// sweep ends the flows that are idle, and tells what has moved in the others.
func (f *flows) sweep(ctx context.Context) {
	tick := time.NewTicker(flowIdle / idleLooks)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		for _, u := range f.snapshot() {
			idle := f.server.cfg.Now().UnixNano() - u.last.Load()
			switch {
			case idle >= int64(flowIdle):
				u.cut(EndClosed)
			case u.untold():
				u.observe(Sample{})
			}
		}
	}
}

func (u *udpFlow) untold() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.cause == "" && (u.fromClient.Load() != u.told.from || u.toClient.Load() != u.told.to)
}

func (f *flows) snapshot() []*udpFlow {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := make([]*udpFlow, 0, len(f.all))
	for _, u := range f.all {
		list = append(list, u)
	}
	return list
}

func (f *flows) closeAll(cause End) {
	for _, u := range f.snapshot() {
		u.cut(cause)
	}
}

// datagrams hands out buffers for datagrams.
type datagrams struct{ pool sync.Pool }

func (d *datagrams) get() *[]byte {
	if b, ok := d.pool.Get().(*[]byte); ok {
		return b
	}
	b := make([]byte, datagramMax)
	return &b
}

// reader gives what reads one datagram and hands it to use.
func (d *datagrams) reader(c net.Conn) func(use func([]byte)) (int, error) {
	if read := d.waiting(c); read != nil {
		return read
	}
	buf := make([]byte, datagramMax)
	return func(use func([]byte)) (int, error) {
		n, err := c.Read(buf)
		if err != nil {
			return 0, err
		}
		use(buf[:n])
		return n, nil
	}
}
