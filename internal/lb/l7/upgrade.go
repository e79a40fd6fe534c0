package l7

import (
	"context"
	"io"
	"maps"
	"net/http"
	"strings"

	"github.com/maitred/maitred/internal/core/routing"
	"github.com/maitred/maitred/internal/lb/desync"
)

// upgrade makes a tunnel of a connection whose target has agreed to a WebSocket. A target that switches to something else,
// or unasked, has not understood the request.
func (ex *exchange) upgrade(resp *http.Response) {
	back, ok := resp.Body.(io.ReadWriteCloser)
	if !ok || !ex.request.upgrade || !strings.EqualFold(resp.Header.Get("Upgrade"), "websocket") || !wellFormedUpgrade(resp) {
		ex.generate(http.StatusBadGateway, "InvalidTargetResponse")
		return
	}
	front, err := ex.client.hijack()
	if err != nil {
		ex.generate(http.StatusBadGateway, "InvalidTargetResponse")
		return
	}
	ex.entry.Type = strings.Replace(ex.conn.kind(), "http", "ws", 1)
	ex.entry.Code = http.StatusSwitchingProtocols
	ex.entry.Response = max(ex.server.now().Sub(ex.firstAt), 0)
	removeHops(resp.Header)
	maps.Copy(ex.client.Header(), resp.Header)
	ex.client.Header()["Upgrade"] = []string{"websocket"}
	ex.addHeaders(ex.client.Header())
	ex.began = true
	ex.client.start(http.StatusSwitchingProtocols, -1, true)
	if ex.client.Flush() != nil {
		ex.client.abort()
		return
	}
	ex.tunnel(front, back)
}

func wellFormedUpgrade(resp *http.Response) bool {
	for name, values := range resp.Header {
		for _, v := range values {
			if !desync.IsToken(name) || !desync.IsValue(v) {
				return false
			}
		}
	}
	return true
}

// tunnel copies both ways until both have ended, or one has failed.
func (ex *exchange) tunnel(front io.ReadWriter, back io.ReadWriteCloser) {
	unhook := context.AfterFunc(ex.ctx, func() { _ = back.Close() })
	defer unhook()
	done := make(chan struct{})
	go func() {
		defer close(done)
		ex.pipe(back, front)
		_ = back.Close() // the transport cannot close one half
	}()
	ex.pipe(front, back)
	ex.client.cut()
	<-done
	if c := causeOf(ex.ctx); c != nil {
		ex.entry.Error = c.text
	}
}

// pipe copies one way. Each piece counts as a sign of life.
func (ex *exchange) pipe(to io.Writer, from io.Reader) {
	buf := ex.server.groups.buffer()
	defer ex.server.groups.copies.Put(buf)
	for {
		n, err := from.Read(*buf)
		if n > 0 {
			ex.client.pulse().beat()
			if _, werr := to.Write((*buf)[:n]); werr != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// transform applies the transforms of the rule to what the target is sent ("Transforms for listener rules").
func (ex *exchange) transform() bool {
	r := ex.request
	host, uri, err := routing.Rewrite(ex.rule, r.host, r.uri())
	if err == nil && (!desync.ValidHost(host) || !desync.Plain(uri) || !strings.HasPrefix(uri, "/")) {
		err = routing.ErrRewrite
	}
	if err != nil {
		ex.entry.Transform = "TransformFailed"
		ex.generate(http.StatusInternalServerError, "TransformFailed")
		return false
	}
	if host != r.host {
		r.host, ex.entry.Host = host, host
	}
	if uri != r.uri() {
		r.setURI(uri)
		ex.entry.URI = uri
	}
	ex.entry.Transform = "TransformSucceeded"
	return true
}
