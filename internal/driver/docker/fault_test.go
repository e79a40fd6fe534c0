package docker

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/client"
	"golang.org/x/sys/unix"

	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/testneeds"
)

func faultTests() map[string]func(*world) {
	return map[string]func(*world){
		"a daemon that hangs":                     hangs,
		"a daemon that answers 500":               answers500,
		"an answer that is lost":                  lostAnswer,
		"a daemon that is not ready":              notReady,
		"events that are lost":                    lostEvents,
		"a daemon that hangs while it is watched": hangsWatched,
		"a paused container":                      pausedContainer,
		"calls of a start":                        callsOfStart,
		"a pull that stands still":                silentPull,
	}
}

// gate stands between a driver and the daemon, and decides about each call by its method and path without the version.
type gate struct {
	host string
	mu   sync.Mutex
	act  func(call string) action
	seen []string
}

// action is what becomes of a call.
type action int

const (
	pass     action = iota
	stall           // no answer, until the caller gives up
	fail            // 500 without asking the daemon
	passFail        // 500 after asking the daemon
	passDrop        // the connection ends after asking the daemon
	busy            // 503
	mute            // an answer that begins and never goes on
)

func newGate(w *world) *gate {
	w.Helper()
	network, address, _ := strings.Cut(w.host, "://")
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: "docker"})
	proxy.FlushInterval = -1
	proxy.ErrorLog = log.New(io.Discard, "", 0)
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, address)
	}}
	proxy.Transport = transport
	g := &gate{}
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { g.serve(proxy, rw, r) }))
	g.host = "tcp://" + server.Listener.Addr().String()
	w.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
		transport.CloseIdleConnections()
	})
	return g
}

func (g *gate) serve(proxy http.Handler, rw http.ResponseWriter, r *http.Request) {
	_, path, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	call := r.Method + " " + path
	g.mu.Lock()
	g.seen = append(g.seen, call)
	what := pass
	if g.act != nil {
		what = g.act(call)
	}
	g.mu.Unlock()
	said := httptest.NewRecorder()
	switch what {
	case pass:
		proxy.ServeHTTP(rw, r)
	case stall:
		_, _ = io.Copy(io.Discard, r.Body) // the end of the connection is noticed only then
		<-r.Context().Done()
	case mute:
		rw.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(rw).Flush()
		<-r.Context().Done()
	case passFail:
		proxy.ServeHTTP(said, r)
		http.Error(rw, "something went wrong", http.StatusInternalServerError)
	case passDrop:
		proxy.ServeHTTP(said, r)
		panic(http.ErrAbortHandler)
	case fail:
		http.Error(rw, "something went wrong", http.StatusInternalServerError)
	case busy:
		http.Error(rw, "not now", http.StatusServiceUnavailable)
	}
}

// set has the calls that contain a word go so, and all others pass.
func (g *gate) set(word string, what action) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.seen = nil
	g.act = func(call string) action {
		if strings.Contains(call, word) {
			return what
		}
		return pass
	}
}

// behind makes a driver behind a gate, with deadlines that a test can wait for.
func (w *world) behind(g *gate) *Driver {
	w.Helper()
	d, err := New(w.ctx, Config{Host: g.host, Scope: w.scope, VPC: w.vpc, Secure: w.firewall.secure})
	if err != nil {
		w.Fatalf("New = %v", err)
	}
	w.Cleanup(func() { _ = d.Close() })
	return d
}

// impatient gives a driver short deadlines.
func impatient(d *Driver) {
	const short = 50 * time.Millisecond
	d.limits = limits{quick: short, remove: short, start: short, create: short, pull: short, silence: short, resync: short}
}

func hangs(w *world) {
	g := newGate(w)
	d := w.behind(g)
	w.must(d, w.spec("a", "sleep"))
	impatient(d)
	g.set("", stall)
	spec := w.spec("b", "exit", "3")
	spec.Sandbox.Task, spec.Sandbox.PIDMode = "b", "task"
	for what, call := range map[string]func() error{
		"Start":              func() error { _, err := d.Start(w.ctx, spec); return err },
		"Start of what runs": func() error { _, err := d.Start(w.ctx, w.spec("a")); return err },
		"Signal":             func() error { return d.Signal(w.ctx, "a", "") },
		"Kill":               func() error { return d.Kill(w.ctx, "a") },
		"Remove":             func() error { return d.Remove(w.ctx, "a") },
		"List":               func() error { _, err := d.List(w.ctx); return err },
		"Watch":              func() error { return d.Watch(w.ctx, func(driver.Status) {}) },
		"Exec":               func() error { _, err := d.Exec(w.ctx, "a", driver.Exec{Command: []string{"x"}}); return err },
		"Usage":              func() error { _, err := d.Usage(w.ctx); return err },
		"Logs":               func() error { _, err := driver.Text(d.Logs(w.ctx, "a", driver.LogOptions{})); return err },
		"Sandboxes":          func() error { _, err := d.Sandboxes(w.ctx); return err },
		"Secure":             func() error { return d.Secure(w.ctx, "a", nil) },
		"Release":            func() error { return d.Release(w.ctx, "b") },
	} {
		err := call()
		if _, certain := errors.AsType[*driver.Failure](err); err == nil || certain || w.ctx.Err() != nil {
			w.Errorf("%s of a daemon that hangs = %v, want an error that leaves open what came of it", what, err)
		}
	}
	g.set("", pass)
	d.limits = usual()
	if got := w.must(d, w.spec("a", "sleep")); got.State != driver.Running {
		w.Errorf("Start when it goes on = %+v, want running", got)
	}
	w.wantCode(w.ends(d, spec), 3, "")
}

func answers500(w *world) {
	g := newGate(w)
	d := w.behind(g)
	g.set("/create", fail)
	_, err := d.Start(w.ctx, w.spec("a", "sleep"))
	w.wantFailure(d, err, cannotCreate)
	g.set("/start", fail)
	_, err = d.Start(w.ctx, w.spec("b", "sleep"))
	w.wantFailure(d, err, cannotStart)
	// The daemon has started it all the same: it is not given up.
	g.set("/start", passFail)
	_, err = d.Start(w.ctx, w.spec("c", "sleep"))
	if _, certain := errors.AsType[*driver.Failure](err); err == nil || certain {
		w.Errorf("Start of what runs in spite of a 500 = %v, want an error that leaves it open", err)
	}
	g.set("", pass)
	w.must(d, w.spec("c", "sleep"))
	w.wantOne(d, "c")
	for what, call := range map[string]func() error{
		"Kill": func() error { return d.Kill(w.ctx, "c") },
		"List": func() error { _, err := d.List(w.ctx); return err },
		"Exec": func() error { _, err := d.Exec(w.ctx, "c", driver.Exec{Command: []string{"x"}}); return err },
	} {
		g.set("", fail)
		if err := call(); err == nil {
			w.Errorf("%s of a daemon that answers 500 = nil, want an error", what)
		}
	}
	g.set("", pass)
}

// wantOne checks that one container alone is there, and runs.
func (w *world) wantOne(d *Driver, id string) {
	w.Helper()
	if all, err := d.List(w.ctx); err != nil || len(all) != 1 || all[0].ID != id || all[0].State != driver.Running {
		w.Errorf("List = %+v, %v, want %s running alone", all, err, id)
	}
}

// lostAnswer loses the answers of a create and of a start that were done.
func lostAnswer(w *world) {
	g := newGate(w)
	for _, word := range []string{"/create", "/start"} {
		d := w.behind(g)
		spec := w.spec("a", "sleep")
		g.set(word, passDrop)
		_, err := d.Start(w.ctx, spec)
		if _, certain := errors.AsType[*driver.Failure](err); err == nil || certain {
			w.Errorf("Start whose %s was not answered = %v, want an error that leaves it open", word, err)
		}
		g.set("", pass)
		w.must(d, spec)
		w.wantOne(d, "a")
		if err := d.Kill(w.ctx, "a"); err != nil {
			w.Fatal(err)
		}
		w.until(w.watch(d), "a", driver.Exited)
		if err := d.Remove(w.ctx, "a"); err != nil {
			w.Fatal(err)
		}
	}
}

func notReady(w *world) {
	g := newGate(w)
	d := w.behind(g)
	for _, word := range []string{"/create", "/start"} {
		g.set(word, busy)
		_, err := d.Start(w.ctx, w.spec("a", "exit", "4"))
		if _, certain := errors.AsType[*driver.Failure](err); err == nil || certain {
			w.Errorf("Start with 503 of %s = %v, want an error that leaves it open", word, err)
		}
	}
	g.set("", pass)
	w.wantCode(w.ends(d, w.spec("a", "exit", "4")), 4, "")
}

// lostEvents has a stream of events that says nothing: the look at everything finds what happens.
func lostEvents(w *world) {
	g := newGate(w)
	d := w.behind(g)
	d.limits.resync = 20 * time.Millisecond
	g.set("/events", mute)
	w.must(d, w.spec("old", "sleep"))
	w.must(d, w.spec("gone", "sleep"))
	seen := w.watch(d)
	w.until(seen, "old", driver.Running)
	w.must(w.connect(), w.spec("new", "exit", "6"))
	w.wantCode(w.until(seen, "new", driver.Exited), 6, "")
	w.snatch(d, "gone")
	s := w.until(seen, "gone", driver.Exited)
	if s.Reason == "" { // it was seen between its end and its removal
		s = w.until(seen, "gone", driver.Exited)
	}
	if s.Reason != reasonVanished {
		w.Errorf("what was removed unseen is %+v, want the reason %q", s, reasonVanished)
	}
	if err := w.connect().Kill(w.ctx, "old"); err != nil {
		w.Fatal(err)
	}
	w.wantCode(w.until(seen, "old", driver.Exited), 137, "")
}

// hangsWatched has the daemon hang with its stream of events open.
func hangsWatched(w *world) {
	g := newGate(w)
	d := w.behind(g)
	d.limits.quick, d.limits.resync = time.Second, 20*time.Millisecond
	w.must(d, w.spec("a", "sleep"))
	ended := make(chan error, 1)
	running := make(chan struct{}, 100)
	go func() { ended <- d.Watch(w.ctx, func(driver.Status) { running <- struct{}{} }) }()
	<-running
	g.set("/json", stall)
	if err := <-ended; err == nil || w.ctx.Err() != nil {
		w.Errorf("Watch of a daemon that hangs = %v, want an error", err)
	}
	g.set("", pass)
}

func pausedContainer(w *world) {
	d := w.connect()
	seen := w.watch(d)
	for id, stop := range map[string]func() error{
		"a": func() error { return d.Signal(w.ctx, "a", "") },
		"b": func() error { return d.Kill(w.ctx, "b") },
	} {
		w.must(d, w.spec(id, "trap", "terminated", "7"))
		w.poll("the program to be ready", func() bool { return strings.Contains(w.log(d, id), "ready") })
		if _, err := d.client.ContainerPause(w.ctx, d.name(id), client.ContainerPauseOptions{}); err != nil {
			w.Fatal(err)
		}
		if _, err := d.Exec(w.ctx, id, driver.Exec{Command: []string{"/program", "exit", "0"}}); err == nil {
			w.Error("Exec in a paused container = nil, want an error: it is not healthy")
		}
		if s, err := d.look(w.ctx, id); s.State != driver.Running || err != nil {
			w.Errorf("a paused container is %+v, %v, want running", s, err)
		}
		if err := stop(); err != nil {
			w.Fatalf("stop of the paused container %s = %v", id, err)
		}
		want := map[string]int{"a": 7, "b": 137}[id]
		w.wantCode(w.until(seen, id, driver.Exited), want, "")
	}
}

// callsOfStart counts what a start asks of the daemon.
func callsOfStart(w *world) {
	g := newGate(w)
	d := w.behind(g)
	g.set("", pass)
	w.must(d, w.spec("a", "sleep"))
	if got := len(g.seen); got != 3 {
		t := strings.Join(g.seen, ", ")
		w.Errorf("a start by an image's name made %d calls (%s), want a look at the image, create and start", got, t)
	}
	s := newShelf(w.T, false)
	digest := s.push("app:1", "calls")
	_, _, spec := s.pulls("app:1")
	spec.Digest = digest
	w.must(d, spec2(spec, "b"))
	g.set("", pass)
	w.must(d, spec2(spec, "c"))
	if got := len(g.seen); got != 2 {
		w.Errorf("a start of a pinned image made %d calls (%s), want create and start", got, strings.Join(g.seen, ", "))
	}
	for _, id := range []string{"b", "c"} { // before their image goes
		w.snatch(d, id)
	}
}

func spec2(spec driver.Spec, id string) driver.Spec {
	spec.ID, spec.Sandbox.Task = id, id
	return spec
}

func silentPull(w *world) {
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	w.Cleanup(func() {
		silent.CloseClientConnections()
		silent.Close()
	})
	d := w.connect()
	d.limits.silence = 50 * time.Millisecond
	spec := w.spec("a")
	spec.Definition.Image = strings.TrimPrefix(silent.URL, "http://") + "/app:1"
	_, err := d.Start(w.ctx, spec)
	w.wantName(err, cannotPull, "no progress for 50ms")
}

// TestDaemonRestarts has a daemon of its own, ended kindly and by force while containers run.
func TestDaemonRestarts(t *testing.T) {
	t.Parallel()
	testneeds.Root(t)
	testneeds.Docker(t) // a machine that runs one daemon runs another
	program := testneeds.Command(t, "dockerd")
	for name, sig := range map[string]os.Signal{"kindly": unix.SIGTERM, "by force": unix.SIGKILL} {
		t.Run(name, func(t *testing.T) { restarts(t, program, sig) })
	}
}

func restarts(t *testing.T, program string, sig os.Signal) {
	dir, err := os.MkdirTemp("", "dk") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sweep(t, dir) })
	host := "unix://" + filepath.Join(dir, "s")
	stop := runDaemon(t, program, dir, host)
	t.Cleanup(func() { stop(unix.SIGTERM) })
	c, err := connect(t.Context(), host, quickTimeout)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if err := importStatic(t.Context(), c, "program", buildProgram(t)); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, host, "program")
	d := w.connect()
	w.must(d, w.spec("before", "exit", "3"))
	w.wantCode(w.ended(d, "before"), 3, "")
	w.must(d, w.spec("willing", "trap", "terminated", "7"))
	w.must(d, w.spec("stubborn", "stubborn"))
	for _, id := range []string{"willing", "stubborn"} {
		w.poll(id+" to be ready", func() bool { return strings.Contains(w.log(d, id), "ready") })
	}
	broken := make(chan error, 1)
	go func() { broken <- d.Watch(w.ctx, func(driver.Status) {}) }()
	stop(sig)
	if err := <-broken; err == nil || w.ctx.Err() != nil {
		t.Errorf("Watch of a daemon that ends = %v, want an error", err)
	}
	if _, err := d.Start(w.ctx, w.spec("meanwhile", "exit", "0")); err == nil {
		t.Error("Start without a daemon = nil, want an error")
	} else if _, certain := errors.AsType[*driver.Failure](err); certain {
		t.Errorf("Start without a daemon = %v, want an error that leaves it open", err)
	}
	// The daemon's containerd died with it; where nobody has buried it yet, the next daemon would wait for it to answer.
	_ = os.Remove(filepath.Join(dir, "x", "containerd", "containerd.pid"))
	stop = runDaemon(t, program, dir, host)
	all := map[string]driver.Status{}
	w.poll("all to be ended", func() bool {
		list, err := d.List(w.ctx)
		for _, s := range list {
			all[s.ID] = s
		}
		return err == nil && len(all) == 3 && all["willing"].State == driver.Exited && all["stubborn"].State == driver.Exited
	})
	w.wantCode(all["before"], 3, "")
	w.wantCode(all["stubborn"], 137, "")
	// By force, the next daemon kills what it finds running: without live-restore nothing survives it.
	w.wantCode(all["willing"], map[os.Signal]int{unix.SIGTERM: 7, unix.SIGKILL: *all["willing"].ExitCode}[sig], "")
	w.must(d, w.spec("meanwhile", "exit", "4"))
	w.wantCode(w.ended(d, "meanwhile"), 4, "")
}

// ended waits for the end of a container without a watch, which would not outlive the daemon.
func (w *world) ended(d *Driver, id string) (s driver.Status) {
	w.Helper()
	w.poll("the end of "+id, func() bool {
		var err error
		s, err = d.look(w.ctx, id)
		return err == nil && s.State == driver.Exited
	})
	return s
}

// sweep removes a daemon's directory with what is mounted in it.
func sweep(t *testing.T, dir string) {
	t.Helper()
	text, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Error(err)
	}
	lines := strings.Split(string(text), "\n")
	slices.Reverse(lines)
	for _, line := range lines {
		if word := strings.Fields(line); len(word) > 1 && strings.HasPrefix(word[1], dir+"/") {
			err = errors.Join(err, unix.Unmount(word[1], unix.MNT_DETACH))
		}
	}
	if err := errors.Join(err, os.RemoveAll(dir)); err != nil {
		t.Errorf("sweep the daemon's directory: %v", err)
	}
}

// runDaemon runs a daemon without a network, until stopped or to the end of the test.
func runDaemon(t *testing.T, program, dir, host string) (stop func(os.Signal)) {
	t.Helper()
	daemon := exec.CommandContext(context.Background(), program, "-H", host, "--data-root", filepath.Join(dir, "d"),
		"--exec-root", filepath.Join(dir, "x"), "--pidfile", filepath.Join(dir, "pid"),
		"--bridge", "none", "--iptables=false", "--ip6tables=false", "--shutdown-timeout", "1")
	said, err := os.OpenFile(filepath.Join(dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	daemon.Stdout, daemon.Stderr = said, said
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	_ = said.Close()
	var once sync.Once
	stop = func(sig os.Signal) {
		once.Do(func() {
			_ = daemon.Process.Signal(sig)
			_ = daemon.Wait()
		})
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		c, err := connect(ctx, host, quickTimeout)
		if err == nil {
			_ = c.Close()
			return stop
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			said, _ := os.ReadFile(filepath.Join(dir, "log"))
			stop(unix.SIGKILL)
			t.Fatalf("the daemon does not answer: %v\n%s", err, said)
		}
	}
}
