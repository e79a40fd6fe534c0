package core

import (
	"iter"
	"slices"
	"time"

	"github.com/maitred/maitred/internal/core/balance"
	"github.com/maitred/maitred/internal/model"
)

// SweepView is what Sweep sees.
type SweepView interface {
	View
	Clusters() iter.Seq[*model.Cluster]
	AllServices() iter.Seq[*model.Service]
	Events(service string) iter.Seq[*model.ServiceEvent]
	Tokens() iter.Seq[*model.Token]
	Orphans() iter.Seq[*model.Observed]
	Targets(group string) iter.Seq[*model.Target]
	TargetHealthsOf(balancer string) iter.Seq[*model.TargetHealth]
	Demands(balancer string) iter.Seq[*model.Demand]
}

// Sweep says which records have been kept long enough: stopped tasks, closed services and clusters with all that is
// theirs, old deployments, used tokens, observations of tasks that are gone, targets that nobody keeps.
func Sweep(v SweepView, now time.Time, t model.Timings) []Change {
	d := drops{now: now}
	for task := range v.Tasks() {
		switch {
		case task.Desired != model.TaskStopped:
		case task.Stopped() && d.over(task.Seen.StoppedAt, t.WhyRetention):
			d.drop(task.ARN, task.Key(), task.Seen.Key())
		case abandoned(v, task) && d.over(task.StopAt, t.WhyRetention):
			d.drop(task.ARN, task.Key(), model.ObservedKey(task.Machine, task.ARN))
		}
	}
	for s := range v.AllServices() {
		if s.Status == model.Inactive && d.over(s.ClosedAt, t.ClosedRetention) {
			d.drop(s.ARN, closedService(v, s)...)
		} else {
			d.drop(s.ARN, oldDeployments(v, s, now.Add(-t.HistoryRetention))...)
		}
	}
	for c := range v.Clusters() {
		if c.Status == model.Inactive && c.Name != defaultCluster && d.over(c.ClosedAt, t.ClosedRetention) {
			d.drop(c.ARN, c.Key())
		}
	}
	d.leftovers(v)
	d.targets(v)
	return d.changes
}

// abandoned says that a task is on an instance that was deregistered: nobody may ever tell of its end.
func abandoned(v View, t model.TaskState) bool {
	i, ok := v.Instance(t.Instance)
	return !ok || i.Status == model.Inactive
}

// drops collects what goes.
type drops struct {
	now     time.Time
	changes []Change
}

func (d *drops) drop(subject string, keys ...model.Key) {
	for part := range slices.Chunk(keys, sweepKeys) {
		d.changes = append(d.changes, Change{Subject: subject, Deletes: part})
	}
}

func (d *drops) over(since time.Time, keep time.Duration) bool {
	return !since.IsZero() && d.now.Sub(since) >= keep
}

// leftovers drops tokens that have expired and observations whose task is gone.
func (d *drops) leftovers(v SweepView) {
	for token := range v.Tokens() {
		if !d.now.Before(token.Expires) {
			d.drop(token.Value, token.Key())
		}
	}
	for o := range v.Orphans() {
		if o.Status == model.TaskStopped {
			d.drop(o.Task, o.Key())
		}
	}
}

// targets drops targets whose service or group is gone, and what balancers that are away knew of such ones and who waits
// there: what a balancer that is there knows is its own to drop.
func (d *drops) targets(v SweepView) {
	for t := range v.Targets("") {
		_, group := v.TargetGroup(t.Group)
		svc, served := v.Service(t.Service)
		if !group || t.Service != "" && (!served || svc.Status == model.Inactive) && d.drained(v, t) {
			d.drop(t.Path(), t.Key())
		}
	}
	d.unheard(v)
}

// unheard drops what balancers said that are away.
func (d *drops) unheard(v SweepView) {
	away := map[string]bool{}
	for b := range v.Balancers() {
		away[b.ID] = !b.Connected
	}
	for h := range v.TargetHealthsOf("") {
		_, there := v.Target(h.Target)
		if gone, known := away[h.Balancer]; !there && (gone || !known) {
			d.drop(h.Target, h.Key())
		}
	}
	for dm := range v.Demands("") { // it says so itself when nobody waits any more, unless it cannot
		if gone, known := away[dm.Balancer]; gone || !known {
			d.drop(dm.Group, dm.Key())
		}
	}
}

// drained says that nothing is in flight to a target that nobody sees to any more: its service closed when the machine of its
// task was deregistered.
func (d *drops) drained(v SweepView, t *model.Target) bool {
	return !t.Draining() || balance.Drained(v, t, d.now)
}

// defaultCluster stays when it is deleted: a region without a record of it gets a new one with the next request.
const defaultCluster = "default"

// sweepKeys is how many records go in one change.
const sweepKeys = 100

// closedService lists a service last and before it all that belongs to it.
func closedService(v SweepView, s *model.Service) []model.Key {
	var keys []model.Key
	for e := range v.Events(s.ARN) {
		keys = append(keys, e.Key())
	}
	for d := range v.Deployments(s.ARN) {
		keys = append(keys, d.Key())
	}
	return append(keys, model.ServiceStateKey(s.ARN), s.Key())
}

func oldDeployments(v SweepView, s *model.Service, before time.Time) []model.Key {
	var keys []model.Key
	for d := range v.Deployments(s.ARN) {
		if !d.Current && d.ID != s.Primary && d.UpdatedAt.Before(before) {
			keys = append(keys, d.Key())
		}
	}
	return keys
}
