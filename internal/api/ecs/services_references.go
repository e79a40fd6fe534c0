package ecs

import (
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// serviceARN gives the ARN of the service that a request names, by name or by ARN, in a cluster that it names likewise.
// Whether they exist is another question.
func serviceARN(call control.Call, clusterRef, ref *string) (string, error) {
	cluster, err := clusterARN(call, clusterRef)
	if err != nil {
		return "", err
	}
	name := aws.ToString(ref)
	switch {
	case name == "":
		return "", model.InvalidParameter("service should not be empty.")
	case strings.HasPrefix(name, "arn:"):
		return serviceOfCluster(call, cluster, name)
	case !validName(name):
		return "", model.InvalidParameter(fmt.Sprintf("service: %.300q is neither the name nor the ARN of a service: %s.", name, nameRule))
	}
	return arn.Service(cluster, name), nil
}

// serviceOfCluster reads the ARN of a service in its long form, or in the short one, which does not name the cluster.
func serviceOfCluster(call control.Call, cluster, ref string) (string, error) {
	if _, err := resourceARN(call, "service", "service", ref); err != nil {
		return "", err
	}
	a, _ := arn.Parse(ref)
	named, name, long := strings.Cut(a.ID, "/")
	if !long {
		named, name = arn.Name(cluster), a.ID
	}
	if !validName(named) || !validName(name) {
		return "", model.InvalidParameter(fmt.Sprintf("service: %.300q is not the ARN of a service.", ref))
	}
	if named != arn.Name(cluster) {
		return "", model.InvalidParameter(fmt.Sprintf("Identifier is for cluster %s. Your cluster is %s: name the cluster of the service in cluster.",
			named, arn.Name(cluster)))
	}
	return arn.Service(cluster, name), nil
}

// findDefinition gives the ARN of the task definition that a request names by FAMILY, FAMILY:REVISION or ARN, nil if it
// names none.
func findDefinition(v *store.View, call control.Call, ref *string) (*string, error) {
	if ref == nil {
		return nil, nil
	}
	def := control.FindTaskDefinition(v, call.Scope, *ref)
	if def == nil {
		return nil, model.ClientFault("TaskDefinition not found.")
	}
	return &def.ARN, nil
}

// partOfService takes the ARN of a service deployment or service revision apart, into that of the service and an id.
func partOfService(call control.Call, member, kind, ref string) (service, id string, err error) {
	if _, err := resourceARN(call, member, kind, ref); err != nil {
		return "", "", err
	}
	a, _ := arn.Parse(ref)
	parts := strings.Split(a.ID, "/")
	if len(parts) != 3 || !validName(parts[0]) || !validName(parts[1]) || parts[2] == "" {
		return "", "", model.InvalidParameter(fmt.Sprintf("%s: %.300q is not the ARN of a %s.", member, ref, strings.ReplaceAll(kind, "-", " ")))
	}
	return arn.Service(call.Cluster(parts[0]), parts[1]), parts[2], nil
}
