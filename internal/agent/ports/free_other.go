//go:build !unix

package ports

import (
	"net"
	"strconv"
)

// free listens on the port for a moment.
func free(protocol string, port int) bool {
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	if protocol == "udp" {
		c, err := net.ListenPacket("udp4", address)
		if err == nil {
			c.Close()
		}
		return err == nil
	}
	l, err := net.Listen("tcp4", address)
	if err == nil {
		l.Close()
	}
	return err == nil
}
