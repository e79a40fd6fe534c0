package ecs

import (
	"fmt"
	"strings"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
)

// clusterMember is a kind of thing that belongs to a cluster and is named by an id or an ARN.
type clusterMember struct {
	name string                          // of the request's member
	kind string                          // in its ARN
	id   string                          // how messages call the id
	arn  func(cluster, id string) string // in the long form
}

func taskMember(name string) clusterMember { return clusterMember{name, "task", "taskId", arn.Task} }

func instanceMember(name string) clusterMember {
	return clusterMember{name, "container-instance", "containerInstanceId", arn.Instance}
}

// find gives the ARN of what an id, an ARN, or an ARN of the short form names in a cluster. Whether it exists is another
// question.
func (m clusterMember) find(call control.Call, cluster, ref string) (string, error) {
	id := ref
	if strings.HasPrefix(ref, "arn:") {
		if _, err := resourceARN(call, m.name, m.kind, ref); err != nil {
			return "", err
		}
		a, _ := arn.Parse(ref)
		named, rest, long := strings.Cut(a.ID, "/")
		if id = a.ID; long {
			id = rest
			if named != arn.Name(cluster) {
				return "", model.InvalidParameter(fmt.Sprintf(
					"Invalid identifier: Identifier is for cluster %.255s. Your cluster is %s. Check %s.", named, arn.Name(cluster), m.name))
			}
		}
	}
	if !validID(id) {
		return "", model.InvalidParameter(fmt.Sprintf(
			"%s length should be one of [32,36]: %s should be hexadecimal ids or ARNs, got %.300q.", m.id, m.name, ref))
	}
	return m.arn(cluster, id), nil
}

// findAll is find for each of a list.
func (m clusterMember) findAll(call control.Call, cluster string, refs []string) ([]string, error) {
	list := make([]string, 0, len(refs))
	for _, ref := range refs {
		found, err := m.find(call, cluster, ref)
		if err != nil {
			return nil, err
		}
		list = append(list, found)
	}
	return list, nil
}

// validID says whether an id can be that of a task or container instance: 32 hexadecimal digits, or a UUID with hyphens
// as ECS made them once.
func validID(id string) bool {
	if len(id) != 32 && len(id) != 36 {
		return false
	}
	return strings.Trim(id, "0123456789abcdefABCDEF-") == ""
}

// clusterMembers reads the cluster and the list of a request that has to name some of its tasks or container instances,
// at most as many as limit says.
func clusterMembers(call control.Call, m clusterMember, clusterRef *string, refs []string, limit int) (cluster string, arns []string, err error) {
	if cluster, err = clusterARN(call, clusterRef); err != nil {
		return "", nil, err
	}
	if len(refs) == 0 {
		return "", nil, model.InvalidParameter(m.name + " can not be empty.")
	}
	if err := atMost(m.name, refs, limit); err != nil {
		return "", nil, err
	}
	arns, err = m.findAll(call, cluster, refs)
	return cluster, arns, err
}
