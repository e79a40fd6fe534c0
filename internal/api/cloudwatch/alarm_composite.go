package cloudwatch

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/cloudwatch"

	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/core/alarm"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// suppressorMax is the longest period of suppression, in seconds.
const suppressorMax = 7 * 24 * 60 * 60

func (a *API) putCompositeAlarm(ctx context.Context, call control.Call, in *client.PutCompositeAlarmInput) (*client.PutCompositeAlarmOutput, error) {
	put, err := compositeIn(call, in)
	if err != nil {
		return nil, err
	}
	err = a.Update(ctx, func(tx *store.Tx) error { return control.PutAlarm(tx, call, put) })
	return &client.PutCompositeAlarmOutput{}, err
}

func compositeIn(call control.Call, in *client.PutCompositeAlarmInput) (*model.Alarm, error) {
	x := &model.Alarm{
		Name: aws.ToString(in.AlarmName), Description: aws.ToString(in.AlarmDescription), ActionsEnabled: in.ActionsEnabled == nil || *in.ActionsEnabled,
		OKActions: in.OKActions, AlarmActions: in.AlarmActions, InsufficientActions: in.InsufficientDataActions,
		Rule: aws.ToString(in.AlarmRule), Suppressor: aws.ToString(in.ActionsSuppressor),
		Wait: int(aws.ToInt32(in.ActionsSuppressorWaitPeriod)), Extension: int(aws.ToInt32(in.ActionsSuppressorExtensionPeriod)),
	}
	if in.AlarmRule == nil {
		return nil, broken("alarmRule", "null", "not be null")
	}
	children, err := ruleIn(call, x.Rule)
	if err := first(err, checkAlarm(x), checkSuppressor(in)); err != nil {
		return nil, err
	}
	if in.ActionConfiguration != nil {
		return nil, unsupported("ActionConfiguration", "actions are told the alarm and its state")
	}
	x.Children = children
	x.Tags, err = tagsIn(in.Tags)
	return x, err
}

// ruleIn reads the names of the alarms that a rule looks at, sorted.
func ruleIn(call control.Call, rule string) ([]string, error) {
	parsed, err := alarm.ParseRule(rule)
	if err != nil {
		return nil, invalid("%s", err.Error())
	}
	var names []string
	for _, ref := range parsed.Alarms() {
		name, ok := control.AlarmRef(call.Scope, ref)
		if !ok {
			return nil, invalid("Error in AlarmRule [alarm %.300s is in another region or account]", ref)
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// checkSuppressor wants a suppressor and its periods together.
func checkSuppressor(in *client.PutCompositeAlarmInput) error {
	const periods = "ActionsSuppressorWaitPeriod and ActionsSuppressorExtensionPeriod"
	wait, extension := in.ActionsSuppressorWaitPeriod, in.ActionsSuppressorExtensionPeriod
	switch {
	case in.ActionsSuppressor != nil && strings.TrimSpace(*in.ActionsSuppressor) == "":
		return broken("actionsSuppressor", quoted(*in.ActionsSuppressor), "have length greater than or equal to 1")
	case in.ActionsSuppressor == nil && (wait != nil || extension != nil):
		return invalid("%s must not be specified without ActionsSuppressor", periods)
	case in.ActionsSuppressor != nil && (wait == nil || extension == nil):
		return invalid("%s must be specified with ActionsSuppressor", periods)
	}
	return first(number("actionsSuppressorWaitPeriod", wait, 0, suppressorMax), number("actionsSuppressorExtensionPeriod", extension, 0, suppressorMax))
}
