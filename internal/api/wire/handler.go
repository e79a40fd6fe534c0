package wire

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"runtime/debug"
	"strings"
	"time"

	"github.com/maitred/maitred/internal/api/wire/codec"
)

// Handler answers the requests of all services. It is safe for concurrent use.
type Handler struct {
	config Config
	router *router
}

var _ http.Handler = (*Handler)(nil)

// NewHandler returns the handler of services. It fails when their descriptions
// contradict each other or have a type that cannot be put on the wire. The
// services must not be changed afterwards.
func NewHandler(config Config, services ...*Service) (*Handler, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	router, err := newRouter(services, newCodec())
	if err != nil {
		return nil, err
	}
	return &Handler{config: config, router: router}, nil
}

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := h.config.NewRequestID()
	w.Header().Set("X-Amzn-RequestId", id)
	c := &call{
		handler: h,
		request: &Request{RequestID: id, RemoteAddr: r.RemoteAddr, Region: h.config.Region},
		route:   route{protocol: h.router.query},
	}
	began := time.Now()
	a := c.answer(w, r)
	if h.config.Told != nil {
		h.config.Told(c.done(time.Since(began)))
	}
	c.settle(r, a)
	a.write(w)
}

// call is one request on its way through the handler.
type call struct {
	handler *Handler
	request *Request
	route   route
	// bodyRead is when the whole request was here.
	bodyRead time.Time
	code     string // of the error that is answered
}

// done is what became of the call. What a caller made up has no name there, or there would be as many names as callers want.
func (c *call) done(took time.Duration) Done {
	d := Done{Code: c.code, Took: took}
	if c.route.endpoint == nil {
		return d
	}
	d.Service = c.request.Service
	if c.route.endpoint.ops[c.route.operation] != nil {
		d.Operation = c.route.operation
	}
	return d
}

// answer runs the call; whatever happens, there is an answer.
func (c *call) answer(w http.ResponseWriter, r *http.Request) (a answer) {
	defer func() {
		if p := recover(); p != nil {
			a = c.recovered(r.Context(), p)
		}
	}()
	a, err := c.run(w, r)
	if err != nil {
		return c.fail(c.handler.asError(r.Context(), c.request, c.service(), err))
	}
	return a
}

// recovered logs a panic and answers an internal error.
func (c *call) recovered(ctx context.Context, p any) answer {
	if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(p) // means: close the connection without an answer
	}
	c.handler.config.Log.LogAttrs(ctx, slog.LevelError, "API operation panicked", append(c.request.attrs(),
		slog.String("panic", fmt.Sprint(p)), slog.String("stack", string(debug.Stack())))...)
	return c.fail(internalError(c.service()))
}

// fail is the answer for an error.
func (c *call) fail(e *Error) answer {
	c.code = e.Code
	a, err := c.route.protocol.encodeError(c.request, resolve(e, c.service()))
	if err != nil {
		// Fields of an error that cannot be written are a mistake in a handler.
		c.handler.config.Log.LogAttrs(context.Background(), slog.LevelError, "API error cannot be written",
			append(c.request.attrs(), slog.String("code", e.Code), slog.Any("error", err))...)
		bare := *e
		bare.Fields = nil
		a, _ = c.route.protocol.encodeError(c.request, resolve(&bare, c.service()))
	}
	if a.status == http.StatusMethodNotAllowed {
		a.header = append(a.header, [2]string{"Allow", c.allowed()})
	}
	return a
}

// run is the way of a request that nothing goes wrong with.
func (c *call) run(w http.ResponseWriter, r *http.Request) (answer, error) {
	var err error
	if c.route, err = c.handler.router.byHeader(r); err != nil {
		return answer{}, err
	}
	c.describe()
	if err := c.handler.router.checkSigned(c.route, scopeOf(r).service); err != nil {
		return answer{}, err
	}
	if err := c.checkMethod(r); err != nil {
		return answer{}, err
	}
	body, err := c.handler.readBody(w, r, &c.request.BodyBytes)
	if err != nil {
		return answer{}, err
	}
	c.bodyRead = time.Now()
	m, err := c.message(r, body)
	if err != nil {
		return answer{}, err
	}
	if err := c.takeRegion(scopeOf(r)); err != nil {
		return answer{}, err
	}
	out, err := c.perform(r.Context(), m)
	if err != nil {
		return answer{}, err
	}
	return c.route.protocol.encode(c.request, out)
}

// message makes the body what the protocol decodes. For the query protocols it
// also finishes the routing.
func (c *call) message(r *http.Request, body []byte) (message, error) {
	if !c.route.form {
		return message{body: body}, nil
	}
	form, err := codec.ParseForm(strings.Join([]string{r.URL.RawQuery, string(body)}, "&"))
	if err != nil {
		return message{}, decodeError(err)
	}
	c.route, err = c.handler.router.byForm(c.route, form, scopeOf(r).service)
	if err != nil {
		return message{}, err
	}
	c.describe()
	return message{form: form}, nil
}

// perform decodes the input and calls the operation.
func (c *call) perform(ctx context.Context, m message) (any, error) {
	op := c.route.endpoint.ops[c.route.operation]
	if op == nil {
		return nil, unknownOperation("The operation %.100q is not known to the service %s", c.route.operation, c.request.Service)
	}
	if op.refusal != nil {
		return nil, op.refusal
	}
	in := reflect.New(op.in).Interface()
	if err := c.route.protocol.decode(m, in); err != nil {
		return nil, decodeError(err)
	}
	return op.call(ctx, c.request, in)
}

// describe copies what the route knows into the request.
func (c *call) describe() {
	c.request.Operation = c.route.operation
	c.request.Protocol = c.route.protocol.id()
	if s := c.service(); s != nil {
		c.request.Service = s.Name
	}
}

// checkMethod lets POST through, and GET for the query protocols: presigned
// URLs are fetched with it.
func (c *call) checkMethod(r *http.Request) error {
	if r.Method == http.MethodPost || (r.Method == http.MethodGet && c.route.form) {
		return nil
	}
	e := Errorf("MethodNotAllowed", "The method %s is not allowed here; use %s", r.Method, c.allowed())
	e.HTTPStatus = http.StatusMethodNotAllowed
	return e
}

func (c *call) allowed() string {
	if c.route.form {
		return "GET, POST"
	}
	return "POST"
}

// takeRegion takes the region and the key from the credential scope.
func (c *call) takeRegion(s scope) error {
	c.request.AccessKeyID = s.accessKeyID
	if s.region == "" {
		return nil
	}
	if !validRegion(s.region) {
		return &Error{
			Code:      "InvalidSignatureException",
			QueryCode: "SignatureDoesNotMatch",
			Message:   "Credential should be scoped to a valid region.",
		}
	}
	c.request.Region = s.region
	return nil
}

// service returns the service of the call, nil while it is not known.
func (c *call) service() *Service {
	if c.route.endpoint == nil {
		return nil
	}
	return c.route.endpoint.service
}
