package place

import (
	"cmp"
	"fmt"
	"math/bits"
	"slices"
	"strings"

	"github.com/maitred/maitred/internal/model"
)

// rankKind is what a strategy looks at.
type rankKind int

const (
	fewestOnInstance rankKind = iota // spread by instanceId
	fewestInGroup                    // spread by an attribute
	leastLeft                        // binpack
	anyOne                           // random
)

// rank is one strategy, ready to be used.
type rank struct {
	kind    rankKind
	by      *grouping // fewestInGroup
	binpack order     // leastLeft: byCPU or byMemory
}

// plan is how a list of strategies is carried out: first the group with the fewest tasks is chosen, level by level,
// then in the groups that are left the best instance by ranks, which are compared one after the other. The shelves
// hold the instances of each group of the last level in the order that settles what the ranks leave open.
type plan struct {
	levels  []*grouping
	ranks   []rank
	shelves *shelves
}

// newPlan reads the strategies, or takes the default: a service spreads over zones and then instances; standalone
// tasks go anywhere ("Amazon ECS task placement strategies").
func (c *cluster) newPlan(req Request) (plan, error) {
	list, err := c.ranks(req.Strategy, req.Service != "")
	if err != nil {
		return plan{}, err
	}
	n := 0
	for n < len(list) && list[n].kind == fewestInGroup {
		n++
	}
	p := plan{ranks: list[n:]}
	for _, r := range list[:n] {
		p.levels = append(p.levels, r.by)
	}
	leaf := c.grouping(nil)
	if n > 0 {
		leaf = list[n-1].by
	}
	by := byLoad
	if len(p.ranks) > 0 && p.ranks[0].kind == leastLeft {
		by = p.ranks[0].binpack
	}
	p.shelves = c.shelf(leaf, by)
	return p, nil
}

func (c *cluster) ranks(strategy []model.Strategy, service bool) ([]rank, error) {
	if len(strategy) == 0 && !service {
		return []rank{{kind: anyOne}}, nil
	}
	if len(strategy) == 0 {
		strategy = []model.Strategy{{Type: model.StrategySpread, Field: attributePrefix + model.AttributeZone}}
	}
	var list []rank
	var attributes []string // of the spreads so far: later ones count inside their groups
	for _, s := range strategy {
		r, attribute, err := readRank(s)
		if err != nil {
			return nil, err
		}
		if r.kind == fewestInGroup {
			attributes = append(attributes, attribute)
			r.by = c.grouping(attributes)
		}
		list = append(list, r)
	}
	if !slices.ContainsFunc(list, func(r rank) bool { return r.kind != fewestInGroup }) {
		list = append(list, rank{kind: fewestOnInstance}) // two tasks of a service on one machine are the worst of equals
	}
	return list, nil
}

const attributePrefix = "attribute:"

// readRank reads a strategy; its type and the fixed words of its field in any case.
func readRank(s model.Strategy) (r rank, attribute string, err error) {
	field := strings.ToLower(s.Field)
	switch strings.ToLower(s.Type) {
	case model.StrategySpread:
		if field == "instanceid" || field == "host" {
			return rank{kind: fewestOnInstance}, "", nil
		}
		if strings.HasPrefix(field, attributePrefix) && len(field) > len(attributePrefix) {
			return rank{kind: fewestInGroup}, s.Field[len(attributePrefix):], nil
		}
		return r, "", fmt.Errorf("placement strategy spread by %q: the field is instanceId, host or attribute:NAME", s.Field)
	case model.StrategyBinpack:
		switch field {
		case "cpu":
			return rank{kind: leastLeft, binpack: byCPU}, "", nil
		case "memory":
			return rank{kind: leastLeft, binpack: byMemory}, "", nil
		}
		return r, "", fmt.Errorf("placement strategy binpack by %q: the field is cpu or memory", s.Field)
	case model.StrategyRandom:
		return rank{kind: anyOne}, "", nil
	}
	return r, "", fmt.Errorf("placement strategy of type %q: the types are random, spread and binpack", s.Type)
}

// candidate is an instance and what decides between it and others.
type candidate struct {
	*instance
	slot slot
}

// choose finds the best instance, nil if none fits.
func (s *Search) choose(random uint64) *instance {
	if s.returns != s.room.returns || len(s.dynamic) > 0 { // groups that were full may not be any more
		clear(s.dead)
		s.returns = s.room.returns
	}
	for {
		groups := s.emptiest()
		if len(groups) == 0 {
			return nil
		}
		if i := s.probe(groups, random); i != nil {
			return i
		}
		var best candidate
		for _, g := range groups {
			if c := s.bestOf(g, best, random); c.instance == nil {
				s.dead[g] = true
			} else {
				best = c
			}
		}
		if best.instance != nil {
			return best.instance
		}
	}
}

// emptiest gives the groups that have the fewest tasks, of those that may have room.
func (s *Search) emptiest() []int32 {
	tied := s.tied[:0]
	for g := range s.plan.shelves.of {
		if s.dead[g] {
			continue
		}
		c := -1
		if len(tied) > 0 {
			c = s.compareGroups(int32(g), tied[0])
		}
		if c < 0 {
			tied = tied[:0]
		}
		if c <= 0 {
			tied = append(tied, int32(g))
		}
	}
	s.tied = tied
	return tied
}

func (s *Search) compareGroups(a, b int32) int {
	first := s.plan.shelves.by.first
	for _, level := range s.plan.levels {
		n := s.tally.per(level)
		if c := cmp.Compare(n[level.group[first[a]]], n[level.group[first[b]]]); c != 0 {
			return c
		}
	}
	return 0
}

// probes is how often random tries its luck before it looks at all instances.
const probes = 8

// probe tries some instances at random, if that is all that the strategies want. To take the first that fits is as
// good as to draw from those that fit.
func (s *Search) probe(groups []int32, random uint64) *instance {
	if len(groups) != 1 || len(s.plan.ranks) == 0 || s.plan.ranks[0].kind != anyOne {
		return nil
	}
	one := s.plan.shelves.of[groups[0]]
	for n := range uint64(probes) {
		at, _ := bits.Mul64(mix(mix(random)+n), uint64(len(one)))
		if i := s.in.instances[one[at].at]; s.fits(i) {
			return i
		}
	}
	return nil
}

// bestOf finds the best instance of a group, if it is better than the best of other groups; otherwise it gives that
// one back. It is none when there was none and nothing in the group fits.
func (s *Search) bestOf(group int32, best candidate, random uint64) candidate {
	one := s.plan.shelves.of[group]
	packs := len(s.plan.ranks) > 0 && s.plan.ranks[0].kind == leastLeft
	if packs {
		one = one.from(s.least())
	}
	for _, slot := range one {
		if packs && best.instance != nil && slot.key > best.slot.key {
			break // the others have more left
		}
		i := s.in.instances[slot.at]
		if !s.fits(i) {
			continue
		}
		if c := (candidate{i, slot}); best.instance == nil || s.better(c, best, random) {
			best = c
		}
		if s.unbeatable(i) {
			break
		}
	}
	return best
}

// least is how much of what binpack looks at must be left on an instance. One that asks for none of it goes to any,
// even where too much is promised.
func (s *Search) least() int64 {
	need := s.req.Demand.CPU
	if s.plan.shelves.order == byMemory {
		need = s.req.Demand.Memory
	}
	if need == 0 {
		return -1 << 62
	}
	return int64(need)
}

// unbeatable says that no instance further back on the shelf can be better than this one.
func (s *Search) unbeatable(i *instance) bool {
	switch r := s.plan.ranks; {
	case len(r) == 0:
		return true
	case len(r) == 1 && r[0].kind == fewestOnInstance:
		return s.tally.at(i.at) == 0
	case len(r) == 1 && r[0].kind == leastLeft:
		return true
	}
	return false
}

func (s *Search) better(a, b candidate, random uint64) bool {
	for _, r := range s.plan.ranks {
		if c := s.compare(r, a.instance, b.instance, random); c != 0 {
			return c < 0
		}
	}
	return compareSlots(a.slot, b.slot) < 0
}

func (s *Search) compare(r rank, a, b *instance, random uint64) int {
	switch r.kind {
	case fewestOnInstance:
		return cmp.Compare(s.tally.at(a.at), s.tally.at(b.at))
	case fewestInGroup:
		n := s.tally.per(r.by)
		return cmp.Compare(n[r.by.group[a.at]], n[r.by.group[b.at]])
	case leastLeft:
		return cmp.Compare(a.on.keys()[r.binpack], b.on.keys()[r.binpack])
	default:
		return cmp.Compare(mix(random^uint64(a.at)<<32), mix(random^uint64(b.at)<<32))
	}
}

// mix scatters bits (the finaliser of SplitMix64), so that neighbouring numbers give unlike ones.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
