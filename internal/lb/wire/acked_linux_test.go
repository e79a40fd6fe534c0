package wire

import (
	"io"
	"net"
	"testing"
)

// TestAcked counts what the peer has acknowledged.
func TestAcked(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	peer, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = peer.Close() }()
	before := Acked(c)
	if _, err := c.Write(make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	// What is answered to is acknowledged.
	if _, err := io.ReadFull(peer, make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	if _, err := peer.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if got := Acked(c) - before; got != 1000 {
		t.Errorf("%d of 1000 bytes are acknowledged", got)
	}
	_ = c.Close()
	if got := Acked(c); got != 0 {
		t.Errorf("of a closed connection %d", got)
	}
	if a, b := net.Pipe(); Acked(a)+Acked(b) != 0 {
		t.Error("a pipe acknowledges")
	}
}
