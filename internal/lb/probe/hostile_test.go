package probe_test

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	core "github.com/maitred/maitred/internal/core/health"
	"github.com/maitred/maitred/internal/lb/probe"
	"github.com/maitred/maitred/internal/model"
)

// script is what a target sends: hello at once, first when it has been asked, again without end, with a pause before each.
type script struct {
	hello        string
	first, again string
	pause        time.Duration
	deaf         bool // it never reads
	hangUp       bool // it closes the connection at the end
	tls          bool
}

// frame is one of HTTP/2.
func frame(kind, flags byte, stream uint32, payload string) string {
	b := []byte{byte(len(payload) >> 16), byte(len(payload) >> 8), byte(len(payload)), kind, flags}
	return string(binary.BigEndian.AppendUint32(b, stream)) + payload
}

const (
	http1, http2, grpcVersion = "HTTP1", "HTTP2", "GRPC"
	ok200                     = "HTTP/1.1 200 OK\r\n"
)

// TestHostile: whatever a target sends, a check ends within its timeout, reads a bounded number of bytes and leaves
// nothing behind (the virtual world would notice).
func TestHostile(t *testing.T) {
	t.Parallel()
	var (
		settings  = frame(4, 0, 0, "")
		headers   = frame(1, 4, 1, "\x88") // :status 200
		endStream = frame(1, 5, 1, "\x88")
		failed    = core.Outcome{Kind: core.Failed}
		timedOut  = core.Outcome{Kind: core.TimedOut}
	)
	for _, tt := range []struct {
		name    string
		version string
		script  script
		want    core.Outcome
	}{
		{"never answers", http1, script{}, timedOut},
		{"never reads", http1, script{deaf: true}, timedOut},
		{"hangs up", http1, script{hangUp: true}, failed},
		{"garbage", http1, script{first: "SSH-2.0-OpenSSH_9.9\r\n"}, failed},
		{"endless garbage", http1, script{again: "\x00\xff"}, failed},
		{"half a status line", http1, script{first: "HTTP/1.1 2", hangUp: true}, failed},
		{"a status that is none", http1, script{first: "HTTP/1.1 2x0 OK\r\n\r\n"}, failed},
		{"a status that is none of HTTP's", http1, script{first: "HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n"}, answered(999)},
		{"headers without end", http1, script{first: ok200, again: "A: " + strings.Repeat("a", 1000) + "\r\n"}, failed},
		{"a header without end", http1, script{first: ok200 + "A: ", again: strings.Repeat("a", 1000)}, failed},
		{"headers byte by byte", http1, script{first: ok200 + "A: ", again: "a", pause: 100 * time.Millisecond}, timedOut},
		{"interim answers without end", http1, script{again: "HTTP/1.1 103 Early Hints\r\n\r\n"}, failed},
		{"an interim answer", http1, script{first: "HTTP/1.1 100 Continue\r\n\r\n" + ok200 + "Content-Length: 0\r\n\r\n"}, answered(200)},
		{"another protocol", http1, script{first: "HTTP/1.1 101 Switching Protocols\r\n\r\n"}, answered(101)},
		{"a body without end", http1, script{first: ok200 + "\r\n", again: strings.Repeat("a", 1000)}, answered(200)},
		{"chunks without end", http1, script{first: ok200 + "Transfer-Encoding: chunked\r\n\r\n", again: "1\r\na\r\n"}, answered(200)},
		{"trailers without end", http1, script{first: ok200 + "Transfer-Encoding: chunked\r\n\r\n0\r\n", again: "A: a\r\n"}, answered(200)},
		{"a body that does not come", http1, script{first: ok200 + "Content-Length: 5\r\n\r\n"}, answered(200)},
		{"a body byte by byte", http1, script{first: ok200 + "\r\n", again: "a", pause: 100 * time.Millisecond}, answered(200)},
		{"TLS, never answers", http1, script{tls: true, again: "\x16\x03\x03\x40\x00", pause: time.Hour}, timedOut},
		{"TLS, endless", http1, script{tls: true, again: "\x16\x03\x03\x40\x00" + strings.Repeat("\x02\xff\xff\xff", 0x1000)}, failed},

		{"h2: never answers", http2, script{}, timedOut},
		{"h2: never reads", http2, script{deaf: true}, timedOut},
		{"h2: only settings", http2, script{hello: settings}, timedOut},
		{"h2: hangs up", http2, script{hangUp: true}, failed},
		{"h2: garbage", http2, script{again: ok200}, failed},
		{"h2: pings without end", http2, script{hello: settings, again: frame(6, 0, 0, "12345678")}, failed},
		{"h2: settings without end", http2, script{again: settings}, failed},
		{"h2: headers without end", http2, script{
			hello: settings, first: frame(1, 0, 1, "\x88"), again: frame(9, 0, 1, "\x00\x01a\x7f\x81\x07"+strings.Repeat("a", 262)),
		}, failed},
		{"h2: the same header without end", http2, script{ // one byte each, of 4 KiB
			hello: settings, first: frame(1, 0, 1, "\x88\x40\x01a\x7f\x81\x1e"+strings.Repeat("a", 3968)),
			again: frame(9, 0, 1, strings.Repeat("\xbe", 1000)),
		}, failed},
		{"h2: a body without end", http2, script{hello: settings, first: headers, again: frame(0, 0, 1, strings.Repeat("a", 1000))}, answered(200)},
		{"h2: a body that does not come", http2, script{hello: settings, first: headers}, answered(200)},
		{"h2: an interim answer", http2, script{hello: settings, first: frame(1, 4, 1, "\x08\x03100") + endStream}, answered(200)},
		{"h2: an answer to nothing", http2, script{first: settings + frame(0, 0, 3, "a"), hangUp: true}, failed},
		{"h2: reset", http2, script{hello: settings, first: frame(3, 0, 1, "\x00\x00\x00\x02")}, failed},
		{"h2: goes away", http2, script{hello: settings, first: frame(7, 0, 0, "\x00\x00\x00\x00\x00\x00\x00\x00")}, failed},

		{"gRPC: no status", grpcVersion, script{hello: settings, first: endStream}, failed},
		{"gRPC: a status that is none", grpcVersion, script{hello: settings, first: frame(1, 5, 1, "\x88\x00\x0bgrpc-status\x03abc")}, failed},
		{"gRPC: a status at once", grpcVersion, script{hello: settings, first: frame(1, 5, 1, "\x88\x00\x0bgrpc-status\x0212")}, answered(12)},
		{"gRPC: a body without end", grpcVersion, script{hello: settings, first: headers, again: frame(0, 0, 1, strings.Repeat("a", 1000))}, failed},
		{"gRPC: trailers that do not come", grpcVersion, script{hello: settings, first: headers}, timedOut},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				got, sent, took := attack(t, tt.version, tt.script)
				if got != tt.want {
					t.Errorf("got %+v, want %+v", got, tt.want)
				}
				if took > 5*time.Second {
					t.Errorf("it took %s, the timeout is 5s", took)
				}
				if got.Kind == core.Answered && took > time.Second {
					t.Errorf("it took %s, though the answer was there", took)
				}
				if sent > 300<<10 {
					t.Errorf("%d bytes were taken from the target", sent)
				}
			})
		})
	}
}

// attack checks a target that follows a script; it gives what the target could get rid of, too.
func attack(t *testing.T, version string, s script) (o core.Outcome, sent int64, took time.Duration) {
	t.Helper()
	var taken atomic.Int64
	var targets sync.WaitGroup
	over := make(chan struct{})
	p := probe.Prober{Dial: func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		targets.Go(func() { s.play(theirs, &taken, over) })
		return ours, nil
	}}
	g := &model.TargetGroup{Protocol: "HTTP", ProtocolVersion: version, Check: model.TargetCheck{Protocol: "HTTP", Timeout: 5 * time.Second}}
	if s.tls {
		g.Check.Protocol = "HTTPS"
	}
	begin := time.Now()
	o = p.Check(t.Context(), probe.Target{Path: "a", Address: "10.0.0.1", Port: 80, Group: g})
	took = time.Since(begin)
	close(over)
	targets.Wait()
	return o, taken.Load(), took
}

// play follows the script until the check is over or the connection is closed.
func (s script) play(conn net.Conn, sent *atomic.Int64, over <-chan struct{}) {
	defer conn.Close()
	if !s.deaf {
		go func() { _, _ = io.Copy(io.Discard, conn) }()
	}
	write := func(text string) error {
		n, err := io.WriteString(conn, text)
		sent.Add(int64(n))
		return err
	}
	if s.hello != "" {
		if err := write(s.hello); err != nil {
			return
		}
		synctest.Wait() // until it has been asked: an answer to nothing is another attack
	}
	if err := write(s.first); err != nil || s.hangUp {
		return
	}
	for s.again != "" {
		if s.pause > 0 {
			select {
			case <-time.After(s.pause):
			case <-over:
				return
			}
		}
		if err := write(s.again); err != nil {
			return
		}
	}
	<-over
}

// FuzzAnswer: no answer makes a check panic, hang, or succeed by anything but a code.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		ok200 + "Content-Length: 2\r\n\r\nok", "HTTP/1.1 103 Early Hints\r\n\r\n" + ok200 + "\r\n", "HTTP/1.0 503\r\n\r\n", "\x16\x03\x01",
		frame(4, 0, 0, "") + frame(1, 5, 1, "\x88"), frame(4, 0, 0, "") + frame(1, 5, 1, "\x88\x00\x0bgrpc-status\x0212"),
		frame(4, 0, 0, "") + frame(1, 4, 1, "\x88") + frame(0, 1, 1, "body"),
	} {
		for version := range 3 {
			f.Add(version, seed)
		}
	}
	f.Fuzz(func(t *testing.T, version int, text string) {
		v := []string{http1, http2, grpcVersion}[uint(version)%3]
		o, _, _ := attack(t, v, script{first: text, hangUp: true})
		if o.Kind != core.Answered && o.Kind != core.Failed || o.Kind == core.Failed && o.Code != 0 {
			t.Errorf("got %+v for %q by %s", o, text, v)
		}
	})
}
