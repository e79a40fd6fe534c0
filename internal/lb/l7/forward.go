package l7

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/maitred/maitred/internal/lb/forwarded"
	"github.com/maitred/maitred/internal/lb/tlspolicy"
)

// forward sends the request to a target, and to another one where that is safe: when no byte of it was sent, because the
// target could not be connected to. (A connection that was kept and that the target has closed meanwhile is replaced by
// another one to the same target, if the method is idempotent and there is no body, or nothing was sent.)
func (ex *exchange) forward() {
	ex.group = ex.chooseGroup()
	if ex.group == nil {
		ex.generate(http.StatusServiceUnavailable, "NoTargetGroup")
		return
	}
	ex.entry.Group = ex.group.Record.ARN
	if !compatible(ex.request, ex.group.Record) {
		ex.generate(codeIncompatible, "IncompatibleProtocolVersion")
		return
	}
	if !ex.rewrite() {
		return
	}
	ex.toTargets(nil)
}

// toTargets sends the request to targets until one answers. first, to which it has taken off already, is asked first; nil:
// one is picked.
func (ex *exchange) toTargets(first *target) {
	out := ex.outgoing()
	var tried []*target
	for t := first; ; t = nil {
		if t == nil {
			t = ex.pick(tried)
		}
		if t == nil && len(tried) == 0 {
			t = ex.park()
		}
		if t == nil {
			ex.none(len(tried) > 0)
			return
		}
		err := ex.attempt(t, out)
		if err == nil {
			return
		}
		tried = append(tried, t)
		if !ex.again(t, err, len(tried)) {
			ex.fail(err)
			return
		}
		ex.retries++
	}
}

// none answers when there is no target, or none is left.
func (ex *exchange) none(refused bool) {
	if ex.gaveUp() {
		return
	}
	if refused {
		ex.generate(http.StatusBadGateway, "TargetConnectionError")
		return
	}
	ex.generate(http.StatusServiceUnavailable, "NoTargets")
}

// rewrite applies the transforms of the rule; it says whether the request goes on.
func (ex *exchange) rewrite() bool {
	if !ex.rule.Rewrites() {
		return true
	}
	return ex.transform()
}

// again says whether another target may be tried.
func (ex *exchange) again(t *target, err error, attempts int) bool {
	var dial *dialError
	if !errors.As(err, &dial) || ex.ctx.Err() != nil {
		return false
	}
	if dial.tls {
		ex.insecure++
	} else {
		ex.refusals++
	}
	t.refusedUntil.Store(time.Now().Add(shun).UnixNano())
	if ex.server.config.Refused != nil {
		ex.server.config.Refused(t.path)
	}
	return !dial.timeout && attempts < maxAttempts && !ex.client.touched() && ex.server.budget.withdraw()
}

// attempt sends the request to a target and the response to the client. An error means that the client was told nothing.
func (ex *exchange) attempt(t *target, out *http.Request) error {
	defer t.flight.End()
	ex.target = t
	ex.tell(t)
	t.requests.Add(1)
	stay := t.stay()
	unhook := context.AfterFunc(stay, ex.quitter(stay))
	defer unhook()
	out = out.WithContext(ex.ctx)
	ex.address(out, t)
	ex.upload(out)
	ex.sentAt = ex.server.now()
	resp, err := t.transport.send(out, ex.hint) //nolint:bodyclose // the exchange does, when the client has it
	if err != nil {
		t.errors.Add(1)
		return err //nolint:wrapcheck // judged by again and fail
	}
	ex.answered(t, resp)
	return nil
}

// answered passes on what a target has answered.
func (ex *exchange) answered(t *target, resp *http.Response) {
	defer func() { _ = resp.Body.Close() }()
	ex.firstAt = ex.server.now()
	ex.client.pulse().beat()
	if resp.StatusCode >= http.StatusInternalServerError {
		t.errors.Add(1)
	}
	ex.respond(t, resp)
}

// tell notes the target for the access log.
func (ex *exchange) tell(t *target) {
	e := &ex.entry
	e.Target = t.address
	if e.Targets == "" {
		e.Targets, e.TargetCodes = t.address, "-"
	} else {
		e.Targets += " " + t.address
		e.TargetCodes += " -"
	}
}

// told notes the code of the target that answered.
func (ex *exchange) told(code int) {
	ex.entry.TargetCode = code
	e := &ex.entry
	e.TargetCodes = strings.TrimSuffix(e.TargetCodes, "-") + codeText(code)
}

// codeText is itoa, which for the usual code allocates nothing.
func codeText(code int) string {
	if code == http.StatusOK {
		return "200"
	}
	return itoa(int64(code))
}

// fail answers when no target did.
func (ex *exchange) fail(err error) {
	if c := ex.why(); c != nil {
		ex.generate(c.code, c.text)
		return
	}
	if err := ex.client.left(); err != nil {
		ex.generate(http.StatusBadRequest, "InvalidBody")
		return
	}
	var dial *dialError
	switch {
	case errors.As(err, &dial) && dial.timeout:
		ex.sentAt = time.Time{}
		ex.generate(http.StatusGatewayTimeout, "TargetConnectionTimeout")
	case errors.As(err, &dial):
		ex.sentAt = time.Time{}
		ex.generate(http.StatusBadGateway, "TargetConnectionError")
	default:
		ex.generate(http.StatusBadGateway, "TargetResponseError")
	}
}

// outgoing makes the request that targets are sent, but for the target.
func (ex *exchange) outgoing() *http.Request {
	r := ex.request
	out := &http.Request{
		Method: r.method, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: ex.outgoingHeader(), ContentLength: r.length, Close: r.closes,
		Host: forwarded.Host(r.host, ex.conn.settings.port, ex.profile.preserveHost),
	}
	if r.body == nil {
		out.ContentLength = 0
	}
	return out
}

// address sets the URL of an outgoing request: the path and the query are what the client sent, byte for byte.
func (ex *exchange) address(out *http.Request, t *target) {
	r := ex.request
	out.URL = &url.URL{Scheme: strings.ToLower(ex.group.Record.Protocol), Host: t.address, Opaque: r.path, RawQuery: r.query, ForceQuery: r.asked}
}

// hopByHop are the fields that are meant for us (RFC 9110, 7.6.1), and those that only we may set.
func hopByHop() []string {
	return []string{
		"Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization", "Te", "Trailer",
		"Transfer-Encoding", "Upgrade", "Http2-Settings",
	}
}

// outgoingHeader is the request's header as a target gets it.
func (ex *exchange) outgoingHeader() http.Header {
	r := ex.request
	h := r.header
	trailers := hasToken(h["Te"], "trailers")
	r.announced = announced(h["Trailer"])
	removeHops(h)
	for name := range h {
		if strings.HasPrefix(name, "X-Amzn-Oidc-") || strings.HasPrefix(name, "X-Amzn-Mtls-") {
			delete(h, name)
		}
	}
	ex.sortInvalid(h)
	ex.setForwarded(h)
	if r.upgrade {
		h["Connection"], h["Upgrade"] = []string{"Upgrade"}, []string{"websocket"}
	}
	if trailers && r.http2 {
		h["Te"] = []string{"trailers"}
	}
	if _, ok := h["User-Agent"]; !ok {
		h["User-Agent"] = []string{""} // or the transport's own is sent
	}
	return h
}

// removeHops takes the hop-by-hop fields off, and those that Connection names.
func removeHops(h http.Header) {
	for _, f := range h["Connection"] {
		for name := range strings.SplitSeq(f, ",") {
			name = http.CanonicalHeaderKey(strings.Trim(name, " \t"))
			if name != "Cookie" && name != "Content-Type" { // whoever names these attacks whoever comes after us
				delete(h, name)
			}
		}
	}
	for _, name := range hopByHop() {
		delete(h, name)
	}
}

// sortInvalid notes fields with names other than letters, digits and hyphens, and drops them if that is wanted
// ("routing.http.drop_invalid_header_fields.enabled").
func (ex *exchange) sortInvalid(h http.Header) {
	for name, values := range h {
		switch {
		case plainName(name):
		case ex.profile.dropInvalid:
			ex.request.dropped += len(values)
			delete(h, name)
		default:
			ex.request.invalid = true
		}
	}
}

func plainName[text string | []byte](name text) bool {
	for i := range len(name) {
		if c := name[i]; c != '-' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			return false
		}
	}
	return len(name) > 0
}

// setForwarded tells the target of the client.
func (ex *exchange) setForwarded(h http.Header) {
	c := ex.conn
	came := h["X-Forwarded-For"]
	delete(h, "X-Forwarded-For")
	if xff := forwarded.For(came, c.client, ex.profile.xffMode, ex.profile.xffPort); len(xff) > 0 {
		h["X-Forwarded-For"] = xff
	}
	h["X-Forwarded-Proto"] = []string{c.kind()}
	h["X-Forwarded-Port"] = []string{itoa(int64(c.settings.port))}
	random := ex.server.config.Random
	trace := forwarded.AppendTrace(nil, h.Get("X-Amzn-Trace-Id"), ex.request.size, ex.request.start, [2]uint64{random(), random()})
	h["X-Amzn-Trace-Id"] = []string{string(trace)}
	ex.entry.Trace = trace
	p := ex.profile
	for _, name := range []string{tlsVersionField, tlsCipherField, p.tlsVersion, p.tlsCipher} {
		delete(h, name)
	}
	if c.tls != nil && p.tlsHeaders {
		h[p.tlsVersion] = []string{tlspolicy.VersionName(c.tls.Version)}
		h[p.tlsCipher] = []string{tlspolicy.CipherName(c.tls.CipherSuite)}
	}
}
