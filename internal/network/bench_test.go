//go:build linux

package network

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/maitred/maitred/internal/testneeds"
)

const atOnce = 50

// BenchmarkMake50 makes 50 networks at once and takes them away, of which only the making is timed. Beside ours stand
// the same without any of the bookkeeping, rules and ports, by the same calls of the kernel (raw), and by the ip program
// one after the other (ip).
func BenchmarkMake50(b *testing.B) {
	b.Run("awsvpc", func(b *testing.B) {
		benchmarkOurs(b, func(i int) Request {
			return task(fmt.Sprint("t", i), address(number(testVPC.Addr())+10+uint32(i)).String())
		})
	})
	b.Run("bridge", func(b *testing.B) {
		benchmarkOurs(b, func(i int) Request { return container(fmt.Sprint("c", i), binding("127.0.0.1", "tcp", 9000+i, 80)) })
	})
	b.Run("none", func(b *testing.B) {
		benchmarkOurs(b, func(i int) Request { return Request{ID: fmt.Sprint("n", i), Mode: ModeNone} })
	})
	b.Run("raw", benchmarkRaw)
	b.Run("ip", benchmarkIP)
}

func benchmarkOurs(b *testing.B, request func(int) Request) {
	c := testConfig(b)
	c.Log = nil
	h := newHost(b, c)
	makeEndpoint(b, h, request(atOnce))
	for b.Loop() {
		each(func(i int) { makeEndpoint(b, h, request(i)) })
		b.StopTimer()
		each(func(i int) { release(b, h, request(i).ID) })
		b.StartTimer()
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/atOnce, "µs/network")
}

// BenchmarkRelease50 takes 50 networks away at once.
func BenchmarkRelease50(b *testing.B) {
	c := testConfig(b)
	c.Log = nil
	h := newHost(b, c)
	request := func(i int) Request { return container(fmt.Sprint("c", i), binding("127.0.0.1", "tcp", 9000+i, 80)) }
	makeEndpoint(b, h, request(atOnce))
	for b.Loop() {
		b.StopTimer()
		each(func(i int) { makeEndpoint(b, h, request(i)) })
		b.StartTimer()
		each(func(i int) { release(b, h, request(i).ID) })
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/atOnce, "µs/network")
}

func each(f func(int)) {
	var all sync.WaitGroup
	for i := range atOnce {
		all.Go(func() { f(i) })
	}
	all.Wait()
}

// rawBridge makes a bridge and takes it away when the benchmark ends.
func rawBridge(b *testing.B) *netlink.Bridge {
	b.Helper()
	testneeds.Root(b)
	bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "raw", TxQLen: -1}}
	must(b, netlink.LinkAdd(bridge))
	b.Cleanup(func() { must(b, netlink.LinkDel(bridge)) })
	must(b, netlink.LinkSetUp(bridge))
	return bridge
}

func benchmarkRaw(b *testing.B) {
	bridge := rawBridge(b)
	dir := b.TempDir()
	for b.Loop() {
		each(func(i int) {
			if err := rawNetwork(bridge, filepath.Join(dir, fmt.Sprint(i)), i); err != nil {
				b.Error(err)
			}
		})
		b.StopTimer()
		each(func(i int) {
			link, err := netlink.LinkByName(fmt.Sprint("raw", i))
			if err == nil {
				err = netlink.LinkDel(link)
			}
			if err == nil {
				err = removeNamespace(filepath.Join(dir, fmt.Sprint(i)))
			}
			if err != nil {
				b.Error(err)
			}
		})
		b.StartTimer()
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/atOnce, "µs/network")
}

// rawNetwork makes a namespace that is joined to a bridge, with an address and a route.
func rawNetwork(bridge *netlink.Bridge, path string, i int) error {
	if err := os.WriteFile(path, nil, 0o444); err != nil {
		return err
	}
	err := onThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return err
		}
		return unix.Mount("/proc/thread-self/ns/net", path, "", unix.MS_BIND, "")
	})
	if err != nil {
		return err
	}
	ns, err := os.Open(path)
	if err != nil {
		return err
	}
	defer ns.Close()
	pair := netlink.NewVeth(netlink.LinkAttrs{Name: fmt.Sprint("raw", i), TxQLen: -1, MasterIndex: bridge.Index, Flags: 1})
	pair.PeerName, pair.PeerNamespace = inside, netlink.NsFd(ns.Fd())
	if err := netlink.LinkAdd(pair); err != nil {
		return err
	}
	in, err := netlink.NewHandleAt(netns.NsHandle(ns.Fd()), unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer in.Close()
	r, err := recordOf(&Request{Attachment: task("", address(number(testVPC.Addr())+10+uint32(i)).String()).Attachment})
	if err != nil {
		return err
	}
	return furnish(in, r)
}

func benchmarkIP(b *testing.B) {
	rawBridge(b)
	ip := testneeds.Command(b, "ip")
	must(b, os.MkdirAll("/run/netns", 0o755))
	run := func(args ...string) {
		if out, err := exec.CommandContext(b.Context(), ip, args...).CombinedOutput(); err != nil {
			b.Fatalf("ip %v: %v\n%s", args, err, out)
		}
	}
	for b.Loop() {
		for i := range atOnce {
			ns, link := fmt.Sprint("maitred-bench", i), fmt.Sprint("raw", i)
			run("netns", "add", ns)
			run("link", "add", link, "up", "master", "raw", "type", "veth", "peer", inside, "netns", ns)
			run("-n", ns, "addr", "add", fmt.Sprintf("172.31.0.%d/20", 10+i), "dev", inside)
			run("-n", ns, "link", "set", inside, "up")
			run("-n", ns, "route", "add", "default", "via", "172.31.0.1")
		}
		b.StopTimer()
		for i := range atOnce {
			run("link", "del", fmt.Sprint("raw", i))
			run("netns", "del", fmt.Sprint("maitred-bench", i))
		}
		b.StartTimer()
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/atOnce, "µs/network")
}
