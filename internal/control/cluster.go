package control

import (
	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// DefaultCluster is the name of the cluster that a request means when it names none ("CreateCluster").
const DefaultCluster = "default"

// RegionKnown says whether a region of an account has its default VPC and its default cluster, or has had that: one that
// its owner deleted stays deleted. It is cheap enough to be asked for each request.
func RegionKnown(v *store.View, region arn.Scope) bool {
	_, ok := v.Cluster(region.Cluster(DefaultCluster))
	return ok && networkKnown(v, region)
}

// EnsureRegion makes the default cluster and the default VPC of the call's region, if there has never been one. ECS leaves that to its
// user; here nobody has to begin with CreateCluster.
func EnsureRegion(tx *store.Tx, call Call) {
	if !networkKnown(tx.View(), call.Scope) {
		ensureNetwork(tx, call)
	}
	if _, ok := tx.View().Cluster(call.Cluster(DefaultCluster)); ok {
		return
	}
	c := newCluster(tx.View(), call, NewCluster{Name: DefaultCluster})
	c.Cause.Detail = "the first request to " + call.Region + " finds its default cluster"
	tx.Put(c)
}

// NewCluster is what CreateCluster asks for.
type NewCluster struct {
	Name     string
	Settings []model.Setting // those that are not named are as the account settings have them
	Tags     []model.Tag
	Document []byte // members given back as given
}

// CreateCluster makes a cluster. One that is there already is left as it is, and a deleted one begins a new life
// ("CreateCluster"). Machines become its container instances by JoinCluster.
func CreateCluster(tx *store.Tx, call Call, in NewCluster) *model.Cluster {
	if old, ok := tx.View().Cluster(call.Cluster(in.Name)); ok && old.Status == model.Active {
		return old
	}
	c := newCluster(tx.View(), call, in)
	tx.Put(c)
	return c
}

func newCluster(v *store.View, call Call, in NewCluster) *model.Cluster {
	return &model.Cluster{
		ARN: call.Cluster(in.Name), Name: in.Name, Region: call.Region, Status: model.Active,
		Settings: clusterSettings(v, call, in.Settings), Tags: in.Tags, CreatedAt: call.Now, Document: in.Document,
		Cause: call.Cause("cluster " + in.Name + " is made"),
	}
}

// clusterSettings completes the settings of a new cluster: containerInsights is as the account has it.
func clusterSettings(v *store.View, call Call, given []model.Setting) []model.Setting {
	if len(given) > 0 {
		return given
	}
	insights := EffectiveSetting(v, call.Scope, call.Principal, ContainerInsights)
	return []model.Setting{{Name: ContainerInsights, Value: insights.Value}}
}

// UpdateCluster changes a cluster (given by ARN) as edit says; edit may be called more than once.
func UpdateCluster(tx *store.Tx, call Call, cluster string, edit func(*model.Cluster) error) (*model.Cluster, error) {
	old, ok := tx.View().Cluster(cluster)
	if !ok {
		return nil, model.ClusterNotFound()
	}
	if old.Status != model.Active {
		return nil, inactiveCluster()
	}
	c := *old
	if err := edit(&c); err != nil {
		return nil, err
	}
	c.Cause = call.Cause("cluster " + c.Name + " is changed")
	tx.Put(&c)
	return &c, nil
}

func inactiveCluster() *model.Error {
	return &model.Error{Code: "ClusterNotFoundException", Message: "The referenced cluster was inactive."}
}

// DeleteCluster makes an empty cluster (given by ARN) INACTIVE ("DeleteCluster"). Its container instances have to be
// deregistered first, but for those of machines that join every cluster: nobody registered them, and they go with it,
// by LeaveCluster.
func DeleteCluster(tx *store.Tx, call Call, cluster string) (*model.Cluster, error) {
	old, ok := tx.View().Cluster(cluster)
	if !ok || old.Status != model.Active {
		return nil, model.ClusterNotFound()
	}
	if err := clusterEmpty(tx.View(), old); err != nil {
		return nil, err
	}
	// Whoever adds something meanwhile wins: services and instances by their keys, standalone tasks by the occupancy of
	// their machine. Afterwards the cluster itself, on which all of these depend, is in the way.
	tx.GuardPrefix(model.KindInstance, arn.Instance(cluster, ""))
	tx.GuardPrefix(model.KindService, arn.Service(cluster, ""))
	tx.GuardPrefix(model.KindOccupancy, "")
	c := *old
	c.Status, c.ClosedAt = model.Inactive, call.Now
	c.Cause = call.Cause("cluster " + c.Name + " is deleted")
	tx.Put(&c)
	return &c, nil
}

// clusterEmpty says what keeps a cluster from being deleted, in the order in which ECS looks.
func clusterEmpty(v *store.View, c *model.Cluster) error {
	refuse := func(what, are string) error {
		return &model.Error{
			Code:    "ClusterContains" + what + "Exception",
			Message: "The Cluster cannot be deleted while " + are + ".",
		}
	}
	for i := range v.InstancesOfCluster(c.ARN) {
		if i.Status != model.Inactive && registered(v, i, c) {
			return refuse("ContainerInstances", "Container Instances are active or draining")
		}
	}
	for s := range v.Services(c.ARN) {
		if s.Status != model.Inactive {
			return refuse("Services", "Services are active")
		}
	}
	for t := range v.TasksOfCluster(c.ARN) {
		if !t.Stopped() {
			return refuse("Tasks", "Tasks are active")
		}
	}
	return nil
}

// registered says whether the machine of a container instance names the cluster, rather than joining all there are.
func registered(v *store.View, i *model.Instance, c *model.Cluster) bool {
	m, ok := v.Machine(i.Machine)
	return ok && len(m.Clusters) > 0 && joins(m, c)
}

// ClusterCounts is what DescribeClusters counts.
type ClusterCounts struct {
	Instances int // ACTIVE and DRAINING
	// By launch type: tasks that run, tasks on their way there, services.
	Running, Pending, Active, Draining map[string]int
}

// Sum adds up the launch types.
func Sum(byLaunchType map[string]int) int {
	n := 0
	for _, k := range byLaunchType {
		n += k
	}
	return n
}

// CountCluster counts what is in a cluster (given by ARN).
func CountCluster(v *store.View, cluster string) ClusterCounts {
	n := ClusterCounts{
		Running: map[string]int{}, Pending: map[string]int{}, Active: map[string]int{}, Draining: map[string]int{},
	}
	for i := range v.InstancesOfCluster(cluster) {
		if i.Status != model.Inactive {
			n.Instances++
		}
	}
	for t := range v.TasksOfCluster(cluster) {
		switch status := t.LastStatus(); {
		case status == model.TaskRunning:
			n.Running[t.LaunchType]++
		case status.Order() < model.TaskRunning.Order():
			n.Pending[t.LaunchType]++
		}
	}
	for s := range v.Services(cluster) {
		switch s.Status {
		case model.Active:
			n.Active[s.LaunchType]++
		case model.Draining:
			n.Draining[s.LaunchType]++
		default: // it is over
		}
	}
	return n
}

// FindCluster finds a cluster (given by ARN), be it active or not.
func FindCluster(v *store.View, cluster string) (*model.Cluster, error) {
	if c, ok := v.Cluster(cluster); ok {
		return c, nil
	}
	return nil, model.ClusterNotFound()
}
