package l7_test

import (
	"errors"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/maitred/maitred/internal/lb/l7"
)

// TestAdmit resets connections of those who may not connect; what is open stays open.
func TestAdmit(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(_ *rig, c *l7.Config) {
		c.Admit = func(client, _ net.Addr) bool { return !strings.HasPrefix(client.String(), "127.0.0.2:") }
	})
	from := func(address string) error {
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
		transport := &http.Transport{DialContext: dialer.DialContext}
		defer transport.CloseIdleConnections()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+r.addr+"/", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := transport.RoundTrip(req)
		if err == nil {
			_ = answer.Body.Close()
		}
		return err
	}
	if err := from("127.0.0.1"); err != nil {
		t.Errorf("who may connect: %v", err)
	}
	if err := from("127.0.0.2"); err == nil || !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
		t.Errorf("who may not connect: %v, want a reset", err)
	}
	if n := r.server.Connections().Opened; n != 1 {
		t.Errorf("%d connections were opened, want 1", n)
	}
}
