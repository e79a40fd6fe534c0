package network

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"

	"github.com/maitred/maitred/internal/model"
)

// Numbers of protocols in the IPv4 header.
const (
	protoAny  = 0 // no protocol that a task could speak has it
	protoICMP = 1
	protoTCP  = 6
	protoUDP  = 17
)

// passage is a firewall rule in the terms of nftables: what it matches is accepted.
type passage struct {
	egress   bool
	protocol uint8 // protoAny for all
	// first and last destination port of TCP and UDP; of ICMP the type and the code; -1 for any.
	first, last int
	others      []span // addresses of the other side; sorted, apart from each other
}

// span is a range of IPv4 addresses, the last included.
type span struct{ first, last uint32 }

// everyone is all addresses.
var everyone = span{0, 1<<32 - 1}

// compile turns rules into passages: sorted, with the ranges of rules that are equal otherwise put together, so that
// the same rules in any order give the same. What concerns IPv6 alone lets nothing pass, because a task has no IPv6. A
// rule that cannot be understood is an error: to skip it could cut traffic off that is meant to pass.
func compile(rules []model.FirewallRule) ([]passage, error) {
	byKind := map[passageKind][]span{}
	for i := range rules {
		kind, err := kindOf(&rules[i])
		if err != nil {
			return nil, fmt.Errorf("firewall rule %d: %w", i, err)
		}
		spans, err := spansOf(rules[i].Ranges)
		if err != nil {
			return nil, fmt.Errorf("firewall rule %d: %w", i, err)
		}
		byKind[kind] = append(byKind[kind], spans...)
	}
	passages := make([]passage, 0, len(byKind))
	for k, spans := range byKind {
		if len(spans) > 0 {
			passages = append(passages, passage{k.egress, k.protocol, k.first, k.last, union(spans)})
		}
	}
	slices.SortFunc(passages, func(a, b passage) int {
		return cmp.Or(compareBool(a.egress, b.egress), cmp.Compare(a.protocol, b.protocol),
			cmp.Compare(a.first, b.first), cmp.Compare(a.last, b.last))
	})
	return passages, nil
}

type passageKind struct {
	egress      bool
	protocol    uint8
	first, last int
}

func kindOf(r *model.FirewallRule) (passageKind, error) {
	protocol, err := protocolOf(r.Protocol)
	if err != nil {
		return passageKind{}, err
	}
	k := passageKind{r.Egress, protocol, -1, -1}
	switch protocol {
	case protoTCP, protoUDP:
		if r.From == -1 || r.From == 0 && r.To == 65535 {
			return k, nil
		}
		k.first, k.last = r.From, r.To
		if k.first < 0 || k.last > 65535 || k.first > k.last {
			return k, fmt.Errorf("ports %d to %d are no range of ports", r.From, r.To)
		}
	case protoICMP:
		k.first, k.last = max(r.From, -1), max(r.To, -1)
		if k.first > 255 || k.last > 255 {
			return k, fmt.Errorf("%d and %d are no type and code of ICMP", r.From, r.To)
		}
		if k.first == -1 {
			k.last = -1
		}
	default: // others have no ports
	}
	return k, nil
}

// protocolOf reads a protocol as security groups name it ("IpPermission": IpProtocol).
func protocolOf(name string) (uint8, error) {
	switch name {
	case "-1":
		return protoAny, nil
	case "tcp":
		return protoTCP, nil
	case "udp":
		return protoUDP, nil
	case "icmp":
		return protoICMP, nil
	case "icmpv6":
		return 58, nil
	}
	n, err := strconv.ParseUint(name, 10, 8)
	if err != nil || n == protoAny {
		return 0, fmt.Errorf("protocol %q is not tcp, udp, icmp, -1 or a number from 1 to 255", name)
	}
	return uint8(n), nil
}

func spansOf(ranges []string) ([]span, error) {
	spans := make([]span, 0, len(ranges))
	for _, r := range ranges {
		p, err := parseRange(r)
		if err != nil {
			return nil, err
		}
		if p.Addr().Is4() {
			spans = append(spans, spanOf(p))
		}
	}
	return spans, nil
}

// parseRange reads a CIDR block or an address.
func parseRange(r string) (netip.Prefix, error) {
	if p, err := netip.ParsePrefix(r); err == nil {
		return p.Masked(), nil
	}
	a, err := netip.ParseAddr(r)
	if err != nil || a.Zone() != "" {
		return netip.Prefix{}, fmt.Errorf("range %q is no CIDR block and no address", r)
	}
	return netip.PrefixFrom(a, a.BitLen()), nil
}

func spanOf(p netip.Prefix) span {
	first := number(p.Masked().Addr())
	return span{first, first | uint32(1<<(32-p.Bits())-1)}
}

// union sorts spans and joins those that overlap or touch.
func union(spans []span) []span {
	slices.SortFunc(spans, func(a, b span) int { return cmp.Or(cmp.Compare(a.first, b.first), cmp.Compare(a.last, b.last)) })
	var out []span
	for _, s := range spans {
		if n := len(out); n > 0 && uint64(s.first) <= uint64(out[n-1].last)+1 {
			out[n-1].last = max(out[n-1].last, s.last)
			continue
		}
		out = append(out, s)
	}
	return out
}

// number is an IPv4 address as a number.
func number(a netip.Addr) uint32 {
	b := a.As4()
	return uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
}

// address is the IPv4 address of a number.
func address(n uint32) netip.Addr {
	return netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}
