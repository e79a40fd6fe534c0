// Package ec2 is as much of the API of Amazon EC2 as tasks with networks of their own need: the default VPC of a region
// with its subnets, security groups and their rules, and the network interfaces of tasks.
//
// A security group's rules hold: the agent of each machine puts them into the network of the tasks that have it. The
// addresses of a VPC are each machine's own; nothing carries them from one machine to another.
package ec2

import (
	"context"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/maitred/maitred/internal/api/usecase"
	"github.com/maitred/maitred/internal/api/wire"
	"github.com/maitred/maitred/internal/api/wire/codec"
	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
)

// Deps is what the API works with.
type Deps struct {
	usecase.Deps
	Timings model.Timings
	VPC     string // CIDR block of default VPCs, "" for control.DefaultCIDR
}

// API implements the operations. It may be used by any number of goroutines.
type API struct{ Deps }

// New returns the API.
func New(deps Deps) *API { return &API{deps} }

// Service describes the API to the wire.
func (a *API) Service() *wire.Service {
	return &wire.Service{
		Name: "ec2", SigningNames: []string{"ec2"}, QueryVersion: "2016-11-15", QueryStyle: codec.EC2Query,
		Namespace: "http://ec2.amazonaws.com/doc/2016-11-15/", InternalCode: "InternalError",
		Ops: a.table(),
	}
}

func (a *API) table() []wire.Operation {
	const fixed = "the default VPC and its subnets are all there is"
	const machines = "container instances are the machines on which `maitred agent` or `maitred up` runs"
	return []wire.Operation{
		op(a, "AuthorizeSecurityGroupEgress", a.authorizeEgress),
		op(a, "AuthorizeSecurityGroupIngress", a.authorizeIngress),
		op(a, "CreateSecurityGroup", a.createSecurityGroup),
		op(a, "CreateTags", a.createTags),
		op(a, "DeleteSecurityGroup", a.deleteSecurityGroup),
		op(a, "DeleteTags", a.deleteTags),
		op(a, "DescribeAvailabilityZones", a.describeAvailabilityZones),
		op(a, "DescribeNetworkInterfaces", a.describeNetworkInterfaces),
		op(a, "DescribeSecurityGroupRules", a.describeSecurityGroupRules),
		op(a, "DescribeSecurityGroups", a.describeSecurityGroups),
		op(a, "DescribeSubnets", a.describeSubnets),
		op(a, "DescribeTags", a.describeTags),
		op(a, "DescribeVpcAttribute", a.describeVpcAttribute),
		op(a, "DescribeVpcs", a.describeVpcs),
		op(a, "RevokeSecurityGroupEgress", a.revokeEgress),
		op(a, "RevokeSecurityGroupIngress", a.revokeIngress),
		refuse("CreateNetworkInterface", "a task's network interface is made with the task"),
		refuse("CreateSubnet", fixed), refuse("CreateVpc", fixed),
		refuse("DeleteSubnet", fixed), refuse("DeleteVpc", fixed),
		refuse("DescribeInstances", machines), refuse("RunInstances", machines), refuse("TerminateInstances", machines),
		refuse("ModifySecurityGroupRules", "revoke the rule and authorize another one"),
		refuse("UpdateSecurityGroupRuleDescriptionsEgress", "revoke the rule and authorize another one"),
		refuse("UpdateSecurityGroupRuleDescriptionsIngress", "revoke the rule and authorize another one"),
	}
}

// refuse is an operation that is not there; instead says why or what to do.
func refuse(name, instead string) wire.Operation {
	return wire.Unsupported(name, "UnsupportedOperation", instead)
}

// op makes an operation of a method.
func op[I, O any](a *API, name string, do func(context.Context, control.Call, *I) (*O, error)) wire.Operation {
	return usecase.Op(name, a.call, do, wireError)
}

func (a *API) call(ctx context.Context, r *wire.Request) (control.Call, error) {
	call, err := a.Call(ctx, r)
	if err != nil {
		return call, err
	}
	call.Timings, call.VPC = a.Timings, a.VPC
	return call, a.EnsureRegion(ctx, call)
}

// wireError translates an error to what the caller sees.
func wireError(err error) error {
	return usecase.Error(err, "InvalidParameterValue", wire.Error{Code: "Unavailable", HTTPStatus: http.StatusServiceUnavailable})
}

// dryRun answers what EC2 answers to a request that is only tried: nobody is refused anything here.
func dryRun(asked *bool) error {
	if aws.ToBool(asked) {
		return fail("DryRunOperation", "Request would have succeeded, but DryRun flag is set.")
	}
	return nil
}
