package core

import (
	"iter"
	"slices"
	"time"

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
}

// Sweep says which records have been kept long enough: stopped tasks, closed services and clusters with all that is
// theirs, old deployments, used tokens, observations of tasks that are gone.
func Sweep(v SweepView, now time.Time, t model.Timings) []Change {
	var changes []Change
	drop := func(subject string, keys ...model.Key) {
		for part := range slices.Chunk(keys, sweepKeys) {
			changes = append(changes, Change{Subject: subject, Deletes: part})
		}
	}
	for task := range v.Tasks() {
		if task.Stopped() && task.Desired == model.TaskStopped && over(task.Seen.StoppedAt, t.WhyRetention, now) {
			drop(task.ARN, task.Key(), task.Seen.Key())
		}
	}
	for s := range v.AllServices() {
		if s.Status == model.Inactive && over(s.ClosedAt, t.ClosedRetention, now) {
			drop(s.ARN, closedService(v, s)...)
		} else {
			drop(s.ARN, oldDeployments(v, s, now.Add(-t.HistoryRetention))...)
		}
	}
	for c := range v.Clusters() {
		if c.Status == model.Inactive && over(c.ClosedAt, t.ClosedRetention, now) {
			drop(c.ARN, c.Key())
		}
	}
	for token := range v.Tokens() {
		if !now.Before(token.Expires) {
			drop(token.Value, token.Key())
		}
	}
	for o := range v.Orphans() {
		if o.Status == model.TaskStopped {
			drop(o.Task, o.Key())
		}
	}
	return changes
}

// sweepKeys is how many records go in one change.
const sweepKeys = 100

func over(since time.Time, keep time.Duration, now time.Time) bool {
	return !since.IsZero() && now.Sub(since) >= keep
}

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
