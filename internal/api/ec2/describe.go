package ec2

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

func (a *API) describeVpcs(_ context.Context, call control.Call, in *describeVpcsInput) (*describeVpcsOutput, error) {
	if err := dryRun(in.DryRun); err != nil {
		return nil, err
	}
	l := lister[*model.VPC]{
		kind: "InvalidVpcID", id: func(v *model.VPC) string { return v.ID },
		filters: []string{"cidr", "cidr-block-association.cidr-block", "isDefault", "is-default", "owner-id", "state", "vpc-id"},
		attributes: func(v *model.VPC) attributes {
			is := []string{strconv.FormatBool(v.Default)}
			return attributes{
				"cidr": {v.CIDR}, "cidr-block-association.cidr-block": {v.CIDR}, "isDefault": is, "is-default": is,
				"owner-id": {call.Account}, "state": {"available"}, "vpc-id": {v.ID},
			}.tagged(v.Tags)
		},
	}
	chosen, err := l.choose(slices.Collect(a.Store.View().VPCs(call.Region)), in.VpcIds, in.Filters)
	if err != nil {
		return nil, err
	}
	chosen, next, err := l.cut(call, chosen, in.VpcIds, in.Filters, page{in.MaxResults, in.NextToken})
	out := &describeVpcsOutput{Vpcs: []vpc{}, NextToken: next}
	for _, v := range chosen {
		out.Vpcs = append(out.Vpcs, vpc{
			ID: aws.String(v.ID), OwnerID: aws.String(call.Account), State: aws.String("available"), CIDR: aws.String(v.CIDR),
			Associations: []cidrAssociation{{
				CIDR: aws.String(v.CIDR), ID: aws.String(strings.Replace(v.ID, "vpc-", "vpc-cidr-assoc-", 1)), State: &cidrState{aws.String("associated")},
			}},
			IPv6: []ipv6Association{}, DHCPOptions: aws.String("default"), InstanceTenancy: aws.String("default"),
			Default: aws.Bool(v.Default), Tags: tagsOut(v.Tags),
		})
	}
	return out, err
}

// describeVpcAttribute answers that names are resolved, and that no machine has a name of its own.
func (a *API) describeVpcAttribute(_ context.Context, call control.Call, in *describeVpcAttributeInput) (*describeVpcAttributeOutput, error) {
	if err := dryRun(in.DryRun); err != nil {
		return nil, err
	}
	id := aws.ToString(in.VpcID)
	if id == "" {
		return nil, fail("MissingParameter", "The request must contain the parameter vpcId")
	}
	if !slices.ContainsFunc(slices.Collect(a.Store.View().VPCs(call.Region)), func(v *model.VPC) bool { return v.ID == id }) {
		return nil, fail("InvalidVpcID.NotFound", "The vpc ID '%.100s' does not exist", id)
	}
	out := &describeVpcAttributeOutput{VpcID: in.VpcID}
	switch aws.ToString(in.Attribute) {
	case "enableDnsSupport":
		out.EnableDNSSupport = &attributeValue{aws.Bool(true)}
	case "enableDnsHostnames":
		out.EnableDNSHostnames = &attributeValue{aws.Bool(false)}
	case "enableNetworkAddressUsageMetrics":
		out.AddressUsage = &attributeValue{aws.Bool(false)}
	default:
		return nil, fail("InvalidParameterValue", "Value (%.100s) for parameter attribute is invalid: it should be one of "+
			"enableDnsSupport, enableDnsHostnames, enableNetworkAddressUsageMetrics", aws.ToString(in.Attribute))
	}
	return out, nil
}

func (a *API) describeSubnets(_ context.Context, call control.Call, in *describeSubnetsInput) (*describeSubnetsOutput, error) {
	if err := dryRun(in.DryRun); err != nil {
		return nil, err
	}
	l := lister[*model.Subnet]{
		kind: "InvalidSubnetID", id: func(s *model.Subnet) string { return s.ID },
		filters: []string{
			"availability-zone", "availabilityZone", "availability-zone-id", "cidr", "cidr-block", "cidrBlock", "default-for-az",
			"defaultForAz", "map-public-ip-on-launch", "owner-id", "state", "subnet-arn", "subnet-id", "vpc-id",
		},
		attributes: func(s *model.Subnet) attributes { return subnetAttributes(call, s) },
	}
	view := a.Store.View()
	chosen, err := l.choose(slices.Collect(view.Subnets(call.Region)), in.SubnetIds, in.Filters)
	if err != nil {
		return nil, err
	}
	chosen, next, err := l.cut(call, chosen, in.SubnetIds, in.Filters, page{in.MaxResults, in.NextToken})
	out := &describeSubnetsOutput{Subnets: []subnet{}, NextToken: next}
	used := usedAddresses(view)
	for _, s := range chosen {
		out.Subnets = append(out.Subnets, subnet{
			ID: aws.String(s.ID), ARN: aws.String(resourceARN(call, "subnet/"+s.ID)), State: aws.String("available"),
			OwnerID: aws.String(call.Account), VpcID: aws.String(s.VPC), CIDR: aws.String(s.CIDR), IPv6: []ipv6Association{},
			Available: aws.Int32(available(s.CIDR, used[s.ID])), Zone: aws.String(s.Zone), ZoneID: aws.String(zoneID(call.Region, s.Zone)),
			DefaultForAz: aws.Bool(s.Default), PublicIPOnLaunch: aws.Bool(s.Default), AssignIPv6: aws.Bool(false),
			IPv6Native: aws.Bool(false), EnableDNS64: aws.Bool(false), Tags: tagsOut(s.Tags),
		})
	}
	return out, err
}

func subnetAttributes(call control.Call, s *model.Subnet) attributes {
	is := []string{strconv.FormatBool(s.Default)}
	return attributes{
		"availability-zone": {s.Zone}, "availabilityZone": {s.Zone}, "availability-zone-id": {zoneID(call.Region, s.Zone)},
		"cidr": {s.CIDR}, "cidr-block": {s.CIDR}, "cidrBlock": {s.CIDR}, "default-for-az": is, "defaultForAz": is,
		"map-public-ip-on-launch": is, "owner-id": {call.Account}, "state": {"available"},
		"subnet-arn": {resourceARN(call, "subnet/"+s.ID)}, "subnet-id": {s.ID}, "vpc-id": {s.VPC},
	}.tagged(s.Tags)
}

func resourceARN(call control.Call, resource string) string {
	return "arn:aws:ec2:" + call.Region + ":" + call.Account + ":" + resource
}

// reservedAddresses of a subnet are nobody's ("Subnet sizing").
const reservedAddresses = 5

// usedAddresses counts the network interfaces by subnet.
func usedAddresses(v *store.View) map[string]int {
	used := map[string]int{}
	for t := range attached(v) {
		used[t.Seen.Attachment.Subnet]++
	}
	return used
}

// attached yields the tasks that have a network interface.
func attached(v *store.View) func(yield func(model.TaskState) bool) {
	return func(yield func(model.TaskState) bool) {
		for t := range v.Tasks() {
			if t.Seen != nil && t.Seen.Attachment != nil && !t.Stopped() && !yield(t) {
				return
			}
		}
	}
}

func available(cidr string, used int) int32 {
	p, err := netip.ParsePrefix(cidr)
	if err != nil {
		return 0
	}
	return int32(max(0, 1<<(32-p.Bits())-reservedAddresses-used))
}

// zoneID is the id of a zone: use1-az1 of us-east-1a.
func zoneID(region, name string) string {
	var short strings.Builder
	for i, word := range strings.Split(region, "-") {
		if i > 0 {
			word = word[:1]
		}
		short.WriteString(word)
	}
	number := 1 + slices.Index(control.Zones(region), name)
	return short.String() + "-az" + strconv.Itoa(number)
}

func (a *API) describeAvailabilityZones(
	_ context.Context, call control.Call, in *describeAvailabilityZonesInput,
) (*describeAvailabilityZonesOutput, error) {
	if err := dryRun(in.DryRun); err != nil {
		return nil, err
	}
	names := control.Zones(call.Region)
	for _, name := range in.ZoneNames {
		if !slices.Contains(names, name) {
			return nil, fail("InvalidParameterValue", "Invalid availability zones: [%.100s]", name)
		}
	}
	for _, id := range in.ZoneIds {
		if !slices.ContainsFunc(names, func(n string) bool { return zoneID(call.Region, n) == id }) {
			return nil, fail("InvalidParameterValue", "Invalid availability zone-id: [%.100s]", id)
		}
	}
	l := lister[string]{
		id:      func(n string) string { return n },
		filters: []string{"group-name", "opt-in-status", "region-name", "state", "zone-id", "zone-name", "zone-type", "message", "parent-zone-id", "parent-zone-name"},
		attributes: func(n string) attributes {
			return attributes{
				"group-name": {call.Region}, "opt-in-status": {"opt-in-not-required"}, "region-name": {call.Region},
				"state": {"available"}, "zone-id": {zoneID(call.Region, n)}, "zone-name": {n}, "zone-type": {"availability-zone"},
			}
		},
	}
	chosen, err := l.choose(names, in.ZoneNames, in.Filters)
	out := &describeAvailabilityZonesOutput{Zones: []zone{}}
	for _, n := range chosen {
		if id := zoneID(call.Region, n); len(in.ZoneIds) == 0 || slices.Contains(in.ZoneIds, id) {
			out.Zones = append(out.Zones, zone{
				Name: aws.String(n), ID: aws.String(id), Region: aws.String(call.Region), State: aws.String("available"),
				Group: aws.String(call.Region), Border: aws.String(call.Region), OptInStatus: aws.String("opt-in-not-required"),
				Type: aws.String("availability-zone"), Messages: []string{},
			})
		}
	}
	return out, err
}

func (a *API) describeNetworkInterfaces(
	_ context.Context, call control.Call, in *describeNetworkInterfacesInput,
) (*describeNetworkInterfacesOutput, error) {
	if err := dryRun(in.DryRun); err != nil {
		return nil, err
	}
	view := a.Store.View()
	l := lister[model.TaskState]{
		kind: "InvalidNetworkInterfaceID", id: func(t model.TaskState) string { return t.Seen.Attachment.ENI },
		filters: []string{
			"addresses.private-ip-address", "availability-zone", "description", "group-id", "mac-address", "network-interface-id",
			"owner-id", "private-ip-address", "status", "subnet-id", "vpc-id", "requester-managed", "interface-type",
		},
		attributes: func(t model.TaskState) attributes { return interfaceAttributes(call, t) },
	}
	var all []model.TaskState
	for t := range attached(view) {
		if _, ok := view.Subnet(call.Region, t.Seen.Attachment.Subnet); ok {
			all = append(all, t)
		}
	}
	slices.SortFunc(all, func(x, y model.TaskState) int { return cmp.Compare(l.id(x), l.id(y)) })
	chosen, err := l.choose(all, in.IDs, in.Filters)
	if err != nil {
		return nil, err
	}
	chosen, next, err := l.cut(call, chosen, in.IDs, in.Filters, page{in.MaxResults, in.NextToken})
	out := &describeNetworkInterfacesOutput{Interfaces: []networkInterface{}, NextToken: next}
	for _, t := range chosen {
		out.Interfaces = append(out.Interfaces, interfaceOut(view, call, t))
	}
	return out, err
}

func interfaceAttributes(call control.Call, t model.TaskState) attributes {
	n := t.Seen.Attachment
	a := attributes{
		"addresses.private-ip-address": {n.Address}, "private-ip-address": {n.Address}, "availability-zone": {n.Zone},
		"description": {"task " + t.ARN}, "mac-address": {n.MAC}, "network-interface-id": {n.ENI}, "owner-id": {call.Account},
		"status": {"in-use"}, "subnet-id": {n.Subnet}, "vpc-id": {n.VPC}, "requester-managed": {"true"}, "interface-type": {"interface"},
	}
	if t.Network != nil {
		a["group-id"] = t.Network.SecurityGroups
	}
	return a
}

func interfaceOut(v *store.View, call control.Call, t model.TaskState) networkInterface {
	n := t.Seen.Attachment
	out := networkInterface{
		ID: aws.String(n.ENI), SubnetID: aws.String(n.Subnet), VpcID: aws.String(n.VPC), Zone: aws.String(n.Zone),
		Description: aws.String("task " + t.ARN), OwnerID: aws.String(call.Account), RequesterManaged: aws.Bool(true),
		Status: aws.String("in-use"), MAC: aws.String(n.MAC), Address: aws.String(n.Address),
		Addresses:       []interfaceAddress{{aws.String(n.Address), aws.Bool(true)}},
		SourceDestCheck: aws.Bool(true), Groups: []groupName{}, Type: aws.String("interface"), Tags: []tag{},
	}
	if t.Network == nil {
		return out
	}
	for _, id := range t.Network.SecurityGroups {
		name := groupName{ID: aws.String(id)}
		if g, ok := v.SecurityGroup(call.Region, id); ok {
			name.Name = aws.String(g.Name)
		}
		out.Groups = append(out.Groups, name)
	}
	return out
}
