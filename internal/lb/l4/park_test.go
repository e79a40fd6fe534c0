package l4_test

import (
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/maitred/maitred/internal/core/routing"
	"github.com/maitred/maitred/internal/lb/l4"
	"github.com/maitred/maitred/internal/lb/park"
	"github.com/maitred/maitred/internal/model"
)

// sleepy is a world whose group "g" belongs to a service that may have no tasks.
type sleepy struct {
	*world
	lot *park.Lot

	mu   sync.Mutex
	said []bool // that connections wait, or that none does any more
}

func newSleepy(t *testing.T, queue int, deadline time.Duration) *sleepy {
	t.Helper()
	s := &sleepy{world: newWorld(t, "TCP")}
	s.lot = park.New(time.Now, func(_ string, since time.Time) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.said = append(s.said, !since.IsZero())
	})
	g := *s.groups[groupARN("g")]
	g.Wake = &model.Wake{Service: "service", Queue: queue, Deadline: deadline}
	s.groups[g.ARN] = &g
	s.serve(func(c *l4.Config) { c.Parked = s.lot })
	return s
}

// look makes a new table and tells those who wait, as the balancer does.
func (s *sleepy) look() {
	s.compile()
	t := s.table.Load()
	s.lot.Look(func(group string) bool { return t.Groups[group].Awake() })
}

func (s *sleepy) waits(n int) {
	s.t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for late := time.After(patience); s.lot.Waiting(groupARN("g")) != n; {
		select {
		case <-tick.C:
		case <-late:
			s.t.Fatalf("%d connections wait, want %d", s.lot.Waiting(groupARN("g")), n)
		}
	}
}

// TestParked has connections wait for the first target, and for it to be healthy. What clients send meanwhile is not lost, and
// one that has nothing more to say is answered as well.
func TestParked(t *testing.T) {
	t.Parallel()
	const all = 5
	address := echo(t, "a")
	s := newSleepy(t, all, time.Minute)
	var clients []*net.TCPConn
	for i := range all {
		c := dial(t, s.address)
		if _, err := fmt.Fprintf(c, "hello %d\n", i); err != nil {
			t.Fatal(err)
		}
		clients = append(clients, c)
		s.waits(i + 1)
	}
	_ = clients[0].CloseWrite()
	wantRefusal(t, "a connection too many", s.address)
	x := s.target(address)
	s.health[x.Path()] = routing.Health{State: model.TargetInitial, Since: noon}
	s.look()
	if n := s.lot.Waiting(groupARN("g")); n != all {
		t.Errorf("%d connections wait for a target that is new", n)
	}
	s.health[x.Path()] = routing.Health{State: model.TargetHealthy, Since: noon}
	s.look()
	for i, c := range clients {
		if name, said := line(t, c), line(t, c); name != "a" || said != fmt.Sprintf("hello %d", i) {
			t.Errorf("client %d gets %q and %q", i, name, said)
		}
	}
	if rest, err := io.ReadAll(clients[0]); err != nil || len(rest) > 0 {
		t.Errorf("at the end: %q, %v", rest, err)
	}
	s.waits(0)
	say(t, dial(t, s.address), "a") // the target's name comes first
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Equal(s.said, []bool{true, false}) {
		t.Errorf("it was said that connections wait: %v", s.said)
	}
}

// TestParkedTooLong resets a connection for which no target comes in time, and says why.
func TestParkedTooLong(t *testing.T) {
	t.Parallel()
	s := newSleepy(t, 1, time.Millisecond)
	wantRefusal(t, "no target came", s.address)
	wantEnds(t, s.samples.ends(t, 1), map[l4.End]int{l4.EndNoTarget: 1})
	s.waits(0)
}

// TestParkedNoMore lets go of connections whose service is not to be woken any more, and of those that wait when the end comes.
func TestParkedNoMore(t *testing.T) {
	t.Parallel()
	s := newSleepy(t, 10, time.Hour)
	c := dial(t, s.address)
	s.waits(1)
	wakes := s.groups[groupARN("g")]
	plain := *wakes
	plain.Wake = nil
	s.groups[plain.ARN] = &plain
	s.look()
	wantReset(t, "nobody wakes the service any more", c)
	s.groups[plain.ARN] = wakes
	s.look()
	_ = dial(t, s.address)
	s.waits(1) // and the end of the test ends it
}
