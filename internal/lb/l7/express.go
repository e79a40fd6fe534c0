package l7

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/maitred/maitred/internal/lb/desync"
	"github.com/maitred/maitred/internal/lb/wire"
	"github.com/maitred/maitred/internal/model"
)

// Most requests are alike: HTTP/1.1, compliant, without a body or with a short one that has come with the head, for a target
// of HTTP/1.1 to which there is a connection, and answered with a body of known length or in chunks. These take the express way: their fields go from the head that was read into
// the head that is sent, and back, without becoming an http.Header. The exchange is the connection's own and used again.
// Whatever is not plain leaves this way at the point where that shows, and goes on like all others (leave).

// plainRequest is what the express way needs to know of a head.
type plainRequest struct {
	agent     []byte      // User-Agent
	trace     []byte      // X-Amzn-Trace-Id
	addresses int         // in X-Forwarded-For
	closes    bool        // the client wants no other request
	kinds     []fieldKind // of the fields of the head
}

// maxPlainBody is how long the body of a plain request is, at most.
const maxPlainBody = 8 << 10

// scan looks at the fields of a head, after which more bytes have come; it says whether the request is plain.
func (p *plainRequest) scan(head *desync.Head, more int) bool { //nolint:gocyclo // one case for each kind of field
	*p = plainRequest{kinds: p.kinds[:0]}
	if head.Class != desync.Compliant || head.Refuse != 0 || head.Minor != 1 || head.Chunked || !head.Plain() ||
		head.Length > min(int64(more), maxPlainBody) {
		return false
	}
	if host, _ := head.Host(); len(host) == 0 || len(head.Target) == 0 || head.Target[0] != '/' || string(head.Method) == http.MethodHead || string(head.Method) == http.MethodTrace {
		return false
	}
	if bytes.HasPrefix(head.Target, []byte(challengePath)) {
		return false
	}
	for _, f := range head.Fields {
		kind := kindOf(f.Name)
		p.kinds = append(p.kinds, kind)
		switch kind {
		case fieldAgent:
			if p.agent == nil {
				p.agent = f.Value
			}
		case fieldTrace:
			if p.trace != nil {
				return false
			}
			p.trace = f.Value
		case fieldXFF:
			p.addresses += 1 + bytes.Count(f.Value, []byte{','})
		case fieldConnection:
			switch {
			case bytes.EqualFold(f.Value, []byte("close")):
				p.closes = true
			case !bytes.EqualFold(f.Value, []byte("keep-alive")):
				return false
			}
		case fieldOdd:
			return false
		case fieldPlain, fieldHost, fieldHop, fieldOurs, fieldLength, fieldCoding, fieldDate, fieldServer:
		}
	}
	return p.addresses < forwardedMax
}

// forwardedMax is how many addresses are few enough not to be counted exactly.
const forwardedMax = 30

// express takes a request to its end if it is a plain one; ok is false if nothing was done about it.
func (h *h1) express(raw []byte) (ok bool) {
	s := h.conn.server
	table, listener := s.listener()
	if listener == nil || !h.plain.scan(&h.head, len(h.in.buffered())-len(raw)) {
		return false
	}
	profile := s.profile(listener)
	if len(profile.fields) > 0 {
		return false
	}
	size := len(raw)
	raw = h.in.buffered()[:size+int(h.head.Length)]
	h.plainly(raw, size)
	ex := &h.ex
	ex.reuse(h)
	ex.table, ex.listener, ex.profile = table, listener, profile
	r := ex.request
	h.match.Method, h.match.Host, h.match.Path, h.match.Query = r.method, r.host, r.path, r.query
	rule := listener.Match(&h.match)
	if rule == nil || rule.Action == nil || rule.Action.Type != model.ActionForward || rule.Rewrites() ||
		rule.Action.Forward == nil || rule.Action.Forward.Sticky > 0 {
		return false
	}
	ex.rule = rule
	if ex.group = ex.chooseGroup(); ex.group == nil || ex.group.Settings.Sticky || !compatible(r, ex.group.Record) {
		return false
	}
	t := ex.pick(nil)
	if t == nil {
		return false
	}
	h.in.take(len(raw))
	h.beginPlain(r)
	s.budget.deposit()
	ex.begin(part(h.text, raw, h.plain.agent))
	ex.entry.Priority, ex.entry.Actions, ex.entry.Group = rule.Priority, rule.Action.Type, ex.group.Record.ARN
	ex.ride(t)
	ex.finish()
	if ex.cancel != nil {
		ex.cancel(nil)
	}
	return true
}

// plainly makes a request of raw, but for its header. Its head has size bytes, the rest is its body.
func (h *h1) plainly(raw []byte, size int) {
	text := string(raw) // the one copy: all else is a part of it
	r := &h.request
	*r = request{
		method: methodName(h.head.Method), protocol: "HTTP/1.1", targetVersion: 1, readable: true, start: h.conn.server.now(),
		size: size, length: h.head.Length, dropped: h.head.Invalid,
	}
	r.setURI(part(text, raw, h.head.Target))
	host, _ := h.head.Host()
	r.host = part(text, raw, host)
	h.text = text
}

// part is a part of raw as a part of text, which has the same bytes.
func part(text string, raw, piece []byte) string {
	at := cap(raw) - cap(piece) // pieces are cut from raw, and end where it can
	if at >= 0 && at+len(piece) <= len(text) && text[at:at+len(piece)] == string(piece) {
		return text[at : at+len(piece)]
	}
	return string(piece)
}

func methodName(b []byte) string {
	switch string(b) {
	case http.MethodGet:
		return http.MethodGet
	case http.MethodPost:
		return http.MethodPost
	}
	return string(b)
}

// headerValues is what rules ask for.
func (h *h1) headerValues(name string) (values []string) {
	if name == "Host" {
		return nil // as for all other requests
	}
	for _, f := range h.head.Fields {
		if strings.EqualFold(name, string(f.Name)) {
			values = append(values, string(f.Value))
		}
	}
	return values
}

// beginPlain is begin for a plain request.
func (h *h1) beginPlain(r *request) {
	h.out.resetPlain()
	c := h.conn
	h.parted = h.plain.closes
	h.out.close = h.plain.closes || c.server.isDraining() || c.aged(r.start)
	h.cutOff.Store(false)
	h.mu.Lock()
	h.over = false
	h.mu.Unlock()
	h.body = &h.empty
}

// reuse makes the connection's exchange ready for another request.
func (ex *exchange) reuse(h *h1) {
	ex.mu.Lock()
	ex.server, ex.conn, ex.client, ex.request = h.conn.server, h.conn, h, &h.request
	ex.ctx, ex.cancel, ex.killed, ex.riding, ex.ridden, ex.unhook = nil, nil, nil, nil, nil, nil
	ex.over, ex.watched = false, false
	ex.turn++
	ex.mu.Unlock()
	ex.cookies, ex.target, ex.failOpen, ex.generated, ex.began = nil, nil, false, false, false
	ex.retries, ex.refusals, ex.insecure, ex.nonSticky = 0, 0, 0, false
	ex.sentAt, ex.firstAt, ex.endedAt = time.Time{}, time.Time{}, time.Time{}
}

// ride sends the request on a connection that is there, and the answer back.
func (ex *exchange) ride(t *target) {
	p, ok := t.transport.(*pool)
	var c *targetConn
	if ok {
		c = p.take()
	}
	if c == nil {
		ex.goOn(t)
		return
	}
	h := ex.client.(*h1)
	ex.target = t
	ex.tell(t)
	h.writePlain(ex)
	ex.sentAt = ex.server.now()
	ex.watchFrom(ex.sentAt) // from now on what the client sends may take the place of the head
	c, raw, err := ex.ask(t, p, c)
	if c == nil {
		ex.goOn(t)
		return
	}
	t.requests.Add(1)
	if err != nil {
		ex.derail(t, p, c, err)
		return
	}
	if !h.answer.parse(raw) {
		ex.odd(t, p, c)
		return
	}
	defer t.flight.End()
	ex.firstAt = ex.server.now()
	h.life.beatAt(ex.firstAt)
	if h.answer.code >= http.StatusInternalServerError {
		t.errors.Add(1)
	}
	ex.bring(p, c, &h.answer, raw)
}

// ask sends the head on c, or on another connection if something has come on it unasked, and reads the head of the answer.
// It gives the connection that it was, nil if all were like that: then nothing was sent.
func (ex *exchange) ask(t *target, p *pool, c *targetConn) (_ *targetConn, raw []byte, err error) {
	stay := t.stay()
	for ; c != nil; c = p.take() {
		ex.mu.Lock()
		ex.riding, ex.ridden = c, stay
		ex.mu.Unlock()
		if err = c.ask(ex.client.(*h1).asked); err == nil {
			raw, err = c.in.answerHead()
		}
		if !errors.Is(err, wire.ErrUnasked) {
			return c, raw, err
		}
		ex.dismount()
		_ = c.Close()
	}
	return nil, nil, nil
}

// dismount says that the exchange needs the connection no more, and whether nobody has cut it.
func (ex *exchange) dismount() bool {
	ex.mu.Lock()
	defer ex.mu.Unlock()
	ex.riding, ex.ridden = nil, nil
	if ex.unhook != nil {
		ex.unhook()
		ex.unhook = nil
	}
	return ex.killed == nil
}

// leave makes the exchange one like all others.
func (ex *exchange) leave() {
	h := ex.client.(*h1)
	ex.mu.Lock()
	ex.ctx, ex.cancel = context.WithCancelCause(ex.server.ctx)
	if ex.killed != nil {
		ex.cancel(ex.killed)
	}
	ex.mu.Unlock()
	size := ex.request.size
	h.head.Parse([]byte(h.text[:size])) // the buffer may have what comes next
	whole := fromHead(&h.head, size)
	ex.request.header, ex.request.dropped, ex.request.invalid = whole.header, whole.dropped, false
	if ex.request.length > 0 {
		ex.request.body = strings.NewReader(h.text[size:])
	}
	closes := h.out.close
	h.out.reset(1, false)
	h.out.close = closes
}

// goOn sends the request to a target, and others, as any request.
func (ex *exchange) goOn(t *target) {
	if !ex.watched {
		ex.watch()
	}
	ex.leave()
	ex.entry.Targets, ex.entry.TargetCodes = "", ""
	ex.toTargets(t)
}

// derail is what becomes of a request whose connection has failed it: another one to the same target is tried if that is
// safe, as pool.send does.
func (ex *exchange) derail(t *target, p *pool, c *targetConn, err error) {
	mine := ex.dismount()
	_ = c.Close()
	if mine && c.in.got == 0 && ex.request.length == 0 && idempotent(ex.request.method) {
		p.CloseIdleConnections() // the others are not better
		ex.goOn(t)
		return
	}
	t.flight.End()
	t.errors.Add(1)
	ex.leave()
	ex.fail(err)
}

// odd goes on with an answer that is not plain, whose head is still in the buffer.
func (ex *exchange) odd(t *target, p *pool, c *targetConn) {
	defer t.flight.End()
	stay := t.stay()
	unhook := context.AfterFunc(stay, ex.quitter(stay))
	defer unhook()
	ex.dismount()
	ex.leave()
	out := (&http.Request{Method: ex.request.method, Header: http.Header{}, Close: false}).WithContext(ex.ctx)
	s := &sending{pool: p, conn: c, request: out, hint: ex.hint, lasting: true}
	s.unhook = context.AfterFunc(ex.ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	resp, err := s.readHead() //nolint:bodyclose // the exchange does, when the client has it
	if err != nil {
		s.unhook()
		_ = c.Close()
		t.errors.Add(1)
		ex.fail(err)
		return
	}
	ex.answered(t, resp)
}
