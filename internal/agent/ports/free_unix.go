//go:build unix

package ports

import "golang.org/x/sys/unix"

// free binds the port on all addresses, which fails if anybody listens on any of them, and never listens itself.
func free(protocol string, port int) bool {
	kind := unix.SOCK_STREAM
	if protocol == "udp" {
		kind = unix.SOCK_DGRAM
	}
	fd, err := unix.Socket(unix.AF_INET, kind, 0)
	if err != nil {
		return false
	}
	defer func() { _ = unix.Close(fd) }()
	unix.CloseOnExec(fd)
	if kind == unix.SOCK_STREAM {
		// As servers do: what only remains of old connections is not in the way.
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
			return false
		}
	}
	return unix.Bind(fd, &unix.SockaddrInet4{Port: port}) == nil
}
