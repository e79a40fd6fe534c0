package secrets

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/maitred/maitred/internal/store"
)

// MaxValue bounds a secret in bytes ("CreateSecret").
const MaxValue = 64 << 10

// Resolver finds values. It may be used by several goroutines.
type Resolver struct {
	View func() *store.View
	// Keys opens what is stored locally. It is called when something is found there.
	Keys func() (*Keys, error)
	// Endpoint is asked for what is not stored locally; nil for none.
	Endpoint *Endpoint
	// Objects is a directory with a directory for each bucket, "" for none: environment files are looked for there, and
	// then at the endpoint.
	Objects string
}

// Value gives the value that valueFrom names; region is that of the task. Errors say what AWS would, and never a value.
func (r *Resolver) Value(ctx context.Context, valueFrom, region string) (string, error) {
	ref, err := ParseReference(valueFrom, region)
	if err != nil {
		return "", err
	}
	value, found, err := r.local(ref)
	if err == nil && !found {
		value, err = r.remote(ctx, ref)
	}
	if err != nil {
		return "", ref.failed(err)
	}
	if ref.JSONKey != "" {
		return ref.member(value)
	}
	return string(value), nil
}

// local looks a value up in the store, where there is one version of each.
func (r *Resolver) local(ref Reference) (value []byte, found bool, err error) {
	if ref.Version != "" || ref.Stage != "" && ref.Stage != "AWSCURRENT" {
		return nil, false, nil
	}
	view := r.View()
	for _, name := range ref.Names() {
		s, ok := view.Secret(ref.Region, name)
		if !ok {
			continue
		}
		keys, err := r.Keys()
		if err != nil {
			return nil, false, err
		}
		value, err := keys.Open(s)
		return value, err == nil, err
	}
	return nil, false, nil
}

func (r *Resolver) remote(ctx context.Context, ref Reference) ([]byte, error) {
	if r.Endpoint == nil {
		if ref.Service == parameters {
			return nil, &awsError{resourceNotFound, fmt.Sprintf("invalid parameters: %s (`maitred secret set %s` stores one)", ref.ID, ref.Name)}
		}
		name := ref.Names()
		return nil, &awsError{resourceNotFound, fmt.Sprintf("Secrets Manager can't find the specified secret (`maitred secret set %s` stores one)", name[len(name)-1])}
	}
	if ref.Service == parameters {
		return r.Endpoint.parameter(ctx, ref)
	}
	return r.Endpoint.secret(ctx, ref)
}

// failed says in ECS's words that a value cannot be had ("Stopped tasks error messages").
func (ref Reference) failed(err error) error {
	if ref.Service == parameters {
		return fmt.Errorf("execution resource retrieval failed: unable to retrieve secrets from ssm: "+
			"service call has been retried 1 time(s): failed to fetch parameter %s: %w", ref.ID, err)
	}
	return fmt.Errorf("execution resource retrieval failed: unable to retrieve secret from asm: "+
		"service call has been retried 1 time(s): failed to fetch secret %s from secrets manager: %w", ref.ID, err)
}

// member gives one member of a value that is a JSON object.
func (ref Reference) member(value []byte) (string, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(value, &members); err != nil || members == nil {
		return "", fmt.Errorf("retrieved secret from Secrets Manager %s is no JSON object, so it has no key %s", ref.ID, ref.JSONKey)
	}
	member, ok := members[ref.JSONKey]
	if !ok {
		return "", fmt.Errorf("retrieved secret from Secrets Manager did not contain json key %s", ref.JSONKey)
	}
	var text string
	if json.Unmarshal(member, &text) == nil && member[0] == '"' {
		return text, nil
	}
	return string(member), nil
}

// File reads an environment file, given by the ARN of an S3 object.
func (r *Resolver) File(ctx context.Context, objectARN, region string) ([]Variable, error) {
	o, err := parseObject(objectARN)
	if err != nil {
		return nil, err
	}
	text, err := r.read(ctx, o, region)
	if err != nil {
		return nil, fmt.Errorf("failed to download env files: %s: %w", objectARN, err)
	}
	list, err := ParseFile(text)
	if err != nil {
		return nil, fmt.Errorf("env file %s: %w", objectARN, err)
	}
	return list, nil
}

func (r *Resolver) read(ctx context.Context, o object, region string) ([]byte, error) {
	if r.Objects != "" {
		text, found, err := r.readLocal(o)
		if found || err != nil {
			return text, err
		}
	}
	switch {
	case r.Endpoint != nil:
		return r.Endpoint.object(ctx, o, region)
	case r.Objects != "":
		return nil, &awsError{"NoSuchKey", fmt.Sprintf("there is no file %s/%s in %s", o.bucket, o.key, r.Objects)}
	}
	return nil, &awsError{"NoSuchBucket", "no place is configured for S3 objects: --s3-dir DIR (with DIR/BUCKET/KEY) or --secrets-endpoint URL"}
}

// readLocal reads DIR/BUCKET/KEY, and nothing outside of DIR.
func (r *Resolver) readLocal(o object) (text []byte, found bool, err error) {
	root, err := os.OpenRoot(r.Objects)
	if err != nil {
		return nil, false, fmt.Errorf("open the directory of S3 objects: %w", err)
	}
	defer func() { _ = root.Close() }()
	name := o.bucket + "/" + o.key
	f, err := root.Open(name)
	if os.IsNotExist(err) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("open %s: %w", name, err)
	}
	defer func() { _ = f.Close() }()
	text, err = io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err != nil {
		return nil, false, fmt.Errorf("read %s: %w", name, err)
	}
	return text, true, nil
}

// CheckName says what is wrong with the name of a secret, "" if nothing is ("CreateSecret").
func CheckName(name string) string {
	const allowed = "/_+=.@-"
	bad := func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune(allowed, c)
	}
	switch {
	case name == "" || len(name) > 512:
		return "a secret's name has 1 to 512 characters"
	case strings.ContainsFunc(name, bad):
		return fmt.Sprintf("the secret's name %.100q: letters, digits and %s are allowed", name, allowed)
	}
	return ""
}
