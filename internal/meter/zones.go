package meter

import (
	"slices"

	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/reading"
	"github.com/maitred/maitred/internal/store"
)

// zonal says whether a series is told of each availability zone as well: the one that the balancer is in, as AWS tells what
// the nodes of a zone measure ("Metric dimensions for Application Load Balancers", "… for Network Load Balancers").
func zonal(k *key) bool {
	switch k.namespace {
	case model.NamespaceNetwork:
		return true
	case model.NamespaceApplication:
		return !slices.Contains(zoneless(), k.name)
	}
	return false
}

// zoneless are the metrics of Application Load Balancers that are told of no zone.
func zoneless() []string {
	return []string{
		"ActiveConnectionCount", "GrpcRequestCount", "HTTPCode_ELB_500_Count", "HTTPCode_ELB_502_Count", "HTTPCode_ELB_503_Count",
		"HTTPCode_ELB_504_Count", "HTTP_Fixed_Response_Count", "HTTP_Redirect_Count", "HTTP_Redirect_Url_Limit_Exceeded_Count",
		"HealthyStateRouting", "NewConnectionCount", "ProcessedBytes", "RequestCountPerTarget", "RuleEvaluations", "UnhealthyStateRouting",
	}
}

// zoneOf is the zone of a balancer, by its id.
func zoneOf(v *store.View, id string) string {
	r, _, _ := v.Get(model.BalancerKey(id))
	if b, ok := r.(*model.Balancer); ok {
		return b.Zone
	}
	return ""
}

// states says in how many zones the targets of a group get requests as they should, and in how many the requirements of the
// unhealthy state routing are met, so that all targets get them: by what the balancers told last ("Target group health").
// A zone in which the balancers do not agree does not meet the requirements.
func states(s *sheet, v *store.View, told map[sourceID][]reading.Group, l leads) {
	failing := map[string]map[string]bool{} // by group and zone
	for id, groups := range told {
		zone := zoneOf(v, id.id)
		for i := range groups {
			g := &groups[i]
			if failing[g.ARN] == nil {
				failing[g.ARN] = map[string]bool{}
			}
			failing[g.ARN][zone] = failing[g.ARN][zone] || g.FailOpen || g.Healthy == 0
		}
	}
	for group, zones := range failing {
		for _, balancer := range l[group] {
			if of := balancerSubject(balancer); !of.network() {
				state(s, of.with(groupSubject(group)), zones)
			}
		}
	}
}

func state(s *sheet, of subject, zones map[string]bool) {
	bad := 0
	for _, failing := range zones {
		if failing {
			bad++
		}
	}
	s.add(key{of, model.NamespaceApplication, "HealthyStateRouting", count}, float64(len(zones)-bad))
	s.add(key{of, model.NamespaceApplication, "UnhealthyStateRouting", count}, float64(bad))
}
