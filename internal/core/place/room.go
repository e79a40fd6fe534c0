// Package place binds tasks to machines, or says why it cannot: Amazon ECS's task placement.
//
// A Room is the capacity of all machines with what is taken of it. It is built once for a step of the scheduler and
// is changed by each placement, so that the next one sees it. A Search places tasks that are alike, one after the
// other: those of a service, or of one RunTask.
//
// Placement goes in the order of "How Amazon ECS places tasks": what the task requires and the constraints say where it
// may go, the strategies, each among the candidates that the one before left, where it goes best. What is left open,
// this package decides, the same way every time:
//   - Strategies after a spread count inside its groups: a rack of one zone is not that rack of another.
//   - Of equals, the instance with the fewest tasks of the service wins (unless the strategies have binpack or random),
//     then the machine that is loaded least, in its scarcest resource, then the lower ARN. With binpack it is the
//     instance with the least left, then the lower ARN.
//   - A machine offers its capacity to all its clusters: what one cluster takes, no other has.
package place

import (
	"cmp"
	"slices"
	"strings"

	"github.com/maitred/maitred/internal/core/place/query"
	"github.com/maitred/maitred/internal/model"
)

// cacheSize is how many parsed expressions, and classes of instances, are remembered at once.
const cacheSize = 10_000

// Room is where tasks can go, and what is there already. It is not safe for use by several goroutines.
type Room struct {
	machines map[string]*machine // by id
	clusters map[string]*cluster // by ARN
	exprs    map[string]*query.Expr
	// returns counts how often something was given back: what was full may have room again.
	returns int
}

// Seat is a place for a task.
type Seat struct {
	Instance *model.Instance
	Machine  *model.Machine
}

// New makes a room of machines and of the container instances on them, with no task in it. The order of its arguments
// does not matter. An instance whose machine is missing counts as disconnected; an INACTIVE one does not count at all.
func New(machines []*model.Machine, instances []*model.Instance) *Room {
	r := &Room{machines: map[string]*machine{}, clusters: map[string]*cluster{}, exprs: map[string]*query.Expr{}}
	for _, m := range machines {
		r.machines[m.ID] = newMachine(m)
	}
	sorted := slices.SortedFunc(slices.Values(instances), func(a, b *model.Instance) int { return strings.Compare(a.ARN, b.ARN) })
	for _, rec := range sorted {
		if rec.Status == model.Inactive {
			continue
		}
		m := r.machines[rec.Machine]
		if m == nil {
			m = newMachine(&model.Machine{ID: rec.Machine})
			r.machines[rec.Machine] = m
		}
		r.cluster(rec.Cluster).join(rec, m)
	}
	return r
}

func (r *Room) cluster(arn string) *cluster {
	c := r.clusters[arn]
	if c == nil {
		c = &cluster{byARN: map[string]*instance{}, classes: map[string]set{}, groupings: map[string]*grouping{}, tallies: map[string]*tally{}}
		r.clusters[arn] = c
	}
	return c
}

// Add puts a task in that exists already. A task takes its resources until it is STOPPED, and is counted as long as its
// desired status is RUNNING.
func (r *Room) Add(t model.TaskState) {
	if t.Stopped() {
		return
	}
	if m := r.machines[t.Machine]; m != nil {
		m.change(t.Reserved, 1)
	}
	r.count(t, 1)
}

// Stop stops counting a task: its desired status was RUNNING and becomes STOPPED. It still takes its resources.
func (r *Room) Stop(t model.TaskState) {
	r.returns++
	r.count(t, -1)
}

// Remove undoes Add: t is the task as it was given to Add, or, after Stop, with its new desired status.
func (r *Room) Remove(t model.TaskState) {
	if t.Stopped() {
		return
	}
	r.returns++
	if m := r.machines[t.Machine]; m != nil {
		m.change(t.Reserved, -1)
	}
	r.count(t, -1)
}

func (r *Room) count(t model.TaskState, by int32) {
	if !t.Alive() {
		return
	}
	c := r.cluster(t.Cluster)
	if i := c.byARN[t.Instance]; i != nil {
		c.tally(t.Group).add(i, by)
	}
}

// cluster is the container instances of one cluster, with what was worked out about them.
type cluster struct {
	instances []*instance // by ARN
	byARN     map[string]*instance
	classes   map[string]set       // who meets the same requirements and unchanging constraints
	groupings map[string]*grouping // by the attributes that make the groups
	shelves   []*shelves           // kept in order by every change
	tallies   map[string]*tally    // by task group, of those that have tasks
	hosted    bool                 // instances know their groups: some expression asks for them
}

// instance is a container instance.
type instance struct {
	rec   *model.Instance
	on    *machine
	in    *cluster
	at    int32 // place in cluster.instances
	tasks int   // whose desired status is RUNNING
	hosts []*tally
}

func (c *cluster) join(rec *model.Instance, m *machine) {
	i := &instance{rec: rec, on: m, in: c, at: int32(len(c.instances))}
	c.instances = append(c.instances, i)
	c.byARN[rec.ARN] = i
	m.instances = append(m.instances, i)
}

func (i *instance) seat() Seat { return Seat{i.rec, i.on.Machine} }

// attribute gives a custom attribute or, failing that, one that the machine says of itself.
func (i *instance) attribute(name string) (string, bool) {
	if v, ok := i.rec.Attributes[name]; ok {
		return v, true
	}
	v, ok := i.on.Attributes[name]
	return v, ok
}

// tally gives the count of a task group. The cluster knows it as long as it has tasks: a room may live long, and
// groups come and go.
func (c *cluster) tally(group string) *tally {
	if t := c.tallies[group]; t != nil {
		return t
	}
	return &tally{group: group}
}

// tally counts the tasks of one group (of a service, in most cases) whose desired status is RUNNING.
type tally struct {
	group string
	on    []place       // by at; only where there are tasks
	sums  []groupCounts // of the groupings that were asked for
}

type place struct{ at, n int32 }

type groupCounts struct {
	of *grouping
	n  []int32
}

func (t *tally) find(at int32) (int, bool) {
	return slices.BinarySearchFunc(t.on, at, func(p place, at int32) int { return cmp.Compare(p.at, at) })
}

// at counts the tasks on an instance.
func (t *tally) at(at int32) int32 {
	if i, ok := t.find(at); ok {
		return t.on[i].n
	}
	return 0
}

// add counts a task on an instance, or one less.
func (t *tally) add(i *instance, by int32) {
	i.tasks += int(by)
	before := t.at(i.at)
	t.change(i.at, by)
	switch after := t.at(i.at); {
	case !i.in.hosted:
	case before == 0 && after != 0:
		i.hosts = append(i.hosts, t)
	case before != 0 && after == 0:
		i.hosts = slices.DeleteFunc(i.hosts, func(h *tally) bool { return h == t })
	}
	if len(t.on) > 0 {
		i.in.tallies[t.group] = t
	} else {
		delete(i.in.tallies, t.group)
	}
}

// change counts without telling the instance.
func (t *tally) change(at, by int32) {
	for _, s := range t.sums {
		s.n[s.of.group[at]] += by
	}
	k, ok := t.find(at)
	if !ok {
		t.on = slices.Insert(t.on, k, place{at: at})
	}
	t.on[k].n += by
	if t.on[k].n == 0 {
		t.on = slices.Delete(t.on, k, k+1)
	}
}

// per gives the number of tasks in each group of a grouping. It stays up to date.
func (t *tally) per(g *grouping) []int32 {
	for _, s := range t.sums {
		if s.of == g {
			return s.n
		}
	}
	n := make([]int32, g.count())
	for _, p := range t.on {
		n[g.group[p.at]] += p.n
	}
	t.sums = append(t.sums, groupCounts{g, n})
	return n
}

// host makes instances know the groups of their tasks.
func (c *cluster) host() {
	if c.hosted {
		return
	}
	c.hosted = true
	for _, t := range c.tallies { // the order of hosts decides nothing
		for _, p := range t.on {
			i := c.instances[p.at]
			i.hosts = append(i.hosts, t)
		}
	}
}

// set is a set of instances by their place in the cluster.
type set []uint64

func newSet(n int) set          { return make(set, (n+63)/64) }
func (s set) add(at int32)      { s[at>>6] |= 1 << (at & 63) }
func (s set) has(at int32) bool { return s[at>>6]&(1<<(at&63)) != 0 }
