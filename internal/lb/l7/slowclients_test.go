package l7_test

import (
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/maitred/maitred/internal/model"
)

// TestSlowClients opens many connections that never finish a head, 10,000 where so many files may be open: each holds little,
// and others are served.
func TestSlowClients(t *testing.T) { //nolint:paralleltest // it measures the heap
	many := connections(t, 10_000)
	r := newRig(t, attribute(model.AttributeIdleTimeout, "4000"))
	r.target(r.group("app", nil), newRecorder(t).addr)
	conns := make([]net.Conn, many)
	before := held()
	for i := range conns {
		conns[i] = r.dial()
		if _, err := io.WriteString(conns[i], getHead+"X: "+strings.Repeat("y", 3000)); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "all are connected", func() bool { return r.server.Connections().Active == int64(many) })
	if resp, text := r.get("/"); resp.StatusCode != http.StatusOK || text != "ok" {
		t.Errorf("got %d %q", resp.StatusCode, text)
	}
	each := (held() - before) / int64(many)
	t.Logf("each of %d holds %d bytes, both ends of it and the goroutine that serves it included", many, each)
	if each > 32<<10 {
		t.Errorf("each of them holds %d bytes", each)
	}
	for _, c := range conns {
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // so many would have to be remembered for a while
		}
		_ = c.Close()
	}
}

// connections is how many connections, of which this process has both ends, may be open: most, if that is possible.
func connections(t *testing.T, most int) int {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil { // the runtime has raised it as far as it can be
		t.Fatal(err)
	}
	const others = 200
	n := int(min(limit.Cur, 1<<20)) - others
	if n < 2 {
		t.Skip("too few files may be open")
	}
	return min(n/2, most)
}

// held is how much memory is in use.
func held() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}
