package scaler_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// TestStories plays the scripts of testdata. Each tells what a service and its alarms do, while time passes.
func TestStories(t *testing.T) {
	t.Parallel()
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		r := newRig(t)
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			r.t = t
			r.told.Reset()
			r.command(d)
			return r.told.String()
		})
	})
}

func (r *rig) command(d *datadriven.TestData) {
	switch d.Cmd {
	case "service":
		r.service(d)
	case "register":
		r.register(d)
	case "tracking":
		r.tracking(d)
	case "step":
		r.step(d)
	case "schedule":
		r.schedule(d)
	case "composite":
		r.composite(d)
	case "load":
		r.load = number(r.t, d.CmdArgs[0].String())
	case "blind":
		r.blind = d.CmdArgs[0].String() == "true"
	case "queue":
		r.queue = number(r.t, d.CmdArgs[0].String())
	case "work":
		r.work = number(r.t, d.CmdArgs[0].String())
	case "changes":
		fmt.Fprintf(&r.told, "%d changes, %d turns\n", r.changes, r.turns)
	case "deployment":
		r.update(func(tx *store.Tx) error { r.deployment(tx, model.Rollout(d.CmdArgs[0].String())); return nil })
	case "leader":
		r.lead()
	case "absent": // nobody leads
		r.now = r.now.Add(span(r.t, d.CmdArgs[0].String()))
	case "desired":
		r.declare(int(number(r.t, d.CmdArgs[0].String())))
	case "run":
		r.run(span(r.t, d.CmdArgs[0].String()))
	case "set":
		r.set(d)
	case "actions":
		r.update(func(tx *store.Tx) error {
			control.SetAlarmActions(tx, r.call("SetAlarmActions"), []string{d.CmdArgs[0].String()}, d.CmdArgs[1].String() == "on")
			return nil
		})
	case "group", "balancer", "requests", "flows", "health", "tag", "wakes", "events":
		r.zero(d)
	case "activities":
		r.activities()
	default:
		d.Fatalf(r.t, "there is no command %s", d.Cmd)
	}
}

func (r *rig) service(d *datadriven.TestData) {
	desired := 0
	d.ScanArgs(r.t, "desired", &desired)
	var tags []model.Tag
	if d.HasArg("fast") {
		tags = []model.Tag{{Key: "maitred:scaling", Value: "fast"}}
	}
	r.fine = d.HasArg("fine")
	r.create(desired, tags)
}

func (r *rig) register(d *datadriven.TestData) {
	in := control.TargetUpdate{Resource: resource, Min: new(int), Max: new(int)}
	d.ScanArgs(r.t, "min", in.Min)
	d.ScanArgs(r.t, "max", in.Max)
	before := r.store.View()
	r.update(func(tx *store.Tx) error {
		_, err := control.RegisterScalableTarget(tx, r.call("RegisterScalableTarget"), in)
		return err
	})
	r.tell(before, r.store.View())
}

func (r *rig) tracking(d *datadriven.TestData) {
	p := model.Tracking{Predefined: "ECSServiceAverageCPUUtilization", OutCooldown: time.Minute, InCooldown: time.Minute}
	d.ScanArgs(r.t, "value", &p.Value)
	name := "tracking"
	d.MaybeScanArgs(r.t, "name", &name)
	if d.HasArg("fine") {
		p.Predefined = control.PredefinedFastCPU
	}
	if d.HasArg("requests") {
		p.Predefined, p.Label = control.PredefinedRequests, "app/front/0123456789abcdef/targetgroup/front/0123456789abcdef"
	}
	if d.HasArg("cooldown") {
		var seconds int
		d.ScanArgs(r.t, "cooldown", &seconds)
		p.OutCooldown = time.Duration(seconds) * time.Second
		p.InCooldown = p.OutCooldown
	}
	if d.HasArg("backlog") {
		p.Predefined = ""
		p.Fast = true
		p.Queries = []model.MetricQuery{{ID: "m1", Statistic: "Average", Period: 60, Metric: &model.Metric{
			Namespace: model.NamespaceFast, Name: "BacklogPerTask",
			Dimensions: []model.Dimension{{Name: "ClusterName", Value: "default"}, {Name: "ServiceName", Value: "web"}},
		}}}
	}
	if d.HasArg("standard") { // what a client puts each minute
		p.Fast = false
		p.Queries[0].Metric.Namespace = "App"
	}
	r.policy(control.PolicyUpdate{Resource: resource, Name: name, Tracking: &p})
}

func (r *rig) policy(in control.PolicyUpdate) (arn string) {
	r.t.Helper()
	r.update(func(tx *store.Tx) error {
		p, err := control.PutScalingPolicy(tx, r.call("PutScalingPolicy"), in)
		if err == nil {
			arn = p.ARN
		}
		return err
	})
	return arn
}

// step makes a step policy and the alarm that triggers it.
func (r *rig) step(d *datadriven.TestData) {
	var name, op string
	var threshold float64
	var change int
	d.ScanArgs(r.t, "name", &name)
	d.ScanArgs(r.t, "op", &op)
	d.ScanArgs(r.t, "threshold", &threshold)
	d.ScanArgs(r.t, "change", &change)
	cooldown := 60
	if d.HasArg("cooldown") {
		d.ScanArgs(r.t, "cooldown", &cooldown)
	}
	bound := 0.0
	steps := []model.StepRange{{Lower: &bound, Change: change}}
	if op == model.Less {
		steps = []model.StepRange{{Upper: &bound, Change: change}}
	}
	arn := r.policy(control.PolicyUpdate{Resource: resource, Name: name, Step: &model.Step{
		Adjustment: model.ChangeInCapacity, Steps: steps, Cooldown: time.Duration(cooldown) * time.Second,
	}})
	missing, metric := "", "CPUUtilization"
	if d.HasArg("unmeasured") { // its state stays what somebody sets
		missing, metric = model.MissingIgnore, "Unmeasured"
	}
	r.alarm(&model.Alarm{
		Name: "on-" + name, AlarmActions: []string{arn}, TreatMissing: missing, Period: 60, EvaluationPeriods: 1, Threshold: threshold, Comparison: op,
		Statistic: "Average", Metric: &model.Metric{
			Namespace: model.NamespaceECS, Name: metric,
			Dimensions: []model.Dimension{{Name: "ClusterName", Value: "default"}, {Name: "ServiceName", Value: "web"}},
		},
	})
}

func (r *rig) alarm(a *model.Alarm) {
	a.ARN, a.Region, a.ActionsEnabled = scope().Alarm(a.Name), region, true
	r.update(func(tx *store.Tx) error { return control.PutAlarm(tx, r.call("PutMetricAlarm"), a) })
}

func (r *rig) composite(d *datadriven.TestData) {
	r.alarm(&model.Alarm{Name: d.CmdArgs[0].String(), Rule: d.Input})
}

func (r *rig) set(d *datadriven.TestData) {
	before := r.store.View()
	r.update(func(tx *store.Tx) error {
		_, err := control.FindAlarm(tx.View(), r.call("SetAlarmState"), d.CmdArgs[0].String())
		if err != nil {
			return err
		}
		return control.SetAlarmState(tx, r.call("SetAlarmState"), d.CmdArgs[0].String(), model.AlarmValue(d.CmdArgs[1].String()), "by hand", d.Input)
	})
	r.tell(before, r.store.View())
}

func (r *rig) schedule(d *datadriven.TestData) {
	a := &model.ScheduledAction{Name: d.CmdArgs[0].String(), Target: model.ScalablePath(region, resource), Schedule: d.Input, CreatedAt: r.now}
	for _, arg := range d.CmdArgs[1:] {
		n := int(number(r.t, arg.Vals[0]))
		switch arg.Key {
		case "min":
			a.Min = &n
		case "max":
			a.Max = &n
		}
	}
	r.update(func(tx *store.Tx) error { tx.Put(a); return nil })
}

// declare is an UpdateService of somebody.
func (r *rig) declare(n int) {
	before := r.store.View()
	r.update(func(tx *store.Tx) error {
		old, _ := tx.View().Service(service())
		svc := *old
		svc.DesiredCount, svc.Declared, svc.Scaled = n, n, false
		svc.Cause = model.Cause{Kind: model.CauseAPI, Subject: "UpdateService", Detail: "somebody wants it", At: r.now}
		tx.Put(&svc)
		return nil
	})
	r.tell(before, r.store.View())
}

func (r *rig) activities() {
	for a := range r.store.View().ScalingActivities(model.ScalablePath(region, resource)) {
		fmt.Fprintf(&r.told, "%d %s\n  %s\n  %s\n", a.Number, a.Description, a.CauseText, a.StatusMessage)
		if a.Inputs != nil {
			fmt.Fprintf(&r.told, "  %s\n", a.Inputs.Formula)
		}
		if !a.Cause.Complete() {
			fmt.Fprintf(&r.told, "  its cause ends nowhere: %+v\n", a.Cause)
		}
	}
}
