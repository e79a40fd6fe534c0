package core

import (
	"testing"
	"time"

	"github.com/maitred/maitred/internal/model"
)

// TestWorse says when there is something new to say of tasks that are held back, after it was said of ten of twenty.
func TestWorse(t *testing.T) {
	t.Parallel()
	said := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	const again = time.Minute
	for name, c := range map[string]struct {
		held, percent, events int
		after                 time.Duration
		want                  bool
	}{
		"nothing is new":                   {held: 10, percent: 150, after: again - 1},
		"it gets better":                   {held: 1, percent: 150},
		"a little worse":                   {held: 14, percent: 150},
		"a quarter of the service more":    {held: 15, percent: 150, want: true},
		"other bounds":                     {held: 10, percent: 125, want: true},
		"it is a while ago":                {held: 10, percent: 150, after: again, want: true},
		"it was said in one of the events": {held: 10, percent: 150, events: model.MaxServiceEvents - 1},
		"nobody can read it any more":      {held: 10, percent: 150, events: model.MaxServiceEvents, want: true},
	} {
		w := &work{
			step: &step{in: Input{Now: said.Add(c.after), Timings: model.Timings{DuplicateEvents: again}}},
			svc:  &model.Service{MinHealthy: 100, MaxPercent: c.percent}, desired: 20,
			state: model.ServiceState{
				LastEvent: 7 + c.events,
				HeldBack:  &model.HeldBack{Tasks: 10, MinHealthy: 100, MaxPercent: 150, At: said, Event: 7},
			},
		}
		if got := w.worse(c.held); got != c.want {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}
