package control

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// DefaultCIDR is the block of a default VPC ("Default VPCs"). Each machine has these addresses for itself.
const DefaultCIDR = "172.31.0.0/16"

// subnetBits is the length of the prefix of a default subnet, in a VPC of /16: 4,096 addresses.
const subnetBits = 4

// DefaultGroup is the name of the security group that a network interface has which names none.
const DefaultGroup = "default"

// ensureNetwork makes the default VPC of a region, with a subnet in each of three zones and the default security group,
// which lets its members reach each other and everybody. Their ids follow from region and account.
func ensureNetwork(tx *store.Tx, call Call) {
	block := netip.MustParsePrefix(cmp.Or(call.VPC, DefaultCIDR)).Masked()
	vpc := &model.VPC{ID: defaultID(call.Scope, "vpc"), Region: call.Region, CIDR: block.String(), Default: true}
	tx.Put(vpc)
	for i, zone := range Zones(call.Region) {
		tx.Put(&model.Subnet{
			ID: defaultID(call.Scope, "subnet", zone), Region: call.Region, VPC: vpc.ID, Zone: zone,
			CIDR: part(block, i).String(), Default: true,
		})
	}
	group := &model.SecurityGroup{
		ID: defaultID(call.Scope, "sg"), Region: call.Region, VPC: vpc.ID, Name: DefaultGroup,
		Description: "default VPC security group",
	}
	group.Rules = []model.SecurityGroupRule{
		{ID: defaultID(call.Scope, "sgr", "in"), Protocol: "-1", From: -1, To: -1, Group: group.ID},
		{ID: defaultID(call.Scope, "sgr", "out"), Egress: true, Protocol: "-1", From: -1, To: -1, CIDR: "0.0.0.0/0"},
	}
	tx.Put(group)
}

// networkKnown says whether a region has its default VPC.
func networkKnown(v *store.View, region arn.Scope) bool {
	_, ok := v.SecurityGroup(region.Region, defaultID(region, "sg"))
	return ok
}

// part is the i-th block of a VPC, 16 of which fill it.
func part(vpc netip.Prefix, i int) netip.Prefix {
	bits := vpc.Bits() + subnetBits
	b := vpc.Addr().As4()
	n := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
	n += uint32(i) << (32 - bits)
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}), bits)
}

// CheckVPC says what is wrong with the block of a default VPC, "" if nothing is: it needs room for three subnets.
func CheckVPC(cidr string) string {
	p, err := netip.ParsePrefix(cidr)
	if err != nil || !p.Addr().Is4() || p != p.Masked() || p.Bits() < 8 || p.Bits() > 24 {
		return fmt.Sprintf("%q is not a block of IPv4 addresses with a prefix of 8 to 24 bits, as %s", cidr, DefaultCIDR)
	}
	if a := p.Addr(); a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsUnspecified() || a.As4()[0] >= 224 {
		return fmt.Sprintf("%s are no addresses that a task could have; a private block is, as %s", cidr, DefaultCIDR)
	}
	return ""
}

// Zones are the availability zones of a region.
func Zones(region string) []string { return []string{region + "a", region + "b", region + "c"} }

// defaultID is an id that is the same whoever makes the region's network, and whenever.
func defaultID(scope arn.Scope, kind string, more ...string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s/%s/%s/%q", scope.Account, scope.Region, kind, more))
	return kind + "-0" + hex.EncodeToString(sum[:8])
}

// NetworkRequest is where the network interfaces of tasks are asked to be.
type NetworkRequest struct {
	Subnets, SecurityGroups []string
	AssignPublicIP          bool
}

// Network completes what is asked for: what is named has to be there, in one VPC, and without a security group it is the
// VPC's default one. Nothing for nothing. The transaction depends on the groups, so that none is deleted meanwhile.
func Network(tx *store.Tx, call Call, in *NetworkRequest) (*model.NetworkConfiguration, error) {
	if in == nil {
		return nil, nil
	}
	out := &model.NetworkConfiguration{Subnets: in.Subnets, AssignPublicIP: in.AssignPublicIP}
	vpc := ""
	for _, id := range in.Subnets {
		s, ok := tx.View().Subnet(call.Region, id)
		if !ok {
			return nil, missingSubnet(id)
		}
		if vpc = cmp.Or(vpc, s.VPC); vpc != s.VPC {
			return nil, model.InvalidParameter("subnets should all be in the same VPC: " + id + " is in " + s.VPC + ", not in " + vpc + ".")
		}
		if !slices.Contains(out.Zones, s.Zone) {
			out.Zones = append(out.Zones, s.Zone)
		}
	}
	for _, id := range in.SecurityGroups {
		g, ok := tx.View().SecurityGroup(call.Region, id)
		if !ok {
			return nil, missingGroup(id)
		}
		if g.VPC != vpc {
			return nil, model.InvalidParameter("securityGroups: " + id + " is in " + g.VPC + ", and the subnets are in " + vpc + ".")
		}
		tx.Guard(g.Key())
		out.SecurityGroups = append(out.SecurityGroups, id)
	}
	if len(in.SecurityGroups) == 0 {
		for g := range tx.View().SecurityGroups(call.Region) {
			if g.VPC == vpc && g.Name == DefaultGroup {
				out.SecurityGroups = []string{g.ID}
			}
		}
	}
	return out, nil
}

func missingSubnet(id string) error {
	return model.InvalidParameter(fmt.Sprintf("Error retrieving subnet information for [%.100s]: "+
		"The subnet ID '%.100s' does not exist (ErrorCode: InvalidSubnetID.NotFound)", id, id))
}

func missingGroup(id string) error {
	return model.InvalidParameter(fmt.Sprintf("Error retrieving security group information for [%.100s]: "+
		"The security group '%.100s' does not exist (ErrorCode: InvalidGroup.NotFound)", id, id))
}
