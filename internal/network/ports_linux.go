package network

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// bindable binds a host port for a moment.
func bindable(p hostPort) error {
	kind := unix.SOCK_STREAM
	if p.protocol == protoUDP {
		kind = unix.SOCK_DGRAM
	}
	fd, err := unix.Socket(unix.AF_INET, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("host port %s: %w", p, err)
	}
	defer func() { _ = unix.Close(fd) }()
	if kind == unix.SOCK_STREAM {
		// As servers do: what only remains of old connections is not in the way.
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
			return fmt.Errorf("host port %s: %w", p, err)
		}
	}
	err = unix.Bind(fd, &unix.SockaddrInet4{Port: int(p.port), Addr: p.address.As4()})
	switch {
	case errors.Is(err, unix.EADDRINUSE):
		return fmt.Errorf("host port %s: %w: another program listens on it", p, ErrPortInUse)
	case errors.Is(err, unix.EADDRNOTAVAIL):
		return fmt.Errorf("host port %s: this machine has no such address", p)
	case err != nil:
		return fmt.Errorf("host port %s: %w", p, err)
	}
	return nil
}

// forget removes from the kernel's memory the connections from and to an endpoint's address. Packets that are still
// under way then belong to nothing.
func (h *Host) forget(a netip.Addr) error {
	return h.forgetFlows(func(f *netlink.ConntrackFlow) bool {
		// Who answers tells it when the address was translated.
		return a == addressOf(f.Forward.SrcIP) || a == addressOf(f.Forward.DstIP) || a == addressOf(f.Reverse.SrcIP)
	})
}

// forgetDatagrams removes what the kernel remembers of datagrams to host ports of UDP, which nobody got until now: as
// long as they went on coming, they would go on getting lost. Connections of TCP end by themselves.
func (h *Host) forgetDatagrams(ports []target) error {
	ports = slices.DeleteFunc(slices.Clone(ports), func(t target) bool { return t.host.protocol != protoUDP })
	if len(ports) == 0 {
		return nil
	}
	own, err := h.links.AddrList(nil, netlink.FAMILY_V4)
	if err != nil {
		return fmt.Errorf("reading the machine's addresses: %w", err)
	}
	return h.forgetFlows(func(f *netlink.ConntrackFlow) bool {
		if f.Forward.Protocol != protoUDP {
			return false
		}
		to := addressOf(f.Forward.DstIP)
		return slices.ContainsFunc(ports, func(t target) bool {
			return t.host.port == f.Forward.DstPort && (t.host.address == to || t.host.address.IsUnspecified() &&
				slices.ContainsFunc(own, func(a netlink.Addr) bool { return addressOf(a.IP) == to }))
		})
	})
}

// forgetFlows removes connections. The kernel looks through all that it has for that, which can take milliseconds, so
// those who ask meanwhile are served together by the next look.
func (h *Host) forgetFlows(which flows) error {
	h.mu.Lock()
	s, first := h.next, h.next == nil
	if first {
		s = &sweep{done: make(chan struct{})}
		h.next = s
	}
	s.wanted = append(s.wanted, which)
	h.mu.Unlock()
	if first {
		h.sweep(s)
	}
	<-s.done
	return s.err
}

// sweep is one look through the connections.
type sweep struct {
	wanted []netlink.CustomConntrackFilter
	done   chan struct{}
	err    error // once done is closed
}

// sweep waits for the one before, closes s to newcomers and does it.
func (h *Host) sweep(s *sweep) {
	defer close(s.done)
	h.sweeping.Lock()
	defer h.sweeping.Unlock()
	h.mu.Lock()
	h.next = nil
	h.mu.Unlock()
	_, err := h.links.ConntrackDeleteFilters(netlink.ConntrackTable, unix.AF_INET, s.wanted...)
	for range 5 {
		if !errors.Is(err, netlink.ErrDumpInterrupted) {
			break // what changed meanwhile could have hidden some
		}
		_, err = h.links.ConntrackDeleteFilters(netlink.ConntrackTable, unix.AF_INET, s.wanted...)
	}
	if err != nil && !errors.Is(err, unix.ENOENT) {
		s.err = fmt.Errorf("forgetting connections: %w", err)
	}
}

// flows chooses connections.
type flows func(*netlink.ConntrackFlow) bool

// MatchConntrackFlow says whether a connection is meant.
func (f flows) MatchConntrackFlow(flow *netlink.ConntrackFlow) bool { return f(flow) }

func addressOf(ip net.IP) netip.Addr {
	a, _ := netip.AddrFromSlice(ip)
	return a.Unmap()
}
