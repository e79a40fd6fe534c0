package place

import (
	"cmp"
	"slices"
	"strings"
)

// grouping divides the instances of a cluster by the values of attributes; with none, all are one group. Instances
// that lack an attribute count as having an empty one.
type grouping struct {
	group []int32 // of each instance
	first []int32 // an instance of each group
}

func (g *grouping) count() int { return len(g.first) }

// grouping gives the groups by attributes, made on first use.
func (c *cluster) grouping(attributes []string) *grouping {
	key := strings.Join(attributes, "\x00")
	if g := c.groupings[key]; g != nil {
		return g
	}
	g := &grouping{group: make([]int32, len(c.instances))}
	seen := map[string]int32{}
	for _, i := range c.instances {
		var values strings.Builder
		for _, a := range attributes {
			v, _ := i.attribute(a)
			values.WriteString(v + "\x00")
		}
		n, ok := seen[values.String()]
		if !ok {
			n = int32(len(g.first))
			seen[values.String()] = n
			g.first = append(g.first, i.at)
		}
		g.group[i.at] = n
	}
	c.groupings[key] = g
	return g
}

// shelves keep the instances of each group in order, the preferred ones first, so that a search can stop at the first
// that fits. Every change of a machine moves it; to find all in order by sorting would cost a thousand times more.
type shelves struct {
	by    *grouping
	order order
	of    []shelf // by group
}

type shelf []slot

type slot struct {
	key int64 // smaller is better
	at  int32
}

func compareSlots(a, b slot) int {
	return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.at, b.at))
}

// shelf gives the shelves of a grouping in an order, made on first use.
func (c *cluster) shelf(by *grouping, o order) *shelves {
	for _, s := range c.shelves {
		if s.by == by && s.order == o {
			return s
		}
	}
	s := &shelves{by: by, order: o, of: make([]shelf, by.count())}
	for _, i := range c.instances {
		g := by.group[i.at]
		s.of[g] = append(s.of[g], slot{i.on.keys()[o], i.at})
	}
	for _, one := range s.of {
		slices.SortFunc(one, compareSlots)
	}
	c.shelves = append(c.shelves, s)
	return s
}

// move puts an instance where its new key belongs.
func (s *shelves) move(at int32, before, after int64) {
	if before == after {
		return
	}
	one := s.of[s.by.group[at]]
	from, _ := slices.BinarySearchFunc(one, slot{before, at}, compareSlots)
	to, _ := slices.BinarySearchFunc(one, slot{after, at}, compareSlots)
	if to > from { // its own place falls away
		to--
		copy(one[from:to], one[from+1:to+1])
	} else {
		copy(one[to+1:from+1], one[to:from])
	}
	one[to] = slot{after, at}
}

// from skips the slots whose key is smaller.
func (s shelf) from(key int64) shelf {
	i, _ := slices.BinarySearchFunc(s, slot{key, -1}, compareSlots)
	return s[i:]
}
