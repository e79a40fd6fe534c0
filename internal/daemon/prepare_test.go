package daemon

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/model"
)

// prepares is a preparer that has some secrets and an environment file.
func prepares(t *testing.T) *preparer {
	t.Helper()
	s, api := keepsSecrets(t)
	for name, value := range map[string]string{
		"db": "canary", "login": `{"username":"me","password":"canary"}`, "nobody": `{"password":"canary"}`,
	} {
		if err := SetSecret(t.Context(), api, "", name, []byte(value)); err != nil {
			t.Fatal(err)
		}
	}
	s.cfg.S3Dir = t.TempDir()
	if err := os.Mkdir(filepath.Join(s.cfg.S3Dir, "bucket"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"one.env": "A=file\nB=one\nDB=file\n", "two.env": "B=two\nC=two\n"} {
		if err := os.WriteFile(filepath.Join(s.cfg.S3Dir, "bucket", name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p := s.newPreparer(nil)
	p.logs = func(context.Context, *model.Task, *driver.Spec) error { return nil }
	p.endpoints = func(_ *model.Task, _ *model.TaskDefinition, spec *driver.Spec) {
		spec.Env = append(spec.Env, "ZZ=endpoint")
	}
	return p
}

var preparedTask = &model.Task{ARN: "arn:aws:ecs:us-east-1:123456789012:task/default/0123456789abcdef"}

// TestPrepare: what the definition sets goes before files, the first file before the second, secrets before all.
func TestPrepare(t *testing.T) {
	t.Parallel()
	p := prepares(t)
	env := []string{"A=definition", "Z=1"}
	spec := &driver.Spec{Env: env, Definition: model.ContainerDefinition{
		EnvironmentFiles: []string{"arn:aws:s3:::bucket/one.env", "arn:aws:s3:::bucket/two.env"},
		Secrets:          []model.Secret{{Name: "DB", ValueFrom: "db"}},
		Log:              &model.LogConfiguration{Secrets: []model.Secret{{Name: "token", ValueFrom: "db"}}},
		Registry:         "login",
	}}
	if err := p.prepare(t.Context(), preparedTask, &model.TaskDefinition{}, spec); err != nil {
		t.Fatalf("prepare = %v", err)
	}
	if diff := cmp.Diff([]string{"A=definition", "B=one", "C=two", "DB=canary", "Z=1", "ZZ=endpoint"}, spec.Env); diff != "" {
		t.Errorf("environment (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"A=definition", "Z=1"}, env); diff != "" {
		t.Errorf("the environment that was given changed (-before +after):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{"token": "canary"}, spec.LogSecrets); diff != "" {
		t.Errorf("options of the log driver (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(&driver.Login{Username: "me", Password: "canary"}, spec.Registry); diff != "" {
		t.Errorf("login (-want +got):\n%s", diff)
	}
}

func TestPrepareFails(t *testing.T) {
	t.Parallel()
	p := prepares(t)
	for name, c := range map[string]struct {
		definition model.ContainerDefinition
		want       string
	}{
		"no such file":            {model.ContainerDefinition{EnvironmentFiles: []string{"arn:aws:s3:::bucket/none.env"}}, "failed to download env files: "},
		"no such secret":          {model.ContainerDefinition{Secrets: []model.Secret{{Name: "A", ValueFrom: "none"}}}, "unable to retrieve secrets from ssm"},
		"no such option":          {model.ContainerDefinition{Log: &model.LogConfiguration{Secrets: []model.Secret{{Name: "a", ValueFrom: "none"}}}}, "failed to fetch parameter none"},
		"no such login":           {model.ContainerDefinition{Registry: "none"}, "failed to fetch secret "},
		"a login that is none":    {model.ContainerDefinition{Registry: "db"}, "username and password"},
		"a login without a user":  {model.ContainerDefinition{Registry: "nobody"}, "username and password"},
		"a secret of another key": {model.ContainerDefinition{Secrets: []model.Secret{{Name: "A", ValueFrom: "arn:aws:secretsmanager:us-east-1:1:secret:login:none::"}}}, "json key none"},
	} {
		err := p.prepare(t.Context(), preparedTask, &model.TaskDefinition{}, &driver.Spec{Definition: c.definition})
		failure, ok := errors.AsType[*driver.Failure](err)
		if !ok || failure.Name != "ResourceInitializationError" || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: prepare = %v, want a ResourceInitializationError with %q", name, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: the error tells a secret: %v", name, err)
		}
	}
	gone := errors.New("no log group")
	p.logs = func(context.Context, *model.Task, *driver.Spec) error { return gone }
	if err := p.prepare(t.Context(), preparedTask, nil, &driver.Spec{}); !errors.Is(err, gone) {
		t.Errorf("prepare without a log group = %v, want %v", err, gone)
	}
}
