package l7

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// sending is one request on a connection to a target.
type sending struct {
	pool    *pool
	conn    *targetConn
	request *http.Request
	hint    hint
	unhook  func() bool // of the context, whose end cuts the connection

	upload  chan struct{} // closed when the body is sent, nil if there is none
	goOn    chan struct{} // closed when the target wants the body, nil if it was not asked
	failed  atomic.Bool   // the body is not sent whole
	lasting bool          // the connection may be kept
}

// send sends a request and reads the head of the answer. When it fails the connection has to be closed.
func (c *targetConn) send(p *pool, r *http.Request, to hint) (*http.Response, error) {
	s := &sending{pool: p, conn: c, request: r, hint: to, lasting: !r.Close}
	s.unhook = context.AfterFunc(r.Context(), func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	resp, err := s.run()
	if err != nil {
		s.unhook()
		_ = c.Close() // ends the upload too
		if why := context.Cause(r.Context()); why != nil {
			return nil, why //nolint:wrapcheck // the reason is what counts
		}
		return nil, err
	}
	return resp, nil
}

func (s *sending) run() (*http.Response, error) {
	s.writeHead()
	if s.request.Body != nil {
		s.startUpload()
	} else if err := s.conn.out.Flush(); err != nil {
		return nil, fmt.Errorf("send the request: %w", err)
	}
	return s.readHead()
}

// writeHead buffers the head of the request; errors show when it is flushed.
func (s *sending) writeHead() {
	r, w := s.request, s.conn.out
	write := func(parts ...string) {
		for _, p := range parts {
			_, _ = w.WriteString(p)
		}
	}
	write(r.Method, " ", r.URL.Opaque)
	if r.URL.ForceQuery {
		write("?", r.URL.RawQuery)
	}
	write(" HTTP/1.1\r\nHost: ", cmp.Or(r.Host, r.URL.Host), "\r\n")
	for name, values := range r.Header {
		for _, v := range values {
			if name != "User-Agent" || v != "" {
				write(name, ": ", v, "\r\n")
			}
		}
	}
	switch {
	case r.Body != nil && r.ContentLength < 0:
		write("Transfer-Encoding: chunked\r\n")
		if len(r.Trailer) > 0 {
			write("Trailer: ", trailerNames(r.Trailer), "\r\n")
		}
	case r.Body != nil:
		write("Content-Length: ", itoa(r.ContentLength), "\r\n")
	case r.Method == http.MethodPost || r.Method == http.MethodPut || r.Method == http.MethodPatch:
		write("Content-Length: 0\r\n")
	}
	if r.Close {
		write("Connection: close\r\n")
	}
	write("\r\n")
}

// startUpload sends the body beside the answer, which may begin before the body ends.
func (s *sending) startUpload() {
	s.upload = make(chan struct{})
	if strings.EqualFold(s.request.Header.Get("Expect"), "100-continue") {
		s.goOn = make(chan struct{}, 1)
	}
	go func() { // ends when the body does, or the connection
		defer close(s.upload)
		if err := s.sendBody(); err != nil {
			s.failed.Store(true)
			// A target that takes no more may have answered before: that is still to be read.
			if !errors.Is(err, errNotTaken) {
				_ = s.conn.Close()
			}
		}
	}()
}

// expectFor is how long a target may take to say that it wants the body.
const expectFor = time.Second

func (s *sending) sendBody() error {
	if s.goOn != nil {
		if err := s.flush(); err != nil {
			return err
		}
		select {
		case <-s.goOn:
		case <-time.After(expectFor):
		case <-s.request.Context().Done():
			return context.Cause(s.request.Context())
		}
	}
	chunked, left := s.request.ContentLength < 0, s.request.ContentLength
	buf := make([]byte, copyBuffer/2)
	for {
		n, err := s.request.Body.Read(buf)
		left -= int64(n)
		if n > 0 {
			if werr := s.sendPiece(buf[:n], chunked); werr != nil {
				return werr
			}
		}
		switch {
		case errors.Is(err, io.EOF) && !chunked && left != 0:
			return io.ErrUnexpectedEOF
		case errors.Is(err, io.EOF):
			return s.endBody(chunked)
		case err != nil:
			return err //nolint:wrapcheck // the client's fault, which it knows
		}
	}
}

func (s *sending) sendPiece(piece []byte, chunked bool) error {
	w := s.conn.out
	if chunked {
		_, _ = fmt.Fprintf(w, "%x\r\n", len(piece))
	}
	_, _ = w.Write(piece)
	if chunked {
		_, _ = w.WriteString("\r\n")
	}
	return s.flush()
}

// errNotTaken is a body that the target does not take any more.
var errNotTaken = errors.New("the target takes no more of the body")

func (s *sending) flush() error {
	if err := s.conn.out.Flush(); err != nil {
		return fmt.Errorf("%w: %w", errNotTaken, err)
	}
	return nil
}

func (s *sending) endBody(chunked bool) error {
	if !chunked {
		return s.flush()
	}
	w := s.conn.out
	_, _ = w.WriteString("0\r\n")
	for name, values := range s.request.Trailer {
		for _, v := range values {
			_, _ = w.WriteString(name + ": " + v + "\r\n")
		}
	}
	_, _ = w.WriteString("\r\n")
	return s.flush()
}

// lastLook is how long the end of an upload is waited for when the answer is there.
const lastLook = 5 * time.Millisecond

// uploaded says that the whole body was sent.
func (s *sending) uploaded() bool {
	if s.upload == nil {
		return true
	}
	select {
	case <-s.upload:
		return !s.failed.Load()
	case <-time.After(lastLook): // the target may be quicker to answer than we are to note that all is sent
		return false
	}
}

// over is called at the end of the answer: the connection is kept if everybody agrees where that was.
func (s *sending) over(whole bool) {
	if s.unhook() && whole && s.lasting && s.uploaded() {
		s.pool.put(s.conn, time.Now())
		return
	}
	_ = s.conn.Close()
}

// answerBody is the body of a target's answer.
type answerBody struct {
	s        *sending
	framed   framed
	endless  bool // it ends where the connection does
	finished bool
	resp     *http.Response
}

func (b *answerBody) Read(p []byte) (int, error) {
	if b.finished {
		return 0, io.EOF
	}
	var n int
	var err error
	if b.endless {
		n, err = b.s.conn.in.Read(p)
	} else {
		n, err = b.framed.read(p)
	}
	switch {
	case err == nil:
		return n, nil
	case errors.Is(err, io.EOF) && (b.endless || b.framed.ended):
		b.finish(!b.endless)
		return n, io.EOF
	}
	b.finish(false)
	if errors.Is(err, errBodyCut) {
		err = io.ErrUnexpectedEOF
	}
	return n, err //nolint:wrapcheck // the cause is in the context
}

func (b *answerBody) finish(whole bool) {
	if !b.finished {
		b.finished = true
		b.s.over(whole)
	}
}

// Close implements io.Closer: an answer that was not read to its end takes its connection with it.
func (b *answerBody) Close() error {
	b.finish(false)
	return nil
}

// trailer keeps a trailer field.
func (b *answerBody) trailer(line []byte) {
	name, value, _ := strings.Cut(string(line), ":")
	if b.resp.Trailer == nil {
		b.resp.Trailer = http.Header{}
	}
	b.resp.Trailer.Add(name, strings.Trim(value, " \t"))
}
