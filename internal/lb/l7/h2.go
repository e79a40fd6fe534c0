package l7

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maitred/maitred/internal/lb/desync"
)

// h2server is net/http's server, which gets the connections of HTTP/2 only. There is one for each idle timeout, which is
// a setting of the server.
type h2server struct {
	http  *http.Server
	queue *queue
}

// connKey finds the connection in the contexts of its requests.
type connKey struct{}

func (s *Server) h2server(idle time.Duration) *h2server {
	s.mu.Lock()
	defer s.mu.Unlock()
	if h, ok := s.h2[idle]; ok {
		return h
	}
	var protocols http.Protocols
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	h := &h2server{queue: &queue{conns: make(chan net.Conn), done: make(chan struct{})}}
	h.http = &http.Server{
		Handler: http.HandlerFunc(s.serveStream), Protocols: &protocols,
		HTTP2:       &http.HTTP2Config{MaxConcurrentStreams: maxStreams, SendPingTimeout: idle, PingTimeout: idle, WriteByteTimeout: idle},
		IdleTimeout: idle, ReadHeaderTimeout: idle, MaxHeaderBytes: 2 * maxHead, // beyond that it answers itself, with 431
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError), // what clients do wrong is no event of ours
		ConnContext: func(ctx context.Context, nc net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, connOf(nc))
		},
	}
	s.h2[idle] = h
	s.work.Go(func() {
		_ = h.http.Serve(h.queue) // ends with the queue, which cut or shutdown close
	})
	context.AfterFunc(s.ctx, h.close)
	return h
}

func (h *h2server) shutdown(ctx context.Context) {
	_ = h.http.Shutdown(ctx)
}

func (h *h2server) close() { _ = h.http.Close() }

// serveH2 hands the connection, of which read came already, to net/http and waits for its end.
func (c *conn) serveH2(read []byte) {
	h := c.server.h2server(c.settings.idle)
	_ = c.raw.SetReadDeadline(time.Time{})
	p := &handed{Conn: c.raw, conn: c, read: read, closed: make(chan struct{})}
	var nc net.Conn = p
	if t, ok := c.Conn.(*tls.Conn); ok {
		nc = t
		c.hand.Store(p)
	}
	select {
	case h.queue.conns <- nc:
		<-p.closed
	case <-h.queue.done:
	case <-c.server.ctx.Done():
	}
}

// handed is a connection that was handed to net/http.
type handed struct {
	net.Conn
	conn   *conn
	read   []byte // before what the connection gives
	once   sync.Once
	closed chan struct{}
}

func (p *handed) Read(b []byte) (int, error) {
	if len(p.read) > 0 {
		n := copy(b, p.read)
		p.read = p.read[n:]
		return n, nil
	}
	return p.Conn.Read(b)
}

func (p *handed) Close() error {
	p.once.Do(func() { close(p.closed) })
	return p.Conn.Close()
}

// connOf finds our connection behind the one that net/http has.
func connOf(nc net.Conn) *conn {
	if t, ok := nc.(*tls.Conn); ok {
		nc = t.NetConn()
	}
	switch x := nc.(type) {
	case *handed:
		return x.conn
	case *underTLS:
		return x.conn
	}
	return nil
}

// underTLS is the connection below TLS: closing TLS closes it, whoever does it.
type underTLS struct {
	net.Conn
	conn *conn
}

// Close implements net.Conn.
func (u *underTLS) Close() error {
	if p := u.conn.hand.Load(); p != nil {
		return p.Close()
	}
	return u.Conn.Close()
}

// queue is the listener through which net/http gets its connections.
type queue struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

// Accept implements net.Listener.
func (q *queue) Accept() (net.Conn, error) {
	select {
	case c := <-q.conns:
		return c, nil
	case <-q.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (q *queue) Close() error {
	q.once.Do(func() { close(q.done) })
	return nil
}

// Addr implements net.Listener.
func (q *queue) Addr() net.Addr { return &net.TCPAddr{} }

// serveStream serves one request of HTTP/2.
func (s *Server) serveStream(w http.ResponseWriter, hr *http.Request) {
	c, ok := hr.Context().Value(connKey{}).(*conn)
	if !ok {
		panic(http.ErrAbortHandler)
	}
	st := &stream{w: w, control: http.NewResponseController(w), request: hr}
	r := st.makeRequest(s.now())
	st.last = func() bool { return s.isDraining() || c.aged(r.start) }
	if c.requests.Add(1) >= maxOnHTTP2 {
		st.last = func() bool { return true }
	}
	s.exchange(c, st, r)
	if st.aborted {
		panic(http.ErrAbortHandler)
	}
}

// stream is the client of one request of HTTP/2.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	request *http.Request
	life    pulse
	size    int64
	body    atomic.Int64 // bytes of the request's body
	fault   atomic.Pointer[error]
	cutOff  atomic.Bool
	begun   atomic.Bool
	aborted bool
	last    func() bool // the connection has to end
	out     int64
	unhook  func() bool
	once    sync.Once
}

func (st *stream) makeRequest(now time.Time) *request { //nolint:gocyclo // one case for each thing that a request can have wrong
	hr := st.request
	r := &request{
		method: hr.Method, host: hr.Host, header: make(http.Header, len(hr.Header)+6), length: hr.ContentLength, protocol: "HTTP/2.0", http2: true,
		start: now, readable: true, targetVersion: 1,
	}
	r.size = len(hr.Method) + len(hr.Host) + len(hr.RequestURI)
	for name, values := range hr.Header {
		for _, v := range values {
			r.size += len(name) + len(v) + 4
		}
		switch {
		case !plainName(name) || desync.Reserved(name) && name != "Content-Length":
			r.dropped += len(values)
		case name != "Content-Length" && name != "Host": // they are known already
			r.header[name] = values
		}
	}
	st.size = int64(r.size)
	uri := hr.RequestURI
	if !desync.Plain(uri) {
		uri = string(desync.WriteTarget(nil, []byte(uri)))
	}
	r.setURI(uri)
	if len(uri) > maxLine {
		r.refuse = http.StatusRequestURITooLong
	}
	if !desync.IsToken(r.method) || !desync.ValidHost(r.host) || uri == "" || uri[0] != '/' && (uri != "*" || r.method != http.MethodOptions) {
		r.refuse = http.StatusBadRequest
	}
	if r.refuse == 0 && tooLarge(hr.Header) {
		r.refuse, r.class, r.reason = http.StatusBadRequest, desync.Severe, desync.BadHeader
	}
	if hr.ContentLength != 0 {
		r.body, r.trailers = st.reader(), func() http.Header { return hr.Trailer }
	}
	if len(hr.Trailer) > 0 && r.body != nil {
		r.length = -1 // in HTTP/1.1, only chunked bodies have trailers; net/http keeps those alone that were announced
		r.header["Trailer"] = []string{trailerNames(hr.Trailer)}
	}
	return r
}

// tooLarge says whether a header is longer than one of HTTP/1.1 may be.
func tooLarge(h http.Header) bool {
	size, count := 0, 0
	for name, values := range h {
		for _, v := range values {
			line := len(name) + len(v) + len(": \r\n")
			if line > maxLine {
				return true
			}
			size += line
			count++
		}
	}
	return size > maxHead || count > desync.MaxFields
}

func (st *stream) reader() io.Reader { return streamBody{st} }

// streamBody is the body of a request of HTTP/2.
type streamBody struct{ st *stream }

func (b streamBody) Read(p []byte) (int, error) {
	n, err := b.st.request.Body.Read(p)
	b.st.body.Add(int64(n))
	b.st.life.beat()
	if err != nil && !errors.Is(err, io.EOF) && !b.st.cutOff.Load() {
		b.st.fault.Store(&err)
	}
	return n, err
}

func (st *stream) Header() http.Header { return st.w.Header() }

func (st *stream) start(code int, length int64, _ bool) {
	h := st.w.Header()
	if _, ok := h["Content-Type"]; !ok {
		h["Content-Type"] = nil // or net/http guesses
	}
	if length >= 0 && code != http.StatusNoContent {
		h["Content-Length"] = []string{itoa(length)}
	}
	for name, values := range h {
		for _, v := range values {
			st.out += int64(len(name) + len(v) + 4)
		}
	}
	if st.last() {
		h.Set("Connection", "close") // net/http makes GOAWAY of it
	}
	st.begun.Store(true)
	st.w.WriteHeader(code)
}

func (st *stream) Write(p []byte) (int, error) {
	n, err := st.w.Write(p)
	st.out += int64(n)
	st.life.beat()
	return n, err
}

func (st *stream) Flush() error { return st.control.Flush() }

func (st *stream) finish(trailer http.Header) error {
	for name, values := range trailer {
		st.w.Header()[http.TrailerPrefix+name] = values
	}
	return nil
}

func (st *stream) abort() { st.aborted = true }

func (st *stream) cut() {
	st.cutOff.Store(true)
	past := time.Unix(1, 0)
	_ = st.control.SetReadDeadline(past)
	if st.begun.Load() {
		_ = st.control.SetWriteDeadline(past)
	}
}

func (st *stream) watch(gone func()) {
	st.once.Do(func() { st.unhook = context.AfterFunc(st.request.Context(), gone) })
}

func (st *stream) settle() {
	st.once.Do(func() {})
	if st.unhook != nil {
		st.unhook()
	}
}

func (st *stream) left() error {
	if err := st.fault.Load(); err != nil {
		return *err
	}
	return nil
}

func (st *stream) touched() bool                  { return st.body.Load() > 0 }
func (st *stream) pulse() *pulse                  { return &st.life }
func (st *stream) progress() bool                 { return false } // each write is a sign of life
func (st *stream) sent() int64                    { return st.out }
func (st *stream) received() int64                { return st.size + st.body.Load() }
func (st *stream) hijack() (io.ReadWriter, error) { return nil, http.ErrNotSupported }
