package ec2_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/maitred/maitred/internal/model"
)

func TestDefaultNetwork(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	vpc := one(t, w.do("DescribeVpcs", "Filter.1.Name=is-default Filter.1.Value.1=true"), "vpcId")
	body := w.do("DescribeSubnets", "Filter.1.Name=vpc-id Filter.1.Value.1="+vpc)
	var cidrs []string
	for s := range w.store.View().Subnets(region) {
		cidrs = append(cidrs, s.Zone+" "+s.CIDR)
	}
	slices.Sort(cidrs)
	want := []string{"eu-west-1a 172.31.0.0/20", "eu-west-1b 172.31.16.0/20", "eu-west-1c 172.31.32.0/20"}
	if diff := cmp.Diff(want, cidrs); diff != "" {
		t.Errorf("subnets (-want +got):\n%s", diff)
	}
	if got := all(body, "availableIpAddressCount"); !slices.Equal(got, []string{"4091", "4091", "4091"}) {
		t.Errorf("availableIpAddressCount = %v, want 4091 three times, as AWS counts", got)
	}
	if got := w.do("DescribeVpcs", ""); one(t, got, "vpcId") != vpc || one(t, got, "isDefault") != "true" {
		t.Errorf("DescribeVpcs = %s, want the default one alone", got)
	}
	if got := all(w.do("DescribeAvailabilityZones", ""), "zoneId"); !slices.Equal(got, []string{"euw1-az1", "euw1-az2", "euw1-az3"}) {
		t.Errorf("zone ids = %v", got)
	}
	group := w.do("DescribeSecurityGroups", "")
	if !strings.Contains(group, "<groupName>default</groupName>") || len(all(group, "cidrIp")) != 1 {
		t.Errorf("DescribeSecurityGroups = %s, want the default group, which lets out everywhere and in from itself", group)
	}
	if one(t, w.do("DescribeVpcAttribute", "VpcId="+vpc+" Attribute=enableDnsSupport"), "value") != "true" {
		t.Error("enableDnsSupport is not true")
	}
}

// TestSecurityGroup lives the life of a group.
func TestSecurityGroup(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := one(t, w.do("CreateSecurityGroup", "GroupName=web GroupDescription=the+web "+
		"TagSpecification.1.ResourceType=security-group TagSpecification.1.Tag.1.Key=a TagSpecification.1.Tag.1.Value=b"), "groupId")
	w.do("AuthorizeSecurityGroupIngress", "GroupId="+id+
		" IpPermissions.1.IpProtocol=tcp IpPermissions.1.FromPort=80 IpPermissions.1.ToPort=81"+
		" IpPermissions.1.IpRanges.1.CidrIp=10.1.2.3/8 IpPermissions.1.Groups.1.GroupId="+id)
	w.do("AuthorizeSecurityGroupIngress", "GroupId="+id+" IpProtocol=udp FromPort=53 ToPort=53 CidrIp=0.0.0.0/0")
	g, _ := w.store.View().SecurityGroup(region, id)
	var rules []string
	for _, r := range g.Rules {
		rules = append(rules, fmt.Sprintf("%v %s %d-%d %s%s", r.Egress, r.Protocol, r.From, r.To, r.CIDR, strings.ReplaceAll(r.Group, id, "itself")))
	}
	want := []string{"true -1 -1--1 0.0.0.0/0", "false tcp 80-81 10.0.0.0/8", "false tcp 80-81 itself", "false udp 53-53 0.0.0.0/0"}
	if diff := cmp.Diff(want, rules); diff != "" {
		t.Errorf("rules (-want +got):\n%s", diff)
	}
	body := w.do("DescribeSecurityGroups", "GroupId.1="+id)
	if got := len(all(body, "fromPort")); got != 2 {
		t.Errorf("DescribeSecurityGroups = %s, want two permissions with ports, as rules of the same ports are told together", body)
	}
	if got := len(all(w.do("DescribeSecurityGroupRules", "Filter.1.Name=group-id Filter.1.Value.1="+id), "securityGroupRuleId")); got != 4 {
		t.Errorf("there are %d rules, want 4", got)
	}
	w.do("RevokeSecurityGroupIngress", "GroupName=web IpProtocol=udp FromPort=53 ToPort=53 CidrIp=0.0.0.0/0")
	w.do("RevokeSecurityGroupEgress", "GroupId="+id+" SecurityGroupRuleId.1="+g.Rules[0].ID)
	if g, _ = w.store.View().SecurityGroup(region, id); len(g.Rules) != 2 {
		t.Errorf("after two revokes: %+v, want the two tcp rules", g.Rules)
	}
	w.do("CreateTags", "ResourceId.1="+id+" Tag.1.Key=c Tag.1.Value=d")
	w.do("DeleteTags", "ResourceId.1="+id+" Tag.1.Key=a")
	if got := w.do("DescribeTags", "Filter.1.Name=resource-id Filter.1.Value.1="+id); !slices.Equal(all(got, "key"), []string{"c"}) {
		t.Errorf("DescribeTags = %s, want the tag c alone", got)
	}
	w.do("DeleteSecurityGroup", "GroupId="+id)
	if _, ok := w.store.View().SecurityGroup(region, id); ok {
		t.Error("the deleted group is still there")
	}
}

// TestUsedGroup checks that what is used is not deleted: by a task, a service, another group's rule.
func TestUsedGroup(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ids := map[string]string{}
	for _, name := range []string{"task", "service", "rule", "other"} {
		ids[name] = one(t, w.do("CreateSecurityGroup", "GroupName="+name+" GroupDescription=x"), "groupId")
	}
	network := func(name string) *model.NetworkConfiguration {
		return &model.NetworkConfiguration{SecurityGroups: []string{ids[name]}}
	}
	service := "arn:aws:ecs:eu-west-1:123456789012:service/default/web"
	w.put(
		&model.Task{ARN: "arn:aws:ecs:eu-west-1:123456789012:task/default/1", Machine: "m", Desired: model.TaskRunning, Network: network("task")},
		&model.Service{ARN: service, Status: model.Active, Primary: "ecs-svc/1"},
		&model.Deployment{ID: "ecs-svc/1", Service: service, Current: true, Network: network("service")},
	)
	w.do("AuthorizeSecurityGroupIngress", "GroupId="+ids["other"]+" IpPermissions.1.IpProtocol=-1 IpPermissions.1.Groups.1.GroupId="+ids["rule"])
	for _, name := range []string{"task", "service", "rule"} {
		if code, message := w.refused("DeleteSecurityGroup", "GroupId="+ids[name]); code != "DependencyViolation" {
			t.Errorf("DeleteSecurityGroup of the one that a %s uses = %s %s, want DependencyViolation", name, code, message)
		}
	}
	w.do("DeleteSecurityGroup", "GroupId="+ids["other"])
	w.do("DeleteSecurityGroup", "GroupId="+ids["rule"])
}

func TestNetworkInterfaces(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	subnet := all(w.do("DescribeSubnets", ""), "subnetId")[0]
	group := one(t, w.do("DescribeSecurityGroups", ""), "groupName")
	task := &model.Task{ARN: "arn:aws:ecs:eu-west-1:123456789012:task/default/1", Machine: "m", Desired: model.TaskRunning}
	for g := range w.store.View().SecurityGroups(region) {
		task.Network = &model.NetworkConfiguration{SecurityGroups: []string{g.ID}}
	}
	w.put(task, &model.Observed{Task: task.ARN, Machine: "m", Status: model.TaskRunning, Attachment: &model.Attachment{
		ENI: "eni-1", Subnet: subnet, Address: "172.31.0.9", MAC: "0a:00:00:00:00:09",
	}})
	body := w.do("DescribeNetworkInterfaces", "Filter.1.Name=private-ip-address Filter.1.Value.1=172.31.0.?")
	if one(t, body, "networkInterfaceId") != "eni-1" || one(t, body, "groupName") != group || !strings.Contains(body, task.ARN) {
		t.Errorf("DescribeNetworkInterfaces = %s, want the task's with its group", body)
	}
	if got := all(w.do("DescribeSubnets", "SubnetId.1="+subnet), "availableIpAddressCount"); got[0] != "4090" {
		t.Errorf("availableIpAddressCount = %v, want one less than 4091", got)
	}
}

func TestPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 11 {
		w.do("CreateSecurityGroup", fmt.Sprintf("GroupName=g%d GroupDescription=x", i))
	}
	var got []string
	token := ""
	for pages := 0; pages == 0 || token != ""; pages++ {
		body := w.do("DescribeSecurityGroups", "MaxResults=5 NextToken="+token)
		got = append(got, all(body, "securityGroupArn")...)
		if token = ""; strings.Contains(body, "<nextToken>") {
			token = one(t, body, "nextToken")
		}
		if pages > 3 {
			t.Fatal("the pages do not end")
		}
	}
	if slices.Sort(got); len(slices.Compact(got)) != 12 {
		t.Errorf("%d groups on all pages, want 12", len(got))
	}
}

// TestBadInput sends what is wrong, and checks the error's name, that its text tells what is wrong, and that nothing has
// changed.
func TestBadInput(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	vpc := one(t, w.do("DescribeVpcs", ""), "vpcId")
	web := one(t, w.do("CreateSecurityGroup", "GroupName=web GroupDescription=x"), "groupId")
	w.do("AuthorizeSecurityGroupIngress", "GroupId="+web+" IpProtocol=tcp FromPort=80 ToPort=80 CidrIp=0.0.0.0/0")
	long := strings.Repeat("x", 256)
	group, in := "GroupId="+web, " IpPermissions.1.IpProtocol=tcp IpPermissions.1.FromPort=1 IpPermissions.1.ToPort=2"
	before := w.store.View().Revision()
	for _, c := range []struct{ name, action, parameters, code, text string }{
		{"unknown action", "MakeCoffee", "", "InvalidAction", "MakeCoffee"},
		{"refused action", "CreateVpc", "", "UnsupportedOperation", "CreateVpc"},
		{"instances", "RunInstances", "", "UnsupportedOperation", "maitred agent"},
		{"dry run", "DescribeVpcs", "DryRun=true", "DryRunOperation", "succeeded"},
		{"dry run of a creation", "CreateSecurityGroup", "GroupName=a GroupDescription=b DryRun=true", "DryRunOperation", "succeeded"},
		{"unknown vpc", "DescribeVpcs", "VpcId.1=vpc-1", "InvalidVpcID.NotFound", "vpc-1"},
		{"unknown subnet", "DescribeSubnets", "SubnetId.1=subnet-1", "InvalidSubnetID.NotFound", "subnet-1"},
		{"unknown group", "DescribeSecurityGroups", "GroupId.1=sg-1", "InvalidGroup.NotFound", "sg-1"},
		{"unknown group name", "DescribeSecurityGroups", "GroupName.1=no", "InvalidGroup.NotFound", "no"},
		{"unknown rule", "DescribeSecurityGroupRules", "SecurityGroupRuleId.1=sgr-1", "InvalidSecurityGroupRuleId.NotFound", "sgr-1"},
		{"unknown interface", "DescribeNetworkInterfaces", "NetworkInterfaceId.1=eni-1", "InvalidNetworkInterfaceID.NotFound", "eni-1"},
		{"unknown zone", "DescribeAvailabilityZones", "ZoneName.1=mars-1a", "InvalidParameterValue", "mars-1a"},
		{"unknown zone id", "DescribeAvailabilityZones", "ZoneId.1=x", "InvalidParameterValue", "x"},
		{"unknown filter", "DescribeVpcs", "Filter.1.Name=colour Filter.1.Value.1=red", "InvalidParameterValue", "colour"},
		{"filter without a name", "DescribeVpcs", "Filter.1.Value.1=red", "MissingParameter", "Name"},
		{"filter without values", "DescribeVpcs", "Filter.1.Name=vpc-id", "InvalidParameterValue", "vpc-id"},
		{"page too small", "DescribeSubnets", "MaxResults=4", "InvalidParameterValue", "4"},
		{"page too large", "DescribeSubnets", "MaxResults=1001", "InvalidParameterValue", "1001"},
		{"page of ids", "DescribeSecurityGroups", "MaxResults=5 GroupId.1=" + web, "InvalidParameterCombination", "MaxResults"},
		{"token", "DescribeSubnets", "NextToken=abc", "InvalidNextToken.Malformed", "abc"},
		{"attribute without vpc", "DescribeVpcAttribute", "Attribute=enableDnsSupport", "MissingParameter", "vpcId"},
		{"attribute of no vpc", "DescribeVpcAttribute", "Attribute=enableDnsSupport VpcId=vpc-1", "InvalidVpcID.NotFound", "vpc-1"},
		{"unknown attribute", "DescribeVpcAttribute", "Attribute=x VpcId=" + vpc, "InvalidParameterValue", "enableDnsHostnames"},
		{"no name", "CreateSecurityGroup", "GroupDescription=x", "MissingParameter", "GroupName"},
		{"no description", "CreateSecurityGroup", "GroupName=x", "MissingParameter", "GroupDescription"},
		{"name like an id", "CreateSecurityGroup", "GroupName=sg-1 GroupDescription=x", "InvalidParameterValue", "sg-"},
		{"name too long", "CreateSecurityGroup", "GroupDescription=x GroupName=" + long, "InvalidParameterValue", "GroupName"},
		{"name with an umlaut", "CreateSecurityGroup", "GroupDescription=x GroupName=ü", "InvalidParameterValue", "GroupName"},
		{"description too long", "CreateSecurityGroup", "GroupName=x GroupDescription=" + long, "InvalidParameterValue", "GroupDescription"},
		{"reserved name", "CreateSecurityGroup", "GroupName=default GroupDescription=x", "InvalidParameterValue", "reserved"},
		{"name taken", "CreateSecurityGroup", "GroupName=web GroupDescription=x", "InvalidGroup.Duplicate", "web"},
		{"group in no vpc", "CreateSecurityGroup", "GroupName=x GroupDescription=x VpcId=vpc-1", "InvalidVpcID.NotFound", "vpc-1"},
		{"tags of something else", "CreateSecurityGroup", "GroupName=x GroupDescription=x TagSpecification.1.ResourceType=vpc", "InvalidParameterValue", "security-group"},
		{"reserved tag", "CreateSecurityGroup", "GroupName=x GroupDescription=x TagSpecification.1.ResourceType=security-group TagSpecification.1.Tag.1.Key=aws:x", "InvalidParameterValue", "aws:"},
		{"deleting nothing", "DeleteSecurityGroup", "", "MissingParameter", "groupId"},
		{"deleting by two names", "DeleteSecurityGroup", group + " GroupName=web", "InvalidParameterCombination", "groupId"},
		{"deleting what is not there", "DeleteSecurityGroup", "GroupId=sg-1", "InvalidGroup.NotFound", "sg-1"},
		{"deleting the default", "DeleteSecurityGroup", "GroupName=default", "CannotDelete", "default"},
		{"authorizing nobody", "AuthorizeSecurityGroupIngress", "IpProtocol=tcp FromPort=1 ToPort=1 CidrIp=0.0.0.0/0", "MissingParameter", "groupId"},
		{"authorizing nothing", "AuthorizeSecurityGroupIngress", group, "MissingParameter", "ipPermissions"},
		{"authorizing in two ways", "AuthorizeSecurityGroupIngress", group + in + " IpProtocol=tcp", "InvalidParameterCombination", "ipPermissions"},
		{"no other side", "AuthorizeSecurityGroupIngress", group + in, "MissingParameter", "IpRanges"},
		{"no protocol", "AuthorizeSecurityGroupIngress", group + " IpPermissions.1.FromPort=1 IpPermissions.1.IpRanges.1.CidrIp=0.0.0.0/0", "MissingParameter", "IpProtocol"},
		{"unknown protocol", "AuthorizeSecurityGroupIngress", group + " IpProtocol=sctp FromPort=1 ToPort=1 CidrIp=0.0.0.0/0", "InvalidParameterValue", "sctp"},
		{"ports reversed", "AuthorizeSecurityGroupIngress", group + " IpProtocol=tcp FromPort=2 ToPort=1 CidrIp=0.0.0.0/0", "InvalidParameterValue", "(2:1)"},
		{"port too large", "AuthorizeSecurityGroupEgress", group + " IpProtocol=tcp FromPort=1 ToPort=65536 CidrIp=0.0.0.0/0", "InvalidParameterValue", "65536"},
		{"one port", "AuthorizeSecurityGroupIngress", group + " IpProtocol=udp FromPort=1 CidrIp=0.0.0.0/0", "InvalidParameterValue", "both"},
		{"icmp type", "AuthorizeSecurityGroupIngress", group + " IpProtocol=icmp FromPort=300 ToPort=0 CidrIp=0.0.0.0/0", "InvalidParameterValue", "ICMP"},
		{"no block", "AuthorizeSecurityGroupIngress", group + " IpProtocol=tcp FromPort=1 ToPort=1 CidrIp=10.0.0.1", "InvalidParameterValue", "10.0.0.1"},
		{"block of IPv6", "AuthorizeSecurityGroupIngress", group + " IpProtocol=tcp FromPort=1 ToPort=1 CidrIp=::/0", "InvalidParameterValue", "::/0"},
		{"IPv6 range", "AuthorizeSecurityGroupIngress", group + in + " IpPermissions.1.Ipv6Ranges.1.CidrIpv6=::/0", "UnsupportedOperation", "Ipv6Ranges"},
		{"group of nobody", "AuthorizeSecurityGroupIngress", group + in + " IpPermissions.1.Groups.1.GroupId=sg-1", "InvalidGroup.NotFound", "sg-1"},
		{"rule twice", "AuthorizeSecurityGroupIngress", group + " IpProtocol=tcp FromPort=80 ToPort=80 CidrIp=0.0.0.0/0", "InvalidPermission.Duplicate", "80"},
		{"rule twice in one request", "AuthorizeSecurityGroupIngress", group + in + " IpPermissions.1.IpRanges.1.CidrIp=10.0.0.1/8 IpPermissions.1.IpRanges.2.CidrIp=10.0.0.2/8", "InvalidPermission.Duplicate", "10.0.0.0/8"},
		{"revoking what is not there", "RevokeSecurityGroupIngress", group + " IpProtocol=tcp FromPort=81 ToPort=81 CidrIp=0.0.0.0/0", "InvalidPermission.NotFound", "81"},
		{"revoking an unknown id", "RevokeSecurityGroupIngress", group + " SecurityGroupRuleId.1=sgr-1", "InvalidPermission.NotFound", "sgr-1"},
		{"revoking in the other direction", "RevokeSecurityGroupEgress", group + " IpProtocol=tcp FromPort=80 ToPort=80 CidrIp=0.0.0.0/0", "InvalidPermission.NotFound", "80"},
		{"revoking a rule of IPv6", "RevokeSecurityGroupEgress", group + " IpPermissions.1.IpProtocol=-1 IpPermissions.1.Ipv6Ranges.1.CidrIpv6=::/0", "InvalidPermission.NotFound", "Ipv6Ranges"},
		{"tagging nothing", "CreateTags", "Tag.1.Key=a", "MissingParameter", "resourceIdSet"},
		{"tagging without tags", "CreateTags", "ResourceId.1=" + web, "MissingParameter", "tags"},
		{"tagging what is not there", "CreateTags", "ResourceId.1=" + web + " ResourceId.2=i-1 Tag.1.Key=a", "InvalidID", "i-1"},
		{"tag key too long", "CreateTags", "ResourceId.1=" + web + " Tag.1.Key=" + long, "InvalidParameterValue", "too long"},
	} {
		code, message := w.refused(c.action, c.parameters)
		if code != c.code || !strings.Contains(message, c.text) {
			t.Errorf("%s: %s %q, want %s with %q", c.name, code, message, c.code, c.text)
		}
	}
	if after := w.store.View().Revision(); after != before {
		t.Errorf("the store went from revision %d to %d, want it unchanged", before, after)
	}
}
