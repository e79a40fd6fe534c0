// Package firewall compiles the security groups of a task, or of a load balancer, to the rules that are enforced. It is pure: the same
// groups and members give the same rules, in the same order, so that a change is seen by comparing them.
package firewall

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"

	"github.com/maitred/maitred/internal/model"
)

// What stands for all protocols, and for all ports, in rules.
const (
	AnyProtocol = "-1"
	AnyPort     = -1
)

// World is what rules depend on besides the groups' names.
type World struct {
	// Group finds a security group, nil if there is none.
	Group func(id string) *model.SecurityGroup
	// Members are the addresses of the tasks that have a group, by its id.
	Members map[string][]string
}

// kind is what a rule lets pass, but for whom.
type kind struct {
	egress   bool
	protocol string
	from, to int
}

// Compile gives what the security groups of a task together let pass ("Control traffic to your AWS resources using security
// groups"): a rule for each kind of traffic, with all whom it may come from or go to. A rule whose group has no members
// lets nothing pass and is left out.
func Compile(groups []string, w World) []model.FirewallRule {
	passes := map[kind][]string{}
	for _, id := range groups {
		group := w.Group(id)
		if group == nil {
			continue
		}
		for i := range group.Rules {
			r := &group.Rules[i]
			k := kindOf(r)
			passes[k] = append(passes[k], w.others(r)...)
		}
	}
	var rules []model.FirewallRule
	for _, k := range slices.SortedFunc(maps.Keys(passes), compare) {
		if ranges := merge(passes[k]); len(ranges) > 0 {
			rules = append(rules, model.FirewallRule{
				Egress: k.egress, Protocol: k.protocol, From: k.from, To: k.to, Ranges: ranges,
			})
		}
	}
	return rules
}

// kindOf gives each kind of traffic one form.
func kindOf(r *model.SecurityGroupRule) kind {
	k := kind{r.Egress, r.Protocol, r.From, r.To}
	switch {
	case k.protocol == AnyProtocol || k.protocol == "":
		k.protocol, k.from, k.to = AnyProtocol, AnyPort, AnyPort
	case k.from == AnyPort, k.protocol != "icmp" && k.from == 0 && k.to == 65535:
		k.from, k.to = AnyPort, AnyPort
	}
	return k
}

func compare(a, b kind) int {
	side := func(k kind) int {
		if k.egress {
			return 1
		}
		return 0
	}
	return cmp.Or(
		cmp.Compare(side(a), side(b)), cmp.Compare(a.protocol, b.protocol), cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to),
	)
}

// others are those on the other side of a rule.
func (w World) others(r *model.SecurityGroupRule) []string {
	if r.Group != "" {
		return w.Members[r.Group]
	}
	if r.CIDR == "" {
		return nil
	}
	return []string{r.CIDR}
}

// merge sorts ranges and leaves out what others contain. Ranges that are none are left out too: they let nothing pass.
func merge(texts []string) []string {
	list := make([]netip.Prefix, 0, len(texts))
	for _, text := range texts {
		if p, ok := ParseRange(text); ok {
			list = append(list, p)
		}
	}
	slices.SortFunc(list, func(a, b netip.Prefix) int {
		return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
	})
	var merged []string
	var last netip.Prefix // what contains a range sorts before it, and nothing comes in between that it does not contain
	for _, p := range list {
		if last.IsValid() && last.Contains(p.Addr()) && last.Bits() <= p.Bits() {
			continue
		}
		last = p
		merged = append(merged, show(p))
	}
	return merged
}

// ParseRange reads a CIDR block or an address, as rules have them.
func ParseRange(text string) (netip.Prefix, bool) {
	if p, err := netip.ParsePrefix(text); err == nil {
		return p.Masked(), true
	}
	addr, err := netip.ParseAddr(text)
	if err != nil || addr.Zone() != "" {
		return netip.Prefix{}, false
	}
	return netip.PrefixFrom(addr, addr.BitLen()), true
}

// show writes an address without its length.
func show(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}
