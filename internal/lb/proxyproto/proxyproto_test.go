package proxyproto_test

import (
	"encoding/hex"
	"net/netip"
	"testing"

	"github.com/maitred/maitred/internal/lb/proxyproto"
)

func TestHeader(t *testing.T) {
	t.Parallel()
	const sig = "0d0a0d0a000d0a515549540a"
	a := netip.MustParseAddrPort
	for name, test := range map[string]struct {
		got  []byte
		want string
	}{
		"local":    {proxyproto.AppendLocal(nil), sig + "20000000"},
		"ipv4":     {proxyproto.AppendStream(nil, a("192.0.2.1:258"), a("127.0.0.1:80")), sig + "2111000c" + "c0000201" + "7f000001" + "0102" + "0050"},
		"datagram": {proxyproto.AppendDatagram(nil, a("192.0.2.1:258"), a("127.0.0.1:80")), sig + "2112000c" + "c0000201" + "7f000001" + "0102" + "0050"},
		"mapped":   {proxyproto.AppendStream(nil, a("[::ffff:192.0.2.1]:1"), a("127.0.0.1:2")), sig + "2111000c" + "c0000201" + "7f000001" + "0001" + "0002"},
		"ipv6": {
			proxyproto.AppendStream(nil, a("[2001:db8::1]:1"), a("[::1]:2")),
			sig + "21210024" + "20010db8000000000000000000000001" + "00000000000000000000000000000001" + "0001" + "0002",
		},
		"mixed": {
			proxyproto.AppendStream(nil, a("[2001:db8::1]:1"), a("127.0.0.1:2")),
			sig + "21210024" + "20010db8000000000000000000000001" + "00000000000000000000ffff7f000001" + "0001" + "0002",
		},
		"unknown":      {proxyproto.AppendStream(nil, netip.AddrPort{}, a("127.0.0.1:2")), sig + "20000000"},
		"behind bytes": {proxyproto.AppendLocal([]byte("ab")), "6162" + sig + "20000000"},
	} {
		if got := hex.EncodeToString(test.got); got != test.want {
			t.Errorf("%s:\ngot  %s\nwant %s", name, got, test.want)
		}
		if len(test.got) > proxyproto.Max+2 {
			t.Errorf("%s: %d bytes, over %d", name, len(test.got), proxyproto.Max)
		}
	}
}
