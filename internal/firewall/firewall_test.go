package firewall_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/maitred/maitred/internal/firewall"
	"github.com/maitred/maitred/internal/model"
)

func group(id string, rules ...model.SecurityGroupRule) *model.SecurityGroup {
	return &model.SecurityGroup{ID: id, Rules: rules}
}

func world(members map[string][]string, groups ...*model.SecurityGroup) firewall.World {
	return firewall.World{Members: members, Group: func(id string) *model.SecurityGroup {
		for _, g := range groups {
			if g.ID == id {
				return g
			}
		}
		return nil
	}}
}

func TestCompile(t *testing.T) {
	t.Parallel()
	web := group("sg-web",
		model.SecurityGroupRule{Protocol: "tcp", From: 443, To: 443, CIDR: "0.0.0.0/0"},
		model.SecurityGroupRule{Protocol: "tcp", From: 80, To: 80, CIDR: "10.1.2.3/8"},
		model.SecurityGroupRule{Protocol: "tcp", From: 80, To: 80, CIDR: "10.1.0.0/16"},
		model.SecurityGroupRule{Egress: true, Protocol: "-1", From: 0, To: 7, CIDR: "0.0.0.0/0"})
	db := group("sg-db",
		model.SecurityGroupRule{Protocol: "tcp", From: 80, To: 80, Group: "sg-web"},
		model.SecurityGroupRule{Protocol: "tcp", From: 5432, To: 5432, Group: "sg-web"},
		model.SecurityGroupRule{Protocol: "udp", From: 0, To: 65535, Group: "sg-db"},
		model.SecurityGroupRule{Protocol: "icmp", From: 8, To: -1, CIDR: "::/0"},
		model.SecurityGroupRule{Protocol: "tcp", From: 1, To: 2, Group: "sg-empty"},
		model.SecurityGroupRule{Protocol: "tcp", From: 3, To: 4, CIDR: "nonsense"},
		model.SecurityGroupRule{Protocol: "tcp", From: 5, To: 6})
	members := map[string][]string{"sg-web": {"172.16.0.9", "172.16.0.5", "172.16.0.9"}, "sg-db": {"172.16.0.7"}}
	for _, test := range []struct {
		name   string
		groups []string
		want   []model.FirewallRule
	}{
		{"none", nil, nil},
		{"one that is not there", []string{"sg-gone"}, nil},
		{"one", []string{"sg-web"}, []model.FirewallRule{
			{Protocol: "tcp", From: 80, To: 80, Ranges: []string{"10.0.0.0/8"}},
			{Protocol: "tcp", From: 443, To: 443, Ranges: []string{"0.0.0.0/0"}},
			{Egress: true, Protocol: "-1", From: -1, To: -1, Ranges: []string{"0.0.0.0/0"}},
		}},
		{"two", []string{"sg-db", "sg-web"}, []model.FirewallRule{
			{Protocol: "icmp", From: 8, To: -1, Ranges: []string{"::/0"}},
			{Protocol: "tcp", From: 80, To: 80, Ranges: []string{"10.0.0.0/8", "172.16.0.5", "172.16.0.9"}},
			{Protocol: "tcp", From: 443, To: 443, Ranges: []string{"0.0.0.0/0"}},
			{Protocol: "tcp", From: 5432, To: 5432, Ranges: []string{"172.16.0.5", "172.16.0.9"}},
			{Protocol: "udp", From: -1, To: -1, Ranges: []string{"172.16.0.7"}},
			{Egress: true, Protocol: "-1", From: -1, To: -1, Ranges: []string{"0.0.0.0/0"}},
		}},
	} {
		got := firewall.Compile(test.groups, world(members, web, db))
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}

// TestMeaning compiles groups at random: a packet passes the compiled rules if and only if a rule of a group lets it
// pass, and the order of groups and rules does not matter.
func TestMeaning(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		members := map[string][]string{"sg-0": {"10.0.0.1", "10.0.0.2"}, "sg-1": {"10.0.1.1"}}
		drawn := rapid.SliceOfN(rapid.Custom(drawRule), 0, 12).Draw(t, "rules")
		half := len(drawn) / 2
		groups := []*model.SecurityGroup{group("sg-0", drawn[:half]...), group("sg-1", drawn[half:]...)}
		got := firewall.Compile([]string{"sg-0", "sg-1"}, world(members, groups...))

		turned := slices.Clone(drawn)
		slices.Reverse(turned)
		again := firewall.Compile([]string{"sg-1", "sg-0"}, world(members, group("sg-0", turned...), group("sg-1")))
		if diff := cmp.Diff(got, again); diff != "" {
			t.Fatalf("another order gives other rules (-first +second):\n%s", diff)
		}
		for _, address := range []string{"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.1.1", "10.1.0.1", "192.168.0.1"} {
			for port := range 6 {
				for _, protocol := range []string{"tcp", "udp"} {
					for _, egress := range []bool{false, true} {
						p := packet{egress, protocol, port, address}
						if want := p.passes(drawn, members); p.passesCompiled(got) != want {
							t.Fatalf("%+v passes: got %v, want %v; rules %+v", p, !want, want, got)
						}
					}
				}
			}
		}
	})
}

func drawRule(t *rapid.T) model.SecurityGroupRule {
	r := model.SecurityGroupRule{
		Egress:   rapid.Bool().Draw(t, "egress"),
		Protocol: rapid.SampledFrom([]string{"tcp", "udp", "-1"}).Draw(t, "protocol"),
		From:     rapid.IntRange(-1, 4).Draw(t, "from"),
	}
	r.To = r.From + rapid.IntRange(0, 3).Draw(t, "ports")
	if r.From < 0 {
		r.To = -1
	}
	if n := rapid.IntRange(0, 5).Draw(t, "other"); n < 3 {
		r.Group = fmt.Sprint("sg-", n)
	} else {
		r.CIDR = []string{"10.0.0.0/8", "10.0.0.0/23", "10.0.1.1/32"}[n-3]
	}
	return r
}

type packet struct {
	egress   bool
	protocol string
	port     int
	address  string
}

func (p packet) matches(egress bool, protocol string, from, to int) bool {
	return egress == p.egress && (protocol == "-1" || protocol == p.protocol && (from == -1 || from <= p.port && p.port <= to))
}

func (p packet) passes(rules []model.SecurityGroupRule, members map[string][]string) bool {
	return slices.ContainsFunc(rules, func(r model.SecurityGroupRule) bool {
		if !p.matches(r.Egress, r.Protocol, r.From, r.To) {
			return false
		}
		if r.Group != "" {
			return slices.Contains(members[r.Group], p.address)
		}
		return netip.MustParsePrefix(r.CIDR).Contains(netip.MustParseAddr(p.address))
	})
}

func (p packet) passesCompiled(rules []model.FirewallRule) bool {
	return slices.ContainsFunc(rules, func(r model.FirewallRule) bool {
		return p.matches(r.Egress, r.Protocol, r.From, r.To) && slices.ContainsFunc(r.Ranges, func(text string) bool {
			if text == p.address {
				return true
			}
			prefix, err := netip.ParsePrefix(text)
			return err == nil && prefix.Contains(netip.MustParseAddr(p.address))
		})
	})
}
