package elbv2

import (
	"strings"

	"github.com/maitred/maitred/internal/api/wire"
)

// table lists the operations. A refused one answers InvalidAction, as an action that a region does not have: clients know
// to do without.
func (a *API) table() []wire.Operation {
	const (
		mutual   = "clients are not asked for certificates, so there are no trust stores"
		capacity = "a load balancer has all of its machine's capacity; there is none to reserve"
		pools    = "there is no IPAM; the tag maitred:address chooses the address of a load balancer"
		policies = "resources are not shared between accounts, so they have no policies"
	)
	return []wire.Operation{
		op(a, "AddListenerCertificates", a.addListenerCertificates),
		op(a, "AddTags", a.addTags),
		op(a, "CreateListener", a.createListener),
		op(a, "CreateLoadBalancer", a.createLoadBalancer),
		op(a, "CreateRule", a.createRule),
		op(a, "CreateTargetGroup", a.createTargetGroup),
		op(a, "DeleteListener", a.deleteListener),
		op(a, "DeleteLoadBalancer", a.deleteLoadBalancer),
		op(a, "DeleteRule", a.deleteRule),
		op(a, "DeleteTargetGroup", a.deleteTargetGroup),
		op(a, "DeregisterTargets", a.deregisterTargets),
		op(a, "DescribeAccountLimits", a.describeAccountLimits),
		op(a, "DescribeListenerAttributes", a.describeListenerAttributes),
		op(a, "DescribeListenerCertificates", a.describeListenerCertificates),
		op(a, "DescribeListeners", a.describeListeners),
		op(a, "DescribeLoadBalancerAttributes", a.describeLoadBalancerAttributes),
		op(a, "DescribeLoadBalancers", a.describeLoadBalancers),
		op(a, "DescribeRules", a.describeRules),
		op(a, "DescribeSSLPolicies", a.describeSSLPolicies),
		op(a, "DescribeTags", a.describeTags),
		op(a, "DescribeTargetGroupAttributes", a.describeTargetGroupAttributes),
		op(a, "DescribeTargetGroups", a.describeTargetGroups),
		op(a, "DescribeTargetHealth", a.describeTargetHealth),
		op(a, "ModifyListener", a.modifyListener),
		op(a, "ModifyListenerAttributes", a.modifyListenerAttributes),
		op(a, "ModifyLoadBalancerAttributes", a.modifyLoadBalancerAttributes),
		op(a, "ModifyRule", a.modifyRule),
		op(a, "ModifyTargetGroup", a.modifyTargetGroup),
		op(a, "ModifyTargetGroupAttributes", a.modifyTargetGroupAttributes),
		op(a, "RegisterTargets", a.registerTargets),
		op(a, "RemoveListenerCertificates", a.removeListenerCertificates),
		op(a, "RemoveTags", a.removeTags),
		op(a, "SetIpAddressType", a.setIPAddressType),
		op(a, "SetRulePriorities", a.setRulePriorities),
		op(a, "SetSecurityGroups", a.setSecurityGroups),
		op(a, "SetSubnets", a.setSubnets),
		refuse("AddTrustStoreRevocations", mutual), refuse("CreateTrustStore", mutual),
		refuse("DeleteSharedTrustStoreAssociation", mutual), refuse("DeleteTrustStore", mutual),
		refuse("DescribeCapacityReservation", capacity), refuse("DescribeTrustStoreAssociations", mutual),
		refuse("DescribeTrustStoreRevocations", mutual), refuse("DescribeTrustStores", mutual),
		refuse("GetResourcePolicy", policies), refuse("GetTrustStoreCaCertificatesBundle", mutual),
		refuse("GetTrustStoreRevocationContent", mutual), refuse("ModifyCapacityReservation", capacity),
		refuse("ModifyIpPools", pools), refuse("ModifyTrustStore", mutual), refuse("RemoveTrustStoreRevocations", mutual),
	}
}

// refuse is an operation that is not there; instead says why or what to do.
func refuse(name, instead string) wire.Operation {
	return wire.Unsupported(name, "InvalidAction", instead)
}

// Classic describes the older API of Elastic Load Balancing to the wire, for Classic Load Balancers: all of it is refused.
func Classic() *wire.Service {
	const operations = "AddTags ApplySecurityGroupsToLoadBalancer AttachLoadBalancerToSubnets ConfigureHealthCheck " +
		"CreateAppCookieStickinessPolicy CreateLBCookieStickinessPolicy CreateLoadBalancer CreateLoadBalancerListeners " +
		"CreateLoadBalancerPolicy DeleteLoadBalancer DeleteLoadBalancerListeners DeleteLoadBalancerPolicy " +
		"DeregisterInstancesFromLoadBalancer DescribeAccountLimits DescribeInstanceHealth DescribeLoadBalancerAttributes " +
		"DescribeLoadBalancerPolicies DescribeLoadBalancerPolicyTypes DescribeLoadBalancers DescribeTags " +
		"DetachLoadBalancerFromSubnets DisableAvailabilityZonesForLoadBalancer EnableAvailabilityZonesForLoadBalancer " +
		"ModifyLoadBalancerAttributes RegisterInstancesWithLoadBalancer RemoveTags SetLoadBalancerListenerSSLCertificate " +
		"SetLoadBalancerPoliciesForBackendServer SetLoadBalancerPoliciesOfListener"
	var ops []wire.Operation
	for name := range strings.FieldsSeq(operations) {
		ops = append(ops, refuse(name, "Classic Load Balancers (Version 2012-06-01) are not served; Application and Network "+
			"Load Balancers are, by Version 2015-12-01 (aws elbv2)"))
	}
	return &wire.Service{
		Name: "elb (Classic)", SigningNames: []string{signingName}, QueryVersion: "2012-06-01",
		Namespace: "http://elasticloadbalancing.amazonaws.com/doc/2012-06-01/", Ops: ops,
	}
}
