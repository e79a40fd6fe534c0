package l7

import (
	"errors"
	"io"
	"net/http"

	"github.com/maitred/maitred/internal/core/routing"
	"github.com/maitred/maitred/internal/lb/cookie"
	"github.com/maitred/maitred/internal/lb/desync"
)

// respond sends a target's response to the client.
func (ex *exchange) respond(t *target, resp *http.Response) {
	ex.told(resp.StatusCode)
	if resp.StatusCode == http.StatusSwitchingProtocols {
		ex.upgrade(resp)
		return
	}
	if !wellFormed(resp) {
		ex.generate(http.StatusBadGateway, "InvalidTargetResponse")
		return
	}
	ex.stick(t, resp.Header)
	ex.copyHeader(resp)
	ex.entry.Code = resp.StatusCode
	head := ex.request.method == http.MethodHead
	length := resp.ContentLength
	if len(resp.Trailer) > 0 {
		length = -1
	}
	ex.began = true
	ex.client.start(resp.StatusCode, length, head)
	ex.entry.Response = max(ex.server.now().Sub(ex.firstAt), 0)
	ex.copyBody(resp)
}

// wellFormed refuses what could not be passed on as it is.
func wellFormed(resp *http.Response) bool {
	if resp.StatusCode < 200 || resp.StatusCode > 999 {
		return false
	}
	for name, values := range resp.Header {
		if !desync.IsToken(name) {
			return false
		}
		for _, v := range values {
			if !desync.IsValue(v) {
				return false
			}
		}
	}
	return true
}

func (ex *exchange) copyHeader(resp *http.Response) {
	h := ex.client.Header()
	removeHops(resp.Header)
	for name, values := range resp.Header {
		if name != "Content-Length" {
			h[name] = values
		}
	}
	for _, c := range ex.cookies {
		h.Add("Set-Cookie", c)
	}
	ex.addHeaders(h)
}

// stick gives the client the cookie that brings it back to the target.
func (ex *exchange) stick(t *target, h http.Header) {
	set := ex.group.Settings
	if !set.Sticky {
		return
	}
	name := cookie.Target
	if set.StickyType == "app_cookie" {
		if !cookie.Sets(h["Set-Cookie"], set.AppCookie) && !ex.stays(set) {
			return
		}
		name = cookie.Application
	}
	now := ex.server.now()
	ex.cookies = append(ex.cookies, cookie.SetCookies(name, ex.server.sealer.Seal(name, t.id, now), now)...)
}

// stays says that the client came with the application's cookie and ours, which is renewed with each response.
func (ex *exchange) stays(set routing.Settings) bool {
	cookies := ex.request.header["Cookie"]
	_, has := cookie.Find(cookies, set.AppCookie)
	_, ours := cookie.Find(cookies, cookie.Application)
	return has && ours
}

// copyBody streams the body: what has come is sent on before more is waited for.
func (ex *exchange) copyBody(resp *http.Response) {
	buf := ex.server.groups.buffer()
	defer ex.server.groups.copies.Put(buf)
	for {
		n, err := resp.Body.Read(*buf)
		if n > 0 {
			ex.client.pulse().beat()
			if _, werr := ex.client.Write((*buf)[:n]); werr != nil {
				ex.broken(werr, true)
				return
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			ex.broken(err, false)
			return
		}
		if ferr := ex.client.Flush(); ferr != nil {
			ex.broken(ferr, true)
			return
		}
	}
	if err := ex.client.finish(trailersOf(resp)); err != nil {
		ex.broken(err, true)
	}
}

// broken ends a response that cannot be finished: the client sees that it is not whole. The access log keeps the code that
// the client has got, and says why.
func (ex *exchange) broken(err error, byClient bool) {
	if !byClient {
		_ = ex.client.Flush() // what there is of it
	}
	ex.client.abort()
	e := &ex.entry
	switch c := ex.why(); {
	case c != nil:
		e.Error = c.text
	case byClient:
		e.Error = errGone.text
	case errors.Is(err, io.ErrUnexpectedEOF):
		e.Error = "TargetResponseIncomplete"
	default:
		e.Error = "TargetResponseError"
	}
}

func (gs *groups) buffer() *[]byte {
	if b, ok := gs.copies.Get().(*[]byte); ok {
		return b
	}
	b := make([]byte, copyBuffer)
	return &b
}
