package ecs

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
)

// networkIn is what a networkConfiguration asks for; nil for none. No task has a public address here: assignPublicIp is
// taken note of and changes nothing.
func networkIn(in *types.NetworkConfiguration) *control.NetworkRequest {
	if in == nil || in.AwsvpcConfiguration == nil {
		return nil
	}
	c := in.AwsvpcConfiguration
	return &control.NetworkRequest{
		Subnets: c.Subnets, SecurityGroups: c.SecurityGroups, AssignPublicIP: c.AssignPublicIp == types.AssignPublicIpEnabled,
	}
}

// The states of a network interface ("Attachment").
const (
	attachmentBegun    = "PRECREATED"
	attachmentAttached = "ATTACHED"
	attachmentGoing    = "DETACHING"
	attachmentDeleted  = "DELETED"
)

// attachmentStatus follows from the task's, which has its network interface from before its start until its end.
func attachmentStatus(s model.TaskStatus) string {
	switch {
	case s == model.TaskStopped:
		return attachmentDeleted
	case s == model.TaskDeprovisioning:
		return attachmentGoing
	case s.Order() < model.TaskActivating.Order():
		return attachmentBegun
	}
	return attachmentAttached
}

// attachmentsOut are the network interfaces of a task: one in networkMode awsvpc, as soon as the agent has chosen it.
func attachmentsOut(t model.TaskState) []types.Attachment {
	if t.Seen == nil || t.Seen.Attachment == nil {
		return []types.Attachment{}
	}
	a := t.Seen.Attachment
	detail := func(name, value string) types.KeyValuePair {
		return types.KeyValuePair{Name: aws.String(name), Value: aws.String(value)}
	}
	return []types.Attachment{{
		Id: aws.String(a.ID), Type: aws.String("ElasticNetworkInterface"), Status: aws.String(attachmentStatus(t.LastStatus())),
		Details: []types.KeyValuePair{
			detail("subnetId", a.Subnet), detail("networkInterfaceId", a.ENI), detail("macAddress", a.MAC),
			detail("privateDnsName", privateName(arn.ScopeOf(t.ARN).Region, a.Address)), detail("privateIPv4Address", a.Address),
		},
	}}
}

// privateName is the name that AWS gives an address ("Amazon EC2 instance hostname types"). Nothing resolves it here.
func privateName(region, address string) string {
	host := "ip-" + strings.ReplaceAll(address, ".", "-")
	if region == "us-east-1" {
		return host + ".ec2.internal"
	}
	return host + "." + region + ".compute.internal"
}

// interfacesOut are the network interfaces of a container: its task's.
func interfacesOut(t model.TaskState) []types.NetworkInterface {
	if t.Seen == nil || t.Seen.Attachment == nil {
		return []types.NetworkInterface{}
	}
	a := t.Seen.Attachment
	return []types.NetworkInterface{{AttachmentId: aws.String(a.ID), PrivateIpv4Address: aws.String(a.Address)}}
}
