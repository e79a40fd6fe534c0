package l4

import (
	"math/bits"
	"net/netip"
	"slices"

	"github.com/maitred/maitred/internal/core/routing"
	"github.com/maitred/maitred/internal/model"
)

// flow is what a connection or a datagram is known by.
type flow struct {
	client, to netip.AddrPort
	protocol   byte
}

const (
	protocolTCP = 6
	protocolUDP = 17
)

// choice is how a flow finds its target: by a key that is its alone, and that is the same each time where it is stable.
// Group and target follow from keys, so that nothing has to be remembered ("Network Load Balancer components").
type choice struct {
	rule   *routing.Rule
	group  *routing.Group
	key    uint64
	stable bool
	tried  []*routing.Target
}

// chooseGroup chooses the group for a flow of a listener. nonce is another number for each connection of TCP: like the
// sequence number in a flow hash of AWS, it lets two connections from one port have different targets.
func chooseGroup(l *routing.Listener, f flow, nonce uint64) choice {
	if l == nil || len(l.Rules) == 0 {
		return choice{}
	}
	c := choice{rule: l.Rules[len(l.Rules)-1]}
	key := f.hash()
	if f.protocol == protocolTCP {
		key = mix(key ^ nonce)
	}
	groupKey := key
	if anySticky(c.rule) {
		groupKey = source(f.client.Addr())
	}
	c.group = weighted(c.rule, mix(groupKey^groupSalt))
	c.key, c.stable = key, f.protocol == protocolUDP
	if c.group != nil && sticky(c.group) {
		c.key, c.stable = source(f.client.Addr()), true
	}
	return c
}

// groupSalt makes what chooses the group tell nothing about what chooses the target.
const groupSalt = 0x9e3779b97f4a7c15

// weighted chooses a group by the weights of a forward action; key is evenly distributed.
func weighted(r *routing.Rule, key uint64) *routing.Group {
	if r.Action == nil || r.Action.Forward == nil {
		return nil
	}
	tuples := r.Action.Forward.Groups
	if len(tuples) == 1 && len(r.Groups) == 1 {
		return r.Groups[0]
	}
	total := 0
	for _, t := range tuples {
		total += t.Weight
	}
	at, _ := bits.Mul64(key, uint64(total))
	for i, t := range tuples {
		if at < uint64(t.Weight) && i < len(r.Groups) {
			return r.Groups[i]
		}
		at -= uint64(t.Weight)
	}
	return nil
}

func sticky(g *routing.Group) bool {
	return g.Record.Attribute(model.AttributeSticky) == "true" && g.Record.Attribute(model.AttributeStickyType) == "source_ip"
}

func anySticky(r *routing.Rule) bool {
	return slices.ContainsFunc(r.Groups, func(g *routing.Group) bool { return g != nil && sticky(g) })
}

// next chooses a target that was not tried yet; nil when there is none. A stable choice has the highest score of all
// (rendezvous hashing), so that a target that comes or goes moves no flow but its own.
func (c *choice) next() *routing.Target {
	if c.group == nil || len(c.tried) >= len(c.group.Eligible) {
		return nil
	}
	var found *routing.Target
	if c.stable {
		found = c.highest()
	} else {
		found = c.random()
	}
	if found != nil {
		c.tried = append(c.tried, found)
	}
	return found
}

func (c *choice) random() *routing.Target {
	eligible := c.group.Eligible
	at, _ := bits.Mul64(mix(c.key+uint64(len(c.tried))), uint64(len(eligible)))
	for i := range eligible {
		t := eligible[(int(at)+i)%len(eligible)]
		if !slices.Contains(c.tried, t) {
			return t
		}
	}
	return nil
}

func (c *choice) highest() (best *routing.Target) {
	var top uint64
	for _, t := range c.group.Eligible {
		// The paths of a group's targets differ in what follows the group.
		score := mix(c.key ^ fnv(fnvBasis, t.Path[min(len(t.Record.Group), len(t.Path)):]))
		if (best == nil || score > top) && !slices.Contains(c.tried, t) {
			best, top = t, score
		}
	}
	return best
}

// hash is the same for the same flow in every process, so that a balancer that takes over sends a flow where it was.
func (f flow) hash() uint64 {
	from, to := f.client.Addr().As16(), f.to.Addr().As16()
	h := fnv(fnvBasis, string(from[:]))
	h = fnv(h, string(to[:]))
	return mix(h ^ uint64(f.client.Port())<<32 ^ uint64(f.to.Port())<<16 ^ uint64(f.protocol))
}

func source(client netip.Addr) uint64 {
	b := client.As16()
	return mix(fnv(fnvBasis, string(b[:])))
}

const (
	fnvBasis = 14695981039346656037
	fnvPrime = 1099511628211
)

// fnv goes on with the hash FNV-1a over a text.
func fnv(h uint64, text string) uint64 {
	for i := range len(text) {
		h = (h ^ uint64(text[i])) * fnvPrime
	}
	return h
}

// mix spreads each bit over all of them (the finalizer of SplitMix64).
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
