package store

import (
	"iter"
	"strings"

	"github.com/maitred/maitred/internal/model"
)

// Cluster finds a cluster by ARN.
func (v *View) Cluster(arn string) (*model.Cluster, bool) {
	return lookup[*model.Cluster](v, tCluster, arn)
}

// Clusters yields all clusters by ARN.
func (v *View) Clusters() iter.Seq[*model.Cluster] { return whole[*model.Cluster](v, tCluster) }

// TaskDefinition finds a task definition by ARN.
func (v *View) TaskDefinition(arn string) (*model.TaskDefinition, bool) {
	return lookup[*model.TaskDefinition](v, tTaskDefinition, arn)
}

// TaskDefinitions yields the task definitions of a region whose family starts with a prefix, by family and then from
// the oldest revision to the newest.
func (v *View) TaskDefinitions(region, familyPrefix string) iter.Seq[*model.TaskDefinition] {
	first := &item{record: &model.TaskDefinition{Region: region, Family: familyPrefix}}
	return records[*model.TaskDefinition](ascend(v.indexes[xDefinitions], first, func(x *item) bool {
		d := x.record.(*model.TaskDefinition)
		return d.Region == region && strings.HasPrefix(d.Family, familyPrefix)
	}))
}

// Revisions yields the task definitions of one family from the oldest revision to the newest.
func (v *View) Revisions(region, family string) iter.Seq[*model.TaskDefinition] {
	first := &item{record: &model.TaskDefinition{Region: region, Family: family}}
	return records[*model.TaskDefinition](ascend(v.indexes[xDefinitions], first, func(x *item) bool {
		d := x.record.(*model.TaskDefinition)
		return d.Region == region && d.Family == family
	}))
}

// Family finds a family.
func (v *View) Family(region, name string) (*model.Family, bool) {
	return lookup[*model.Family](v, tFamily, model.FamilyKey(region, name).Path)
}

// Families yields the families of a region whose names start with a prefix, by name.
func (v *View) Families(region, prefix string) iter.Seq[*model.Family] {
	return prefixed[*model.Family](v, tFamily, region+"/"+prefix)
}

// Service finds a service by ARN.
func (v *View) Service(arn string) (*model.Service, bool) {
	return lookup[*model.Service](v, tService, arn)
}

// AllServices yields the services of all clusters by ARN.
func (v *View) AllServices() iter.Seq[*model.Service] { return whole[*model.Service](v, tService) }

// Services yields the services of a cluster (given by ARN) by ARN.
func (v *View) Services(cluster string) iter.Seq[*model.Service] {
	return grouped[*model.Service](v, xServices, cluster, clusterOfService)
}

// ServiceState finds what the scheduler remembers of a service.
func (v *View) ServiceState(service string) (*model.ServiceState, bool) {
	return lookup[*model.ServiceState](v, tServiceState, service)
}

// Deployment finds a deployment of a service by its id.
func (v *View) Deployment(service, id string) (*model.Deployment, bool) {
	return lookup[*model.Deployment](v, tDeployment, model.DeploymentKey(service, id).Path)
}

// Deployments yields the deployments of a service from the newest to the oldest.
func (v *View) Deployments(service string) iter.Seq[*model.Deployment] {
	first := &item{record: &model.Deployment{Service: service, CreatedAt: lastInstant()}}
	return records[*model.Deployment](ascend(v.indexes[xDeployments], first, func(x *item) bool {
		return x.record.(*model.Deployment).Service == service
	}))
}

// Events yields the events of a service from the newest to the oldest.
func (v *View) Events(service string) iter.Seq[*model.ServiceEvent] {
	return func(yield func(*model.ServiceEvent) bool) {
		// ":" follows the digits of an event's number.
		v.tables[tEvent].Descend(&item{path: service + "/:"}, func(x *item) bool {
			e := x.record.(*model.ServiceEvent)
			return e.Service == service && yield(e)
		})
	}
}

// Setting finds an account setting.
func (v *View) Setting(region, principal, name string) (*model.Setting, bool) {
	s := model.Setting{Region: region, Principal: principal, Name: name}
	return lookup[*model.Setting](v, tSetting, s.Key().Path)
}

// Settings yields the account settings of a region by principal and name.
func (v *View) Settings(region string) iter.Seq[*model.Setting] {
	return prefixed[*model.Setting](v, tSetting, region+"/")
}

// Token finds a remembered request by its key (model.TokenKey).
func (v *View) Token(k model.Key) (*model.Token, bool) {
	if k.Kind != model.KindToken {
		return nil, false
	}
	return lookup[*model.Token](v, tToken, k.Path)
}

// Tokens yields all remembered requests.
func (v *View) Tokens() iter.Seq[*model.Token] { return whole[*model.Token](v, tToken) }
