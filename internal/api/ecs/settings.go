package ecs

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// settingPrincipal reads principalArn: the caller, unless another user or role of the account is named.
func settingPrincipal(call control.Call, ref *string) (string, error) {
	principal := aws.ToString(ref)
	if principal == "" {
		return call.Principal, nil
	}
	if !strings.HasPrefix(principal, "arn:aws:iam::"+call.Account+":") {
		return "", model.InvalidParameter(fmt.Sprintf(
			"principalArn: %.300q is not the ARN of a user, a role or the root user of the account %s.", principal, call.Account))
	}
	return principal, nil
}

func settingOut(principal string, s model.Setting) types.Setting {
	kind := types.SettingTypeUser
	if known, err := control.FindAccountSetting(s.Name); err == nil && len(known.Values) == 0 {
		kind = types.SettingTypeAwsManaged
	}
	return types.Setting{
		Name: types.SettingName(s.Name), Value: aws.String(s.Value), PrincipalArn: aws.String(principal), Type: kind,
	}
}

func (a *API) putSetting(ctx context.Context, call control.Call, principal, name string, value *string) (*types.Setting, error) {
	var set *model.Setting
	err := a.Update(ctx, func(tx *store.Tx) error {
		var err error
		set, err = control.PutSetting(tx, call, principal, name, aws.ToString(value))
		return err
	})
	if err != nil {
		return nil, err
	}
	out := settingOut(principal, *set)
	return &out, nil
}

func (a *API) putAccountSetting(
	ctx context.Context, call control.Call, in *ecs.PutAccountSettingInput,
) (*ecs.PutAccountSettingOutput, error) {
	principal, err := settingPrincipal(call, in.PrincipalArn)
	if err != nil {
		return nil, err
	}
	set, err := a.putSetting(ctx, call, principal, string(in.Name), in.Value)
	return &ecs.PutAccountSettingOutput{Setting: set}, err
}

func (a *API) putAccountSettingDefault(
	ctx context.Context, call control.Call, in *ecs.PutAccountSettingDefaultInput,
) (*ecs.PutAccountSettingDefaultOutput, error) {
	set, err := a.putSetting(ctx, call, call.Root(), string(in.Name), in.Value)
	return &ecs.PutAccountSettingDefaultOutput{Setting: set}, err
}

func (a *API) deleteAccountSetting(
	ctx context.Context, call control.Call, in *ecs.DeleteAccountSettingInput,
) (*ecs.DeleteAccountSettingOutput, error) {
	principal, err := settingPrincipal(call, in.PrincipalArn)
	if err != nil {
		return nil, err
	}
	var now model.Setting
	err = a.Update(ctx, func(tx *store.Tx) (err error) {
		now, err = control.DeleteSetting(tx, call, principal, string(in.Name))
		return err
	})
	if err != nil {
		return nil, err
	}
	out := settingOut(principal, now)
	return &ecs.DeleteAccountSettingOutput{Setting: &out}, nil
}

func (a *API) listAccountSettings(
	_ context.Context, call control.Call, in *ecs.ListAccountSettingsInput,
) (*ecs.ListAccountSettingsOutput, error) {
	principal, err := settingPrincipal(call, in.PrincipalArn)
	if err != nil {
		return nil, err
	}
	name, value := string(in.Name), aws.ToString(in.Value)
	if name != "" {
		if _, err := control.FindAccountSetting(name); err != nil {
			return nil, err
		}
	} else if value != "" {
		return nil, model.InvalidParameter("value can only be given together with name.")
	}
	// The member is no pointer: zero is not given.
	var most *int32
	if in.MaxResults != 0 {
		most = &in.MaxResults
	}
	p, err := newPager(call, pageLimits{10, 10}, most, in.NextToken, name, value, principal, fmt.Sprint(in.EffectiveSettings))
	if err != nil {
		return nil, err
	}
	list := []types.Setting{}
	for _, s := range control.Settings(a.Store.View(), call.Scope, principal, in.EffectiveSettings) {
		if (name == "" || name == s.Name) && (value == "" || value == s.Value) {
			list = append(list, settingOut(principal, s))
		}
	}
	list, next := page(p, list, func(s types.Setting) string { return string(s.Name) }, strings.Compare)
	return &ecs.ListAccountSettingsOutput{Settings: list, NextToken: next}, nil
}
