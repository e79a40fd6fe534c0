package store

import (
	"iter"

	"github.com/maitred/maitred/internal/model"
)

// VPCs yields the networks of a region by id.
func (v *View) VPCs(region string) iter.Seq[*model.VPC] {
	return prefixed[*model.VPC](v, tVPC, region+"/")
}

// Subnet finds a subnet by id.
func (v *View) Subnet(region, id string) (*model.Subnet, bool) {
	return lookup[*model.Subnet](v, tSubnet, model.SubnetKey(region, id).Path)
}

// Subnets yields the subnets of a region by id.
func (v *View) Subnets(region string) iter.Seq[*model.Subnet] {
	return prefixed[*model.Subnet](v, tSubnet, region+"/")
}

// SecurityGroup finds a security group by id.
func (v *View) SecurityGroup(region, id string) (*model.SecurityGroup, bool) {
	return lookup[*model.SecurityGroup](v, tSecurityGroup, model.SecurityGroupKey(region, id).Path)
}

// SecurityGroups yields the security groups of a region by id.
func (v *View) SecurityGroups(region string) iter.Seq[*model.SecurityGroup] {
	return prefixed[*model.SecurityGroup](v, tSecurityGroup, region+"/")
}

// Secret finds a stored secret by name.
func (v *View) Secret(region, name string) (*model.StoredSecret, bool) {
	return lookup[*model.StoredSecret](v, tSecret, model.StoredSecretKey(region, name).Path)
}

// Secrets yields the stored secrets of a region by name.
func (v *View) Secrets(region string) iter.Seq[*model.StoredSecret] {
	return prefixed[*model.StoredSecret](v, tSecret, region+"/")
}

// AllSecrets yields the stored secrets of all regions by region and name.
func (v *View) AllSecrets() iter.Seq[*model.StoredSecret] {
	return whole[*model.StoredSecret](v, tSecret)
}

// LogGroup finds a log group by name.
func (v *View) LogGroup(region, name string) (*model.LogGroup, bool) {
	return lookup[*model.LogGroup](v, tLogGroup, model.LogGroupKey(region, name).Path)
}

// LogGroups yields the log groups of a region whose names start with a prefix, by name.
func (v *View) LogGroups(region, prefix string) iter.Seq[*model.LogGroup] {
	return prefixed[*model.LogGroup](v, tLogGroup, region+"/"+prefix)
}
