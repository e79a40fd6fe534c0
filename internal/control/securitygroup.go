package control

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// Limits of security groups ("Amazon VPC quotas").
const (
	GroupsMax = 500 // in a region, in place of 2,500: agents look at all of them
	RulesMax  = 60  // of a group, in each direction
)

// NewSecurityGroup is what CreateSecurityGroup asks for.
type NewSecurityGroup struct {
	Name, Description string
	VPC               string // "" for the default one
	Tags              []model.Tag
}

// CreateSecurityGroup makes a group that lets everything out and nothing in ("CreateSecurityGroup").
func CreateSecurityGroup(tx *store.Tx, call Call, in NewSecurityGroup) (*model.SecurityGroup, error) {
	vpc, err := findVPC(tx.View(), call, in.VPC)
	if err != nil {
		return nil, err
	}
	n := 0
	for g := range tx.View().SecurityGroups(call.Region) {
		if n++; g.VPC == vpc && g.Name == in.Name {
			return nil, refused("InvalidGroup.Duplicate", "The security group '%s' already exists for VPC '%s'", in.Name, vpc)
		}
	}
	if n >= GroupsMax {
		return nil, refused("SecurityGroupLimitExceeded", "There are %d security groups already; at most %d are allowed", n, GroupsMax)
	}
	// Whoever makes one of the same name meanwhile is the first.
	tx.GuardPrefix(model.KindSecurityGroup, call.Region+"/")
	g := &model.SecurityGroup{
		ID: vpcID(call, "sg"), Region: call.Region, VPC: vpc, Name: in.Name, Description: in.Description, Tags: in.Tags,
		Rules: []model.SecurityGroupRule{
			{ID: vpcID(call, "sgr"), Egress: true, Protocol: "-1", From: -1, To: -1, CIDR: "0.0.0.0/0"},
		},
	}
	tx.Put(g)
	return g, nil
}

// refused is an error of EC2.
func refused(code, format string, args ...any) *model.Error {
	return &model.Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// vpcID is a new id of EC2: a kind and 17 hex digits.
func vpcID(call Call, kind string) string {
	b := call.IDs()
	return kind + "-0" + hex.EncodeToString(b[:8])
}

// findVPC finds a VPC by id, or the region's default one.
func findVPC(v *store.View, call Call, id string) (string, error) {
	for vpc := range v.VPCs(call.Region) {
		if vpc.ID == id || id == "" && vpc.Default {
			return vpc.ID, nil
		}
	}
	if id == "" {
		return "", refused("VPCIdNotSpecified", "No default VPC for this user")
	}
	return "", refused("InvalidVpcID.NotFound", "The vpc ID '%s' does not exist", id)
}

// FindSecurityGroup finds a group by id or, in the default VPC, by name.
func FindSecurityGroup(v *store.View, call Call, id, name string) (*model.SecurityGroup, error) {
	if id != "" {
		if g, ok := v.SecurityGroup(call.Region, id); ok {
			return g, nil
		}
		return nil, refused("InvalidGroup.NotFound", "The security group '%s' does not exist", id)
	}
	vpc, err := findVPC(v, call, "")
	if err != nil {
		return nil, err
	}
	for g := range v.SecurityGroups(call.Region) {
		if g.VPC == vpc && g.Name == name {
			return g, nil
		}
	}
	return nil, refused("InvalidGroup.NotFound", "The security group '%s' does not exist in default VPC '%s'", name, vpc)
}

// DeleteSecurityGroup deletes a group that nothing uses ("DeleteSecurityGroup").
func DeleteSecurityGroup(tx *store.Tx, call Call, id, name string) (*model.SecurityGroup, error) {
	g, err := FindSecurityGroup(tx.View(), call, id, name)
	if err != nil {
		return nil, err
	}
	if g.Name == DefaultGroup {
		return nil, refused("CannotDelete", "the specified group: %q name: %q cannot be deleted by a user", g.ID, g.Name)
	}
	if user := groupUser(tx.View(), g); user != "" {
		return nil, refused("DependencyViolation", "resource %s has a dependent object: %s", g.ID, user)
	}
	// Whoever begins to use it meanwhile wins: other groups' rules, services by their deployments, standalone tasks by
	// the occupancy of their machine, load balancers by themselves.
	tx.GuardPrefix(model.KindLoadBalancer, "")
	tx.GuardPrefix(model.KindSecurityGroup, call.Region+"/")
	tx.GuardPrefix(model.KindDeployment, "")
	tx.GuardPrefix(model.KindOccupancy, "")
	tx.Delete(g.Key())
	return g, nil
}

// groupUser names what still uses a group, "" if nothing does: the rule of another group, a load balancer, a deployment of
// a service that is not deleted, or a task that is not over.
func groupUser(v *store.View, g *model.SecurityGroup) string {
	for other := range v.SecurityGroups(g.Region) {
		if other.ID != g.ID && slices.ContainsFunc(other.Rules, func(r model.SecurityGroupRule) bool { return r.Group == g.ID }) {
			return other.ID
		}
	}
	for b := range v.LoadBalancers() {
		if slices.Contains(b.SecurityGroups, g.ID) {
			return b.ARN
		}
	}
	uses := func(n *model.NetworkConfiguration) bool { return n != nil && slices.Contains(n.SecurityGroups, g.ID) }
	for s := range v.AllServices() {
		if s.Status != model.Inactive && deploysWith(v, s, uses) {
			return s.ARN
		}
	}
	for t := range v.Tasks() {
		if !t.Stopped() && uses(t.Network) {
			return t.ARN
		}
	}
	return ""
}

// deploysWith says whether a current deployment of a service has such a network configuration.
func deploysWith(v *store.View, s *model.Service, such func(*model.NetworkConfiguration) bool) bool {
	for d := range v.Deployments(s.ARN) {
		if d.Current && such(d.Network) {
			return true
		}
	}
	return false
}

// Authorize adds rules to a group and gives them with their ids ("AuthorizeSecurityGroupIngress",
// "AuthorizeSecurityGroupEgress").
func Authorize(tx *store.Tx, call Call, group, name string, rules []model.SecurityGroupRule) (
	*model.SecurityGroup, []model.SecurityGroupRule, error,
) {
	old, err := FindSecurityGroup(tx.View(), call, group, name)
	if err != nil {
		return nil, nil, err
	}
	g := *old
	g.Rules = slices.Clone(old.Rules)
	first := len(g.Rules)
	for _, r := range rules {
		if err := checkPeer(tx, call, &g, r); err != nil {
			return nil, nil, err
		}
		if slices.ContainsFunc(g.Rules, func(x model.SecurityGroupRule) bool { return sameRule(x, r) }) {
			return nil, nil, refused("InvalidPermission.Duplicate", "the specified rule %q already exists", describeRule(r))
		}
		r.ID = vpcID(call, "sgr")
		g.Rules = append(g.Rules, r)
	}
	for _, egress := range []bool{false, true} {
		if n := countRules(g.Rules, egress); n > RulesMax {
			return nil, nil, refused("RulesPerSecurityGroupLimitExceeded",
				"The group %s would have %d rules in one direction; at most %d are allowed", g.ID, n, RulesMax)
		}
	}
	tx.Put(&g)
	return &g, g.Rules[first:], nil
}

// checkPeer looks for the group that a rule names, and makes the transaction depend on it.
func checkPeer(tx *store.Tx, call Call, g *model.SecurityGroup, r model.SecurityGroupRule) error {
	if r.Group == "" || r.Group == g.ID {
		return nil
	}
	peer, err := FindSecurityGroup(tx.View(), call, r.Group, "")
	if err != nil {
		return err
	}
	if peer.VPC != g.VPC {
		return refused("InvalidGroup.NotFound", "You have specified two resources that belong to different networks: %s and %s", g.ID, peer.ID)
	}
	tx.Guard(peer.Key())
	return nil
}

func countRules(rules []model.SecurityGroupRule, egress bool) (n int) {
	for i := range rules {
		if rules[i].Egress == egress {
			n++
		}
	}
	return n
}

// sameRule says that two rules let the same pass, whatever is said about them.
func sameRule(a, b model.SecurityGroupRule) bool {
	return a.Egress == b.Egress && a.Protocol == b.Protocol && a.From == b.From && a.To == b.To && a.CIDR == b.CIDR && a.Group == b.Group
}

// describeRule tells a rule as EC2 does.
func describeRule(r model.SecurityGroupRule) string {
	side := "INGRESS"
	if r.Egress {
		side = "EGRESS"
	}
	return fmt.Sprintf("peer: %s, %s, from port: %d, to port: %d, %s", cmp.Or(r.CIDR, r.Group), r.Protocol, r.From, r.To, side)
}

// Revoke takes rules from a group: by their ids, or by what they say. What the group does not have is an error, and then
// nothing is taken ("RevokeSecurityGroupIngress", "RevokeSecurityGroupEgress").
func Revoke(tx *store.Tx, call Call, group, name string, ids []string, rules []model.SecurityGroupRule, egress bool) (
	*model.SecurityGroup, []model.SecurityGroupRule, error,
) {
	old, err := FindSecurityGroup(tx.View(), call, group, name)
	if err != nil {
		return nil, nil, err
	}
	g := *old
	g.Rules = slices.Clone(old.Rules)
	var gone []model.SecurityGroupRule
	take := func(what string, match func(model.SecurityGroupRule) bool) error {
		i := slices.IndexFunc(g.Rules, func(r model.SecurityGroupRule) bool { return r.Egress == egress && match(r) })
		if i < 0 {
			return refused("InvalidPermission.NotFound", "The specified rule does not exist in this security group: %s", what)
		}
		gone = append(gone, g.Rules[i])
		g.Rules = slices.Delete(g.Rules, i, i+1)
		return nil
	}
	for _, id := range ids {
		if err := take(id, func(r model.SecurityGroupRule) bool { return r.ID == id }); err != nil {
			return nil, nil, err
		}
	}
	for _, want := range rules {
		if err := take(describeRule(want), func(r model.SecurityGroupRule) bool { return sameRule(r, want) }); err != nil {
			return nil, nil, err
		}
	}
	tx.Put(&g)
	return &g, gone, nil
}
