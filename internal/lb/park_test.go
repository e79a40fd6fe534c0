package lb_test

import (
	"fmt"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/maitred/maitred/internal/lb"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// TestParked has requests wait for the first target of a group: the store is told, and they are answered when it is healthy.
func TestParked(t *testing.T) {
	t.Parallel()
	w, f, b := newWorld(t), newFront(t), newBackend(t, "one")
	f.group.Wake = &model.Wake{Service: "web", Queue: 10, Deadline: time.Minute}
	f.put(w)
	w.put(&model.Demand{Balancer: balancerID, Group: "another", Since: time.Now().UTC()}) // of a balancer that was killed
	serves := make(chan struct{})
	w.run(func(c *lb.Config) { c.Serving = func() { close(serves) } })
	<-serves
	demands := func(v *store.View) (found []*model.Demand) {
		for d := range v.Demands(balancerID) {
			found = append(found, d)
		}
		return found
	}
	w.until("what a balancer said that was killed is taken back", func(v *store.View) bool { return len(demands(v)) == 0 })
	before := time.Now()
	one, two := later(t.Context(), f.url()), later(t.Context(), f.url())
	w.until("a request is said to wait", func(v *store.View) bool { return len(demands(v)) == 1 })
	if d := demands(w.store.View())[0]; d.Group != groupARN || d.Since.Before(before) || d.Since.After(time.Now()) {
		t.Errorf("of what waits it says %+v", d)
	}
	x := b.target(t, "")
	w.put(x)
	w.untilState(x, model.TargetHealthy)
	for _, answers := range []<-chan answer{one, two} {
		if got := <-answers; got.code != http.StatusOK || got.body != "one" {
			t.Errorf("a request that waited is answered by %+v, %v", got, got.err)
		}
	}
	w.until("nobody is said to wait", func(v *store.View) bool { return len(demands(v)) == 0 })
}

// TestParkedAtTakeover has a request wait at a balancer from which another one takes over: that one tells the store of it.
func TestParkedAtTakeover(t *testing.T) {
	t.Parallel()
	w, f, b := newWorld(t), newFront(t), newBackend(t, "one")
	f.group.Wake = &model.Wake{Service: "web", Queue: 10, Deadline: time.Minute}
	f.put(w)
	dir := t.TempDir()
	demands := func(v *store.View, elder bool) (n int) {
		for d := range v.Demands(balancerID) {
			if d.Elder == elder && d.Group == groupARN {
				n++
			}
		}
		return n
	}
	first := w.run(in(dir))
	w.until("the first one serves", func(*store.View) bool {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", f.listener.Port))
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
	parked := later(t.Context(), f.url())
	w.until("a request is said to wait", func(v *store.View) bool { return demands(v, false) == 1 })
	second := w.run(in(dir))
	w.until("the second one says that it waits at the first", func(v *store.View) bool { return demands(v, false) == 0 && demands(v, true) == 1 })
	x := b.target(t, "")
	w.put(x)
	if got := <-parked; got.code != http.StatusOK || got.body != "one" {
		t.Errorf("it is answered by %+v, %v", got, got.err)
	}
	w.until("nobody is said to wait", func(v *store.View) bool { return demands(v, true) == 0 })
	first.takenOver(t)
	second.end(t)
}
