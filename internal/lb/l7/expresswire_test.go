package l7

import (
	"bufio"
	"bytes"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// FuzzPlainAnswer reads heads of answers as the express way does. What it takes, net/http and the way of all other answers
// take too: with the same code, fields, end of the body and fate of the connection. And so does a client what it is sent.
func FuzzPlainAnswer(f *testing.F) {
	for _, s := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", "HTTP/1.1 404\r\nTransfer-Encoding: Chunked\r\nTrailer: X\r\n\r\n",
		"HTTP/1.1 200 OK\nContent-Length: 2\nConnection: Close\n\n", "HTTP/1.1 500 No\r\nConnection: keep-alive\r\nContent-Length: 0\r\nconnection: close\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: y\r\n z\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n", "HTTP/1.1 204 No\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nServer: a\r\nDate: b\r\nX:\t\x80 \r\nkeep-alive: 5\r\nUpgrade: h2c\r\nContent-Length: +2\r\n\r\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) { checkPlain(t, raw) })
}

// TestPlainAnswer does the same with heads made of what matters in them.
func TestPlainAnswer(t *testing.T) {
	t.Parallel()
	taken := 0
	rapid.Check(t, func(t *rapid.T) {
		status := rapid.SampledFrom([]string{
			"HTTP/1.1 200 OK", "HTTP/1.1 200 OK", "HTTP/1.1 503", "HTTP/1.1 999 \xff", "HTTP/1.0 200 OK", "HTTP/1.1 206  A\rB", "HTTP/1.1 205 A",
		})
		name := rapid.SampledFrom([]string{
			"Content-Length", "content-length", "Content_Length", "Transfer-Encoding", "Connection", "CONNECTION", "Trailer", "Date",
			"Server", "X", "Pragma", "Upgrade", "Keep-Alive", "", " X", "X ", "Content-Length\x00",
		})
		value := rapid.SampledFrom([]string{
			"", "0", "2", "02", "+2", "-1", "2,2", "9223372036854775807", "9223372036854775808", "chunked", "Chunked", "gzip, chunked",
			"close", "Close", "keep-alive", "close, x", "X", "no-cache", "\x80", "a\rb", "a\x00", "\u017f",
		})
		space := rapid.SampledFrom([]string{"", " ", "\t", "  "})
		end := rapid.SampledFrom([]string{"\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\n", "\r\r\n", "\r\n ", "\n\t"})
		frame := rapid.SampledFrom([]string{"", "Content-Length: 2\r\n", "Transfer-Encoding: chunked\r\n"})
		raw := status.Draw(t, "status") + end.Draw(t, "end") + frame.Draw(t, "frame")
		for range rapid.IntRange(0, 4).Draw(t, "fields") {
			raw += name.Draw(t, "name") + ":" + space.Draw(t, "before") + value.Draw(t, "value") + space.Draw(t, "after") + end.Draw(t, "end")
		}
		if checkPlain(t, []byte(raw+"\r\n")) {
			taken++
		}
	})
	if t.Logf("%d were plain", taken); taken == 0 {
		t.Error("no answer was plain")
	}
}

// checker is what tests of testing and of rapid have in common.
type checker interface {
	Helper()
	Errorf(format string, args ...any)
}

// checkPlain says whether an answer is plain, and compares it with what others read if it is.
func checkPlain(t checker, raw []byte) bool {
	t.Helper()
	in := &reader{conn: bytes.NewReader(raw), buf: make([]byte, 64)}
	head, err := in.answerHead()
	var a plainAnswer
	if err != nil || !a.parse(head) {
		return false
	}
	checkNetHTTP(t, &a, head)
	checkOtherWay(t, &a, head)
	checkClient(t, &a, head)
	return true
}

// checkNetHTTP compares with what net/http reads. That refuses some fields of Trailer, which says nothing here: what comes
// in a trailer is judged when it does.
func checkNetHTTP(t checker, a *plainAnswer, head []byte) {
	t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(head)), nil)
	if err != nil {
		if !strings.Contains(err.Error(), "bad trailer key") {
			t.Errorf("%q is taken, and net/http says %v", head, err)
		}
		return
	}
	_ = resp.Body.Close()
	chunked := slices.Equal(resp.TransferEncoding, []string{"chunked"})
	if resp.StatusCode != a.code || resp.ContentLength != a.length || chunked != a.chunked || resp.Close != a.closes {
		t.Errorf("%q reads as %+v, and for net/http as %+v", head, a, resp)
	}
	if got, want := fieldsOf(a), resp.Header; !maps.EqualFunc(got, want, slices.Equal) {
		t.Errorf("%q has the fields %q, and for net/http %q", head, got, want)
	}
}

// fieldsOf are the fields as net/http has them: without the coding and the end of the connection, and with what it makes of Pragma.
func fieldsOf(a *plainAnswer) http.Header {
	h := http.Header{}
	for _, f := range a.fields {
		h.Add(string(f.name), string(f.value))
	}
	h.Del("Transfer-Encoding")
	if a.closes {
		h.Del("Connection")
	}
	if a.chunked {
		h.Del("Trailer")
	}
	if _, ok := h["Cache-Control"]; !ok && len(h["Pragma"]) > 0 && h["Pragma"][0] == "no-cache" {
		h["Cache-Control"] = []string{"no-cache"}
	}
	return h
}

// checkOtherWay compares with what is made of the answer off the express way.
func checkOtherWay(t checker, a *plainAnswer, head []byte) {
	t.Helper()
	resp, err := parseAnswer(head)
	if err != nil {
		t.Errorf("%q is taken, and otherwise it is %v", head, err)
		return
	}
	nobody, _ := net.Pipe()
	s := &sending{conn: newTargetConn(nobody), request: &http.Request{Method: http.MethodGet}, lasting: true, unhook: func() bool { return false }}
	if resp, err = s.frame(resp); err != nil {
		t.Errorf("%q is taken, and otherwise it is %v", head, err)
		return
	}
	if resp.StatusCode != a.code || resp.ContentLength != a.length || s.lasting == a.closes || !wellFormed(resp) {
		t.Errorf("%q reads as %+v, and otherwise as %+v, lasting %v", head, a, resp, s.lasting)
	}
}

// checkClient reads what the client is sent.
func checkClient(t checker, a *plainAnswer, head []byte) {
	t.Helper()
	h := &h1{conn: &conn{server: &Server{}}}
	h.ex.firstAt = time.Unix(1, 0)
	sent := a.append(nil, h, false)
	resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(sent)), nil)
	if err != nil {
		t.Errorf("%q is sent on as %q, which is %v", head, sent, err)
		return
	}
	_ = resp.Body.Close()
	if resp.StatusCode != a.code || resp.ContentLength != a.length || resp.Close {
		t.Errorf("%q is sent on as %q, which reads as %+v", head, sent, resp)
	}
	for name, values := range fieldsOf(a) {
		if name != "Cache-Control" && kindOf([]byte(name)) == fieldPlain && !slices.Equal(resp.Header[name], values) {
			t.Errorf("%q is sent on as %q, without %s", head, sent, name)
		}
	}
}
