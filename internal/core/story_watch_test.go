package core_test

import (
	"strconv"
	"strings"

	"github.com/cockroachdb/datadriven"

	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// monitors reads what is to fail the deployments of a service; what is not named stays.
func (s *story) monitors(d *datadriven.TestData, m model.Monitors) model.Monitors {
	if d.HasArg("breaker") {
		m.Breaker = &model.CircuitBreaker{Rollback: text(d, "breaker", "") == "rollback", Type: model.BoundedPercent, Value: 50, KeepCount: d.HasArg("keep")}
		if kind, value, ok := strings.Cut(text(d, "threshold", ""), ":"); ok {
			m.Breaker.Type = kind
			m.Breaker.Value, _ = strconv.Atoi(value)
		}
	}
	if a, ok := d.Arg("alarms"); ok {
		m.Alarms = &model.DeploymentAlarms{Names: a.Vals, Rollback: d.HasArg("back")}
	}
	if d.HasArg("bake") {
		bake := duration(s, d, "bake")
		m.Bake = &bake
	}
	return m
}

// watching is for commands about alarms and about what fails deployments.
func (s *story) watching(d *datadriven.TestData) (out string, ok bool) {
	switch d.Cmd {
	case "alarm":
		return s.alarm(d), true
	case "stop-deployment":
		return s.update("StopServiceDeployment", func(tx *store.Tx, call control.Call) error {
			svc, _ := tx.View().Service(service(first(d)))
			primary, _ := tx.View().Deployment(svc.ARN, svc.Primary)
			return control.StopDeployment(tx, call, svc.ARN, primary.Token)
		}), true
	}
	return "", false
}

func (s *story) alarm(d *datadriven.TestData) string {
	name, value := first(d), model.AlarmValue(d.CmdArgs[1].Key)
	a := &model.Alarm{Name: name, Period: 10, EvaluationPeriods: number(d, "n", 1), Metric: &model.Metric{Namespace: "Web", Name: name}}
	out := s.update("PutMetricAlarm", func(tx *store.Tx, call control.Call) error {
		if _, ok := tx.View().Alarm(model.AlarmPath(region, name)); ok {
			return nil
		}
		return control.PutAlarm(tx, call, a)
	})
	return out + s.update("SetAlarmState", func(tx *store.Tx, call control.Call) error {
		path := model.AlarmPath(region, name)
		before, _ := tx.View().AlarmState(path)
		if err := control.SetAlarmState(tx, call, name, value, "by hand", ""); err != nil || before.Value == value {
			return err
		}
		after := *before // as an evaluation does
		after.Value, after.Since, after.UpdatedAt = value, s.now, s.now
		if before.Value == model.AlarmAlarm {
			after.LeftAlarm = s.now
		}
		after.Cause = model.Cause{Kind: model.CauseAlarm, Subject: name, At: s.now, Detail: "Threshold Crossed"}
		tx.Put(&after)
		return nil
	})
}
