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
	Network        *model.NetworkConfiguration // of its tasks; nil: they have no network of their own
	LoadBalancers  []model.ServiceBalancer
	Monitors       model.Monitors // of its deployments
	PropagateTags  string
	ManagedTags    bool
	ExecuteCommand bool     // people may run commands in its tasks
	Fine           []string // metrics that are kept by 20 s
	Tags           []model.Tag
	Document       []byte // members given back as given
	Revision       []byte // likewise, of the service revision
	Token          string // client token, "" for none
	Request        string // hash of the parameters, to tell a repeated call from another one
}

// CreateService makes a service and its first deployment; the scheduler starts the tasks. It is idempotent by name, and
// by client token while that is remembered.
func CreateService(tx *store.Tx, call Call, in NewService) (*model.Service, error) {
	cluster, err := activeCluster(tx, in.Cluster)
	if err != nil {
		return nil, err
	}
	if made, err := createdBefore(tx.View(), call, in); err != nil || made != nil {
		return made, err
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
		Scheduling: in.Scheduling, DesiredCount: in.DesiredCount, Declared: in.DesiredCount, LaunchType: in.LaunchType,
		MinHealthy: in.MinHealthy, MaxPercent: in.MaxPercent, Constraints: in.Constraints, Strategy: in.Strategy,
		HealthGrace: in.HealthGrace, Monitors: in.Monitors, PropagateTags: in.PropagateTags, ManagedTags: in.ManagedTags, Tags: in.Tags,
		ExecuteCommand: in.ExecuteCommand, Fine: in.Fine, CreatedAt: call.Now, Document: in.Document,
		Cause: call.Cause(fmt.Sprintf("%s with %d tasks of %s", in.Name, in.DesiredCount, def.Name())),
	}
	if in.Scheduling == model.Daemon {
		svc.Cause.Detail = fmt.Sprintf("%s with a task of %s on each machine", in.Name, def.Name())
	}
	if err := ServiceBalancers(tx, call, def, in.LoadBalancers); err != nil {
		return nil, err
	}
	if err := deploymentAlarms(tx, svc.Region, in.Monitors.Alarms); err != nil {
		return nil, err
	}
	deploy(tx, call, svc, made{def.ARN, in.Network, in.LoadBalancers, in.Revision})
	tx.Put(svc)
	rememberCreation(tx, call, in, svc)
	return svc, nil
}

func notIdempotent() error { return model.InvalidParameter("Creation of service was not idempotent.") }

// createdBefore finds the service that an earlier call with the same client token made, nil if there is none. What has
// become of the service since does not matter, as long as it is not being deleted: the caller only has not heard that
// its call was carried out.
func createdBefore(v *store.View, call Call, in NewService) (*model.Service, error) {
	token, ok := v.Token(creationKey(call, in))
	if in.Token == "" || !ok || !call.Now.Before(token.Expires) {
		return nil, nil
	}
	svc, ok := v.Service(token.Results[0])
	if !ok || svc.Status != model.Active {
		return nil, nil
	}
	if token.Request != in.Request {
		return nil, notIdempotent()
	}
	return svc, nil
}

func creationKey(call Call, in NewService) model.Key {
	return model.TokenKey(call.Region, "CreateService/"+in.Cluster, in.Token)
}

func rememberCreation(tx *store.Tx, call Call, in NewService, svc *model.Service) {
	if in.Token == "" {
		return
	}
	tx.Put(&model.Token{
		Region: call.Region, Action: "CreateService/" + in.Cluster, Value: in.Token, Request: in.Request,
		Results: []string{svc.ARN}, Expires: call.Now.Add(call.Timings.TokenLifetime),
	})
}

// again answers the creation of a service whose name is taken: the existing one if it is the same, an error, or neither
// if the old one is over and a new one may take its place.
func again(v *store.View, old *model.Service, in NewService) (*model.Service, error) {
	if old.Status == model.Inactive {
		return nil, nil
	}
	if old.Status == model.Draining {
		return nil, model.InvalidParameter("Unable to Start a service that is still Draining.")
	}
	d, ok := v.Deployment(old.ARN, old.Primary)
	if !ok {
		return nil, lost(old)
	}
	now := NewService{
		Cluster: old.Cluster, Name: old.Name, TaskDefinition: d.TaskDefinition, DesiredCount: declared(old),
		Scheduling: old.Scheduling, LaunchType: old.LaunchType, MinHealthy: old.MinHealthy, MaxPercent: old.MaxPercent,
		Constraints: old.Constraints, Strategy: old.Strategy, HealthGrace: old.HealthGrace,
		PropagateTags: old.PropagateTags, ManagedTags: old.ManagedTags, Tags: old.Tags, Document: old.Document,
		Network: d.Network, LoadBalancers: d.LoadBalancers, Monitors: old.Monitors, ExecuteCommand: old.ExecuteCommand, Fine: old.Fine,
		// How the newest deployment was asked for and by which call are not what the service is.
		Revision: in.Revision, Token: in.Token, Request: in.Request,
	}
	if !reflect.DeepEqual(now, in) {
		return nil, notIdempotent()
	}
	return old, nil
}

// lost is the error of a service without its primary deployment, which no transaction leaves behind.
func lost(svc *model.Service) error {
	return fmt.Errorf("service %s has no deployment %s", svc.ARN, svc.Primary)
}

// forget resets what the scheduler remembers of a deleted service of the same name. Events keep counting, so that old
// ones are not written over out of order.
func forget(tx *store.Tx, service string) {
	if state, ok := tx.View().ServiceState(service); ok {
		tx.Put(&model.ServiceState{Service: service, LastEvent: state.LastEvent})
	}
}

// ServiceUpdate is what UpdateService changes; nil means unchanged.
type ServiceUpdate struct {
	// DesiredCount is what is declared: the same as before leaves what a scaler has set since.
	DesiredCount   *int
	TaskDefinition *string // ARN
	MinHealthy     *int
	MaxPercent     *int
	Force          bool // forceNewDeployment
	// Edit makes all other changes, after those above, and refuses what does not go together. It may be called more than
	// once.
	Edit func(*ServiceEdit) error
}

// ServiceEdit is a service that is being updated.
type ServiceEdit struct {
	Service    *model.Service              // a copy
	Definition *model.TaskDefinition       // of which its tasks will be; nil if it is gone
	Network    *model.NetworkConfiguration // of its tasks; another one makes a deployment
	Balancers  []model.ServiceBalancer     // likewise
	Revision   []byte                      // the document of the deployment, if there has to be one
	Deploy     bool                        // what the tasks are made of has changed, so there has to be one
}

// UpdateService changes a service (given by ARN), and deploys it anew if what its tasks are made of has changed
// ("UpdateService"). An update that changes nothing writes nothing.
func UpdateService(tx *store.Tx, call Call, service string, in ServiceUpdate) (*model.Service, error) {
	old, err := activeService(tx, service)
	if err != nil {
		return nil, err
	}
	d, ok := tx.View().Deployment(old.ARN, old.Primary)
	if !ok {
		return nil, lost(old)
	}
	svc := *old
	if in.DesiredCount != nil {
		declare(tx.View(), &svc, *in.DesiredCount)
	}
	set(&svc.MinHealthy, in.MinHealthy)
	set(&svc.MaxPercent, in.MaxPercent)
	edit := &ServiceEdit{Service: &svc, Network: d.Network, Balancers: d.LoadBalancers, Revision: d.Document, Deploy: in.Force}
	if edit.Definition, err = updatedDefinition(tx, d, in.TaskDefinition); err != nil {
		return nil, err
	}
	definition := d.TaskDefinition
	if edit.Definition != nil && edit.Definition.ARN != definition {
		definition, edit.Deploy = edit.Definition.ARN, true
	}
	if in.Edit != nil {
		if err := in.Edit(edit); err != nil {
			return nil, err
		}
	}
	if !edit.Deploy && reflect.DeepEqual(*old, svc) {
		return old, nil
	}
	if err := updatedAlarms(tx, old, edit); err != nil {
		return nil, err
	}
	svc.Cause = call.Cause(describeUpdate(old, d, edit))
	if edit.Deploy {
		if err := ServiceBalancers(tx, call, edit.Definition, edit.Balancers); err != nil {
			return nil, err
		}
		deploy(tx, call, &svc, made{definition, edit.Network, edit.Balancers, edit.Revision})
	}
	tx.Put(&svc)
	return &svc, nil
}

// updatedDefinition finds the task definition that a service will have: another one has to be active, its own does not.
func updatedDefinition(tx *store.Tx, d *model.Deployment, wanted *string) (*model.TaskDefinition, error) {
	if wanted != nil && *wanted != d.TaskDefinition {
		return activeDefinition(tx, *wanted)
	}
	def, _ := tx.View().TaskDefinition(d.TaskDefinition)
	return def, nil
}

// describeUpdate says in words what an update changes.
func describeUpdate(old *model.Service, d *model.Deployment, e *ServiceEdit) string {
	var changes []string
	svc := e.Service
	for _, n := range []struct {
		name     string
		was, now any
	}{
		{"desired count", old.DesiredCount, svc.DesiredCount},
		{"launch type", old.LaunchType, svc.LaunchType},
		{"minimumHealthyPercent", old.MinHealthy, svc.MinHealthy},
		{"maximumPercent", old.MaxPercent, svc.MaxPercent},
		{"health check grace period", old.HealthGrace, svc.HealthGrace},
		{"metrics by 20 s", namesOf(old.Fine), namesOf(svc.Fine)},
	} {
		if n.was != n.now {
			changes = append(changes, fmt.Sprintf("%s %v instead of %v", n.name, n.now, n.was))
		}
	}
	if e.Definition != nil && e.Definition.ARN != d.TaskDefinition {
		changes = append(changes, "task definition "+e.Definition.Name()+" instead of "+model.ShortID(d.TaskDefinition))
	} else if e.Deploy {
		changes = append(changes, "a new deployment")
	}
	if len(changes) == 0 {
		return "changes settings of " + svc.Name
	}
	return strings.Join(changes, ", ")
}

// namesOf lists names, for people.
func namesOf(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, " and ")
}

func set[T any](to, value *T) {
	if value != nil {
		*to = *value
	}
}

// DeleteService begins the end of a service (given by ARN): its tasks are stopped, then it is INACTIVE. A service that
// is on its way there, or there, is left as it is. If it is a scalable target, that is deregistered; what does not fit into
// the transaction is left for EndScaling.
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
	svc.Status, svc.DesiredCount, svc.Declared, svc.Scaled = model.Draining, 0, 0, false
	svc.Cause = call.Cause("deletes " + svc.Name)
	if len(liveDeployments(tx, service)) == 0 {
		svc.Status, svc.ClosedAt = model.Inactive, call.Now
	}
	for d := range tx.View().Deployments(service) {
		if d.Current && !d.Status.Over() {
			tx.Put(stopped(call, d, "the service was deleted"))
		}
	}
	unscale(tx, call, &svc)
	tx.Put(&svc)
	return &svc, nil
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
		return nil, inactiveCluster()
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
