package l7_test

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/maitred/maitred/internal/model"
)

// TestSlowReader has a client take a long body slowly, after it has taken what buffers hold at once: as long as it takes
// something within the idle timeout, it gets all of it. The kernel moves the body, and real clients read it, so it takes
// real time.
func TestSlowReader(t *testing.T) {
	t.Parallel()
	body := bytes.Repeat([]byte("0123456789abcdef"), 1<<20) // 16 MiB
	target := handler(t, func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/long" {
			w.Header().Set("Content-Length", strconv.Itoa(len(body)))
			_, _ = w.Write(body)
		}
	})
	r := newRig(t, attribute(model.AttributeIdleTimeout, "3"))
	r.target(r.group("app", nil), target)
	c := r.dial()
	in := bufio.NewReaderSize(c, 4<<10)
	for _, path := range []string{"/", "/long"} { // the second one goes the express way
		_, _ = io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: a\r\n\r\n")
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		got := 0
		slow := time.NewTicker(200 * time.Millisecond)
		for range 30 {
			n, err := io.CopyN(io.Discard, resp.Body, 16<<10)
			if got += int(n); err != nil {
				break
			}
			<-slow.C
		}
		slow.Stop()
		rest, err := io.Copy(io.Discard, resp.Body)
		if got += int(rest); err != nil || path == "/long" && got != len(body) {
			t.Fatalf("%s: %d of %d bytes, %v: %+v", path, got, len(body), err, r.entry(2).Error)
		}
	}
}

// TestEarlyAnswer has a target answer before it has the body, and take no more of it: the client gets the answer.
func TestEarlyAnswer(t *testing.T) {
	t.Parallel()
	target := listenRaw(t, func(c net.Conn) {
		in := bufio.NewReader(c)
		if _, err := http.ReadRequest(in); err != nil {
			return
		}
		_, _ = io.WriteString(c, "HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 5\r\n\r\nlarge")
	})
	r := newRig(t)
	r.target(r.group("app", nil), target)
	for i := range 100 {
		resp, err := client(t).Post("http://"+r.addr+"/", "text/plain", strings.NewReader(strings.Repeat("x", 1<<18)))
		if err != nil {
			t.Fatal(err)
		}
		if text := body(t, resp); resp.StatusCode != http.StatusRequestEntityTooLarge || text != "large" {
			t.Fatalf("got %d %q: %s", resp.StatusCode, text, r.entry(i+1).Error)
		}
	}
}

// listenRaw serves each connection by a function, and closes it then with what was not read.
func listenRaw(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() { // ends with the listener
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serve(c)
			_ = c.Close()
		}
	}()
	return l.Addr().String()
}
