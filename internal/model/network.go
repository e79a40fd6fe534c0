package model

// Attachment is the network interface of a task in networkMode awsvpc ("Amazon ECS task networking options"). The agent
// of the task's machine chooses it before the first container is started.
type Attachment struct {
	ID      string `json:"id"`     // of the attachment, a UUID
	ENI     string `json:"eni"`    // eni-…
	VPC     string `json:"vpc"`    // vpc-…
	Subnet  string `json:"subnet"` // subnet-…
	Zone    string `json:"zone,omitempty"`
	Address string `json:"addr"`   // IPv4
	Prefix  int    `json:"prefix"` // length of the subnet's prefix
	Gateway string `json:"gateway"`
	MAC     string `json:"mac"`
}

// NetworkConfiguration says where a task's network interface shall be ("AwsVpcConfiguration"). It is complete: security
// groups that were left out are the default one.
type NetworkConfiguration struct {
	Subnets        []string `json:"subnets"`
	SecurityGroups []string `json:"groups"`
	AssignPublicIP bool     `json:"public,omitempty"`
	Zones          []string `json:"zones"` // of the subnets
}

// InZones is where a task with this network may be placed; a task without one anywhere.
func (n *NetworkConfiguration) InZones() []string {
	if n == nil {
		return nil
	}
	return n.Zones
}

// FirewallRule lets traffic pass, in one direction. What no rule lets pass is dropped; answers to what passed always
// pass.
type FirewallRule struct {
	Egress   bool     `json:"egress,omitempty"`
	Protocol string   `json:"proto"`            // tcp, udp, icmp, or -1 for all
	From     int      `json:"from"`             // first port, -1 for all; of icmp the type
	To       int      `json:"to"`               // last port
	Ranges   []string `json:"ranges,omitempty"` // CIDR blocks and addresses of the other side
}

// VPC is a network of a region ("Vpc"). Its CIDR block is a range of addresses of each machine's own.
type VPC struct {
	ID      string `json:"id"`
	Region  string `json:"region"`
	CIDR    string `json:"cidr"`
	Default bool   `json:"default,omitempty"`
	Tags    []Tag  `json:"tags,omitempty"`
}

// Key implements Record.
func (v *VPC) Key() Key { return Key{KindVPC, v.Region + "/" + v.ID} }

// Subnet is a part of a VPC in one availability zone ("Subnet").
type Subnet struct {
	ID      string `json:"id"`
	Region  string `json:"region"`
	VPC     string `json:"vpc"`
	Zone    string `json:"zone"`
	CIDR    string `json:"cidr"`
	Default bool   `json:"default,omitempty"`
	Tags    []Tag  `json:"tags,omitempty"`
}

// Key implements Record.
func (s *Subnet) Key() Key { return SubnetKey(s.Region, s.ID) }

// SubnetKey is the key of a subnet.
func SubnetKey(region, id string) Key { return Key{KindSubnet, region + "/" + id} }

// SecurityGroup lets traffic reach and leave the tasks that it is given to ("SecurityGroup").
type SecurityGroup struct {
	ID          string              `json:"id"`
	Region      string              `json:"region"`
	VPC         string              `json:"vpc"`
	Name        string              `json:"name"`
	Description string              `json:"desc"`
	Rules       []SecurityGroupRule `json:"rules,omitempty"`
	Tags        []Tag               `json:"tags,omitempty"`
}

// Key implements Record.
func (g *SecurityGroup) Key() Key { return SecurityGroupKey(g.Region, g.ID) }

// SecurityGroupKey is the key of a security group.
func SecurityGroupKey(region, id string) Key { return Key{KindSecurityGroup, region + "/" + id} }

// SecurityGroupRule lets traffic of one kind pass from or to one source ("SecurityGroupRule").
type SecurityGroupRule struct {
	ID          string `json:"id"` // sgr-…
	Egress      bool   `json:"egress,omitempty"`
	Protocol    string `json:"proto"` // tcp, udp, icmp, or -1 for all
	From        int    `json:"from"`  // first port, -1 for all
	To          int    `json:"to"`
	CIDR        string `json:"cidr,omitempty"`  // of the other side; else
	Group       string `json:"group,omitempty"` // the security group of the other side
	Description string `json:"desc,omitempty"`
	Tags        []Tag  `json:"tags,omitempty"`
}
