package l4

import (
	"context"
	"iter"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/maitred/maitred/internal/core/routing"
	"github.com/maitred/maitred/internal/lb/flight"
	"github.com/maitred/maitred/internal/model"
)

func TestIdleWatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var activity, looks atomic.Int64
		start := time.Now()
		expired := make(chan time.Duration, 1)
		w := watchIdle(80*time.Second, activity.Load, func() { looks.Add(1) }, func() { expired <- time.Since(start) })
		for range 10 {
			time.Sleep(79 * time.Second)
			activity.Add(1)
		}
		if at := <-expired; at < 870*time.Second || at > 880*time.Second {
			t.Errorf("expired after %v, want 80 to 90 s after the last activity at 790 s", at)
		}
		w.stop()
		quiet := looks.Load()
		w = watchIdle(80*time.Second, activity.Load, func() { looks.Add(1) }, func() { t.Error("expired though it was stopped") })
		time.Sleep(35 * time.Second)
		w.stop()
		time.Sleep(time.Hour)
		if n := looks.Load() - quiet; n != 3 {
			t.Errorf("%d looks in 35 s, want 3", n)
		}
	})
}

// fakeSocket is a socket whose datagrams are sent by a test.
type fakeSocket struct {
	PacketConn
	in   chan netip.AddrPort
	out  chan netip.AddrPort
	done chan struct{}
	once sync.Once
}

func (f *fakeSocket) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	select {
	case from := <-f.in:
		return copy(b, "question"), from, nil
	case <-f.done:
		return 0, netip.AddrPort{}, os.ErrDeadlineExceeded
	}
}

func (f *fakeSocket) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	f.out <- to
	return len(b), nil
}

func (f *fakeSocket) SetReadDeadline(time.Time) error {
	f.once.Do(func() { close(f.done) })
	return nil
}

// TestFlowIdle lets flows be idle: they end after 120 s without a datagram in either direction.
func TestFlowIdle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, table := pureServer(t)
		_ = table
		socket := &fakeSocket{in: make(chan netip.AddrPort), out: make(chan netip.AddrPort, 10), done: make(chan struct{})}
		targets := make(chan net.Conn, 10)
		f := &flows{server: s, socket: socket, to: netip.MustParseAddrPort("127.0.0.1:53"), all: map[netip.AddrPort]*udpFlow{}}
		f.dial = func(context.Context, *model.Target) (net.Conn, error) {
			ours, theirs := net.Pipe()
			targets <- theirs
			return ours, nil
		}
		ctx, cancel := context.WithCancel(t.Context())
		served := make(chan error, 1)
		go func() { served <- f.serve(ctx) }()

		client := netip.MustParseAddrPort("192.0.2.1:1000")
		buf := make([]byte, 100)
		send := func() {
			socket.in <- client
		}
		go send()
		target := <-targets
		_, _ = target.Read(buf)
		for range 5 { // answers alone keep it
			time.Sleep(100 * time.Second)
			_, _ = target.Write([]byte("answer"))
			if to := <-socket.out; to != client {
				t.Errorf("the answer goes to %v", to)
			}
		}
		for range 5 { // and so do questions
			time.Sleep(100 * time.Second)
			go send()
			_, _ = target.Read(buf)
		}
		if f.count() != 1 {
			t.Errorf("%d flows, want 1", f.count())
		}
		time.Sleep(118 * time.Second)
		if f.count() != 1 {
			t.Errorf("%d flows after 118 s, want 1", f.count())
		}
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if f.count() != 0 {
			t.Errorf("%d flows after 138 s, want none", f.count())
		}
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
		s.Shutdown(t.Context())
	})
}

// pureServer has a group with one healthy target.
func pureServer(t *testing.T) (*Server, *routing.Table) {
	t.Helper()
	table := compiled(t, "UDP", map[string]string{}, 1)
	return New(Config{
		ARN: "l", Table: func() *routing.Table { return table }, Flights: flight.New(func(string) {}), Random: func() uint64 { return 1 },
	}), table
}

// compiled is a listener "l" with groups of the given number of targets each, of even weights.
func compiled(t *testing.T, protocol string, attributes map[string]string, sizes ...int) *routing.Table {
	t.Helper()
	lb := &model.LoadBalancer{ARN: "lb", Type: model.NetworkLB}
	forward := &model.Forward{}
	groups, targets := map[string]*model.TargetGroup{}, map[string][]*model.Target{}
	for i, n := range sizes {
		arn := string(rune('a' + i))
		groups[arn] = &model.TargetGroup{ARN: arn, Protocol: protocol, Attributes: attributes}
		forward.Groups = append(forward.Groups, model.WeightedGroup{Group: arn, Weight: 10 * (i + 1)})
		for j := range n {
			address := netip.AddrFrom4([4]byte{10, 0, byte(i), byte(j)}).String()
			targets[arn] = append(targets[arn], &model.Target{Group: arn, ID: address, Address: address, Port: 80})
		}
	}
	l := &model.Listener{ARN: "l", LoadBalancer: "lb", Protocol: protocol, Actions: []model.Action{{Type: model.ActionForward, Forward: forward}}}
	return routing.Compile(nil, routing.Input{
		LoadBalancers: slices.Values([]*model.LoadBalancer{lb}),
		Listeners:     slices.Values([]*model.Listener{l}),
		Rules:         func(string) iter.Seq[*model.Rule] { return func(func(*model.Rule) bool) {} },
		Group:         func(arn string) (*model.TargetGroup, bool) { g, ok := groups[arn]; return g, ok },
		Targets:       func(arn string) iter.Seq[*model.Target] { return slices.Values(targets[arn]) },
		Health:        func(string) routing.Health { return routing.Health{State: model.TargetHealthy} },
	})
}

// TestChoice looks at how flows spread over groups and targets.
func TestChoice(t *testing.T) {
	t.Parallel()
	to := netip.MustParseAddrPort("127.0.0.1:80")
	from := func(i, port int) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, byte(i >> 8), byte(i)}), uint16(port))
	}
	sticky := map[string]string{model.AttributeSticky: "true"}
	for name, test := range map[string]struct {
		protocol   byte
		attributes map[string]string
		flow       func(i int) (netip.AddrPort, uint64)
		targets    int // that 3,000 flows have, of 15
	}{
		"TCP from one port":         {protocolTCP, nil, func(i int) (netip.AddrPort, uint64) { return from(1, 1), mix(uint64(i)) }, 15},
		"UDP from one port":         {protocolUDP, nil, func(int) (netip.AddrPort, uint64) { return from(1, 1), 0 }, 1},
		"UDP from many ports":       {protocolUDP, nil, func(i int) (netip.AddrPort, uint64) { return from(1, i), 0 }, 15},
		"UDP from many addresses":   {protocolUDP, nil, func(i int) (netip.AddrPort, uint64) { return from(i, 1), 0 }, 15},
		"sticky TCP":                {protocolTCP, sticky, func(i int) (netip.AddrPort, uint64) { return from(1, i), mix(uint64(i)) }, 1},
		"sticky UDP":                {protocolUDP, sticky, func(i int) (netip.AddrPort, uint64) { return from(1, i), 0 }, 1},
		"sticky, of many addresses": {protocolTCP, sticky, func(i int) (netip.AddrPort, uint64) { return from(i, 1), mix(uint64(i)) }, 15},
	} {
		table := compiled(t, "TCP_UDP", test.attributes, 5, 10)
		groups, targets := map[string]int{}, map[string]int{}
		for i := range 3000 {
			client, nonce := test.flow(i)
			c := chooseGroup(table.Listeners["l"], flow{client, to, test.protocol}, nonce)
			groups[c.group.Record.ARN]++
			targets[c.next().Path]++
		}
		if len(targets) != test.targets {
			t.Errorf("%s: %d targets, want %d", name, len(targets), test.targets)
		}
		if test.targets > 1 && (groups["a"] < 880 || groups["a"] > 1120) {
			t.Errorf("%s: groups of the weights 10 and 20 get %v of 3,000", name, groups)
		}
		for path, n := range targets {
			if test.targets > 1 && (n < 140 || n > 270) {
				t.Errorf("%s: %s gets %d of 3,000, want about 200", name, path, n)
			}
		}
	}
}

// TestTriesEach chooses each target once, and then none.
func TestTriesEach(t *testing.T) {
	t.Parallel()
	table := compiled(t, "TCP", nil, 5)
	c := chooseGroup(table.Listeners["l"], flow{protocol: protocolTCP}, 3)
	seen := map[string]bool{}
	for target := c.next(); target != nil; target = c.next() {
		seen[target.Path] = true
	}
	if len(seen) != 5 {
		t.Errorf("%d targets are tried, want 5", len(seen))
	}
	empty := chooseGroup(nil, flow{}, 0)
	if empty.next() != nil {
		t.Error("no listener has a target")
	}
}
