package network

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/maitred/maitred/internal/model"
)

// Host makes networks on this machine. All methods may be called at the same time from several goroutines; calls for
// one id wait for each other.
type Host struct {
	config  Config
	links   *netlink.Handle
	records shelf
	turns   turns

	mu      sync.Mutex
	tables  *nftables.Conn // the machine's own
	claims  *claims
	touched bool            // the machine has had bridges or the table
	ready   map[string]bool // the table, bridges, by mode, and subnets that the machine has
	// published are the ids whose ports are in the table.
	published map[string]bool
	next      *sweep // the one that has not begun

	sweeping sync.Mutex // held by the sweep that is under way
}

// Available says in one error what this process lacks to make networks.
func Available() error {
	if os.Geteuid() != 0 {
		return fmt.Errorf("networks of containers need root, and this is user %d", os.Geteuid())
	}
	if _, err := (&nftables.Conn{}).ListTables(); err != nil {
		return fmt.Errorf("networks of containers need the kernel's nf_tables: %w", err)
	}
	return nil
}

// New finds what earlier runs left: what was made wholly is served on, of the rest List tells. It makes nothing on the
// machine itself; bridges come with the first endpoint that needs them.
func New(ctx context.Context, c Config) (*Host, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	h := &Host{config: c, records: shelf{filepath.Join(c.Dir, "endpoints")}, ready: map[string]bool{}, published: map[string]bool{}}
	h.turns.waiting = map[string]*turn{}
	for _, dir := range []string{h.records.dir, h.namespaces()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
	}
	var err error
	if h.links, err = netlink.NewHandle(unix.NETLINK_ROUTE, unix.NETLINK_NETFILTER); err != nil {
		return nil, fmt.Errorf("opening the kernel's network interface: %w", err)
	}
	if h.tables, err = open(0); err != nil {
		h.links.Close()
		return nil, fmt.Errorf("opening nf_tables: %w", err)
	}
	if err := h.adopt(ctx); err != nil {
		return nil, errors.Join(err, h.hangUp())
	}
	return h, nil
}

func (h *Host) namespaces() string         { return filepath.Join(h.config.Dir, "netns") }
func (h *Host) namespace(id string) string { return filepath.Join(h.namespaces(), id) }
func (h *Host) table() *nftables.Table {
	return &nftables.Table{Name: "maitred_" + h.config.Scope, Family: nftables.TableFamilyIPv4}
}

func (h *Host) bridgeName(mode string) string {
	return map[string]string{ModeAWSVPC: "mtv", ModeBridge: "mtb"}[mode] + h.config.Scope
}

// adopt reads the records and makes the bridges and the table of what lives good again.
func (h *Host) adopt(ctx context.Context) error {
	records, err := h.records.all()
	if err != nil {
		return err
	}
	bridge, err := h.chooseBridge()
	if err != nil {
		return err
	}
	h.claims = newClaims(bridge)
	for _, r := range records {
		// Nobody can be in a namespace that is not held, for example after a reboot.
		if r.Made && !held(h.namespace(r.ID)) {
			r.Made = false
		}
		h.claims.add(r)
		if r.Made && len(r.Ports) > 0 {
			h.published[r.ID] = true
		}
	}
	for _, r := range records {
		if !r.Made || r.Mode == ModeNone {
			continue
		}
		// What runs goes on as well as it can; the next Make tries again and tells.
		if err := h.prepare(ctx, r.Mode, netip.PrefixFrom(r.Gateway, r.Address.Bits())); err != nil {
			h.logger().Error("networks of earlier containers cannot be made good", "because", err)
			return nil
		}
	}
	return nil
}

// Make makes a namespace, or finds it made already. What is wrong with it is told before anything is made; what was
// begun and failed is taken back.
//
// A host port is bound for a moment before it is published, so that one that another program listens on is an error
// (ErrPortInUse). Nothing holds it afterwards, because nothing may be needed for it to work: a program that listens on
// it later gets no connection until the port is released.
func (h *Host) Make(ctx context.Context, r Request) (Endpoint, error) {
	if err := r.check(); err != nil {
		return Endpoint{}, err
	}
	defer h.turns.take(r.ID)()
	if old := h.record(r.ID); old != nil {
		if old.Made && held(h.namespace(r.ID)) {
			return h.endpoint(old), nil
		}
		if err := h.unmake(old); err != nil {
			return Endpoint{}, fmt.Errorf("taking away what was half made before: %w", err)
		}
	}
	made, err := h.claim(ctx, &r)
	if err != nil {
		return Endpoint{}, err
	}
	if err := h.build(made, r.Rules); err != nil {
		h.doubt()
		return Endpoint{}, errors.Join(err, h.unmake(made))
	}
	return h.endpoint(made), nil
}

func (r *Request) check() error {
	if !ids.MatchString(r.ID) {
		return fmt.Errorf("%q cannot be the id of a network", r.ID)
	}
	if _, err := targetsOf(r.Ports); err != nil {
		return err
	}
	if _, err := compile(r.Rules); err != nil {
		return err
	}
	switch r.Mode {
	case ModeNone, ModeBridge:
		return nil
	case ModeAWSVPC:
		_, err := recordOf(r)
		return err
	}
	return fmt.Errorf("network mode %q has no namespace", r.Mode)
}

// recordOf is the record of an attachment.
func recordOf(r *Request) (*record, error) {
	at := r.Attachment
	if at == nil {
		return nil, errors.New("a task of network mode awsvpc has no attachment")
	}
	address, err := netip.ParseAddr(at.Address)
	if err != nil || !address.Is4() || at.Prefix < 1 || at.Prefix > 30 {
		return nil, fmt.Errorf("%s/%d is no IPv4 address of a subnet", at.Address, at.Prefix)
	}
	prefix := netip.PrefixFrom(address, at.Prefix)
	gateway, err := netip.ParseAddr(at.Gateway)
	if err != nil || !prefix.Contains(gateway) || gateway == address {
		return nil, fmt.Errorf("%q is no gateway of %s", at.Gateway, prefix)
	}
	if mac, err := net.ParseMAC(at.MAC); err != nil || len(mac) != 6 || mac[0]&1 != 0 {
		return nil, fmt.Errorf("%q is no MAC address of an interface", at.MAC)
	}
	return &record{ID: r.ID, Mode: r.Mode, Address: prefix, Gateway: gateway, MAC: at.MAC}, nil
}

func (h *Host) record(id string) *record {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.claims.records[id]
}

func (h *Host) endpoint(r *record) Endpoint {
	return Endpoint{Path: h.namespace(r.ID), Address: r.Address, Gateway: r.Gateway}
}

// claim makes an endpoint's addresses and ports its own, and writes them down.
func (h *Host) claim(ctx context.Context, r *Request) (*record, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	made, err := h.plan(r)
	if err != nil {
		return nil, err
	}
	if made.Mode != ModeNone {
		if err := h.prepare(ctx, made.Mode, netip.PrefixFrom(made.Gateway, made.Address.Bits())); err != nil {
			return nil, err
		}
	}
	if err := h.records.put(made); err != nil {
		return nil, fmt.Errorf("writing down a network: %w", err)
	}
	h.claims.add(made)
	return made, nil
}

// plan says what an endpoint will be. h.mu is held.
func (h *Host) plan(r *Request) (*record, error) {
	switch r.Mode {
	case ModeAWSVPC:
		made, err := recordOf(r)
		if err != nil {
			return nil, err
		}
		if other := h.claims.taken[made.Address.Addr()]; other != "" {
			return nil, fmt.Errorf("address %s belongs to %s", made.Address.Addr(), other)
		}
		for _, vpc := range h.config.VPC {
			if vpc.Contains(made.Address.Addr()) && vpc.Bits() <= made.Address.Bits() {
				return made, nil
			}
		}
		return nil, fmt.Errorf("address %s is in none of the ranges of this machine's VPC: %v", made.Address, h.config.VPC)
	case ModeBridge:
		made := &record{ID: r.ID, Mode: r.Mode, Gateway: h.claims.gateway(), Ports: r.Ports}
		address, err := h.claims.free(r.ID)
		if err != nil {
			return nil, err
		}
		made.Address = netip.PrefixFrom(address, h.claims.bridge.Bits())
		made.MAC = macOf(address).String()
		return made, h.portsFree(r)
	default:
		return &record{ID: r.ID, Mode: r.Mode}, nil
	}
}

func (h *Host) portsFree(r *Request) error {
	targets, err := targetsOf(r.Ports)
	if err != nil {
		return err
	}
	for _, t := range targets {
		if other := h.claims.holder(r.ID, t.host); other != "" {
			return fmt.Errorf("host port %s: %w: it belongs to %s", t.host, ErrPortInUse, other)
		}
		if err := bindable(t.host); err != nil {
			return err
		}
	}
	return nil
}

// macOf derives the MAC address from the address, as long as who has the address does not matter to a neighbour that
// remembers it.
func macOf(a netip.Addr) net.HardwareAddr {
	b := a.As4()
	return net.HardwareAddr{0x02, 0x6d, b[0], b[1], b[2], b[3]}
}

// doubt lets the next Make look again at what all endpoints need: somebody may have taken a bridge away.
func (h *Host) doubt() {
	h.mu.Lock()
	defer h.mu.Unlock()
	clear(h.ready)
}

// build makes everything of an endpoint; the record says so at last.
func (h *Host) build(r *record, rules []model.FirewallRule) error {
	ns, err := newNamespace(h.namespace(r.ID))
	if err != nil {
		return err
	}
	defer func() { _ = ns.Close() }()
	if r.Mode == ModeAWSVPC {
		if err := secure(ns, r.Gateway, rules, true); err != nil {
			return err
		}
	}
	if err := h.connect(r, ns); err != nil {
		return err
	}
	if len(r.Ports) > 0 {
		if err := h.publish(r); err != nil {
			return err
		}
	}
	whole := *r
	whole.Made = true
	if err := h.records.put(&whole); err != nil {
		return fmt.Errorf("writing down a network: %w", err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	r.Made = true
	return nil
}

// Secure replaces the firewall rules of a task in mode awsvpc, at once and without a gap. Connections that the former
// rules let pass live on. In other modes it does nothing.
func (h *Host) Secure(ctx context.Context, id string, rules []model.FirewallRule) error {
	defer h.turns.take(id)()
	r := h.record(id)
	if r == nil {
		return fmt.Errorf("there is no network %s", id)
	}
	if r.Mode != ModeAWSVPC {
		return nil
	}
	return SecurePath(ctx, h.namespace(id), r.Gateway, rules)
}

// SecurePath sets the firewall rules of a namespace that somebody else made, as Secure does. The gateway is the
// machine's address in it.
func SecurePath(_ context.Context, path string, gateway netip.Addr, rules []model.FirewallRule) error {
	ns, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = ns.Close() }()
	if !isNamespace(ns) {
		return fmt.Errorf("%s is no namespace", path)
	}
	return secure(ns, gateway, rules, false)
}

// Release takes a namespace away with everything that belongs to it: its interface, its published ports, and what the
// kernel remembers of its connections. Of what is not there it is no error.
func (h *Host) Release(_ context.Context, id string) error {
	defer h.turns.take(id)()
	r := h.record(id)
	if r == nil {
		return nil
	}
	return h.unmake(r)
}

// unmake takes away what there may be of an endpoint, and forgets it when nothing is left. Traffic ends first; then the
// memory of connections goes, so that none of it comes back.
func (h *Host) unmake(r *record) error {
	if err := h.unpublish(r); err != nil {
		return err
	}
	if err := h.removeLink(h.linkName(r.ID)); err != nil {
		return err
	}
	if err := removeNamespace(h.namespace(r.ID)); err != nil {
		return err
	}
	if r.Address.IsValid() {
		if err := h.forget(r.Address.Addr()); err != nil {
			return err
		}
	}
	if err := h.records.remove(r.ID); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.claims.drop(r.ID)
	return nil
}

// List tells the ids of everything that there is, half made or not, sorted.
func (h *Host) List() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.claims.ids()
}

// Close lets go of the machine. Endpoints stay; if there is none, bridges and table are taken away too.
func (h *Host) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	var err error
	if len(h.claims.records) == 0 && h.touched {
		err = h.dismantle()
	}
	return errors.Join(err, h.hangUp())
}

// hangUp closes the kernel's interfaces.
func (h *Host) hangUp() error {
	h.links.Close()
	return h.tables.CloseLasting()
}

func (h *Host) logger() *slog.Logger {
	if h.config.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return h.config.Log
}

// turns lets callers of one id in one after the other.
type turns struct {
	mu      sync.Mutex
	waiting map[string]*turn
}

type turn struct {
	mu    sync.Mutex
	users int
}

// take waits for the id's turn and returns what ends it.
func (t *turns) take(id string) func() {
	t.mu.Lock()
	own := t.waiting[id]
	if own == nil {
		own = &turn{}
		t.waiting[id] = own
	}
	own.users++
	t.mu.Unlock()
	own.mu.Lock()
	return func() {
		own.mu.Unlock()
		t.mu.Lock()
		defer t.mu.Unlock()
		if own.users--; own.users == 0 {
			delete(t.waiting, id)
		}
	}
}
