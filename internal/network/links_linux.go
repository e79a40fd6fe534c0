package network

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/fnv"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// inside is the name of the interface in a namespace.
const inside = "eth0"

// linkName is the name of an endpoint's interface on the machine. It is derived, so that it is found again, and as long
// as names may be.
func (h *Host) linkName(id string) string {
	sum := sha256.Sum256([]byte(h.config.Scope + "/" + id))
	return "mt" + hex.EncodeToString(sum[:])[:unix.IFNAMSIZ-1-len("mt")]
}

// connect joins a namespace to its bridge and sets the inside up.
func (h *Host) connect(r *record, ns *os.File) error {
	in, err := netlink.NewHandleAt(netns.NsHandle(ns.Fd()), unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("entering a network namespace: %w", err)
	}
	defer in.Close()
	if err := in.LinkSetUp(&netlink.GenericLink{LinkAttrs: netlink.LinkAttrs{Index: 1}}); err != nil {
		return fmt.Errorf("setting the loopback interface up: %w", err)
	}
	if r.Mode == ModeNone {
		return nil
	}
	bridge, err := h.links.LinkByName(h.bridgeName(r.Mode))
	if err != nil {
		return fmt.Errorf("bridge %s: %w", h.bridgeName(r.Mode), err)
	}
	mac, err := net.ParseMAC(r.MAC)
	if err != nil {
		return err
	}
	pair := netlink.NewVeth(netlink.LinkAttrs{
		Name: h.linkName(r.ID), TxQLen: -1, Alias: r.ID, Flags: net.FlagUp, MasterIndex: bridge.Attrs().Index,
	})
	pair.PeerName, pair.PeerHardwareAddr, pair.PeerNamespace = inside, mac, netlink.NsFd(ns.Fd())
	if err := h.links.LinkAdd(pair); err != nil {
		return fmt.Errorf("making the interface of %s: %w", r.ID, err)
	}
	// A container that speaks to its own published port would otherwise not be answered where the kernel applies the
	// firewall to bridged packets too (br_netfilter): it redirects the packet in the bridge, back to where it came from.
	if len(r.Ports) > 0 {
		if err := h.links.LinkSetHairpin(pair, true); err != nil {
			return fmt.Errorf("setting the interface of %s up: %w", r.ID, err)
		}
	}
	return furnish(in, r)
}

// furnish gives the interface inside its address and routes. It comes up with its address, so that the neighbours
// learn of both at once.
func furnish(in *netlink.Handle, r *record) error {
	eth, err := in.LinkByName(inside)
	if err != nil {
		return fmt.Errorf("interface %s of %s: %w", inside, r.ID, err)
	}
	if err := in.AddrAdd(eth, &netlink.Addr{IPNet: ipNet(r.Address), Broadcast: broadcast(r.Address)}); err != nil {
		return fmt.Errorf("address %s of %s: %w", r.Address, r.ID, err)
	}
	if err := in.LinkSetUp(eth); err != nil {
		return fmt.Errorf("setting %s of %s up: %w", inside, r.ID, err)
	}
	route := &netlink.Route{LinkIndex: eth.Attrs().Index, Gw: r.Gateway.AsSlice()}
	if err := in.RouteAdd(route); err != nil {
		return fmt.Errorf("route of %s by %s: %w", r.ID, r.Gateway, err)
	}
	return nil
}

// removeLink removes an interface, and with it its other end in a namespace. One that is not there is no error.
//
// The kernel answers only after everybody in it has let go, some 20 ms later; several wait for that together, but not on
// one socket. So each has one of its own.
func (h *Host) removeLink(name string) error {
	link, err := h.links.LinkByName(name)
	if err == nil {
		err = netlink.LinkDel(link)
	}
	var none netlink.LinkNotFoundError
	if err != nil && !errors.As(err, &none) && !errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("removing interface %s: %w", name, err)
	}
	return nil
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), 32)}
}

func broadcast(p netip.Prefix) net.IP { return address(spanOf(p).last).AsSlice() }

// prepare makes what all endpoints of a mode need: forwarding, the bridge with the gateway's address in the subnet, the
// table. What was done once in this run is not looked at again. h.mu is held, or nobody else knows h yet.
func (h *Host) prepare(ctx context.Context, mode string, gateway netip.Prefix) error {
	if !h.ready[mode] {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := h.forward(); err != nil {
			return err
		}
		h.touched = true
		if err := h.makeBridge(mode); err != nil {
			return err
		}
		h.ready[mode] = true
	}
	if !h.ready[h.table().Name] {
		if err := h.makeTable(); err != nil {
			return err
		}
		h.ready[h.table().Name] = true
	}
	if err := h.letDockerForward(mode); err != nil {
		return err
	}
	if h.ready[gateway.String()] {
		return nil
	}
	if err := h.addGateway(mode, gateway); err != nil {
		return err
	}
	h.ready[gateway.String()] = true
	return nil
}

// forward lets the machine pass packets on.
func (h *Host) forward() error {
	const path = "ipv4/ip_forward"
	now, err := os.ReadFile(filepath.Join(sysctls, path))
	if err != nil {
		return err
	}
	if strings.TrimSpace(string(now)) == "1" {
		return nil
	}
	if err := setting(path, "1"); err != nil {
		return err
	}
	h.logger().Warn("this machine forwards packets from now on, which networks of containers need", "sysctl", "net.ipv4.ip_forward")
	return nil
}

// makeBridge makes a bridge, or finds it made. Its MAC address is fixed, because otherwise it would change with the
// interfaces that come and go, and tasks would have to learn it again.
func (h *Host) makeBridge(mode string) error {
	name := h.bridgeName(mode)
	sum := fnv.New32a()
	_, _ = sum.Write([]byte(name))
	mac := append(net.HardwareAddr{0x02, 0x6d}, sum.Sum(nil)...)
	bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: name, TxQLen: -1, HardwareAddr: mac}}
	if err := h.links.LinkAdd(bridge); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("making bridge %s: %w", name, err)
	}
	for _, s := range []struct{ path, value string }{
		{"ipv6/conf/" + name + "/disable_ipv6", "1"},
		{"ipv4/conf/" + name + "/send_redirects", "0"},
		// Ports that are published on 127.0.0.1 bring packets from there to this bridge. The table keeps containers
		// from sending any to there.
		{"ipv4/conf/" + name + "/route_localnet", map[string]string{ModeBridge: "1", ModeAWSVPC: "0"}[mode]},
	} {
		if err := setting(s.path, s.value); err != nil {
			return err
		}
	}
	link, err := h.links.LinkByName(name)
	if err != nil {
		return fmt.Errorf("bridge %s: %w", name, err)
	}
	if link.Type() != "bridge" {
		return fmt.Errorf("interface %s is a %s, not a bridge", name, link.Type())
	}
	if err := h.links.LinkSetUp(link); err != nil {
		return fmt.Errorf("setting bridge %s up: %w", name, err)
	}
	return nil
}

// addGateway gives a bridge the gateway's address in a subnet, unless the machine uses the subnet for something else.
func (h *Host) addGateway(mode string, gateway netip.Prefix) error {
	bridge, err := h.links.LinkByName(h.bridgeName(mode))
	if err != nil {
		return fmt.Errorf("bridge %s: %w", h.bridgeName(mode), err)
	}
	used, err := h.routes()
	if err != nil {
		return err
	}
	for _, u := range used {
		if u.direct && u.link != bridge.Attrs().Index && u.to.Overlaps(gateway.Masked()) {
			return fmt.Errorf("this machine has %s on another interface (number %d), so tasks cannot have addresses of %s: "+
				"choose another range", u.to, u.link, gateway.Masked())
		}
	}
	err = h.links.AddrReplace(bridge, &netlink.Addr{IPNet: ipNet(gateway), Broadcast: broadcast(gateway)})
	if err != nil {
		return fmt.Errorf("address %s of bridge %s: %w", gateway, h.bridgeName(mode), err)
	}
	return nil
}

// used is where this machine sends packets.
type used struct {
	to     netip.Prefix
	link   int
	direct bool // to neighbours, not to another router
}

func (h *Host) routes() ([]used, error) {
	routes, err := h.links.RouteListFiltered(netlink.FAMILY_V4, &netlink.Route{Table: unix.RT_TABLE_UNSPEC}, netlink.RT_FILTER_TABLE)
	if err != nil {
		return nil, fmt.Errorf("reading the machine's routes: %w", err)
	}
	var out []used
	for i := range routes {
		r := &routes[i]
		if r.Dst == nil {
			continue
		}
		ip, ok := netip.AddrFromSlice(r.Dst.IP.To4())
		bits, _ := r.Dst.Mask.Size()
		if !ok || bits == 0 || ip.IsLoopback() {
			continue
		}
		out = append(out, used{netip.PrefixFrom(ip, bits), r.LinkIndex, len(r.Gw) == 0})
	}
	return out, nil
}

// chooseBridge says which range mode bridge has: the configured one, else the one that was chosen before, else one that
// the machine does not know yet.
func (h *Host) chooseBridge() (netip.Prefix, error) {
	if h.config.Bridge.IsValid() {
		return h.config.Bridge.Masked(), nil
	}
	path := filepath.Join(h.config.Dir, "bridge")
	if b, err := os.ReadFile(path); err == nil {
		if p, err := netip.ParsePrefix(strings.TrimSpace(string(b))); err == nil && p.Addr().Is4() && p.Bits() <= 30 {
			return p.Masked(), nil
		}
	}
	routes, err := h.routes()
	if err != nil {
		return netip.Prefix{}, err
	}
	taken := append([]netip.Prefix{}, h.config.VPC...)
	for _, u := range routes {
		taken = append(taken, u.to)
	}
	p, err := freeRange(h.config.Scope, taken)
	if err != nil {
		return netip.Prefix{}, err
	}
	return p, os.WriteFile(path, []byte(p.String()+"\n"), 0o600)
}
