package l4_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/maitred/maitred/internal/lb/l4"
	"github.com/maitred/maitred/internal/model"
)

// TestStorm lets clients come, break off at every moment and stay half open, and then looks that nothing is left of them.
// It is not parallel, so that what it finds is its own.
func TestStorm(t *testing.T) { //nolint:paralleltest // it looks at all goroutines
	w := newWorld(t, "TCP")
	target := w.target(echo(t, "a"))
	other := w.target(dead(t))
	w.serve()
	const clients = 300
	for i := range clients {
		c := dial(t, w.address)
		switch i % 6 {
		case 0: // nothing at all
			_ = c.SetLinger(0)
			_ = c.Close()
		case 1: // bytes without waiting for any
			_, _ = c.Write(bytes.Repeat([]byte{1}, 100_000))
			_ = c.SetLinger(0)
			_ = c.Close()
		case 2: // half open
			_ = c.CloseWrite()
		case 3: // a slow one
			line(t, c)
			_, _ = c.Write([]byte{1})
		case 4: // gone with bytes unread
			line(t, c)
			_, _ = c.Write(bytes.Repeat([]byte{1}, 100_000))
			_ = c.Close()
		case 5: // a decent one
			line(t, c)
			say(t, c, "hello")
			_ = c.Close()
		}
	}
	w.samples.ends(t, clients/6*5) // all but the slow ones
	if n := w.server.Conns(); n > clients/6+1 {
		t.Errorf("%d connections are left, want those that are open", n)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w.server.Shutdown(ctx)
	if left := inL4(); left != "" {
		t.Errorf("goroutines are left:\n%s", left)
	}
	for _, x := range []*model.Target{target, other} {
		if n := w.flights.Target(x.Path()).InFlight(); n != 0 {
			t.Errorf("%d in flight to %s, want 0", n, x.Path())
		}
	}
}

// inL4 gives the stacks of goroutines of the package; "" if there are none. One that has said that it is over needs a moment
// to be gone.
func inL4() (left string) {
	for late := time.After(patience); ; runtime.Gosched() {
		if left = stacksInL4(); left == "" {
			return ""
		}
		select {
		case <-late:
			return left
		default:
		}
	}
}

func stacksInL4() string {
	buf := make([]byte, 4<<20)
	var found []byte
	for g := range bytes.SplitSeq(buf[:runtime.Stack(buf, true)], []byte("\n\n")) {
		if bytes.Contains(g, []byte("internal/lb/l4.(")) {
			found = append(append(found, g...), '\n', '\n')
		}
	}
	return string(found)
}

// TestTooMany bounds connections: those that are too many are reset, the others are served.
func TestTooMany(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "TCP")
	w.target(echo(t, "a"))
	w.serve(func(c *l4.Config) { c.MaxConns = 3 })
	kept := []*net.TCPConn{dial(t, w.address), dial(t, w.address), dial(t, w.address)}
	for _, c := range kept {
		line(t, c)
	}
	for range 50 {
		wantRefusal(t, "one too many", w.address)
	}
	if ends := w.samples.ends(t, 50); ends[l4.EndRejected] != 50 {
		t.Errorf("got ends %v", ends)
	}
	say(t, kept[0], "unharmed")
	_ = kept[1].Close()
	w.samples.ends(t, 51)
	for w.server.Conns() > 2 {
		runtime.Gosched()
	}
	line(t, dial(t, w.address))
}

// TestNobodyReads has a target, and then a client, that takes nothing: what is on its way is bounded, and it ends by the
// idle timeout.
func TestNobodyReads(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "TCP")
	w.listener.Attributes[model.AttributeTCPIdleTimeout] = "1"
	release := make(chan struct{})
	w.target(backend(t, func(*net.TCPConn) { <-release }))
	t.Cleanup(func() { close(release) })
	w.serve()
	c := dial(t, w.address)
	piece := make([]byte, 1<<20)
	sent := 0
	for {
		n, err := c.Write(piece)
		sent += n
		if err != nil {
			break
		}
	}
	if sent > 64<<20 {
		t.Errorf("%d bytes were taken of the client that nobody reads", sent)
	}
	wantEnds(t, w.samples.ends(t, 1), map[l4.End]int{l4.EndIdle: 1})
}

// TestBlackHole has a target that does not answer at all: a connection gets another one in time.
func TestBlackHole(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "TCP")
	hole := w.target(fullBacklog(t))
	w.target(echo(t, "alive"))
	w.serve(func(c *l4.Config) { c.ConnectTimeout = 3 * time.Second })
	// A flow's hash decides where it is tried first: half of them begin with the hole.
	for range 100 {
		if got := line(t, dial(t, w.address)); got != "alive" {
			t.Fatalf("got %q", got)
		}
		select {
		case path := <-w.refused:
			if path != hole.Path() {
				t.Errorf("%s is blamed", path)
			}
			return
		default:
		}
	}
	t.Error("nobody is blamed")
}

// fullBacklog is an address that takes no connection and refuses none: its queue is full.
func fullBacklog(t *testing.T) string {
	t.Helper()
	l := listenNarrow(t)
	for range 4 {
		go func() {
			d := net.Dialer{}
			if c, err := d.DialContext(t.Context(), "tcp", l); err == nil {
				t.Cleanup(func() { _ = c.Close() })
				_, _ = io.Copy(io.Discard, c)
			}
		}()
	}
	// It is full when a connection is not made, again and again: the first time it may be this test that was late.
	for late := 0; late < 3; {
		d := net.Dialer{Timeout: 200 * time.Millisecond}
		c, err := d.DialContext(t.Context(), "tcp", l)
		if err != nil {
			late++
			continue
		}
		t.Cleanup(func() { _ = c.Close() })
	}
	return l
}
