//go:build linux

package network

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// errKilled stands for the end of the process at that place.
var errKilled = errors.New("killed")

// killedMaking does what Make does, up to a step, and leaves it there.
func killedMaking(t *testing.T, h *Host, r Request, after string) {
	t.Helper()
	did := func(step string) error {
		if step == after {
			return errKilled
		}
		return nil
	}
	var made *record
	steps := []struct {
		name string
		do   func() error
	}{
		{"write the record's file", func() error {
			h.mu.Lock()
			defer h.mu.Unlock()
			planned, err := h.plan(&r)
			if err != nil {
				return err
			}
			return os.WriteFile(h.records.path(planned.ID)+temporary, []byte(`{"id":`), 0o600)
		}},
		{"claim", func() (err error) { made, err = h.claim(t.Context(), &r); return err }},
		{"make the namespace's file", func() error { return os.WriteFile(h.namespace(r.ID), nil, 0o444) }},
		{"make the namespace", func() error { return makeAndClose(h.namespace(r.ID)) }},
		{"secure", func() error { return SecurePath(t.Context(), h.namespace(r.ID), made.Gateway, r.Rules) }},
		{"make the interfaces", func() error { return h.pairOnly(made) }},
		{"connect", func() error {
			if err := h.removeLink(h.linkName(r.ID)); err != nil {
				return err
			}
			return h.connectPath(made)
		}},
		{"publish", func() error { return h.publish(made) }},
	}
	for _, s := range steps {
		must(t, s.do())
		if did(s.name) != nil {
			return
		}
	}
	t.Fatalf("there is no step %q", after)
}

func makeAndClose(path string) error {
	ns, err := newNamespace(path)
	if err != nil {
		return err
	}
	return ns.Close()
}

func (h *Host) connectPath(r *record) error {
	ns, err := os.Open(h.namespace(r.ID))
	if err != nil {
		return err
	}
	defer ns.Close()
	return h.connect(r, ns)
}

// pairOnly makes the two interfaces and does not join them to anything.
func (h *Host) pairOnly(r *record) error {
	ns, err := os.Open(h.namespace(r.ID))
	if err != nil {
		return err
	}
	defer ns.Close()
	pair := netlink.NewVeth(netlink.LinkAttrs{Name: h.linkName(r.ID), TxQLen: -1})
	pair.PeerName, pair.PeerNamespace = inside, netlink.NsFd(ns.Fd())
	return h.links.LinkAdd(pair)
}

func makingSteps() []string {
	return []string{
		"write the record's file", "claim", "make the namespace's file", "make the namespace", "secure", "make the interfaces",
		"connect", "publish",
	}
}

// killed lets go of what a process that ends lets go of, and nothing more.
func (h *Host) killed() { _ = h.hangUp() }

func crashRequests() []Request {
	bridged := container("x", binding("127.0.0.1", "tcp", 8080, 80), binding("", "udp", 8080, 80))
	return []Request{task("x", "172.31.0.10"), bridged}
}

func TestKilledWhileMaking(t *testing.T) {
	for _, r := range crashRequests() {
		for _, step := range makingSteps() {
			t.Run(fmt.Sprintf("%s after %s", r.Mode, step), func(t *testing.T) {
				c := testConfig(t)
				keep := newHost(t, c) // so that the bridges stay
				neighbour := makeEndpoint(t, keep, container("neighbour", binding("127.0.0.1", "tcp", 8000, 80)))
				serve(t, neighbour.Path, "tcp4", "0.0.0.0:80", "neighbour")
				makeEndpoint(t, keep, task("other", "172.31.0.99"))
				keep.killed()
				before := leftovers(t, c)

				first, err := New(t.Context(), c)
				must(t, err)
				killedMaking(t, first, r, step)
				first.killed()
				second, err := New(t.Context(), c)
				must(t, err)
				must(t, second.Release(t.Context(), "x"))
				must(t, second.Release(t.Context(), "x"))
				wantSame(t, "after Release", before, leftovers(t, c))

				killedMaking(t, second, r, step)
				second.killed()
				third := newHost(t, c)
				e := makeEndpoint(t, third, r)
				serve(t, e.Path, "tcp4", "0.0.0.0:80", "x")
				wantAnswer(t, "", "tcp4", e.Address.Addr().String()+":80", "x to "+e.Gateway.String())
				if r.Mode == ModeBridge {
					wantAnswer(t, "", "tcp4", "127.0.0.1:8080", "x to "+e.Gateway.String())
				}
				wantAnswer(t, "", "tcp4", "127.0.0.1:8000", "neighbour to "+neighbour.Gateway.String())
				if diff := cmp.Diff([]string{"neighbour", "other", "x"}, third.List()); diff != "" {
					t.Errorf("List (-want +got):\n%s", diff)
				}
			})
		}
	}
}

func TestKilledWhileReleasing(t *testing.T) {
	for _, r := range crashRequests() {
		for n, step := range []string{"nothing", "unpublish", "disconnect", "unmount", "remove the namespace"} {
			t.Run(fmt.Sprintf("%s after %s", r.Mode, step), func(t *testing.T) {
				c := testConfig(t)
				first := newHost(t, c)
				makeEndpoint(t, first, r)
				before := leftovers(t, c)
				made := first.record("x")
				for i, do := range []func() error{
					func() error { return first.unpublish(made) },
					func() error { return first.removeLink(first.linkName("x")) },
					func() error { return unix.Unmount(first.namespace("x"), unix.MNT_DETACH) },
					func() error { return removeNamespace(first.namespace("x")) },
				} {
					if i < n {
						must(t, do())
					}
				}
				first.killed()

				second := newHost(t, c)
				if diff := cmp.Diff([]string{"x"}, second.List()); diff != "" {
					t.Errorf("List (-want +got):\n%s", diff)
				}
				must(t, second.Release(t.Context(), "x"))
				gone := slices.DeleteFunc(slices.Clone(before), func(what string) bool {
					return what == "interface "+second.linkName("x") || slices.Contains([]string{
						"mount " + second.namespace("x"), "file " + second.namespace("x"), "file " + second.records.path("x"),
					}, what)
				})
				wantSame(t, "after Release", gone, leftovers(t, c))
			})
		}
	}
}

// TestRestart leaves endpoints alone: they work while nobody is there and afterwards.
func TestRestart(t *testing.T) {
	c := testConfig(t)
	first := newHost(t, c)
	web := container("web", binding("127.0.0.1", "tcp", 8080, 80))
	e := makeEndpoint(t, first, web)
	v := makeEndpoint(t, first, task("v", "172.31.0.10"))
	serve(t, e.Path, "tcp4", "0.0.0.0:80", "web")
	serve(t, v.Path, "tcp4", "0.0.0.0:80", "v")
	check := func() {
		t.Helper()
		wantAnswer(t, "", "tcp4", "127.0.0.1:8080", "web to "+e.Gateway.String())
		wantAnswer(t, "", "tcp4", "172.31.0.10:80", "v to 172.31.0.1")
	}
	before := leftovers(t, c)
	must(t, first.Close())
	wantSame(t, "after Close", before, leftovers(t, c))
	check()
	second := newHost(t, c)
	check()
	if got := makeEndpoint(t, second, web); got != e {
		t.Errorf("Make of what is made: got %v, want %v", got, e)
	}
	if got := makeEndpoint(t, second, task("v", "172.31.0.10")); got != v {
		t.Errorf("Make of what is made: got %v, want %v", got, v)
	}
	wantSame(t, "after Make of what is made", before, leftovers(t, c))
	check()
	if _, err := second.Make(t.Context(), container("other", binding("", "tcp", 8080, 80))); !errors.Is(err, ErrPortInUse) {
		t.Errorf("Make with a port of another: got error %v, want ErrPortInUse", err)
	}
	if _, err := second.Make(t.Context(), task("other", "172.31.0.10")); err == nil {
		t.Error("Make with an address of another: got no error")
	}
}

// TestReboot takes away what does not outlive the machine's power, and leaves the files.
func TestReboot(t *testing.T) {
	c := testConfig(t)
	first := newHost(t, c)
	for _, r := range crashRequests() {
		r.ID += r.Mode
		makeEndpoint(t, first, r)
		must(t, unix.Unmount(first.namespace(r.ID), unix.MNT_DETACH))
		must(t, first.removeLink(first.linkName(r.ID)))
	}
	must(t, first.dismantle())
	first.killed()

	second := newHost(t, c)
	if diff := cmp.Diff([]string{"xawsvpc", "xbridge"}, second.List()); diff != "" {
		t.Errorf("List (-want +got):\n%s", diff)
	}
	for _, r := range crashRequests() {
		r.ID += r.Mode
		e := makeEndpoint(t, second, r)
		serve(t, e.Path, "tcp4", "0.0.0.0:80", "x")
		wantAnswer(t, "", "tcp4", netip.AddrPortFrom(e.Address.Addr(), 80).String(), "x to "+e.Gateway.String())
	}
}
