// Package arn builds and parses the Amazon Resource Names of ECS resources, in their long form, and shapes random bytes
// as the ids that stand in them ("Amazon Resource Names (ARNs) and IDs").
package arn

import (
	"crypto/sha256"
	"strings"
)

// Scope is where resources live: a region of an account.
type Scope struct {
	Region  string
	Account string
}

func (s Scope) ecs(resource string) string {
	return "arn:aws:ecs:" + s.Region + ":" + s.Account + ":" + resource
}

// Cluster is arn:aws:ecs:R:A:cluster/NAME.
func (s Scope) Cluster(name string) string { return s.ecs("cluster/" + name) }

// TaskDefinition is arn:aws:ecs:R:A:task-definition/FAMILY:REVISION.
func (s Scope) TaskDefinition(familyRevision string) string {
	return s.ecs("task-definition/" + familyRevision)
}

// Role is the ARN of a service-linked role of ECS.
func (s Scope) Role() string {
	return "arn:aws:iam::" + s.Account + ":role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS"
}

// Root is the ARN of the account itself.
func (s Scope) Root() string { return "arn:aws:iam::" + s.Account + ":root" }

// ARN is a parsed Amazon Resource Name.
type ARN struct {
	Partition, Service, Region, Account string
	Type                                string // cluster, service, task …; the part of the resource before the first slash
	ID                                  string // the rest of the resource
}

// Parse takes an ARN apart. ok is false for anything else.
func Parse(s string) (a ARN, ok bool) {
	part := strings.SplitN(s, ":", 6)
	if len(part) != 6 || part[0] != "arn" {
		return ARN{}, false
	}
	kind, id, found := strings.Cut(part[5], "/")
	if !found || kind == "" || id == "" {
		return ARN{}, false
	}
	return ARN{Partition: part[1], Service: part[2], Region: part[3], Account: part[4], Type: kind, ID: id}, true
}

// Scope gives the region and account of an ARN.
func (a ARN) Scope() Scope { return Scope{a.Region, a.Account} }

// ScopeOf gives the region and account of an ARN in text form; zero for what is no ARN.
func ScopeOf(s string) Scope {
	a, _ := Parse(s)
	return a.Scope()
}

// sibling swaps "cluster/NAME" in a cluster's ARN for another resource of that cluster.
func sibling(cluster, kind, id string) string {
	head, name, _ := strings.Cut(cluster, ":cluster/")
	return head + ":" + kind + "/" + name + "/" + id
}

// Service is the ARN of a service of a cluster (given by ARN).
func Service(cluster, name string) string { return sibling(cluster, "service", name) }

// Task is the ARN of a task of a cluster (given by ARN).
func Task(cluster, id string) string { return sibling(cluster, "task", id) }

// Instance is the ARN of a container instance of a cluster (given by ARN).
func Instance(cluster, id string) string { return sibling(cluster, "container-instance", id) }

// ClusterOf gives the ARN of the cluster that a service, task or container instance belongs to.
func ClusterOf(s string) string {
	a, ok := Parse(s)
	if !ok {
		return ""
	}
	name, _, _ := strings.Cut(a.ID, "/")
	return a.Scope().Cluster(name)
}

// Container is the ARN of a container of a task (given by ARN); its id follows from the task and the container's name.
func Container(task, name string) string {
	sum := sha256.Sum256([]byte(task + "/" + name))
	return strings.Replace(task, ":task/", ":container/", 1) + "/" + UUID([16]byte(sum[:16]))
}

// ServiceRevision is the ARN of the revision of a service that a deployment rolls out. Its id is that of the
// deployment: clients look for the one in the other.
func ServiceRevision(service, deployment string) string {
	return strings.Replace(service, ":service/", ":service-revision/", 1) + "/" + Name(deployment)
}

// ServiceDeployment is the ARN of a deployment in the history of a service.
func ServiceDeployment(service, token string) string {
	return strings.Replace(service, ":service/", ":service-deployment/", 1) + "/" + token
}

// Name gives what follows the last slash of an ARN, or the string itself: it accepts a name, an id, or an ARN.
func Name(s string) string { return s[strings.LastIndexByte(s, '/')+1:] }
