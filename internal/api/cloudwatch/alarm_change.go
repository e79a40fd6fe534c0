package cloudwatch

import (
	"context"
	"encoding/json"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/cloudwatch"

	"github.com/maitred/maitred/internal/api/wire"
	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// The bounds of SetAlarmState ("SetAlarmState").
const (
	reasonMax     = 1023
	reasonDataMax = 4000
)

// namesIn checks a list of names of alarms.
func namesIn(names []string) error {
	if names == nil {
		return broken("alarmNames", "null", "not be null")
	}
	if err := count("alarmNames", len(names), alarmsPage); err != nil {
		return err
	}
	for _, name := range names {
		if err := text("alarmNames", name, 1, alarmNameMax); err != nil {
			return err
		}
	}
	return nil
}

func (a *API) deleteAlarms(ctx context.Context, call control.Call, in *client.DeleteAlarmsInput) (*client.DeleteAlarmsOutput, error) {
	if err := namesIn(in.AlarmNames); err != nil {
		return nil, err
	}
	err := a.Store.UpdateAll(ctx, func(tx *store.Tx) (bool, error) { return control.DeleteAlarms(tx, call, in.AlarmNames) })
	return &client.DeleteAlarmsOutput{}, err
}

func (a *API) enableAlarmActions(ctx context.Context, call control.Call, in *client.EnableAlarmActionsInput) (*client.EnableAlarmActionsOutput, error) {
	return &client.EnableAlarmActionsOutput{}, a.setActions(ctx, call, in.AlarmNames, true)
}

func (a *API) disableAlarmActions(ctx context.Context, call control.Call, in *client.DisableAlarmActionsInput) (*client.DisableAlarmActionsOutput, error) {
	return &client.DisableAlarmActionsOutput{}, a.setActions(ctx, call, in.AlarmNames, false)
}

func (a *API) setActions(ctx context.Context, call control.Call, names []string, enabled bool) error {
	if err := namesIn(names); err != nil {
		return err
	}
	return a.Store.UpdateAll(ctx, func(tx *store.Tx) (bool, error) { return control.SetAlarmActions(tx, call, names, enabled), nil })
}

func (a *API) setAlarmState(ctx context.Context, call control.Call, in *client.SetAlarmStateInput) (*client.SetAlarmStateOutput, error) {
	name, reason, data := aws.ToString(in.AlarmName), aws.ToString(in.StateReason), aws.ToString(in.StateReasonData)
	if err := first(text("alarmName", name, 1, alarmNameMax), text("stateReason", reason, 0, reasonMax), text("stateReasonData", data, 0, reasonDataMax)); err != nil {
		return nil, err
	}
	switch {
	case in.StateReason == nil:
		return nil, broken("stateReason", "null", "not be null")
	case in.StateValue == "":
		return nil, broken("stateValue", "null", "not be null")
	case data != "" && !json.Valid([]byte(data)):
		return nil, wire.Errorf("InvalidFormatFault", "StateReasonData is not syntactically valid JSON: %.100s", data)
	}
	if err := checkEnum("stateValue", in.StateValue); err != nil {
		return nil, err
	}
	err := a.Update(ctx, func(tx *store.Tx) error {
		return control.SetAlarmState(tx, call, name, model.AlarmValue(in.StateValue), reason, data)
	})
	return &client.SetAlarmStateOutput{}, err
}

// resourceIn gives the name of the alarm whose ARN names a resource; nothing else has tags here.
func resourceIn(call control.Call, resource *string) (string, error) {
	id := aws.ToString(resource)
	if id == "" {
		return "", broken("resourceARN", "null", "not be null")
	}
	name, in, ok := arn.AlarmName(id)
	if !ok {
		return "", badValue("The value %.300s for parameter ResourceARN is invalid: it is not the ARN of an alarm.", id)
	}
	if in != call.Scope {
		return "", wire.Errorf("ResourceNotFoundException", "%.300s does not exist", id)
	}
	return name, nil
}

func (a *API) tagResource(ctx context.Context, call control.Call, in *client.TagResourceInput) (*client.TagResourceOutput, error) {
	name, err := resourceIn(call, in.ResourceARN)
	if err != nil {
		return nil, err
	}
	if in.Tags == nil {
		return nil, broken("tags", "null", "not be null")
	}
	tags, err := tagsIn(in.Tags)
	if err != nil {
		return nil, err
	}
	err = a.Update(ctx, func(tx *store.Tx) error { return control.TagAlarm(tx, call, name, tags) })
	return &client.TagResourceOutput{}, err
}

func (a *API) untagResource(ctx context.Context, call control.Call, in *client.UntagResourceInput) (*client.UntagResourceOutput, error) {
	name, err := resourceIn(call, in.ResourceARN)
	if err != nil {
		return nil, err
	}
	if in.TagKeys == nil {
		return nil, broken("tagKeys", "null", "not be null")
	}
	err = a.Update(ctx, func(tx *store.Tx) error { return control.UntagAlarm(tx, call, name, in.TagKeys) })
	return &client.UntagResourceOutput{}, err
}

func (a *API) listTagsForResource(_ context.Context, call control.Call, in *client.ListTagsForResourceInput) (*client.ListTagsForResourceOutput, error) {
	name, err := resourceIn(call, in.ResourceARN)
	if err != nil {
		return nil, err
	}
	x, err := control.FindAlarm(a.Store.View(), call, name)
	if err != nil {
		return nil, wire.Errorf("ResourceNotFoundException", "Alarm %.300s does not exist", name)
	}
	return &client.ListTagsForResourceOutput{Tags: tagsOut(x.Tags)}, nil
}
