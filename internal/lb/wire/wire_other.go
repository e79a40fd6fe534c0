//go:build !linux

package wire

import "net"

// Of gives the stream of a connection.
func Of(c net.Conn) Stream { return plain{c} }
