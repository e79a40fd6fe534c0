package wire

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/maitred/maitred/internal/api/wire/codec"
)

// endpoint is a Service made ready: its operations by name and its protocols,
// nil where it does not speak one.
type endpoint struct {
	service *Service
	ops     map[string]*Operation
	json    protocol
	cbor    protocol
	query   protocol
}

func newEndpoint(s *Service, c *codec.Codec) *endpoint {
	e := &endpoint{service: s, ops: make(map[string]*Operation, len(s.Ops))}
	for i := range s.Ops {
		e.ops[s.Ops[i].name] = &s.Ops[i]
	}
	if s.JSONVersion != "" {
		e.json = jsonProtocol{codec: c, service: s, version: s.JSONVersion}
	}
	if s.CBOR {
		e.cbor = cborProtocol{codec: c, service: s}
	}
	if s.QueryVersion != "" {
		e.query = queryProtocol{codec: c, service: s}
	}
	return e
}

// router finds the endpoint of a request. It is immutable.
type router struct {
	names    []string             // of the services, for error texts
	all      []*endpoint          // of all services
	byTarget map[string]*endpoint // by TargetPrefix
	byQuery  []*endpoint          // those that speak a query protocol
	// The protocols in which errors are told before the service is known.
	json, cbor, query protocol
}

func newRouter(services []*Service, c *codec.Codec) (*router, error) {
	t := &router{
		byTarget: map[string]*endpoint{},
		json:     jsonProtocol{codec: c, version: "1.1"},
		cbor:     cborProtocol{codec: c},
		query:    queryProtocol{codec: c},
	}
	for _, s := range services {
		if err := s.check(); err != nil {
			return nil, fmt.Errorf("service %q: %w", s.Name, err)
		}
		if err := s.compile(c); err != nil {
			return nil, fmt.Errorf("service %q: %w", s.Name, err)
		}
		if err := t.add(newEndpoint(s, c)); err != nil {
			return nil, fmt.Errorf("service %q: %w", s.Name, err)
		}
	}
	return t, nil
}

func (t *router) add(e *endpoint) error {
	s := e.service
	if slices.Contains(t.names, s.Name) {
		return errors.New("another service has this name")
	}
	t.names = append(t.names, s.Name)
	t.all = append(t.all, e)
	if s.TargetPrefix != "" {
		if t.byTarget[s.TargetPrefix] != nil {
			return fmt.Errorf("another service has the target prefix %s", s.TargetPrefix)
		}
		t.byTarget[s.TargetPrefix] = e
	}
	if e.query != nil {
		t.byQuery = append(t.byQuery, e)
	}
	return nil
}

// route is where a request goes. The protocol is always set, so that an error
// can be told; the endpoint is nil while the service is not known.
type route struct {
	protocol  protocol
	endpoint  *endpoint
	operation string
	form      bool // the query protocols: service and operation are in the form
}

// byHeader reads what the headers and the path say.
func (t *router) byHeader(r *http.Request) (route, error) {
	if r.Header.Get(smithyProtocol) != "" {
		return t.byPath(r)
	}
	if target := r.Header.Get("X-Amz-Target"); target != "" {
		prefix, operation := cutLast(target, ".")
		e := t.byTarget[prefix]
		if e == nil || e.json == nil {
			return route{protocol: t.json}, unknownOperation(
				"No service here answers the X-Amz-Target %.100q; served are: %s", target, strings.Join(t.names, ", "))
		}
		return route{protocol: e.json, endpoint: e, operation: operation}, nil
	}
	return route{protocol: t.guess(r), form: true}, nil
}

// byPath reads /service/<Service>/operation/<Operation>.
func (t *router) byPath(r *http.Request) (route, error) {
	unknown := route{protocol: t.cbor}
	if spoken := r.Header.Get(smithyProtocol); spoken != string(ProtocolCBOR) {
		return unknown, Errorf("UnknownOperationException", "The protocol %.100q is not spoken here; %s is", spoken, ProtocolCBOR)
	}
	_, rest := cutLast(r.URL.Path, "/service/")
	name, operation, ok := strings.Cut(rest, "/operation/")
	if !ok {
		return unknown, unknownOperation("The path %.100q is not /service/SERVICE/operation/OPERATION", r.URL.Path)
	}
	e := t.byTarget[name]
	if e == nil || e.cbor == nil {
		return unknown, unknownOperation(
			"No service here is named %.100q and speaks %s; served are: %s", name, ProtocolCBOR, strings.Join(t.names, ", "))
	}
	return route{protocol: e.cbor, endpoint: e, operation: operation}, nil
}

// guess returns the protocol in which a client without a target may understand
// an error.
func (t *router) guess(r *http.Request) protocol {
	switch contentType := r.Header.Get("Content-Type"); {
	case strings.Contains(contentType, "json"):
		return t.json
	case strings.Contains(contentType, "cbor"):
		return t.cbor
	default:
		return t.query
	}
}

// checkSigned refuses a request that only its signature assigns to a service when it is one that nobody here serves: the
// REST protocols of S3, Lambda and others have neither a target nor an Action that could be told about.
func (t *router) checkSigned(rt route, signedFor string) error {
	if !rt.form || signedFor == "" {
		return nil
	}
	for _, e := range t.all {
		if slices.Contains(e.service.SigningNames, signedFor) {
			return nil
		}
	}
	return unknownOperation("The request is signed for the service %.100q, which is not served here; served are: %s",
		signedFor, strings.Join(t.names, ", "))
}

// byForm completes a route with what a form says: Action, Version, and the name
// of the service in the credential scope where the Version leaves a choice.
func (t *router) byForm(rt route, form *codec.Form, signedFor string) (route, error) {
	rt.operation = form.Get("Action")
	version := form.Get("Version")
	if rt.operation == "" {
		return rt, Errorf("MissingAction",
			"The request has no Action, no X-Amz-Target and no Smithy-Protocol, so it names no operation; served are: %s",
			strings.Join(t.names, ", "))
	}
	var found []*endpoint
	for _, e := range t.byQuery {
		if e.service.QueryVersion == version || (version == "" && slices.Contains(e.service.SigningNames, signedFor)) {
			found = append(found, e)
		}
	}
	if len(found) > 1 {
		found = slices.DeleteFunc(found, func(e *endpoint) bool {
			return !slices.Contains(e.service.SigningNames, signedFor)
		})
	}
	if len(found) != 1 {
		return rt, unknownOperation("No service here has the Version %.100q of the Action %.100q; served are: %s",
			version, rt.operation, strings.Join(t.names, ", "))
	}
	rt.endpoint = found[0]
	rt.protocol = rt.endpoint.query
	return rt, nil
}

// cutLast cuts s around the last sep; without one, nothing stands after it.
func cutLast(s, sep string) (before, after string) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):]
	}
	return s, ""
}
