package l7

import (
	"bytes"
	"errors"
	"io"
	"net/http/httputil"
	"testing"
	"testing/iotest"
)

func bodyOf(raw []byte, slow bool) *body {
	var from io.Reader = bytes.NewReader(raw)
	if slow {
		from = iotest.OneByteReader(from)
	}
	h := &h1{in: &reader{conn: from, buf: make([]byte, 64)}}
	h.out.h = h
	h.body = &body{h: h, framed: framed{in: h.in, chunked: true}}
	return h.body
}

// FuzzChunks reads chunked bodies. What is taken for a whole body is the same for net/http's reader, ends at the same
// byte, and does not depend on how the bytes come.
func FuzzChunks(f *testing.F) {
	for _, s := range []string{
		"0\r\n\r\n", "5\r\nhello\r\n0\r\n\r\nGET /", "5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n", "5 ;a\r\nhello\r\n0\r\n\r\n", "5\nhello\n0\n\n",
		"000000000000005\r\nhello\r\n0\r\n\r\n", "fffffffffffffff\r\n", "5;a\rb\r\nhello\r\n0\r\n\r\n", "1\r\na\r\n1\r\nb\r\n0\r\nContent-Length: 5\r\n\r\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		quick, slow := bodyOf(raw, false), bodyOf(raw, true)
		got, err := io.ReadAll(quick)
		got2, err2 := io.ReadAll(slow)
		if !bytes.Equal(got, got2) || (err == nil) != (err2 == nil) {
			t.Fatalf("%q reads as %q, %v and byte by byte as %q, %v", raw, got, err, got2, err2)
		}
		if err != nil {
			if !errors.Is(err, errBadChunk) && !errors.Is(err, errBodyCut) {
				t.Errorf("%q: %v", raw, err)
			}
			return
		}
		if !quick.done() || quick.h.in.got-int64(len(quick.h.in.buffered())) != slow.h.in.got-int64(len(slow.h.in.buffered())) {
			t.Errorf("%q ends in two places", raw)
		}
		if want, err := io.ReadAll(httputil.NewChunkedReader(bytes.NewReader(raw))); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%q reads as %q, and for net/http as %q, %v", raw, got, want, err)
		}
	})
}

// FuzzHead reads heads as they come: in one piece and byte by byte.
func FuzzHead(f *testing.F) {
	f.Add([]byte("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET"))
	f.Add([]byte("\r\nGET / HTTP/1.1\nHost: a\n\n"))
	f.Add([]byte("\r"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		quick, slow := bodyOf(raw, false).h.in, bodyOf(raw, true).h.in
		got, err := quick.head(func() {})
		got2, err2 := slow.head(func() {})
		if !bytes.Equal(got, got2) || !errors.Is(err2, err) {
			t.Errorf("%q reads as %q, %v and byte by byte as %q, %v", raw, got, err, got2, err2)
		}
	})
}

// FuzzAnswer reads heads of answers. What is taken for one has a code of three digits and fields that can be written again.
func FuzzAnswer(f *testing.F) {
	for _, s := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", "HTTP/1.0 404\r\n\r\n", "HTTP/1.1 200 OK\nX: y\n\n", "HTTP/1.1 2000 OK\r\n\r\n",
		"HTTP/1.1 200 OK\r\nX y: z\r\n\r\n", "HTTP/1.1 200 OK\r\n X: y\r\n\r\n", "HTTP/2.0 200 OK\r\n\r\n", "\r\n\r\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		in := &reader{conn: bytes.NewReader(raw), buf: make([]byte, 64)}
		head, err := in.answerHead()
		if err != nil {
			return
		}
		resp, err := parseAnswer(head)
		if err != nil {
			return
		}
		if resp.StatusCode < 100 || resp.StatusCode > 999 || resp.StatusCode >= 200 && !wellFormed(resp) {
			t.Errorf("%q reads as %+v", head, resp)
		}
	})
}
