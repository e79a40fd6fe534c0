//go:build linux

package network

import (
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"

	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/testneeds"
)

func binding(address, protocol string, host, container int) model.PortBinding {
	return model.PortBinding{Address: address, Protocol: protocol, HostPort: host, ContainerPort: container}
}

func TestPublishedPorts(t *testing.T) {
	testneeds.Root(t)
	// With br_netfilter the kernel shows bridged packets to the firewall too, and redirects in the bridge.
	const bridged = "/proc/sys/net/bridge/bridge-nf-call-iptables"
	before, err := os.ReadFile(bridged)
	if errors.Is(err, fs.ErrNotExist) {
		testPublishedPorts(t)
		return
	}
	must(t, err)
	for _, value := range []string{"0", "1"} {
		t.Run("bridge-nf-call-iptables="+value, func(t *testing.T) {
			must(t, os.WriteFile(bridged, []byte(value), 0o644))
			testPublishedPorts(t)
		})
	}
	must(t, os.WriteFile(bridged, before, 0o644))
}

func testPublishedPorts(t *testing.T) {
	h := newHost(t, testConfig(t))
	far := outside(t)
	web := makeEndpoint(t, h, container("web",
		binding("127.0.0.1", "tcp", 8080, 80), binding("127.0.0.1", "udp", 8080, 80),
		binding("", "tcp", 8081, 80), binding("0.0.0.0", "udp", 8081, 80),
		binding("203.0.113.1", "tcp", 8082, 80), binding("203.0.113.1", "udp", 8082, 80),
	))
	other := makeEndpoint(t, h, container("other"))
	vpc := makeEndpoint(t, h, task("task", "172.31.0.10"))
	gateway := web.Gateway.String()
	for _, network := range []string{"tcp4", "udp4"} {
		serve(t, web.Path, network, "0.0.0.0:80", "web")

		wantAnswer(t, "", network, "127.0.0.1:8080", "web to "+gateway)
		wantSilenceOrRefusal(t, other.Path, network, gateway+":8080")

		wantAnswer(t, "", network, "127.0.0.1:8081", "web to "+gateway)
		wantAnswer(t, "", network, "203.0.113.1:8081", "web to 203.0.113.1")
		wantAnswer(t, far, network, "203.0.113.1:8081", "web to 203.0.113.2")
		wantAnswer(t, other.Path, network, gateway+":8081", "web to "+gateway)
		wantAnswer(t, other.Path, network, "203.0.113.1:8081", "web to "+gateway)
		wantAnswer(t, web.Path, network, "203.0.113.1:8081", "web to "+gateway) // itself
		wantAnswer(t, vpc.Path, network, "203.0.113.1:8081", "web to 172.31.0.10")

		wantAnswer(t, far, network, "203.0.113.1:8082", "web to 203.0.113.2")
		wantSilenceOrRefusal(t, "", network, "127.0.0.1:8082")

		wantAnswer(t, other.Path, network, web.Address.Addr().String()+":80", "web to "+other.Address.Addr().String())
	}
	release(t, h, "web")
	for _, network := range []string{"tcp4", "udp4"} {
		for _, a := range []string{"127.0.0.1:8080", "127.0.0.1:8081", "203.0.113.1:8082"} {
			wantSilenceOrRefusal(t, "", network, a)
		}
	}
}

// wantSilenceOrRefusal wants no answer.
func wantSilenceOrRefusal(t *testing.T, path, network, address string) {
	t.Helper()
	if got, err := ask(path, network, address, silence); err == nil {
		t.Errorf("asking %s %s: got %q, want no answer", network, address, got)
	}
}

func TestOutsideSeesTheMachine(t *testing.T) {
	h := newHost(t, testConfig(t))
	far := outside(t)
	serve(t, far, "tcp4", "0.0.0.0:80", "far")
	c := makeEndpoint(t, h, container("c"))
	v := makeEndpoint(t, h, task("v", "172.31.0.10"))
	wantAnswer(t, c.Path, "tcp4", "203.0.113.2:80", "far to 203.0.113.1")
	wantAnswer(t, v.Path, "tcp4", "203.0.113.2:80", "far to 203.0.113.1")
}

// TestOutsideReachesPublishedPortsOnly routes a container's network to this machine, as a neighbour could.
func TestOutsideReachesPublishedPortsOnly(t *testing.T) {
	h := newHost(t, testConfig(t))
	far := outside(t)
	c := makeEndpoint(t, h, container("c"))
	serve(t, c.Path, "tcp4", "0.0.0.0:80", "c")
	must(t, within(far, func() error {
		eth, err := netlink.LinkByName(inside)
		if err != nil {
			return err
		}
		return netlink.RouteAdd(&netlink.Route{
			LinkIndex: eth.Attrs().Index, Dst: ipNet(c.Address.Masked()), Gw: netip.MustParseAddr("203.0.113.1").AsSlice(),
		})
	}))
	wantAnswer(t, "", "tcp4", c.Address.Addr().String()+":80", "c to "+c.Gateway.String())
	wantSilence(t, far, "tcp4", c.Address.Addr().String()+":80")
}

// TestLoopbackOfTheMachineIsClosed tries what route_localnet would open: a container that routes 127.0.0.0/8 away.
func TestLoopbackOfTheMachineIsClosed(t *testing.T) {
	h := newHost(t, testConfig(t))
	c := makeEndpoint(t, h, container("c"))
	serve(t, "", "tcp4", "127.0.0.1:7000", "machine")
	must(t, within(c.Path, func() error {
		if err := setting("ipv4/conf/"+inside+"/route_localnet", "1"); err != nil {
			return err
		}
		lo, err := netlink.LinkByName("lo")
		if err != nil {
			return err
		}
		if err := netlink.AddrDel(lo, &netlink.Addr{IPNet: ipNet(netip.MustParsePrefix("127.0.0.1/8"))}); err != nil {
			return err
		}
		eth, err := netlink.LinkByName(inside)
		if err != nil {
			return err
		}
		return netlink.RouteAdd(&netlink.Route{LinkIndex: eth.Attrs().Index, Dst: ipNet(loopback), Gw: c.Gateway.AsSlice()})
	}))
	wantSilence(t, c.Path, "tcp4", "127.0.0.1:7000")
}

func TestPortsInUse(t *testing.T) {
	h := newHost(t, testConfig(t))
	tcp := serve(t, "", "tcp4", "127.0.0.1:0", "foreign")
	udp := serve(t, "", "udp4", "0.0.0.0:0", "foreign")
	makeEndpoint(t, h, container("first", binding("127.0.0.1", "tcp", 8080, 80)))
	before := leftovers(t, h.config)
	for _, c := range []struct {
		name  string
		ports []model.PortBinding
		want  string
	}{
		{"foreign tcp", []model.PortBinding{binding("127.0.0.1", "tcp", tcp, 80)}, "another program listens on it"},
		{"foreign tcp, all addresses", []model.PortBinding{binding("", "tcp", tcp, 80)}, "another program listens on it"},
		{"foreign udp", []model.PortBinding{binding("127.0.0.1", "udp", udp, 80)}, "another program listens on it"},
		{"our own", []model.PortBinding{binding("127.0.0.1", "tcp", 8080, 80)}, "it belongs to first"},
		{"our own, all addresses", []model.PortBinding{binding("", "tcp", 8080, 80)}, "it belongs to first"},
	} {
		_, err := h.Make(t.Context(), container("second", c.ports...))
		if !errors.Is(err, ErrPortInUse) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got error %v, want ErrPortInUse with %q", c.name, err, c.want)
		}
	}
	wantSame(t, "after refusals", before, leftovers(t, h.config))
	makeEndpoint(t, h, container("free", binding("127.0.0.1", "udp", tcp, 80), binding("127.0.0.2", "tcp", 8080, 80)))
}

// TestLateDatagramsReachNobody keeps one socket sending to a host port from before it is published until after it
// belongs to another container.
func TestLateDatagramsReachNobody(t *testing.T) {
	h := newHost(t, testConfig(t))
	far := outside(t)
	ports := binding("", "udp", 5353, 53)
	var c net.Conn
	must(t, within(far, func() (err error) {
		c, err = dialFrom("203.0.113.2:4000", "203.0.113.1:5353")
		return err
	}))
	defer c.Close()
	if got, err := speak(c, silence); err == nil {
		t.Errorf("before the port is published: got %q, want no answer", got)
	}
	for _, name := range []string{"first", "second", "third"} {
		e := makeEndpoint(t, h, container(name, ports))
		serve(t, e.Path, "udp4", "0.0.0.0:53", name)
		got, err := speak(c, patience)
		for buf := make([]byte, 1500); err == nil && got != name+" to 203.0.113.2"; { // an answer that a busy machine was slow with
			var n int
			n, err = c.Read(buf)
			got = strings.TrimSpace(string(buf[:n]))
		}
		if err != nil {
			t.Errorf("published by %s: got %q and error %v, want its answer", name, got, err)
		}
		release(t, h, name)
		if got, err := speak(c, silence); err == nil {
			t.Errorf("after %s was released: got %q, want no answer", name, got)
		}
		if flows := flowsOf(t, e.Address.Addr()); flows != 0 {
			t.Errorf("after %s was released: the kernel remembers %d connections of it, want 0", name, flows)
		}
	}
}

// TestTableComesBack flushes all tables, as a firewall that is loaded anew does.
func TestTableComesBack(t *testing.T) {
	h := newHost(t, testConfig(t))
	a := makeEndpoint(t, h, container("a", binding("127.0.0.1", "tcp", 8080, 80)))
	serve(t, a.Path, "tcp4", "0.0.0.0:80", "a")
	flush := func() {
		conn := &nftables.Conn{}
		conn.FlushRuleset()
		must(t, conn.Flush())
	}
	flush()
	b := makeEndpoint(t, h, container("b", binding("127.0.0.1", "tcp", 8081, 80)))
	serve(t, b.Path, "tcp4", "0.0.0.0:80", "b")
	wantAnswer(t, "", "tcp4", "127.0.0.1:8080", "a to "+a.Gateway.String())
	wantAnswer(t, "", "tcp4", "127.0.0.1:8081", "b to "+b.Gateway.String())
	flush()
	release(t, h, "b")
	wantAnswer(t, "", "tcp4", "127.0.0.1:8080", "a to "+a.Gateway.String())
}

func TestManyPorts(t *testing.T) {
	h := newHost(t, testConfig(t))
	var ports []model.PortBinding
	for p := range 1000 {
		ports = append(ports, binding("127.0.0.1", "tcp", 20000+p, 80))
	}
	e := makeEndpoint(t, h, container("many", ports...))
	serve(t, e.Path, "tcp4", "0.0.0.0:80", "many")
	for _, p := range []int{20000, 20500, 20999} {
		wantAnswer(t, "", "tcp4", "127.0.0.1:"+strconv.Itoa(p), "many to "+e.Gateway.String())
	}
}
