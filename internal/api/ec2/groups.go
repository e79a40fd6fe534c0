package ec2

import (
	"context"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// groupText is what names and descriptions of groups are made of ("CreateSecurityGroup").
var groupText = regexp.MustCompile(`^[a-zA-Z0-9 ._\-:/()#,@\[\]+=&;{}!$*]{1,255}$`)

func (a *API) createSecurityGroup(ctx context.Context, call control.Call, in *createSecurityGroupInput) (*createSecurityGroupOutput, error) {
	name, description := aws.ToString(in.Name), aws.ToString(in.Description)
	switch {
	case name == "":
		return nil, fail("MissingParameter", "The request must contain the parameter GroupName")
	case description == "":
		return nil, fail("MissingParameter", "The request must contain the parameter GroupDescription")
	case strings.HasPrefix(name, "sg-"):
		return nil, fail("InvalidParameterValue", "Value (%.100s) for parameter GroupName is invalid. Group names may not be in the format sg-*.", name)
	case !groupText.MatchString(name):
		return nil, fail("InvalidParameterValue", "Value (%.100s) for parameter GroupName is invalid: it has 1 to 255 letters, digits, spaces and ._-:/()#,@[]+=&;{}!$*", name)
	case !groupText.MatchString(description):
		return nil, fail("InvalidParameterValue", "Value (%.100s) for parameter GroupDescription is invalid: it has 1 to 255 letters, digits, spaces and ._-:/()#,@[]+=&;{}!$*", description)
	case name == control.DefaultGroup:
		return nil, fail("InvalidParameterValue", "Cannot use reserved security group name: default")
	}
	tags, err := tagsOf(in.TagSpecs, "security-group")
	if err != nil {
		return nil, err
	}
	if err := dryRun(in.DryRun); err != nil {
		return nil, err
	}
	var g *model.SecurityGroup
	err = a.Update(ctx, func(tx *store.Tx) (err error) {
		g, err = control.CreateSecurityGroup(tx, call, control.NewSecurityGroup{
			Name: name, Description: description, VPC: aws.ToString(in.VpcID), Tags: tags,
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	return &createSecurityGroupOutput{ID: aws.String(g.ID), ARN: aws.String(groupARN(call, g)), Tags: tagsOut(g.Tags)}, nil
}

func groupARN(call control.Call, g *model.SecurityGroup) string {
	return resourceARN(call, "security-group/"+g.ID)
}

func (a *API) deleteSecurityGroup(ctx context.Context, call control.Call, in *deleteSecurityGroupInput) (*deleteSecurityGroupOutput, error) {
	if err := named(in.ID, in.Name); err != nil {
		return nil, err
	}
	if err := dryRun(in.DryRun); err != nil {
		return nil, err
	}
	var g *model.SecurityGroup
	err := a.Update(ctx, func(tx *store.Tx) (err error) {
		g, err = control.DeleteSecurityGroup(tx, call, aws.ToString(in.ID), aws.ToString(in.Name))
		return err
	})
	if err != nil {
		return nil, err
	}
	return &deleteSecurityGroupOutput{Return: aws.Bool(true), ID: aws.String(g.ID)}, nil
}

// named checks that a request names a group.
func named(id, name *string) error {
	switch {
	case aws.ToString(id) == "" && aws.ToString(name) == "":
		return fail("MissingParameter", "The request must contain the parameter groupName or groupId")
	case aws.ToString(id) != "" && aws.ToString(name) != "":
		return fail("InvalidParameterCombination", "The parameters groupName and groupId cannot be used together")
	}
	return nil
}

func (a *API) authorizeIngress(ctx context.Context, call control.Call, in *authorizeInput) (*authorizeOutput, error) {
	return a.authorize(ctx, call, in, false)
}

func (a *API) authorizeEgress(ctx context.Context, call control.Call, in *authorizeInput) (*authorizeOutput, error) {
	return a.authorize(ctx, call, in, true)
}

func (a *API) authorize(ctx context.Context, call control.Call, in *authorizeInput, egress bool) (*authorizeOutput, error) {
	if err := named(in.ID, in.Name); err != nil {
		return nil, err
	}
	tags, err := tagsOf(in.TagSpecs, "security-group-rule")
	if err != nil {
		return nil, err
	}
	flat := flatPermission{in.Protocol, in.From, in.To, in.CIDR, in.SourceName}
	permissions, err := flat.or(in.Permissions)
	if err != nil {
		return nil, err
	}
	out := &authorizeOutput{Return: aws.Bool(true), Rules: []securityGroupRule{}}
	err = a.Update(ctx, func(tx *store.Tx) error {
		rules, err := rulesIn(tx.View(), call, permissions, egress)
		if err != nil {
			return err
		}
		for i := range rules {
			rules[i].Tags = tags
		}
		if err := dryRun(in.DryRun); err != nil {
			return err
		}
		g, added, err := control.Authorize(tx, call, aws.ToString(in.ID), aws.ToString(in.Name), rules)
		if err == nil {
			out.Rules = rulesOut(call, g, added)
		}
		return err
	})
	return out, err
}

func (a *API) revokeIngress(ctx context.Context, call control.Call, in *revokeInput) (*revokeOutput, error) {
	return a.revoke(ctx, call, in, false)
}

func (a *API) revokeEgress(ctx context.Context, call control.Call, in *revokeInput) (*revokeOutput, error) {
	return a.revoke(ctx, call, in, true)
}

func (a *API) revoke(ctx context.Context, call control.Call, in *revokeInput, egress bool) (*revokeOutput, error) {
	if err := named(in.ID, in.Name); err != nil {
		return nil, err
	}
	flat := flatPermission{in.Protocol, in.From, in.To, in.CIDR, in.SourceName}
	permissions := in.Permissions
	if len(in.RuleIDs) == 0 {
		var err error
		if permissions, err = flat.or(permissions); err != nil {
			return nil, err
		}
	}
	if slices.ContainsFunc(permissions, permissionIn.other) {
		// There cannot be such a rule. Terraform revokes the one that a new group of a VPC with IPv6 would have, and takes this answer.
		return nil, fail("InvalidPermission.NotFound", "The specified rule does not exist in this security group: it has none of Ipv6Ranges and PrefixListIds.")
	}
	out := &revokeOutput{Return: aws.Bool(true), Unknown: []permission{}, Revoked: []securityGroupRule{}}
	err := a.Update(ctx, func(tx *store.Tx) error {
		rules, err := rulesIn(tx.View(), call, permissions, egress)
		if err != nil {
			return err
		}
		if err := dryRun(in.DryRun); err != nil {
			return err
		}
		g, gone, err := control.Revoke(tx, call, aws.ToString(in.ID), aws.ToString(in.Name), in.RuleIDs, rules, egress)
		if err == nil {
			out.Revoked = rulesOut(call, g, gone)
		}
		return err
	})
	return out, err
}

// flatPermission is the older form of one permission.
type flatPermission struct {
	protocol   *string
	from, to   *int32
	cidr, name *string
}

// or gives the permissions of a request in either form.
func (f flatPermission) or(permissions []permissionIn) ([]permissionIn, error) {
	given := f.protocol != nil || f.from != nil || f.to != nil || f.cidr != nil || f.name != nil
	switch {
	case given && len(permissions) > 0:
		return nil, fail("InvalidParameterCombination", "The parameter 'ipPermissions' may not be used in combination with 'ipProtocol'")
	case !given && len(permissions) == 0:
		return nil, fail("MissingParameter", "Either 'ipPermissions' or 'securityGroupRuleIds' should be provided.")
	case len(permissions) > 0:
		return permissions, nil
	}
	p := permissionIn{Protocol: f.protocol, From: f.from, To: f.to}
	if f.cidr != nil {
		p.Ranges = []ipRangeIn{{CIDR: f.cidr}}
	}
	if f.name != nil {
		p.Protocol = aws.String("-1")
		p.Groups = []groupPairIn{{GroupName: f.name}}
	}
	return []permissionIn{p}, nil
}

// rulesIn checks permissions and takes them apart into rules.
func rulesIn(v *store.View, call control.Call, permissions []permissionIn, egress bool) ([]model.SecurityGroupRule, error) {
	var rules []model.SecurityGroupRule
	for _, p := range permissions {
		base, err := ruleBase(p)
		if err != nil {
			return nil, err
		}
		base.Egress = egress
		if p.other() {
			return nil, fail("UnsupportedOperation", "Ipv6Ranges and PrefixListIds are not supported by this version of maitred: tasks have IPv4 addresses; give IpRanges")
		}
		if len(p.Ranges)+len(p.Groups) == 0 {
			return nil, fail("MissingParameter", "The request must contain the parameter IpRanges or Groups: the other side of the rule")
		}
		for _, r := range p.Ranges {
			rule := base
			if rule.CIDR, err = cidrIn(aws.ToString(r.CIDR)); err != nil {
				return nil, err
			}
			rule.Description = aws.ToString(r.Description)
			rules = append(rules, rule)
		}
		for _, pair := range p.Groups {
			peer, err := control.FindSecurityGroup(v, call, aws.ToString(pair.GroupID), aws.ToString(pair.GroupName))
			if err != nil {
				return nil, err
			}
			rule := base
			rule.Group, rule.Description = peer.ID, aws.ToString(pair.Description)
			rules = append(rules, rule)
		}
	}
	for _, r := range rules {
		if r.Description != "" && !groupText.MatchString(r.Description) {
			return nil, fail("InvalidParameterValue", "Invalid rule description: it has at most 255 letters, digits, spaces and ._-:/()#,@[]+=&;{}!$*")
		}
	}
	return rules, nil
}

// other says that the other side is given in a way that no rule here has.
func (p permissionIn) other() bool { return len(p.IPv6Ranges)+len(p.PrefixLists) > 0 }

// cidrIn checks a block of addresses. As EC2 does it, the bits behind the prefix are cleared.
func cidrIn(text string) (string, error) {
	p, err := netip.ParsePrefix(text)
	if err != nil || !p.Addr().Is4() {
		return "", fail("InvalidParameterValue", "CIDR block %.100s is malformed", text)
	}
	return p.Masked().String(), nil
}

const (
	portMax     = 65535
	icmpTypeMax = 255
)

// ruleBase reads protocol and ports ("IpPermission").
func ruleBase(p permissionIn) (model.SecurityGroupRule, error) {
	r := model.SecurityGroupRule{From: -1, To: -1}
	protocols := map[string]string{"tcp": "tcp", "6": "tcp", "udp": "udp", "17": "udp", "icmp": "icmp", "1": "icmp", "-1": "-1", "all": "-1"}
	name := strings.ToLower(aws.ToString(p.Protocol))
	if name == "" {
		return r, fail("MissingParameter", "The request must contain the parameter IpProtocol")
	}
	r.Protocol = protocols[name]
	var err error
	switch r.Protocol {
	case "":
		return r, fail("InvalidParameterValue", "Invalid value '%.50s' for IP protocol. Unknown protocol: it should be tcp, udp, icmp or -1.", name)
	case "-1":
	case "icmp":
		r.From, r.To, err = icmp(p.From, p.To)
	default:
		r.From, r.To, err = ports(p.From, p.To)
	}
	return r, err
}

// icmp reads a type and a code; -1 is any.
func icmp(from, to *int32) (typ, code int, err error) {
	if from == nil {
		return -1, -1, nil
	}
	if to == nil {
		to = aws.Int32(-1)
	}
	if *from < -1 || *from > icmpTypeMax || *to < -1 || *to > icmpTypeMax {
		return 0, 0, fail("InvalidParameterValue", "Invalid ICMP type or code: they are between -1 and %d.", icmpTypeMax)
	}
	return int(*from), int(*to), nil
}

// ports reads the ports of tcp or udp.
func ports(from, to *int32) (first, last int, err error) {
	switch {
	case from == nil || to == nil:
		return 0, 0, fail("InvalidParameterValue", "Invalid value 'Must specify both from and to ports with TCP/UDP.' for portRange.")
	case *from == -1 && *to == -1:
		return 0, portMax, nil
	case *from < 0 || *to > portMax || *from > *to:
		return 0, 0, fail("InvalidParameterValue", "Invalid TCP/UDP port range (%d:%d)", *from, *to)
	}
	return int(*from), int(*to), nil
}

func (a *API) describeSecurityGroups(
	_ context.Context, call control.Call, in *describeSecurityGroupsInput,
) (*describeSecurityGroupsOutput, error) {
	if err := dryRun(in.DryRun); err != nil {
		return nil, err
	}
	l := lister[*model.SecurityGroup]{
		kind: "InvalidGroup", id: func(g *model.SecurityGroup) string { return g.ID },
		filters: []string{
			"description", "egress.ip-permission.cidr", "egress.ip-permission.group-id", "egress.ip-permission.protocol", "group-id",
			"group-name", "ip-permission.cidr", "ip-permission.from-port", "ip-permission.group-id", "ip-permission.protocol",
			"ip-permission.to-port", "owner-id", "vpc-id",
		},
		attributes: func(g *model.SecurityGroup) attributes { return groupAttributes(call, g) },
	}
	all := slices.Collect(a.Store.View().SecurityGroups(call.Region))
	for _, name := range in.Names {
		if !slices.ContainsFunc(all, func(g *model.SecurityGroup) bool { return g.Name == name }) {
			return nil, fail("InvalidGroup.NotFound", "The security group '%.100s' does not exist", name)
		}
	}
	chosen, err := l.choose(all, in.IDs, in.Filters)
	if err != nil {
		return nil, err
	}
	if len(in.Names) > 0 {
		chosen = slices.DeleteFunc(chosen, func(g *model.SecurityGroup) bool { return !slices.Contains(in.Names, g.Name) })
	}
	chosen, next, err := l.cut(call, chosen, in.IDs, in.Filters, page{in.MaxResults, in.NextToken})
	out := &describeSecurityGroupsOutput{Groups: []securityGroup{}, NextToken: next}
	for _, g := range chosen {
		out.Groups = append(out.Groups, securityGroup{
			ID: aws.String(g.ID), ARN: aws.String(groupARN(call, g)), Name: aws.String(g.Name), Description: aws.String(g.Description),
			OwnerID: aws.String(call.Account), VpcID: aws.String(g.VPC), Ingress: permissionsOut(call, g.Rules, false),
			Egress: permissionsOut(call, g.Rules, true), Tags: tagsOut(g.Tags),
		})
	}
	return out, err
}

func groupAttributes(call control.Call, g *model.SecurityGroup) attributes {
	a := attributes{
		"description": {g.Description}, "group-id": {g.ID}, "group-name": {g.Name}, "owner-id": {call.Account}, "vpc-id": {g.VPC},
	}
	for i := range g.Rules {
		r, prefix := &g.Rules[i], ""
		if r.Egress {
			prefix = "egress."
		}
		for name, value := range map[string]string{
			"cidr": r.CIDR, "group-id": r.Group, "protocol": r.Protocol, "from-port": strconv.Itoa(r.From), "to-port": strconv.Itoa(r.To),
		} {
			if value != "" {
				key := prefix + "ip-permission." + name
				a[key] = append(a[key], value)
			}
		}
	}
	return a.tagged(g.Tags)
}

// permissionsOut puts rules of one direction that differ in the other side only into one permission each.
func permissionsOut(call control.Call, rules []model.SecurityGroupRule, egress bool) []permission {
	list, at := []permission{}, map[string]int{}
	for i := range rules {
		r := &rules[i]
		if r.Egress != egress {
			continue
		}
		key := fmt.Sprintf("%s %d %d", r.Protocol, r.From, r.To)
		n, ok := at[key]
		if !ok {
			n = len(list)
			at[key] = n
			list = append(list, permission{
				Protocol: aws.String(r.Protocol), Groups: []groupPair{}, Ranges: []ipRange{}, IPv6Ranges: []ipv6Range{}, PrefixLists: []prefixID{},
			})
			if r.Protocol != "-1" {
				list[n].From, list[n].To = aws.Int32(int32(r.From)), aws.Int32(int32(r.To))
			}
		}
		if r.Group != "" {
			list[n].Groups = append(list[n].Groups, groupPair{GroupID: aws.String(r.Group), UserID: aws.String(call.Account), Description: some(r.Description)})
		} else {
			list[n].Ranges = append(list[n].Ranges, ipRange{aws.String(r.CIDR), some(r.Description)})
		}
	}
	return list
}

// some is a text, nil for an empty one.
func some(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// groupRule is a rule with the group that it is of.
type groupRule struct {
	group *model.SecurityGroup
	model.SecurityGroupRule
}

func (a *API) describeSecurityGroupRules(
	_ context.Context, call control.Call, in *describeSecurityGroupRulesInput,
) (*describeSecurityGroupRulesOutput, error) {
	if err := dryRun(in.DryRun); err != nil {
		return nil, err
	}
	l := lister[groupRule]{
		kind: "InvalidSecurityGroupRuleId", id: func(r groupRule) string { return r.ID }, filters: []string{"group-id", "security-group-rule-id"},
		attributes: func(r groupRule) attributes {
			return attributes{"group-id": {r.group.ID}, "security-group-rule-id": {r.ID}}.tagged(r.Tags)
		},
	}
	var all []groupRule
	for g := range a.Store.View().SecurityGroups(call.Region) {
		for _, r := range g.Rules {
			all = append(all, groupRule{g, r})
		}
	}
	slices.SortFunc(all, func(x, y groupRule) int { return strings.Compare(x.ID, y.ID) })
	chosen, err := l.choose(all, in.IDs, in.Filters)
	if err != nil {
		return nil, err
	}
	chosen, next, err := l.cut(call, chosen, in.IDs, in.Filters, page{in.MaxResults, in.NextToken})
	out := &describeSecurityGroupRulesOutput{Rules: []securityGroupRule{}, NextToken: next}
	for _, r := range chosen {
		out.Rules = append(out.Rules, rulesOut(call, r.group, []model.SecurityGroupRule{r.SecurityGroupRule})...)
	}
	return out, err
}

func rulesOut(call control.Call, g *model.SecurityGroup, rules []model.SecurityGroupRule) []securityGroupRule {
	list := make([]securityGroupRule, 0, len(rules))
	for _, r := range rules {
		out := securityGroupRule{
			ID: aws.String(r.ID), ARN: aws.String(resourceARN(call, "security-group-rule/"+r.ID)), GroupID: aws.String(g.ID),
			GroupOwnerID: aws.String(call.Account), Egress: aws.Bool(r.Egress), Protocol: aws.String(r.Protocol),
			From: aws.Int32(int32(r.From)), To: aws.Int32(int32(r.To)), CIDR: some(r.CIDR), Description: some(r.Description), Tags: tagsOut(r.Tags),
		}
		if r.Group != "" {
			out.Referenced = &referencedGroup{GroupID: aws.String(r.Group), UserID: aws.String(call.Account), VpcID: aws.String(g.VPC)}
		}
		list = append(list, out)
	}
	return list
}
