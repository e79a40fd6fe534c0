package l7_test

import (
	"bytes"
	"io"
	"net"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// frames is a client of HTTP/2 that sends what it likes.
type frames struct {
	t    *testing.T
	conn net.Conn
	*http2.Framer
	buf bytes.Buffer
	enc *hpack.Encoder
}

func (r *rig) frames(t *testing.T) *frames {
	t.Helper()
	f := &frames{t: t, conn: r.dial()}
	f.Framer = http2.NewFramer(f.conn, f.conn)
	f.begin()
	if _, err := io.WriteString(f.conn, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	if err := f.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *frames) begin() { f.enc = hpack.NewEncoder(&f.buf) }

func (f *frames) block(fields ...string) []byte {
	f.buf.Reset()
	for i := 0; i < len(fields); i += 2 {
		if err := f.enc.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]}); err != nil {
			f.t.Fatal(err)
		}
	}
	return bytes.Clone(f.buf.Bytes())
}

// answer reads frames until the stream has an answer, is reset, or the connection ends.
func (f *frames) answer(stream uint32) string {
	dec := hpack.NewDecoder(4096, nil)
	for {
		fr, err := f.ReadFrame()
		if err != nil {
			return "closed"
		}
		switch fr := fr.(type) {
		case *http2.GoAwayFrame:
			return "goaway " + fr.ErrCode.String()
		case *http2.RSTStreamFrame:
			if fr.StreamID == stream {
				return "reset " + fr.ErrCode.String()
			}
		case *http2.HeadersFrame:
			fields, err := dec.DecodeFull(fr.HeaderBlockFragment())
			if err != nil {
				f.t.Fatal(err)
			}
			if fr.StreamID == stream && len(fields) > 0 {
				return fields[0].Value
			}
		}
	}
}

// ask sends a request without a body.
func (f *frames) ask(stream uint32, fields ...string) {
	f.t.Helper()
	if err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: f.block(fields...), EndStream: true, EndHeaders: true}); err != nil {
		f.t.Fatal(err)
	}
}

// text reads frames up to the end of a stream and gives what its body was, or how it failed.
func (f *frames) text(stream uint32) string {
	var text []byte
	for {
		fr, err := f.ReadFrame()
		if err != nil {
			return err.Error()
		}
		if fr.Header().StreamID != stream {
			continue
		}
		switch fr := fr.(type) {
		case *http2.RSTStreamFrame:
			return "reset " + fr.ErrCode.String()
		case *http2.DataFrame:
			text = append(text, fr.Data()...)
		}
		if fr.Header().Flags.Has(http2.FlagDataEndStream) {
			return string(text)
		}
	}
}

// TestHTTP2Requests sends requests that would mean something else to a target of HTTP/1.1.
func TestHTTP2Requests(t *testing.T) {
	t.Parallel()
	get := []string{":method", "GET", ":scheme", "http", ":authority", "a", ":path", "/a"}
	with := func(more ...string) []string { return append(append([]string{}, get...), more...) }
	for _, tt := range []struct {
		name   string
		fields []string
		body   string
		want   string // how the answer begins
		seen   bool
	}{
		{"a request", get, "", "200", true},
		{"a length and a body", []string{":method", "POST", ":scheme", "http", ":authority", "a", ":path", "/a", "content-length", "5"}, "hello", "200", true},
		{"H2.CL, too short", []string{":method", "POST", ":scheme", "http", ":authority", "a", ":path", "/a", "content-length", "0"}, "GET /evil HTTP/1.1\r\n\r\n", "", true}, // may be over before the body comes
		{"H2.CL, too long", []string{":method", "POST", ":scheme", "http", ":authority", "a", ":path", "/a", "content-length", "50"}, "hello", "", false},
		{"H2.TE", with("transfer-encoding", "chunked"), "0\r\n\r\nGET /evil HTTP/1.1\r\n\r\n", "", false},
		{"connection", with("connection", "close"), "", "", false},
		{"upgrade", with("upgrade", "h2c"), "", "", false},
		{"te", with("te", "gzip"), "", "", false},
		{"CRLF in a value", with("x", "a\r\nevil: b"), "", "", false},
		{"CRLF in a name", with("x: a\r\nevil", "b"), "", "", false},
		{"NUL in a value", with("x", "a\x00b"), "", "", false},
		{"a name in upper case", with("X", "a"), "", "", false},
		{"a colon in a name", with("x:y", "a"), "", "", false},
		{"no name", with("", "a"), "", "", false},
		{"an underscore in a name", with("transfer_encoding", "chunked"), "", "200", true},
		{"CRLF in the path", []string{":method", "GET", ":scheme", "http", ":authority", "a", ":path", "/a HTTP/1.1\r\nevil: b"}, "", "", false},
		{"a space in the path", []string{":method", "GET", ":scheme", "http", ":authority", "a", ":path", "/a HTTP/1.1"}, "", "", true},
		{"no slash", []string{":method", "GET", ":scheme", "http", ":authority", "a", ":path", "a"}, "", "", false},
		{"a space in the method", []string{":method", "GET /evil HTTP/1.1", ":scheme", "http", ":authority", "a", ":path", "/a"}, "", "", false},
		{"a user in the authority", []string{":method", "GET", ":scheme", "http", ":authority", "b@a", ":path", "/a"}, "", "", false},
		{"a path in the authority", []string{":method", "GET", ":scheme", "http", ":authority", "a/evil", ":path", "/a"}, "", "", false},
		{"another host", with("host", "b"), "", "", true},
		{"two paths", with(":path", "/evil"), "", "", false},
		{"a pseudo field at the end", []string{":method", "GET", ":scheme", "http", "x", "y", ":authority", "a", ":path", "/evil"}, "", "", false},
		{"an unknown pseudo field", with(":evil", "a"), "", "", false},
		{"no path", []string{":method", "GET", ":scheme", "http", ":authority", "a"}, "", "", false},
		{"TRACE", []string{":method", "TRACE", ":scheme", "http", ":authority", "a", ":path", "/a"}, "", "405", false},
		{"CONNECT", []string{":method", "CONNECT", ":authority", "a:443"}, "", "", false},
		{"a path of 20 KiB", []string{":method", "GET", ":scheme", "http", ":authority", "a", ":path", "/" + strings.Repeat("a", 20<<10)}, "", "414", false},
		{"a field of 17 KiB", with("x", strings.Repeat("a", 17<<10)), "", "400", false},
		{"fields of 17 KiB with one name", with(slices.Repeat([]string{"x", strings.Repeat("a", 10<<10)}, 2)...), "", "200", true},
		{"a head of 100 KiB", with(slices.Repeat([]string{"x", strings.Repeat("a", 10<<10)}, 10)...), "", "400", false},
		{"2,000 fields", with(slices.Repeat([]string{"x", "y"}, 2000)...), "", "400", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rec := newRecorder(t)
			r := newRig(t)
			r.target(r.group("app", nil), rec.addr)
			f := r.frames(t)
			f.write(tt.fields, tt.body)
			got := f.answer(1)
			if !strings.HasPrefix(got, tt.want) || tt.want == "" && !tt.seen && got == "200" {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			checkSeen(t, attack{codes: "4", seen: 1}, upToHalf(rec.bytes(), tt.seen))
			if tt.want == "200" && !strings.Contains(rec.bytes(), " /a HTTP/1.1\r\n") {
				t.Errorf("the target got %q", rec.bytes())
			}
		})
	}
}

// upToHalf leaves away what is not whole: of a request that was cut off, half may have reached the target.
func upToHalf(raw string, whole bool) string {
	if whole || strings.Contains(raw, "\r\n\r\n") {
		return raw
	}
	return ""
}

// write sends a request; a header block that is too large for one frame goes out in several.
func (f *frames) write(fields []string, body string) {
	f.t.Helper()
	block := f.block(fields...)
	first := block[:min(len(block), 16000)]
	err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: first, EndStream: body == "", EndHeaders: len(first) == len(block)})
	for rest := block[len(first):]; err == nil && len(rest) > 0; {
		n := min(len(rest), 16000)
		err = f.WriteContinuation(1, n == len(rest), rest[:n])
		rest = rest[n:]
	}
	if err == nil && body != "" {
		err = f.WriteData(1, true, []byte(body))
	}
	if err != nil {
		f.t.Logf("while it is sent: %v", err)
	}
}

// TestHTTP2Floods sends what costs the client little: the connection is closed, or it costs us little too.
// It is not parallel, so that the heap that it looks at is its own.
func TestHTTP2Floods(t *testing.T) { //nolint:paralleltest // it looks at the heap
	for name, flood := range map[string]func(f *frames) error{
		"rapid reset": func(f *frames) error {
			block := f.block(":method", "GET", ":scheme", "http", ":authority", "a", ":path", "/a")
			for id := uint32(1); id < 20000; id += 2 {
				if err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block, EndStream: true, EndHeaders: true}); err != nil {
					return err
				}
				if err := f.WriteRSTStream(id, http2.ErrCodeCancel); err != nil {
					return err
				}
			}
			return nil
		},
		"continuation": func(f *frames) error {
			block := f.block(":method", "GET", ":scheme", "http", ":authority", "a", ":path", "/a")
			if err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block}); err != nil {
				return err
			}
			for range 20000 {
				if err := f.WriteContinuation(1, false, f.block("x", strings.Repeat("y", 500))); err != nil {
					return err
				}
			}
			return nil
		},
		"settings": func(f *frames) error {
			for range 50000 {
				if err := f.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1000}); err != nil {
					return err
				}
			}
			return nil
		},
		"ping": func(f *frames) error {
			for range 50000 {
				if err := f.WritePing(false, [8]byte{}); err != nil {
					return err
				}
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			rec := newRecorder(t)
			r := newRig(t)
			r.target(r.group("app", nil), rec.addr)
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			f := r.frames(t)
			err := flood(f)
			_ = f.conn.SetDeadline(time.Now())
			runtime.GC()
			runtime.ReadMemStats(&after)
			if grown := int64(after.HeapInuse) - int64(before.HeapInuse); grown > 64<<20 {
				t.Errorf("the heap has grown by %d bytes", grown)
			}
			t.Logf("%v", err)
			if resp, err := speaking(t, "", true, false).Get("http://" + r.addr + "/after"); err != nil {
				t.Errorf("others are not served any more: %v", err)
			} else {
				body(t, resp)
			}
		})
	}
}
