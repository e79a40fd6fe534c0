package elbv2

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// hostedZone stands where ELB names the Route 53 zone of its names; clients want it not to be empty.
const hostedZone = "ZMAITRED000000"

func (a *API) createLoadBalancer(ctx context.Context, call control.Call, in *client.CreateLoadBalancerInput) (*client.CreateLoadBalancerOutput, error) {
	n, err := newLoadBalancer(in)
	if err != nil {
		return nil, err
	}
	var b *model.LoadBalancer
	if err := a.Update(ctx, func(tx *store.Tx) (err error) {
		b, err = control.CreateLoadBalancer(tx, call, n)
		return err
	}); err != nil {
		return nil, err
	}
	return &client.CreateLoadBalancerOutput{LoadBalancers: []elb.LoadBalancer{loadBalancerOut(a.Store.View(), b)}}, nil
}

// newLoadBalancer reads what kind of load balancer is asked for.
func newLoadBalancer(in *client.CreateLoadBalancerInput) (n control.NewLoadBalancer, err error) {
	n = control.NewLoadBalancer{
		Name: aws.ToString(in.Name), Type: string(in.Type), Scheme: string(in.Scheme), IPAddressType: string(in.IpAddressType),
		SecurityGroups: in.SecurityGroups,
	}
	if err := first(required("name", n.Name), checkName("Load balancer", n.Name),
		checkEnum("type", in.Type), checkEnum("scheme", in.Scheme), checkIPAddressType(in.IpAddressType)); err != nil {
		return n, err
	}
	switch {
	case strings.HasPrefix(n.Name, "internal-"):
		return n, invalid("The load balancer name '%s' cannot begin with 'internal-'", n.Name)
	case in.Type == elb.LoadBalancerTypeEnumGateway:
		return n, unsupported("A load balancer of the type 'gateway'", "application and network are served")
	case in.CustomerOwnedIpv4Pool != nil || in.IpamPools != nil:
		return n, unsupported("A pool of addresses", "the tag "+control.AddressTag+" chooses the address of a load balancer")
	case in.EnablePrefixForIpv6SourceNat == elb.EnablePrefixForIpv6SourceNatEnumOn:
		return n, unsupported("EnablePrefixForIpv6SourceNat", "load balancers have IPv4 addresses")
	}
	if n.Type == "" {
		n.Type = model.Application
	}
	if n.Scheme == "" {
		n.Scheme = string(elb.LoadBalancerSchemeEnumInternetFacing)
	}
	n.IPAddressType = string(elb.IpAddressTypeIpv4)
	if n.Subnets, err = subnetsIn(in.Subnets, in.SubnetMappings); err != nil {
		return n, err
	}
	n.Tags, err = tagsIn(in.Tags)
	return n, err
}

func checkIPAddressType(t elb.IpAddressType) error {
	if err := checkEnum("ipAddressType", t); err != nil {
		return err
	}
	if t != "" && t != elb.IpAddressTypeIpv4 {
		return unsupported("The IP address type '"+string(t)+"'", "load balancers have IPv4 addresses")
	}
	return nil
}

// subnetsIn reads subnets in either form.
func subnetsIn(ids []string, mappings []elb.SubnetMapping) ([]string, error) {
	if len(ids) > 0 && len(mappings) > 0 {
		return nil, invalid("Only one of subnets and subnet mappings can be specified")
	}
	list := slices.Clone(ids)
	for _, m := range mappings {
		switch {
		case m.AllocationId != nil:
			return nil, unsupported("An Elastic IP address in a subnet mapping", "the tag "+control.AddressTag+" chooses the address of a load balancer")
		case m.PrivateIPv4Address != nil || m.IPv6Address != nil || m.SourceNatIpv6Prefix != nil:
			return nil, unsupported("An address in a subnet mapping", "the tag "+control.AddressTag+" chooses the address of a load balancer")
		}
		list = append(list, aws.ToString(m.SubnetId))
	}
	for i, id := range list {
		if id == "" {
			return nil, null("subnets.member")
		}
		if slices.Contains(list[:i], id) {
			return nil, invalid("The subnet '%.100s' is specified more than once", id)
		}
	}
	return list, nil
}

// loadBalancerOut is a load balancer as it is described. It is active: whether somebody serves it is told where somebody
// tries and fails. Without a balancer nothing is wrong yet; it may be started later.
func loadBalancerOut(v *store.View, b *model.LoadBalancer) elb.LoadBalancer {
	state := &elb.LoadBalancerState{Code: elb.LoadBalancerStateEnumActive}
	if problem := control.BalancerProblem(v, b); problem != "" {
		state = &elb.LoadBalancerState{Code: elb.LoadBalancerStateEnumActiveImpaired, Reason: aws.String(problem)}
	}
	return elb.LoadBalancer{
		LoadBalancerArn: aws.String(b.ARN), LoadBalancerName: aws.String(b.Name), DNSName: aws.String(b.Address),
		CanonicalHostedZoneId: aws.String(hostedZone), CreatedTime: aws.Time(b.CreatedAt), Scheme: elb.LoadBalancerSchemeEnum(b.Scheme),
		VpcId: aws.String(b.VPC), State: state, Type: elb.LoadBalancerTypeEnum(b.Type), AvailabilityZones: zonesOut(v, b),
		SecurityGroups: b.SecurityGroups, IpAddressType: elb.IpAddressType(b.IPAddressType),
		EnablePrefixForIpv6SourceNat: prefixOut(b),
	}
}

// prefixOut is what network load balancers say of IPv6.
func prefixOut(b *model.LoadBalancer) elb.EnablePrefixForIpv6SourceNatEnum {
	if b.Type == model.NetworkLB {
		return elb.EnablePrefixForIpv6SourceNatEnumOff
	}
	return ""
}

func zonesOut(v *store.View, b *model.LoadBalancer) []elb.AvailabilityZone {
	zones := []elb.AvailabilityZone{}
	for _, id := range b.Subnets {
		zone := elb.AvailabilityZone{SubnetId: aws.String(id), LoadBalancerAddresses: []elb.LoadBalancerAddress{}}
		if s, ok := v.Subnet(b.Region, id); ok {
			zone.ZoneName = aws.String(s.Zone)
		}
		zones = append(zones, zone)
	}
	return zones
}

// namedMax is how many load balancers, or tagged resources, one request can name ("DescribeLoadBalancers", "DescribeTags").
const namedMax = 20

func (a *API) describeLoadBalancers(_ context.Context, call control.Call, in *client.DescribeLoadBalancersInput) (*client.DescribeLoadBalancersOutput, error) {
	switch {
	case len(in.Names) > 0 && len(in.LoadBalancerArns) > 0:
		return nil, invalid("Load balancer names and load balancer ARNs cannot be specified at the same time")
	case len(in.Names) > namedMax || len(in.LoadBalancerArns) > namedMax:
		return nil, invalid("At most %d load balancers can be specified in one request", namedMax)
	}
	v := a.Store.View()
	list, err := chosenBalancers(v, call, in.LoadBalancerArns, in.Names)
	if err != nil {
		return nil, err
	}
	list, next, err := page(call, list, func(b *model.LoadBalancer) string { return b.ARN }, in.Marker, in.PageSize, in.Names, in.LoadBalancerArns)
	out := &client.DescribeLoadBalancersOutput{LoadBalancers: []elb.LoadBalancer{}, NextMarker: next}
	for _, b := range list {
		out.LoadBalancers = append(out.LoadBalancers, loadBalancerOut(v, b))
	}
	return out, err
}

// chosenBalancers are the load balancers that are named, or all of the region; each once.
func chosenBalancers(v *store.View, call control.Call, arns, names []string) (list []*model.LoadBalancer, err error) {
	for _, id := range arns {
		b, err := control.FindLoadBalancer(v, call, id)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(list, b) {
			list = append(list, b)
		}
	}
	if len(arns) > 0 {
		return list, nil
	}
	found := map[string]bool{}
	for b := range v.LoadBalancers() {
		if b.Region == call.Region && (len(names) == 0 || slices.Contains(names, b.Name)) {
			list = append(list, b)
			found[b.Name] = true
		}
	}
	for _, name := range names {
		if !found[name] {
			return nil, &model.Error{Code: "LoadBalancerNotFound", Message: "One or more load balancers not found"}
		}
	}
	return list, nil
}

func (a *API) deleteLoadBalancer(ctx context.Context, call control.Call, in *client.DeleteLoadBalancerInput) (*client.DeleteLoadBalancerOutput, error) {
	id := aws.ToString(in.LoadBalancerArn)
	if err := required("loadBalancerArn", id); err != nil {
		return nil, err
	}
	err := a.Store.UpdateAll(ctx, func(tx *store.Tx) (bool, error) { return control.DeleteLoadBalancer(tx, call, id) })
	return &client.DeleteLoadBalancerOutput{}, err
}

func (a *API) setSubnets(ctx context.Context, call control.Call, in *client.SetSubnetsInput) (*client.SetSubnetsOutput, error) {
	id := aws.ToString(in.LoadBalancerArn)
	subnets, err := subnetsIn(in.Subnets, in.SubnetMappings)
	if err := first(required("loadBalancerArn", id), err, checkIPAddressType(in.IpAddressType)); err != nil {
		return nil, err
	}
	if in.EnablePrefixForIpv6SourceNat == elb.EnablePrefixForIpv6SourceNatEnumOn {
		return nil, unsupported("EnablePrefixForIpv6SourceNat", "load balancers have IPv4 addresses")
	}
	var b *model.LoadBalancer
	if err := a.Update(ctx, func(tx *store.Tx) (err error) {
		b, err = control.SetSubnets(tx, call, id, subnets)
		return err
	}); err != nil {
		return nil, err
	}
	return &client.SetSubnetsOutput{
		AvailabilityZones: zonesOut(a.Store.View(), b), IpAddressType: elb.IpAddressType(b.IPAddressType), EnablePrefixForIpv6SourceNat: prefixOut(b),
	}, nil
}

func (a *API) setSecurityGroups(ctx context.Context, call control.Call, in *client.SetSecurityGroupsInput) (*client.SetSecurityGroupsOutput, error) {
	id, enforce := aws.ToString(in.LoadBalancerArn), in.EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic
	if err := first(required("loadBalancerArn", id), checkEnum("enforceSecurityGroupInboundRulesOnPrivateLinkTraffic", enforce)); err != nil {
		return nil, err
	}
	if enforce != "" {
		return nil, unsupported("EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic", "there is no PrivateLink")
	}
	var b *model.LoadBalancer
	if err := a.Update(ctx, func(tx *store.Tx) (err error) {
		b, err = control.SetSecurityGroups(tx, call, id, in.SecurityGroups)
		return err
	}); err != nil {
		return nil, err
	}
	return &client.SetSecurityGroupsOutput{SecurityGroupIds: b.SecurityGroups}, nil
}

// setIPAddressType changes nothing: there is one type.
func (a *API) setIPAddressType(_ context.Context, call control.Call, in *client.SetIpAddressTypeInput) (*client.SetIpAddressTypeOutput, error) {
	if err := first(required("loadBalancerArn", aws.ToString(in.LoadBalancerArn), "ipAddressType", string(in.IpAddressType)), checkIPAddressType(in.IpAddressType)); err != nil {
		return nil, err
	}
	b, err := control.FindLoadBalancer(a.Store.View(), call, *in.LoadBalancerArn)
	if err != nil {
		return nil, err
	}
	return &client.SetIpAddressTypeOutput{IpAddressType: elb.IpAddressType(b.IPAddressType)}, nil
}
