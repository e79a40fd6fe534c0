package wire

import (
	"io"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Of gives the stream of a connection.
func Of(c net.Conn) Stream { return Again(nil, c) }

// Again is Of with the memory of a stream that nobody uses any more; nil is none.
func Again(old Stream, c net.Conn) Stream {
	t, ok := c.(*net.TCPConn)
	if !ok {
		return plain{c}
	}
	raw, err := t.SyscallConn()
	if err != nil {
		return plain{c} // it is closed, and says so when it is used
	}
	s, ok := old.(*socket)
	if !ok {
		s = &socket{}
		s.in.try, s.out.try, s.peek, s.ask = s.receive, s.send, s.look, s.converse
	}
	s.raw = raw
	return s
}

// socket is a TCP connection.
type socket struct {
	raw    syscall.RawConn
	in     transfer
	out    transfer
	peek   func(fd uintptr) bool // s.look, bound once as those of transfers are
	one    [1]byte
	silent bool // what peek found
	unread bool
	ask    func(fd uintptr) bool // s.converse
	asked  bool                  // it has been called
}

// transfer is a read or a write that is under way.
type transfer struct {
	p     []byte
	n     int
	errno syscall.Errno
	try   func(fd uintptr) bool // bound once, so that nothing is allocated for each call
}

// Read implements io.Reader.
func (s *socket) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	return s.read(p, s.in.try)
}

func (s *socket) read(p []byte, try func(fd uintptr) bool) (int, error) {
	s.in.p, s.in.n, s.in.errno = p, 0, 0
	err := s.raw.Read(try)
	s.in.p = nil
	switch {
	case err != nil:
		return 0, err //nolint:wrapcheck // it is package net's
	case s.in.errno != 0:
		return 0, os.NewSyscallError("recvfrom", s.in.errno)
	case s.in.n == 0:
		return 0, io.EOF
	}
	return s.in.n, nil
}

// receive reads once; it says false when nothing has come yet.
func (s *socket) receive(fd uintptr) bool {
	t := &s.in
	t.n, t.errno = TryRead(fd, t.p)
	return t.errno != unix.EAGAIN
}

// TryRead reads once from a socket, of TCP or UDP, without waiting: it gives EAGAIN where there is nothing.
func TryRead(fd uintptr, p []byte) (int, syscall.Errno) {
	for {
		n, errno := transferred(unix.SYS_RECVFROM, fd, p, unix.MSG_DONTWAIT)
		if errno != unix.EINTR {
			return n, errno
		}
	}
}

// Write implements io.Writer.
func (s *socket) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	s.out.p, s.out.n, s.out.errno = p, 0, 0
	err := s.raw.Write(s.out.try)
	s.out.p = nil
	if err == nil && s.out.errno != 0 {
		err = os.NewSyscallError("sendto", s.out.errno)
	}
	return s.out.n, err //nolint:wrapcheck // it is package net's, or says what failed
}

// send writes what is left; it says false when there is no room for all of it yet.
func (s *socket) send(fd uintptr) bool {
	t := &s.out
	for t.n < len(t.p) {
		n, errno := transferred(unix.SYS_SENDTO, fd, t.p[t.n:], unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
		switch errno {
		case 0:
			t.n += n
		case unix.EINTR:
		case unix.EAGAIN:
			return false
		default:
			t.errno = errno
			return true
		}
	}
	return true
}

// Silent implements Stream.
func (s *socket) Silent() bool {
	s.silent = false
	return s.raw.Read(s.peek) == nil && s.silent
}

// Unread implements Stream.
func (s *socket) Unread() bool {
	s.unread = false
	return s.raw.Read(s.peek) == nil && s.unread
}

func (s *socket) look(fd uintptr) bool {
	n, errno := transferred(unix.SYS_RECVFROM, fd, s.one[:], unix.MSG_DONTWAIT|unix.MSG_PEEK)
	s.silent, s.unread = errno == unix.EAGAIN, errno == 0 && n > 0
	return true
}

// Ask implements Stream.
func (s *socket) Ask(question, answer []byte) (int, error) {
	s.out.p, s.out.n, s.out.errno, s.asked = question, 0, 0, false
	n, err := s.read(answer, s.ask)
	sent := s.out.n
	s.out.p = nil
	switch {
	case !s.asked || s.in.n > 0:
		return n, err
	case !s.silent:
		return 0, ErrUnasked
	case s.out.errno != 0:
		return 0, os.NewSyscallError("sendto", s.out.errno)
	case sent < len(question): // there was no room for all of it
		if _, err := s.Write(question[sent:]); err != nil {
			return 0, err
		}
		return s.Read(answer)
	}
	return n, err
}

// converse writes when it is called first. What was readable before has been forgotten by then, so that the answer can
// be waited for without a look whether it has come already, which it never has.
func (s *socket) converse(fd uintptr) bool {
	if s.asked {
		return s.receive(fd)
	}
	s.asked = true
	s.look(fd)
	return !s.silent || !s.send(fd) || s.out.errno != 0
}
