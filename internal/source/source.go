// Package source reads how much work waits for a service: the length of a queue, the answer to a query, a number in a
// JSON document. It is read each second and published as the metrics Backlog and BacklogPerTask of the service, for
// scaling policies to follow.
//
// Where it is read says the tag maitred:backlog of the service: a URL and parameters, with spaces between them, because
// tags of ECS have no question marks.
//
//	redis://HOST:PORT/DB list=KEY                   the length of a list
//	redis://HOST:PORT/DB stream=KEY group=GROUP     what a consumer group of a stream has not been given, or not acknowledged;
//	                                                without group, the length of the stream
//	nats://HOST:PORT stream=NAME consumer=NAME      what a JetStream consumer has not been given, or not acknowledged;
//	                                                without consumer, the messages of the stream
//	postgres://USER@HOST:PORT/DB query-secret=NAME  the first column of the first row
//	sqs+http://HOST:PORT/ACCOUNT/QUEUE region=R     ApproximateNumberOfMessages, of anything that speaks SQS's JSON protocol
//	json+http://HOST:PORT/PATH value=/POINTER       a number in a JSON document, by its JSON Pointer (RFC 6901)
//	prometheus+http://HOST:PORT query=NAME          the sum of an instant query
//
// sqs, json and prometheus have https too. Any parameter may be kept as a secret, as query-secret=NAME instead of query=…,
// which is how one has characters that tags do not. password-secret=NAME is the password (the secret key of sqs, whose
// access key is the user of the URL).
package source

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/url"
	"slices"
	"strings"
)

// Tag is the tag of a service that says where its backlog is read.
const Tag = "maitred:backlog"

// Source is where a backlog is read. It is used by one goroutine at a time.
type Source interface {
	// Read gives the number of things that wait, now.
	Read(ctx context.Context) (float64, error)
	Close() error
}

// Secrets opens a secret by name.
type Secrets func(ctx context.Context, name string) (string, error)

// spec is what is read, and how one gets there.
type spec struct {
	kind    string // the scheme, without +http and +https
	target  *url.URL
	values  map[string]string // the parameters
	secrets map[string]string // names of the secrets that parameters are, by parameter
}

// kind is a sort of source.
type kind struct {
	http     bool     // it is reached by HTTP: kind+http or kind+https
	required []string // one parameter of each set, separated by |, has to be there
	optional []string
	open     func(ctx context.Context, s *spec) (Source, error)
}

func kinds() map[string]kind {
	return map[string]kind{
		"redis":      {required: []string{"list|stream"}, optional: []string{"group"}, open: openRedis},
		"nats":       {required: []string{"stream"}, optional: []string{"consumer"}, open: openNATS},
		"postgres":   {required: []string{"query"}, open: openPostgres},
		"sqs":        {http: true, optional: []string{"region"}, open: openSQS},
		"json":       {http: true, required: []string{"value"}, open: openJSON},
		"prometheus": {http: true, required: []string{"query"}, open: openPrometheus},
	}
}

// Check says what is wrong with a tag, without reaching for anything.
func Check(tag string) error {
	_, err := parse(tag)
	return err
}

// Open prepares to read a backlog. Nothing but secrets is reached for before the first Read.
func Open(ctx context.Context, tag string, secrets Secrets) (Source, error) {
	s, err := parse(tag)
	if err != nil {
		return nil, err
	}
	for name, secret := range s.secrets {
		if s.values[name], err = secrets(ctx, secret); err != nil {
			return nil, fmt.Errorf("the secret %q of the backlog's source: %w", secret, err)
		}
	}
	from, err := kinds()[s.kind].open(ctx, s)
	if err != nil {
		return nil, err
	}
	return keepsSecret(from, s), nil
}

func parse(tag string) (*spec, error) {
	raw, parameters, _ := strings.Cut(strings.TrimSpace(tag), " ")
	u, err := url.Parse(raw)
	if err != nil {
		// url.Error repeats the URL, in which a password may be.
		if broken, ok := errors.AsType[*url.Error](err); ok {
			err = broken.Err
		}
		return nil, fmt.Errorf("the source of a backlog is not a URL: %w", err)
	}
	name, transport, web := strings.Cut(u.Scheme, "+")
	k, known := kinds()[name]
	switch {
	case !known:
		return nil, fmt.Errorf("the source of a backlog cannot be %q: there are redis, nats, postgres, and with +http or +https sqs, json, prometheus", u.Scheme)
	case k.http != web || web && transport != "http" && transport != "https":
		return nil, fmt.Errorf("the source of a backlog cannot be %q: %s is reached by %s", u.Scheme, name, reached(k, name))
	case u.Host == "":
		return nil, fmt.Errorf("the source of a backlog, %s: it has no host", name)
	}
	s := &spec{kind: name, values: map[string]string{}, secrets: map[string]string{}}
	if err := errors.Join(s.read(parameters), s.check(k)); err != nil {
		return nil, fmt.Errorf("the source of a backlog, %s: %w", name, err)
	}
	s.target = &url.URL{Scheme: u.Scheme, User: u.User, Host: u.Host, Path: u.Path}
	if web {
		s.target.Scheme = transport
	}
	return s, nil
}

const ofSecret = "-secret" // the end of the name of a parameter that is a secret

func (s *spec) read(parameters string) error {
	for p := range strings.FieldsSeq(parameters) {
		name, value, _ := strings.Cut(p, "=")
		into := s.values
		if bare, ok := strings.CutSuffix(name, ofSecret); ok {
			name, into = bare, s.secrets
		}
		if s.has(name) {
			return fmt.Errorf("it has the parameter %q more than once", name)
		}
		if value == "" {
			return fmt.Errorf("the parameter %q has no value", name)
		}
		into[name] = value
	}
	return nil
}

func (s *spec) has(name string) bool { return s.values[name] != "" || s.secrets[name] != "" }

func reached(k kind, name string) string {
	if k.http {
		return name + "+http:// or " + name + "+https://"
	}
	return name + "://"
}

// check says which parameter is missing, or means nothing.
func (s *spec) check(k kind) error {
	known := append([]string{"password"}, k.optional...)
	for _, set := range k.required {
		names := strings.Split(set, "|")
		known = append(known, names...)
		if given := slices.DeleteFunc(slices.Clone(names), func(n string) bool { return !s.has(n) }); len(given) != 1 {
			return fmt.Errorf("it takes one parameter %s", strings.Join(names, " or "))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.values)) {
		if !slices.Contains(known, name) {
			return fmt.Errorf("it has no parameter %q", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.secrets)) {
		if !slices.Contains(known, name) {
			return fmt.Errorf("it has no parameter %q", name+ofSecret)
		}
	}
	return nil
}

// password is that of the URL, unless it is a parameter.
func (s *spec) password() string {
	if p := s.values["password"]; p != "" {
		return p
	}
	p, _ := s.target.User.Password()
	return p
}

// amount refuses what is not a number of things.
func amount(v float64) (float64, error) {
	if math.IsNaN(v) || math.IsInf(v, 0) || v < 0 {
		return 0, fmt.Errorf("%v is not a number of things that wait", v)
	}
	return v, nil
}
