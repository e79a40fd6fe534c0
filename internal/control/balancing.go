package control

import (
	"cmp"
	"maps"
	"slices"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// The quotas of load balancing ("Quotas for your Application Load Balancers", "… Network Load Balancers").
const (
	LoadBalancersMax   = 50 // of a type, in a region
	ListenersMax       = 50 // of a load balancer
	ListenerRulesMax   = 100
	TargetGroupsMax    = 3000 // in a region
	BalancerGroupsMax  = 100  // target groups of a load balancer
	TargetsMax         = 1000 // of a target group
	BalancerCertsMax   = 25   // of a load balancer, the default ones not counted
	ActionGroupsMax    = 5
	ConditionValuesMax = 5 // of a rule
	WildcardsMax       = 6 // of a rule
)

// balancingPart is how many records one transaction deletes; each is an operation and a guard, and there are some more.
const balancingPart = store.MaxOps - 20

// invalid refuses a bad value in a request to Elastic Load Balancing.
func invalid(format string, args ...any) *model.Error {
	return refused("ValidationError", format, args...)
}

// misconfigured refuses what does not go together ("InvalidConfigurationRequestException").
func misconfigured(format string, args ...any) *model.Error {
	return refused("InvalidConfigurationRequest", format, args...)
}

// FindLoadBalancer finds a load balancer of the call's region by ARN.
func FindLoadBalancer(v *store.View, call Call, id string) (*model.LoadBalancer, error) {
	if arn.Balancing(id) != "loadbalancer" {
		return nil, invalid("'%.300s' is not a valid load balancer ARN", id)
	}
	if b, ok := v.LoadBalancer(id); ok && b.Region == call.Region {
		return b, nil
	}
	return nil, refused("LoadBalancerNotFound", "One or more load balancers not found")
}

// FindListener finds a listener of the call's region by ARN, with its load balancer.
func FindListener(v *store.View, call Call, id string) (*model.Listener, *model.LoadBalancer, error) {
	if arn.Balancing(id) != "listener" {
		return nil, nil, invalid("'%.300s' is not a valid listener ARN", id)
	}
	b, found := v.LoadBalancer(arn.LoadBalancerOfListener(id))
	if found && b.Region == call.Region {
		if l, ok := v.Listener(b.ARN, id); ok {
			return l, b, nil
		}
	}
	return nil, nil, refused("ListenerNotFound", "One or more listeners not found")
}

// FindRule finds a rule of the call's region by ARN, with its listener. The rule is nil for the default rule.
func FindRule(v *store.View, call Call, id string) (*model.Rule, *model.Listener, error) {
	if arn.Balancing(id) != "listener-rule" {
		return nil, nil, invalid("'%.300s' is not a valid listener rule ARN", id)
	}
	if l, _, err := FindListener(v, call, arn.ListenerOfRule(id)); err == nil {
		if r, ok := v.Rule(l.ARN, id); ok {
			return r, l, nil
		}
		if arn.DefaultRule(l.ARN) == id {
			return nil, l, nil
		}
	}
	return nil, nil, refused("RuleNotFound", "One or more rules not found")
}

// FindTargetGroup finds a target group of the call's region by ARN.
func FindTargetGroup(v *store.View, call Call, id string) (*model.TargetGroup, error) {
	if arn.Balancing(id) != "targetgroup" {
		return nil, invalid("'%.300s' is not a valid target group ARN", id)
	}
	if g, ok := v.TargetGroup(id); ok && g.Region == call.Region {
		return g, nil
	}
	return nil, refused("TargetGroupNotFound", "One or more target groups not found")
}

// GroupUsers says which load balancers lead to each target group, by a listener or a rule. All are ARNs.
func GroupUsers(v *store.View) map[string][]string {
	users := map[string][]string{}
	add := func(balancer string, actions []model.Action) {
		for group := range groupsOf(actions) {
			if !slices.Contains(users[group], balancer) {
				users[group] = append(users[group], balancer)
			}
		}
	}
	for l := range v.Listeners("") {
		add(l.LoadBalancer, l.Actions)
		for r := range v.Rules(l.ARN) {
			add(l.LoadBalancer, r.Actions)
		}
	}
	return users
}

// GroupInUse says whether a listener leads to a target group (given by ARN). It stops at the first one.
func GroupInUse(v *store.View, group string) bool {
	for l := range v.Listeners("") {
		if groupsOf(l.Actions)[group] {
			return true
		}
		for r := range v.Rules(l.ARN) {
			if groupsOf(r.Actions)[group] {
				return true
			}
		}
	}
	return false
}

// groupsOf are the target groups (ARNs) to which actions lead.
func groupsOf(actions []model.Action) map[string]bool {
	groups := map[string]bool{}
	for i := range actions {
		if f := actions[i].Forward; f != nil {
			for _, g := range f.Groups {
				groups[g.Group] = true
			}
		}
	}
	return groups
}

// checkActions checks actions against the target groups that they lead to, for a listener of a load balancer. The
// transaction depends on the groups, and on nobody else beginning to use them meanwhile.
func checkActions(tx *store.Tx, call Call, b *model.LoadBalancer, protocol string, actions []model.Action) error {
	named := groupsOf(actions)
	for i := range actions {
		if err := checkAction(tx, call, b, protocol, &actions[i]); err != nil {
			return err
		}
	}
	if len(named) == 0 {
		return nil
	}
	tx.GuardPrefix(model.KindListener, "")
	tx.GuardPrefix(model.KindRule, "")
	users := GroupUsers(tx.View())
	total := len(named)
	for _, group := range slices.Sorted(maps.Keys(users)) {
		switch {
		case named[group] && slices.ContainsFunc(users[group], func(x string) bool { return x != b.ARN }):
			return refused("TargetGroupAssociationLimit", "The following target groups cannot be associated with more than one load balancer: %s", group)
		case !named[group] && slices.Contains(users[group], b.ARN):
			total++
		}
	}
	if total > BalancerGroupsMax {
		return refused("TooManyUniqueTargetGroupsPerLoadBalancer",
			"The load balancer '%s' would have %d target groups; at most %d are allowed", b.ARN, total, BalancerGroupsMax)
	}
	return nil
}

func checkAction(tx *store.Tx, call Call, b *model.LoadBalancer, protocol string, a *model.Action) error {
	if b.Type == model.NetworkLB && a.Forward == nil {
		return refused("InvalidLoadBalancerAction", "Actions of type '%s' are not supported on load balancers of type 'network'", a.Type)
	}
	if r := a.Redirect; r != nil && protocol == "HTTPS" && r.Protocol == "HTTP" {
		return refused("InvalidLoadBalancerAction", "An HTTPS listener cannot redirect to HTTP")
	}
	if a.Forward == nil {
		return nil
	}
	if b.Type == model.NetworkLB && a.Forward.Sticky > 0 {
		return refused("InvalidLoadBalancerAction", "Target group stickiness is not supported on load balancers of type 'network'")
	}
	for _, named := range a.Forward.Groups {
		g, err := FindTargetGroup(tx.View(), call, named.Group)
		if err != nil {
			return err
		}
		tx.Guard(g.Key())
		if err := checkPair(b, protocol, g); err != nil {
			return err
		}
		if err := checkShare(a.Forward, g); err != nil {
			return err
		}
	}
	return nil
}

// checkShare says whether a target group may be one of several that an action forwards to: the stickiness of its targets
// needs that of the groups ("Target group stickiness").
func checkShare(f *model.Forward, g *model.TargetGroup) error {
	switch {
	case len(f.Groups) < 2 || !g.HTTP() || g.Attribute(model.AttributeSticky) != "true":
		return nil
	case g.Attribute(model.AttributeStickyType) == "app_cookie":
		return refused("InvalidLoadBalancerAction", "You cannot forward to several target groups when one of them has stickiness of type 'app_cookie' enabled: '%s'", g.ARN)
	case f.Sticky == 0:
		return refused("InvalidLoadBalancerAction", "You must enable target group stickiness on the forward action, because the target group '%s' has stickiness enabled", g.ARN)
	}
	return nil
}

// groupProtocols are those of the target groups that a listener of a protocol may lead to ("Listeners for your Network
// Load Balancers", "Target groups for your Application Load Balancers").
func groupProtocols(listener string) []string {
	return map[string][]string{
		"HTTP": {"HTTP", "HTTPS"}, "HTTPS": {"HTTP", "HTTPS"}, "TCP": {"TCP", "TCP_UDP"}, "TLS": {"TCP", "TLS"},
		"UDP": {"UDP", "TCP_UDP"}, "TCP_UDP": {"TCP_UDP"},
	}[listener]
}

// checkPair says whether a listener of a protocol may lead to a target group.
func checkPair(b *model.LoadBalancer, listener string, g *model.TargetGroup) error {
	switch {
	case !slices.Contains(groupProtocols(listener), g.Protocol):
		return refused("IncompatibleProtocols", "Listener protocol '%s' is not compatible with the protocol '%s' of the target group '%s'", listener, g.Protocol, g.ARN)
	case g.ProtocolVersion == "GRPC" && listener != "HTTPS":
		return refused("IncompatibleProtocols", "The target group '%s' has the protocol version GRPC, which requires a listener with the protocol HTTPS", g.ARN)
	case g.VPC != b.VPC:
		return misconfigured("The target group '%s' is in the VPC '%s', and the load balancer in '%s'", g.ARN, g.VPC, b.VPC)
	}
	return nil
}

// byPriority lists the rules of a listener (given by ARN) in the order in which they are looked at.
func byPriority(v *store.View, listener string) []*model.Rule {
	return slices.SortedFunc(v.Rules(listener), func(x, y *model.Rule) int { return cmp.Compare(x.Priority, y.Priority) })
}
