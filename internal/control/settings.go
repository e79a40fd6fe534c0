package control

import (
	"fmt"
	"slices"
	"strings"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// ContainerInsights is the account setting that new clusters take over.
const ContainerInsights = "containerInsights"

// accountDefault stands for the account itself in the principal of a setting. What its root user sets is the account's
// default ("PutAccountSettingDefault").
const accountDefault = "default"

// AccountSetting describes one account setting ("Access Amazon ECS features with account settings").
type AccountSetting struct {
	Name    string
	Default string
	Values  []string // that can be set; none: it is managed for the user and cannot be changed
	Why     string   // why other values are refused, as the end of a sentence
}

// AccountSettings lists the account settings in the order of their names.
func AccountSettings() []AccountSetting {
	onOff := []string{"enabled", "disabled"}
	longARN := "because only the long format of ARNs is made"
	return []AccountSetting{
		{Name: "awsvpcTrunking", Default: "disabled", Values: onOff},
		{Name: "containerInsights", Default: "disabled", Values: []string{"enabled", "disabled", "enhanced"}},
		{Name: "containerInstanceLongArnFormat", Default: "enabled", Values: onOff[:1], Why: longARN},
		{Name: "defaultLogDriverMode", Default: "non-blocking", Values: []string{"blocking", "non-blocking"}},
		{Name: "fargateEventWindows", Default: "disabled", Values: onOff},
		{
			Name: "fargateFIPSMode", Default: "disabled", Values: onOff[1:],
			Why: "because the cryptography of these machines is not under the control of maitred",
		},
		{Name: "fargateTaskRetirementWaitPeriod", Default: "7", Values: []string{"0", "7", "14"}},
		{Name: "guardDutyActivate", Default: "off", Why: "because it is read-only"},
		{Name: "serviceLongArnFormat", Default: "enabled", Values: onOff[:1], Why: longARN},
		{Name: "tagResourceAuthorization", Default: "on", Values: []string{"on"}, Why: "because it can no longer be turned off"},
		{Name: "taskLongArnFormat", Default: "enabled", Values: onOff[:1], Why: longARN},
	}
}

// FindAccountSetting finds a setting by name.
func FindAccountSetting(name string) (AccountSetting, error) {
	var names []string
	for _, s := range AccountSettings() {
		if s.Name == name {
			return s, nil
		}
		names = append(names, s.Name)
	}
	return AccountSetting{}, model.InvalidParameter(fmt.Sprintf("name should be one of [%s], got %q.", strings.Join(names, ","), name))
}

func (s AccountSetting) check(value string) error {
	if slices.Contains(s.Values, value) {
		return nil
	}
	if s.Why != "" {
		return model.InvalidParameter(fmt.Sprintf("value: the setting %s cannot be changed to %q, %s.", s.Name, value, s.Why))
	}
	return model.InvalidParameter(fmt.Sprintf("value of the setting %s should be one of [%s], got %q.",
		s.Name, strings.Join(s.Values, ","), value))
}

// settingOwner gives the principal under which a setting is kept.
func settingOwner(scope arn.Scope, principal string) string {
	if principal == "" || principal == scope.Root() {
		return accountDefault
	}
	return principal
}

// PutSetting sets an account setting of a principal (given by ARN), or the account's default if it is the root user.
func PutSetting(tx *store.Tx, call Call, principal, name, value string) (*model.Setting, error) {
	known, err := FindAccountSetting(name)
	if err != nil {
		return nil, err
	}
	if err := known.check(value); err != nil {
		return nil, err
	}
	s := &model.Setting{Region: call.Region, Principal: settingOwner(call.Scope, principal), Name: name, Value: value}
	tx.Put(s)
	return s, nil
}

// DeleteSetting takes a setting of a principal back and gives what holds for it now.
func DeleteSetting(tx *store.Tx, call Call, principal, name string) (model.Setting, error) {
	known, err := FindAccountSetting(name)
	if err != nil {
		return model.Setting{}, err
	}
	owner := settingOwner(call.Scope, principal)
	old := model.Setting{Region: call.Region, Principal: owner, Name: name}
	tx.Delete(old.Key())
	old.Value = known.Default
	if owner != accountDefault {
		old.Value = EffectiveSetting(tx.View(), call.Scope, call.Root(), name).Value
	}
	return old, nil
}

// EffectiveSetting is what holds for a principal: its own setting, the account's, or the one of ECS.
func EffectiveSetting(v *store.View, scope arn.Scope, principal, name string) model.Setting {
	owner := settingOwner(scope, principal)
	for _, who := range []string{owner, accountDefault} {
		if s, ok := v.Setting(scope.Region, who, name); ok {
			return model.Setting{Region: scope.Region, Principal: owner, Name: name, Value: s.Value}
		}
	}
	known, _ := FindAccountSetting(name)
	return model.Setting{Region: scope.Region, Principal: owner, Name: name, Value: known.Default}
}

// Settings lists the account settings of a principal by name: those that it has set, or all that hold for it.
func Settings(v *store.View, scope arn.Scope, principal string, effective bool) []model.Setting {
	owner := settingOwner(scope, principal)
	var list []model.Setting
	for _, known := range AccountSettings() {
		if effective {
			list = append(list, EffectiveSetting(v, scope, principal, known.Name))
		} else if s, ok := v.Setting(scope.Region, owner, known.Name); ok {
			list = append(list, *s)
		}
	}
	return list
}
