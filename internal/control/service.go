package control

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// NewService is what CreateService asks for; defaults are filled in.
type NewService struct {
	Cluster        string // ARN
	Name           string
	TaskDefinition string // ARN
	DesiredCount   int
	Scheduling     string
	LaunchType     string
	MinHealthy     int
	MaxPercent     int
	Constraints    []model.Constraint
	Strategy       []model.Strategy
	HealthGrace    time.Duration
	PropagateTags  string
	ManagedTags    bool
	Tags           []model.Tag
	Document       []byte // members given back as given
	Revision       []byte // likewise, of the service revision
}

// CreateService makes a service and its first deployment; the scheduler starts the tasks. It is idempotent by name.
func CreateService(tx *store.Tx, call Call, in NewService) (*model.Service, error) {
	cluster, err := activeCluster(tx, in.Cluster)
	if err != nil {
		return nil, err
	}
	def, err := activeDefinition(tx, in.TaskDefinition)
	if err != nil {
		return nil, err
	}
	arn := arn.Service(cluster.ARN, in.Name)
	if old, ok := tx.View().Service(arn); ok {
		if same, err := again(tx.View(), old, in); err != nil || same != nil {
			return same, err
		}
		forget(tx, arn)
	}
	svc := &model.Service{
		ARN: arn, Name: in.Name, Cluster: cluster.ARN, Region: cluster.Region, Status: model.Active,
		Scheduling: in.Scheduling, DesiredCount: in.DesiredCount, LaunchType: in.LaunchType,
		MinHealthy: in.MinHealthy, MaxPercent: in.MaxPercent, Constraints: in.Constraints, Strategy: in.Strategy,
		HealthGrace: in.HealthGrace, PropagateTags: in.PropagateTags, ManagedTags: in.ManagedTags, Tags: in.Tags,
		CreatedAt: call.Now, Document: in.Document,
		Cause: call.Cause(fmt.Sprintf("%s with %d tasks of %s", in.Name, in.DesiredCount, def.Name())),
	}
	if in.Scheduling == model.Daemon {
		svc.Cause.Detail = fmt.Sprintf("%s with a task of %s on each machine", in.Name, def.Name())
	}
	deploy(tx, call, svc, def.ARN, in.Revision)
	tx.Put(svc)
	return svc, nil
}

// again answers the creation of a service whose name is taken: the existing one if it is the same, an error, or neither
// if the old one is over and a new one may take its place.
func again(v *store.View, old *model.Service, in NewService) (*model.Service, error) {
	switch old.Status {
	case model.Draining:
		return nil, model.InvalidParameter("Unable to Start a service that is still Draining.")
	case model.Inactive:
		return nil, nil
	}
	d, _ := v.Deployment(old.ARN, old.Primary)
	now := NewService{
		Cluster: old.Cluster, Name: old.Name, TaskDefinition: d.TaskDefinition, DesiredCount: old.DesiredCount,
		Scheduling: old.Scheduling, LaunchType: old.LaunchType, MinHealthy: old.MinHealthy, MaxPercent: old.MaxPercent,
		Constraints: old.Constraints, Strategy: old.Strategy, HealthGrace: old.HealthGrace,
		PropagateTags: old.PropagateTags, ManagedTags: old.ManagedTags, Tags: old.Tags, Document: old.Document, Revision: d.Document,
	}
	if !reflect.DeepEqual(now, in) {
		return nil, model.InvalidParameter("Creation of service was not idempotent.")
	}
	return old, nil
}

// forget resets what the scheduler remembers of a deleted service of the same name. Events keep counting, so that old
// ones are not written over out of order.
func forget(tx *store.Tx, service string) {
	if state, ok := tx.View().ServiceState(service); ok {
		tx.Put(&model.ServiceState{Service: service, LastEvent: state.LastEvent})
	}
}

// deploy makes a new primary deployment; those that were current become the ones that it replaces.
func deploy(tx *store.Tx, call Call, svc *model.Service, definition string, revision []byte) {
	d := &model.Deployment{
		ID: call.IDs.Deployment(), Token: call.IDs.Token(), Service: svc.ARN, TaskDefinition: definition,
		LaunchType: svc.LaunchType, Rollout: model.RolloutInProgress, Status: model.DeploymentInProgress, Current: true,
		CreatedAt: call.Now, StartedAt: call.Now, UpdatedAt: call.Now, Document: revision, Cause: svc.Cause,
	}
	if old, ok := tx.View().Service(svc.ARN); ok && old.Status == model.Active {
		for prev := range tx.View().Deployments(svc.ARN) {
			if prev.Current {
				d.Sources = append(d.Sources, prev.ID)
			}
			if prev.ID == svc.Primary {
				tx.Put(superseded(call, prev, d.ID, old.DesiredCount))
			}
		}
	}
	svc.Primary = d.ID
	tx.Put(d)
}

// superseded is a primary deployment that makes way for another: from now on it is owed what the service had wanted.
func superseded(call Call, prev *model.Deployment, by string, desired int) *model.Deployment {
	old := *prev
	old.Want, old.Basis, old.UpdatedAt = desired, desired, call.Now
	if old.Rollout == model.RolloutInProgress {
		old.Status, old.StatusReason, old.FinishedAt = model.DeploymentStopped, "superseded by deployment "+by, call.Now
	}
	return &old
}

// ServiceUpdate is what UpdateService changes; nil means unchanged.
type ServiceUpdate struct {
	DesiredCount   *int
	TaskDefinition *string // ARN
	LaunchType     *string
	MinHealthy     *int
	MaxPercent     *int
	Constraints    *[]model.Constraint
	Strategy       *[]model.Strategy
	HealthGrace    *time.Duration
	PropagateTags  *string
	ManagedTags    *bool
	Document       *[]byte
	Revision       *[]byte
	Force          bool // forceNewDeployment
}

// UpdateService changes a service (given by ARN), and deploys it anew if what its tasks are made of has changed
// ("UpdateService").
func UpdateService(tx *store.Tx, call Call, service string, in ServiceUpdate) (*model.Service, error) {
	old, err := activeService(tx, service)
	if err != nil {
		return nil, err
	}
	d, _ := tx.View().Deployment(old.ARN, old.Primary)
	svc, changes := *old, []string{}
	if in.DesiredCount != nil && *in.DesiredCount != old.DesiredCount {
		changes = append(changes, fmt.Sprintf("desired count %d instead of %d", *in.DesiredCount, old.DesiredCount))
	}
	apply(&svc, in)
	definition, revision := d.TaskDefinition, d.Document
	if in.TaskDefinition != nil && *in.TaskDefinition != definition {
		def, err := activeDefinition(tx, *in.TaskDefinition)
		if err != nil {
			return nil, err
		}
		changes = append(changes, "task definition "+def.Name()+" instead of "+model.ShortID(definition))
		definition = def.ARN
	}
	if in.Revision != nil {
		revision = *in.Revision
	}
	if in.Force {
		changes = append(changes, "a new deployment")
	}
	svc.Cause = call.Cause(strings.Join(changes, ", "))
	if in.Force || definition != d.TaskDefinition || string(revision) != string(d.Document) {
		deploy(tx, call, &svc, definition, revision)
	}
	tx.Put(&svc)
	return &svc, nil
}

func apply(svc *model.Service, in ServiceUpdate) {
	set(&svc.DesiredCount, in.DesiredCount)
	set(&svc.LaunchType, in.LaunchType)
	set(&svc.MinHealthy, in.MinHealthy)
	set(&svc.MaxPercent, in.MaxPercent)
	set(&svc.Constraints, in.Constraints)
	set(&svc.Strategy, in.Strategy)
	set(&svc.HealthGrace, in.HealthGrace)
	set(&svc.PropagateTags, in.PropagateTags)
	set(&svc.ManagedTags, in.ManagedTags)
	set(&svc.Document, in.Document)
}

func set[T any](to, value *T) {
	if value != nil {
		*to = *value
	}
}

// DeleteService begins the end of a service (given by ARN): its tasks are stopped, then it is INACTIVE.
func DeleteService(tx *store.Tx, call Call, service string, force bool) (*model.Service, error) {
	old, ok := tx.View().Service(service)
	if !ok {
		return nil, model.ServiceNotFound()
	}
	if old.Status != model.Active {
		return old, nil
	}
	if old.DesiredCount > 0 && old.Scheduling == model.Replica && !force {
		return nil, model.InvalidParameter("The service cannot be stopped while it is scaled above 0.")
	}
	svc := *old
	svc.Status, svc.DesiredCount = model.Draining, 0
	svc.Cause = call.Cause("deletes " + svc.Name)
	if !hasTasks(tx.View(), service) {
		svc.Status, svc.ClosedAt = model.Inactive, call.Now
	}
	tx.Put(&svc)
	return &svc, nil
}

func hasTasks(v *store.View, service string) bool {
	for t := range v.TasksOfService(service) {
		if !t.Stopped() {
			return true
		}
	}
	return false
}

// activeService finds a service that can be changed.
func activeService(tx *store.Tx, arn string) (*model.Service, error) {
	svc, ok := tx.View().Service(arn)
	if !ok {
		return nil, model.ServiceNotFound()
	}
	if svc.Status != model.Active {
		return nil, model.ServiceNotActive()
	}
	return svc, nil
}

// activeCluster finds a cluster in which something can be made, and makes the transaction depend on it.
func activeCluster(tx *store.Tx, arn string) (*model.Cluster, error) {
	cluster, ok := tx.View().Cluster(arn)
	if !ok {
		return nil, model.ClusterNotFound()
	}
	if cluster.Status != model.Active {
		return nil, model.InvalidParameter("The referenced cluster was inactive.")
	}
	tx.Guard(cluster.Key())
	return cluster, nil
}

// activeDefinition finds a task definition of which new tasks can be made, and makes the transaction depend on it.
func activeDefinition(tx *store.Tx, arn string) (*model.TaskDefinition, error) {
	def, ok := tx.View().TaskDefinition(arn)
	if !ok || def.Status == model.DeleteInProgress {
		return nil, model.ClientFault("TaskDefinition not found.")
	}
	if def.Status != model.Active {
		return nil, model.ClientFault("TaskDefinition is inactive")
	}
	tx.Guard(def.Key())
	return def, nil
}
