package daemon_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/maitred/maitred/internal/daemon"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/peer"
	"github.com/maitred/maitred/internal/store"
	"github.com/maitred/maitred/internal/store/etcd"
	"github.com/maitred/maitred/internal/testneeds"
)

// The variables that make this program a role of maitred, in place of tests.
const (
	asRole = "MAITRED_TEST_ROLE" // server, lb, or both as in maitred up; or hot: the program of a task
	inDir  = "MAITRED_TEST_DIR"
	atPeer = "MAITRED_TEST_PEER" // --peer-listen
)

func TestMain(m *testing.M) {
	switch role := os.Getenv(asRole); {
	case role == "hot":
		os.Exit(runHot())
	case role != "":
		os.Exit(runRole(role, os.Getenv(inDir)))
	case len(os.Args) > 1 && os.Args[1] == "keeper":
		os.Exit(daemon.Keeper(os.Args[2:], os.Stderr))
	}
	os.Exit(m.Run())
}

func runRole(role, dir string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	c := daemon.Defaults()
	c.DataDir, c.Listen, c.Server, c.Balancer = dir, "127.0.0.1:0", role != "lb", role != "server"
	c.MetricsListen = daemon.MetricsOff // there are several of a machine
	c.Log, c.PeerListen = slog.New(slog.NewTextHandler(os.Stderr, nil)), os.Getenv(atPeer)
	c.Announce = func(daemon.Ready) { _, _ = os.Stdout.WriteString("ready\n") }
	if err := daemon.Run(ctx, c); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// process is a role in a process of its own.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	ready  chan struct{} // closed when it is, or when it has ended
	ended  chan struct{}
	err    error
	stderr strings.Builder
}

func start(t *testing.T, role, dir string, env ...string) *process {
	t.Helper()
	p := &process{t: t, ready: make(chan struct{}), ended: make(chan struct{})}
	p.cmd = exec.Command(os.Args[0])
	p.cmd.Env = append(append(os.Environ(), asRole+"="+role, inDir+"="+dir), env...)
	p.cmd.Stderr = &p.stderr
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		_, _ = bufio.NewReader(out).ReadString('\n')
		close(p.ready)
		_, _ = io.Copy(io.Discard, out)
		p.err = p.cmd.Wait()
	}()
	t.Cleanup(p.kill)
	return p
}

func (p *process) untilReady() {
	p.t.Helper()
	select {
	case <-p.ready:
	case <-time.After(time.Minute):
		p.t.Fatal("it does not get ready")
	}
	select {
	case <-p.ended:
		p.t.Fatalf("it has ended: %v\n%s", p.err, p.stderr.String())
	default:
	}
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.ended
}

// TestBalancerAlone: a balancer in a process of its own serves without a server, another one takes over from it without a
// refused connection, and after a kill the next one just listens.
func TestBalancerAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	server := start(t, "server", dir)
	server.untilReady()
	backend := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(rw, "served") }))
	defer backend.Close()
	url := describe(t, dir, backend.Listener.Addr().String())
	now := start(t, "lb", dir)
	now.untilReady()
	until(t, url)

	stop, asked, done := make(chan struct{}), atomic.Int64{}, sync.WaitGroup{}
	for range 2 {
		done.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := ask(url); err != nil {
					t.Errorf("during a takeover: %v", err)
				}
				asked.Add(1)
			}
		})
	}
	for range 10 {
		next := start(t, "lb", dir)
		next.untilReady()
		<-now.ended
		if now.err != nil {
			t.Errorf("the old one: %v\n%s", now.err, now.stderr.String())
		}
		now = next
	}
	close(stop)
	done.Wait()
	t.Logf("%d requests", asked.Load())

	server.kill()
	for range 100 {
		if err := ask(url); err != nil {
			t.Fatalf("without a server: %v", err)
		}
	}
	lost := start(t, "lb", dir)
	if <-lost.ended; lost.err == nil {
		t.Error("one that finds no server says that all is well")
	}
	if err := ask(url); err != nil {
		t.Errorf("after another one has failed to start: %v", err)
	}

	now.kill()
	start(t, "server", dir).untilReady()
	last := start(t, "lb", dir)
	last.untilReady()
	until(t, url)
	if err := last.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if <-last.ended; last.err != nil {
		t.Errorf("the end: %v\n%s", last.err, last.stderr.String())
	}
}

// TestTakenOverByBalancerAlone: a balancer of its own takes over from the one of a process that is the server, too. That
// goes on as the server, and serves no load balancer any more, until it is started again.
func TestTakenOverByBalancerAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	up := start(t, "both", dir)
	up.untilReady()
	backend := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(rw, "served") }))
	defer backend.Close()
	url := describe(t, dir, backend.Listener.Addr().String())
	until(t, url)

	stop, asking := make(chan struct{}), sync.WaitGroup{}
	asking.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if err := ask(url); err != nil {
				t.Errorf("during the takeover: %v", err)
			}
		}
	})
	alone := start(t, "lb", dir)
	alone.untilReady()
	again := start(t, "lb", dir) // from that one, as ever: the server's stays out of it
	again.untilReady()
	<-alone.ended
	if alone.err != nil {
		t.Errorf("the one that was taken over from: %v\n%s", alone.err, alone.stderr.String())
	}
	close(stop)
	asking.Wait()

	other := describe(t, dir, backend.Listener.Addr().String()) // the listener has another port now, as the server tells
	until(t, other)
	if err := ask(url); err == nil {
		t.Error("somebody still serves the old port")
	}
	again.kill()
	if err := ask(other); err == nil {
		t.Error("the server's balancer serves, though it was taken over from")
	}
	select {
	case <-up.ended:
		t.Errorf("the server has ended: %v", up.err)
	default:
	}
	if err := up.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if <-up.ended; up.err != nil {
		t.Errorf("its end: %v\n%s", up.err, up.stderr.String())
	}
	start(t, "both", dir).untilReady()
	until(t, other)
}

// TestLineHandedOver: the address of the direct line that was asked for goes from one balancer to the next, while the one
// before still has a request in its hands.
func TestLineHandedOver(t *testing.T) {
	t.Parallel()
	dir, address := t.TempDir(), fmt.Sprintf("127.0.0.1:%d", testneeds.Port(t))
	start(t, "server", dir).untilReady()
	held, release := make(chan struct{}, 1), make(chan struct{})
	backend := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/held" {
			held <- struct{}{}
			<-release
		}
		_, _ = io.WriteString(rw, "served")
	}))
	defer backend.Close()
	url := describe(t, dir, backend.Listener.Addr().String())
	s := openStore(t, dir)
	old := start(t, "lb", dir, atPeer+"="+address)
	old.untilReady()
	until(t, url)
	first := lineOf(t, s, "")
	answer := make(chan error, 1)
	go func() { answer <- ask(url + "held") }()
	<-held
	for range 3 { // and from the second to the third, which the first has nothing to do with
		next := start(t, "lb", dir, atPeer+"="+address)
		next.untilReady()
		now := lineOf(t, s, first.Fingerprint)
		if first.Address != address || now.Address != address {
			t.Errorf("the line is at %s and then at %s, want %s", first.Address, now.Address, address)
		}
		caller := peer.NewCaller(func(string) *model.Peer { return now })
		for range 20 { // none of which the old one gets
			if err := caller.Reachable(t.Context(), "any"); err != nil {
				t.Errorf("the line of the balancer that has taken over: %v", err)
			}
			caller.Close()
		}
		first = now
	}
	select {
	case <-old.ended:
		t.Error("the old one has ended with a request in its hands")
	default:
	}
	close(release)
	if err := <-answer; err != nil {
		t.Errorf("the request that was held: %v", err)
	}
	if <-old.ended; old.err != nil {
		t.Errorf("the old one: %v\n%s", old.err, old.stderr.String())
	}
}

// lineOf waits for a balancer's record with another line than that of a fingerprint.
func lineOf(t *testing.T, s *store.Store, other string) *model.Peer {
	t.Helper()
	for range 12000 {
		for b := range s.View().Balancers() {
			if b.Peer != nil && b.Peer.Fingerprint != other {
				return b.Peer
			}
		}
		<-time.After(5 * time.Millisecond)
	}
	t.Fatal("no balancer writes where its line is")
	return nil
}

// openStore opens the store of a server.
func openStore(t *testing.T, dir string) *store.Store {
	t.Helper()
	endpoint, err := etcd.Endpoint(filepath.Join(dir, "store"))
	if err != nil {
		t.Fatal(err)
	}
	backend, err := etcd.Dial(t.Context(), etcd.Remote{Endpoints: []string{endpoint}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(t.Context(), backend, store.Scope{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Close()
		_ = backend.Close()
	})
	return s
}

// describe writes a load balancer with one target, and gives its URL.
func describe(t *testing.T, dir, target string) string {
	t.Helper()
	s := openStore(t, dir)
	port := testneeds.Port(t)
	at := netip.MustParseAddrPort(target)
	const account = "arn:aws:elasticloadbalancing:us-east-1:123456789012:"
	group := &model.TargetGroup{
		ARN: account + "targetgroup/web/0123456789abcdef", Name: "web", Protocol: "HTTP", ProtocolVersion: "HTTP1", TargetType: "ip",
		Check: model.TargetCheck{Protocol: "HTTP", Port: "traffic-port", Path: "/", Interval: 5 * time.Second, Timeout: 2 * time.Second, Healthy: 2, Unhealthy: 2, Matcher: "200"},
	}
	balancer := &model.LoadBalancer{ARN: account + "loadbalancer/app/web/0123456789abcdef", Name: "web", Type: model.Application, Address: "127.0.0.1"}
	records := []model.Record{group, balancer, &model.Listener{
		ARN: account + "listener/app/web/0123456789abcdef/fedcba9876543210", LoadBalancer: balancer.ARN, Port: port, Protocol: "HTTP",
		Actions: []model.Action{{Type: model.ActionForward, Forward: &model.Forward{Groups: []model.WeightedGroup{{Group: group.ARN, Weight: 1}}}}},
	}, &model.Target{Group: group.ARN, ID: at.Addr().String(), Address: at.Addr().String(), Port: int(at.Port()), RegisteredAt: time.Now()}}
	if _, err := s.Update(t.Context(), func(tx *store.Tx) error {
		for _, r := range records {
			tx.Put(r)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("http://127.0.0.1:%d/", port)
}

// ask sends a request on a connection of its own.
func ask(url string) error {
	transport := &http.Transport{DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(resp.Body)
	if string(body) != "served" {
		err = errors.Join(err, fmt.Errorf("%d %q", resp.StatusCode, body))
	}
	return errors.Join(err, resp.Body.Close())
}

func until(t *testing.T, url string) {
	t.Helper()
	var err error
	for range 12000 {
		if err = ask(url); err == nil {
			return
		}
		<-time.After(5 * time.Millisecond)
	}
	t.Fatal(err)
}
