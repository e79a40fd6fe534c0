package network

import (
	"bytes"

	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// The words that rules are made of. Each loads something into register 1 and compares it.

var (
	accept     = &expr.Verdict{Kind: expr.VerdictAccept}
	drop       = &expr.Verdict{Kind: expr.VerdictDrop}
	masquerade = &expr.Masq{}
)

func network(offset uint32) *expr.Payload {
	return &expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: 4}
}

func transport(offset, length uint32) *expr.Payload {
	return &expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: offset, Len: length}
}

func equal(what expr.Any, data []byte) []expr.Any {
	return []expr.Any{what, &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: data}}
}

func different(what expr.Any, data []byte) []expr.Any {
	return []expr.Any{what, &expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: data}}
}

// between matches numbers in network order, both ends included.
func between(what expr.Any, first, last []byte) []expr.Any {
	if bytes.Equal(first, last) {
		return equal(what, first)
	}
	return []expr.Any{what, &expr.Range{Op: expr.CmpOpEq, Register: 1, FromData: first, ToData: last}}
}

func ipv4() []expr.Any {
	return equal(&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1}, []byte{unix.NFPROTO_IPV4})
}

func protocol(number byte) []expr.Any {
	return equal(&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1}, []byte{number})
}

// device is an interface's name as the kernel compares it.
func device(name string) []byte { return append([]byte(name), 0) }

func inBy(name string) []expr.Any {
	return equal(&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: 1}, device(name))
}

func outBy(name string) []expr.Any {
	return equal(&expr.Meta{Key: expr.MetaKeyOIFNAME, Register: 1}, device(name))
}

func notInBy(name string) []expr.Any {
	return different(&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: 1}, device(name))
}

func notOutBy(name string) []expr.Any {
	return different(&expr.Meta{Key: expr.MetaKeyOIFNAME, Register: 1}, device(name))
}

// conntrack matches connections in any of the states.
func conntrack(states uint32) []expr.Any {
	return bits(&expr.Ct{Register: 1, Key: expr.CtKeySTATE}, states, expr.CmpOpNeq)
}

// Bits of a connection's status (enum ip_conntrack_status).
const statusDNAT = 1 << 5

func redirected() []expr.Any {
	return bits(&expr.Ct{Register: 1, Key: expr.CtKeySTATUS}, statusDNAT, expr.CmpOpNeq)
}

func notRedirected() []expr.Any {
	return bits(&expr.Ct{Register: 1, Key: expr.CtKeySTATUS}, statusDNAT, expr.CmpOpEq)
}

// bits compares with 0 what is left of a number under a mask.
func bits(what expr.Any, mask uint32, op expr.CmpOp) []expr.Any {
	zero := binaryutil.NativeEndian.PutUint32(0)
	return []expr.Any{
		what,
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: binaryutil.NativeEndian.PutUint32(mask), Xor: zero},
		&expr.Cmp{Op: op, Register: 1, Data: zero},
	}
}

// local matches packets to any of the machine's own addresses.
func local() []expr.Any {
	return equal(&expr.Fib{Register: 1, FlagDADDR: true, ResultADDRTYPE: true},
		binaryutil.NativeEndian.PutUint32(unix.RTN_LOCAL))
}
