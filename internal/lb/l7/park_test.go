package l7_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/maitred/maitred/internal/lb/park"
	"github.com/maitred/maitred/internal/model"
)

// parks makes the lot where requests wait.
func (r *rig) parks() *park.Lot {
	r.lot = park.New(time.Now, func(_ string, since time.Time) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.demands = append(r.demands, fmt.Sprint(!since.IsZero()))
	})
	return r.lot
}

// look tells those who wait that there is a new table, as the balancer does.
func (r *rig) look() {
	t := r.table.Load()
	r.lot.Look(func(group string) bool { return t.Groups[group].Awake() })
}

func (r *rig) said() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.demands)
}

// wake makes requests to a group wait for targets.
func wake(queue int, deadline time.Duration) func(*model.TargetGroup) {
	return func(g *model.TargetGroup) { g.Wake = &model.Wake{Service: "service", Queue: queue, Deadline: deadline} }
}

func (r *rig) feel(x *model.Target, state model.TargetState) {
	r.mu.Lock()
	r.health[x.Path()] = state
	r.mu.Unlock()
	r.compile()
	r.look()
}

// TestParked has requests of all kinds wait for the first target, and then for it to be healthy. All are answered by it.
func TestParked(t *testing.T) {
	t.Parallel()
	const all = 12
	r := newRig(t)
	g := r.group("app", wake(all, time.Minute))
	answers := make(chan string, all)
	for i := range all {
		go func() { answers <- r.send(i) }()
		eventually(t, fmt.Sprintf("%d requests wait", i+1), func() bool { return r.lot.Waiting(g.ARN) == i+1 })
	}
	if _, text := r.get("/late"); !strings.Contains(text, "503") {
		t.Errorf("a request too many is answered with %q", text)
	}
	if e := r.entry(1); e.Error != "WakeQueueFull" || e.Code != http.StatusServiceUnavailable {
		t.Errorf("the access log says of a request too many: %d %s", e.Code, e.Error)
	}

	var mu sync.Mutex
	var order []string
	addr := listen(t, func(c net.Conn) {
		in := bufio.NewReader(c)
		for {
			req, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			text, _ := io.ReadAll(req.Body)
			mu.Lock()
			order = append(order, req.URL.Path+string(text))
			mu.Unlock()
			if _, err := io.WriteString(c, fine); err != nil {
				return
			}
		}
	})
	host, _, _ := net.SplitHostPort(addr)
	r.mu.Lock()
	r.health[(&model.Target{Group: g.ARN, ID: host, Address: host, Port: portOf(t, addr)}).Path()] = model.TargetInitial
	r.mu.Unlock()
	x := r.target(g, addr)
	r.look()
	if n := r.lot.Waiting(g.ARN); n != all {
		t.Errorf("%d requests wait for a target that is new", n)
	}
	r.feel(x, model.TargetHealthy)
	for range all {
		if got := <-answers; got != "200 ok" {
			t.Errorf("a request that waited is answered with %q", got)
		}
	}
	mu.Lock()
	if len(order) != all || !slices.Contains(order, "/1one") || !slices.Contains(order, "/0") || !slices.Contains(order, "/2") {
		t.Errorf("the target got %q", order)
	}
	mu.Unlock()
	if got := r.said(); !slices.Equal(got, []string{"true", "false"}) {
		t.Errorf("it was said that requests wait: %q", got)
	}
	if resp, text := r.get("/then"); resp.StatusCode != http.StatusOK || text != "ok" || len(r.said()) != 2 {
		t.Errorf("with a target a request is answered with %d %q", resp.StatusCode, text)
	}
}

func portOf(t *testing.T, addr string) int {
	t.Helper()
	a, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return a.Port
}

// send sends a plain request, one with a body, or one of HTTP/2.
func (r *rig) send(i int) string {
	url := fmt.Sprintf("http://%s/%d", r.addr, i)
	var resp *http.Response
	var err error
	switch i % 3 {
	case 0:
		resp, err = client(r.t).Get(url)
	case 1:
		resp, err = client(r.t).Post(url, "text/plain", strings.NewReader("one"))
	default:
		var protocols http.Protocols
		protocols.SetUnencryptedHTTP2(true)
		tr := &http.Transport{Protocols: &protocols}
		defer tr.CloseIdleConnections()
		resp, err = (&http.Client{Transport: tr, Timeout: 20 * time.Second}).Get(url)
	}
	if err != nil {
		return err.Error()
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprint(resp.StatusCode, " ", string(text))
}

// asleep makes the only target of inTime's group one of which nothing is known.
func (r *rig) asleep(deadline time.Duration) *model.Target {
	wake(10, deadline)(r.groups[0])
	x := r.targets[r.groups[0].ARN][0]
	r.health[x.Path()] = model.TargetInitial
	r.groups[0] = new(*r.groups[0])
	r.compile()
	return x
}

// TestParkedDeadline has no target come in time: 503, however short the idle timeout is.
func TestParkedDeadline(t *testing.T) {
	t.Parallel()
	inTime(t, answer(fine), func(t *testing.T, r *rig, front *pipes) {
		r.asleep(30 * time.Second)
		c := front.dial()
		defer func() { _ = c.Close() }()
		go func() { _, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n") }()
		if code, after := response(t, c); code != http.StatusServiceUnavailable || after != 30*time.Second {
			t.Errorf("it is answered with %d after %v", code, after)
		}
		if e := r.entry(1); e.Error != "WakeDeadline" || e.Group != r.groups[0].ARN {
			t.Errorf("the access log says %s", e.Error)
		}
		if r.lot.Waiting(r.groups[0].ARN) != 0 || len(r.said()) != 2 {
			t.Error("the request still waits")
		}
	})
}

// TestParkedLate has the target come after longer than the idle timeout: the request is answered, and the connection goes on.
func TestParkedLate(t *testing.T) {
	t.Parallel()
	inTime(t, answer(fine), func(t *testing.T, r *rig, front *pipes) {
		x := r.asleep(30 * time.Second)
		c := front.dial()
		defer func() { _ = c.Close() }()
		go func() { _, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n") }()
		time.AfterFunc(25*time.Second, func() { r.feel(x, model.TargetHealthy) })
		if code, after := response(t, c); code != http.StatusOK || after != 25*time.Second {
			t.Errorf("it is answered with %d after %v", code, after)
		}
		go func() { _, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n") }()
		if code, after := response(t, c); code != http.StatusOK || after != 0 {
			t.Errorf("the next one is answered with %d after %v", code, after)
		}
	})
}

// TestParkedClientGone has the client leave: nobody waits any more.
func TestParkedClientGone(t *testing.T) {
	t.Parallel()
	inTime(t, answer(fine), func(t *testing.T, r *rig, front *pipes) {
		r.asleep(time.Hour)
		c := front.dial()
		if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if n := r.lot.Waiting(r.groups[0].ARN); n != 1 {
			t.Fatalf("%d requests wait", n)
		}
		_ = c.Close()
		<-time.After(2 * time.Second)
		synctest.Wait()
		if n := r.lot.Waiting(r.groups[0].ARN); n != 0 {
			t.Errorf("%d requests wait whose client has left", n)
		}
		if e := r.entry(1); e.Code != 460 {
			t.Errorf("the access log says %d %s", e.Code, e.Error)
		}
	})
}

// TestParkedNoMore has the group become one for which nobody waits, and go away: 503 at once.
func TestParkedNoMore(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(r *rig){
		"not woken": func(r *rig) {
			next := *r.groups[0]
			next.Wake = nil
			r.groups[0] = &next
			r.targets = map[string][]*model.Target{}
		},
		"gone": func(r *rig) { r.groups = nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inTime(t, answer(fine), func(t *testing.T, r *rig, front *pipes) {
				r.asleep(time.Hour)
				c := front.dial()
				defer func() { _ = c.Close() }()
				go func() { _, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n") }()
				time.AfterFunc(time.Second, func() {
					r.mu.Lock()
					change(r)
					r.mu.Unlock()
					r.compile()
					r.look()
				})
				if code, after := response(t, c); code != http.StatusServiceUnavailable || after != time.Second {
					t.Errorf("it is answered with %d after %v", code, after)
				}
			})
		})
	}
}

// TestParkedShutdown has the load balancer end, and nobody wait for what it serves.
func TestParkedShutdown(t *testing.T) {
	t.Parallel()
	inTime(t, answer(fine), func(t *testing.T, r *rig, front *pipes) {
		r.asleep(time.Hour)
		c := front.dial()
		defer func() { _ = c.Close() }()
		go func() { _, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n") }()
		synctest.Wait()
		limit, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		if err := r.server.Shutdown(limit); err == nil {
			t.Error("nothing was cut")
		}
		if n := r.lot.Waiting(r.groups[0].ARN); n != 0 {
			t.Errorf("%d requests wait", n)
		}
	})
}
