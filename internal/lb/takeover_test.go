package lb_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maitred/maitred/internal/lb"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

func in(dir string) func(*lb.Config) { return func(c *lb.Config) { c.Dir = dir } }

// takenOver waits for the end of a balancer from which another has taken over.
func (r *running) takenOver(t *testing.T) {
	t.Helper()
	<-r.done
	if !errors.Is(r.err, lb.ErrTakenOver) {
		t.Errorf("Run: %v, want %v", r.err, lb.ErrTakenOver)
	}
}

// TestTakeover has ten balancers take over from each other, and no new connection refused or reset meanwhile.
func TestTakeover(t *testing.T) {
	t.Parallel()
	w, f, _, x := newSite(t)
	w.put(x)
	dir := filepath.Join(t.TempDir(), strings.Repeat("a long name ", 10))
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	now := w.run(in(dir))
	untilAnswer(t, f.url(), http.StatusOK, "one")
	w.untilState(x, model.TargetHealthy)

	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var clients sync.WaitGroup
	var asked atomic.Int64
	for range 4 {
		clients.Go(func() {
			for ctx.Err() == nil {
				if got := ask(context.Background(), f.url()); got.err != nil || got.code != http.StatusOK || got.body != "one" {
					t.Errorf("during a takeover the answer is %+v", got)
				}
				asked.Add(1)
			}
		})
	}
	for range 10 {
		before := asked.Load()
		next := w.run(in(dir))
		now.takenOver(t)
		now = next
		eventually(t, "requests go on", func() bool { return asked.Load() > before+20 })
	}
	stop()
	clients.Wait()
	t.Logf("%d requests", asked.Load())
	if r := w.balancer(); !r.Connected {
		t.Error("the old one says that the balancer is gone")
	}
	now.end(t)
	if r := w.balancer(); r.Connected {
		t.Error("the last one does not say that it is gone")
	}
}

// TestTakeoverDrains: what is in flight at the old balancer counts for the new one.
func TestTakeoverDrains(t *testing.T) {
	t.Parallel()
	w, f, b, x := newSite(t)
	w.put(x)
	dir := t.TempDir()
	first := w.run(in(dir))
	w.untilState(x, model.TargetHealthy)
	slow := later(t.Context(), f.url()+"slow")
	<-b.slow
	second := w.run(in(dir))
	// The second is served when the door is its own, which the third finds.
	eventually(t, "the second one serves", func() bool { return len(second.Table().Listeners) > 0 })
	third := w.run(in(dir))
	eventually(t, "the third one serves", func() bool { return len(third.Table().Listeners) > 0 })
	w.put(drained(x, time.Hour))
	w.untilState(x, model.TargetDraining)
	for _, r := range []*running{first, second} {
		select {
		case <-r.done:
			t.Error("one that has something in flight, or follows one that has, has ended")
		default:
		}
	}
	if w.health(x).Drained {
		t.Error("it is said to be drained with a request in flight")
	}
	close(b.release)
	if got := <-slow; got.code != http.StatusOK {
		t.Errorf("the request is answered by %+v", got)
	}
	w.until("it is drained", func(*store.View) bool { return w.health(x).Drained })
	first.takenOver(t)
	second.takenOver(t)
	third.end(t)
}

// TestTakeoverKeepAlive answers one more request on a connection that was open before.
func TestTakeoverKeepAlive(t *testing.T) {
	t.Parallel()
	w, f, _, x := newSite(t)
	w.put(x)
	dir := t.TempDir()
	first := w.run(in(dir))
	w.untilState(x, model.TargetHealthy)
	c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", f.listener.Port))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	read := bufio.NewReader(c)
	again := func() *http.Response {
		if _, err := fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(read, nil)
		if err != nil {
			t.Fatal(err)
		}
		body := make([]byte, 3)
		if _, err := resp.Body.Read(body); string(body) != "one" {
			t.Fatalf("the answer is %q, %v", body, err)
		}
		_ = resp.Body.Close()
		return resp
	}
	if again().Close {
		t.Fatal("the connection is closed at once")
	}
	second := w.run(in(dir))
	eventually(t, "the second one has taken over", func() bool { return w.balancer().JoinedAt.After(w.health(x).Since) })
	if !again().Close {
		t.Error("the client is not told to go")
	}
	first.takenOver(t)
	second.end(t)
}

// TestTakeoverBrokenOff goes on serving when the one that was to take over goes before it serves.
func TestTakeoverBrokenOff(t *testing.T) {
	t.Parallel()
	w, f, _, x := newSite(t)
	w.put(x)
	dir := t.TempDir()
	first := w.run(in(dir))
	w.untilState(x, model.TargetHealthy)
	for _, say := range []string{"", "{\"serving\":false}\n", "what?\n", "{\"lock\":true}\n"} {
		c, err := net.Dial("unix", filepath.Join(dir, "next.sock"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write([]byte(say)); err != nil {
			t.Fatal(err)
		}
		if say == "" {
			_ = c.Close()
		} else {
			for got := make([]byte, 1024); err == nil; {
				_, err = c.Read(got)
			}
			_ = c.Close()
		}
	}
	untilAnswer(t, f.url(), http.StatusOK, "one")
	w.put(drained(x, time.Minute))
	w.until("what it observes is written", func(*store.View) bool { return w.health(x).Drained })
	second := w.run(in(dir))
	first.takenOver(t)
	untilAnswer(t, f.url(), http.StatusServiceUnavailable, "")
	second.end(t)
}

// TestNothingToTakeOver begins anew where the one before was killed, and refuses where it does not answer.
func TestNothingToTakeOver(t *testing.T) {
	t.Parallel()
	w, f, b := newWorld(t), newFront(t), newBackend(t, "one")
	f.put(w)
	w.put(b.target(t, ""))
	dir := t.TempDir()
	left, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, "next.sock"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	left.SetUnlinkOnClose(false)
	if err := left.Close(); err != nil {
		t.Fatal(err)
	}
	r := w.run(in(dir))
	untilAnswer(t, f.url(), http.StatusOK, "one")
	if err := os.Remove(filepath.Join(dir, "next.sock")); err != nil {
		t.Fatal(err)
	}
	other, err := lb.New(lb.Config{Store: w.store, ID: balancerID, Random: func() uint64 { return 0 }, Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := other.Run(ctx); !errors.Is(err, lb.ErrInUse) {
		t.Errorf("beside one that does not answer: %v", err)
	}
	r.end(t)
}
