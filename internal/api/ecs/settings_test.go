package ecs_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/google/go-cmp/cmp"
)

const (
	root = "arn:aws:iam::" + account + ":root"
	user = "arn:aws:iam::" + account + ":user/u"
)

// settings lists account settings, in pages of 4, as "name=value …".
func (w *world) settings(principal string, effective bool, name string) string {
	w.t.Helper()
	var list []string
	pages := client.NewListAccountSettingsPaginator(w.Client, &client.ListAccountSettingsInput{
		PrincipalArn: &principal, EffectiveSettings: effective, Name: types.SettingName(name), MaxResults: 4,
	})
	for pages.HasMorePages() {
		for _, s := range must(pages.NextPage(w.t.Context()))(w.t).Settings {
			if *s.PrincipalArn != principal {
				w.t.Errorf("%s belongs to %s, want %s", s.Name, *s.PrincipalArn, principal)
			}
			list = append(list, string(s.Name)+"="+*s.Value)
		}
	}
	return strings.Join(list, " ")
}

func TestAccountSettings(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	defaults := "awsvpcTrunking=disabled containerInsights=disabled containerInstanceLongArnFormat=enabled " +
		"defaultLogDriverMode=non-blocking fargateEventWindows=disabled fargateFIPSMode=disabled fargateTaskRetirementWaitPeriod=7 " +
		"guardDutyActivate=off serviceLongArnFormat=enabled tagResourceAuthorization=on taskLongArnFormat=enabled"
	if diff := cmp.Diff(defaults, w.settings(root, true, "")); diff != "" {
		t.Errorf("effective settings (-want +got):\n%s", diff)
	}
	if got := w.settings(root, false, ""); got != "" {
		t.Errorf("got settings %q, want none to be set", got)
	}
	// The account's setting holds for everybody who has none.
	out := must(w.PutAccountSettingDefault(t.Context(), &client.PutAccountSettingDefaultInput{
		Name: "containerInsights", Value: aws.String("enabled"),
	}))(t)
	if s := out.Setting; *s.PrincipalArn != root || *s.Value != "enabled" || s.Type != types.SettingTypeUser {
		t.Errorf("got %s of %s (%s), want enabled of %s (user)", *s.Value, *s.PrincipalArn, s.Type, root)
	}
	wantInsights := func(ofUser, ofRoot string) {
		t.Helper()
		if got := w.settings(user, true, "containerInsights"); got != "containerInsights="+ofUser {
			t.Errorf("the user has %s, want %s", got, ofUser)
		}
		if got := w.settings(root, true, "containerInsights"); got != "containerInsights="+ofRoot {
			t.Errorf("the root user has %s, want %s", got, ofRoot)
		}
	}
	wantInsights("enabled", "enabled")
	put := &client.PutAccountSettingInput{Name: "containerInsights", Value: aws.String("enhanced"), PrincipalArn: aws.String(user)}
	must(w.PutAccountSetting(t.Context(), put))(t)
	wantInsights("enhanced", "enabled")
	if got := w.settings(user, false, ""); got != "containerInsights=enhanced" {
		t.Errorf("the user has set %q, want containerInsights alone", got)
	}
	remove := func(principal, want string) {
		t.Helper()
		out := must(w.DeleteAccountSetting(t.Context(), &client.DeleteAccountSettingInput{Name: "containerInsights", PrincipalArn: &principal}))(t)
		if got := *out.Setting.Value; got != want {
			t.Errorf("after the deletion %s holds for %s, want %s", got, principal, want)
		}
	}
	remove(user, "enabled")
	wantInsights("enabled", "enabled")
	remove(root, "disabled")
	remove(root, "disabled")
	wantInsights("disabled", "disabled")
	if got := w.settings(root, true, "guardDutyActivate"); got != "guardDutyActivate=off" {
		t.Errorf("got %s, want guardDutyActivate=off", got)
	}
}

func TestAccountSettingsByValue(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for value, want := range map[string]int{"disabled": 1, "enabled": 0} {
		out := must(w.ListAccountSettings(t.Context(), &client.ListAccountSettingsInput{
			Name: "awsvpcTrunking", Value: &value, EffectiveSettings: true,
		}))(t)
		if len(out.Settings) != want {
			t.Errorf("value %s: got %d settings, want %d", value, len(out.Settings), want)
		}
	}
}
