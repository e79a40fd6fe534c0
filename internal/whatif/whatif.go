package whatif

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/maitred/maitred/internal/metrics"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// Scenario is a service, a load and what is known of its tasks.
type Scenario struct {
	View    *store.View
	Service *model.Service
	Load    *Load
	Tasks   Tasks
	// Count is with how many tasks it begins.
	Count int
	// Recorded gives what the model does not publish, as it was recorded; nil: such metrics have no data.
	Recorded metrics.Reader
	// Seed chooses the random arrivals of a load that is known by the minute. The same one gives the same result.
	Seed uint64
}

// Run lets a load pass with a change, or with none.
func (s *Scenario) Run(ctx context.Context, c Change) (Outcome, error) {
	if err := s.check(); err != nil {
		return Outcome{}, err
	}
	return s.run(ctx, c, newFluid(s.Tasks, s.Load, s.Seed))
}

func (s *Scenario) check() error {
	n := len(s.Load.Rates)
	switch {
	case n == 0:
		return fmt.Errorf("the load is empty")
	case n > int(MaxLoad/time.Second):
		return fmt.Errorf("the load is longer than %v", MaxLoad)
	case s.Count < 0:
		return fmt.Errorf("a simulation cannot begin with %d tasks", s.Count)
	case !s.Load.Start.Equal(s.Load.Start.Truncate(time.Minute)):
		return fmt.Errorf("the load does not begin with a minute")
	}
	for i, r := range s.Load.Rates {
		if math.IsNaN(r) || r < 0 || r > maxRate {
			return fmt.Errorf("the load of second %d is not between 0 and %g", i, float64(maxRate))
		}
	}
	return s.Tasks.check()
}

func (s *Scenario) run(ctx context.Context, c Change, p plant) (Outcome, error) {
	w, err := newWorld(ctx, s, c)
	if err != nil {
		return Outcome{}, err
	}
	defer w.close()
	view := w.store.View()
	watch, err := newWatch(view, w.target, s.Service.Region, s.Load, s.Tasks.Room)
	if err != nil {
		return Outcome{}, err
	}
	r := &run{world: w, load: s.Load, start: s.Tasks.Start, room: s.Tasks.Room, plant: p, watch: watch}
	if err := r.simulate(ctx); err != nil {
		return Outcome{}, err
	}
	return watch.Outcome, watch.failed
}
