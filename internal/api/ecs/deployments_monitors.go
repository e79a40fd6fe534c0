package ecs

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

const (
	// deploymentAlarmsMax is how many alarms a deployment may follow: as many as one DescribeAlarms can name.
	deploymentAlarmsMax = 100
	bakeMinutesMax      = 1440 // ("DeploymentConfiguration")
	// thresholdDefault is the percentage of a circuit breaker that does not say ("ThresholdConfiguration").
	thresholdDefault = 50
)

// checkBreaker checks deploymentCircuitBreaker.
func checkBreaker(b *types.DeploymentCircuitBreaker) error {
	const member = "deploymentConfiguration.deploymentCircuitBreaker.thresholdConfiguration."
	if b == nil || b.ThresholdConfiguration == nil {
		return nil
	}
	t := b.ThresholdConfiguration
	if t.Type == "" {
		return notOneOf(member+"type", t.Type, t.Type.Values())
	}
	if err := checkEnum(member+"type", t.Type); err != nil {
		return err
	}
	switch {
	case t.Value < 1:
		return model.InvalidParameter(fmt.Sprintf("%svalue should be 1 or more, got %d.", member, t.Value))
	case t.Type != types.ThresholdTypeCount && t.Value > 100:
		return model.InvalidParameter(fmt.Sprintf("%svalue of %s should be between 1 and 100, got %d.", member, t.Type, t.Value))
	}
	return nil
}

// checkAlarms checks alarms by themselves; that they exist is seen to when the service is written.
func checkAlarms(a *types.DeploymentAlarms) error {
	const member = "deploymentConfiguration.alarms.alarmNames"
	if a == nil || !a.Enable {
		return nil
	}
	if len(a.AlarmNames) == 0 {
		return model.InvalidParameter(member + " should not be empty when alarms are enabled.")
	}
	if err := atMost(member, a.AlarmNames, deploymentAlarmsMax); err != nil {
		return err
	}
	for i, name := range a.AlarmNames {
		if name == "" {
			return model.InvalidParameter(fmt.Sprintf("%s[%d] should not be empty.", member, i))
		}
	}
	return nil
}

// checkBake checks bakeTimeInMinutes together with the alarms that are followed for that time.
func checkBake(doc *serviceDocument) error {
	const member = "deploymentConfiguration.bakeTimeInMinutes"
	if doc.DeploymentConfiguration == nil {
		return nil
	}
	switch c, bake := doc.DeploymentConfiguration, aws.ToInt32(doc.DeploymentConfiguration.BakeTimeInMinutes); {
	case bake > bakeMinutesMax:
		return model.InvalidParameter(fmt.Sprintf("%s should be between 0 and %d, got %d.", member, bakeMinutesMax, bake))
	case bake > 0 && (c.Alarms == nil || !c.Alarms.Enable):
		return unsupported(member, "without alarms that are followed, a deployment ends when its tasks are healthy; leave it out")
	}
	return nil
}

// monitorsIn are what fails a deployment, as a service has them.
func monitorsIn(c *types.DeploymentConfiguration) model.Monitors {
	m := model.Monitors{}
	if c == nil {
		return m
	}
	if b := c.DeploymentCircuitBreaker; b != nil && b.Enable {
		m.Breaker = &model.CircuitBreaker{Rollback: b.Rollback, Type: model.BoundedPercent, Value: thresholdDefault}
		if t := b.ThresholdConfiguration; t != nil {
			m.Breaker.Type, m.Breaker.Value = string(t.Type), int(t.Value)
		}
		m.Breaker.KeepCount = b.ResetOnHealthyTask != nil && !*b.ResetOnHealthyTask
	}
	if a := c.Alarms; a != nil && a.Enable {
		m.Alarms = &model.DeploymentAlarms{Names: a.AlarmNames, Rollback: a.Rollback}
		if c.BakeTimeInMinutes != nil {
			m.Bake = new(time.Duration(*c.BakeTimeInMinutes) * time.Minute)
		}
	}
	return m
}

// monitored describes what the monitors of a deployment have seen.
func monitored(out *types.ServiceDeployment, svc *model.Service, x *model.Deployment, desired int) {
	breaker := &types.ServiceDeploymentCircuitBreaker{Status: types.ServiceDeploymentRollbackMonitorsStatusDisabled}
	if x.Monitors.Breaker != nil {
		breaker.Status = monitorStatus(x, x.Watched.Tripped)
		breaker.FailureCount, breaker.Threshold = count(x.Watched.Failures), count(control.BreakerThreshold(x, desired))
	}
	alarms := &types.ServiceDeploymentAlarms{Status: types.ServiceDeploymentRollbackMonitorsStatusDisabled}
	if a := x.Monitors.Alarms; a != nil {
		alarms.AlarmNames = a.Names
		alarms.TriggeredAlarmNames = x.Watched.Triggered
		if len(x.Watched.InAlarm) == 0 {
			alarms.Status = monitorStatus(x, len(x.Watched.Triggered) > 0)
		}
	}
	out.DeploymentCircuitBreaker, out.Alarms = breaker, alarms
	if r := x.Rollback; r != nil {
		out.Rollback = &types.Rollback{
			Reason: aws.String(r.Reason), StartedAt: timestamp(r.At), ServiceRevisionArn: aws.String(arn.ServiceRevision(svc.ARN, r.To)),
		}
	}
}

// monitorStatus is the state of a circuit breaker or of alarms that are enabled.
func monitorStatus(x *model.Deployment, triggered bool) types.ServiceDeploymentRollbackMonitorsStatus {
	switch {
	case triggered:
		return types.ServiceDeploymentRollbackMonitorsStatusTriggered
	case x.Status == model.DeploymentInProgress:
		return types.ServiceDeploymentRollbackMonitorsStatusMonitoring
	}
	return types.ServiceDeploymentRollbackMonitorsStatusMonitoringComplete
}

func (a *API) stopServiceDeployment(
	ctx context.Context, call control.Call, in *ecs.StopServiceDeploymentInput,
) (*ecs.StopServiceDeploymentOutput, error) {
	const member = "serviceDeploymentArn"
	ref := aws.ToString(in.ServiceDeploymentArn)
	if ref == "" {
		return nil, model.InvalidParameter(member + " should not be empty.")
	}
	if err := checkEnum("stopType", in.StopType); err != nil {
		return nil, err
	}
	if in.StopType == types.StopServiceDeploymentStopTypeAbort {
		return nil, unsupported("stopType ABORT", "use ROLLBACK, or UpdateService to deploy something else")
	}
	service, token, err := partOfService(call, member, "service-deployment", ref)
	if err != nil {
		return nil, err
	}
	if err := a.Update(ctx, func(tx *store.Tx) error { return control.StopDeployment(tx, call, service, token) }); err != nil {
		return nil, err
	}
	return &ecs.StopServiceDeploymentOutput{ServiceDeploymentArn: aws.String(arn.ServiceDeployment(service, token))}, nil
}
