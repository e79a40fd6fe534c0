package l7

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// answer writes the response to a request of HTTP/1.1. It is a client.
type answer struct {
	h   *h1
	buf *bufio.Writer // nil until something is written that is not plain

	pen     sync.Mutex // held by who writes up to the head: goOn comes from whoever reads the body
	mu      sync.Mutex // of the next four; nothing is written under it: a slow client must not keep whoever cuts it off
	expects bool       // the client waits for 100 before it sends its body
	interim bool       // an interim answer is being written
	head    bool       // the response's head is written, or being so
	cutOff  bool       // nothing is written any more

	header  http.Header
	minor   int  // of the request's version
	bodyOK  bool // the response may have a body
	chunked bool
	endless bool  // the body ends where the connection does
	left    int64 // of the declared length
	close   bool
	sent    int64
	err     error
}

var (
	errTooMuch  = errors.New("the response is longer than was declared")
	errTooShort = errors.New("the response is shorter than was declared")
)

func (a *answer) reset(minor int, expects bool) {
	a.renew(expects)
	a.minor = minor
	a.header = make(http.Header, 16)
	if a.buf == nil {
		a.buf = bufio.NewWriterSize(&a.h.wire, smallBuffer)
	}
	a.chunked, a.endless, a.close, a.left, a.sent, a.err = false, false, false, 0, 0, nil
}

// renew begins another response.
func (a *answer) renew(expects bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.cutOff { // at the very end of the response before
		a.h.wire.past = time.Time{}
	}
	a.expects, a.interim, a.head, a.cutOff = expects, false, false, false
}

// forget drops what a connection before has left.
func (a *answer) forget() {
	if a.buf != nil {
		a.buf.Reset(&a.h.wire)
	}
	a.resetPlain()
}

// resetPlain is reset for the express way, on which the response is not written here.
func (a *answer) resetPlain() {
	a.renew(false)
	a.header, a.minor = nil, 1
	a.chunked, a.endless, a.close, a.left, a.sent, a.err = false, false, false, 0, 0, nil
}

// beginPlain notes that the response begins.
func (a *answer) beginPlain(last bool) {
	a.mu.Lock()
	a.head = true
	a.mu.Unlock()
	a.close = a.close || last
}

func (a *answer) Header() http.Header { return a.header }

// goOn sends 100 Continue, once, to a client that waits for it.
func (a *answer) goOn() {
	if !a.waited() {
		return
	}
	a.pen.Lock()
	defer a.pen.Unlock()
	if !a.waited() { // meanwhile
		return
	}
	a.mu.Lock()
	a.expects = false
	a.mu.Unlock()
	a.now(func() { a.note(a.buf.WriteString("HTTP/1.1 100 Continue\r\n\r\n")) })
}

// waited says that the client waits for 100, which may still be sent.
func (a *answer) waited() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.expects && !a.head
}

// now writes an interim answer, which the client is sent at once. The pen is held.
func (a *answer) now(write func()) {
	a.setInterim(true)
	write()
	a.noteError(a.buf.Flush())
	a.setInterim(false)
}

func (a *answer) setInterim(on bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.interim = on
}

// cut ends what is being written, and what will be: of an answer that has not begun nothing is lost.
func (a *answer) cut() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.head || a.interim {
		a.cutOff = true
		_ = a.h.conn.raw.SetWriteDeadline(time.Unix(1, 0))
	}
}

// writeBy bounds the time of writing.
func (a *answer) writeBy(t time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.cutOff {
		_ = a.h.wire.conn.SetWriteDeadline(t)
	}
}

// start writes the head of a response: length is that of the body, -1 if it is not known. The head goes out with the
// first of the body, or with Flush.
func (a *answer) start(code int, length int64, bodyless bool) {
	a.pen.Lock()
	defer a.pen.Unlock()
	a.mu.Lock()
	a.head = true
	a.close = a.close || a.expects // it may send its body or not: where its next request begins cannot be known
	a.mu.Unlock()
	a.bodyOK = !bodyless && code != http.StatusNoContent && code != http.StatusNotModified
	a.status(code)
	a.frame(code, length)
	if a.header.Get("Date") == "" && code != http.StatusSwitchingProtocols {
		a.field("Date", a.h.date())
	}
	for name, values := range a.header {
		for _, v := range values {
			a.field(name, v)
		}
	}
	a.note(a.buf.WriteString("\r\n"))
}

func (a *answer) status(code int) {
	a.note(a.buf.WriteString("HTTP/1.1 "))
	a.note(a.buf.WriteString(strconv.Itoa(code)))
	a.noteError(a.buf.WriteByte(' '))
	a.note(a.buf.WriteString(http.StatusText(code)))
	a.note(a.buf.WriteString("\r\n"))
}

// frame says how long the body is and what becomes of the connection.
func (a *answer) frame(code int, length int64) {
	if code == http.StatusSwitchingProtocols {
		a.field("Connection", "Upgrade")
		return
	}
	switch {
	case !a.bodyOK:
		if length >= 0 && code != http.StatusNoContent {
			a.field("Content-Length", strconv.FormatInt(length, 10))
		}
	case length >= 0:
		a.left = length
		a.field("Content-Length", strconv.FormatInt(length, 10))
	case a.minor == 1:
		a.chunked = true
		a.field("Transfer-Encoding", "chunked")
	default:
		a.endless, a.close = true, true
	}
	switch {
	case a.close:
		a.field("Connection", "close")
	case a.minor == 0:
		a.field("Connection", "keep-alive")
	}
}

func (a *answer) field(name, value string) {
	a.note(a.buf.WriteString(name))
	a.note(a.buf.WriteString(": "))
	a.note(a.buf.WriteString(value))
	a.note(a.buf.WriteString("\r\n"))
}

// Write adds to the body.
func (a *answer) Write(p []byte) (int, error) {
	switch {
	case a.err != nil:
		return 0, a.err
	case !a.bodyOK || len(p) == 0:
		return len(p), nil
	case a.chunked:
		a.note(a.buf.WriteString(strconv.FormatInt(int64(len(p)), 16)))
		a.note(a.buf.WriteString("\r\n"))
		a.note(a.buf.Write(p))
		a.note(a.buf.WriteString("\r\n"))
	case a.endless:
		a.note(a.buf.Write(p))
	case int64(len(p)) > a.left:
		return 0, errTooMuch
	default:
		a.left -= int64(len(p))
		a.note(a.buf.Write(p))
	}
	a.sent += int64(len(p))
	return len(p), a.err
}

// Flush sends what was written so far.
func (a *answer) Flush() error {
	a.noteError(a.buf.Flush())
	return a.err
}

// finish ends the response.
func (a *answer) finish(trailer http.Header) error {
	if a.chunked && a.bodyOK {
		a.note(a.buf.WriteString("0\r\n"))
		for name, values := range trailer {
			for _, v := range values {
				a.field(name, v)
			}
		}
		a.note(a.buf.WriteString("\r\n"))
	}
	if a.bodyOK && a.left > 0 {
		a.noteError(errTooShort)
	}
	return a.Flush()
}

func (a *answer) note(_ int, err error) { a.noteError(err) }

func (a *answer) noteError(err error) {
	if a.err == nil && err != nil {
		a.err = fmt.Errorf("write to the client: %w", err)
	}
}

// deadlineWriter gives each write to a client the idle timeout, and counts.
type deadlineWriter struct {
	conn   net.Conn
	stream io.Writer // of conn
	idle   time.Duration
	n      int64
	h      *h1
	past   time.Time // the deadline
}

func (w *deadlineWriter) Write(p []byte) (int, error) {
	n, err := w.write(p, time.Now())
	w.h.touch()
	return n, err
}

// write is Write by who knows what time it is, and takes note of the sign of life by himself.
func (w *deadlineWriter) write(p []byte, now time.Time) (int, error) {
	w.renew(now)
	n, err := w.stream.Write(p)
	w.n += int64(n)
	return n, err
}

// renew puts the deadline off.
func (w *deadlineWriter) renew(now time.Time) {
	until := now.Add(w.idle)
	if late := w.past.Sub(until); late < 0 || late > slack(w.idle) {
		w.past = until.Add(slack(w.idle))
		w.h.out.writeBy(w.past)
	}
}
