package engine_test

import (
	"testing"
	"time"

	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/engine"
	"github.com/maitred/maitred/internal/store/mem"
)

// TestSilence: nothing is placed on a machine that went without a word, once a full look has found it silent, and it is
// used again as soon as it is heard of.
func TestSilence(t *testing.T) {
	t.Parallel()
	st := open(t, mem.New(mem.Options{}))
	defer st.Close()
	found(t, st)
	beat := func(now time.Time) {
		m := machine("m1")
		m.SeenAt = now
		put(t, st, m)
	}
	beat(start())
	c := config(st)
	c.Connected = control.AgentConnected
	l := engine.NewLoop(c, nil)
	defer l.Close()
	settle(t, l, start())

	later := start().Add(2 * time.Minute) // the next full look is due, and the agent was silent
	settle(t, l, later)
	create(t, st, "web", 2)
	settle(t, l, later)
	if n := tasks(st); n != 0 {
		t.Errorf("%d tasks are placed on a silent machine", n)
	}
	beat(later.Add(time.Second))
	settle(t, l, later.Add(time.Second))
	if n := tasks(st); n != 2 {
		t.Errorf("%d tasks are placed when it is heard of again, want 2", n)
	}
}
