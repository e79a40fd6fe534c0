package l7_test

import (
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
)

// TestSlowClients opens many connections that never finish a head: each holds little, and others are served.
func TestSlowClients(t *testing.T) { //nolint:paralleltest // it measures the heap
	const many = 1000
	rec := newRecorder(t)
	r := newRig(t)
	r.target(r.group("app", nil), rec.addr)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	conns := make([]net.Conn, many)
	for i := range conns {
		conns[i] = r.dial()
		if _, err := io.WriteString(conns[i], getHead+"X: "+strings.Repeat("y", 3000)); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "all are connected", func() bool { return r.server.Connections().Active == many })
	if resp, text := r.get("/"); resp.StatusCode != http.StatusOK || text != "ok" {
		t.Errorf("got %d %q", resp.StatusCode, text)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	each := (int64(after.HeapInuse+after.StackInuse) - int64(before.HeapInuse+before.StackInuse)) / many
	if each > 64<<10 {
		t.Errorf("each holds %d bytes", each)
	}
	t.Logf("each holds %d bytes, both ends of it and its goroutine included", each)
	for _, c := range conns {
		_ = c.Close()
	}
}
