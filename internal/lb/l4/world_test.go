package l4_test

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/maitred/maitred/internal/core/routing"
	"github.com/maitred/maitred/internal/lb/flight"
	"github.com/maitred/maitred/internal/lb/l4"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/testneeds"
)

const (
	lbARN       = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/net/n/0123456789abcdef"
	listenerARN = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener/net/n/0123456789abcdef/fedcba9876543210"
	groupPrefix = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/"
	patience    = 20 * time.Second // until a test that waits for something gives up
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// world is a balancer's records, its tables, and one server.
type world struct {
	t       testing.TB
	flights *flight.Targets
	drained chan string
	refused chan string
	samples samples

	listener model.Listener
	groups   map[string]*model.TargetGroup
	targets  map[string][]*model.Target
	health   map[string]routing.Health
	table    atomic.Pointer[routing.Table]
	server   *l4.Server
	address  string
}

// newWorld makes a listener of a protocol with one group "g" of the same protocol.
func newWorld(t testing.TB, protocol string) *world {
	t.Helper()
	w := &world{
		t: t, drained: make(chan string, 1000), refused: make(chan string, 10000),
		groups: map[string]*model.TargetGroup{}, targets: map[string][]*model.Target{}, health: map[string]routing.Health{},
	}
	w.flights = flight.New(func(path string) { w.drained <- path })
	w.listener = model.Listener{ARN: listenerARN, LoadBalancer: lbARN, Protocol: protocol, Port: 80, Attributes: map[string]string{}}
	w.group("g", protocol, 1)
	return w
}

func groupARN(name string) string { return groupPrefix + name + "/0123456789abcdef" }

// group adds a group to the listener.
func (w *world) group(name, protocol string, weight int) *model.TargetGroup {
	g := &model.TargetGroup{
		ARN: groupARN(name), Name: name, Protocol: protocol, TargetType: "ip", Attributes: map[string]string{},
	}
	w.groups[g.ARN] = g
	forward := &model.Forward{}
	if len(w.listener.Actions) > 0 {
		forward = &model.Forward{Groups: slices.Clone(w.listener.Actions[0].Forward.Groups)}
	}
	forward.Groups = append(forward.Groups, model.WeightedGroup{Group: g.ARN, Weight: weight})
	w.listener.Actions = []model.Action{{Type: model.ActionForward, Forward: forward}}
	return g
}

// attribute sets one of the group "g".
func (w *world) attribute(key, value string) {
	g := *w.groups[groupARN("g")]
	g.Attributes = maps.Clone(g.Attributes)
	g.Attributes[key] = value
	w.groups[g.ARN] = &g
}

// target registers a healthy target of the group "g".
func (w *world) target(address string) *model.Target {
	w.t.Helper()
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		w.t.Fatal(err)
	}
	t := &model.Target{Group: groupARN("g"), ID: ap.Addr().String(), Address: ap.Addr().String(), Port: int(ap.Port()), RegisteredAt: noon}
	w.targets[t.Group] = append(w.targets[t.Group], t)
	slices.SortFunc(w.targets[t.Group], func(a, b *model.Target) int { return strings.Compare(a.Path(), b.Path()) })
	w.health[t.Path()] = routing.Health{State: model.TargetHealthy, Since: noon}
	return t
}

// compile makes the table of what there is now, and has the server look at it.
func (w *world) compile() {
	record := w.listener
	w.table.Store(routing.Compile(w.table.Load(), routing.Input{
		LoadBalancers: slices.Values([]*model.LoadBalancer{{ARN: lbARN, Type: model.NetworkLB}}),
		Listeners:     slices.Values([]*model.Listener{&record}),
		Rules:         func(string) iter.Seq[*model.Rule] { return func(func(*model.Rule) bool) {} },
		Group:         func(arn string) (*model.TargetGroup, bool) { g, ok := w.groups[arn]; return g, ok },
		Targets:       func(arn string) iter.Seq[*model.Target] { return slices.Values(slices.Clone(w.targets[arn])) },
		Health:        func(path string) routing.Health { return w.health[path] },
	}))
	if w.server != nil {
		w.server.Apply(w.table.Load())
	}
}

func (w *world) config() l4.Config {
	var seed atomic.Uint64
	return l4.Config{
		ARN: listenerARN, Table: w.table.Load, Flights: w.flights,
		Refused: func(path string) { w.refused <- path },
		Observe: w.samples.add,
		Random:  func() uint64 { return rand.New(rand.NewPCG(7, seed.Add(1))).Uint64() },
		Log:     slog.New(slog.DiscardHandler),
	}
}

// serve begins to serve TCP.
func (w *world) serve(change ...func(*l4.Config)) *world {
	w.t.Helper()
	w.compile()
	cfg := w.config()
	for _, c := range change {
		c(&cfg)
	}
	w.server = l4.New(cfg)
	// UDP may be served there as well, which is free if no client of another test was given the port.
	l := listenAt(w.t, testneeds.Port(w.t))
	w.address = l.Addr().String()
	done := make(chan error, 1)
	go func() { done <- w.server.ServeTCP(w.t.Context(), l) }()
	w.t.Cleanup(func() {
		w.server.Shutdown(w.t.Context()) // which is over
		if err := <-done; err != nil {
			w.t.Errorf("ServeTCP = %v", err)
		}
	})
	return w
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	return listenAt(t, 0)
}

func listenAt(t testing.TB, port int) net.Listener {
	t.Helper()
	config := net.ListenConfig{KeepAlive: -1}
	l, err := config.Listen(t.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// backend serves each connection by a function; the connection is closed after it.
func backend(t testing.TB, serve func(*net.TCPConn)) string {
	t.Helper()
	l := listen(t)
	var running sync.WaitGroup
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer func() { _ = c.Close() }()
				_ = c.SetDeadline(time.Now().Add(patience))
				serve(c.(*net.TCPConn))
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		running.Wait()
	})
	return l.Addr().String()
}

// echo is a backend that sends its name and a newline, and then whatever it gets.
func echo(t testing.TB, name string) string {
	return backend(t, func(c *net.TCPConn) {
		_, _ = io.WriteString(c, name+"\n")
		_, _ = io.Copy(c, c)
	})
}

// dead is an address where nobody listens.
func dead(t testing.TB) string {
	t.Helper()
	return fmt.Sprintf("127.0.0.1:%d", testneeds.Port(t))
}

func dial(t testing.TB, address string) *net.TCPConn {
	t.Helper()
	return dialFrom(t, "", address)
}

func dialFrom(t testing.TB, from, address string) *net.TCPConn {
	t.Helper()
	d := net.Dialer{Timeout: patience}
	if from != "" {
		d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
	}
	c, err := d.DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return c.(*net.TCPConn)
}

// line reads up to a newline, byte by byte.
func line(t testing.TB, r io.Reader) string {
	t.Helper()
	text, err := readLine(r)
	if err != nil {
		t.Fatalf("read a line: %v after %q", err, text)
	}
	return text
}

func readLine(r io.Reader) (string, error) {
	var text []byte
	b := make([]byte, 1)
	for {
		if _, err := io.ReadFull(r, b); err != nil {
			return string(text), err
		}
		if b[0] == '\n' {
			return string(text), nil
		}
		text = append(text, b[0])
	}
}

// say sends a line and wants it back.
func say(t testing.TB, c io.ReadWriter, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text+"\n"); err != nil {
		t.Fatalf("send %q: %v", text, err)
	}
	if got := line(t, c); got != text {
		t.Fatalf("got %q back, want %q", got, text)
	}
}

// wantReset reads until the connection breaks off.
func wantReset(t testing.TB, what string, c net.Conn) {
	t.Helper()
	_, err := io.Copy(io.Discard, c)
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%s: got %v, want %v", what, err, syscall.ECONNRESET)
	}
}

// wantRefusal opens a connection that is reset, perhaps before it is known to be open.
func wantRefusal(t testing.TB, what, address string) {
	t.Helper()
	d := net.Dialer{Timeout: patience}
	c, err := d.DialContext(t.Context(), "tcp", address)
	if errors.Is(err, syscall.ECONNRESET) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(patience))
	wantReset(t, what, c)
}

// await waits for something that comes through a channel.
func await[T any](t testing.TB, what string, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(patience):
		t.Fatalf("nothing comes: %s", what)
	}
	return v
}

// samples keeps all samples.
type samples struct {
	mu   sync.Mutex
	list []l4.Sample
	wake []chan struct{}
}

func (s *samples) add(x l4.Sample) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, x)
	for _, c := range s.wake {
		close(c)
	}
	s.wake = nil
}

// ends waits until so many connections and flows have ended, and counts how.
func (s *samples) ends(t testing.TB, n int) map[l4.End]int {
	t.Helper()
	timeout := time.After(patience)
	for {
		s.mu.Lock()
		ends, all := map[l4.End]int{}, 0
		for _, x := range s.list {
			if x.End != "" {
				ends[x.End]++
				all++
			}
		}
		c := make(chan struct{})
		s.wake = append(s.wake, c)
		s.mu.Unlock()
		if all >= n {
			return ends
		}
		select {
		case <-c:
		case <-timeout:
			t.Fatalf("got ends %v, want %d", ends, n)
		}
	}
}

// total adds up the bytes of all samples.
func (s *samples) total() (from, to int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range s.list {
		from, to = from+x.FromClient, to+x.ToClient
	}
	return from, to
}

func wantEnds(t testing.TB, got map[l4.End]int, want map[l4.End]int) {
	t.Helper()
	if !maps.Equal(got, want) {
		t.Errorf("got ends %v, want %v", got, want)
	}
}

func name(i int) string { return fmt.Sprintf("t%d", i) }
