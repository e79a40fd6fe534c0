package sim

import (
	"slices"

	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// alarms are the names of the alarms that there are.
func alarms() []string { return []string{"errors", "slow"} }

// alarms makes the alarms, as somebody does before there is a service.
func (p *people) alarms(st *store.Store) error {
	_, err := st.Update(p.w.ctx, func(tx *store.Tx) error {
		for _, name := range alarms() {
			cause := model.Cause{Kind: model.CauseAPI, Subject: "PutMetricAlarm", At: p.w.now}
			a := &model.Alarm{Name: name, Region: region, Period: 60, EvaluationPeriods: 1, Cause: cause}
			a.Metric = &model.Metric{Namespace: "unmeasured", Name: name} // it stays as somebody has set it
			tx.Put(a)
			tx.Put(&model.AlarmState{Alarm: a.Key().Path, Value: model.AlarmOK, Since: p.w.now, Cause: cause})
		}
		return nil
	})
	return err
}

// monitors draws what is to fail the deployments of a service.
func (p *people) monitors() (m model.Monitors) {
	if p.w.chance(0.5) {
		m.Breaker = &model.CircuitBreaker{Rollback: p.w.chance(0.7), Type: model.BoundedPercent, Value: 50, KeepCount: p.w.chance(0.2)}
	}
	if p.w.chance(0.3) {
		m.Alarms = &model.DeploymentAlarms{Names: alarms()[:1+p.w.rng.IntN(2)], Rollback: p.w.chance(0.7)}
	}
	return m
}

// watched is something that happens to deployments: an alarm moves, or somebody stops one.
func (p *people) watched(stop bool) {
	if stop {
		p.stopDeployment()
	} else {
		p.alarmed()
	}
}

// alarmed moves an alarm.
func (p *people) alarmed() {
	name := pick(p.w, alarms())
	value := pick(p.w, []model.AlarmValue{model.AlarmAlarm, model.AlarmOK})
	p.w.tell("alarm %s is %s", name, value)
	_, _ = p.server().call("SetAlarmState", func(tx *store.Tx, call control.Call) error {
		return control.SetAlarmState(tx, call, name, value, "so it is", "")
	})
}

// stopDeployment takes back the newest deployment of a service.
func (p *people) stopDeployment() {
	list := p.active()
	if len(list) == 0 {
		return
	}
	s := pick(p.w, list)
	p.w.tell("somebody stops the deployment of %s", s.name)
	_, err := p.server().call("StopServiceDeployment", func(tx *store.Tx, call control.Call) error {
		svc, ok := tx.View().Service(serviceARN(s.name))
		if !ok {
			return model.ServiceNotFound()
		}
		for d := range tx.View().Deployments(svc.ARN) {
			return control.StopDeployment(tx, call, svc.ARN, d.Token)
		}
		return nil
	})
	if err != nil {
		p.w.tell("  and is told: %v", err)
	}
}

// rolled checks a deployment that was written.
func (c *checker) rolled(d *model.Deployment) {
	c.complete(&d.Cause, "deployment %s", d.ID)
	old := c.deployments[d.ID]
	c.deployments[d.ID] = d
	if d.Failure != nil {
		c.complete(d.Failure, "deployment %s fails", d.ID)
	}
	if old == nil {
		return
	}
	if d.RollsBack != "" && old.RollsBack == "" && old.Rollout != model.RolloutCompleted {
		c.w.fail("a rollback leads to what was completed", "deployment %s was %s when it was rolled out again", d.ID, old.Rollout)
	}
	if old.Rollout == model.RolloutFailed && d.Rollout != old.Rollout {
		c.w.fail("what failed stays so", "deployment %s is %s", d.ID, d.Rollout)
	}
	if d.Rollout == old.Rollout && d.RollsBack == old.RollsBack {
		return
	}
	c.w.tell("  deployment %s is %s, %s: %s", d.ID, d.Rollout, d.Status, d.RolloutReason)
	// The service lives on another deployment now, or on the same one in another way: the pauses after failures are over.
	for id := range c.failing {
		if other := c.deployments[id]; other != nil && other.Service == d.Service {
			delete(c.failing, id)
		}
	}
}

// unstarted counts the tasks of a deployment that ended without having run, since one of it was last seen to work.
type unstarted struct {
	tasks map[string]bool
	works bool
}

// counts takes note of what was observed of a task, for ends.
func (c *checker) counts(t *tracked) {
	u := c.unstarted[t.task.Deployment]
	if u == nil {
		u = &unstarted{tasks: map[string]bool{}}
		c.unstarted[t.task.Deployment] = u
	}
	switch {
	case t.state().EverRan():
		u.works = true // more or less: what it counts for then, is for the stories of core to tell
	case t.state().Stopped() && t.task.Desired == model.TaskRunning && t.seen.StopCode != model.StopTermination:
		u.tasks[t.task.ARN] = true
	}
}

// ends checks, when a task is started, that its deployment has not failed, and has not had to fail: the circuit breaker ends one
// of which no task runs.
func (c *checker) ends(t *model.Task) {
	d, s, u := c.deployments[t.Deployment], c.services[t.Service], c.unstarted[t.Deployment]
	if d.Rollout == model.RolloutFailed {
		c.w.fail("what failed starts nothing", "task %s of deployment %s is started", short(t.ARN), d.ID)
	}
	if u == nil || u.works || d.Monitors.Breaker == nil || d.RollsBack != "" || d.Rollout != model.RolloutInProgress ||
		d.ID != s.Primary || s.Scheduling == model.Daemon {
		return
	}
	underWay := max(s.DesiredCount*s.MaxPercent/100, c.widest(d.ID))
	if n := len(u.tasks); n > control.BreakerThreshold(d, s.DesiredCount)+underWay {
		c.w.fail("a failing deployment ends", "task %s is started although %d tasks of deployment %s did not run", short(t.ARN), n, d.ID)
	}
}

// unfinished names a deployment whose history goes on.
func unfinished(v *store.View, s *model.Service) string {
	all := slices.Collect(v.Deployments(s.ARN))
	i := slices.IndexFunc(all, func(d *model.Deployment) bool { return !d.Status.Over() })
	if i < 0 {
		return ""
	}
	return "deployment " + all[i].ID + " is " + string(all[i].Status)
}
