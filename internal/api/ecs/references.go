package ecs

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
)

// clusterARN gives the ARN of the cluster that a request names: by name, by ARN, or the default one by nothing. Whether
// it exists is another question.
func clusterARN(call control.Call, ref *string) (string, error) {
	name := aws.ToString(ref)
	switch {
	case name == "":
		return call.Cluster(control.DefaultCluster), nil
	case strings.HasPrefix(name, "arn:"):
		return resourceARN(call, "cluster", "cluster", name)
	case !validName(name):
		return "", model.InvalidParameter(fmt.Sprintf("cluster: %.300q is neither the name nor the ARN of a cluster: %s.", name, nameRule))
	}
	return call.Cluster(name), nil
}

// resourceARN checks the ARN of something of a kind (cluster, service, task …) in a member of a request: it has to be of
// the request's region and account.
func resourceARN(call control.Call, member, kind, ref string) (string, error) {
	a, ok := arn.Parse(ref)
	if !ok || a.Service != "ecs" {
		return "", model.InvalidParameter(fmt.Sprintf("%s: %.300q is not the ARN of an Amazon ECS resource.", member, ref))
	}
	if a.Type != kind {
		return "", model.InvalidParameter(fmt.Sprintf("Unsupported resource type: %.100s. %s should be a %s.", a.Type, member, kind))
	}
	return ref, owned(call, member, ref)
}

// owned refuses an ARN of another region or account.
func owned(call control.Call, member, ref string) error {
	if s := arn.ScopeOf(ref); s != call.Scope {
		return model.InvalidParameter(fmt.Sprintf("%s: %.300s is in the region %q and account %q; this request is for %q and %q.",
			member, ref, s.Region, s.Account, call.Region, call.Account))
	}
	return nil
}

const nameRule = "1 to 255 letters, digits, underscores and hyphens are allowed"

var namePattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,255}$`)

// validName is the rule for the names of clusters, families, services, containers and volumes.
func validName(name string) bool { return namePattern.MatchString(name) }

// includes says whether a describing request asks for more of a kind.
func includes[F comparable](include []F, what F) bool { return slices.Contains(include, what) }

// atMost refuses a list that is longer than a request may carry.
func atMost[T any](member string, list []T, limit int) error {
	if len(list) > limit {
		return model.InvalidParameter(fmt.Sprintf("%s: %d were given; at most %d are allowed in one request.", member, len(list), limit))
	}
	return nil
}

// missing is the failure of a describing request for what does not exist.
func missing(ref string) types.Failure {
	return types.Failure{Arn: aws.String(ref), Reason: aws.String("MISSING")}
}
