//go:build linux

package oci_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/network"
	"github.com/maitred/maitred/internal/testneeds"
)

// TestNetworks runs tasks in real networks. They are of a scope and a range of their own, and are gone at the end.
func TestNetworks(t *testing.T) {
	t.Parallel()
	needs(t)
	if err := network.Available(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("needs networks: %v; with CI=true nothing may be missing", err)
		}
		t.Skipf("needs networks: %v", err)
	}
	vpc := testneeds.Range(t)
	w := newWorld(t)
	host, err := network.New(t.Context(), network.Config{
		Scope: strings.ToLower(rand.Text()[:8]), Dir: filepath.Join(filepath.Dir(w.cfg.Dir), "network"), VPC: []netip.Prefix{vpc},
		Bridge: testneeds.Range(t),
	})
	if err != nil {
		t.Fatalf("network.New = %v", err)
	}
	t.Cleanup(func() {
		if left := host.List(); len(left) > 0 {
			t.Errorf("networks are left: %q", left)
			for _, id := range left {
				_ = host.Release(context.WithoutCancel(t.Context()), id)
			}
		}
		if err := host.Close(); err != nil {
			t.Errorf("Close = %v", err)
		}
	})
	w.cfg.Network = host
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	b := &bench{T: t, ctx: ctx, w: w, d: w.connect(t)}
	defer func() { _ = b.d.Close() }()
	awsvpc(b, vpc.Addr())
	bridge(b)
	b.says("none", model.ContainerDefinition{NoNetwork: true}, "lo\n", "list", "/sys/class/net")
	w.clear(ctx, t, b.d)
	w.wantNothing(t)
}

func awsvpc(b *bench, network netip.Addr) {
	at := network.As4()
	at[3] = 10
	address := netip.AddrFrom4(at)
	spec := func(id string, words ...string) driver.Spec {
		s := b.spec(id, model.ContainerDefinition{Command: words})
		s.Sandbox = driver.Sandbox{
			Task: "vpc", NetworkMode: "awsvpc",
			Attachment: &model.Attachment{
				Address: address.String(), Prefix: 24, Gateway: network.Next().String(), MAC: "0a:58:0a:d5:00:0a",
			},
			Rules: []model.FirewallRule{{Protocol: "tcp", From: 8080, To: 8080, Ranges: []string{"0.0.0.0/0"}}},
		}
		return s
	}
	b.start(spec("serves", "serve", "8080"))
	b.awaitLog("serves", "ready")
	if got := b.get("http://" + address.String() + ":8080/"); got != "hello from a container" {
		b.Errorf("a task at its address says %q", got)
	}
	if got := b.run(spec("beside", "get", "http://127.0.0.1:8080/")); got != "hello from a container\n" {
		b.Errorf("the task's other container gets %q over the shared loopback", got)
	}
	if got := b.run(spec("name", "hostname")); got != "ip-"+strings.ReplaceAll(address.String(), ".", "-")+"\n" {
		b.Errorf("the task's hostname is %q", got)
	}
	b.start(spec("idle", "sleep"))
	use, err := b.d.Usage(b.ctx)
	if err != nil {
		b.Fatalf("Usage = %v", err)
	}
	its, same := use["serves"].Network, use["idle"].Network
	if its == nil || its.Received < 100 || its.Sent < 100 || its.Namespace == "" || same == nil || *same != *its {
		b.Errorf("the network of the task = %+v and %+v, want what one request takes, the same of both containers", its, same)
	}
	if err := b.d.Secure(b.ctx, "vpc", nil); err != nil {
		b.Errorf("Secure = %v", err)
	}
}

func bridge(b *bench) {
	port := testneeds.Port(b)
	spec := b.spec("web", model.ContainerDefinition{Command: []string{"serve", "8080"}})
	spec.Sandbox = driver.Sandbox{Task: "bridge", NetworkMode: "bridge"}
	spec.Bindings = []model.PortBinding{{Address: "0.0.0.0", ContainerPort: 8080, HostPort: port, Protocol: "tcp"}}
	b.start(spec)
	b.awaitLog("web", "ready")
	if got := b.get(fmt.Sprintf("http://127.0.0.1:%d/", port)); got != "hello from a container" {
		b.Errorf("a published port says %q", got)
	}
	if use, err := b.d.Usage(b.ctx); err != nil || use["web"].Network == nil || use["web"].Network.Received < 100 {
		b.Errorf("Usage = %+v, %v, want what one request takes", use["web"].Network, err)
	}
	linked := b.spec("linked", model.ContainerDefinition{Command: []string{"get", "http://api:8080/"}, Links: []string{"web:api"}})
	linked.Sandbox, linked.Peers = spec.Sandbox, map[string]string{"web": "web"}
	if got := b.run(linked); got != "hello from a container\n" {
		b.Errorf("a linked container gets %q", got)
	}
	// A replacement has the port although the one that ended was not removed yet.
	if err := b.d.Kill(b.ctx, "web"); err != nil {
		b.Errorf("Kill = %v", err)
	}
	awaitEnd(b.ctx, b.T, b.d, "web")
	spec.ID = "again"
	b.start(spec)
	b.awaitLog("again", "ready")
	if got := b.get(fmt.Sprintf("http://127.0.0.1:%d/", port)); got != "hello from a container" {
		b.Errorf("the port of a replacement says %q", got)
	}
}

// get asks over a connection of its own.
func (b *bench) get(url string) string {
	b.Helper()
	request, err := http.NewRequestWithContext(b.ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		b.Fatal(err)
	}
	transport := &http.Transport{DisableKeepAlives: true}
	answer, err := transport.RoundTrip(request)
	if err != nil {
		b.Errorf("GET = %v", err)
		return ""
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		b.Error(err)
	}
	return string(text)
}
