// Package proxyproto writes the header that tells a target whose connection it gets: version 2 of the PROXY protocol, the
// binary one ("The PROXY protocol", 2.2; "Target groups for your Network Load Balancers", Proxy protocol).
package proxyproto

import (
	"encoding/binary"
	"net/netip"
)

// The bytes of the header by their names in the specification.
const (
	signature = "\r\n\r\n\x00\r\nQUIT\n"
	local     = 0x20 // version 2, command LOCAL
	proxied   = 0x21 // version 2, command PROXY
	inet      = 0x10
	inet6     = 0x20
	stream    = 0x01
	datagram  = 0x02
)

// Max is how long a header is at most, in bytes.
const Max = len(signature) + 4 + 2*(16+2)

// AppendStream appends the header of a connection: client opened it, to the balancer's address to.
func AppendStream(b []byte, client, to netip.AddrPort) []byte { return header(b, stream, client, to) }

// AppendDatagram appends the header that stands before the payload of a datagram.
func AppendDatagram(b []byte, client, to netip.AddrPort) []byte {
	return header(b, datagram, client, to)
}

// AppendLocal appends the header of a connection that the balancer opened for itself, as health checks are.
func AppendLocal(b []byte) []byte {
	return append(append(b, signature...), local, 0, 0, 0)
}

// header writes addresses of two families as those of version 6, and knows nothing to say of an unknown address.
func header(b []byte, transport byte, client, to netip.AddrPort) []byte {
	from, dst := client.Addr().Unmap(), to.Addr().Unmap()
	switch {
	case !from.IsValid() || !dst.IsValid():
		return AppendLocal(b)
	case from.Is4() && dst.Is4():
		b = append(append(b, signature...), proxied, inet|transport)
		b = binary.BigEndian.AppendUint16(b, 2*(4+2))
		b = append(append(b, from.AsSlice()...), dst.AsSlice()...)
	default:
		b = append(append(b, signature...), proxied, inet6|transport)
		b = binary.BigEndian.AppendUint16(b, 2*(16+2))
		wideFrom, wideTo := from.As16(), dst.As16()
		b = append(append(b, wideFrom[:]...), wideTo[:]...)
	}
	b = binary.BigEndian.AppendUint16(b, client.Port())
	return binary.BigEndian.AppendUint16(b, to.Port())
}
