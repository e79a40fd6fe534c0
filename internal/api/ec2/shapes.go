package ec2

// The inputs and outputs of the operations, in the style of the AWS SDK: that package has 700 operations and takes
// minutes to compile, and these few are all that is served.

type filter struct {
	Name   *string
	Values []string `wire:"Value"`
}

type tag struct {
	Key   *string `wire:"key"`
	Value *string `wire:"value"`
}

// tagIn is a tag in a request, where its members are spelled otherwise.
type tagIn struct {
	Key   *string
	Value *string
}

type tagSpecification struct {
	ResourceType *string
	Tags         []tagIn `wire:"Tag"`
}

// page is what every describing request says of the page that it wants.
type page struct {
	max   *int32
	token *string
}

type describeVpcsInput struct {
	DryRun     *bool
	VpcIds     []string `wire:"VpcId"`
	Filters    []filter `wire:"Filter"`
	MaxResults *int32
	NextToken  *string
}

type describeVpcsOutput struct {
	Vpcs      []vpc   `wire:"vpcSet"`
	NextToken *string `wire:"nextToken"`
}

type vpc struct {
	ID              *string           `wire:"vpcId"`
	OwnerID         *string           `wire:"ownerId"`
	State           *string           `wire:"state"`
	CIDR            *string           `wire:"cidrBlock"`
	Associations    []cidrAssociation `wire:"cidrBlockAssociationSet"`
	IPv6            []ipv6Association `wire:"ipv6CidrBlockAssociationSet"`
	DHCPOptions     *string           `wire:"dhcpOptionsId"`
	InstanceTenancy *string           `wire:"instanceTenancy"`
	Default         *bool             `wire:"isDefault"`
	Tags            []tag             `wire:"tagSet"`
}

type cidrAssociation struct {
	CIDR  *string    `wire:"cidrBlock"`
	ID    *string    `wire:"associationId"`
	State *cidrState `wire:"cidrBlockState"`
}

type cidrState struct {
	State *string `wire:"state"`
}

type ipv6Association struct {
	CIDR *string `wire:"ipv6CidrBlock"`
}

type describeVpcAttributeInput struct {
	DryRun    *bool
	VpcID     *string `wire:"VpcId"`
	Attribute *string
}

type describeVpcAttributeOutput struct {
	VpcID              *string         `wire:"vpcId"`
	EnableDNSSupport   *attributeValue `wire:"enableDnsSupport"`
	EnableDNSHostnames *attributeValue `wire:"enableDnsHostnames"`
	AddressUsage       *attributeValue `wire:"enableNetworkAddressUsageMetrics"`
}

type attributeValue struct {
	Value *bool `wire:"value"`
}

type describeSubnetsInput struct {
	DryRun     *bool
	SubnetIds  []string `wire:"SubnetId"`
	Filters    []filter `wire:"Filter"`
	MaxResults *int32
	NextToken  *string
}

type describeSubnetsOutput struct {
	Subnets   []subnet `wire:"subnetSet"`
	NextToken *string  `wire:"nextToken"`
}

type subnet struct {
	ID               *string           `wire:"subnetId"`
	ARN              *string           `wire:"subnetArn"`
	State            *string           `wire:"state"`
	OwnerID          *string           `wire:"ownerId"`
	VpcID            *string           `wire:"vpcId"`
	CIDR             *string           `wire:"cidrBlock"`
	IPv6             []ipv6Association `wire:"ipv6CidrBlockAssociationSet"`
	Available        *int32            `wire:"availableIpAddressCount"`
	Zone             *string           `wire:"availabilityZone"`
	ZoneID           *string           `wire:"availabilityZoneId"`
	DefaultForAz     *bool             `wire:"defaultForAz"`
	PublicIPOnLaunch *bool             `wire:"mapPublicIpOnLaunch"`
	AssignIPv6       *bool             `wire:"assignIpv6AddressOnCreation"`
	IPv6Native       *bool             `wire:"ipv6Native"`
	EnableDNS64      *bool             `wire:"enableDns64"`
	Tags             []tag             `wire:"tagSet"`
}

type describeAvailabilityZonesInput struct {
	DryRun    *bool
	ZoneNames []string `wire:"ZoneName"`
	ZoneIds   []string `wire:"ZoneId"`
	AllZones  *bool    `wire:"AllAvailabilityZones"`
	Filters   []filter `wire:"Filter"`
}

type describeAvailabilityZonesOutput struct {
	Zones []zone `wire:"availabilityZoneInfo"`
}

type zone struct {
	Name        *string  `wire:"zoneName"`
	ID          *string  `wire:"zoneId"`
	Region      *string  `wire:"regionName"`
	State       *string  `wire:"zoneState"`
	Group       *string  `wire:"groupName"`
	Border      *string  `wire:"networkBorderGroup"`
	OptInStatus *string  `wire:"optInStatus"`
	Type        *string  `wire:"zoneType"`
	Messages    []string `wire:"messageSet"`
}

type describeNetworkInterfacesInput struct {
	DryRun     *bool
	IDs        []string `wire:"NetworkInterfaceId"`
	Filters    []filter `wire:"Filter"`
	MaxResults *int32
	NextToken  *string
}

type describeNetworkInterfacesOutput struct {
	Interfaces []networkInterface `wire:"networkInterfaceSet"`
	NextToken  *string            `wire:"nextToken"`
}

type networkInterface struct {
	ID               *string            `wire:"networkInterfaceId"`
	SubnetID         *string            `wire:"subnetId"`
	VpcID            *string            `wire:"vpcId"`
	Zone             *string            `wire:"availabilityZone"`
	Description      *string            `wire:"description"`
	OwnerID          *string            `wire:"ownerId"`
	RequesterManaged *bool              `wire:"requesterManaged"`
	Status           *string            `wire:"status"`
	MAC              *string            `wire:"macAddress"`
	Address          *string            `wire:"privateIpAddress"`
	Addresses        []interfaceAddress `wire:"privateIpAddressesSet"`
	SourceDestCheck  *bool              `wire:"sourceDestCheck"`
	Groups           []groupName        `wire:"groupSet"`
	Type             *string            `wire:"interfaceType"`
	Tags             []tag              `wire:"tagSet"`
}

type interfaceAddress struct {
	Address *string `wire:"privateIpAddress"`
	Primary *bool   `wire:"primary"`
}

type groupName struct {
	ID   *string `wire:"groupId"`
	Name *string `wire:"groupName"`
}
