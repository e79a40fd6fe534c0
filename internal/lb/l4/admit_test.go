package l4_test

import (
	"errors"
	"net"
	"syscall"
	"testing"

	"github.com/maitred/maitred/internal/lb/l4"
)

// butTwo lets everybody in but 127.0.0.2.
func butTwo(cfg *l4.Config) {
	cfg.Admit = func(client, _ net.Addr) bool {
		host, _, err := net.SplitHostPort(client.String())
		return err == nil && host != "127.0.0.2"
	}
}

// TestAdmit resets connections of those who may not connect, and drops their datagrams.
func TestAdmit(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "TCP")
	w.target(echo(t, "one"))
	w.serve(butTwo)
	c := dial(t, w.address)
	line(t, c)
	// The reset may come before connect has returned.
	refused, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}).DialContext(t.Context(), "tcp", w.address)
	switch {
	case err == nil:
		wantReset(t, "who may not connect", refused)
	case !errors.Is(err, syscall.ECONNRESET):
		t.Fatal(err)
	}
	wantEnds(t, w.samples.ends(t, 1), map[l4.End]int{l4.EndBlocked: 1})
	say(t, c, "what is open stays open")
}

func TestAdmitFlows(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "UDP")
	w.target(echoUDP(t, "one"))
	address := w.serveUDP(butTwo)
	stranger, err := (&net.Dialer{LocalAddr: &net.UDPAddr{IP: net.IPv4(127, 0, 0, 2)}}).DialContext(t.Context(), "udp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stranger.Close() }()
	if _, err := stranger.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	wantEnds(t, w.samples.ends(t, 1), map[l4.End]int{l4.EndBlocked: 1})
	if got := ask(t, dialUDP(t, address), "x"); got != "one x" {
		t.Errorf("got %q", got)
	}
}
