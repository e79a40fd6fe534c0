// Package gate says who may connect to a load balancer: those whom its security groups let in ("Security groups for your
// Application Load Balancer"). It judges each new connection, and each new flow, by the groups as they are then; what is
// open stays open, as at AWS.
//
// The machine itself always passes, as with tasks: whoever is on it is no stranger, and what serves on a loopback address is
// reached by nobody else.
package gate

import (
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/maitred/maitred/internal/firewall"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// Gate judges connections. It may be used by any number of goroutines.
type Gate struct {
	view func() *store.View
	now  func() time.Time

	mu    sync.Mutex
	known map[string]*rules // by the ARN of the load balancer
}

// New makes a gate by what a store shows.
func New(view func() *store.View, now func() time.Time) *Gate {
	return &Gate{view: view, now: now, known: map[string]*rules{}}
}

// rules are what the security groups of a load balancer let in.
type rules struct {
	of      *model.LoadBalancer
	groups  []*model.SecurityGroup
	passes  []pass
	members bool // they depend on which tasks have which group
	made    time.Time
}

type pass struct {
	protocol string
	from, to int
	ranges   []netip.Prefix
}

// membersFor is how long it is taken for granted which tasks have which group: to look for them takes long where there are
// many, and who is turned away may try as often as it likes.
const membersFor = time.Second

// Admit says whether a client may connect to a load balancer, at an address of its own and a port, by tcp or udp.
func (g *Gate) Admit(lb *model.LoadBalancer, protocol string, client netip.Addr, to netip.AddrPort) bool {
	client = client.Unmap()
	if lb == nil || len(lb.SecurityGroups) == 0 || client.IsLoopback() || client == to.Addr().Unmap() {
		return true
	}
	return slices.ContainsFunc(g.rules(lb).passes, func(p pass) bool {
		return (p.protocol == protocol || p.protocol == firewall.AnyProtocol) &&
			(p.from == firewall.AnyPort || p.from <= int(to.Port()) && int(to.Port()) <= p.to) &&
			slices.ContainsFunc(p.ranges, func(r netip.Prefix) bool { return r.Contains(client) })
	})
}

// Forget drops the load balancers (by ARN) that keep does not want.
func (g *Gate) Forget(keep func(arn string) bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for arn := range g.known {
		if !keep(arn) {
			delete(g.known, arn)
		}
	}
}

// rules gives those of a load balancer, made anew when what they are made of has changed.
func (g *Gate) rules(lb *model.LoadBalancer) *rules {
	view, now := g.view(), g.now()
	groups := make([]*model.SecurityGroup, 0, len(lb.SecurityGroups))
	for _, id := range lb.SecurityGroups {
		if group, ok := view.SecurityGroup(lb.Region, id); ok {
			groups = append(groups, group)
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	r := g.known[lb.ARN]
	if r == nil || r.of != lb || !slices.Equal(r.groups, groups) || r.members && now.Sub(r.made) >= membersFor {
		r = compile(view, lb, groups, now)
		g.known[lb.ARN] = r
	}
	return r
}

func compile(view *store.View, lb *model.LoadBalancer, groups []*model.SecurityGroup, now time.Time) *rules {
	r := &rules{of: lb, groups: groups, made: now}
	named := map[string]bool{}
	for _, group := range groups {
		for i := range group.Rules {
			if id := group.Rules[i].Group; id != "" && !group.Rules[i].Egress {
				named[id], r.members = true, true
			}
		}
	}
	world := firewall.World{
		Members: membersOf(view, named),
		Group: func(id string) *model.SecurityGroup {
			group, _ := view.SecurityGroup(lb.Region, id)
			return group
		},
	}
	for _, x := range firewall.Compile(lb.SecurityGroups, world) {
		if !x.Egress {
			r.passes = append(r.passes, passOf(x))
		}
	}
	return r
}

// membersOf lists the addresses of the tasks that have one of some groups, by group.
func membersOf(view *store.View, groups map[string]bool) map[string][]string {
	members := map[string][]string{}
	if len(groups) == 0 {
		return members
	}
	for t := range view.Tasks() {
		if t.Network == nil || t.Seen == nil || t.Seen.Attachment == nil || t.Stopped() {
			continue
		}
		for _, id := range t.Network.SecurityGroups {
			if groups[id] {
				members[id] = append(members[id], t.Seen.Attachment.Address)
			}
		}
	}
	return members
}

func passOf(r model.FirewallRule) pass {
	p := pass{protocol: r.Protocol, from: r.From, to: r.To}
	for _, text := range r.Ranges {
		if prefix, ok := firewall.ParseRange(text); ok {
			p.ranges = append(p.ranges, prefix)
		}
	}
	return p
}
