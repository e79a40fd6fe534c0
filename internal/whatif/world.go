package whatif

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/scaler"
	"github.com/maitred/maitred/internal/store"
	"github.com/maitred/maitred/internal/store/mem"
)

// Change is what is to be another way than today. What is nil stays.
type Change struct {
	// Policies replace all policies of the service. A step policy with the name of an existing one keeps its alarms.
	Policies []control.PolicyUpdate
	Min, Max *int
}

func (c *Change) none() bool { return c.Policies == nil && c.Min == nil && c.Max == nil }

// check says what is wrong with a change for a service.
func (c *Change) check(svc *model.Service) error {
	if c.none() {
		return errors.New("say what is to be another way than today: policies, a minimum or a maximum")
	}
	for _, p := range c.Policies {
		if p.Resource != "" && p.Resource != resourceOf(svc) {
			return fmt.Errorf("policy %s is one of %s, not of %s", p.Name, p.Resource, resourceOf(svc))
		}
	}
	return nil
}

// world is one service in a store of its own, with the production scaler, in virtual time.
type world struct {
	backend *mem.Backend
	store   *store.Store
	loop    *scaler.Loop
	rec     *recorder
	service string // ARN
	target  string // path
	// resource is how Application Auto Scaling names the service.
	resource string
	call     control.Call
	links    []link
}

func resourceOf(svc *model.Service) string {
	return "service/" + arn.Name(svc.Cluster) + "/" + svc.Name
}

// counter gives ids that are the same in each run.
func counter() arn.IDs {
	n := uint64(0)
	return func() (id [16]byte) {
		n++
		binary.BigEndian.PutUint64(id[:8], n) // in both halves: some ids are made of the first one alone
		binary.BigEndian.PutUint64(id[8:], n)
		return id
	}
}

// newWorld copies a service, with all that scales it, out of a view, and changes it.
func newWorld(ctx context.Context, s *Scenario, c Change) (*world, error) {
	v, svc, load := s.View, s.Service, s.Load
	w := &world{backend: mem.New(mem.Options{}), service: svc.ARN}
	w.resource = resourceOf(svc)
	w.target = model.ScalablePath(svc.Region, w.resource)
	w.call = control.Call{Scope: arn.ScopeOf(svc.ARN), Operation: "maitred what-if", Now: load.Start, IDs: counter()}
	w.links = linksOf(v, svc)
	w.rec = newRecorder(load.Start, len(load.Rates), namesOf(svc, w.links), s.Recorded)
	var err error
	if w.store, err = store.OpenSync(ctx, w.backend, store.Scope{}); err != nil {
		return nil, fmt.Errorf("open a store in memory: %w", err)
	}
	if err := w.fill(ctx, v, svc, s.Count, c); err != nil {
		w.close()
		return nil, err
	}
	w.loop = scaler.NewLoop(scaler.Config{
		Store: w.store, Metrics: w.rec, IDs: w.call.IDs, Log: slog.New(slog.DiscardHandler),
	}, nil)
	return w, nil
}

func (w *world) close() {
	if w.loop != nil {
		w.loop.Close()
	}
	w.store.Close()
	_ = w.backend.Close() // it is in memory
}

func (w *world) fill(ctx context.Context, v *store.View, svc *model.Service, tasks int, c Change) error {
	copied := *svc
	copied.DesiredCount, copied.Declared, copied.Scaled = tasks, tasks, false
	records := append([]model.Record{&copied}, w.balancing(v)...)
	if t, ok := v.ScalableTarget(w.target); ok {
		records = append(records, t)
		records = append(records, w.policies(v)...)
		records = append(records, w.schedule(v)...)
	}
	for part := range slices.Chunk(records, store.MaxOps/2) {
		if err := w.update(ctx, func(tx *store.Tx) error {
			for _, r := range part {
				tx.Put(r)
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return w.change(ctx, c)
}

func (w *world) update(ctx context.Context, do func(*store.Tx) error) error {
	_, err := w.store.Update(ctx, do)
	return err
}

// policies are today's, with the alarms that drive them and those that composite ones among these look at.
func (w *world) policies(v *store.View) (records []model.Record) {
	driven := control.PolicyAlarms(v, w.call.Region)
	seen := map[string]bool{}
	var add func(a *model.Alarm)
	add = func(a *model.Alarm) {
		if seen[a.Name] {
			return
		}
		seen[a.Name] = true
		due := *a
		due.UpdatedAt = w.call.Now // from when on it is evaluated
		records = append(records, &due)
		for _, ref := range append([]string{a.Suppressor}, a.Children...) {
			name := ref
			if n, _, ok := arn.AlarmName(ref); ok {
				name = n
			}
			if child, ok := v.Alarm(model.AlarmPath(w.call.Region, name)); ok && ref != "" {
				add(child)
			}
		}
	}
	for p := range v.ScalingPolicies(w.target) {
		records = append(records, p)
		for _, a := range driven[p.ARN] {
			add(a)
		}
	}
	return records
}

// asIfSince is for how long scheduled actions are taken to have been there: so those of the week before have set the bounds
// with which the load begins.
const asIfSince = 8 * 24 * time.Hour

func (w *world) schedule(v *store.View) (records []model.Record) {
	for a := range v.ScheduledActions(w.target) {
		since := *a
		since.CreatedAt = w.call.Now.Add(-asIfSince)
		since.Cause.At = since.CreatedAt
		records = append(records, &since)
	}
	return records
}

// linksOf follows the target groups of a service to their load balancers.
func linksOf(v *store.View, svc *model.Service) (links []link) {
	users := control.GroupUsers(v)
	for d := range v.Deployments(svc.ARN) {
		if d.ID != svc.Primary {
			continue
		}
		for _, b := range d.LoadBalancers {
			for _, balancer := range users[b.Group] {
				links = append(links, link{group: nameOf(b.Group), balancer: nameOf(balancer)})
			}
		}
	}
	return links
}

// nameOf is how dimensions name a target group (targetgroup/NAME/ID) and a load balancer (app/NAME/ID).
func nameOf(id string) string {
	a, _ := arn.Parse(id)
	if a.Type == "loadbalancer" {
		return a.ID
	}
	return a.Type + "/" + a.ID
}

// balancing are the records by which the label of a policy on requests is resolved.
func (w *world) balancing(v *store.View) (records []model.Record) {
	for b := range v.LoadBalancers() {
		if b.Region != w.call.Region {
			continue
		}
		records = append(records, b)
		for l := range v.Listeners(b.ARN) {
			records = append(records, l)
			for r := range v.Rules(l.ARN) {
				records = append(records, r)
			}
		}
	}
	for g := range v.TargetGroups() {
		if g.Region == w.call.Region {
			records = append(records, g)
		}
	}
	return records
}

// change makes the world another one than today's, by the use cases of the API.
func (w *world) change(ctx context.Context, c Change) error {
	_, scaled := w.store.View().ScalableTarget(w.target)
	if !scaled && !c.none() && (c.Min == nil || c.Max == nil) {
		return &model.Error{Code: "ValidationException", Message: fmt.Sprintf(
			"%s is not scaled today, so give both the new minimum and the new maximum, as --min 1 --max 10", w.resource)}
	}
	if c.Min != nil || c.Max != nil || !scaled && !c.none() {
		if err := w.update(ctx, func(tx *store.Tx) error {
			_, err := control.RegisterScalableTarget(tx, w.call, control.TargetUpdate{Resource: w.resource, Min: c.Min, Max: c.Max})
			return err
		}); err != nil {
			return err
		}
	}
	if c.Policies == nil {
		return nil
	}
	if err := w.dropOthers(ctx, c.Policies); err != nil {
		return err
	}
	for _, p := range c.Policies {
		p.Resource = w.resource
		if err := w.update(ctx, func(tx *store.Tx) error {
			_, err := control.PutScalingPolicy(tx, w.call, p)
			return err
		}); err != nil {
			return fmt.Errorf("policy %s: %w", p.Name, err)
		}
	}
	return nil
}

// dropOthers deletes the policies that the new ones do not name.
func (w *world) dropOthers(ctx context.Context, keep []control.PolicyUpdate) error {
	for p := range w.store.View().ScalingPolicies(w.target) {
		if slices.ContainsFunc(keep, func(k control.PolicyUpdate) bool { return k.Name == p.Name }) {
			continue
		}
		if err := w.update(ctx, func(tx *store.Tx) error {
			return control.DeleteScalingPolicy(tx, w.call, w.resource, p.Name)
		}); err != nil {
			return err
		}
	}
	return nil
}
