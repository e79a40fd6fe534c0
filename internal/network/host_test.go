//go:build linux

package network

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/testneeds"
)

func TestNothingIsLeft(t *testing.T) {
	c := testConfig(t)
	before := leftovers(t, c)
	open := descriptors(t)
	for range 3 {
		h, err := New(t.Context(), c)
		must(t, err)
		var all sync.WaitGroup
		for i := range 20 {
			all.Go(func() {
				id := fmt.Sprint("c", i)
				e, err := h.Make(t.Context(), container(id, binding("", "tcp", 9000+i, 80)))
				if err != nil {
					t.Errorf("Make(%s): got error %v, want none", id, err)
					return
				}
				if !held(e.Path) {
					t.Errorf("%s is no namespace", e.Path)
				}
				if err := h.Release(t.Context(), id); err != nil {
					t.Errorf("Release(%s): got error %v, want none", id, err)
				}
			})
		}
		all.Wait()
		must(t, h.Close())
	}
	wantSame(t, "after Close", before, leftovers(t, c))
	if now := descriptors(t); now > open {
		t.Errorf("open files: got %d, want the %d of before", now, open)
	}
	for late := time.After(patience); len(strangers(t)) > 0; { // a thread that has said that it is done has yet to end
		select {
		case <-late:
			t.Fatalf("threads in other namespaces than the process's own: %q", strangers(t))
		default:
			runtime.Gosched()
		}
	}
}

// strangers are the threads that are in another network namespace than the process.
func strangers(t *testing.T) (found []string) {
	t.Helper()
	own, err := os.Readlink("/proc/self/ns/net")
	must(t, err)
	threads, err := filepath.Glob("/proc/self/task/*/ns/net")
	must(t, err)
	for _, thread := range threads {
		if ns, err := os.Readlink(thread); err == nil && ns != own {
			found = append(found, thread+" "+ns)
		}
	}
	return found
}

func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	return len(entries)
}

func TestSameIDAtTheSameTime(t *testing.T) {
	h := newHost(t, testConfig(t))
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if _, err := h.Make(t.Context(), container("c", binding("", "tcp", 9000, 80))); err != nil {
				t.Errorf("Make: got error %v, want none", err)
			}
		})
	}
	all.Wait()
	if got := len(h.List()); got != 1 {
		t.Errorf("endpoints: got %d, want 1", got)
	}
	if len(h.turns.waiting) != 0 {
		t.Errorf("turns: got %d left, want 0", len(h.turns.waiting))
	}
}

func TestFiftyAtOnce(t *testing.T) {
	h := newHost(t, testConfig(t))
	var all sync.WaitGroup
	ends := make([]Endpoint, 50)
	for i := range ends {
		all.Go(func() {
			var err error
			r := task(fmt.Sprint("t", i), fmt.Sprint("172.31.0.", 10+i))
			if i%2 == 1 {
				r = container(fmt.Sprint("c", i), binding("127.0.0.1", "tcp", 9000+i, 80))
			}
			if ends[i], err = h.Make(t.Context(), r); err != nil {
				t.Errorf("Make %d: got error %v, want none", i, err)
			}
		})
	}
	all.Wait()
	seen := map[netip.Prefix]bool{}
	for i, e := range ends {
		if seen[e.Address] {
			t.Errorf("address %s was given twice", e.Address)
		}
		seen[e.Address] = true
		serve(t, e.Path, "tcp4", "0.0.0.0:80", fmt.Sprint(i))
		wantAnswer(t, "", "tcp4", e.Address.Addr().String()+":80", fmt.Sprintf("%d to %s", i, e.Gateway))
	}
}

func TestNone(t *testing.T) {
	h := newHost(t, testConfig(t))
	e := makeEndpoint(t, h, Request{ID: "alone", Mode: ModeNone})
	must(t, within(e.Path, func() error {
		links, err := netlink.LinkList()
		if err != nil {
			return err
		}
		for _, l := range links {
			if up := l.Attrs().Flags&net.FlagUp != 0; up != (l.Attrs().Name == "lo") {
				t.Errorf("interface %s: got up %t, want lo alone", l.Attrs().Name, up)
			}
		}
		return nil
	}))
	if err := h.Secure(t.Context(), "alone", nil); err != nil {
		t.Errorf("Secure of mode none: got error %v, want none", err)
	}
}

// TestDockerForwards sets the firewall up as Docker does, which drops what it does not know.
func TestDockerForwards(t *testing.T) {
	testneeds.Root(t)
	iptables := testneeds.Command(t, "iptables")
	run := func(args string) {
		t.Helper()
		if out, err := exec.CommandContext(t.Context(), iptables, strings.Fields(args)...).CombinedOutput(); err != nil {
			t.Fatalf("iptables %s: %v\n%s", args, err, out)
		}
	}
	for _, args := range []string{
		"-P FORWARD DROP", "-N DOCKER-USER",
		"-A DOCKER-USER -m conntrack --ctstate INVALID -m comment --comment theirs -j DROP",
		"-A DOCKER-USER -i wire -p tcp -m multiport --dports 1,2 -m limit --limit 5/min -j RETURN", "-A DOCKER-USER -j RETURN", "-A FORWARD -j DOCKER-USER",
	} {
		run(args)
	}
	far := outside(t)
	serve(t, far, "tcp4", "0.0.0.0:80", "far")
	h := newHost(t, testConfig(t))
	c := makeEndpoint(t, h, container("c", binding("", "tcp", 8080, 80)))
	v := makeEndpoint(t, h, task("v", "172.31.0.10"))
	serve(t, c.Path, "tcp4", "0.0.0.0:80", "c")
	serve(t, v.Path, "tcp4", "0.0.0.0:80", "v")
	wantAnswer(t, c.Path, "tcp4", "203.0.113.2:80", "far to 203.0.113.1")
	wantAnswer(t, v.Path, "tcp4", "203.0.113.2:80", "far to 203.0.113.1")
	wantAnswer(t, far, "tcp4", "203.0.113.1:8080", "c to 203.0.113.2")
	wantAnswer(t, c.Path, "tcp4", "172.31.0.10:80", "v to "+c.Address.Addr().String())

	rules := func() string {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), iptables, "-S", "DOCKER-USER").CombinedOutput()
		if err != nil {
			t.Fatalf("iptables -S: %v\n%s", err, out)
		}
		return string(out)
	}
	before := rules()
	makeEndpoint(t, h, container("d"))
	if got := rules(); got != before || strings.Count(got, "-i mtbt1 ") != 1 {
		t.Errorf("rules in Docker's chain:\n%s\nwant each once, as before:\n%s", got, before)
	}
	for _, id := range h.List() {
		release(t, h, id)
	}
	must(t, h.dismantle())
	if got := rules(); strings.Contains(got, "mtb") || strings.Contains(got, "mtv") {
		t.Errorf("rules in Docker's chain after the bridges are gone:\n%s", got)
	}
	for _, args := range []string{"-P FORWARD ACCEPT", "-F FORWARD", "-F DOCKER-USER", "-X DOCKER-USER"} {
		run(args)
	}
}

// TestBridgeComesBack removes a bridge, as an operator who cleans up might.
func TestBridgeComesBack(t *testing.T) {
	h := newHost(t, testConfig(t))
	makeEndpoint(t, h, container("lost"))
	must(t, h.removeLink(h.bridgeName(ModeBridge)))
	if _, err := h.Make(t.Context(), container("a")); err == nil || !strings.Contains(err.Error(), "bridge mtbt1") {
		t.Errorf("Make without a bridge: got error %v, want one that names it", err)
	}
	e := makeEndpoint(t, h, container("a", binding("127.0.0.1", "tcp", 8080, 80)))
	serve(t, e.Path, "tcp4", "0.0.0.0:80", "a")
	wantAnswer(t, "", "tcp4", "127.0.0.1:8080", "a to "+e.Gateway.String())
}

func TestRangeThatTheMachineUses(t *testing.T) {
	outside(t) // 203.0.113.0/24
	c := testConfig(t)
	c.VPC = []netip.Prefix{netip.MustParsePrefix("203.0.112.0/20")}
	h := newHost(t, c)
	r := task("a", "203.0.113.77")
	if _, err := h.Make(t.Context(), r); err == nil || !strings.Contains(err.Error(), "choose another range") {
		t.Errorf("Make: got error %v, want one that says to choose another range", err)
	}
	if got := h.List(); len(got) != 0 {
		t.Errorf("endpoints: got %v, want none", got)
	}
}

func TestBadRequests(t *testing.T) {
	h := newHost(t, testConfig(t))
	before := leftovers(t, h.config)
	edit := func(f func(*Request)) Request {
		r := task("a", "172.31.0.10")
		f(&r)
		return r
	}
	for name, r := range map[string]Request{
		"no id":             edit(func(r *Request) { r.ID = "" }),
		"id with a path":    edit(func(r *Request) { r.ID = "../a" }),
		"mode host":         edit(func(r *Request) { r.Mode = "host" }),
		"no attachment":     edit(func(r *Request) { r.Attachment = nil }),
		"IPv6 address":      edit(func(r *Request) { r.Attachment.Address = "fd00::1" }),
		"address of no VPC": task("a", "10.9.9.9"),
		"prefix":            edit(func(r *Request) { r.Attachment.Prefix = 31 }),
		"prefix over VPC":   edit(func(r *Request) { r.Attachment.Prefix = 8 }),
		"gateway outside":   edit(func(r *Request) { r.Attachment.Gateway = "172.31.16.1" }),
		"gateway itself":    edit(func(r *Request) { r.Attachment.Gateway = r.Attachment.Address }),
		"MAC":               edit(func(r *Request) { r.Attachment.MAC = "02:00" }),
		"multicast MAC":     edit(func(r *Request) { r.Attachment.MAC = "03:00:00:00:00:01" }),
		"rule":              edit(func(r *Request) { r.Rules = []model.FirewallRule{rule(false, "x", 1, 1)} }),
		"port 0":            container("a", binding("", "tcp", 0, 80)),
		"container port":    container("a", binding("", "tcp", 80, 65536)),
		"protocol":          container("a", binding("", "sctp", 80, 80)),
		"address":           container("a", binding("localhost", "tcp", 80, 80)),
		"IPv6 binding":      container("a", binding("::1", "tcp", 80, 80)),
		"not ours":          container("a", binding("192.0.2.1", "tcp", 80, 80)),
		"twice":             container("a", binding("", "tcp", 80, 80), binding("127.0.0.1", "tcp", 80, 81)),
	} {
		if _, err := h.Make(t.Context(), r); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
	if err := h.Release(t.Context(), "unknown"); err != nil {
		t.Errorf("Release of what is not there: got error %v, want none", err)
	}
	if err := h.Secure(t.Context(), "unknown", nil); err == nil {
		t.Error("Secure of what is not there: got no error")
	}
	if err := SecurePath(t.Context(), "/etc/hosts", netip.MustParseAddr("10.0.0.1"), nil); err == nil {
		t.Error("SecurePath of a file: got no error")
	}
	for what := range leftoverNames(before, leftovers(t, h.config)) {
		if what != "interface mtbt1" && what != "table maitred_t1" {
			t.Errorf("left over: %s", what)
		}
	}
}

func leftoverNames(before, after []string) map[string]bool {
	more := map[string]bool{}
	for _, what := range after {
		more[what] = true
	}
	for _, what := range before {
		delete(more, what)
	}
	return more
}
