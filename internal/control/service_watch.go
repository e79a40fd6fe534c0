package control

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/maitred/maitred/internal/core/rollout"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// bakeMost is the longest time for which a deployment goes on to follow its alarms when nothing is said ("How CloudWatch alarms
// detect Amazon ECS deployment failures").
const bakeMost = 5 * time.Minute

// deploymentAlarms wants the alarms that deployments of a service follow to exist, and to stay until it is written.
func deploymentAlarms(tx *store.Tx, region string, alarms *model.DeploymentAlarms) error {
	if alarms == nil {
		return nil
	}
	var missing []string
	for _, name := range alarms.Names {
		key := model.AlarmKey(region, name)
		if _, ok := tx.View().Alarm(key.Path); !ok {
			missing = append(missing, name)
			continue
		}
		tx.Guard(key)
	}
	if len(missing) > 0 {
		return model.InvalidParameter(fmt.Sprintf("deploymentConfiguration.alarms.alarmNames: the following CloudWatch alarms do not exist: %s.",
			strings.Join(missing, ", ")))
	}
	return nil
}

// updatedAlarms checks the alarms of a service that is updated, if anything is to follow them anew.
func updatedAlarms(tx *store.Tx, old *model.Service, e *ServiceEdit) error {
	if !e.Deploy && reflect.DeepEqual(old.Monitors, e.Service.Monitors) {
		return nil
	}
	return deploymentAlarms(tx, e.Service.Region, e.Service.Monitors.Alarms)
}

// watch is what the monitors of a deployment see when it begins.
func watch(v *store.View, svc *model.Service) model.Watched {
	w, alarms := model.Watched{}, svc.Monitors.Alarms
	if alarms == nil {
		return w
	}
	for _, name := range alarms.Names {
		path := model.AlarmPath(svc.Region, name)
		if a, ok := v.Alarm(path); ok {
			w.Bake = max(w.Bake, min(time.Duration(max(a.EvaluationPeriods, 1))*max(a.Resolution(), time.Second), bakeMost))
		}
		s, ok := v.AlarmState(path)
		if !ok {
			continue
		}
		if s.Value == model.AlarmAlarm {
			w.InAlarm = append(w.InAlarm, name)
		}
		if !s.LeftAlarm.IsZero() {
			if w.LeftAlarm == nil {
				w.LeftAlarm = map[string]time.Time{}
			}
			w.LeftAlarm[name] = s.LeftAlarm
		}
	}
	switch {
	case len(w.InAlarm) > 0:
		w.Bake = 0 // it follows none
	case svc.Monitors.Bake != nil:
		w.Bake = *svc.Monitors.Bake
	}
	return w
}

// BreakerThreshold is the number of failed tasks at which the circuit breaker of a deployment fails it, when the service shall
// have so many tasks; 0 if it has none.
func BreakerThreshold(d *model.Deployment, desired int) int {
	return rollout.Threshold(d.Monitors.Breaker, desired)
}

// StopDeployment has a deployment of a service (ARN) that is under way rolled back, given by its token; one that is being rolled
// back is left as it is ("StopServiceDeployment").
func StopDeployment(tx *store.Tx, call Call, service, token string) error {
	svc, ok := tx.View().Service(service)
	if !ok {
		return deploymentNotFound()
	}
	deployments := slices.Collect(tx.View().Deployments(service))
	i := slices.IndexFunc(deployments, func(d *model.Deployment) bool { return d.Token == token && !d.CreatedAt.Before(svc.CreatedAt) })
	if i < 0 {
		return deploymentNotFound()
	}
	d := *deployments[i]
	switch d.Status {
	case model.DeploymentRollbackRequested, model.DeploymentRollbackInProgress:
		return nil
	case model.DeploymentPending, model.DeploymentInProgress:
	default:
		return &model.Error{Code: "ConflictException", Message: fmt.Sprintf("The service deployment is %s; only one that is in progress can be stopped.", d.Status)}
	}
	if rollout.BackTo(&d, slices.DeleteFunc(deployments, func(x *model.Deployment) bool { return !x.Current })) == nil {
		return model.InvalidParameter("There is no completed deployment to roll back to.")
	}
	cause := call.Cause("stops deployment " + d.ID)
	d.Status, d.Failure, d.UpdatedAt = model.DeploymentRollbackRequested, &cause, call.Now
	tx.Put(&d)
	return nil
}

func deploymentNotFound() error {
	return &model.Error{Code: "ServiceDeploymentNotFoundException", Message: "The service deployment was not found."}
}
