package wire

import (
	"net"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// nearQueue is how many bytes may be under way to a peer nearby. The kernel doubles it, for what it keeps of each
	// packet besides its bytes: that is four of the largest packets, and a peer acknowledges every other one at the latest.
	nearQueue = 144 << 10
	// nearTime is the longest round trip to a peer nearby: on the same machine, or behind a few switches. With nearQueue it
	// allows for about a gigabyte a second, and for more where the peer is nearer.
	nearTime = 150 * time.Microsecond
)

// Bulk prepares a connection to which a lot will be written. To a peer nearby little may be under way: what is read soon
// after it was written is still in the processor's cache, where megabytes of it would go to memory and come back. To all
// others as much may be under way as the kernel sees fit.
func Bulk(c *net.TCPConn) {
	if near(roundTrip(c)) {
		_ = c.SetWriteBuffer(nearQueue) // without it, it only takes longer
	}
}

// near says whether a round trip is that to a peer nearby; zero is one that is not known.
func near(d time.Duration) bool { return d > 0 && d <= nearTime }

// roundTrip is the shortest one lately, zero if that is not known.
func roundTrip(c *net.TCPConn) time.Duration {
	if info := infoOf(c); info != nil && info.Min_rtt != neverSeen {
		return time.Duration(info.Min_rtt) * time.Microsecond
	}
	return 0
}

// neverSeen is what the kernel gives as the shortest round trip before there was any.
const neverSeen = 1<<32 - 1

// Acked is how many bytes the peer of a TCP connection has acknowledged, zero for other connections. What TLS makes of them
// is counted in.
func Acked(c net.Conn) uint64 {
	if tcp, ok := c.(*net.TCPConn); ok {
		if info := infoOf(tcp); info != nil {
			return info.Bytes_acked
		}
	}
	return 0
}

// infoOf is what the kernel knows of a connection, nil if it is closed.
func infoOf(c *net.TCPConn) (info *unix.TCPInfo) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil
	}
	err = raw.Control(func(fd uintptr) {
		if i, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			info = i
		}
	})
	if err != nil {
		return nil
	}
	return info
}
