package l7

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/maitred/maitred/internal/core/routing"
	"github.com/maitred/maitred/internal/lb/accesslog"
	"github.com/maitred/maitred/internal/lb/desync"
	"github.com/maitred/maitred/internal/lb/tlspolicy"
)

// exchange is one request on its way through the load balancer, with its response.
type exchange struct {
	server  *Server
	conn    *conn
	client  client
	request *request

	table    *routing.Table
	listener *routing.Listener
	profile  *profile
	rule     *routing.Rule
	group    *routing.Group

	ctx    context.Context
	cancel context.CancelCauseFunc

	mu    sync.Mutex // of what the timer does
	over  bool
	timer *time.Timer
	idle  time.Duration
	// The rest is for the express way.
	turn    uint64 // which of the connection's requests it is
	watched bool   // the timer is set
	killed  *cause
	riding  *targetConn     // which a kill has to cut
	ridden  context.Context // of the target's stay
	unhook  func() bool     // of that

	cookies []string // Set-Cookie fields that come with the response

	// What the access log and metrics are told.
	entry     accesslog.Entry
	target    *target
	failOpen  bool
	generated bool
	began     bool // the response has
	retries   int
	refusals  int
	insecure  int
	nonSticky bool
	sentAt    time.Time // when a target was sent the request
	firstAt   time.Time // when it began to answer
	endedAt   time.Time // when all was sent, if that was looked at
}

// The reasons for which an exchange is cut off before its end.
var (
	errIdle = &cause{http.StatusGatewayTimeout, "nothing moved within the idle timeout"}
	errQuit = &cause{http.StatusBadGateway, "the deregistration delay of the target is over"}
	errEnd  = &cause{http.StatusBadGateway, errCut.Error()}
	errGone = &cause{codeClientGone, "the client left before it was answered"}
)

// exchange takes a request to its end.
func (s *Server) exchange(c *conn, cl client, r *request) {
	s.budget.deposit()
	ex := &exchange{server: s, conn: c, client: cl, request: r}
	ex.ctx, ex.cancel = context.WithCancelCause(s.ctx)
	defer ex.cancel(nil)
	ex.table, ex.listener = s.listener()
	ex.profile = s.profile(ex.listener)
	ex.begin(r.header.Get("User-Agent"))
	ex.watch()
	ex.decide()
	ex.finish()
}

// begin fills in what is known of the request from the start.
func (ex *exchange) begin(agent string) {
	e, r, c := &ex.entry, ex.request, ex.conn
	*e = accesslog.Entry{
		Client: c.client, Request: -1, Processing: -1, Response: -1, Priority: -1, Created: r.start,
		UserAgent: agent, Connection: c.tid(), Type: c.kind(),
	}
	if r.readable {
		e.Method, e.Protocol, e.URL = r.method, r.protocol, r.url(c.kind(), c.settings.port)
	}
	if r.class != desync.Compliant {
		e.Class, e.Reason = r.class.String(), r.reason
	}
	switch {
	case r.grpc():
		e.Type = "grpcs"
	case r.http2:
		e.Type = "h2"
	}
	if c.tls != nil {
		e.Cipher, e.TLS = tlspolicy.CipherName(c.tls.CipherSuite), tlspolicy.VersionName(c.tls.Version)
		e.Domain, e.Certificate = c.tls.ServerName, c.certificate
	}
	e.LoadBalancer = ex.profile.name
}

// The exchange looks after itself after firstLook, when most are long over, and then every nextLook, or four times in the idle
// timeout if that is short. A look costs more than all else about a small request: where the machine is so busy that most of
// them take longer than firstLook, all would take longer still.
const (
	firstLook = 200 * time.Millisecond
	nextLook  = time.Second
)

// watch sets the timer that looks whether anything still moves, and whether the client is still there.
func (ex *exchange) watch() { ex.watchFrom(time.Now()) }

func (ex *exchange) watchFrom(now time.Time) {
	ex.client.pulse().beatAt(now)
	ex.mu.Lock()
	defer ex.mu.Unlock()
	ex.idle, ex.watched = ex.profile.idle, true
	if ex.timer != nil {
		ex.timer.Reset(firstLook)
		return
	}
	ex.timer = time.AfterFunc(firstLook, ex.look)
}

func (ex *exchange) look() {
	ex.mu.Lock()
	defer ex.mu.Unlock()
	if ex.over || !ex.watched { // the timer belonged to a request before
		return
	}
	if ex.killed == nil && ex.client.progress() {
		ex.client.pulse().beat()
	}
	still := ex.client.pulse().since()
	if still >= ex.idle {
		ex.killLocked(errIdle)
		return
	}
	if ex.riding != nil && ex.unhook == nil {
		ex.unhook = context.AfterFunc(ex.ridden, ex.quitter(ex.ridden))
	}
	ex.client.watch(func() { ex.kill(errGone) })
	ex.timer.Reset(min(nextLook, ex.idle/4, ex.idle-still))
}

// kill ends the exchange for a reason.
func (ex *exchange) kill(why *cause) {
	ex.mu.Lock()
	defer ex.mu.Unlock()
	if !ex.over {
		ex.killLocked(why)
	}
}

// quitter gives what is done when the stay of a target ends. It may be called when the exchange has gone on to the next
// request already.
func (ex *exchange) quitter(stay context.Context) func() {
	turn := ex.turn
	return func() {
		ex.mu.Lock()
		defer ex.mu.Unlock()
		switch {
		case ex.over || ex.turn != turn:
		case errors.Is(context.Cause(stay), errQuit):
			ex.killLocked(errQuit)
		case ex.riding != nil:
			ex.killLocked(errEnd)
		}
	}
}

func (ex *exchange) killLocked(why *cause) {
	if ex.killed == nil {
		ex.killed = why
	}
	if ex.cancel != nil {
		ex.cancel(why)
	}
	if ex.riding != nil {
		_ = ex.riding.SetDeadline(time.Unix(1, 0))
	}
	ex.client.cut()
}

// why gives the cause for which the exchange was cut off, nil if it was not.
func (ex *exchange) why() *cause {
	if ex.ctx != nil {
		return causeOf(ex.ctx)
	}
	ex.mu.Lock()
	defer ex.mu.Unlock()
	return ex.killed
}

// finish ends the watch and tells what happened.
func (ex *exchange) finish() {
	ex.mu.Lock()
	ex.over = true
	ex.timer.Stop()
	ex.mu.Unlock()
	ex.client.settle()
	now := ex.endedAt
	if now.IsZero() {
		now = ex.server.now()
	}
	ex.report(now)
	if ex.server.config.AccessLog == nil {
		return
	}
	e := &ex.entry
	e.Time, e.Received, e.Sent = now, ex.client.received(), ex.client.sent()
	if !ex.sentAt.IsZero() {
		e.Request = max(ex.sentAt.Sub(ex.request.start), 0)
		if !ex.firstAt.IsZero() {
			e.Processing = max(ex.firstAt.Sub(ex.sentAt), 0)
		}
	}
	ex.server.config.AccessLog.Log(e)
}

func (ex *exchange) report(now time.Time) {
	if ex.server.config.Observe == nil {
		return
	}
	e := &ex.entry
	s := Sample{
		Listener: ex.server.config.ARN, Priority: e.Priority, Type: e.Type, Action: e.Actions, Code: e.Code, TargetCode: e.TargetCode,
		Generated: ex.generated, Start: ex.request.start, Duration: now.Sub(ex.request.start), Target1st: -1,
		Received: ex.client.received(), Sent: ex.client.sent(), Retries: ex.retries, Refusals: ex.refusals,
		Insecure: ex.insecure, FailOpen: ex.failOpen, NonSticky: ex.nonSticky, Dropped: ex.request.dropped, Invalid: ex.request.invalid,
		Class: ex.request.class.String(),
	}
	if ex.listener != nil {
		s.LoadBalancer = ex.listener.LoadBalancer.ARN
	}
	if ex.rule != nil {
		s.Rules = ex.rule.Evaluated
		if ex.rule.Record != nil {
			s.Rule = ex.rule.Record.ARN
		}
	}
	if ex.group != nil {
		s.Group = ex.group.Record.ARN
	}
	if ex.target != nil {
		s.Target = ex.target.path
	}
	if !ex.firstAt.IsZero() {
		s.Target1st = ex.firstAt.Sub(ex.sentAt)
	}
	ex.server.config.Observe(s)
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
