package daemon

import (
	"testing"
	"time"

	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
	"github.com/maitred/maitred/internal/store/mem"
)

// TestGap: what agents and balancers remember is left to another server only if that one is there: else nobody would count it.
func TestGap(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 4, 12, 0, 30, 5e8, time.UTC)
	second := now.Truncate(time.Second)
	peer := &model.Peer{Address: "127.0.0.1:1"}
	for name, c := range map[string]struct {
		other *model.Server
		away  time.Duration
		to    time.Time
	}{
		"alone":                        {nil, time.Hour, time.Time{}},
		"not for long":                 {&model.Server{Connected: true, Peer: peer, SeenAt: now}, 59 * time.Second, time.Time{}},
		"the other is there":           {&model.Server{Connected: true, Peer: peer, SeenAt: now.Add(-time.Minute)}, time.Hour, second},
		"the other went":               {&model.Server{Peer: peer, SeenAt: now}, time.Hour, second.Add(-memory)},
		"the other cannot be read":     {&model.Server{Connected: true, SeenAt: now}, time.Hour, second.Add(-memory)},
		"both were killed":             {&model.Server{Connected: true, Peer: peer, SeenAt: now.Add(-2 * time.Minute)}, 2 * time.Minute, second.Add(-memory)},
		"the other is switched off":    {&model.Server{Connected: true, Peer: peer, SeenAt: now.Add(-24 * time.Hour)}, 61 * time.Second, second.Add(-memory)},
		"the other went, a minute ago": {&model.Server{Peer: peer, SeenAt: now}, memory, time.Time{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			st, err := store.OpenSync(t.Context(), mem.New(mem.Options{}), store.Scope{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(st.Close)
			if _, err := st.Update(t.Context(), func(tx *store.Tx) error {
				tx.Put(&model.Server{ID: "self", Connected: true, Peer: peer, SeenAt: now})
				if c.other != nil {
					c.other.ID = "other"
					tx.Put(c.other)
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			s := &server{cfg: Config{DataDir: t.TempDir()}, store: st, measuredUntil: now.Add(-c.away)}
			from, to := s.gap(now, "self")
			if !to.Equal(c.to) || !to.IsZero() && !from.Equal(s.measuredUntil) {
				t.Errorf("the gap is from %v to %v, want it to end at %v", from, to, c.to)
			}
		})
	}
}
