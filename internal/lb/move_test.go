package lb_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/maitred/maitred/internal/model"
)

// TestTargetMoves has a target that is the same be reached at another address: the machine that it is got one.
func TestTargetMoves(t *testing.T) {
	t.Parallel()
	w, f, b := newWorld(t), newFront(t), newBackend(t, "here")
	f.put(w)
	target := b.target(t, "")
	target.ID = "i-0123456789abcdef0"
	w.put(target)
	w.run()
	w.untilState(target, model.TargetHealthy)
	untilAnswer(t, f.url(), http.StatusOK, "here")

	var config net.ListenConfig
	l, err := config.Listen(context.Background(), "tcp", (&net.TCPAddr{IP: net.IPv4(127, 0, 0, 2), Port: target.Port}).String())
	if err != nil {
		t.Skip("this machine has no second loopback address:", err)
	}
	there := &httptest.Server{Listener: l, Config: &http.Server{Handler: http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		_, _ = rw.Write([]byte("there"))
	})}}
	there.Start()
	t.Cleanup(there.Close)
	moved := *target
	moved.Address = "127.0.0.2"
	w.put(&moved)
	untilAnswer(t, f.url(), http.StatusOK, "there")
	b.Close()
	w.untilState(&moved, model.TargetHealthy)
	if a := ask(t.Context(), f.url()); a.body != "there" {
		t.Errorf("got %+v", a)
	}
}
