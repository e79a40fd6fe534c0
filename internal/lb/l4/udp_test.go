package l4_test

import (
	"encoding/hex"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/maitred/maitred/internal/core/routing"
	"github.com/maitred/maitred/internal/lb/l4"
	"github.com/maitred/maitred/internal/model"
)

// serveUDP serves UDP at the address of TCP, or at one of its own.
func (w *world) serveUDP(change ...func(*l4.Config)) string {
	w.t.Helper()
	if w.server == nil {
		w.serve(change...)
	}
	socket, err := (&net.ListenConfig{}).ListenPacket(w.t.Context(), "udp", w.address)
	if err != nil {
		w.t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- w.server.ServeUDP(w.t.Context(), socket) }()
	w.t.Cleanup(func() {
		w.server.Shutdown(w.t.Context())
		if err := <-done; err != nil {
			w.t.Errorf("ServeUDP = %v", err)
		}
	})
	return w.address
}

// echoUDP answers each datagram with its name before it.
func echoUDP(t testing.TB, name string) string {
	t.Helper()
	socket, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		buf := make([]byte, 64<<10)
		for {
			n, from, err := socket.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			_, _ = socket.WriteToUDPAddrPort(append([]byte(name+" "), buf[:n]...), from)
		}
	})
	t.Cleanup(func() { _ = socket.Close(); running.Wait() })
	return socket.LocalAddr().String()
}

func dialUDP(t testing.TB, address string) net.Conn {
	t.Helper()
	c, err := net.Dial("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return c
}

func ask(t testing.TB, c net.Conn, text string) string {
	t.Helper()
	if _, err := c.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 64<<10)
	n, err := c.Read(buf)
	if err != nil {
		t.Fatalf("the answer to %q: %v", text, err)
	}
	return string(buf[:n])
}

// TestFlows keeps each flow at its target while others come, and ends it where the group says so.
func TestFlows(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "UDP")
	first := w.target(echoUDP(t, "first"))
	address := w.serveUDP()
	clients := make([]net.Conn, 20)
	for i := range clients {
		clients[i] = dialUDP(t, address)
		if got := ask(t, clients[i], "x"); got != "first x" {
			t.Fatalf("got %q", got)
		}
	}
	if got := ask(t, clients[0], ""); got != "first " {
		t.Errorf("an empty datagram: %q", got)
	}
	w.target(echoUDP(t, "second"))
	w.compile()
	seen := map[string]int{}
	for range 40 {
		seen[ask(t, dialUDP(t, address), "x")]++
	}
	if seen["first x"] == 0 || seen["second x"] == 0 {
		t.Errorf("new flows go to %v, want both", seen)
	}
	for _, c := range clients {
		if got := ask(t, c, "y"); got != "first y" {
			t.Errorf("a flow has moved: %q", got)
		}
	}
	flying := w.flights.Target(first.Path())
	if flying.InFlight() < 20 {
		t.Errorf("%d flows in flight", flying.InFlight())
	}
	// It is deregistered, and the delay passes: groups of UDP end their flows then.
	draining := *first
	draining.DrainAt = noon
	w.targets[first.Group] = w.targets[first.Group][:0:0]
	w.targets[first.Group] = append(w.targets[first.Group], &draining)
	w.target(echoUDP(t, "third"))
	w.compile()
	flying.Close()
	if got := ask(t, clients[0], "z"); got != "first z" {
		t.Errorf("a flow to a draining target has moved: %q", got)
	}
	flying.Quit()
	await(t, "drained", w.drained)
	if got := ask(t, clients[0], "z"); got != "third z" {
		t.Errorf("after the delay: %q", got)
	}
}

// TestUnhealthyFlows moves the flows of a target that becomes unhealthy.
func TestUnhealthyFlows(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "UDP")
	bad := w.target(echoUDP(t, "bad"))
	address := w.serveUDP()
	c := dialUDP(t, address)
	ask(t, c, "x")
	w.health[bad.Path()] = routing.Health{State: model.TargetUnhealthy, Since: noon}
	w.target(echoUDP(t, "good"))
	w.compile()
	w.samples.ends(t, 1)
	if got := ask(t, c, "x"); got != "good x" {
		t.Errorf("got %q", got)
	}
}

// TestTCPAndUDP has both at one port, and a client that stays with its target in both.
func TestTCPAndUDP(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "TCP_UDP")
	w.attribute(model.AttributeSticky, "true")
	for i := range 5 {
		address := echoUDP(t, name(i))
		w.target(address)
		l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", address)
		if err != nil {
			t.Skip("the port is in use for TCP")
		}
		t.Cleanup(func() { _ = l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				_, _ = c.Write([]byte(name(i) + "\n"))
				_ = c.Close()
			}
		}()
	}
	address := w.serveUDP()
	home := line(t, dial(t, address))
	for range 10 {
		if got := line(t, dial(t, address)); got != home {
			t.Errorf("TCP: got %s, want %s again", got, home)
		}
		if got := ask(t, dialUDP(t, address), "x"); got != home+" x" {
			t.Errorf("UDP: got %s, want %s too", got, home)
		}
	}
	seen := map[string]bool{}
	for i := range 40 {
		seen[line(t, dialFrom(t, "127.0.3."+name(i)[1:], address))] = true
	}
	if len(seen) < 3 {
		t.Errorf("40 clients have only %v", seen)
	}
}

// TestUDPNobodyThere blames a target that says by ICMP that it is not there; the client's next datagrams find another.
func TestUDPNobodyThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "UDP")
	w.target(dead(t))
	address := w.serveUDP()
	c := dialUDP(t, address)
	_, _ = c.Write([]byte("x"))
	path := await(t, "the blame", w.refused)
	w.health[path] = routing.Health{State: model.TargetUnhealthy, Since: noon}
	w.target(echoUDP(t, "alive"))
	w.compile()
	if got := ask(t, c, "y"); got != "alive y" {
		t.Errorf("got %q", got)
	}
}

func TestUDPProxyProtocol(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "UDP")
	w.attribute(model.AttributeProxyProtocol, "true")
	w.target(echoUDP(t, "a"))
	address := w.serveUDP()
	c := dialUDP(t, address)
	for range 2 {
		got := []byte(ask(t, c, "payload"))
		if len(got) != 2+28+7 || hex.EncodeToString(got[2:18]) != "0d0a0d0a000d0a515549540a"+"2112000c" || string(got[30:]) != "payload" {
			t.Errorf("got %q", got)
		}
	}
}

// TestFlood sends from more clients than there may be flows: those that are answered stay, and nothing grows.
func TestFlood(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "UDP")
	silent, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	answering := w.target(echoUDP(t, "a"))
	address := w.serveUDP(func(c *l4.Config) { c.MaxFlows = 8 })
	good := []net.Conn{dialUDP(t, address), dialUDP(t, address), dialUDP(t, address)}
	for _, c := range good {
		ask(t, c, "x")
	}
	w.health[answering.Path()] = routing.Health{State: model.TargetUnhealthy, Since: noon}
	w.attribute(model.AttributeTerminateUnhealthy, "false")
	mute := w.target(silent.LocalAddr().String())
	w.compile()
	for range 200 {
		_, _ = dialUDP(t, address).Write([]byte("flood"))
	}
	ends := w.samples.ends(t, 195)
	if ends[l4.EndRejected] < 195 {
		t.Errorf("got ends %v", ends)
	}
	if n := w.flights.Target(mute.Path()).InFlight(); n > 8 {
		t.Errorf("%d flows to the silent target, want at most 8", n)
	}
	for _, c := range good {
		if got := ask(t, c, "y"); got != "a y" {
			t.Errorf("a flow that is answered was pushed out: %q", got)
		}
	}
}

func TestUDPNeedsAddresses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "UDP")
	w.serve()
	if err := w.server.ServeUDP(t.Context(), struct{ net.PacketConn }{}); err == nil {
		t.Error("a socket without addresses is served")
	}
}
