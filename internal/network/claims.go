package network

import (
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"net/netip"
	"slices"

	"github.com/maitred/maitred/internal/model"
)

// claims says which endpoint has which address and which host port. It is a plain value: its owner guards it.
type claims struct {
	bridge  netip.Prefix // of mode bridge
	records map[string]*record
	taken   map[netip.Addr]string
	// rested are the addresses that were given back last, oldest first. They rest until many others have been given
	// back after them, so that a late packet, or a neighbour's memory of who has the address, reaches nobody new.
	rested []netip.Addr
}

func newClaims(bridge netip.Prefix) *claims {
	return &claims{bridge: bridge, records: map[string]*record{}, taken: map[netip.Addr]string{}}
}

// add notes a record that nothing stands against.
func (c *claims) add(r *record) {
	c.records[r.ID] = r
	if r.Address.IsValid() {
		c.taken[r.Address.Addr()] = r.ID
	}
}

// drop forgets a record.
func (c *claims) drop(id string) {
	r := c.records[id]
	if r == nil {
		return
	}
	delete(c.records, id)
	if a := r.Address.Addr(); c.taken[a] == id {
		delete(c.taken, a)
		if r.Mode == ModeBridge {
			c.rested = append(c.rested, a)
		}
	}
	if n := len(c.rested) - c.rest(); n > 0 {
		c.rested = slices.Delete(c.rested, 0, n)
	}
}

// rest is how many addresses rest: a quarter of the range, at most 4096.
func (c *claims) rest() int { return min(1<<(32-c.bridge.Bits())/4, 4096) }

// ids are those of all records, sorted.
func (c *claims) ids() []string { return slices.Sorted(maps.Keys(c.records)) }

// gateway is the first address of mode bridge.
func (c *claims) gateway() netip.Addr { return c.bridge.Masked().Addr().Next() }

// free finds an address of mode bridge. The search begins at a place that the id gives, so that a restart, which
// forgets who rests, does not begin where the last run began. The network's own address, the gateway's and the
// broadcast address are not given.
func (c *claims) free(id string) (netip.Addr, error) {
	s := spanOf(c.bridge)
	first, n := s.first+2, s.last-s.first-2 // 1 of n is broadcast's
	h := fnv.New32a()
	_, _ = h.Write([]byte(id))
	start := h.Sum32() % n
	for i := range n {
		a := address(first + (start+i)%n)
		if _, taken := c.taken[a]; !taken && !slices.Contains(c.rested, a) {
			return a, nil
		}
	}
	return netip.Addr{}, fmt.Errorf("no address of %s is free", c.bridge)
}

// hostPort is a port that is published on this machine. Its address is 0.0.0.0 for all of the machine's.
type hostPort struct {
	protocol uint8
	address  netip.Addr
	port     uint16
}

// String is "127.0.0.1:80/tcp".
func (p hostPort) String() string {
	name := "tcp"
	if p.protocol == protoUDP {
		name = "udp"
	}
	return fmt.Sprintf("%s/%s", netip.AddrPortFrom(p.address, p.port), name)
}

func (p hostPort) collides(q hostPort) bool {
	return p.protocol == q.protocol && p.port == q.port &&
		(p.address == q.address || p.address.IsUnspecified() || q.address.IsUnspecified())
}

// target is where the packets of a host port go.
type target struct {
	host      hostPort
	container uint16
}

// targetsOf reads bindings. No address stands for all.
func targetsOf(bindings []model.PortBinding) ([]target, error) {
	var out []target
	for _, b := range bindings {
		t, err := targetOf(b)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(out, func(o target) bool { return o.host.collides(t.host) }) {
			return nil, fmt.Errorf("host port %s is published twice", t.host)
		}
		out = append(out, t)
	}
	return out, nil
}

func targetOf(b model.PortBinding) (target, error) {
	t := target{host: hostPort{protocol: protoTCP, address: netip.IPv4Unspecified(), port: uint16(b.HostPort)}}
	switch b.Protocol {
	case "tcp", "":
	case "udp":
		t.host.protocol = protoUDP
	default:
		return t, fmt.Errorf("protocol %q of a port is not tcp or udp", b.Protocol)
	}
	if b.HostPort < 1 || b.HostPort > 65535 || b.ContainerPort < 1 || b.ContainerPort > 65535 {
		return t, fmt.Errorf("host port %d to container port %d: not from 1 to 65535", b.HostPort, b.ContainerPort)
	}
	t.container = uint16(b.ContainerPort)
	if b.Address == "" || b.Address == "::" {
		return t, nil
	}
	a, err := netip.ParseAddr(b.Address)
	if err != nil || !a.Unmap().Is4() {
		return t, fmt.Errorf("host address %q is no IPv4 address", b.Address)
	}
	t.host.address = a.Unmap()
	return t, nil
}

// holder is another endpoint that a host port belongs to, or "".
func (c *claims) holder(id string, p hostPort) string {
	for _, other := range c.ids() {
		if other == id {
			continue
		}
		targets, err := targetsOf(c.records[other].Ports)
		if err != nil {
			continue // nothing was published for it
		}
		if slices.ContainsFunc(targets, func(t target) bool { return t.host.collides(p) }) {
			return other
		}
	}
	return ""
}

// freeRange finds a range for mode bridge that nothing taken overlaps, among the private ranges ("RFC 1918"). The search
// begins at a place that the scope gives, so that two that start on one machine at the same time hardly choose the same.
func freeRange(scope string, taken []netip.Prefix) (netip.Prefix, error) {
	h := fnv.New32a()
	_, _ = h.Write([]byte(scope))
	start := h.Sum32()
	for _, c := range []struct {
		first netip.Prefix
		n     uint32
	}{
		{netip.MustParsePrefix("10.128.0.0/16"), 128},
		{netip.MustParsePrefix("172.16.0.0/16"), 16},
		{netip.MustParsePrefix("192.168.0.0/20"), 16},
	} {
		size := uint32(1) << (32 - c.first.Bits())
		for i := range c.n {
			p := netip.PrefixFrom(address(number(c.first.Addr())+(start+i)%c.n*size), c.first.Bits())
			if !slices.ContainsFunc(taken, p.Overlaps) {
				return p, nil
			}
		}
	}
	return netip.Prefix{}, errors.New("this machine has routes to every private range that network mode bridge could have: configure one")
}
