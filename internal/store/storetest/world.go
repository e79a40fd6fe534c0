package storetest

import (
	"fmt"
	"time"

	"pgregory.net/rapid"

	"github.com/maitred/maitred/internal/model"
)

// Records draws records of a small world, so that keys collide and records move between the groups that they are
// indexed by.
func Records() *rapid.Generator[model.Record] { //nolint:gocyclo // one case for each table
	return rapid.Custom(func(t *rapid.T) model.Record {
		n := rapid.IntRange(0, 3).Draw(t, "n")
		id := fmt.Sprint(n)
		group := func(label string) string { return rapid.SampledFrom([]string{"x", "y", "yy"}).Draw(t, label) }
		at := time.Unix(int64(rapid.IntRange(0, 2).Draw(t, "at")), 0).UTC()
		switch rapid.SampledFrom(model.Kinds()).Draw(t, "kind") {
		case model.KindCluster:
			return &model.Cluster{ARN: group("arn"), Name: group("name")}
		case model.KindTaskDefinition:
			return &model.TaskDefinition{ARN: "td" + id, Region: group("region"), Family: group("family"), Revision: 8 + n}
		case model.KindFamily:
			return &model.Family{Region: "r", Name: group("name"), Last: n}
		case model.KindService:
			return &model.Service{ARN: "s" + id, Cluster: group("cluster")}
		case model.KindServiceState:
			return &model.ServiceState{Service: "s" + id, StartFailures: n}
		case model.KindDeployment:
			return &model.Deployment{Service: group("service"), ID: "ecs-svc/" + id, CreatedAt: at}
		case model.KindEvent:
			return &model.ServiceEvent{Service: group("service"), Number: n, At: at}
		case model.KindTask:
			service := rapid.SampledFrom([]string{"", "s0", "s1"}).Draw(t, "service")
			return &model.Task{ARN: "t" + id, Machine: group("machine"), Cluster: group("cluster"), Service: service}
		case model.KindObserved:
			return &model.Observed{Task: "t" + id, Machine: group("machine"), StartedAt: at}
		case model.KindMachine:
			return &model.Machine{ID: group("id"), SeenAt: at}
		case model.KindInstance:
			return &model.Instance{ARN: "i" + id, Cluster: group("cluster"), Machine: group("machine")}
		case model.KindOccupancy:
			return &model.Occupancy{Machine: group("machine"), Placements: n}
		case model.KindPlacement:
			return &model.Placement{Machine: group("machine")}
		case model.KindSetting:
			return &model.Setting{Region: "r", Principal: group("principal"), Name: id}
		case model.KindVPC:
			return &model.VPC{ID: "vpc-" + id, Region: group("region"), CIDR: "10.0.0.0/16"}
		case model.KindSubnet:
			return &model.Subnet{ID: "subnet-" + id, Region: group("region"), Zone: group("zone")}
		case model.KindSecurityGroup:
			return &model.SecurityGroup{ID: "sg-" + id, Region: group("region"), Name: group("name")}
		case model.KindSecret:
			return &model.StoredSecret{Region: group("region"), Name: id, Sealed: []byte(id), ChangedAt: at}
		case model.KindLogGroup:
			return &model.LogGroup{Region: group("region"), Name: id, RetentionDays: n}
		default:
			return &model.Token{Region: "r", Action: group("action"), Value: id, Results: []string{group("result")}}
		}
	})
}
