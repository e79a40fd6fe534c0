package ec2

type describeSecurityGroupsInput struct {
	DryRun     *bool
	IDs        []string `wire:"GroupId"`
	Names      []string `wire:"GroupName"`
	Filters    []filter `wire:"Filter"`
	MaxResults *int32
	NextToken  *string
}

type describeSecurityGroupsOutput struct {
	Groups    []securityGroup `wire:"securityGroupInfo"`
	NextToken *string         `wire:"nextToken"`
}

type securityGroup struct {
	ID          *string      `wire:"groupId"`
	ARN         *string      `wire:"securityGroupArn"`
	Name        *string      `wire:"groupName"`
	Description *string      `wire:"groupDescription"`
	OwnerID     *string      `wire:"ownerId"`
	VpcID       *string      `wire:"vpcId"`
	Ingress     []permission `wire:"ipPermissions"`
	Egress      []permission `wire:"ipPermissionsEgress"`
	Tags        []tag        `wire:"tagSet"`
}

// permission is a set of rules that differ in the other side only.
type permission struct {
	Protocol    *string     `wire:"ipProtocol"`
	From        *int32      `wire:"fromPort"`
	To          *int32      `wire:"toPort"`
	Groups      []groupPair `wire:"groups"`
	Ranges      []ipRange   `wire:"ipRanges"`
	IPv6Ranges  []ipv6Range `wire:"ipv6Ranges"`
	PrefixLists []prefixID  `wire:"prefixListIds"`
}

type groupPair struct {
	GroupID     *string `wire:"groupId"`
	GroupName   *string `wire:"groupName"`
	UserID      *string `wire:"userId"`
	Description *string `wire:"description"`
}

type ipRange struct {
	CIDR        *string `wire:"cidrIp"`
	Description *string `wire:"description"`
}

type ipv6Range struct {
	CIDR *string `wire:"cidrIpv6"`
}

type prefixID struct {
	ID *string `wire:"prefixListId"`
}

// permissionIn is a permission in a request, where its members are spelled otherwise.
type permissionIn struct {
	Protocol    *string       `wire:"IpProtocol"`
	From        *int32        `wire:"FromPort"`
	To          *int32        `wire:"ToPort"`
	Groups      []groupPairIn `wire:"Groups"`
	Ranges      []ipRangeIn   `wire:"IpRanges"`
	IPv6Ranges  []ipv6RangeIn `wire:"Ipv6Ranges"`
	PrefixLists []prefixIDIn  `wire:"PrefixListIds"`
}

type groupPairIn struct {
	GroupID     *string `wire:"GroupId"`
	GroupName   *string
	UserID      *string `wire:"UserId"`
	VpcID       *string `wire:"VpcId"`
	Description *string
}

type ipRangeIn struct {
	CIDR        *string `wire:"CidrIp"`
	Description *string
}

type ipv6RangeIn struct {
	CIDR        *string `wire:"CidrIpv6"`
	Description *string
}

type prefixIDIn struct {
	ID          *string `wire:"PrefixListId"`
	Description *string
}

type describeSecurityGroupRulesInput struct {
	DryRun     *bool
	IDs        []string `wire:"SecurityGroupRuleId"`
	Filters    []filter `wire:"Filter"`
	MaxResults *int32
	NextToken  *string
}

type describeSecurityGroupRulesOutput struct {
	Rules     []securityGroupRule `wire:"securityGroupRuleSet"`
	NextToken *string             `wire:"nextToken"`
}

type securityGroupRule struct {
	ID           *string          `wire:"securityGroupRuleId"`
	ARN          *string          `wire:"securityGroupRuleArn"`
	GroupID      *string          `wire:"groupId"`
	GroupOwnerID *string          `wire:"groupOwnerId"`
	Egress       *bool            `wire:"isEgress"`
	Protocol     *string          `wire:"ipProtocol"`
	From         *int32           `wire:"fromPort"`
	To           *int32           `wire:"toPort"`
	CIDR         *string          `wire:"cidrIpv4"`
	Referenced   *referencedGroup `wire:"referencedGroupInfo"`
	Description  *string          `wire:"description"`
	Tags         []tag            `wire:"tagSet"`
}

type referencedGroup struct {
	GroupID *string `wire:"groupId"`
	UserID  *string `wire:"userId"`
	VpcID   *string `wire:"vpcId"`
}

type createSecurityGroupInput struct {
	DryRun      *bool
	Name        *string            `wire:"GroupName"`
	Description *string            `wire:"GroupDescription"`
	VpcID       *string            `wire:"VpcId"`
	TagSpecs    []tagSpecification `wire:"TagSpecification"`
}

type createSecurityGroupOutput struct {
	ID   *string `wire:"groupId"`
	ARN  *string `wire:"securityGroupArn"`
	Tags []tag   `wire:"tagSet"`
}

type deleteSecurityGroupInput struct {
	DryRun *bool
	ID     *string `wire:"GroupId"`
	Name   *string `wire:"GroupName"`
}

type deleteSecurityGroupOutput struct {
	Return *bool   `wire:"return"`
	ID     *string `wire:"groupId"`
}

// authorizeInput is AuthorizeSecurityGroupIngress and Egress. The members after Permissions are the older form of one
// permission.
type authorizeInput struct {
	DryRun      *bool
	ID          *string            `wire:"GroupId"`
	Name        *string            `wire:"GroupName"`
	Permissions []permissionIn     `wire:"IpPermissions"`
	Protocol    *string            `wire:"IpProtocol"`
	From        *int32             `wire:"FromPort"`
	To          *int32             `wire:"ToPort"`
	CIDR        *string            `wire:"CidrIp"`
	SourceName  *string            `wire:"SourceSecurityGroupName"`
	TagSpecs    []tagSpecification `wire:"TagSpecification"`
}

type authorizeOutput struct {
	Return *bool               `wire:"return"`
	Rules  []securityGroupRule `wire:"securityGroupRuleSet"`
}

type revokeInput struct {
	DryRun      *bool
	ID          *string        `wire:"GroupId"`
	Name        *string        `wire:"GroupName"`
	RuleIDs     []string       `wire:"SecurityGroupRuleId"`
	Permissions []permissionIn `wire:"IpPermissions"`
	Protocol    *string        `wire:"IpProtocol"`
	From        *int32         `wire:"FromPort"`
	To          *int32         `wire:"ToPort"`
	CIDR        *string        `wire:"CidrIp"`
	SourceName  *string        `wire:"SourceSecurityGroupName"`
}

type revokeOutput struct {
	Return  *bool               `wire:"return"`
	Unknown []permission        `wire:"unknownIpPermissionSet"`
	Revoked []securityGroupRule `wire:"revokedSecurityGroupRuleSet"`
}

type tagsInput struct {
	DryRun    *bool
	Resources []string `wire:"ResourceId"`
	Tags      []tagIn  `wire:"Tag"`
}

type tagsOutput struct {
	Return *bool `wire:"return"`
}

type describeTagsInput struct {
	DryRun     *bool
	Filters    []filter `wire:"Filter"`
	MaxResults *int32
	NextToken  *string
}

type describeTagsOutput struct {
	Tags      []resourceTag `wire:"tagSet"`
	NextToken *string       `wire:"nextToken"`
}

type resourceTag struct {
	Key        *string `wire:"key"`
	ResourceID *string `wire:"resourceId"`
	Type       *string `wire:"resourceType"`
	Value      *string `wire:"value"`
}
