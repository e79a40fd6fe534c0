package wire_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/maitred/maitred/internal/lb/wire"
)

// pair gives both ends of a connection of TCP.
func pair(t *testing.T) (a, b *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	d, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(); _ = d.Close() })
	return c.(*net.TCPConn), d.(*net.TCPConn)
}

// TestCopy sends more than sockets hold, both ways at a time: reads and writes have to wait for each other.
func TestCopy(t *testing.T) {
	t.Parallel()
	a, b := pair(t)
	echoed(t, a, b)
}

// TestBulk is TestCopy where little may be under way.
func TestBulk(t *testing.T) {
	t.Parallel()
	a, b := pair(t)
	wire.Bulk(a)
	wire.Bulk(b)
	echoed(t, a, b)
}

func echoed(t *testing.T, a, b *net.TCPConn) {
	t.Helper()
	left, right := wire.Of(a), wire.Of(b)
	sent := make([]byte, 8<<20)
	for i := range sent {
		sent[i] = byte(i * i >> 7)
	}
	go func() { // the echo; ends with the connection
		_, _ = io.Copy(writer{right}, reader{right})
		_ = b.CloseWrite()
	}()
	wrote := make(chan error, 1)
	go func() {
		n, err := left.Write(sent)
		if err == nil && n != len(sent) {
			err = io.ErrShortWrite
		}
		wrote <- errors.Join(err, a.CloseWrite())
	}()
	got, err := io.ReadAll(reader{left})
	if err := errors.Join(err, <-wrote); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, sent) {
		t.Errorf("%d bytes came back that are not the %d that were sent", len(got), len(sent))
	}
}

// reader and writer have nothing that io.Copy could use in place of Read and Write.
type (
	reader struct{ io.Reader }
	writer struct{ io.Writer }
)

func TestEnds(t *testing.T) {
	t.Parallel()
	past := time.Unix(1, 0)
	for _, tt := range []struct {
		name  string
		do    func(a, b *net.TCPConn) error // b is the peer's
		read  error
		write error // nil: it succeeds
	}{
		{"the peer has said all", func(_, b *net.TCPConn) error { return b.CloseWrite() }, io.EOF, nil},
		{"the peer has reset it", func(a, b *net.TCPConn) error {
			_ = b.SetLinger(0)
			_ = b.Close()
			_, err := a.Read(make([]byte, 1)) // it has come when this is over
			if errors.Is(err, syscall.ECONNRESET) {
				err = nil
			}
			return err
		}, io.EOF, syscall.EPIPE},
		{"the deadline has passed", func(a, _ *net.TCPConn) error { return a.SetDeadline(past) }, os.ErrDeadlineExceeded, os.ErrDeadlineExceeded},
		{"it is closed", func(a, _ *net.TCPConn) error { return a.Close() }, net.ErrClosed, net.ErrClosed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a, b := pair(t)
			s := wire.Of(a)
			if err := tt.do(a, b); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Write([]byte("x")); !errors.Is(err, tt.write) {
				t.Errorf("Write gives %v, want %v", err, tt.write)
			}
			if n, err := s.Read(make([]byte, 1)); n != 0 || !errors.Is(err, tt.read) {
				t.Errorf("Read gives %d, %v, want %v", n, err, tt.read)
			}
		})
	}
}

// TestCutOff ends a read and a write that wait, by a deadline that is set meanwhile.
func TestCutOff(t *testing.T) {
	t.Parallel()
	a, _ := pair(t)
	s := wire.Of(a)
	ends := make(chan error, 2)
	go func() {
		_, err := s.Read(make([]byte, 1))
		ends <- err
	}()
	go func() {
		_, err := s.Write(make([]byte, 64<<20)) // nobody reads it
		ends <- err
	}()
	if err := a.SetDeadline(time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := <-ends; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("it ends with %v", err)
		}
	}
}

func TestSilent(t *testing.T) {
	t.Parallel()
	a, b := pair(t)
	s := wire.Of(a)
	if !s.Silent() {
		t.Error("a new connection is not silent")
	}
	if _, err := b.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := a.SyscallConn(); err != nil {
		t.Fatal(err)
	}
	await(t, a)
	if s.Silent() || !s.Unread() {
		t.Error("one on which something has come is silent")
	}
	buf := make([]byte, 2)
	if n, err := s.Read(buf); n != 1 || err != nil || buf[0] != 'x' {
		t.Errorf("Read gives %d, %v: what Silent saw is gone", n, err)
	}
	if !s.Silent() || s.Unread() {
		t.Error("it is not silent when all was read")
	}
	_ = b.Close()
	await(t, a)
	if s.Silent() || s.Unread() {
		t.Error("one that has ended is silent, or has an end that is bytes")
	}
	_ = a.Close()
	if s.Silent() {
		t.Error("a closed one is silent")
	}
	front, _ := net.Pipe()
	if !wire.Of(front).Silent() {
		t.Error("where nothing can be known it is not silent")
	}
}

func TestAsk(t *testing.T) {
	t.Parallel()
	long := bytes.Repeat([]byte("question"), 1<<20) // more than sockets hold
	for _, tt := range []struct {
		name     string
		question []byte
		peer     func(b *net.TCPConn, question int) // before a question is asked, or while
		before   bool
		want     string
		err      error
	}{
		{"a short question", []byte("q"), answer, false, "a", nil},
		{"a long question", long, answer, false, "a", nil},
		{"something came before", []byte("q"), func(b *net.TCPConn, _ int) { _, _ = b.Write([]byte("x")) }, true, "", wire.ErrUnasked},
		{"the end came before", []byte("q"), func(b *net.TCPConn, _ int) { _ = b.CloseWrite() }, true, "", wire.ErrUnasked},
		{"the end is the answer", []byte("q"), func(b *net.TCPConn, n int) {
			_, _ = io.CopyN(io.Discard, b, int64(n))
			_ = b.CloseWrite()
		}, false, "", io.EOF},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a, b := pair(t)
			s := wire.Of(a)
			if tt.before {
				tt.peer(b, 0)
				await(t, a)
			} else {
				go tt.peer(b, len(tt.question)) // ends with the connection
			}
			buf := make([]byte, 8)
			n, err := s.Ask(tt.question, buf)
			if !errors.Is(err, tt.err) || string(buf[:n]) != tt.want {
				t.Errorf("got %q, %v, want %q, %v", buf[:n], err, tt.want, tt.err)
			}
			if errors.Is(tt.err, wire.ErrUnasked) {
				_ = a.CloseWrite()
				if got, _ := io.ReadAll(b); len(got) > 0 {
					t.Errorf("%q was sent all the same", got)
				}
			}
		})
	}
}

func answer(b *net.TCPConn, question int) {
	_, _ = io.CopyN(io.Discard, b, int64(question))
	_, _ = b.Write([]byte("a"))
}

func TestAskCutOff(t *testing.T) {
	t.Parallel()
	a, _ := pair(t)
	s := wire.Of(a)
	end := make(chan error, 1)
	go func() {
		_, err := s.Ask([]byte("q"), make([]byte, 1))
		end <- err
	}()
	if err := a.SetDeadline(time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	if err := <-end; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("it ends with %v", err)
	}
}

// TestPlain asks on a connection that is no socket.
func TestPlain(t *testing.T) {
	t.Parallel()
	front, back := net.Pipe()
	defer front.Close()
	go func() {
		defer back.Close()
		_, _ = io.CopyN(back, back, 1)
	}()
	buf := make([]byte, 2)
	if n, err := wire.Of(front).Ask([]byte("q"), buf); n != 1 || err != nil {
		t.Errorf("got %q, %v", buf[:n], err)
	}
}

// await waits until there is something to read, if it is the end, and leaves it there.
func await(t *testing.T, c *net.TCPConn) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	err = raw.Read(func(fd uintptr) bool {
		var one [1]byte
		_, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		return !errors.Is(err, syscall.EAGAIN)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func BenchmarkEcho(b *testing.B) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	d, err := l.Accept()
	if err != nil {
		b.Fatal(err)
	}
	go func() {
		defer d.Close()
		_, _ = io.Copy(writer{wire.Of(d)}, reader{wire.Of(d)})
	}()
	s := wire.Of(c)
	b.ReportAllocs()
	for b.Loop() {
		_, err := s.Write(make([]byte, 64))
		if err == nil {
			_, err = s.Read(make([]byte, 64))
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}
