package scaler

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/maitred/maitred/internal/core/scaling"
	"github.com/maitred/maitred/internal/metrics"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// TagZero is the tag of a service that may have no tasks at all: its value says for how many seconds nothing may be in
// flight before it has none, from minIdle to maxIdle. It takes a scalable target whose minimum is 0, and target groups: at
// their load balancers requests and connections wait, and the first one starts a task. Datagrams do not wait.
const (
	TagZero = "maitred:scale-to-zero"
	minIdle = 10
	maxIdle = 86400
)

// Of what was measured by the second only the last hours are kept, so nothing older is asked for, and what is idle for long
// is looked at now and then.
const (
	usageBack  = time.Hour
	usageEvery = 30 * time.Minute
)

// lostBalancer is how long a balancer may have given no sign of life before what it says is not heeded: six heartbeats.
const lostBalancer = time.Minute

// usage is how a service was used, as far as it was looked at. It can be lost: then it is read again.
type usage struct {
	at             time.Time // of the look, zero before the first
	used, measured time.Time
}

// lookBy is when to look again, so that nothing is missed.
func (u *usage) lookBy(t time.Time) time.Time {
	if by := u.at.Add(usageEvery); !u.at.IsZero() && !t.IsZero() && by.Before(t) {
		return by
	}
	return t
}

// idleOf reads the tag; problem says what is wrong with it. asked is false for a service without it.
func idleOf(svc *model.Service) (idle time.Duration, problem string, asked bool) {
	i := slices.IndexFunc(svc.Tags, func(t model.Tag) bool { return t.Key == TagZero })
	if i < 0 {
		return 0, "", false
	}
	n, err := strconv.Atoi(svc.Tags[i].Value)
	if err != nil || n < minIdle || n > maxIdle {
		return 0, fmt.Sprintf("the tag %s is %q, and not a number of seconds from %d to %d", TagZero, svc.Tags[i].Value, minIdle, maxIdle), true
	}
	return time.Duration(n) * time.Second, "", true
}

// groupsOf are the target groups of a service's newest deployment, by ARN; problem says why what is for it cannot wait.
func groupsOf(view *store.View, svc *model.Service) (groups []*model.TargetGroup, problem string) {
	var lbs []model.ServiceBalancer
	if d, ok := view.Deployment(svc.ARN, svc.Primary); ok {
		lbs = d.LoadBalancers
	}
	for _, lb := range lbs {
		g, ok := view.TargetGroup(lb.Group)
		switch {
		case !ok:
			continue
		case strings.Contains(g.Protocol, "UDP"):
			return nil, fmt.Sprintf("target group %s is of protocol %s, and datagrams do not wait for tasks", g.Name, g.Protocol)
		}
		groups = append(groups, g)
	}
	if len(groups) == 0 {
		return nil, "it has no target group of a load balancer, so no request could wake it"
	}
	slices.SortFunc(groups, func(a, b *model.TargetGroup) int { return cmp.Compare(a.ARN, b.ARN) })
	return slices.Compact(groups), ""
}

// zero is what is known of a service that may have no tasks, nil for one that may not.
func (l *Loop) zero(t *turn, view *store.View, target *model.ScalableTarget, svc *model.Service, s *scaled) *scaling.Zero {
	idle, problem, asked := idleOf(svc)
	if !asked || target.Min > 0 {
		s.usage = usage{}
		return nil
	}
	groups, none := groupsOf(view, svc)
	if problem = cmp.Or(problem, none); problem != "" {
		s.usage = usage{}
		return &scaling.Zero{Problem: problem}
	}
	names := make([]string, len(groups))
	for i, g := range groups {
		names[i] = g.Name
	}
	z := &scaling.Zero{
		Idle: idle, Waiting: waiting(view, svc, groups, t.now),
		Metric: fmt.Sprintf("%s %s and ActiveConnectionCount of target group %s", model.NamespaceFast, begins(groups[0]), strings.Join(names, ", ")),
	}
	if svc.DesiredCount == 0 {
		s.usage = usage{}
		return z
	}
	l.measureUse(view, groups, idle, t.now, s)
	z.Used, z.Measured = latest(s.usage.used, begun(view, svc)), s.usage.measured
	if z.Waiting != nil {
		s.usage.used, z.Used = t.now, t.now
	}
	return z
}

// begins is the metric of what a target group was asked for anew.
func begins(g *model.TargetGroup) string {
	if g.HTTP() {
		return "RequestCount"
	}
	return "NewFlowCount"
}

// waiting is what waits longest for a service, nil if nothing does. What balancers say that are gone is not heeded.
func waiting(view *store.View, svc *model.Service, groups []*model.TargetGroup, now time.Time) (first *scaling.Waiting) {
	lives := map[string]bool{}
	for b := range view.Balancers() {
		lives[b.ID] = serves(b, now)
	}
	for d := range view.Demands("") {
		i := slices.IndexFunc(groups, func(g *model.TargetGroup) bool { return g.ARN == d.Group })
		if i < 0 || !lives[d.Balancer] || groups[i].Wake == nil || groups[i].Wake.Service != svc.ARN {
			continue
		}
		if first == nil || d.Since.Before(first.Since) {
			first = &scaling.Waiting{What: "request", Balancer: d.Balancer, Group: groups[i].Name, Since: d.Since}
			if !groups[i].HTTP() {
				first.What = "connection"
			}
		}
	}
	return first
}

func serves(b *model.Balancer, now time.Time) bool {
	return b.Connected && now.Sub(b.SeenAt) < lostBalancer
}

// begun is when the service was last changed or got a task that runs: that counts as use.
func begun(view *store.View, svc *model.Service) time.Time {
	last := svc.Cause.At
	for task := range view.TasksOfService(svc.ARN) {
		if task.Seen != nil && task.Desired == model.TaskRunning {
			last = latest(last, task.Seen.StartedAt)
		}
	}
	return last
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// measureUse reads what was in flight since the last look, or when it is the first one, for as long as may be idle.
func (l *Loop) measureUse(view *store.View, groups []*model.TargetGroup, idle time.Duration, now time.Time, s *scaled) {
	u := &s.usage
	if u.at.Equal(now) {
		return
	}
	if u.at.IsZero() {
		from := now
		if idle+scaling.UseGap < usageBack {
			from = now.Add(-idle - scaling.UseGap)
		}
		u.used, u.measured = from, from
	}
	u.at = now
	used, measured := u.used, now
	for _, g := range groups {
		gu, gm := scaling.LastUse(u.used, u.measured, now, l.uses(view, g, u.measured, now))
		used = latest(used, gu)
		if gm.Before(measured) {
			measured = gm
		}
	}
	u.used, u.measured = used, measured
}

// uses are the seconds of a target group that all balancers have measured, a little before what is known already included:
// what was measured may come late.
func (l *Loop) uses(view *store.View, g *model.TargetGroup, from, now time.Time) []scaling.Use {
	balancers := 0.0
	for b := range view.Balancers() {
		if serves(b, now) {
			balancers++
		}
	}
	start, end := from.Add(-scaling.UseGap).Truncate(time.Second), now.Truncate(time.Second)
	flows := l.ofGroup("ActiveConnectionCount", g, start, end)
	requests := map[int64]float64{} // or new flows
	for _, p := range l.ofGroup(begins(g), g, start, end) {
		requests[p.At.Unix()] = p.Value
	}
	var uses []scaling.Use
	for _, p := range flows {
		n := requests[p.At.Unix()]
		if known := p.Samples >= max(1, balancers); known || p.Value > 0 || n > 0 {
			uses = append(uses, scaling.Use{At: p.At, Value: p.Value + n})
		}
		delete(requests, p.At.Unix())
	}
	for at, n := range requests { // of seconds in which nobody said what is in flight
		if n > 0 {
			uses = append(uses, scaling.Use{At: time.Unix(at, 0).UTC(), Value: n})
		}
	}
	slices.SortFunc(uses, func(a, b scaling.Use) int { return a.At.Compare(b.At) })
	return uses
}

// ofGroup reads a metric of a target group, each second's sum. Without an answer it is not measured.
func (l *Loop) ofGroup(name string, g *model.TargetGroup, start, end time.Time) []metrics.Point {
	_, id, _ := strings.Cut(g.ARN, ":targetgroup/")
	points, err := l.Metrics.Read(metrics.Query{
		Region: g.Region, Statistic: model.StatSum, Period: time.Second, Start: start, End: end,
		Metric: model.Metric{Namespace: model.NamespaceFast, Name: name, Dimensions: []model.Dimension{
			{Name: "TargetGroup", Value: "targetgroup/" + id},
		}},
	})
	if err != nil {
		l.Log.Error("it is not known whether a service is idle", "metric", name, "group", g.Name, "error", err)
		return nil
	}
	return points
}

// demanded looks at the target of the service that something waits for.
func (l *Loop) demanded(view *store.View, r model.Record, look map[string]bool) {
	d, ok := r.(*model.Demand)
	if !ok {
		return
	}
	if g, ok := view.TargetGroup(d.Group); ok && g.Wake != nil {
		if svc, ok := view.Service(g.Wake.Service); ok {
			look[targetOf(svc)] = true
		}
	}
}

// targetOf is the path of a service's scalable target.
func targetOf(svc *model.Service) string {
	return model.ScalablePath(svc.Region, "service/"+model.ShortID(svc.Cluster)+"/"+svc.Name)
}

// serviceChanged looks at the target of a service that may have no tasks, or could before the change.
func (l *Loop) serviceChanged(c store.Changed, look map[string]bool) {
	for _, r := range []model.Record{c.Before, c.After} {
		if svc, ok := r.(*model.Service); ok {
			if _, _, asked := idleOf(svc); asked {
				l.rewake = true
				look[targetOf(svc)] = true
			}
		}
	}
}

// wakes writes to the target groups whom they wake, where that has changed.
func (l *Loop) wakes(ctx context.Context) error {
	if !l.rewake {
		return nil
	}
	if len(wakesOf(l.Store.View())) > 0 {
		_, err := l.Store.Update(ctx, func(tx *store.Tx) error {
			l.guard(tx)
			for _, g := range wakesOf(tx.View()) {
				tx.Put(g)
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("say at the target groups whom they wake: %w", err)
		}
	}
	l.rewake = false
	return nil
}

// wakesOf are the target groups that say something else of whom they wake than they should, as they should.
func wakesOf(view *store.View) (changed []*model.TargetGroup) {
	wanted := map[string]string{} // services by group, the first one of each
	for target := range view.ScalableTargets("") {
		svc, ok := view.Service(target.Service)
		if !ok || target.Min > 0 || svc.Status != model.Active {
			continue
		}
		if _, problem, asked := idleOf(svc); !asked || problem != "" {
			continue
		}
		groups, _ := groupsOf(view, svc)
		for _, g := range groups {
			if wanted[g.ARN] == "" {
				wanted[g.ARN] = svc.ARN
			}
		}
	}
	for g := range view.TargetGroups() {
		svc := wanted[g.ARN]
		if g.Wake == nil && svc == "" || g.Wake != nil && g.Wake.Service == svc {
			continue
		}
		next := *g
		if next.Wake = nil; svc != "" {
			next.Wake = &model.Wake{Service: svc, Queue: model.WakeQueue, Deadline: model.WakeDeadline}
		}
		changed = append(changed, &next)
	}
	return changed
}
