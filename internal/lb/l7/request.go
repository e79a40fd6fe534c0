package l7

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/textproto"
	"strings"
	"sync/atomic"
	"time"

	"github.com/maitred/maitred/internal/lb/accesslog"
	"github.com/maitred/maitred/internal/lb/desync"
	"github.com/maitred/maitred/internal/lb/forwarded"
)

// request is what a client asks, however it came.
type request struct {
	method string
	host   string // :authority, or of the request target, or the Host field
	path   string // raw, without the query
	query  string // raw, without the question mark
	asked  bool   // there was a question mark
	header http.Header
	body   io.Reader // nil if there is none
	length int64     // -1: not known
	// trailers gives the trailer fields that came, at the end of the body; nil: there cannot be any. announced are those of
	// which the client said before that they would come.
	trailers  func() http.Header
	announced http.Header
	protocol  string // as access logs have it
	http2     bool
	upgrade   bool // to a WebSocket

	start    time.Time
	size     int  // bytes of the head
	dropped  int  // fields that are not passed on
	invalid  bool // some are whose names are not valid
	readable bool

	refuse        int // status with which it has to be refused, 0 for none
	class         desync.Class
	reason        string
	closes        bool // neither connection may be used again
	targetVersion int  // minor version of HTTP/1
}

// uri is the request target as a target gets it.
func (r *request) uri() string {
	if r.asked {
		return r.path + "?" + r.query
	}
	return r.path
}

func (r *request) setURI(uri string) {
	r.path, r.query, r.asked = strings.Cut(uri, "?")
}

// grpc tells requests of gRPC.
func (r *request) grpc() bool {
	return r.http2 && strings.HasPrefix(r.header.Get("Content-Type"), "application/grpc")
}

// client is the way back to who sent a request.
type client interface {
	Header() http.Header // of the response, until start
	// hint sends an answer that is not the final one, before start.
	hint(code int, h http.Header)
	// start begins the response. length is that of its body, -1 if it is not known; bodyless is for answers to HEAD.
	start(code int, length int64, bodyless bool)
	Write(p []byte) (int, error)
	Flush() error
	// finish ends the response, abort lets the client see that it is not whole.
	finish(trailer http.Header) error
	abort()
	// cut ends what waits for the client: reads, and writes once the response has begun.
	cut()
	// watch looks whether the client leaves, and calls gone then. It is called now and then.
	watch(gone func())
	// left is what ended the body before its end; touched says that some of it was read.
	left() error
	touched() bool
	// settle ends watch and whoever still reads the body: nothing else touches the connection any more.
	settle()
	// hijack gives the connection itself, for a tunnel.
	hijack() (io.ReadWriter, error)
	pulse() *pulse
	// progress says whether the client has taken anything since it was asked last, and gives it another idle timeout then: what
	// the kernel moves is known to nobody else while it does.
	progress() bool
	sent() int64
	received() int64
}

// pulse is when something moved last.
type pulse struct{ at atomic.Int64 }

func (p *pulse) beat() { p.at.Store(time.Now().UnixNano()) }

func (p *pulse) beatAt(now time.Time) { p.at.Store(now.UnixNano()) }

func (p *pulse) since() time.Duration { return time.Duration(time.Now().UnixNano() - p.at.Load()) }

// fromHead makes a request of a head of HTTP/1.1. It copies what it needs.
func fromHead(h *desync.Head, size int) *request {
	r := &request{
		method: string(h.Method), length: h.Length, size: size, dropped: h.Invalid,
		protocol: "HTTP/1.1", targetVersion: h.Minor,
		refuse: h.Refuse, class: h.Class, reason: h.Reason, closes: h.Closes(), readable: true,
		header: make(http.Header, len(h.Fields)+6),
	}
	values := make([]string, 0, len(h.Fields))
	for _, f := range h.Fields {
		addField(r.header, &values, canonical(f.Name), string(f.Value))
	}
	if h.Minor == 0 {
		r.protocol = "HTTP/1.0"
	}
	host, _ := h.Host()
	r.host = string(host)
	delete(r.header, "Host")
	r.target(h)
	return r
}

// canonical is a field's name as http.Header has it.
func canonical(name []byte) string {
	if key, ok := knownNames[string(name)]; ok {
		return key
	}
	return textproto.CanonicalMIMEHeaderKey(string(name))
}

// knownNames are names that most messages have, as they are mostly written: looking them up allocates nothing.
var knownNames = func() map[string]string {
	known := map[string]string{}
	for _, name := range []string{
		"Accept", "Accept-Encoding", "Accept-Language", "Accept-Ranges", "Authorization", "Cache-Control", "Connection", "Content-Encoding",
		"Content-Length", "Content-Type", "Cookie", "Date", "Etag", "Expires", "Host", "If-Modified-Since", "If-None-Match", "Keep-Alive",
		"Last-Modified", "Location", "Origin", "Pragma", "Range", "Referer", "Server", "Set-Cookie", "Transfer-Encoding", "Upgrade",
		"User-Agent", "Vary", "X-Forwarded-For", "X-Request-Id",
	} {
		known[name], known[strings.ToLower(name)] = name, name
	}
	return known
}()

// addField adds a field to h. The first value of each name is in a slice that all share, as most have only one.
func addField(h http.Header, values *[]string, name, value string) {
	if have, ok := h[name]; ok {
		h[name] = append(have, value)
		return
	}
	v := append(*values, value)
	*values = v
	h[name] = v[len(v)-1 : len(v) : len(v)]
}

// target reads the request target: in its origin form, or absolute (RFC 9112, 3.2), whose authority then is the host.
func (r *request) target(h *desync.Head) {
	raw := h.Target
	if !h.Plain() {
		raw = desync.WriteTarget(nil, raw)
	}
	switch {
	case len(raw) > 0 && raw[0] == '/':
		r.setURI(string(raw))
		return
	case string(raw) == "*" && r.method == http.MethodOptions:
		r.path = "*"
		return
	}
	for _, scheme := range []string{"http://", "https://"} {
		if len(raw) > len(scheme) && bytes.EqualFold(raw[:len(scheme)], []byte(scheme)) {
			r.absolute(raw[len(scheme):])
			return
		}
	}
	r.setURI(string(raw))
	if r.refuse == 0 {
		r.refuse, r.class, r.reason = http.StatusBadRequest, desync.Severe, desync.BadURI
	}
}

func (r *request) absolute(raw []byte) {
	end := bytes.IndexAny(raw, "/?")
	if end < 0 {
		end = len(raw)
	}
	host, rest := string(raw[:end]), string(raw[end:])
	if host == "" || strings.ContainsAny(host, "@,\\") || !desync.ValidHost(host) {
		r.refuse, r.class, r.reason = http.StatusBadRequest, desync.Severe, desync.BadURI
	}
	if !strings.HasPrefix(rest, "/") {
		rest = "/" + rest
	}
	r.host = host
	r.setURI(rest)
}

// url is the request's address as access logs have it.
func (r *request) url(scheme string, port int) accesslog.URL {
	return accesslog.URL{Scheme: scheme, Host: forwarded.Name(r.host), Port: port, Path: r.path, Query: r.query, Asked: r.asked}
}

// The causes with which an exchange is cut off.
type cause struct {
	code int
	text string
}

func (c *cause) Error() string { return c.text }

// causeOf finds why ctx ended, nil if none of ours is the reason.
func causeOf(ctx context.Context) *cause {
	c, _ := context.Cause(ctx).(*cause) //nolint:errorlint // never wrapped
	return c
}
