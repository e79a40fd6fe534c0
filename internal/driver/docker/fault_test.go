package docker

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/moby/moby/client"

	"github.com/maitred/maitred/internal/driver"
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
		"a name that is being taken":              takenName,
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
	taken           // 409 without asking the daemon
	mute            // an answer that begins and never goes on
)

func newGate(w *world) *gate {
	w.Helper()
	network, address, _ := strings.Cut(w.host, "://")
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: "docker"})
	proxy.FlushInterval = -1
	proxy.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
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
	case taken:
		http.Error(rw, "the container name is already in use", http.StatusConflict)
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

// takenName has the daemon still be creating the container that somebody asked for who was killed meanwhile: the name is
// taken already, and there is no container by it yet.
func takenName(w *world) {
	g := newGate(w)
	d := w.behind(g)
	g.set("/create", taken)
	d.limits.taken = 50 * time.Millisecond
	_, err := d.Start(w.ctx, w.spec("a", "sleep"))
	w.wantFailure(d, err, cannotCreate)

	d.limits = usual()
	refused := 0
	g.mu.Lock()
	g.act = func(call string) action {
		if !strings.Contains(call, "/create") || refused == 5 {
			return pass
		}
		refused++
		return taken
	}
	g.mu.Unlock()
	w.must(d, w.spec("a", "sleep"))
	w.wantOne(d, "a")
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
	for s.Reason == "" { // it was seen between its end and its removal
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
	w.must(d, w.spec("a", "sleep"))
	d.limits.quick, d.limits.resync = 5*time.Second, 20*time.Millisecond // and the daemon answers the first look, busy or not
	ended := make(chan error, 1)
	running := make(chan struct{}, 100)
	go func() { ended <- d.Watch(w.ctx, func(driver.Status) { running <- struct{}{} }) }()
	select {
	case <-running:
	case err := <-ended:
		w.Fatalf("Watch of a daemon that answers = %v", err)
	}
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
