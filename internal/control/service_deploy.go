package control

import (
	"github.com/maitred/maitred/internal/core/reconcile"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// made is what the tasks of a deployment are made of.
type made struct {
	definition string // ARN
	network    *model.NetworkConfiguration
	balancers  []model.ServiceBalancer
	document   []byte // of the revision
}

// deploy makes a new primary deployment; those that were current become the ones that it replaces.
func deploy(tx *store.Tx, call Call, svc *model.Service, of made) {
	d := &model.Deployment{
		ID: call.IDs.Deployment(), Token: call.IDs.Token(), Service: svc.ARN, TaskDefinition: of.definition,
		LaunchType: svc.LaunchType, Network: of.network, LoadBalancers: of.balancers, Fine: svc.Fine,
		Rollout: model.RolloutInProgress, Status: model.DeploymentInProgress, Current: true,
		CreatedAt: call.Now, StartedAt: call.Now, UpdatedAt: call.Now, Document: of.document, Cause: svc.Cause,
		Monitors: svc.Monitors, Watched: watch(tx.View(), svc),
	}
	if old, ok := tx.View().Service(svc.ARN); ok {
		d.Sources = replace(tx, call, old, svc.DesiredCount, d.ID)
	}
	svc.Primary = d.ID
	tx.Put(d)
}

// replace makes the current deployments of a service make way for another one, and gives the ids of those that it takes
// over from.
//
// A deployment that was never completed and of which no task is left has nothing to hand over: it is history at once.
// Otherwise a service that never gets steady, and is deployed again and again, would collect them without end.
func replace(tx *store.Tx, call Call, old *model.Service, desired int, by string) (sources []string) {
	live := liveDeployments(tx, old.ARN)
	kept := keeper(tx.View(), old)
	for d := range tx.View().Deployments(old.ARN) {
		if d.Current && !d.Status.Over() { // of the primary one, or of the one that it is rolled out in the place of
			d = stopped(call, d, "superseded by deployment "+by)
			tx.Put(d)
		}
		switch {
		case !d.Current:
		case old.Status != model.Active, d.ID != old.Primary && !d.Proved() && !live[d.ID]:
			retired := *d
			retired.Current, retired.UpdatedAt = false, call.Now
			tx.Put(&retired)
		case d.ID == old.Primary, d.ID == kept:
			sources = append(sources, d.ID)
			superseded := *d // from now on it is owed what the service had wanted, and its share of what that grows by later
			superseded.Want, superseded.Basis, superseded.UpdatedAt = old.DesiredCount, desired, call.Now
			tx.Put(&superseded)
		default:
			sources = append(sources, d.ID)
			if desired > old.DesiredCount {
				older := *d
				older.Want, older.Basis = reconcile.Owed(d, old.DesiredCount), desired
				tx.Put(&older)
			}
		}
	}
	return sources
}

// keeper is the id of the deployment that keeps a service of which the newest one failed, "" for none.
func keeper(v *store.View, svc *model.Service) string {
	if d, ok := v.Deployment(svc.ARN, svc.Primary); !ok || d.Rollout != model.RolloutFailed {
		return ""
	}
	for d := range v.Deployments(svc.ARN) {
		if d.Current && d.Proved() {
			return d.ID
		}
	}
	return ""
}

// liveDeployments lists the deployments of a service that have tasks, those included of whose end the scheduler has not
// taken note. The transaction depends on no task being started meanwhile: whoever starts one writes the service's state.
func liveDeployments(tx *store.Tx, service string) map[string]bool {
	tx.Guard(model.ServiceStateKey(service))
	live := map[string]bool{}
	for t := range tx.View().TasksOfService(service) {
		if !t.Stopped() || t.Desired == model.TaskRunning {
			live[t.Deployment] = true
		}
	}
	return live
}

// stopped is a deployment that is given up before it was completed, or rolled back.
func stopped(call Call, d *model.Deployment, why string) *model.Deployment {
	end := *d
	end.Status, end.StatusReason = model.DeploymentStopped, why
	end.FinishedAt, end.UpdatedAt = call.Now, call.Now
	return &end
}
