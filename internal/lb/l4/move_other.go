//go:build !linux

package l4

import (
	"net"
	"sync/atomic"
)

// pump moves bytes from src to dst until src ends.
func pump(dst, src stream, moved *atomic.Int64, _ *chunks) error {
	return copyChunks(dst, src, moved)
}

// segments is not known here: a connection is idle when no bytes move.
func segments(net.Conn) int64 { return 0 }

// waiting gives nothing: a flow that waits holds a buffer here.
func (d *datagrams) waiting(net.Conn) func(use func([]byte)) (int, error) { return nil }
