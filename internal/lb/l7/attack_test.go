package l7_test

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/maitred/maitred/internal/lb/desync"
	"github.com/maitred/maitred/internal/model"
)

// attack is what a client sends, and what becomes of it in the defensive mode.
type attack struct {
	name string
	raw  string
	// codes are those of the responses, in order; after the last one the connection is closed.
	codes string
	// seen is how many requests reach the target; all that come are looked at byte by byte.
	seen int
	body string // of the first one that reaches it
}

const (
	postHead = "POST /a HTTP/1.1\r\nHost: a\r\n"
	getHead  = "GET /a HTTP/1.1\r\nHost: a\r\n"
	evil     = "GET /evil HTTP/1.1\r\nHost: a\r\n\r\n"
	last     = "GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
)

func attacks() []attack {
	return []attack{
		// What has to work, or the rest proves nothing.
		{"a request", last, "200", 1, ""},
		{"two requests", getHead + "\r\n" + last, "200 200", 2, ""},
		{"a body", postHead + "Content-Length: 5\r\n\r\nhello" + last, "200 200", 2, "hello"},
		{"chunks", postHead + "Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;a=b\r\nllo\r\n0\r\nX: y\r\n\r\n" + last, "200 200", 2, "hello"},
		{"an empty line first", "\r\n" + last, "200", 1, ""},

		// Two lengths.
		{"CL.TE", postHead + "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG" + evil, "200", 1, ""},
		{"TE.CL", postHead + "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n5\r\nhello\r\n0\r\n\r\n" + evil, "200", 1, "hello"},
		{"CL.TE with the rest as a chunk", postHead + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n22\r\n" + evil + "\r\n0\r\n\r\n", "400", 1, ""},
		{"two CL, equal", postHead + "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello" + evil, "200", 1, "hello"},
		{"two CL, different", postHead + "Content-Length: 5\r\nContent-Length: 0\r\n\r\nhello" + evil, "400", 0, ""},
		{"CL list", postHead + "Content-Length: 5, 5\r\n\r\nhello" + evil, "400", 0, ""},
		{"CL +5", postHead + "Content-Length: +5\r\n\r\nhello" + evil, "400", 0, ""},
		{"CL 0x5", postHead + "Content-Length: 0x5\r\n\r\nhello" + evil, "400", 0, ""},
		{"CL 5_0", postHead + "Content-Length: 5_0\r\n\r\nhello" + evil, "400", 0, ""},
		{"CL -1", postHead + "Content-Length: -1\r\n\r\nhello" + evil, "400", 0, ""},
		{"CL huge", postHead + "Content-Length: 99999999999999999999\r\n\r\nhello" + evil, "400", 0, ""},
		{"CL with NUL", postHead + "Content-Length: 5\x00\r\n\r\nhello" + evil, "400", 0, ""},
		{"GET with a body", getHead + "Content-Length: 5\r\n\r\nhello" + evil, "200", 1, "hello"},
		{"0.CL", getHead + "Content-Length: " + strconv.Itoa(len(evil)+2) + "\r\n\r\n" + evil + "\r\n\r\n\r\n", "200", 1, evil + "\r\n"},

		// Transfer-Encoding in disguise.
		{"TE xchunked", postHead + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + evil, "400", 0, ""},
		{"TE chunked, identity", postHead + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + evil, "400", 0, ""},
		{"TE gzip, chunked", postHead + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" + evil, "501", 0, ""},
		{"TE gzip", postHead + "Transfer-Encoding: gzip\r\n\r\n" + evil, "501", 0, ""},
		{"TE with VT", postHead + "Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n" + evil, "400", 0, ""},
		{"TE twice", postHead + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + evil, "400", 0, ""},
		{"TE twice, one identity", postHead + "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + last, "200 200", 2, ""},
		{"TE folded", postHead + "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" + evil, "400", 0, ""},
		{"TE with a space before the colon", postHead + "Transfer-Encoding : chunked\r\n\r\n" + evil, "200", 1, ""},
		{"TE with an underscore", postHead + "Transfer_Encoding: chunked\r\nContent-Length: 5\r\n\r\nhello" + evil, "200", 1, "hello"},
		{"TE with a dotless i", postHead + "Transfer-Encod\xc4\xb1ng: chunked\r\n\r\n" + evil, "200", 1, ""},
		{"TE in HTTP/1.0", "POST /a HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + evil, "200", 1, ""},
		{"TE after a bare CR", postHead + "X: a\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + evil, "400", 0, ""},
		{"TE after a bare LF", postHead + "X: a\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + last, "200 200", 2, ""},
		{"TE in quotes", postHead + "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n" + evil, "400", 0, ""},

		// Chunks.
		{"a size that overflows", postHead + "Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n\r\n" + evil, "400", 1, ""},
		{"a size with 0x", postHead + "Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n" + evil, "400", 1, ""},
		{"a negative size", postHead + "Transfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n" + evil, "400", 1, ""},
		{"a size with a space before", postHead + "Transfer-Encoding: chunked\r\n\r\n 5\r\nhello\r\n0\r\n\r\n" + evil, "400", 1, ""},
		{"no size", postHead + "Transfer-Encoding: chunked\r\n\r\n;a\r\nhello\r\n0\r\n\r\n" + evil, "400", 1, ""},
		{"0 and a bare LF", postHead + "Transfer-Encoding: chunked\r\n\r\n0\n\n" + evil, "400", 1, ""},
		{"an extension with a bare LF", postHead + "Transfer-Encoding: chunked\r\n\r\n5;\nhello\r\n0\r\n\r\n" + evil, "400", 1, ""},
		{"an extension with a bare CR", postHead + "Transfer-Encoding: chunked\r\n\r\n5;a\rb\r\nhello\r\n0\r\n\r\n" + evil, "400", 1, ""},
		{"an endless extension", postHead + "Transfer-Encoding: chunked\r\n\r\n5;" + strings.Repeat("a", 8<<10) + "\r\nhello\r\n0\r\n\r\n" + evil, "400", 1, ""},
		{"data that is too long", postHead + "Transfer-Encoding: chunked\r\n\r\n5\r\nhelloo\r\n0\r\n\r\n" + evil, "400", 1, ""},
		{"data without an end", postHead + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello0\r\n\r\n" + evil, "400", 1, ""},
		{"trailers that say who and how long", postHead + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nContent-Length: 9\r\nHost: b\r\nAuthorization: c\r\n\r\n" + last, "200 200", 2, "hello"},
		{"a trailer that is none", postHead + "Transfer-Encoding: chunked\r\n\r\n0\r\nevil\r\n\r\n" + evil, "400", 1, ""},
		{"endless trailers", postHead + "Transfer-Encoding: chunked\r\n\r\n0\r\n" + strings.Repeat("X: y\r\n", 3000) + "\r\n" + evil, "400", 1, ""},

		// Header fields.
		{"a space before the first field", "GET /a HTTP/1.1\r\n Host: a\r\nHost: a\r\n\r\n" + evil, "400", 0, ""},
		{"a fold", getHead + "X: a\r\n Content-Length: 5\r\n\r\n" + evil, "200", 1, ""},
		{"NUL in a value", getHead + "X: a\x00b\r\n\r\n" + evil, "400", 0, ""},
		{"NUL in a name", getHead + "X\x00: b\r\n\r\n" + evil, "400", 0, ""},
		{"high bytes in a name", getHead + "X\xff: b\r\n\r\n" + last, "200 200", 2, ""},
		{"no colon", getHead + "evil\r\n\r\n" + evil, "200", 1, ""},
		{"no name", getHead + ": evil\r\n\r\n" + evil, "200", 1, ""},
		{"CR CR LF", getHead + "X: a\r\r\n\r\n" + evil, "400", 0, ""},
		{"Connection names the host", getHead + "Connection: host, x-forwarded-for, close\r\n\r\n", "200", 1, ""},
		{"Connection names the length", postHead + "Connection: content-length, close\r\nContent-Length: 5\r\n\r\nhello", "200", 1, "hello"},
		{"no Host", "GET /a HTTP/1.1\r\n\r\n" + evil, "400", 0, ""},
		{"two Hosts", getHead + "Host: b\r\n\r\n" + evil, "400", 0, ""},
		{"a Host with a path", "GET /a HTTP/1.1\r\nHost: a/b\r\n\r\n" + evil, "400", 0, ""},
		{"a Host with a user", "GET /a HTTP/1.1\r\nHost: b@a\r\n\r\n" + evil, "400", 0, ""},
		{"absolute with another Host", "GET http://b/a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "200", 1, ""},
		{"absolute with a user", "GET http://b@a/a HTTP/1.1\r\nHost: a\r\n\r\n" + evil, "400", 0, ""},
		{"absolute with nothing", "GET http:///a HTTP/1.1\r\nHost: a\r\n\r\n" + evil, "400", 0, ""},
		{"another scheme", "GET gopher://a/a HTTP/1.1\r\nHost: a\r\n\r\n" + evil, "400", 0, ""},

		// The request line.
		{"two spaces", "GET  /a HTTP/1.1\r\nHost: a\r\n\r\n" + evil, "400", 0, ""},
		{"a tab", "GET\t/a HTTP/1.1\r\nHost: a\r\n\r\n" + evil, "400", 0, ""},
		{"a space in the target", "GET /a b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "200", 1, ""},
		{"a tab in the target", "GET /a\tb HTTP/1.1\r\nHost: a\r\n\r\n" + evil, "200", 1, ""},
		{"CR in the target", "GET /a\rb HTTP/1.1\r\nHost: a\r\n\r\n" + evil, "400", 0, ""},
		{"HTTP/0.9", "GET /a\r\n\r\n", "400", 0, ""},
		{"HTTP/1.32", "GET /a HTTP/1.32\r\nHost: a\r\n\r\n" + evil, "400", 0, ""},
		{"HTTP/3.0", "GET /a HTTP/3.0\r\nHost: a\r\n\r\n" + evil, "505", 0, ""},
		{"two versions", "GET /a HTTP/1.1 HTTP/1.0 x\r\nHost: a\r\n\r\n" + evil, "400", 0, ""},
		{"a method of controls", "G\x01T /a HTTP/1.1\r\nHost: a\r\n\r\n" + evil, "400", 0, ""},
		{"a method in lower case", "get /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "200", 1, ""},
		{"TRACE", "TRACE /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "405", 0, ""},
		{"CONNECT", "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n" + evil, "400", 0, ""},
		{"a star", "OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "200", 1, ""},
		{"two slashes", "GET //evil.com/a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "200", 1, ""},
		{"a target of 64 KiB", "GET /" + strings.Repeat("a", 64<<10) + " HTTP/1.1\r\nHost: a\r\n\r\n", "414", 0, ""},
		{"a field of 17 KiB", getHead + "X: " + strings.Repeat("a", 17<<10) + "\r\n\r\n", "400", 0, ""},
		{"a head of 100 KiB", getHead + strings.Repeat("X: "+strings.Repeat("a", 10<<10)+"\r\n", 10) + "\r\n", "400", 0, ""},
		{"2,000 fields", getHead + strings.Repeat("X: y\r\n", 2000) + "\r\n", "400", 0, ""},

		// Upgrades.
		{"h2c upgrade", getHead + "Connection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n", "200", 1, ""},
		{"a WebSocket that the target refuses", getHead + "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: bad\r\nSec-WebSocket-Version: 13\r\n\r\n" + last, "200 200", 2, ""},
		{"a WebSocket without a key", getHead + "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n" + last, "200 200", 2, ""},
		{"31 addresses", getHead + "X-Forwarded-For: " + strings.Repeat("10.0.0.1,", 30) + "10.0.0.1\r\nConnection: close\r\n\r\n", "463", 0, ""},
	}
}

func TestAttacks(t *testing.T) {
	t.Parallel()
	for _, a := range attacks() {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			rec := newRecorder(t)
			r := newRig(t)
			r.target(r.group("app", nil), rec.addr)
			if got := codes(t, r.raw(a.raw)); got != a.codes {
				t.Errorf("the client gets %q, want %q", got, a.codes)
			}
			checkSeen(t, a, rec.bytes())
		})
	}
}

// codes reads the codes of responses, up to the end.
func codes(t *testing.T, raw string) string {
	t.Helper()
	in := bufio.NewReader(strings.NewReader(raw))
	var got []string
	for {
		if _, err := in.Peek(1); err != nil {
			return strings.Join(got, " ")
		}
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatalf("%q is no list of responses: %v", raw, err)
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			t.Fatalf("%q: %v", raw, err)
		}
		got = append(got, resp.Status[:3])
	}
}

// checkSeen reads what reached the target with the strictest eyes: as many requests as were let through, none of which
// has two meanings or is one that was hidden in another.
func checkSeen(t *testing.T, a attack, raw string) {
	t.Helper()
	seen := 0
	for rest := []byte(raw); len(rest) > 0; seen++ {
		var scan desync.Scan
		end := scan.End(rest)
		if end == 0 {
			t.Fatalf("the target got half a head: %.300q of %.300q", rest, raw)
		}
		var h desync.Head
		h.Parse(rest[:end])
		ok := h.Class <= desync.Acceptable && h.Reason != desync.NonCRLFLineTermination && h.Reason != desync.NonCompliantHeader ||
			h.Reason == desync.UndefinedContentLength || h.Reason == desync.UndefinedTransferEncoding
		if !ok || h.Refuse != 0 || h.Invalid != 0 || h.Minor != 1 {
			t.Errorf("the target got a request of class %v (%s): %q", h.Class, h.Reason, rest[:end])
		}
		if strings.Contains(string(h.Target), "/evil") && !strings.Contains(string(h.Target), "//evil") {
			t.Errorf("the target got the request that was hidden: %q", raw)
		}
		rest = rest[end:]
		var got string
		got, rest = takeBody(&h, rest)
		if seen == 0 && a.codes[0] == '2' && got != a.body {
			t.Errorf("the target got the body %q, want %q", got, a.body)
		}
	}
	if seen > a.seen {
		t.Errorf("%d requests reached the target, want %d: %.300q", seen, a.seen, raw)
	}
	if a.codes[0] == '2' && seen != a.seen {
		t.Errorf("%d requests reached the target, want %d: %.300q", seen, a.seen, raw)
	}
}

// takeBody reads a body off; of one that was cut off, what there is.
func takeBody(h *desync.Head, rest []byte) (string, []byte) {
	if !h.Chunked {
		n := min(int(h.Length), len(rest))
		return string(rest[:n]), rest[n:]
	}
	rest = bytes.Replace(rest, []byte("\r\n0\r\nX: y\r\n"), []byte("\r\n0\r\n"), 1) // the trailer that one of them has
	chunks, after, ended := bytes.Cut(rest, []byte("0\r\n\r\n"))
	if !ended {
		return string(rest), nil
	}
	var all strings.Builder
	for chunk := range strings.SplitSeq(string(chunks), "\r\n") {
		all.WriteString(chunk)
		all.WriteByte('|')
	}
	parts := strings.Split(all.String(), "|")
	all.Reset()
	for i := 1; i < len(parts); i += 2 {
		all.WriteString(parts[i])
	}
	return all.String(), after
}

// TestModes sends one request of each class in each mode.
func TestModes(t *testing.T) {
	t.Parallel()
	const (
		acceptable = getHead + "Content-Length: 0\r\nConnection: close\r\n\r\n"
		ambiguous  = postHead + "Content-Length: 5\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"
		severe     = getHead + "X: a\x00\r\nConnection: close\r\n\r\n"
	)
	for mode, want := range map[string][]string{
		"monitor":   {"200", "200", "200", "200"},
		"defensive": {"200", "200", "200", "400"},
		"strictest": {"200", "400", "400", "400"},
	} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			rec := newRecorder(t)
			r := newRig(t, attribute(model.AttributeDesync, mode))
			r.target(r.group("app", nil), rec.addr)
			for i, raw := range []string{last, acceptable, ambiguous, severe} {
				if got := codes(t, r.raw(raw)); got != want[i] {
					t.Errorf("%q: got %s, want %s", raw, got, want[i])
				}
			}
			e := r.entry(4)
			if e.Class != "Severe" || e.Reason != "BadHeader" {
				t.Errorf("the access log has %s %s", e.Class, e.Reason)
			}
			checkSeen(t, attack{codes: "4", seen: 4}, rec.bytes())
		})
	}
}

func TestPipeline(t *testing.T) {
	t.Parallel()
	rec := newRecorder(t)
	r := newRig(t)
	r.target(r.group("app", nil), rec.addr)
	got := codes(t, r.raw(strings.Repeat(getHead+"\r\n", 99)+last))
	if want := strings.TrimSuffix(strings.Repeat("200 ", 100), " "); got != want {
		t.Errorf("got %q", got)
	}
}
