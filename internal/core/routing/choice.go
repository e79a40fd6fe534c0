package routing

import (
	"math"
	"math/bits"
	"time"
)

// Pick chooses one of the target groups of a forward action by their weights ("Forward actions"). random is any number,
// evenly spread. The group is nil, and the index -1, when all weights are 0 or there are no groups; it is nil with its
// index when the chosen one does not exist. Both are answered with 503: a group without healthy targets keeps its share.
func (r *Rule) Pick(random uint64) (*Group, int) {
	if r.Action == nil || r.Action.Forward == nil {
		return nil, -1
	}
	weighted := r.Action.Forward.Groups
	total := 0
	for i := range weighted {
		total += weighted[i].Weight
	}
	if total <= 0 {
		return nil, -1
	}
	at := below(random, total)
	for i := range weighted {
		if at < weighted[i].Weight {
			return r.Groups[i], i
		}
		at -= weighted[i].Weight
	}
	return nil, -1
}

// RoundRobin chooses the target for the request with this number ("Routing algorithms"): one after the other, but
// targets in slow start, which get requests by their weight at now. It is nil when nothing is eligible and usable; usable
// may be nil, and otherwise says whether a target may be had at all. It allocates nothing.
func RoundRobin(g *Group, counter uint64, now time.Time, usable func(*Target) bool) *Target {
	if len(g.ramping) == 0 || !now.Before(g.rampsEnd) {
		if len(g.Eligible) == 0 {
			return nil
		}
		return firstUsable(g.Eligible, int(counter%uint64(len(g.Eligible))), usable)
	}
	total := float64(len(g.settled))
	for _, t := range g.ramping {
		total += t.Weight(now, g.Settings.SlowStart)
	}
	// Steps of the golden ratio spread evenly over the weights, whatever they are, without anything to remember.
	at := unit(counter*goldenRatio) * total
	if int(at) < len(g.settled) {
		return g.orAny(firstUsable(g.settled, int(at), usable), usable)
	}
	at -= float64(len(g.settled))
	for i, t := range g.ramping {
		at -= t.Weight(now, g.Settings.SlowStart)
		if at < 0 || i == len(g.ramping)-1 {
			return g.orAny(firstUsable(g.ramping, i, usable), usable)
		}
	}
	return nil // not reached: some target is ramping
}

// goldenRatio is 2⁶⁴ divided by it.
const goldenRatio = 0x9e3779b97f4a7c15

// orAny is t, or if that is nil any eligible target that is usable.
func (g *Group) orAny(t *Target, usable func(*Target) bool) *Target {
	if t != nil || len(g.Eligible) == 0 {
		return t
	}
	return firstUsable(g.Eligible, 0, usable)
}

// firstUsable gives the first target from the start on, and then from the beginning, that is usable.
func firstUsable(all []*Target, start int, usable func(*Target) bool) *Target {
	if usable == nil {
		return all[start]
	}
	for i := range all {
		t := all[(start+i)%len(all)]
		if usable(t) {
			return t
		}
	}
	return nil
}

// LeastOutstanding chooses a target with the fewest outstanding requests, of several any one by random ("Routing
// algorithms"). It is nil when nothing is eligible and usable; usable may be nil. It allocates nothing.
func LeastOutstanding(g *Group, random uint64, outstanding func(path string) int64, usable func(*Target) bool) *Target {
	var least *Target
	var fewest int64
	ties := 0
	for _, t := range g.Eligible {
		if usable != nil && !usable(t) {
			continue
		}
		n := outstanding(t.Path)
		switch {
		case least == nil || n < fewest:
			least, fewest, ties = t, n, 1
		case n == fewest:
			ties++
			random = mix(random)
			if below(random, ties) == 0 {
				least = t
			}
		}
	}
	return least
}

// WeightedRandom chooses a target by random, with the shares that weight gives ("Routing algorithms"): nil, or all
// weights zero, for even ones. A weight below zero, or that is no number, counts as zero. It is nil when nothing is
// eligible and usable; usable may be nil. It allocates nothing.
func WeightedRandom(g *Group, random uint64, weight func(path string) float64, usable func(*Target) bool) *Target {
	if len(g.Eligible) == 0 {
		return nil
	}
	total := 0.0
	for _, t := range g.Eligible {
		total += share(t, weight, usable)
	}
	if total <= 0 || math.IsInf(total, 0) {
		return firstUsable(g.Eligible, below(random, len(g.Eligible)), usable)
	}
	at := unit(random) * total
	var last *Target
	for _, t := range g.Eligible {
		w := share(t, weight, usable)
		if w <= 0 {
			continue
		}
		last = t
		if at -= w; at < 0 {
			break
		}
	}
	return last
}

func share(t *Target, weight func(path string) float64, usable func(*Target) bool) float64 {
	if usable != nil && !usable(t) {
		return 0
	}
	if weight == nil {
		return 1
	}
	if w := weight(t.Path); w > 0 {
		return w
	}
	return 0
}

// Hashed chooses always the same target for the same hash (of a flow, of a client's address) while it is eligible and
// usable; when one comes or goes, only the flows that it takes or had get another one. It is nil when nothing is eligible
// and usable; usable may be nil. It allocates nothing.
func Hashed(g *Group, hash uint64, usable func(*Target) bool) *Target {
	var best *Target
	var most uint64
	for _, t := range g.Eligible {
		if usable != nil && !usable(t) {
			continue
		}
		if score := mix(hash ^ t.hash); best == nil || score > most {
			best, most = t, score
		}
	}
	return best
}

// below makes a number from 0 to n-1 of an evenly spread one.
func below(random uint64, n int) int {
	hi, _ := bits.Mul64(random, uint64(n))
	return int(hi)
}

// unit makes a number from 0 to 1, without 1, of an evenly spread one.
func unit(random uint64) float64 { return float64(random>>11) / (1 << 53) }

// mix spreads the bits of a number (the finaliser of splitmix64).
func mix(x uint64) uint64 {
	x += goldenRatio
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
