package meter

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/maitred/maitred/internal/metrics"
	"github.com/maitred/maitred/internal/model"
)

// mortal keeps what is put until its process is killed: after so many calls.
type mortal struct {
	kept
	life   int
	newest time.Time // up to when it wrote down that it put
	dead   sync.Once
	killed chan struct{}
}

func (m *mortal) Put(data []metrics.Datum) {
	if m.life == 0 {
		m.dead.Do(func() { close(m.killed) })
		return
	}
	m.life--
	m.kept.Put(data)
	for i := range data {
		if d := &data[i]; d.Resolution == 1 && d.At.After(m.newest) {
			m.newest = d.At
		}
	}
}

// restart is how often a process puts something before it is killed, and how many seconds pass until the next one.
type restart struct{ Life, Away int }

// TestRestarts: however often a collector is killed and another one goes on, what a source tells is counted once: no second and no
// minute twice, and each second as long as the source remembers it. Only of the seconds around a kill something may lack, and of
// those that a collector was about to catch up with when it was killed.
func TestRestarts(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		var lives []restart
		for range rapid.IntRange(2, 3).Draw(r, "lives") {
			lives = append(lives, restart{rapid.IntRange(1, 150).Draw(r, "life"), rapid.IntRange(0, 50).Draw(r, "away")})
		}
		var wrong []string
		synctest.Test(t, func(t *testing.T) { wrong = restarts(newWorld(t), lives) })
		if len(wrong) > 0 {
			r.Fatalf("after the begin: %s", strings.Join(wrong, ", "))
		}
	})
}

func restarts(w *world, lives []restart) (wrong []string) {
	l := newLines()
	feed, frame := w.agent(l)
	begin := time.Now().UTC()
	var all []metrics.Datum
	after := begin.Add(-time.Second)
	lack := map[time.Time]bool{}
	for _, x := range lives {
		for at := after; at.Before(time.Now().Add(-time.Minute)); at = at.Add(time.Second) {
			lack[at] = true // the source does not remember it
		}
		m := &mortal{life: x.Life, newest: after, killed: make(chan struct{})}
		_, _, stop := w.collect(l, func(c *Config) { c.Put, c.After = m, after })
		lived := 0
		for alive := true; alive; lived++ {
			pulse(feed, 1, frame)
			select {
			case <-m.killed:
				alive = false
			default:
			}
		}
		stop()
		for at := after; lived < 5 && at.Before(m.newest); at = at.Add(time.Second) {
			lack[at] = true
		}
		all, after = append(all, m.data...), m.newest
		lack[after], lack[after.Add(time.Second)] = true, true
		pulse(feed, x.Away, frame)
	}
	minutes := statsOf(all, minute, model.NamespaceECS, "CPUUtilization", ofService...)
	seconds := statsOf(all, 1, model.NamespaceFast, "CPUUtilization", ofService...)
	for _, sums := range []map[time.Time]metrics.Stats{minutes, seconds} {
		for at, sum := range sums {
			if sum.Count != 1 {
				wrong = append(wrong, fmt.Sprintf("%v counts %v times", at.Sub(begin), sum.Count))
			}
		}
	}
	for at := begin; at.Before(after); at = at.Add(time.Second) {
		if seconds[at].Count == 0 && !lack[at] {
			wrong = append(wrong, fmt.Sprintf("%v is not counted", at.Sub(begin)))
		}
	}
	return wrong
}
