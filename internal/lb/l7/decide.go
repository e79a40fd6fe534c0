package l7

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/maitred/maitred/internal/core/routing"
	"github.com/maitred/maitred/internal/lb/cookie"
	"github.com/maitred/maitred/internal/lb/forwarded"
	"github.com/maitred/maitred/internal/model"
)

// decide refuses the request, or finds its rule and carries out the rule's action.
func (ex *exchange) decide() {
	if ex.listener == nil {
		ex.generate(http.StatusServiceUnavailable, "ListenerNotFound")
		return
	}
	if code, why := ex.refusal(); code != 0 {
		ex.generate(code, why)
		return
	}
	if ex.prove() {
		return
	}
	r := ex.request
	ex.rule = ex.listener.Match(&routing.Request{
		Method: r.method, Host: r.host, Path: r.path, Query: r.query,
		Header: ex.values, Source: ex.conn.client.Addr(),
	})
	if ex.rule == nil || ex.rule.Action == nil {
		ex.generate(http.StatusInternalServerError, "NoAction")
		return
	}
	ex.entry.Priority = ex.rule.Priority
	ex.entry.Actions = ex.rule.Action.Type
	switch ex.rule.Action.Type {
	case model.ActionRedirect:
		ex.redirect(ex.rule.Action.Redirect)
	case model.ActionFixed:
		ex.fixed(ex.rule.Action.Fixed)
	default:
		ex.forward()
	}
}

func (ex *exchange) values(name string) []string {
	return ex.request.header[http.CanonicalHeaderKey(name)]
}

// refusal gives the code with which a request is refused whatever the rules say, 0 for none.
func (ex *exchange) refusal() (code int, why string) {
	r := ex.request
	switch {
	case r.refuse != 0:
		return r.refuse, r.reason
	case ex.profile.desync.Blocks(r.class):
		return http.StatusBadRequest, r.reason
	case r.method == http.MethodTrace:
		return http.StatusMethodNotAllowed, "MethodNotAllowed"
	case forwarded.TooMany(r.header["X-Forwarded-For"]):
		return codeTooManyXFF, "TooManyForwardedFor"
	}
	return 0, ""
}

func (ex *exchange) redirect(to *model.Redirect) {
	r := ex.request
	location, err := routing.Location(to, routing.Origin{
		Scheme: ex.conn.kind(), Host: r.host, Port: strconv.Itoa(ex.listener.Record.Port), Path: r.path, Query: r.query,
	})
	switch {
	case errors.Is(err, routing.ErrLocationTooLong):
		ex.generate(http.StatusInternalServerError, "RedirectUrlLimitExceeded")
		return
	case err != nil:
		ex.generate(http.StatusBadRequest, "InvalidRedirect")
		return
	}
	ex.entry.Redirect = location
	h := ex.client.Header()
	h.Set("Location", location)
	h.Set("Content-Type", "text/html")
	ex.write(to.Status, page(to.Status))
}

func (ex *exchange) fixed(answer *model.FixedResponse) {
	kind := answer.ContentType
	if kind == "" {
		kind = "text/plain"
	}
	ex.client.Header().Set("Content-Type", kind+"; charset=utf-8")
	ex.write(answer.Status, answer.Body)
}

// chooseGroup finds the target group of a forward action: the one that the client stays with, or one by the weights.
func (ex *exchange) chooseGroup() *routing.Group {
	f := ex.rule.Action.Forward
	if f == nil || f.Sticky <= 0 {
		g, _ := ex.rule.Pick(ex.server.config.Random())
		return g
	}
	now := ex.server.now()
	g := ex.stuckGroup(f)
	if g == nil {
		g, _ = ex.rule.Pick(ex.server.config.Random())
	}
	if g != nil {
		ex.cookies = cookie.SetCookies(cookie.Group, ex.server.sealer.Seal(cookie.Group, cookie.NewID(g.Record.ARN), now), now)
	}
	return g
}

func (ex *exchange) stuckGroup(f *model.Forward) *routing.Group {
	id, ok := ex.server.sealer.Sealed(ex.request.header["Cookie"], cookie.Group, f.Sticky, ex.server.now())
	if !ok {
		return nil
	}
	for i, g := range ex.rule.Groups {
		if g != nil && cookie.NewID(g.Record.ARN) == id && i < len(f.Groups) && f.Groups[i].Weight > 0 {
			return g
		}
	}
	return nil
}

// compatible says whether a group's targets can be sent the request ("Protocol versions").
func compatible(r *request, g *model.TargetGroup) bool {
	switch g.ProtocolVersion {
	case "HTTP2":
		return r.http2
	case "GRPC":
		return r.http2 && (r.grpc() || r.method == http.MethodPost)
	}
	return !r.grpc()
}
