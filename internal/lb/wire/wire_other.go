//go:build !linux

package wire

import "net"

// Of gives the stream of a connection.
func Of(c net.Conn) Stream { return plain{c} }

// Again is Of: there is no memory to use again.
func Again(_ Stream, c net.Conn) Stream { return plain{c} }

// Bulk prepares a connection to which a lot will be written: here it does nothing.
func Bulk(*net.TCPConn) {}

// Acked is how many bytes the peer of a connection has acknowledged: here nobody tells.
func Acked(net.Conn) uint64 { return 0 }
