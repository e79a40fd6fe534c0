package control

import (
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// CreateTargetGroup makes a target group, which is complete but for its ARN. One of the same name and with the same settings
// is given back as it is ("CreateTargetGroup").
func CreateTargetGroup(tx *store.Tx, call Call, g model.TargetGroup) (*model.TargetGroup, error) {
	g.Region, g.CreatedAt = call.Region, call.Now
	if !slices.ContainsFunc(slices.Collect(tx.View().VPCs(call.Region)), func(v *model.VPC) bool { return v.ID == g.VPC }) {
		return nil, invalid("The VPC ID '%.100s' is not found", g.VPC)
	}
	n := 0
	for old := range tx.View().TargetGroups() {
		switch {
		case old.Region != call.Region:
		case old.Name == g.Name && sameGroup(old, &g):
			return old, nil
		case old.Name == g.Name:
			return nil, refused("DuplicateTargetGroupName", "A target group with the same name '%s' exists, but with different settings", g.Name)
		default:
			n++
		}
	}
	if n >= TargetGroupsMax {
		return nil, refused("TooManyTargetGroups", "There are %d target groups already; at most %d are allowed", n, TargetGroupsMax)
	}
	// Whoever takes the name meanwhile is the first.
	tx.GuardPrefix(model.KindTargetGroup, "")
	g.ARN = call.Scope.TargetGroup(g.Name, call.IDs.Balancing())
	g.Cause = call.Cause("target group " + g.Name + " is made")
	tx.Put(&g)
	return &g, nil
}

// sameGroup says whether a target group is what another one asks to be. Attributes are not part of that: they are set
// afterwards.
func sameGroup(old, g *model.TargetGroup) bool {
	return old.Protocol == g.Protocol && old.ProtocolVersion == g.ProtocolVersion && old.Port == g.Port && old.TargetType == g.TargetType &&
		old.IPAddressType == g.IPAddressType && old.VPC == g.VPC && reflect.DeepEqual(old.Check, g.Check) && sameTags(old.Tags, g.Tags)
}

// ModifyTargetGroup changes how the targets of a group (given by ARN) are checked, as edit says, which may be called more
// than once ("ModifyTargetGroup").
func ModifyTargetGroup(tx *store.Tx, call Call, id string, edit func(*model.TargetGroup) error) (*model.TargetGroup, error) {
	return changeGroup(tx, call, id, "health check", edit)
}

func changeGroup(tx *store.Tx, call Call, id, what string, edit func(*model.TargetGroup) error) (*model.TargetGroup, error) {
	old, err := FindTargetGroup(tx.View(), call, id)
	if err != nil {
		return nil, err
	}
	g := *old
	if err := edit(&g); err != nil {
		return nil, err
	}
	g.Cause = call.Cause(fmt.Sprintf("target group %s gets another %s", g.Name, what))
	tx.Put(&g)
	return &g, nil
}

// SetGroupAttributes changes attributes of a target group ("ModifyTargetGroupAttributes").
func SetGroupAttributes(tx *store.Tx, call Call, id string, set []model.KeyValue) (*model.TargetGroup, error) {
	return changeGroup(tx, call, id, "set of attributes", func(g *model.TargetGroup) (err error) {
		elsewhere := map[string]string{}
		for _, protocol := range []string{"HTTP", "TCP"} {
			maps.Copy(elsewhere, model.TargetGroupAttributes(protocol, g.TargetType))
		}
		kind := attributeKind{
			of: "Target group", on: "target groups with the protocol " + g.Protocol,
			known: model.TargetGroupAttributes(g.Protocol, g.TargetType), elsewhere: []map[string]string{elsewhere},
		}
		if g.Attributes, err = kind.set(g.Attributes, set); err != nil {
			return err
		}
		return checkGroupAttributes(g)
	})
}

// checkGroupAttributes refuses attributes that do not go together ("Edit target group attributes").
func checkGroupAttributes(g *model.TargetGroup) error {
	if err := checkStickiness(g); err != nil {
		return err
	}
	algorithm := g.Attribute(model.AttributeAlgorithm)
	switch {
	case g.HTTP() && algorithm != "round_robin" && g.Attribute(model.AttributeSlowStart) != "0":
		return misconfigured("The attribute '%s' cannot be enabled together with the load balancing algorithm '%s'", model.AttributeSlowStart, algorithm)
	case g.Attribute(model.AttributeMitigation) == "on" && algorithm != "weighted_random":
		return misconfigured("The attribute '%s' can only be enabled with the load balancing algorithm 'weighted_random'", model.AttributeMitigation)
	case g.Attribute(AttributeCrossZone) == "false" && g.Attributes[AttributeCrossZone] != "":
		return misconfigured("Target group attribute '%s' with the value 'false' is not supported by this version of maitred: a load balancer is in all zones, and each request may go to any target", AttributeCrossZone)
	}
	return nil
}

// checkStickiness refuses attributes of sticky sessions that do not go together, or with the protocol.
func checkStickiness(g *model.TargetGroup) error {
	stickyType, sticky := g.Attribute(model.AttributeStickyType), g.Attribute(model.AttributeSticky) == "true"
	switch {
	case !g.HTTP() && stickyType != "source_ip":
		return misconfigured("Stickiness type '%s' is not supported for target groups with the %s protocol", stickyType, g.Protocol)
	case g.HTTP() && stickyType == "source_ip":
		return misconfigured("Stickiness type 'source_ip' is not supported for target groups with the %s protocol", g.Protocol)
	case sticky && g.Protocol == "TLS":
		return misconfigured("Stickiness is not supported for target groups with the TLS protocol")
	case sticky && stickyType == "app_cookie" && g.Attribute(model.AttributeAppCookie) == "":
		return misconfigured("The attribute '%s' must be specified when stickiness of type 'app_cookie' is enabled", model.AttributeAppCookie)
	}
	return nil
}

// DeleteTargetGroup deletes a target group (given by ARN) that no listener leads to, with its targets. One that does not
// exist is deleted already. It says whether there is more to delete; then it has to be called again ("DeleteTargetGroup").
func DeleteTargetGroup(tx *store.Tx, call Call, id string) (more bool, err error) {
	if arn.Balancing(id) != "targetgroup" {
		return false, invalid("'%.300s' is not a valid target group ARN", id)
	}
	if a, _ := arn.Parse(id); a.Region != call.Region {
		return false, nil
	}
	if g, ok := tx.View().TargetGroup(id); ok {
		if GroupInUse(tx.View(), id) {
			return false, refused("ResourceInUse", "Target group '%s' is currently in use by a listener or a rule", id)
		}
		// Whoever begins to use it later depends on it, as whoever registers a target does; who has begun meanwhile wins.
		tx.GuardPrefix(model.KindListener, "")
		tx.GuardPrefix(model.KindRule, "")
		tx.Delete(g.Key())
	}
	n := 0
	for t := range tx.View().Targets(id) {
		if n++; n > balancingPart {
			return true, nil
		}
		tx.Delete(t.Key())
	}
	return false, nil
}
