package place

import (
	"cmp"
	"slices"
	"strings"

	"github.com/maitred/maitred/internal/model"
)

// ScaleIn says among which tasks of a service some are to be stopped.
type ScaleIn struct {
	Cluster  string // ARN
	Strategy []model.Strategy
	// Tasks may be stopped. Those that go before all others, because they are unhealthy or do not run yet, are no
	// matter of place: the caller takes them first.
	Tasks []model.TaskState
	// Keep are the other tasks of the service that count for the balance: protected ones, for example.
	Keep []model.TaskState
	// Random decides where the strategy is random.
	Random uint64
}

// Victims gives n of the tasks (fewer, if there are not so many) in the order in which they are to be stopped, so that
// what remains is placed as the strategies would have it ("Amazon ECS services"):
//
//  1. tasks on instances that are DRAINING or gone;
//  2. with strategies, the task whose end serves them best, one strategy after the other: of spread, one in the group
//     with the most tasks; of binpack, one whose instance has the most left when it is gone;
//  3. without, one in the zone with the most tasks, and there on the instance with the most. This is also what is done
//     on the instance level when the strategies are nothing but spreads by attribute;
//  4. ECS then takes any. Here it is the youngest, which loses the least, then the one with the higher ARN.
func (r *Room) Victims(in ScaleIn, n int) ([]model.TaskState, error) {
	c := r.cluster(in.Cluster)
	ranks, err := c.ranks(in.Strategy, true)
	if err != nil {
		return nil, err
	}
	v := victims{in: c, ranks: ranks, random: in.Random, on: map[string]*pile{}, tally: &tally{}}
	for _, t := range in.Keep {
		v.keep(t)
	}
	for _, t := range in.Tasks {
		v.offer(t)
	}
	v.sort()
	var gone []model.TaskState
	for range min(n, len(in.Tasks)) {
		gone = append(gone, v.next())
	}
	return gone, nil
}

// victims are the tasks of a service, as far as they are left.
type victims struct {
	in     *cluster
	ranks  []rank
	random uint64
	on     map[string]*pile // by ARN of the instance
	piles  []*pile          // by ARN
	tally  *tally           // of the service alone: the cluster's own counts are not touched
}

// pile is the tasks of the service on one instance, the next to go first.
type pile struct {
	arn   string
	at    *instance // nil: gone
	tasks []model.TaskState
	left  [orders]int64 // what is free on the machine, with what the victims so far give back
}

func (v *victims) keep(t model.TaskState) {
	if i := v.in.byARN[t.Instance]; i != nil {
		v.tally.change(i.at, 1)
	}
}

func (v *victims) offer(t model.TaskState) {
	v.keep(t)
	p := v.on[t.Instance]
	if p == nil {
		p = &pile{arn: t.Instance, at: v.in.byARN[t.Instance]}
		if p.at != nil {
			p.left = p.at.on.keys()
		}
		v.on[t.Instance] = p
		v.piles = append(v.piles, p)
	}
	p.tasks = append(p.tasks, t)
}

func (v *victims) sort() {
	slices.SortFunc(v.piles, func(a, b *pile) int { return strings.Compare(a.arn, b.arn) })
	for _, p := range v.piles {
		slices.SortFunc(p.tasks, v.compareTasks)
	}
}

// compareTasks orders tasks on the same instance.
func (v *victims) compareTasks(a, b model.TaskState) int {
	for _, r := range v.ranks {
		if r.kind == leastLeft {
			if c := cmp.Compare(reserved(b, r.binpack), reserved(a, r.binpack)); c != 0 {
				return c
			}
		}
	}
	return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), strings.Compare(b.ARN, a.ARN))
}

func reserved(t model.TaskState, o order) int64 {
	if o == byCPU {
		return int64(t.Reserved.CPU)
	}
	return int64(t.Reserved.Memory)
}

// next takes the next task away.
func (v *victims) next() model.TaskState {
	best := -1
	for k, p := range v.piles {
		if len(p.tasks) > 0 && (best < 0 || v.sooner(p, v.piles[best])) {
			best = k
		}
	}
	p := v.piles[best]
	t := p.tasks[0]
	p.tasks = p.tasks[1:]
	p.left[byCPU] += reserved(t, byCPU)
	p.left[byMemory] += reserved(t, byMemory)
	if p.at != nil {
		v.tally.change(p.at.at, -1)
	}
	return t
}

// sooner says whether a task of a goes before one of b.
func (v *victims) sooner(a, b *pile) bool {
	if x, y := a.lost(), b.lost(); x != y {
		return x
	}
	if a.at != nil && b.at != nil {
		for _, r := range v.ranks {
			if c := v.compare(r, a, b); c != 0 {
				return c > 0
			}
		}
	}
	return v.compareTasks(a.tasks[0], b.tasks[0]) < 0
}

// lost says that no new task would go there.
func (p *pile) lost() bool { return p.at == nil || p.at.rec.Status != model.Active }

// compare says by one strategy on which instance there is more to be taken away.
func (v *victims) compare(r rank, a, b *pile) int {
	switch r.kind {
	case fewestOnInstance:
		return cmp.Compare(v.tally.at(a.at.at), v.tally.at(b.at.at))
	case fewestInGroup:
		n := v.tally.per(r.by)
		return cmp.Compare(n[r.by.group[a.at.at]], n[r.by.group[b.at.at]])
	case leastLeft:
		return cmp.Compare(a.left[r.binpack]+reserved(a.tasks[0], r.binpack), b.left[r.binpack]+reserved(b.tasks[0], r.binpack))
	default:
		return cmp.Compare(mix(v.random^uint64(a.at.at)<<32), mix(v.random^uint64(b.at.at)<<32))
	}
}
