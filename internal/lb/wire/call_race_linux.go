//go:build race

package wire

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// transferred makes one call that does not wait. The race detector is told of it, which knows that what comes out of a
// connection was put in before.
func transferred(call, fd uintptr, p []byte, flags uintptr) (n int, errno syscall.Errno) {
	var err error
	switch {
	case call == unix.SYS_SENDTO:
		n, err = syscall.Write(int(fd), p)
	case flags&unix.MSG_PEEK != 0:
		n, _, err = syscall.Recvfrom(int(fd), p, int(flags))
	default:
		n, err = syscall.Read(int(fd), p)
	}
	if err != nil {
		_ = errors.As(err, &errno)
		return 0, errno
	}
	return n, 0
}
