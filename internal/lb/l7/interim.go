package l7

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"sync"

	"github.com/maitred/maitred/internal/lb/desync"
)

// hint takes an interim answer of a target (1xx), for the client.
type hint func(code int, h http.Header)

// hint passes an interim answer on, as proxies have to (RFC 9110, 15.2), but for 100: that is ours to say, when we want the
// client's body. It leaves open what the answer is. Clients of HTTP/1.0 do not know of such answers.
func (ex *exchange) hint(code int, h http.Header) {
	if r := ex.request; code == http.StatusContinue || !r.http2 && r.targetVersion == 0 {
		return
	}
	removeHops(h)
	delete(h, "Content-Length")
	if ex.profile.hideServer {
		delete(h, "Server")
	}
	for name, values := range h {
		for _, v := range values {
			if !desync.IsToken(name) || !desync.IsValue(v) {
				delete(h, name)
			}
		}
	}
	ex.client.hint(code, h)
}

// hint writes an interim answer. The client is sent it at once.
func (a *answer) hint(code int, h http.Header) {
	a.pen.Lock()
	defer a.pen.Unlock()
	a.now(func() {
		a.status(code)
		for name, values := range h {
			for _, v := range values {
				a.field(name, v)
			}
		}
		a.note(a.buf.WriteString("\r\n"))
	})
}

func (h *h1) hint(code int, header http.Header) { h.out.hint(code, header) }

func (st *stream) hint(code int, header http.Header) {
	h := st.w.Header()
	for name, values := range header {
		h[name] = values
		for _, v := range values {
			st.out += int64(len(name) + len(v) + 4)
		}
	}
	// With a length net/http sends a copy, without the length; else it may still read this map when the client resets the
	// stream and WriteHeader has returned.
	h["Content-Length"] = []string{"0"}
	st.w.WriteHeader(code)
	clear(h)
	st.life.beat()
}

// relay has interim answers passed on by a goroutine of its own, in their order.
type relay struct {
	to hint

	mu    sync.Mutex
	queue []interim
	n     int // answers so far
	size  int // bytes of them
	busy  bool
	ended bool
	work  sync.WaitGroup
}

type interim struct {
	code   int
	header http.Header
}

var errInterim = errors.New("there are too many interim answers")

// add takes an answer. It does not block. An error ends the request.
func (l *relay) add(code int, header textproto.MIMEHeader) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.n++
	for name, values := range header {
		for _, v := range values {
			l.size += len(name) + len(v)
		}
	}
	switch {
	case l.ended: // nobody waits for the answer any more
		return context.Canceled
	case code == http.StatusSwitchingProtocols:
		return fmt.Errorf("%w: it switches protocols unasked", errAnswer)
	case l.n > maxInterim || l.size > maxAnswer:
		return fmt.Errorf("%w: %w", errAnswer, errInterim)
	}
	l.queue = append(l.queue, interim{code, http.Header(header).Clone()})
	if !l.busy {
		l.busy = true
		l.work.Go(l.drain)
	}
	return nil
}

// drain passes on what there is.
func (l *relay) drain() {
	for {
		l.mu.Lock()
		if len(l.queue) == 0 {
			l.busy = false
			l.mu.Unlock()
			return
		}
		next := l.queue[0]
		l.queue = l.queue[1:]
		l.mu.Unlock()
		l.to(next.code, next.header)
	}
}

// end takes no more, and returns when all was passed on.
func (l *relay) end() {
	l.mu.Lock()
	l.ended = true
	l.mu.Unlock()
	l.work.Wait()
}
