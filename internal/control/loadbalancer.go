package control

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// NewLoadBalancer is what CreateLoadBalancer asks for, complete but for security groups.
type NewLoadBalancer struct {
	Name, Type, Scheme      string
	Subnets, SecurityGroups []string
	IPAddressType           string
	Tags                    []model.Tag
}

// CreateLoadBalancer makes a load balancer and chooses its address. One of the same name and with the same settings is
// given back as it is ("CreateLoadBalancer").
func CreateLoadBalancer(tx *store.Tx, call Call, in NewLoadBalancer) (*model.LoadBalancer, error) {
	b := &model.LoadBalancer{
		Name: in.Name, Region: call.Region, Type: in.Type, Scheme: in.Scheme, IPAddressType: in.IPAddressType,
		Tags: in.Tags, CreatedAt: call.Now,
	}
	if err := placeBalancer(tx, call, b, in.Subnets); err != nil {
		return nil, err
	}
	if err := secureBalancer(tx, call, b, in.SecurityGroups); err != nil {
		return nil, err
	}
	n := 0
	for old := range tx.View().LoadBalancers() {
		switch {
		case old.Region != call.Region:
		case old.Name == b.Name && sameBalancer(old, b):
			return old, nil
		case old.Name == b.Name:
			return nil, refused("DuplicateLoadBalancerName", "A load balancer with the same name '%s' exists, but with different settings", b.Name)
		case old.Type == b.Type:
			n++
		}
	}
	if n >= LoadBalancersMax {
		return nil, refused("TooManyLoadBalancers", "There are %d load balancers of the type '%s' already; at most %d are allowed", n, b.Type, LoadBalancersMax)
	}
	var err error
	if b.Address, err = chooseAddress(tx.View(), call, b.Tags); err != nil {
		return nil, err
	}
	// Whoever takes the name or the address meanwhile is the first.
	tx.GuardPrefix(model.KindLoadBalancer, "")
	b.ARN = call.ApplicationLoadBalancer(b.Name, call.IDs.Balancing())
	if b.Type == model.NetworkLB {
		b.ARN = call.NetworkLoadBalancer(b.Name, call.IDs.Balancing())
	}
	b.Cause = call.Cause(fmt.Sprintf("load balancer %s is made, at the address %s", b.Name, b.Address))
	tx.Put(b)
	return b, nil
}

// sameBalancer says whether a load balancer is what another one asks to be.
func sameBalancer(old, b *model.LoadBalancer) bool {
	same := func(x, y []string) bool { return slices.Equal(sorted(x), sorted(y)) }
	return old.Type == b.Type && old.Scheme == b.Scheme && old.IPAddressType == b.IPAddressType &&
		same(old.Subnets, b.Subnets) && same(old.SecurityGroups, b.SecurityGroups) && sameTags(old.Tags, b.Tags)
}

func sorted(list []string) []string { return slices.Sorted(slices.Values(list)) }

func sameTags(x, y []model.Tag) bool {
	order := func(tags []model.Tag) []model.Tag {
		return slices.SortedFunc(slices.Values(tags), func(a, b model.Tag) int { return strings.Compare(a.Key, b.Key) })
	}
	return slices.Equal(order(x), order(y))
}

// placeBalancer puts a load balancer into subnets: of one VPC, each in another zone, at least two for an application one.
func placeBalancer(tx *store.Tx, call Call, b *model.LoadBalancer, subnets []string) error {
	vpc := ""
	var zones []string
	for _, id := range subnets {
		s, ok := tx.View().Subnet(call.Region, id)
		if !ok {
			return refused("SubnetNotFound", "The subnet ID '%.100s' does not exist", id)
		}
		if vpc = cmp.Or(vpc, s.VPC); vpc != s.VPC {
			return refused("InvalidSubnet", "All subnets must belong to the same VPC: '%s' is in '%s', not in '%s'", id, s.VPC, vpc)
		}
		if slices.Contains(zones, s.Zone) {
			return misconfigured("A load balancer cannot be attached to multiple subnets in the same Availability Zone")
		}
		zones = append(zones, s.Zone)
	}
	switch {
	case b.Type == model.Application && len(zones) < 2:
		return invalid("At least two subnets in two different Availability Zones must be specified")
	case len(zones) == 0:
		return invalid("At least one subnet must be specified")
	}
	b.VPC, b.Subnets = vpc, subnets
	return nil
}

// balancerGroupsMax is how many security groups a load balancer may have ("SetSecurityGroups").
const balancerGroupsMax = 5

// secureBalancer gives a load balancer its security groups. An application one that is given none has the default one.
func secureBalancer(tx *store.Tx, call Call, b *model.LoadBalancer, groups []string) error {
	if len(groups) > balancerGroupsMax {
		return misconfigured("A load balancer can have at most %d security groups, got %d", balancerGroupsMax, len(groups))
	}
	b.SecurityGroups = nil
	for _, id := range groups {
		g, ok := tx.View().SecurityGroup(call.Region, id)
		switch {
		case !ok:
			return refused("InvalidSecurityGroup", "The security group '%.100s' does not exist", id)
		case g.VPC != b.VPC:
			return refused("InvalidSecurityGroup", "The security group '%s' does not belong to the VPC '%s'", id, b.VPC)
		case slices.Contains(b.SecurityGroups, id):
			return invalid("The security group '%s' is given twice", id)
		}
		tx.Guard(g.Key())
		b.SecurityGroups = append(b.SecurityGroups, id)
	}
	if len(groups) == 0 && b.Type == model.Application {
		for g := range tx.View().SecurityGroups(call.Region) {
			if g.VPC == b.VPC && g.Name == DefaultGroup {
				b.SecurityGroups = []string{g.ID}
			}
		}
	}
	return nil
}

// changeBalancer changes a load balancer (given by ARN) as edit says.
func changeBalancer(tx *store.Tx, call Call, id, what string, edit func(*model.LoadBalancer) error) (*model.LoadBalancer, error) {
	old, err := FindLoadBalancer(tx.View(), call, id)
	if err != nil {
		return nil, err
	}
	b := *old
	if err := edit(&b); err != nil {
		return nil, err
	}
	b.Cause = call.Cause("load balancer " + b.Name + " gets other " + what)
	tx.Put(&b)
	return &b, nil
}

// SetSubnets puts a load balancer into other subnets ("SetSubnets"). A network one may not leave a zone.
func SetSubnets(tx *store.Tx, call Call, id string, subnets []string) (*model.LoadBalancer, error) {
	return changeBalancer(tx, call, id, "subnets", func(b *model.LoadBalancer) error {
		vpc := b.VPC
		if err := placeBalancer(tx, call, b, subnets); err != nil {
			return err
		}
		if b.VPC != vpc {
			return refused("InvalidSubnet", "The subnets must belong to the VPC '%s' of the load balancer", vpc)
		}
		return nil
	})
}

// SetSecurityGroups gives a load balancer other security groups ("SetSecurityGroups").
func SetSecurityGroups(tx *store.Tx, call Call, id string, groups []string) (*model.LoadBalancer, error) {
	return changeBalancer(tx, call, id, "security groups", func(b *model.LoadBalancer) error {
		switch {
		case b.Type == model.NetworkLB && len(b.SecurityGroups) == 0:
			return misconfigured("You cannot set security groups on a Network Load Balancer that was created without any")
		case len(groups) == 0:
			return invalid("At least one security group must be specified")
		}
		return secureBalancer(tx, call, b, groups)
	})
}

// SetBalancerAttributes changes attributes of a load balancer ("ModifyLoadBalancerAttributes").
func SetBalancerAttributes(tx *store.Tx, call Call, id string, set []model.KeyValue) (*model.LoadBalancer, error) {
	return changeBalancer(tx, call, id, "attributes", func(b *model.LoadBalancer) (err error) {
		kind := attributeKind{
			of: "Load balancer", on: "load balancers of type '" + b.Type + "'",
			known:     model.LoadBalancerAttributes(b.Type, b.Scheme),
			elsewhere: []map[string]string{model.LoadBalancerAttributes(model.Application, b.Scheme), model.LoadBalancerAttributes(model.NetworkLB, b.Scheme)},
		}
		if b.Attributes, err = kind.set(b.Attributes, set); err != nil {
			return err
		}
		return checkBalancerAttributes(b)
	})
}

func checkBalancerAttributes(b *model.LoadBalancer) error {
	switch crossZone := b.Attribute(AttributeCrossZone); {
	case b.Type == model.Application && crossZone != "true":
		return misconfigured("Load balancer attribute '%s' cannot be changed on load balancers of type 'application'", AttributeCrossZone)
	case oneOf(crossZone, "true", "false") != "":
		return invalid("Load balancer attribute '%s': the value '%.100s' is not valid: it must be one of true, false", AttributeCrossZone, crossZone)
	}
	switch logs := b.Attribute("access_logs.s3.enabled") == "true"; {
	case logs && b.Type == model.NetworkLB:
		return misconfigured("Load balancer attribute 'access_logs.s3.enabled' with the value 'true' is not supported by this version of maitred: access logs are written of application load balancers alone")
	case logs && b.Attribute("access_logs.s3.bucket") == "":
		return misconfigured("A bucket must be specified by the attribute 'access_logs.s3.bucket' when access logs are enabled")
	}
	return nil
}

// DeleteLoadBalancer deletes a load balancer with its listeners and their rules. One that does not exist is deleted
// already. It says whether there is more to delete; then it has to be called again ("DeleteLoadBalancer").
func DeleteLoadBalancer(tx *store.Tx, call Call, id string) (more bool, err error) {
	if arn.Balancing(id) != "loadbalancer" {
		return false, invalid("'%.300s' is not a valid load balancer ARN", id)
	}
	if a, _ := arn.Parse(id); a.Region != call.Region {
		return false, nil
	}
	if b, ok := tx.View().LoadBalancer(id); ok {
		if b.Attribute(model.AttributeDeletionProtection) == "true" {
			return false, refused("OperationNotPermitted", "Load balancer '%s' cannot be deleted because deletion protection is enabled", id)
		}
		tx.Delete(b.Key())
	}
	// With the load balancer itself, nobody can add a listener any more, and without a listener no rule.
	listeners := strings.TrimSuffix(arn.Listener(id, ""), "/")
	tx.GuardPrefix(model.KindListener, id+"/")
	tx.GuardPrefix(model.KindRule, listeners+"/")
	n := 0
	for l := range tx.View().Listeners(id) {
		tx.Delete(l.Key())
		n++
	}
	for r := range tx.View().Rules(listeners) {
		if n++; n > balancingPart {
			return true, nil
		}
		tx.Delete(r.Key())
	}
	return false, nil
}

// BalancerProblem says what keeps a load balancer from being served whole, "" if nothing is known to: the reason of the
// first of its listeners that a connected balancer cannot serve.
func BalancerProblem(v *store.View, b *model.LoadBalancer) string {
	for l := range v.Listeners(b.ARN) {
		for server := range v.Balancers() {
			if why, failed := server.Failed[l.ARN]; failed && server.Connected {
				return fmt.Sprintf("the listener at %s port %d is not served by the balancer on %s: %s", b.Address, l.Port, server.Host, why)
			}
		}
	}
	return ""
}
