//go:build linux

package network

import (
	"fmt"
	"net"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/maitred/maitred/internal/model"
)

func TestTasksReachEachOtherAndTheMachine(t *testing.T) {
	h := newHost(t, testConfig(t))
	a := makeEndpoint(t, h, task("a", "172.31.0.10"))
	b := makeEndpoint(t, h, task("b", "172.31.0.11"))
	far := makeEndpoint(t, h, task("far", "172.31.16.10"))
	for _, network := range []string{"tcp4", "udp4"} {
		serve(t, a.Path, network, "0.0.0.0:80", "a")
		serve(t, far.Path, network, "0.0.0.0:80", "far")
		serve(t, "", network, "0.0.0.0:8080", "machine")
		wantAnswer(t, "", network, "172.31.0.10:80", "a to 172.31.0.1")
		wantAnswer(t, b.Path, network, "172.31.0.10:80", "a to 172.31.0.11")
		wantAnswer(t, a.Path, network, "172.31.0.10:80", "a to 172.31.0.10")
		wantAnswer(t, b.Path, network, "172.31.16.10:80", "far to 172.31.0.11")
		wantAnswer(t, far.Path, network, "172.31.0.10:80", "a to 172.31.16.10")
		wantAnswer(t, b.Path, network, "172.31.0.1:8080", "machine to 172.31.0.11")
	}
}

// rule lets TCP to a port pass from or to ranges.
func rule(egress bool, protocol string, from, to int, ranges ...string) model.FirewallRule {
	return model.FirewallRule{Egress: egress, Protocol: protocol, From: from, To: to, Ranges: ranges}
}

func TestRulesAreEnforced(t *testing.T) {
	h := newHost(t, testConfig(t))
	guarded := task("guarded", "172.31.0.20")
	guarded.Rules = []model.FirewallRule{
		rule(false, "tcp", 80, 81, "172.31.0.21"),
		rule(false, "udp", 80, 80, "172.31.0.21/32"),
		rule(true, "tcp", 90, 90, "172.31.0.21", "172.31.0.99"),
	}
	g := makeEndpoint(t, h, guarded)
	friend := makeEndpoint(t, h, task("friend", "172.31.0.21"))
	stranger := makeEndpoint(t, h, task("stranger", "172.31.0.22"))
	for _, p := range []string{"80", "81", "82"} {
		serve(t, g.Path, "tcp4", "0.0.0.0:"+p, "guarded")
	}
	serve(t, g.Path, "udp4", "0.0.0.0:80", "guarded")
	for _, e := range []Endpoint{friend, stranger} {
		serve(t, e.Path, "tcp4", "0.0.0.0:90", "other")
		serve(t, e.Path, "tcp4", "0.0.0.0:91", "other")
	}

	wantAnswer(t, friend.Path, "tcp4", "172.31.0.20:80", "guarded to 172.31.0.21")
	wantAnswer(t, friend.Path, "tcp4", "172.31.0.20:81", "guarded to 172.31.0.21")
	wantAnswer(t, friend.Path, "udp4", "172.31.0.20:80", "guarded to 172.31.0.21")
	wantAnswer(t, g.Path, "tcp4", "172.31.0.20:82", "guarded to 172.31.0.20") // by its loopback interface
	wantAnswer(t, "", "tcp4", "172.31.0.20:82", "guarded to 172.31.0.1")      // the machine itself
	wantSilence(t, friend.Path, "tcp4", "172.31.0.20:82")
	wantSilence(t, stranger.Path, "tcp4", "172.31.0.20:80")
	wantSilence(t, stranger.Path, "udp4", "172.31.0.20:80")
	wantAnswer(t, g.Path, "tcp4", "172.31.0.21:90", "other to 172.31.0.20")
	wantSilence(t, g.Path, "tcp4", "172.31.0.21:91")
	wantSilence(t, g.Path, "tcp4", "172.31.0.22:90")

	must(t, h.Secure(t.Context(), "guarded", []model.FirewallRule{rule(false, "-1", -1, -1, "172.31.0.22")}))
	wantAnswer(t, stranger.Path, "tcp4", "172.31.0.20:82", "guarded to 172.31.0.22")
	wantSilence(t, friend.Path, "tcp4", "172.31.0.20:80")
	wantSilence(t, g.Path, "tcp4", "172.31.0.21:90")

	must(t, SecurePath(t.Context(), g.Path, g.Gateway, nil))
	wantSilence(t, stranger.Path, "tcp4", "172.31.0.20:82")
}

// TestRulesChangeWithoutAGap holds a connection open while its rule goes, and sees that only new ones are cut off.
func TestRulesChangeWithoutAGap(t *testing.T) {
	h := newHost(t, testConfig(t))
	a := makeEndpoint(t, h, task("a", "172.31.0.10"))
	b := makeEndpoint(t, h, task("b", "172.31.0.11"))
	serve(t, a.Path, "tcp4", "0.0.0.0:80", "a")
	var c net.Conn
	must(t, within(b.Path, func() (err error) {
		c, err = net.Dial("tcp4", "172.31.0.10:80")
		return err
	}))
	defer c.Close()
	for range 20 {
		must(t, h.Secure(t.Context(), "a", nil))
		if _, err := speak(c, patience); err != nil {
			t.Fatalf("after the rules changed: got error %v, want an answer", err)
		}
	}
	wantSilence(t, b.Path, "tcp4", "172.31.0.10:80")
}

func TestMetadataAndResolversAreLetOut(t *testing.T) {
	h := newHost(t, testConfig(t))
	must(t, EnsureMetadataAddress(t.Context()))
	must(t, EnsureMetadataAddress(t.Context()))
	shut := task("shut", "172.31.0.10")
	shut.Rules = nil
	e := makeEndpoint(t, h, shut)
	bridged := makeEndpoint(t, h, container("c"))
	serve(t, "", "tcp4", MetadataAddress+":8999", "metadata")
	serve(t, "", "udp4", "172.31.0.1:53", "resolver")
	wantAnswer(t, e.Path, "tcp4", MetadataAddress+":8999", "metadata to 172.31.0.10")
	wantAnswer(t, e.Path, "udp4", "172.31.0.1:53", "resolver to 172.31.0.10")
	wantAnswer(t, bridged.Path, "tcp4", MetadataAddress+":8999", "metadata to "+bridged.Address.Addr().String())
	serve(t, "", "tcp4", "172.31.0.1:54", "something else")
	wantSilence(t, e.Path, "tcp4", "172.31.0.1:54")
}

// TestLargeGroups sets more addresses than fit into one message.
func TestLargeGroups(t *testing.T) {
	h := newHost(t, testConfig(t))
	var ranges []string
	for i := range 20000 {
		ranges = append(ranges, address(0x0a000000+uint32(i)*2).String())
	}
	r := task("a", "172.31.0.10")
	r.Rules = []model.FirewallRule{rule(false, "tcp", 80, 80, append(ranges, "172.31.0.11")...)}
	a := makeEndpoint(t, h, r)
	b := makeEndpoint(t, h, task("b", "172.31.0.11"))
	c := makeEndpoint(t, h, task("c", "172.31.0.12"))
	serve(t, a.Path, "tcp4", "0.0.0.0:80", "a")
	wantAnswer(t, b.Path, "tcp4", "172.31.0.10:80", "a to 172.31.0.11")
	wantSilence(t, c.Path, "tcp4", "172.31.0.10:80")
}

// TestAttachmentIsTheInterface reads back what the task would see.
func TestAttachmentIsTheInterface(t *testing.T) {
	h := newHost(t, testConfig(t))
	r := task("a", "172.31.0.10")
	e := makeEndpoint(t, h, r)
	must(t, within(e.Path, func() error {
		eth, err := netlink.LinkByName(inside)
		if err != nil {
			return err
		}
		if got := eth.Attrs().HardwareAddr.String(); got != r.Attachment.MAC {
			t.Errorf("MAC address: got %s, want %s", got, r.Attachment.MAC)
		}
		addresses, err := netlink.AddrList(eth, netlink.FAMILY_ALL)
		if err != nil {
			return err
		}
		if len(addresses) != 1 || addresses[0].IPNet.String() != "172.31.0.10/20" {
			t.Errorf("addresses: got %v, want 172.31.0.10/20 alone", addresses)
		}
		routes, err := netlink.RouteGet(net.IPv4(1, 1, 1, 1))
		if err != nil {
			return err
		}
		if got := routes[0].Gw.String(); got != "172.31.0.1" {
			t.Errorf("gateway: got %s, want 172.31.0.1", got)
		}
		l, err := net.Listen("tcp6", "[::1]:0")
		if err != nil {
			return fmt.Errorf("IPv6 of the loopback interface: %w", err)
		}
		return l.Close()
	}))
}
