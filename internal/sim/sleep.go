package sim

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/metrics"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/scaler"
	"github.com/maitred/maitred/internal/store"
)

// mostAwake is the most tasks that a service gets that may have none.
const mostAwake = 5

// doze makes a service one that may have no tasks while nobody asks for it, or leaves it as it is.
func (p *people) doze(s *wish) {
	if !p.w.faults.Sleep || s.daemon || len(s.groups) == 0 || !p.w.chance(0.7) {
		return
	}
	s.idle = pick(p.w, []time.Duration{10 * time.Second, 20 * time.Second})
	for _, g := range s.groups {
		p.w.dozing[g] = &use{}
	}
	p.w.tell("service %s may sleep after %v", s.name, s.idle)
}

// allow makes a service a scalable target that may have no tasks, and gives the tag that has it sleep.
func (p *people) allow(s *wish) []model.Tag {
	if s.idle == 0 {
		return nil
	}
	resource := "service/demo/" + s.name
	target := &model.ScalableTarget{
		ARN: "arn:aws:application-autoscaling:" + region + ":" + account + ":scalable-target/" + s.name, Region: region, Resource: resource,
		Service: serviceARN(s.name), Max: mostAwake, CreatedAt: p.w.now,
		Cause: model.Cause{Kind: model.CauseAPI, Subject: "RegisterScalableTarget", At: p.w.now},
	}
	p.retry(func() error {
		_, err := p.anyServer().call("RegisterScalableTarget", func(tx *store.Tx, _ control.Call) error {
			tx.Put(target)
			return nil
		})
		return err
	})
	return []model.Tag{{Key: scaler.TagZero, Value: strconv.Itoa(int(s.idle.Seconds()))}}
}

// scales makes the server, which leads, the one that scales as well.
func (s *server) scales() {
	if s.w.faults.Sleep {
		s.scaler = scaler.NewLoop(scaler.Config{Store: s.store, Metrics: usage{s.w}, IDs: s.w.id, Log: slog.New(slog.DiscardHandler)}, &s.fence)
	}
}

// scale lets the scaler do what there is to do.
func (s *server) scale() (err error) {
	if s.scaler != nil {
		s.w.backend.as(actor{server: s, scaler: true}, func() { err = s.scaler.Turn(s.w.ctx, s.clock()) })
	}
	return err
}

// nextTurn is when the passing of time alone gives the server something to do.
func (s *server) nextTurn() time.Time {
	next := s.loop.Next()
	if s.scaler != nil {
		if at := s.scaler.Next(); !at.IsZero() && at.Before(next) {
			next = at
		}
	}
	return next
}

// unlead ends both loops of a leader.
func (s *server) unlead() {
	s.loop.Close()
	s.loop = nil
	if s.scaler != nil {
		s.scaler.Close()
		s.scaler = nil
	}
}

// use is how a target group was used that is one of a service that may sleep.
type use struct{ past []span }

// span is how long something was in flight.
type span struct{ from, to time.Time }

// usage is what balancers measure of these groups.
type usage struct{ w *world }

var errUnmeasured = errors.New("that is not measured")

// Read implements metrics.Reader: what was in flight in each second, of all balancers that are up.
func (u usage) Read(q metrics.Query) (points []metrics.Point, err error) {
	if q.Namespace != model.NamespaceFast || len(q.Dimensions) != 1 {
		return nil, errUnmeasured
	}
	up := 0.0
	for _, b := range u.w.balancers {
		if b.store != nil {
			up++
		}
	}
	if q.Name != "ActiveConnectionCount" || up == 0 {
		return nil, nil // nothing comes that is not in flight for a moment
	}
	spans := u.w.spans(strings.TrimPrefix(q.Dimensions[0].Value, "targetgroup/"))
	for at := q.Start; at.Before(q.End); at = at.Add(time.Second) {
		p := metrics.Point{At: at, Samples: up}
		for _, s := range spans {
			if s.from.Before(at.Add(time.Second)) && !s.to.Before(at) {
				p.Value++
			}
		}
		if u.w.Unused {
			p.Value = 0
		}
		points = append(points, p)
	}
	return points, nil
}

// spans are those of a group, by the end of its ARN.
func (w *world) spans(of string) (spans []span) {
	for group, u := range w.dozing {
		if !strings.HasSuffix(group, ":targetgroup/"+of) {
			continue
		}
		spans = slices.Clone(u.past)
		for _, b := range w.balancers { // in any order: they are counted
			for r := range b.requests {
				if r.group == group {
					spans = append(spans, span{r.at, w.now})
				}
			}
		}
	}
	return spans
}

// was notes how long something was in flight.
func (w *world) was(group string, s span) {
	u := w.dozing[group]
	if u == nil {
		return
	}
	u.past = slices.DeleteFunc(u.past, func(old span) bool { return w.now.Sub(old.to) > 2*time.Minute })
	u.past = append(u.past, s)
}

// scaled checks a service that the scaler has written: a request wakes one task, and what is used is not put to sleep.
func (c *checker) scaled(svc *model.Service) {
	c.complete(&svc.Cause, "service %s is scaled", svc.Name)
	before := c.services[svc.ARN].DesiredCount
	c.w.tell("  service %s is scaled from %d to %d: %s", svc.Name, before, svc.DesiredCount, svc.Cause.Detail)
	switch {
	case before == 0 && svc.DesiredCount != 1:
		c.w.fail("a request wakes one task", "%d are desired of service %s", svc.DesiredCount, svc.Name)
	case svc.DesiredCount == 0 && c.strict():
		c.idle(svc)
	}
}

// slack is how much of the idle time may be missing: whole seconds are measured.
const slack = 2 * time.Second

// idle checks that nobody used a service for as long as it takes until it sleeps.
func (c *checker) idle(svc *model.Service) {
	i := slices.IndexFunc(c.w.people.services, func(s *wish) bool { return serviceARN(s.name) == svc.ARN })
	since, measured := c.w.now.Add(slack-c.w.people.services[i].idle), c.w.now.Truncate(time.Second)
	for _, lb := range c.deployments[svc.Primary].LoadBalancers {
		_, id, _ := strings.Cut(lb.Group, ":targetgroup/")
		for _, s := range c.w.spans(id) {
			if s.to.After(since) && s.from.Before(measured) {
				c.w.fail("what is used does not sleep", "service %s had something in flight until %v", svc.Name, s.to.Sub(c.w.start))
			}
		}
	}
}

// waiting says who waits for a target, or for whom it is said that he does, or will soon: all are asked for now and then.
func (w *world) waiting(v *store.View) (trouble string) {
	for g := range v.TargetGroups() {
		if g.Wake == nil {
			continue
		}
		if s, ok := v.Service(g.Wake.Service); ok && s.DesiredCount == 0 {
			trouble = fmt.Sprintf("service %s sleeps", s.Name)
		}
	}
	for _, b := range w.balancers {
		if len(b.waits) > 0 {
			trouble = fmt.Sprintf("%d requests wait at balancer %s", len(b.waits), b.id)
		}
	}
	for d := range v.Demands("") {
		trouble = cmp.Or(trouble, fmt.Sprintf("balancer %s says that requests wait for %s", d.Balancer, d.Group))
	}
	return trouble
}
