package scaler_test

import (
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// retag gives the service tags in place of those that it has.
func (r *rig) retag(tags ...model.Tag) {
	r.update(func(tx *store.Tx) error {
		old, _ := tx.View().Service(service())
		svc := *old
		svc.Tags = tags
		tx.Put(&svc)
		return nil
	})
}

// play does what a script says, whatever comes of it.
func (r *rig) play(t *testing.T, script string) {
	t.Helper()
	datadriven.RunTestFromString(t, script, func(_ *testing.T, d *datadriven.TestData) string {
		r.command(d)
		return d.Expected
	})
}

// TestTagged: a tag that is given later makes a service fast at once, also if it is not to be looked at before a schedule
// says so, and one that is taken away ends that.
func TestTagged(t *testing.T) {
	t.Parallel()
	for name, scheduled := range map[string]bool{"alone": false, "with a schedule": true} {
		r := newRig(t)
		r.play(t, "service desired=2\n----\n\nregister min=1 max=20\n----\n\ntracking value=50\n----\n\n")
		if scheduled {
			r.later()
		}
		r.play(t, "load 60\n----\n\nrun 2m\n----\n\n")
		r.retag(model.Tag{Key: "maitred:scaling", Value: "fast"})
		r.play(t, "load 300\n----\n\nrun 10s\n----\n\n")
		svc, _ := r.store.View().Service(service())
		if svc.DesiredCount != 6 {
			t.Errorf("%s: %d are desired 10 s after the tag, want 6", name, svc.DesiredCount)
		}
		r.retag()
		r.play(t, "load 900\n----\n\nrun 10s\n----\n\n")
		if svc, _ = r.store.View().Service(service()); svc.DesiredCount != 6 {
			t.Errorf("%s: %d are desired 10 s after the tag is gone, want 6 until an alarm says more", name, svc.DesiredCount)
		}
	}
}

// later adds a scheduled action that is due in weeks.
func (r *rig) later() {
	r.update(func(tx *store.Tx) error {
		one := 1
		tx.Put(&model.ScheduledAction{
			Name: "later", Target: model.ScalablePath(region, resource), Schedule: "at(2026-02-01T00:00:00)", Min: &one, CreatedAt: r.now,
		})
		return nil
	})
}
