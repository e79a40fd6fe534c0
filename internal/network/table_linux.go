package network

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// table is what the machine's own nftables table consists of:
//
//	map published  protocol . address . port : address . port     host ports on one address
//	map anywhere   protocol . port           : address . port     host ports on all of the machine's
//	chains raw, prerouting, output, postrouting, forward
//
// To publish a port is to add an element; no rule changes.
type table struct {
	*nftables.Table
	published, anywhere *nftables.Set
}

var (
	publishedKey = nftables.MustConcatSetType(nftables.TypeInetProto, nftables.TypeIPAddr, nftables.TypeInetService)
	anywhereKey  = nftables.MustConcatSetType(nftables.TypeInetProto, nftables.TypeInetService)
	destination  = nftables.MustConcatSetType(nftables.TypeIPAddr, nftables.TypeInetService)
)

func (h *Host) tableParts() table {
	t := h.table()
	return table{
		Table: t,
		published: &nftables.Set{
			Table: t, Name: "published", IsMap: true, Concatenation: true, KeyType: publishedKey, DataType: destination,
		},
		anywhere: &nftables.Set{
			Table: t, Name: "anywhere", IsMap: true, Concatenation: true, KeyType: anywhereKey, DataType: destination,
		},
	}
}

// makeTable replaces the table, with all ports that are published, in one transaction. h.mu is held, or nobody else
// knows h yet.
func (h *Host) makeTable() error {
	t := h.tableParts()
	if err := h.transact(func(c *nftables.Conn) error { return h.fillTable(c, &t) }); err != nil {
		return fmt.Errorf("making table %s: %w", t.Name, err)
	}
	return nil
}

func (h *Host) fillTable(c *nftables.Conn, t *table) error {
	replaceTable(c, t.Table)
	for _, s := range []*nftables.Set{t.published, t.anywhere} {
		if err := c.AddSet(s, nil); err != nil {
			return err
		}
	}
	h.addChains(c, t)
	for _, id := range slices.Sorted(maps.Keys(h.published)) {
		if err := t.change(h.claims.records[id], c.SetAddElements); err != nil {
			return err
		}
	}
	return nil
}

// transact fills a transaction on the machine's own tables and sends it. After an error the connection is not to be
// trusted: it may keep a part of the transaction, or answers to it. h.mu is held.
func (h *Host) transact(fill func(*nftables.Conn) error) error {
	err := fill(h.tables)
	if err == nil {
		err = h.tables.Flush()
	}
	if err == nil {
		return nil
	}
	fresh, failed := open(0)
	if failed != nil {
		return errors.Join(err, failed)
	}
	_ = h.tables.CloseLasting()
	h.tables = fresh
	return err
}

// publish lets a container's host ports lead to it.
func (h *Host) publish(r *record) error {
	targets, err := targetsOf(r.Ports)
	if err != nil {
		return err
	}
	h.mu.Lock()
	h.published[r.ID] = true
	err = h.changeTable(r, (*nftables.Conn).SetAddElements)
	h.mu.Unlock()
	if err != nil {
		return fmt.Errorf("publishing the ports of %s: %w", r.ID, err)
	}
	return h.forgetDatagrams(targets)
}

// unpublish takes a container's host ports away. They count as published until that has succeeded.
func (h *Host) unpublish(r *record) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.published[r.ID] {
		return nil
	}
	delete(h.published, r.ID)
	if err := h.changeTable(r, (*nftables.Conn).SetDeleteElements); err != nil {
		h.published[r.ID] = true
		return fmt.Errorf("taking away the ports of %s: %w", r.ID, err)
	}
	return nil
}

// changeTable changes the elements of one record. If that fails, the table may have been flushed by somebody, as
// firewalls do when they are loaded anew; then it is made again from what is published. h.mu is held.
func (h *Host) changeTable(r *record, change func(*nftables.Conn, *nftables.Set, []nftables.SetElement) error) error {
	t := h.tableParts()
	err := h.transact(func(c *nftables.Conn) error {
		return t.change(r, func(s *nftables.Set, e []nftables.SetElement) error { return change(c, s, e) })
	})
	if err == nil {
		return nil
	}
	if again := h.makeTable(); again != nil {
		return errors.Join(err, again)
	}
	h.logger().Warn("the table of published ports was made again", "table", t.Name, "because", err)
	return nil
}

// change adds or deletes the elements of a record's ports.
func (t *table) change(r *record, change func(*nftables.Set, []nftables.SetElement) error) error {
	targets, err := targetsOf(r.Ports)
	if err != nil {
		return err
	}
	var published, anywhere []nftables.SetElement
	for _, g := range targets {
		to := slices.Concat(r.Address.Addr().AsSlice(), paddedPort(g.container))
		protocol, port := []byte{g.host.protocol, 0, 0, 0}, paddedPort(g.host.port)
		if g.host.address.IsUnspecified() {
			anywhere = append(anywhere, nftables.SetElement{Key: slices.Concat(protocol, port), Val: to})
			continue
		}
		key := slices.Concat(protocol, g.host.address.AsSlice(), port)
		published = append(published, nftables.SetElement{Key: key, Val: to})
	}
	if len(published) > 0 {
		err = change(t.published, published)
	}
	if err == nil && len(anywhere) > 0 {
		err = change(t.anywhere, anywhere)
	}
	return err
}

// paddedPort fills a register of 32 bits.
func paddedPort(port uint16) []byte { return append(binaryutil.BigEndian.PutUint16(port), 0, 0) }

// registers of 32 bits: the four that register 1 is made of.
const register32 = 8

// addChains adds what sends packets to the maps' destinations, and lets them find back.
func (h *Host) addChains(c *nftables.Conn, t *table) {
	chain := func(name string, kind nftables.ChainType, hook *nftables.ChainHook, p *nftables.ChainPriority) *nftables.Chain {
		return c.AddChain(&nftables.Chain{Name: name, Table: t.Table, Type: kind, Hooknum: hook, Priority: p})
	}
	rule := func(in *nftables.Chain, parts ...[]expr.Any) {
		c.AddRule(&nftables.Rule{Table: t.Table, Chain: in, Exprs: slices.Concat(parts...)})
	}
	vpc, bridge := h.bridgeName(ModeAWSVPC), h.bridgeName(ModeBridge)

	// The bridge takes packets for 127.0.0.0/8 (route_localnet), which no container may send.
	raw := chain("raw", nftables.ChainTypeFilter, nftables.ChainHookPrerouting, nftables.ChainPriorityRaw)
	for _, name := range []string{vpc, bridge} {
		rule(raw, inBy(name), inside4(destinationAddress, loopback), []expr.Any{drop})
	}
	arriving := chain("prerouting", nftables.ChainTypeNAT, nftables.ChainHookPrerouting, nftables.ChainPriorityNATDest)
	own := chain("output", nftables.ChainTypeNAT, nftables.ChainHookOutput, nftables.ChainPriorityNATDest)
	for _, in := range []*nftables.Chain{arriving, own} {
		rule(in, local(), t.publishedOn())
		rule(in, local(), t.publishedAnywhere())
	}

	leaving := chain("postrouting", nftables.ChainTypeNAT, nftables.ChainHookPostrouting, nftables.ChainPriorityNATSource)
	masq := []expr.Any{masquerade}
	// A container's answer to 127.0.0.1, or to a neighbour, would not come by the machine.
	rule(leaving, outBy(bridge), redirected(), inside4(sourceAddress, loopback), masq)
	rule(leaving, outBy(bridge), redirected(), inside4(sourceAddress, h.claims.bridge), masq)
	for _, p := range append([]netip.Prefix{h.claims.bridge}, h.config.VPC...) {
		rule(leaving, inside4(sourceAddress, p), notOutBy(vpc), notOutBy(bridge), masq)
	}

	// Containers of mode bridge are reached by published ports, not by their addresses from other machines. Tasks of
	// mode awsvpc have security groups.
	forward := chain("forward", nftables.ChainTypeFilter, nftables.ChainHookForward, nftables.ChainPriorityFilter)
	rule(forward, outBy(bridge), notInBy(bridge), notInBy(vpc), conntrack(expr.CtStateBitNEW), notRedirected(), []expr.Any{drop})
}

var loopback = netip.MustParsePrefix("127.0.0.0/8")

// inside4 matches an address of the IPv4 header that is inside a prefix.
func inside4(offset uint32, p netip.Prefix) []expr.Any {
	s := spanOf(p)
	return between(network(offset), beUint32(s.first), beUint32(s.last))
}

// publishedOn finds the destination of a port on one address.
func (t *table) publishedOn() []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: register32},
		&expr.Payload{DestRegister: register32 + 1, Base: expr.PayloadBaseNetworkHeader, Offset: destinationAddress, Len: 4},
		&expr.Payload{DestRegister: register32 + 2, Base: expr.PayloadBaseTransportHeader, Offset: destinationPort, Len: 2},
		&expr.Lookup{SourceRegister: register32, DestRegister: register32, IsDestRegSet: true, SetName: t.published.Name},
		&expr.NAT{Type: expr.NATTypeDestNAT, Family: unix.NFPROTO_IPV4, RegAddrMin: register32, RegProtoMin: register32 + 1},
	}
}

// publishedAnywhere finds the destination of a port on all addresses.
func (t *table) publishedAnywhere() []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: register32},
		&expr.Payload{DestRegister: register32 + 1, Base: expr.PayloadBaseTransportHeader, Offset: destinationPort, Len: 2},
		&expr.Lookup{SourceRegister: register32, DestRegister: register32, IsDestRegSet: true, SetName: t.anywhere.Name},
		&expr.NAT{Type: expr.NATTypeDestNAT, Family: unix.NFPROTO_IPV4, RegAddrMin: register32, RegProtoMin: register32 + 1},
	}
}

// dismantle takes the bridges and the table away.
func (h *Host) dismantle() error {
	if err := h.keepDockerFrom(); err != nil {
		return err
	}
	t := h.table()
	err := h.transact(func(c *nftables.Conn) error {
		c.AddTable(t) // so that one that is not there is no error
		c.DelTable(t)
		return nil
	})
	if err != nil {
		return fmt.Errorf("removing table %s: %w", t.Name, err)
	}
	for _, mode := range []string{ModeAWSVPC, ModeBridge} {
		if err := h.removeLink(h.bridgeName(mode)); err != nil {
			return err
		}
	}
	return nil
}
