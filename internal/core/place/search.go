package place

import (
	"fmt"
	"slices"
	"strings"

	"github.com/maitred/maitred/internal/core/place/query"
	"github.com/maitred/maitred/internal/model"
)

// Request says what tasks need and where they would like to go.
type Request struct {
	Cluster string // ARN
	// Service is the ARN of the service; "" for standalone tasks. It chooses the default strategy.
	Service string
	// Group is the task group. Tasks of the same group are counted by spread and kept apart by distinctInstance. That
	// of a service's tasks is service:NAME.
	Group  string
	Demand model.Resources
	// Requires lists attributes that an instance must have: NAME, or NAME=VALUE.
	Requires []string
	// Zones are the availability zones of the task's subnets; none: it has no network of its own.
	Zones []string
	// Constraints are those of the task definition together with those of the service or of RunTask.
	Constraints []model.Constraint
	Strategy    []model.Strategy
	// Refuse says why a machine's driver cannot run the task, "" if it can; nil: all can. It must always give the same
	// answer.
	Refuse func(*model.Machine) string
}

// Search places tasks that are alike. It sees what other searches of its Room do in between.
type Search struct {
	room    *Room
	in      *cluster
	req     Request
	fixed   []int         // ports, in the form of ports
	tally   *tally        // as it was when the search last looked
	exprs   []*query.Expr // of all memberOf constraints, in their order
	members set           // who meets the requirements and the constraints that placements do not change
	dynamic []*query.Expr
	apart   bool // distinctInstance
	plan    plan

	asked, refused set // what Refuse said

	dead    []bool // groups in which nothing fits
	returns int    // of the room, when dead was last true
	tied    []int32
}

// Search prepares to place tasks. The error names the constraint or the strategy that is wrong.
func (r *Room) Search(req Request) (*Search, error) {
	c := r.cluster(req.Cluster)
	s := &Search{room: r, in: c, req: req, fixed: portsOf(req.Demand), tally: c.tally(req.Group)}
	fixed, err := s.constrain()
	if err != nil {
		return nil, err
	}
	s.members = c.class(req.Requires, req.Zones, fixed)
	if len(s.dynamic) > 0 {
		c.host()
	}
	if s.plan, err = c.newPlan(req); err != nil {
		return nil, err
	}
	if req.Refuse != nil {
		s.asked, s.refused = newSet(len(c.instances)), newSet(len(c.instances))
	}
	s.dead, s.returns = make([]bool, len(s.plan.shelves.of)), r.returns
	return s, nil
}

// constrain sorts the constraints by what they look at, and gives the expressions that placements do not change.
func (s *Search) constrain() (fixed []*query.Expr, err error) {
	for _, c := range s.req.Constraints {
		switch c.Type {
		case model.DistinctInstance:
			s.apart = true
		case model.MemberOf:
			e, err := s.room.expression(c.Expression)
			if err != nil {
				return nil, fmt.Errorf("placement constraint %q: %w", c.Expression, err)
			}
			s.exprs = append(s.exprs, e)
			if e.Dynamic() {
				s.dynamic = append(s.dynamic, e)
			} else {
				fixed = append(fixed, e)
			}
		default:
			return nil, fmt.Errorf("placement constraint of type %q: the types are distinctInstance and memberOf", c.Type)
		}
	}
	return fixed, nil
}

// expression parses each text once.
func (r *Room) expression(text string) (*query.Expr, error) {
	if e := r.exprs[text]; e != nil {
		return e, nil
	}
	e, err := query.Parse(text)
	if err != nil {
		return nil, err
	}
	if len(r.exprs) >= cacheSize {
		clear(r.exprs)
	}
	r.exprs[text] = e
	return e, nil
}

// class gives the ACTIVE instances that have the attributes and match the expressions, worked out once for all that
// ask the same.
func (c *cluster) class(requires, zones []string, exprs []*query.Expr) set {
	var key strings.Builder
	for _, a := range requires {
		key.WriteString(a + "\x00")
	}
	for _, z := range zones {
		key.WriteString("\x02" + z)
	}
	for _, e := range exprs {
		key.WriteString("\x01" + e.String())
	}
	if members, ok := c.classes[key.String()]; ok {
		return members
	}
	members := newSet(len(c.instances))
	for _, i := range c.instances {
		if i.rec.Status == model.Active && i.lacks(requires) == "" && !i.elsewhere(zones) && i.violates(exprs) == nil {
			members.add(i.at)
		}
	}
	if len(c.classes) >= cacheSize {
		clear(c.classes)
	}
	c.classes[key.String()] = members
	return members
}

// lacks names the first required attribute that an instance does not have.
func (i *instance) lacks(requires []string) string {
	for _, r := range requires {
		name, want, valued := strings.Cut(r, "=")
		if got, ok := i.attribute(name); !ok || valued && got != want {
			return r
		}
	}
	return ""
}

// elsewhere says that a machine stands in another zone than all of the given ones. One whose operator did not say where
// it stands is everywhere, and so is one of another region: regions are names here, not places.
func (i *instance) elsewhere(zones []string) bool {
	at := i.on.Zone()
	if !i.on.Zoned || at == "" || slices.Contains(zones, at) {
		return false
	}
	region := at[:len(at)-1]
	return slices.ContainsFunc(zones, func(z string) bool { return strings.HasPrefix(z, region) && len(z) == len(at) })
}

// violates gives the first expression that does not match an instance.
func (i *instance) violates(exprs []*query.Expr) *query.Expr {
	for _, e := range exprs {
		if !e.Match(subject{i}) {
			return e
		}
	}
	return nil
}

// Place puts one task where it goes best and takes its resources there. ok is false when nothing fits: then Explain
// says why. random decides where the strategy is random; the same bits in the same room choose the same place.
func (s *Search) Place(random uint64) (at Seat, ok bool) {
	s.tally = s.in.tally(s.req.Group)
	i := s.choose(random)
	if i == nil {
		return Seat{}, false
	}
	s.take(i)
	return i.seat(), true
}

// PlaceOn puts a task on one container instance, whatever the strategies say: StartTask and daemons do so. If it does
// not fit, misfits says why, and it is not placed.
func (s *Search) PlaceOn(instance string) (at Seat, misfits []Misfit) {
	i := s.in.byARN[instance]
	if i == nil {
		return Seat{}, []Misfit{{Reason: ReasonMissing, Detail: "the cluster has no container instance " + model.ShortID(instance)}}
	}
	s.tally = s.in.tally(s.req.Group)
	if misfits = s.misfits(i); len(misfits) > 0 {
		return Seat{}, misfits
	}
	s.take(i)
	return i.seat(), nil
}

func (s *Search) take(i *instance) {
	i.on.change(s.req.Demand, 1)
	s.tally.add(i, 1)
}

// Matching lists the container instances on which a DAEMON service runs a task: the ACTIVE ones that meet its
// constraints, whether there is room for it or not, and whether the agent is connected or not: a machine that is cut
// off keeps its daemons ("Amazon ECS services", daemon).
func (s *Search) Matching() []Seat {
	var seats []Seat
	for _, i := range s.in.instances {
		if s.members.has(i.at) && !s.refuses(i) && i.violates(s.dynamic) == nil {
			seats = append(seats, i.seat())
		}
	}
	return seats
}

// fits says whether a task can go to an instance now. The cheap questions come first.
func (s *Search) fits(i *instance) bool {
	return s.members.has(i.at) && i.on.Connected && i.on.room(&s.req.Demand, s.fixed) &&
		(!s.apart || s.tally.at(i.at) == 0) && i.violates(s.dynamic) == nil && !s.refuses(i)
}

// refuses asks the driver of an instance, once.
func (s *Search) refuses(i *instance) bool {
	if s.req.Refuse == nil {
		return false
	}
	if !s.asked.has(i.at) {
		s.asked.add(i.at)
		if s.req.Refuse(i.on.Machine) != "" {
			s.refused.add(i.at)
		}
	}
	return s.refused.has(i.at)
}
