package l4_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/maitred/maitred/internal/core/routing"
	"github.com/maitred/maitred/internal/lb/l4"
	"github.com/maitred/maitred/internal/model"
)

func TestPassesBytes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "TCP")
	w.target(echo(t, "a"))
	w.serve()
	c := dial(t, w.address)
	if got := line(t, c); got != "a" {
		t.Errorf("got %q, want the target's name", got)
	}
	for range 50 {
		say(t, c, "hello")
	}
	_ = c.CloseWrite()
	if rest, err := io.ReadAll(c); err != nil || len(rest) > 0 {
		t.Errorf("at the end: %q, %v", rest, err)
	}
	wantEnds(t, w.samples.ends(t, 1), map[l4.End]int{l4.EndClosed: 1})
	if from, to := w.samples.total(); from != 300 || to != 302 {
		t.Errorf("samples tell of %d and %d bytes, want 300 and 302", from, to)
	}
	first := w.samples.list[0]
	if !first.New || first.Target == "" || first.Group != groupARN("g") || first.LoadBalancer != lbARN || first.Protocol != "TCP" || first.Client.String() != c.LocalAddr().String() {
		t.Errorf("the first sample is %+v", first)
	}
}

// TestHalfClose ends one direction and goes on in the other one, in both orders.
func TestHalfClose(t *testing.T) {
	t.Parallel()
	answer := bytes.Repeat([]byte("0123456789abcdef"), 1<<17)
	w := newWorld(t, "TCP")
	got := make(chan int, 1)
	w.target(backend(t, func(c *net.TCPConn) {
		question, err := io.ReadAll(c)
		if err != nil {
			t.Errorf("read the question: %v", err)
		}
		got <- len(question)
		_, _ = c.Write(answer)
	}))
	w.serve()
	c := dial(t, w.address)
	if _, err := c.Write(answer[:1000]); err != nil {
		t.Fatal(err)
	}
	_ = c.CloseWrite()
	if all, err := io.ReadAll(c); err != nil || !bytes.Equal(all, answer) {
		t.Errorf("got %d bytes, %v, want %d", len(all), err, len(answer))
	}
	if n := await(t, "the question", got); n != 1000 {
		t.Errorf("the target got %d bytes, want 1000", n)
	}

	other := newWorld(t, "TCP")
	other.target(backend(t, func(c *net.TCPConn) {
		_, _ = io.WriteString(c, "bye\n")
		_ = c.CloseWrite()
		n, err := io.Copy(io.Discard, c)
		if err != nil {
			t.Errorf("read on after the own end: %v", err)
		}
		got <- int(n)
	}))
	other.serve()
	c = dial(t, other.address)
	if text, err := io.ReadAll(c); err != nil || string(text) != "bye\n" {
		t.Errorf("got %q, %v", text, err)
	}
	if _, err := c.Write(answer); err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	if n := await(t, "what came after", got); n != len(answer) {
		t.Errorf("the target got %d bytes, want %d", n, len(answer))
	}
}

// TestBulk sends much more than a chunk and a burst, both ways at once and in uneven pieces.
func TestBulk(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "TCP")
	w.target(backend(t, func(c *net.TCPConn) { _, _ = io.Copy(c, c) }))
	w.serve()
	c := dial(t, w.address)
	const size = 24 << 20
	random := rand.New(rand.NewPCG(1, 2))
	sent := sha256.New()
	go func() {
		piece := make([]byte, 300<<10)
		for left := size; left > 0; {
			n := min(left, 1+random.IntN(len(piece)))
			for i := 0; i < n; i += 512 {
				piece[i] = byte(random.Uint32())
			}
			sent.Write(piece[:n])
			if _, err := c.Write(piece[:n]); err != nil {
				t.Errorf("send: %v", err)
				return
			}
			left -= n
		}
		_ = c.CloseWrite()
	}()
	got := sha256.New()
	n, err := io.Copy(got, c)
	if err != nil || n != size || !bytes.Equal(got.Sum(nil), sent.Sum(nil)) {
		t.Errorf("got %d bytes, %v; want the %d that were sent", n, err, size)
	}
	w.samples.ends(t, 1)
	if from, to := w.samples.total(); from != size || to != size {
		t.Errorf("samples tell of %d and %d bytes, want %d each", from, to, size)
	}
}

// TestResets breaks off on one side: the other side learns it as a reset, not as an end.
func TestResets(t *testing.T) {
	t.Parallel()
	broken := make(chan error, 1)
	w := newWorld(t, "TCP")
	w.target(backend(t, func(c *net.TCPConn) {
		_, _ = io.WriteString(c, "a\n")
		_, err := io.Copy(io.Discard, c)
		broken <- err
	}))
	w.serve()
	c := dial(t, w.address)
	line(t, c)
	_ = c.SetLinger(0)
	_ = c.Close()
	if err := await(t, "the end at the target", broken); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the target sees %v, want a reset", err)
	}
	wantEnds(t, w.samples.ends(t, 1), map[l4.End]int{l4.EndClientReset: 1})

	other := newWorld(t, "TCP")
	other.target(backend(t, func(c *net.TCPConn) {
		_, _ = readLine(c)
		_ = c.SetLinger(0)
	}))
	other.serve()
	c = dial(t, other.address)
	_, _ = io.WriteString(c, "go\n")
	wantReset(t, "the target broke off", c)
	wantEnds(t, other.samples.ends(t, 1), map[l4.End]int{l4.EndTargetReset: 1})
}

// TestRetries has targets that refuse: no connection fails for them, and each is told of.
func TestRetries(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "TCP")
	bad := map[string]bool{w.target(dead(t)).Path(): true, w.target(dead(t)).Path(): true}
	w.target(echo(t, "alive"))
	w.serve()
	for range 40 {
		c := dial(t, w.address)
		if got := line(t, c); got != "alive" {
			t.Fatalf("got %q", got)
		}
		_ = c.Close()
	}
	w.server.Shutdown(t.Context())
	close(w.refused)
	seen := map[string]bool{}
	for path := range w.refused {
		if !bad[path] {
			t.Errorf("%s is blamed", path)
		}
		seen[path] = true
	}
	if len(seen) != 2 {
		t.Errorf("%d targets were blamed, want 2", len(seen))
	}
}

// TestNoTarget resets connections that cannot be served.
func TestNoTarget(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		prepare func(*world)
		end     l4.End
	}{
		"no target":        {func(*world) {}, l4.EndNoTarget},
		"a draining one":   {func(w *world) { w.target(echo(w.t, "a")).DrainAt = noon }, l4.EndNoTarget},
		"a closed flight":  {func(w *world) { w.flights.Target(w.target(echo(w.t, "a")).Path()).Close() }, l4.EndNoTarget},
		"a dead one":       {func(w *world) { w.target(dead(w.t)) }, l4.EndUnreachable},
		"another listener": {func(w *world) { w.target(echo(w.t, "a")); w.listener.ARN += "0" }, l4.EndNoTarget},
		"no group":         {func(w *world) { delete(w.groups, groupARN("g")) }, l4.EndNoTarget},
		"weight 0":         {func(w *world) { w.target(echo(w.t, "a")); w.listener.Actions[0].Forward.Groups[0].Weight = 0 }, l4.EndNoTarget},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "TCP")
			test.prepare(w)
			w.serve()
			wantRefusal(t, name, w.address)
			wantEnds(t, w.samples.ends(t, 1), map[l4.End]int{test.end: 1})
		})
	}
}

// TestFailOpen sends connections to unhealthy targets where there are no others.
func TestFailOpen(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "TCP")
	target := w.target(echo(t, "sick"))
	w.health[target.Path()] = routing.Health{State: model.TargetUnhealthy, Since: noon}
	w.serve()
	c := dial(t, w.address)
	if got := line(t, c); got != "sick" {
		t.Errorf("got %q", got)
	}
	w.health[w.target(echo(t, "well")).Path()] = routing.Health{State: model.TargetInitial, Since: noon}
	w.compile()
	say(t, c, "a connection that began while all were unhealthy goes on")
	if !w.samples.list[0].FailOpen {
		t.Error("the sample does not tell that the target is unhealthy")
	}
	// It recovers and fails again: that is another thing.
	w.health[target.Path()] = routing.Health{State: model.TargetHealthy, Since: noon.Add(time.Minute)}
	w.compile()
	say(t, c, "still there")
	w.health[target.Path()] = routing.Health{State: model.TargetUnhealthy, Since: noon.Add(time.Hour)}
	w.compile()
	wantReset(t, "the target failed again", c)
}

// TestUnhealthy cuts the connections to a target that becomes unhealthy, or not, as the group says.
func TestUnhealthy(t *testing.T) {
	t.Parallel()
	for _, cuts := range []bool{true, false} {
		w := newWorld(t, "TCP")
		if !cuts {
			w.attribute(model.AttributeTerminateUnhealthy, "false")
		}
		target := w.target(echo(t, "a"))
		w.serve()
		c := dial(t, w.address)
		line(t, c)
		w.health[target.Path()] = routing.Health{State: model.TargetUnhealthy, Since: noon.Add(time.Second)}
		w.target(echo(t, "b"))
		w.compile()
		if cuts {
			wantReset(t, "the target is unhealthy", c)
			wantEnds(t, w.samples.ends(t, 1), map[l4.End]int{l4.EndUnhealthy: 1})
		} else {
			say(t, c, "untouched")
		}
		next := dial(t, w.address)
		if got := line(t, next); got != "b" {
			t.Errorf("a new connection gets %q, want the healthy target", got)
		}
	}
}

// TestDeregistration drains a target: no new connection, and the old one goes on until the delay is over, or for as long
// as it likes.
func TestDeregistration(t *testing.T) {
	t.Parallel()
	for _, cuts := range []bool{true, false} {
		w := newWorld(t, "TCP")
		if cuts {
			w.attribute(model.AttributeTerminate, "true")
		}
		target := w.target(echo(t, "old"))
		w.serve()
		c := dial(t, w.address)
		line(t, c)
		flying := w.flights.Target(target.Path())

		draining := *target
		draining.DrainAt, draining.DrainBy = noon, noon.Add(time.Minute)
		w.targets[target.Group] = []*model.Target{&draining}
		w.target(echo(t, "new"))
		w.compile()
		if flying.Close() {
			t.Error("the target counts as drained with a connection to it")
		}
		say(t, c, "going on")
		another := dial(t, w.address)
		if got := line(t, another); got != "new" {
			t.Errorf("a new connection gets %q", got)
		}
		_ = another.Close()
		flying.Quit()
		if path := await(t, "drained", w.drained); path != target.Path() {
			t.Errorf("%s is drained", path)
		}
		if cuts {
			wantReset(t, "the delay is over", c)
		} else {
			say(t, c, "still there")
			_ = c.Close()
		}
		w.server.Shutdown(context.WithoutCancel(t.Context()))
		if n := flying.InFlight(); n != 0 {
			t.Errorf("%d in flight, want 0: each is counted once", n)
		}
	}
}

// TestDrainsEarly ends the last connection before the delay is over.
func TestDrainsEarly(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "TCP")
	target := w.target(echo(t, "a"))
	w.serve()
	c := dial(t, w.address)
	line(t, c)
	w.flights.Target(target.Path()).Close()
	_ = c.Close()
	await(t, "drained", w.drained)
	// It comes back.
	w.flights.Target(target.Path()).Open()
	line(t, dial(t, w.address))
}

func TestIdle(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "TCP")
	w.listener.Attributes[model.AttributeTCPIdleTimeout] = "1"
	w.target(echo(t, "a"))
	w.serve()
	c := dial(t, w.address)
	line(t, c)
	wantReset(t, "idle for a second", c)
	wantEnds(t, w.samples.ends(t, 1), map[l4.End]int{l4.EndIdle: 1})
}

// TestShutdown stops accepting at once, waits for connections and cuts those that stay too long.
func TestShutdown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "TCP")
	w.target(echo(t, "a"))
	w.serve()
	short, long := dial(t, w.address), dial(t, w.address)
	line(t, short)
	line(t, long)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { w.server.Shutdown(ctx); close(done) }()
	for { // until the listener is closed
		c, err := net.DialTimeout("tcp", w.address, patience)
		if err != nil {
			break
		}
		_ = c.Close()
	}
	say(t, short, "going on")
	_ = short.CloseWrite()
	if _, err := io.Copy(io.Discard, short); err != nil {
		t.Errorf("a connection that ends in time sees %v", err)
	}
	select {
	case <-done:
		t.Error("Shutdown does not wait")
	default:
	}
	say(t, long, "going on")
	cancel()
	await(t, "the end of Shutdown", done)
	wantReset(t, "shut down", long)
	if l := listen(t); w.server.ServeTCP(t.Context(), l) != nil {
		t.Error("ServeTCP after Shutdown does not end well")
	}
}
