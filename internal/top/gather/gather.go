// Package gather makes the snapshots of `maitred top`: from what the store says runs, and from what was measured of it.
package gather

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/metrics"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
	"github.com/maitred/maitred/internal/top"
)

// What the numbers are taken of: seconds that are younger than late may not have come from all machines yet.
const (
	late   = 1 * time.Second
	recent = 5 * time.Second
	minute = 60
)

// Gatherer is what a snapshot is taken of. Nothing of it is changed.
type Gatherer struct {
	View    *store.View
	Metrics metrics.Reader
	Now     time.Time
}

// Snapshot tells what runs now, and what else is asked for.
func (g Gatherer) Snapshot(ask top.Ask) top.Snapshot {
	snap := top.Snapshot{At: g.Now, Services: []top.Service{}}
	for s := range g.View.AllServices() {
		if s.Status != model.Inactive {
			snap.Services = append(snap.Services, g.service(s))
		}
	}
	slices.SortFunc(snap.Services, func(a, b top.Service) int {
		return cmp.Or(cmp.Compare(a.Cluster, b.Cluster), cmp.Compare(a.Name, b.Name), cmp.Compare(a.ARN, b.ARN))
	})
	if s, ok := g.View.Service(ask.Service); ok {
		snap.Tasks = g.tasks(s)
	}
	if ask.Machines {
		snap.Machines = g.machines()
	}
	return snap
}

func (g Gatherer) service(s *model.Service) top.Service {
	out := top.Service{
		ARN: s.ARN, Cluster: arn.Name(s.Cluster), Name: s.Name, Status: string(s.Status), Desired: s.DesiredCount, Scaled: g.scaled(s),
	}
	for t := range g.View.TasksOfService(s.ARN) {
		switch {
		case t.LastStatus() == model.TaskRunning:
			out.Running++
		case t.Alive():
			out.Pending++
		}
	}
	if s.Scheduling == model.Daemon {
		out.Desired = out.Running + out.Pending
	}
	of := ofService(s)
	out.CPU = g.latest(s.Region, metric("CPUUtilization", of...), model.StatAverage)
	out.Memory = g.latest(s.Region, metric("MemoryUtilization", of...), model.StatAverage)
	out.Load = g.load(s.Region, metric("CPUUtilization", of...))
	g.balanced(s, &out)
	return out
}

// balanced adds what the service's target groups say. A group that services share says the same of each.
func (g Gatherer) balanced(s *model.Service, out *top.Service) {
	groups := map[string]bool{}
	for t := range g.View.TargetsOfService(s.ARN) {
		groups[t.Group] = true
	}
	if d, ok := g.View.Deployment(s.ARN, s.Primary); ok {
		for _, lb := range d.LoadBalancers {
			groups[lb.Group] = true
		}
	}
	for group := range groups {
		_, name, found := strings.Cut(group, ":targetgroup/")
		if !found {
			continue
		}
		of := model.Dimension{Name: "TargetGroup", Value: "targetgroup/" + name}
		out.Requests = sum(out.Requests, g.latest(s.Region, metric("RequestCount", of), model.StatSum))
		out.P99 = largest(out.P99, g.p99(s.Region, metric("TargetResponseTime", of)))
		g.targets(s, group, out)
	}
}

// targets counts the targets of a service in a group, without those that are being deregistered.
func (g Gatherer) targets(s *model.Service, group string, out *top.Service) {
	of, ok := g.View.TargetGroup(group)
	if !ok {
		return
	}
	for _, t := range control.GroupHealth(g.View, of) {
		switch {
		case t.Target.Service != s.ARN || t.State == model.TargetDraining:
			continue
		case t.State == model.TargetHealthy:
			out.Healthy++
		}
		out.Targets++
	}
}

// scaled is the last thing that scaling did, or was kept from.
func (g Gatherer) scaled(s *model.Service) (last *top.Scaled) {
	path := model.ScalablePath(s.Region, "service/"+arn.Name(s.Cluster)+"/"+s.Name)
	for a := range g.View.ScalingActivities(path) {
		last = &top.Scaled{At: a.StartedAt, Text: activityText(a)}
	}
	return last
}

func (g Gatherer) tasks(s *model.Service) (tasks []top.Task) {
	for t := range g.View.TasksOfService(s.ARN) {
		if t.Stopped() {
			continue
		}
		id := model.ShortID(t.ARN)
		of := append(ofService(s), model.Dimension{Name: "TaskId", Value: id})
		out := top.Task{
			ID: id, Status: string(t.LastStatus()), Wanted: string(t.Desired), Health: string(t.Health()),
			Definition: model.ShortID(t.TaskDefinition), Host: g.host(t.Machine),
			CPU:    g.latest(s.Region, metric("CPUUtilization", of...), model.StatAverage),
			Memory: g.latest(s.Region, metric("MemoryUtilization", of...), model.StatAverage),
		}
		if t.Seen != nil {
			out.StartedAt = t.Seen.StartedAt
		}
		tasks = append(tasks, out)
	}
	return tasks
}

func (g Gatherer) host(machine string) string {
	if m, ok := g.View.Machine(machine); ok {
		return cmp.Or(m.Host, m.ID)
	}
	return machine
}
