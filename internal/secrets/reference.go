package secrets

import (
	"fmt"
	"strings"

	"github.com/maitred/maitred/internal/arn"
)

// The services that a reference may name.
const (
	secretsManager = "secretsmanager"
	parameters     = "ssm"
)

// Reference is what valueFrom names ("Secret"): a secret of Secrets Manager, perhaps one member of it, or a parameter of
// Systems Manager.
type Reference struct {
	Service string // secretsmanager or ssm
	Region  string
	ID      string // as given: the ARN without what follows it, or the name
	Name    string // of the secret, with the six characters that an ARN adds, or of the parameter
	JSONKey string // "" for the whole value
	Stage   string // "" for the current one
	Version string // likewise
}

// ParseReference reads valueFrom; region is that of the task.
func ParseReference(valueFrom, region string) (Reference, error) {
	if !strings.HasPrefix(valueFrom, "arn:") {
		if valueFrom == "" || len(valueFrom) > 2048 {
			return Reference{}, fmt.Errorf("valueFrom %.100q: it is an ARN or the name of a parameter", valueFrom)
		}
		return Reference{Service: parameters, Region: region, ID: valueFrom, Name: valueFrom}, nil
	}
	parts := strings.SplitN(valueFrom, ":", 6)
	if len(parts) < 6 || parts[3] == "" {
		return Reference{}, fmt.Errorf("valueFrom %.200q is no ARN", valueFrom)
	}
	r := Reference{Service: parts[2], Region: parts[3], ID: valueFrom}
	switch r.Service {
	case secretsManager:
		return r.secret(parts[5])
	case parameters:
		name, ok := strings.CutPrefix(parts[5], "parameter/")
		if !ok || name == "" {
			return Reference{}, fmt.Errorf("valueFrom %.200q: want …:parameter/NAME", valueFrom)
		}
		r.Name = name
		return r, nil
	}
	return Reference{}, fmt.Errorf("valueFrom %.200q: secrets are kept by secretsmanager and ssm", valueFrom)
}

// secret reads the end of a secret's ARN: secret:NAME:json-key:version-stage:version-id.
func (ref Reference) secret(rest string) (Reference, error) {
	parts := strings.Split(rest, ":")
	if parts[0] != "secret" || len(parts) < 2 || len(parts) > 5 || parts[1] == "" {
		return Reference{}, fmt.Errorf("valueFrom %.200q: want …:secret:NAME, perhaps with :JSON-KEY:VERSION-STAGE:VERSION-ID", ref.ID)
	}
	ref.Name = parts[1]
	ref.ID = strings.TrimSuffix(ref.ID, rest) + "secret:" + ref.Name
	for i, to := range []*string{&ref.JSONKey, &ref.Stage, &ref.Version} {
		if len(parts) > i+2 {
			*to = parts[i+2]
		}
	}
	return ref, nil
}

// Names are the names that the value may have in the local store, the likeliest first.
func (ref Reference) Names() []string {
	names := []string{ref.Name}
	if ref.Service == parameters {
		// The ARN of /a/b is …:parameter/a/b, and that of b …:parameter/b.
		return append(names, otherSlash(ref.Name))
	}
	if n := len(ref.Name) - 7; n > 0 && ref.Name[n] == '-' {
		names = append(names, ref.Name[:n])
	}
	return names
}

func otherSlash(name string) string {
	if without, ok := strings.CutPrefix(name, "/"); ok {
		return without
	}
	return "/" + name
}

// object is a file of S3.
type object struct{ bucket, key string }

// parseObject reads the ARN of an object: arn:aws:s3:::BUCKET/KEY.
func parseObject(text string) (object, error) {
	a, ok := arn.Parse(text)
	if !ok || a.Service != "s3" || a.Region != "" || strings.Contains(a.Type, ":") {
		return object{}, fmt.Errorf("%.200q is not the ARN of an S3 object: want arn:aws:s3:::BUCKET/KEY", text)
	}
	return object{a.Type, a.ID}, nil
}
