package l7_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"
)

// TestConnectionOfGoneTarget has a target leave while it is asked: its connection is not kept for a target that nobody will
// ask any more.
func TestConnectionOfGoneTarget(t *testing.T) {
	t.Parallel()
	asked, answer, closed := make(chan struct{}), make(chan struct{}), make(chan struct{})
	r := newRig(t)
	g := r.group("app", nil)
	r.target(g, listen(t, func(c net.Conn) {
		in := bufio.NewReader(c)
		if _, err := http.ReadRequest(in); err != nil {
			return
		}
		close(asked)
		<-answer
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		_, _ = in.ReadByte()
		close(closed)
	}))
	told := make(chan string)
	go func() { told <- r.raw("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n") }()
	<-asked
	r.mu.Lock()
	r.targets[g.ARN] = nil
	r.mu.Unlock()
	r.compile()
	r.target(g, newRecorder(t).addr)
	if resp, text := r.get("/"); text != "ok" {
		t.Fatalf("the other target: got %d %q", resp.StatusCode, text)
	}
	close(answer)
	if got := codes(t, <-told); got != "200" {
		t.Errorf("got %q", got)
	}
	eventually(t, "the connection of the target is closed", func() bool {
		select {
		case <-closed:
			return true
		default:
			return false
		}
	})
}
