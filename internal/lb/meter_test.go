package lb_test

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"testing"

	"github.com/maitred/maitred/internal/lb"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/reading"
)

// frames collects readings.
type frames struct {
	mu  sync.Mutex
	all []reading.Frame
}

func (f *frames) add(x reading.Frame) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all = append(f.all, x)
}

func (f *frames) some(so func(reading.Frame) bool) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.ContainsFunc(f.all, so)
}

// sum counts the answers of targets over all readings.
func (f *frames) sum() (n int64) {
	f.some(func(x reading.Frame) bool {
		for i := range x.Routes {
			n += x.Routes[i].Answers[reading.Class2XX]
		}
		return false
	})
	return n
}

// TestReadings sends requests and finds them in the readings, the last ones in that of the end.
func TestReadings(t *testing.T) {
	t.Parallel()
	w, f, b, x := newSite(t)
	w.put(x)
	var got frames
	peer := &model.Peer{Address: "127.0.0.1:1", Fingerprint: "f", Token: "t"}
	r := w.run(func(c *lb.Config) { c.Readings, c.Peer = got.add, peer })
	w.untilState(x, model.TargetHealthy)
	untilAnswer(t, f.url(), http.StatusOK, "one")
	if p := w.balancer().Peer; p == nil || *p != *peer {
		t.Errorf("the balancer publishes %+v, want %+v", p, peer)
	}
	slow := later(context.WithoutCancel(t.Context()), f.url()+"slow")
	<-b.slow
	eventually(t, "a reading has the connection, the health and what is in flight", func() bool {
		return got.some(func(x reading.Frame) bool {
			return len(x.Listeners) == 1 && x.Listeners[0].Active == 1 && len(x.Groups) == 1 &&
				x.Groups[0] == reading.Group{ARN: groupARN, Healthy: 1, Registered: 1, Eligible: 1, InFlight: 1}
		})
	})
	before := got.sum()
	close(b.release)
	if a := <-slow; a.err != nil || a.body != "one" {
		t.Errorf("the slow request: %+v", a)
	}
	r.end(t)
	if after := got.sum(); before < 1 || after != before+1 {
		t.Errorf("%d requests were counted, and %d with the last one", before, after)
	}
}
