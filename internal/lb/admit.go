package lb

import (
	"net"
	"net/netip"
)

// admits gives what says who may connect to a listener.
func (b *Balancer) admits(listener string) func(client, to net.Addr) bool {
	return func(client, to net.Addr) bool {
		l := b.Table().Listeners[listener]
		if l == nil {
			return true // and it is told that there is no listener
		}
		from, protocol := addressOf(client)
		at, _ := addressOf(to)
		return b.gate.Admit(l.LoadBalancer, protocol, from.Addr(), netip.AddrPortFrom(at.Addr(), uint16(l.Record.Port))) //nolint:gosec // a port
	}
}

func addressOf(a net.Addr) (at netip.AddrPort, protocol string) {
	switch a := a.(type) {
	case *net.TCPAddr:
		return a.AddrPort(), "tcp"
	case *net.UDPAddr:
		return a.AddrPort(), "udp"
	}
	return netip.AddrPort{}, ""
}
