package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/secrets"
)

// initialization is ECS's name for what goes wrong before a container is made.
const initialization = "ResourceInitializationError"

// preparer completes what is to be started with what has to be fetched for it.
type preparer struct {
	secrets *secrets.Resolver
	logs    func(context.Context, *model.Task, *driver.Spec) error
	// endpoints adds the variables of the metadata, credentials and protection endpoints.
	endpoints func(*model.Task, *model.TaskDefinition, *driver.Spec)
}

// resolver finds the values of secrets.
func (s *server) resolver() *secrets.Resolver {
	r := &secrets.Resolver{View: s.store.View, Keys: s.keys, Objects: s.cfg.S3Dir}
	if s.cfg.SecretsEndpoint != "" {
		r.Endpoint = &secrets.Endpoint{URL: s.cfg.SecretsEndpoint}
	}
	return r
}

func (s *server) newPreparer(endpoints *endpoints) *preparer {
	return &preparer{secrets: s.resolver(), logs: s.prepareLogs, endpoints: endpoints.prepare}
}

// prepare implements agent.Config.Prepare. Errors end the container, as ECS's do: a service tries again by another task.
func (p *preparer) prepare(ctx context.Context, task *model.Task, def *model.TaskDefinition, spec *driver.Spec) error {
	if err := p.logs(ctx, task, spec); err != nil {
		return err
	}
	region := arn.ScopeOf(task.ARN).Region
	for _, step := range []func(context.Context, string, *driver.Spec) error{p.files, p.values, p.options, p.login} {
		if err := step(ctx, region, spec); err != nil {
			if ctx.Err() != nil {
				return err
			}
			return &driver.Failure{Name: initialization, Err: err}
		}
	}
	p.endpoints(task, def, spec)
	return nil
}

// files adds the variables of the environment files. What the definition itself sets counts, and of several the first
// one ("Pass environment variables to an Amazon ECS container").
func (p *preparer) files(ctx context.Context, region string, spec *driver.Spec) error {
	for _, file := range spec.Definition.EnvironmentFiles {
		list, err := p.secrets.File(ctx, file, region)
		if err != nil {
			return err
		}
		for _, v := range list {
			if !hasVariable(spec.Env, v.Name) {
				spec.Env = append(slices.Clone(spec.Env), v.Name+"="+v.Value)
			}
		}
	}
	return nil
}

func hasVariable(env []string, name string) bool {
	return slices.ContainsFunc(env, func(entry string) bool { return strings.HasPrefix(entry, name+"=") })
}

// values adds the secrets, in place of what has their names.
func (p *preparer) values(ctx context.Context, region string, spec *driver.Spec) error {
	for _, secret := range spec.Definition.Secrets {
		value, err := p.secret(ctx, secret.ValueFrom, region)
		if err != nil {
			return err
		}
		spec.Env = slices.DeleteFunc(slices.Clone(spec.Env), func(entry string) bool {
			return strings.HasPrefix(entry, secret.Name+"=")
		})
		spec.Env = append(spec.Env, secret.Name+"="+value)
	}
	slices.Sort(spec.Env)
	return nil
}

// options fetches the secret options of the log driver.
func (p *preparer) options(ctx context.Context, region string, spec *driver.Spec) error {
	if spec.Definition.Log == nil {
		return nil
	}
	for _, secret := range spec.Definition.Log.Secrets {
		value, err := p.secret(ctx, secret.ValueFrom, region)
		if err != nil {
			return err
		}
		if spec.LogSecrets == nil {
			spec.LogSecrets = map[string]string{}
		}
		spec.LogSecrets[secret.Name] = value
	}
	return nil
}

// login fetches the user of the image's registry ("Using non-AWS container images in Amazon ECS").
func (p *preparer) login(ctx context.Context, region string, spec *driver.Spec) error {
	from := spec.Definition.Registry
	if from == "" {
		return nil
	}
	if !strings.HasPrefix(from, "arn:") { // a name, which is that of a secret
		from = "arn:aws:secretsmanager:" + region + ":000000000000:secret:" + from
	}
	value, err := p.secret(ctx, from, region)
	if err != nil {
		return err
	}
	var login struct{ Username, Password string }
	if err := json.Unmarshal([]byte(value), &login); err != nil || login.Username == "" {
		return errors.New(pulls + "repositoryCredentials: the secret has to be a JSON object with username and password")
	}
	spec.Registry = &driver.Login{Username: login.Username, Password: login.Password}
	return nil
}

// pulls begins the reasons of secrets that cannot be had ("Stopped tasks error messages").
const pulls = "unable to pull secrets or registry auth: "

func (p *preparer) secret(ctx context.Context, from, region string) (string, error) {
	value, err := p.secrets.Value(ctx, from, region)
	if err == nil && strings.ContainsRune(value, 0) {
		err = errors.New("the value has a zero byte, which no variable can hold")
	}
	if err != nil {
		return "", fmt.Errorf(pulls+"%w", err)
	}
	return value, nil
}
