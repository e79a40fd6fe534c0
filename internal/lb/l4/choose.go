package l4

import (
	"net/netip"
	"slices"

	"github.com/maitred/maitred/internal/core/routing"
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

// choice is how a flow finds its target: by a key. The key of the same flow is the same each time (but for connections of
// TCP), and so is what is chosen: nothing has to be remembered, and a balancer that takes over chooses as the one before
// did ("Network Load Balancer overview").
type choice struct {
	group *routing.Group // nil where there is none to choose from
	key   uint64
	tried []*routing.Target
}

// chooseGroup chooses the group for a flow of a listener. nonce is another number for each connection of TCP: like the
// sequence number in a flow hash of AWS, it lets two connections from one port have different targets.
func chooseGroup(l *routing.Listener, f flow, nonce uint64) choice {
	if l == nil || len(l.Rules) == 0 {
		return choice{}
	}
	key := f.hash()
	if f.protocol == protocolTCP {
		key = mix(key ^ nonce)
	}
	rule := l.Default()
	groupKey := key
	if slices.ContainsFunc(rule.Groups, sticky) {
		groupKey = source(f.client.Addr())
	}
	group, _ := rule.Pick(mix(groupKey ^ groupSalt))
	if sticky(group) {
		key = source(f.client.Addr())
	}
	return choice{group: group, key: key}
}

// groupSalt makes what chooses the group tell nothing about what chooses the target.
const groupSalt = 0x9e3779b97f4a7c15

// sticky says that a client stays with its target ("Sticky sessions").
func sticky(g *routing.Group) bool {
	return g != nil && g.Settings.Sticky && g.Settings.StickyType == "source_ip"
}

// next chooses a target that was not tried yet; nil when there is none.
func (c *choice) next() *routing.Target {
	if c.group == nil {
		return nil
	}
	found := routing.Hashed(c.group, c.key, func(t *routing.Target) bool { return !slices.Contains(c.tried, t) })
	if found != nil {
		c.tried = append(c.tried, found)
	}
	return found
}

// hash is the same for the same flow in every process.
func (f flow) hash() uint64 {
	from, to := f.client.Addr().As16(), f.to.Addr().As16()
	h := fnv(fnv(fnvBasis, from), to)
	return mix(h ^ uint64(f.client.Port())<<32 ^ uint64(f.to.Port())<<16 ^ uint64(f.protocol))
}

func source(client netip.Addr) uint64 { return mix(fnv(fnvBasis, client.As16())) }

const (
	fnvBasis = 14695981039346656037
	fnvPrime = 1099511628211
)

// fnv goes on with the hash FNV-1a over an address.
func fnv(h uint64, address [16]byte) uint64 {
	for _, b := range address {
		h = (h ^ uint64(b)) * fnvPrime
	}
	return h
}

// mix spreads each bit over all of them (the finalizer of SplitMix64).
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
