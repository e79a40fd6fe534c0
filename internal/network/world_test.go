//go:build linux

package network

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/nftables"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/testneeds"
)

// The tests share one network, the process's own; so no two that make something run at the same time.

const (
	patience = 20 * time.Second       // for what must come
	silence  = 300 * time.Millisecond // after which what must not come has not come
)

var testVPC = netip.MustParsePrefix("172.31.0.0/16")

func testConfig(t testing.TB) Config {
	t.Helper()
	testneeds.Root(t)
	return Config{Scope: "t1", Dir: t.TempDir(), VPC: []netip.Prefix{testVPC}, Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
}

// newHost makes a Host that is closed, with everything that it holds, when the test ends.
func newHost(t testing.TB, c Config) *Host {
	t.Helper()
	h, err := New(t.Context(), c)
	if err != nil {
		t.Fatalf("New: got error %v, want none", err)
	}
	t.Cleanup(func() {
		for _, id := range h.List() {
			if err := h.Release(context.Background(), id); err != nil {
				t.Errorf("Release(%s): got error %v, want none", id, err)
			}
		}
		if err := h.Close(); err != nil {
			t.Errorf("Close: got error %v, want none", err)
		}
	})
	return h
}

func makeEndpoint(t testing.TB, h *Host, r Request) Endpoint {
	t.Helper()
	e, err := h.Make(t.Context(), r)
	if err != nil {
		t.Fatalf("Make(%s): got error %v, want none", r.ID, err)
	}
	return e
}

func release(t testing.TB, h *Host, id string) {
	t.Helper()
	if err := h.Release(t.Context(), id); err != nil {
		t.Fatalf("Release(%s): got error %v, want none", id, err)
	}
}

// task is a request of mode awsvpc with an address of the subnet of 20 bits that it is in, and rules that let all pass.
func task(id, address string) Request {
	p := netip.PrefixFrom(netip.MustParseAddr(address), 20)
	return Request{
		ID: id, Mode: ModeAWSVPC,
		Attachment: &model.Attachment{
			Address: address, Prefix: 20, Gateway: p.Masked().Addr().Next().String(), MAC: macOf(p.Addr()).String(),
		},
		Rules: []model.FirewallRule{
			{Protocol: "-1", From: -1, To: -1, Ranges: []string{"0.0.0.0/0"}},
			{Egress: true, Protocol: "-1", From: -1, To: -1, Ranges: []string{"0.0.0.0/0"}},
		},
	}
}

func container(id string, ports ...model.PortBinding) Request {
	return Request{ID: id, Mode: ModeBridge, Ports: ports}
}

// within runs f in a namespace; path "" is the process's own.
func within(path string, f func() error) error {
	if path == "" {
		return f()
	}
	return onThread(func() error {
		ns, err := os.Open(path)
		if err != nil {
			return err
		}
		defer ns.Close()
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			return err
		}
		return f()
	})
}

// serve answers, in a namespace, every line or datagram with its name and whom it comes from. It returns its port.
func serve(t testing.TB, path, network, address, name string) int {
	t.Helper()
	port := 0
	err := within(path, func() error {
		if network == "udp4" {
			c, err := net.ListenPacket(network, address)
			if err != nil {
				return err
			}
			port = c.LocalAddr().(*net.UDPAddr).Port
			ended := make(chan struct{})
			go func() { defer close(ended); answerDatagrams(c, name) }()
			t.Cleanup(func() { c.Close(); <-ended })
			return nil
		}
		l, err := net.Listen(network, address)
		if err != nil {
			return err
		}
		port = l.Addr().(*net.TCPAddr).Port
		ended := make(chan struct{})
		go func() { defer close(ended); answerLines(l, name) }()
		t.Cleanup(func() { l.Close(); <-ended })
		return nil
	})
	if err != nil {
		t.Fatalf("serving %s on %s: %v", name, address, err)
	}
	return port
}

func answerDatagrams(c net.PacketConn, name string) {
	buf := make([]byte, 1500)
	for {
		_, from, err := c.ReadFrom(buf)
		if err != nil {
			return
		}
		_, _ = c.WriteTo([]byte(answer(name, from)), from)
	}
}

func answerLines(l net.Listener, name string) {
	open := map[net.Conn]chan struct{}{}
	defer func() {
		for c, ended := range open {
			c.Close()
			<-ended
		}
	}()
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		ended := make(chan struct{})
		open[c] = ended
		go func() {
			defer close(ended)
			defer c.Close()
			for lines := bufio.NewScanner(c); lines.Scan(); {
				fmt.Fprint(c, answer(name, c.RemoteAddr()))
			}
		}()
	}
}

func answer(name string, from net.Addr) string {
	return name + " to " + netip.MustParseAddrPort(from.String()).Addr().Unmap().String() + "\n"
}

// ask asks a server from a namespace and returns its answer.
func ask(path, network, address string, wait time.Duration) (string, error) {
	var got string
	err := within(path, func() error {
		c, err := net.DialTimeout(network, address, wait)
		if err != nil {
			return err
		}
		defer c.Close()
		got, err = speak(c, wait)
		return err
	})
	return got, err
}

func speak(c net.Conn, wait time.Duration) (string, error) {
	if err := c.SetDeadline(time.Now().Add(wait)); err != nil { //nolint:forbidigo // real sockets know real time only
		return "", err
	}
	if _, err := c.Write([]byte("hello\n")); err != nil {
		return "", err
	}
	buf := make([]byte, 1500)
	n, err := c.Read(buf)
	return strings.TrimSpace(string(buf[:n])), err
}

func wantAnswer(t testing.TB, path, network, address, want string) {
	t.Helper()
	if got, err := ask(path, network, address, patience); err != nil || got != want {
		t.Errorf("asking %s %s from %q: got %q and error %v, want %q", network, address, filepath.Base(path), got, err, want)
	}
}

// wantSilence wants no answer and no refusal.
func wantSilence(t testing.TB, path, network, address string) {
	t.Helper()
	got, err := ask(path, network, address, silence)
	var late net.Error
	switch {
	case errors.Is(err, syscall.EPERM): // dropped on the way out
	case err == nil || !errors.As(err, &late) || !late.Timeout():
		t.Errorf("asking %s %s from %q: got %q and error %v, want no answer at all", network, address, filepath.Base(path), got, err)
	}
}

// outside is another machine on a wire to this one: it is 203.0.113.2, this one 203.0.113.1.
func outside(t testing.TB) string {
	t.Helper()
	testneeds.Root(t)
	path := filepath.Join(t.TempDir(), "outside")
	ns, err := newNamespace(path)
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	wire := netlink.NewVeth(netlink.LinkAttrs{Name: "wire", TxQLen: -1, Flags: net.FlagUp})
	wire.PeerName, wire.PeerNamespace = inside, netlink.NsFd(ns.Fd())
	must(t, netlink.LinkAdd(wire))
	t.Cleanup(func() {
		must(t, netlink.LinkDel(wire))
		must(t, removeNamespace(path))
	})
	must(t, netlink.AddrAdd(wire, &netlink.Addr{IPNet: ipNet(netip.MustParsePrefix("203.0.113.1/24"))}))
	must(t, within(path, func() error {
		if err := loopbackUp(); err != nil {
			return err
		}
		eth, err := netlink.LinkByName(inside)
		if err != nil {
			return err
		}
		if err := netlink.AddrAdd(eth, &netlink.Addr{IPNet: ipNet(netip.MustParsePrefix("203.0.113.2/24"))}); err != nil {
			return err
		}
		return netlink.LinkSetUp(eth)
	}))
	return path
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// leftovers are the interfaces, tables, mounts and files that there are.
func leftovers(t testing.TB, c Config) []string {
	t.Helper()
	var out []string
	links, err := netlink.LinkList()
	must(t, err)
	for _, l := range links {
		out = append(out, "interface "+l.Attrs().Name)
	}
	conn := &nftables.Conn{}
	tables, err := conn.ListTables()
	must(t, err)
	for _, n := range tables {
		out = append(out, "table "+n.Name)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	must(t, err)
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, c.Dir) {
			out = append(out, "mount "+strings.Fields(line)[4])
		}
	}
	for _, dir := range []string{"endpoints", "netns"} {
		files, err := filepath.Glob(filepath.Join(c.Dir, dir, "*"))
		must(t, err)
		for _, f := range files {
			out = append(out, "file "+f)
		}
	}
	slices.Sort(out)
	return out
}

func wantSame(t testing.TB, when string, before, after []string) {
	t.Helper()
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("%s: what there is changed (-before +after):\n%s", when, diff)
	}
}

func dialFrom(from, to string) (net.Conn, error) {
	local, remote := net.UDPAddrFromAddrPort(netip.MustParseAddrPort(from)), net.UDPAddrFromAddrPort(netip.MustParseAddrPort(to))
	return net.DialUDP("udp4", local, remote)
}

// flowsOf counts the connections of an address that the kernel remembers.
func flowsOf(t testing.TB, a netip.Addr) int {
	t.Helper()
	all, err := netlink.ConntrackTableList(netlink.ConntrackTable, unix.AF_INET)
	must(t, err)
	n := 0
	for _, f := range all {
		for _, ip := range []net.IP{f.Forward.SrcIP, f.Forward.DstIP, f.Reverse.SrcIP, f.Reverse.DstIP} {
			if addressOf(ip) == a {
				n++
				break
			}
		}
	}
	return n
}
