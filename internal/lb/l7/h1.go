package l7

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maitred/maitred/internal/core/routing"
	"github.com/maitred/maitred/internal/lb/desync"
	"github.com/maitred/maitred/internal/lb/wire"
)

// h1 is a connection that speaks HTTP/1.1: one request after the other. It is the client of the present one.
type h1 struct {
	conn   *conn
	stream wire.Stream // of conn
	in     *reader
	head   desync.Head
	body   *body
	out    answer
	wire   deadlineWriter
	life   pulse

	// The express way's.
	plain     plainRequest
	request   request
	text      string // of the head, and of the body
	match     routing.Request
	ex        exchange
	empty     body
	asked     []byte // the head that a target is sent
	answer    plainAnswer
	plainHead []byte // of the response

	first  int64 // bytes that had come, and gone, when the request began
	before int64

	cutOff   atomic.Bool // reads fail because we want it
	taken    atomic.Uint64
	aborted  bool
	hijacked bool
	parted   bool // the client has said that the present request is its last one

	mu       sync.Mutex
	over     bool
	watching chan struct{} // closed when nobody looks whether the client leaves any more
}

// newH1 takes over a connection, with the memory of one that has ended.
func newH1(c *conn) *h1 {
	h, ok := c.server.ended.Get().(*h1)
	if !ok {
		h = &h1{in: &reader{}}
		h.wire.h, h.out.h, h.empty.h = h, h, h
		h.match.Header = h.headerValues
		h.empty.ended.Store(true)
	}
	h.stream = wire.Again(h.stream, c.Conn)
	*h.in = reader{conn: h.stream, buf: h.in.buf}
	if h.in.buf == nil {
		h.in.buf = make([]byte, smallBuffer)
	}
	h.wire = deadlineWriter{conn: c.Conn, stream: h.stream, idle: c.settings.idle, h: h}
	h.out.forget()
	h.conn, h.body = c, &h.empty
	h.match.Source = c.client.Addr()
	h.aborted, h.hijacked, h.parted = false, false, false
	h.cutOff.Store(false)
	return h
}

// release gives the memory back. Nothing of the last exchange may be under way any more: see client.settle.
func (h *h1) release() {
	s := h.conn.server
	if len(h.in.buf) > spareBuffer {
		h.in.buf = nil
	}
	h.conn, h.wire.conn, h.wire.stream, h.in.conn, h.body = nil, nil, nil, nil, nil
	s.ended.Put(h)
}

// preface is what a client says that knows that it speaks to HTTP/2 (RFC 9113, 3.4).
const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// sniff looks whether the connection begins with HTTP/2's preface.
func (h *h1) sniff() bool {
	h.conn.await()
	for {
		b := h.in.buffered()
		if n := min(len(b), len(preface)); string(b[:n]) != preface[:n] {
			return false
		} else if n == len(preface) {
			return true
		}
		if h.in.fill() != nil {
			h.aborted = len(b) == 0 // nobody is there to be told anything
			return false
		}
		h.conn.busy()
	}
}

// serve answers requests until the connection is over.
func (h *h1) serve() {
	for !h.aborted && h.one() {
	}
	h.lingeringClose()
}

// one serves one request, and says whether there may be another.
func (h *h1) one() bool {
	if len(h.in.buffered()) == 0 && len(h.in.buf) > spareBuffer {
		h.in.buf, h.in.r, h.in.w = make([]byte, smallBuffer), 0, 0
	}
	h.conn.await()
	h.first, h.before = h.in.got-int64(len(h.in.buffered())), h.wire.n
	raw, err := h.in.head(h.conn.busy)
	if err != nil {
		return h.refuse(err)
	}
	h.conn.begun()
	h.head.Parse(raw)
	h.conn.requests.Add(1)
	if h.express(raw) {
		return h.end()
	}
	h.conn.readBy(time.Time{})
	r := fromHead(&h.head, len(raw))
	r.start = h.conn.server.now()
	h.in.take(len(raw))
	h.begin(r)
	h.conn.server.exchange(h.conn, h, r)
	return h.end()
}

// begin makes the response and the body of a request.
func (h *h1) begin(r *request) {
	expects := r.targetVersion == 1 && strings.EqualFold(r.header.Get("Expect"), "100-continue") && r.length != 0
	h.out.reset(r.targetVersion, expects)
	h.out.close = !h.persists(r)
	h.parted = r.refuse == 0 && hasToken(r.header["Connection"], "close")
	h.cutOff.Store(false)
	h.mu.Lock()
	h.over = false
	h.mu.Unlock()
	h.body = &body{h: h, framed: framed{in: h.in, chunked: h.head.Chunked, left: max(r.length, 0)}}
	h.body.ended.Store(r.length == 0)
	if r.length != 0 {
		r.body, r.trailers = h.body, h.body.trailers
		h.body.framed.trailer = h.body.keep
	}
	r.upgrade = h.head.Class < desync.Ambiguous && r.targetVersion == 1 && r.length == 0 && wantsWebSocket(r)
}

// persists says whether the client wants to send another request, and may.
func (h *h1) persists(r *request) bool {
	c := h.conn
	return r.refuse == 0 && !r.closes && !c.server.isDraining() && !c.aged(r.start) &&
		!hasToken(r.header["Connection"], "close") && (r.targetVersion == 1 || hasToken(r.header["Connection"], "keep-alive"))
}

// settle implements client.
func (h *h1) settle() {
	h.unwatch()
	if !h.body.done() {
		h.out.close = true
		h.cut()
	}
	_ = h.body.Close()
}

// end says whether there may be another request.
func (h *h1) end() bool {
	if h.hijacked {
		return false
	}
	return !h.out.close && !h.aborted && h.out.err == nil
}

// refuse answers what is no request, or nothing.
func (h *h1) refuse(err error) bool {
	codes := map[error]int{errLineTooLong: http.StatusRequestURITooLong, errHeadTooLong: http.StatusBadRequest, errHeadSlow: http.StatusRequestTimeout}
	code := 0
	for e, c := range codes {
		if errors.Is(err, e) {
			code = c
		}
	}
	if code == 0 {
		h.aborted = true
		return false
	}
	r := &request{header: http.Header{}, start: h.conn.server.now(), refuse: code, targetVersion: 1, protocol: "HTTP/1.1", closes: true}
	if code == http.StatusBadRequest {
		r.class, r.reason = desync.Severe, desync.BadHeader
	}
	h.head = desync.Head{}
	h.begin(r)
	h.conn.server.exchange(h.conn, h, r)
	return h.end()
}

// lingeringClose lets the client read the last response before it learns that what it sent was not read.
func (h *h1) lingeringClose() {
	if h.parted && h.conn.tls == nil && h.body.done() && len(h.in.buffered()) == 0 && !h.stream.Unread() {
		return // nothing was sent that is not read, and nothing will be
	}
	tcp, ok := h.conn.raw.(*net.TCPConn)
	if !ok || h.aborted || h.hijacked || h.out.err != nil || h.in.got == 0 {
		return
	}
	if h.conn.tls != nil {
		if t, is := h.conn.Conn.(interface{ CloseWrite() error }); is {
			_ = t.CloseWrite()
		}
	}
	if tcp.CloseWrite() != nil {
		return
	}
	_ = tcp.SetReadDeadline(time.Now().Add(lingerFor))
	_, _ = io.CopyN(io.Discard, tcp, lingerBytes)
}

// How long, and how much, is read from a client that was told to go.
const (
	lingerFor   = 500 * time.Millisecond
	lingerBytes = 256 << 10
)

func (h *h1) date() string { return h.conn.server.date(h.conn.server.now()) }

func (h *h1) touch() { h.life.beat() }

// The methods of client.

func (h *h1) Header() http.Header         { return h.out.Header() }
func (h *h1) Write(p []byte) (int, error) { return h.out.Write(p) }
func (h *h1) Flush() error                { return h.out.Flush() }
func (h *h1) pulse() *pulse               { return &h.life }

func (h *h1) progress() bool {
	taken := wire.Acked(h.conn.raw)
	if h.taken.Swap(taken) >= taken {
		return false
	}
	_ = h.conn.raw.SetWriteDeadline(time.Now().Add(h.wire.idle + slack(h.wire.idle)))
	return true
}

func (h *h1) sent() int64     { return h.wire.n - h.before }
func (h *h1) received() int64 { return h.in.got - int64(len(h.in.buffered())) - h.first }
func (h *h1) left() error     { return h.body.fault() }
func (h *h1) touched() bool   { return h.body.touched() }

func (h *h1) start(code int, length int64, bodyless bool) {
	if !h.body.done() || h.conn.server.isDraining() { // what it still sends may be read by nobody
		h.out.close = true
	}
	h.out.start(code, length, bodyless)
}

func (h *h1) finish(trailer http.Header) error { return h.out.finish(trailer) }

// abort closes the connection: a client that was promised a length, or a last chunk, sees that it did not come. Where the
// end of the connection is that of the body, only a reset tells.
func (h *h1) abort() {
	h.aborted = true
	if tcp, ok := h.conn.raw.(*net.TCPConn); ok && h.out.endless {
		_ = tcp.SetLinger(0)
	}
}

func (h *h1) cut() {
	h.cutOff.Store(true)
	h.conn.readBy(time.Unix(1, 0))
	h.out.cut()
}

// watch reads ahead: that is how one learns that a client has left. What it sends is its next request.
func (h *h1) watch(gone func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.over || h.watching != nil || !h.body.done() || len(h.in.buffered()) > 0 {
		return
	}
	done := make(chan struct{})
	h.watching = done
	if !h.cutOff.Load() {
		h.conn.readBy(time.Time{})
	}
	go func() {
		defer close(done)
		if err := h.in.fill(); err != nil && !h.cutOff.Load() {
			gone()
		}
	}()
}

// unwatch ends watch.
func (h *h1) unwatch() {
	h.mu.Lock()
	done := h.watching
	h.over, h.watching = true, nil
	h.mu.Unlock()
	if done == nil {
		return
	}
	h.cutOff.Store(true)
	h.conn.readBy(time.Unix(1, 0))
	<-done
	h.cutOff.Store(false)
}

// hijack gives the connection as it is; what came already is read first.
func (h *h1) hijack() (io.ReadWriter, error) {
	h.unwatch()
	h.hijacked = true
	if err := h.conn.raw.SetReadDeadline(time.Time{}); err != nil {
		return nil, fmt.Errorf("take over the connection: %w", err)
	}
	return struct {
		io.Reader
		io.Writer
	}{h.in, &h.wire}, nil
}

// hasToken looks for a word in fields that are lists.
func hasToken(fields []string, word string) bool {
	for _, f := range fields {
		for item := range strings.SplitSeq(f, ",") {
			if strings.EqualFold(strings.Trim(item, " \t"), word) {
				return true
			}
		}
	}
	return false
}

// wantsWebSocket recognises the only protocol to which a connection may be upgraded (RFC 6455, 4.2.1).
func wantsWebSocket(r *request) bool {
	return r.method == http.MethodGet && hasToken(r.header["Connection"], "upgrade") &&
		len(r.header["Upgrade"]) == 1 && strings.EqualFold(r.header["Upgrade"][0], "websocket") &&
		r.header.Get("Sec-Websocket-Key") != ""
}
