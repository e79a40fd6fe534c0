// Package wire reads from and writes to TCP sockets at less cost than package net does.
//
// A system call that may take long has Go's scheduler get ready to run other goroutines meanwhile, and a watcher thread
// wake every 20 µs to see whether it has to. Reads and writes of a socket that does not block take a few microseconds, and
// a proxy makes hundreds of thousands of them a second: for them that care costs more than it gains. Streams make these
// calls without it. All else is as in package net: deadlines, Close, and goroutines that wait for what is not there yet.
package wire

import (
	"errors"
	"net"
	"syscall"
)

// Stream is a connection, or one that does the same for less. Deadlines are set, and closed it is, by the connection that
// it was made of. One goroutine may read while another one writes, no more.
type Stream interface {
	Read(p []byte) (int, error)
	Write(p []byte) (int, error)
	// Silent looks, without waiting, whether nothing has come that was not read: neither bytes nor the end of the
	// connection. It says true as well where that cannot be known.
	Silent() bool
	// Unread says that bytes have come that were not read.
	Unread() bool
	// Ask writes a question and reads once, which costs less than to do one after the other. If something has come before,
	// which was not asked for, nothing is written: the error is ErrUnasked.
	Ask(question, answer []byte) (int, error)
}

// ErrUnasked is what Ask gives when the connection is not silent.
var ErrUnasked = errors.New("something has come that was not asked for")

// plain is a connection that is read and written as package net does it.
type plain struct{ net.Conn }

// Silent implements Stream.
func (p plain) Silent() bool {
	_, err := p.peek()
	return errors.Is(err, syscall.EAGAIN)
}

// Unread implements Stream.
func (p plain) Unread() bool {
	n, _ := p.peek()
	return n > 0
}

// peek reads a byte that stays there; what is no socket says that there is none yet.
func (p plain) peek() (n int, err error) {
	c, ok := p.Conn.(syscall.Conn)
	if !ok {
		return 0, syscall.EAGAIN
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, err //nolint:wrapcheck // only looked at here
	}
	failed := raw.Read(func(fd uintptr) bool {
		var one [1]byte
		n, _, err = syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		return true
	})
	return n, errors.Join(err, failed)
}

// Ask implements Stream.
func (p plain) Ask(question, answer []byte) (int, error) {
	if !p.Silent() {
		return 0, ErrUnasked
	}
	if _, err := p.Write(question); err != nil {
		return 0, err //nolint:wrapcheck // it is the connection's
	}
	return p.Read(answer) //nolint:wrapcheck // it is the connection's
}
