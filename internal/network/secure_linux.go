package network

import (
	"fmt"
	"net/netip"
	"os"
	"strconv"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/maitred/maitred/internal/model"
)

// firewallTable is the one table that we make in a namespace.
const firewallTable = "maitred"

// batchBuffer is enough, in bytes, for a transaction of tens of thousands of addresses.
const batchBuffer = 8 << 20

// open opens nftables of a namespace, or of the calling thread's own for 0, until CloseLasting.
//
// The kernel lets whoever closes this wait until what was deleted before is freed, which takes longer than all that a
// transaction does. So one that deletes nothing is cheap, and the machine's own stays open.
func open(ns int) (*nftables.Conn, error) {
	return nftables.New(nftables.AsLasting(), nftables.WithNetNSFd(ns), nftables.WithSockOptions(func(c *netlink.Conn) error {
		if err := c.SetWriteBuffer(batchBuffer); err != nil {
			return err
		}
		return c.SetReadBuffer(batchBuffer)
	}))
}

// secure sets the firewall of a namespace in one transaction. If it has one, that is replaced; a fresh namespace has
// none.
//
// Besides the rules' traffic these pass: answers, loopback, the ICMP messages that connections need, the machine itself
// inwards (its balancer and its health checks come from the gateway's address, and its root could enter anyway), and
// outwards the task metadata endpoint and the resolvers, which in a VPC no security group concerns either.
func secure(ns *os.File, gateway netip.Addr, rules []model.FirewallRule, fresh bool) error {
	passages, err := compile(rules)
	if err != nil {
		return err
	}
	resolv, err := Resolvers()
	if err != nil {
		return fmt.Errorf("reading the machine's resolvers: %w", err)
	}
	c, err := open(int(ns.Fd()))
	if err != nil {
		return fmt.Errorf("opening nf_tables of a namespace: %w", err)
	}
	defer func() { _ = c.CloseLasting() }()
	f := newFirewall(c, fresh)
	f.basics(gateway, append(resolv.Nameservers, gateway))
	for i := range passages {
		if err := f.pass(&passages[i]); err != nil {
			return err
		}
	}
	if err := c.Flush(); err != nil {
		return fmt.Errorf("setting firewall rules: %w", err)
	}
	return nil
}

// firewall collects the transaction.
type firewall struct {
	conn    *nftables.Conn
	table   *nftables.Table
	in, out *nftables.Chain
	sets    int
}

func newFirewall(c *nftables.Conn, fresh bool) *firewall {
	f := &firewall{conn: c, table: &nftables.Table{Name: firewallTable, Family: nftables.TableFamilyINet}}
	if fresh {
		c.AddTable(f.table)
	} else {
		replaceTable(c, f.table)
	}
	drop := nftables.ChainPolicyDrop
	f.in = c.AddChain(&nftables.Chain{
		Name: "input", Table: f.table, Type: nftables.ChainTypeFilter, Hooknum: nftables.ChainHookInput,
		Priority: nftables.ChainPriorityFilter, Policy: &drop,
	})
	f.out = c.AddChain(&nftables.Chain{
		Name: "output", Table: f.table, Type: nftables.ChainTypeFilter, Hooknum: nftables.ChainHookOutput,
		Priority: nftables.ChainPriorityFilter, Policy: &drop,
	})
	return f
}

// replaceTable empties a table within a transaction, whether it was there or not.
func replaceTable(c *nftables.Conn, t *nftables.Table) {
	c.AddTable(t)
	c.DelTable(t)
	c.AddTable(t)
}

func (f *firewall) rule(chain *nftables.Chain, parts ...[]expr.Any) {
	var all []expr.Any
	for _, p := range parts {
		all = append(all, p...)
	}
	f.conn.AddRule(&nftables.Rule{Table: f.table, Chain: chain, Exprs: append(all, accept)})
}

// The offsets of addresses in the IPv4 header, and of ports in those of TCP and UDP, in bytes.
const (
	sourceAddress, destinationAddress = 12, 16
	destinationPort                   = 2
)

func (f *firewall) basics(gateway netip.Addr, resolvers []netip.Addr) {
	for _, chain := range []*nftables.Chain{f.in, f.out} {
		f.rule(chain, conntrack(expr.CtStateBitESTABLISHED|expr.CtStateBitRELATED))
		device, number := expr.MetaKeyIIF, uint32(1)
		if chain == f.out {
			device = expr.MetaKeyOIF
		}
		f.rule(chain, equal(&expr.Meta{Key: device, Register: 1}, binaryutil.NativeEndian.PutUint32(number)))
		for _, kind := range []byte{3, 11, 12} { // destination unreachable, time exceeded, parameter problem
			f.rule(chain, protocol(protoICMP), equal(transport(0, 1), []byte{kind}))
		}
		for _, kind := range []byte{133, 134, 135, 136} { // router and neighbour discovery
			f.rule(chain, protocol(unix.IPPROTO_ICMPV6), equal(transport(0, 1), []byte{kind}))
		}
	}
	f.rule(f.in, ipv4(), equal(network(sourceAddress), gateway.AsSlice()))
	f.rule(f.out, ipv4(), equal(network(destinationAddress), netip.MustParseAddr(MetadataAddress).AsSlice()))
	for _, r := range resolvers {
		for _, p := range []byte{protoTCP, protoUDP} {
			f.rule(f.out, ipv4(), equal(network(destinationAddress), r.AsSlice()), protocol(p),
				equal(transport(destinationPort, 2), binaryutil.BigEndian.PutUint16(53)))
		}
	}
}

// pass adds the rule of a passage.
func (f *firewall) pass(p *passage) error {
	chain, side := f.in, network(sourceAddress)
	if p.egress {
		chain, side = f.out, network(destinationAddress)
	}
	match := ipv4()
	if p.protocol != protoAny {
		match = append(match, protocol(p.protocol)...)
	}
	match = append(match, p.detail()...)
	switch {
	case len(p.others) == 1 && p.others[0] == everyone:
	case len(p.others) == 1:
		match = append(match, between(side, beUint32(p.others[0].first), beUint32(p.others[0].last))...)
	default:
		set, err := f.addresses(p.others)
		if err != nil {
			return err
		}
		match = append(match, side, &expr.Lookup{SourceRegister: 1, SetName: set.Name, SetID: set.ID})
	}
	f.rule(chain, match)
	return nil
}

// detail matches ports, or type and code.
func (p *passage) detail() []expr.Any {
	switch {
	case p.first == -1:
		return nil
	case p.protocol == protoICMP && p.last == -1:
		return equal(transport(0, 1), []byte{byte(p.first)})
	case p.protocol == protoICMP:
		return equal(transport(0, 2), []byte{byte(p.first), byte(p.last)})
	}
	port := binaryutil.BigEndian
	return between(transport(destinationPort, 2), port.PutUint16(uint16(p.first)), port.PutUint16(uint16(p.last)))
}

// setChunk is how many ranges one message carries, whose length is a number of 16 bits.
const setChunk = 400

// addresses makes a set of ranges. It has a name, because a nameless one takes no second message.
func (f *firewall) addresses(spans []span) (*nftables.Set, error) {
	f.sets++
	set := &nftables.Set{Table: f.table, Name: "addresses" + strconv.Itoa(f.sets), Interval: true, KeyType: nftables.TypeIPAddr}
	for n, first := 0, true; n < len(spans); n, first = n+setChunk, false {
		chunk := elements(spans[n:min(n+setChunk, len(spans))])
		var err error
		if first {
			err = f.conn.AddSet(set, chunk)
		} else {
			err = f.conn.SetAddElements(set, chunk)
		}
		if err != nil {
			return nil, fmt.Errorf("a set of addresses: %w", err)
		}
	}
	return set, nil
}

// elements are the beginnings and ends of ranges. One that reaches to the last address has no end.
func elements(spans []span) []nftables.SetElement {
	out := make([]nftables.SetElement, 0, 2*len(spans))
	for _, s := range spans {
		out = append(out, nftables.SetElement{Key: beUint32(s.first)})
		if s.last != everyone.last {
			out = append(out, nftables.SetElement{Key: beUint32(s.last + 1), IntervalEnd: true})
		}
	}
	return out
}

func beUint32(n uint32) []byte { return binaryutil.BigEndian.PutUint32(n) }
