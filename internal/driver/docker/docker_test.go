package docker

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/driver/drivertest"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/testneeds"
)

// patience bounds every wait; nothing depends on how long something takes below it.
const patience = 3 * time.Minute

// TestDocker runs everything that needs a daemon, in containers of one image that is removed in the end.
func TestDocker(t *testing.T) {
	t.Parallel()
	host := testneeds.Docker(t)
	image := testImage(t, host)
	t.Run("conformance", func(t *testing.T) {
		t.Parallel()
		drivertest.Run(t, func(t *testing.T) drivertest.Harness { return newWorld(t, host, image).harness() })
	})
	for _, tests := range []map[string]func(*world){realTests(), memberTests(), sandboxTests(), faultTests()} {
		for name, test := range tests {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				test(newWorld(t, host, image))
			})
		}
	}
}

// testImage builds the test program and makes an image of it.
func testImage(t *testing.T, host string) string {
	t.Helper()
	program := buildProgram(t)
	image := "maitred-test:" + strings.ToLower(rand.Text())
	if err := ImportStatic(t.Context(), image, program); err != nil {
		t.Fatalf("ImportStatic = %v", err)
	}
	t.Cleanup(func() {
		c, err := connect(context.Background(), host, quickTimeout)
		if err == nil {
			_, err = c.ImageRemove(context.Background(), image, client.ImageRemoveOptions{})
		}
		if err != nil {
			t.Errorf("remove image %s: %v", image, err)
		}
	})
	return image
}

func buildProgram(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "program")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "./testdata/program")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOFLAGS=")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the test program: %v\n%s", err, output)
	}
	return program
}

// world is a scope of its own on the daemon, reached by way of a relay that can be broken.
type world struct {
	*testing.T
	ctx   context.Context
	host  string
	image string
	scope string
	relay *relay
	vpc   []netip.Prefix

	firewall *firewall
}

func newWorld(t *testing.T, host, image string) *world {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	w := &world{T: t, ctx: ctx, host: host, image: image, scope: t.Name() + "/" + rand.Text(), relay: newRelay(t, host)}
	w.firewall = &firewall{rules: map[string][]model.FirewallRule{}}
	t.Cleanup(func() { w.clear() })
	return w
}

// connect makes a driver through the relay, closed with the test.
func (w *world) connect() *Driver {
	w.Helper()
	d, err := New(w.ctx, Config{Host: w.relay.host, Scope: w.scope, VPC: w.vpc, Secure: w.firewall.secure})
	if err != nil {
		w.Fatalf("New = %v", err)
	}
	w.Cleanup(func() { _ = d.Close() })
	return d
}

// clear removes what a test left, and fails it if something cannot be removed.
func (w *world) clear() {
	ctx := context.Background()
	d, err := New(ctx, Config{Host: w.host, Scope: w.scope})
	if err != nil {
		w.Errorf("New = %v", err)
		return
	}
	defer func() { _ = d.Close() }()
	left, err := d.summaries(ctx, client.Filters{})
	if err != nil {
		w.Error(err)
	}
	for _, c := range left {
		_, err := d.client.ContainerRemove(ctx, c.ID, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
		if err != nil {
			w.Errorf("remove container %s: %v", c.ID, err)
		}
	}
	tasks, err := d.Sandboxes(ctx)
	for _, task := range tasks {
		err = errors.Join(err, d.Release(ctx, task))
	}
	if err != nil {
		w.Errorf("release what is left: %v", err)
	}
	w.wantNothing(d)
	networks, err := d.client.NetworkList(ctx, client.NetworkListOptions{
		Filters: client.Filters{}.Add("label", labelScope+"="+w.scope),
	})
	for _, n := range networks.Items {
		_, failed := d.client.NetworkRemove(ctx, n.ID, client.NetworkRemoveOptions{})
		err = errors.Join(err, failed)
	}
	if err != nil {
		w.Errorf("remove networks: %v", err)
	}
}

// wantNothing counts what the daemon and the kernel have of a scope.
func (w *world) wantNothing(d *Driver) {
	w.Helper()
	ctx := context.Background()
	scope := client.Filters{}.Add("label", labelScope+"="+w.scope)
	containers, err1 := d.client.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: scope})
	volumes, err2 := d.client.VolumeList(ctx, client.VolumeListOptions{Filters: scope})
	if err := errors.Join(err1, err2); err != nil {
		w.Error(err)
	}
	groups, _ := filepath.Glob(filepath.Join(cgroupRoot, "*", strings.TrimSuffix(d.prefix, "-"), "*"))
	groups = slices.DeleteFunc(groups, func(path string) bool {
		info, err := os.Stat(path)
		return err != nil || !info.IsDir()
	})
	if len(containers.Items)+len(volumes.Items)+len(groups) > 0 {
		w.Errorf("left are containers %v, volumes %v and cgroups %v, want nothing", containers.Items, volumes.Items, groups)
	}
}

func (w *world) container(words ...string) model.ContainerDefinition {
	return model.ContainerDefinition{Name: "main", Image: w.image, Essential: true, Command: words}
}

// spec is a container in the machine's network, which takes the daemon a third of the time of others.
func (w *world) spec(id string, words ...string) driver.Spec {
	return driver.Spec{
		ID: id, Task: "arn:aws:ecs:us-east-1:000000000000:task/default/" + id, Definition: w.container(words...),
		Sandbox: driver.Sandbox{Task: id, NetworkMode: "host"},
	}
}

func (w *world) harness() drivertest.Harness {
	return drivertest.Harness{
		Connect:    func(*testing.T) driver.Driver { return hostNetwork{w.connect()} },
		Container:  w.container,
		Command:    func(words ...string) []string { return append([]string{"/program"}, words...) },
		Absent:     model.ContainerDefinition{Name: "main", Image: w.image, EntryPoint: []string{"/does/not/exist"}},
		TwoStreams: true,
		LateSize:   true, // where the daemon's API is older than 1.42
		Dir:        "/",
		KeepsFiles: true,
		Clock:      time.Minute,  // an event comes later than what it tells of
		Patience:   2 * patience, // a daemon on a busy machine takes half a second for each container
		Break:      func(*testing.T) { w.relay.cut() },
		Leaks:      func(*testing.T) { w.wantNothing(w.connect()) },
	}
}

// firewall notes what rules are in force where.
type firewall struct {
	mu    sync.Mutex
	rules map[string][]model.FirewallRule // by the namespace's path
	at    netip.Addr                      // the last gateway
}

func (f *firewall) secure(_ context.Context, path string, gateway netip.Addr, rules []model.FirewallRule) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rules[path], f.at = rules, gateway
	return nil
}

// hostNetwork runs the suite's containers in the machine's network: fifty at the same time are many for the bridge.
type hostNetwork struct{ driver.Driver }

func (h hostNetwork) Start(ctx context.Context, spec driver.Spec) (driver.Status, error) {
	spec.Sandbox.NetworkMode = "host"
	return h.Driver.Start(ctx, spec)
}

// relay stands between a driver and the daemon.
type relay struct {
	host     string
	mu       sync.Mutex
	open     map[net.Conn]bool
	listener net.Listener
	work     sync.WaitGroup
}

func newRelay(t *testing.T, host string) *relay {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0") // a socket's path may be too long
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{host: "tcp://" + listener.Addr().String(), open: map[net.Conn]bool{}, listener: listener}
	r.work.Go(func() { r.accept(host) })
	t.Cleanup(func() {
		_ = listener.Close()
		r.cut()
		r.work.Wait()
	})
	return r
}

func (r *relay) accept(host string) {
	network, address, _ := strings.Cut(host, "://")
	for {
		from, err := r.listener.Accept()
		if err != nil {
			return
		}
		to, err := new(net.Dialer).DialContext(context.Background(), network, address)
		if err != nil {
			_ = from.Close()
			continue
		}
		r.mu.Lock()
		r.open[from], r.open[to] = true, true
		r.mu.Unlock()
		r.work.Go(func() { r.copy(from, to) })
		r.work.Go(func() { r.copy(to, from) })
	}
}

// copy passes one direction on, and its end, while the other direction stays open.
func (r *relay) copy(from, to net.Conn) {
	_, err := io.Copy(to, from)
	if half, ok := to.(interface{ CloseWrite() error }); ok && err == nil {
		_ = half.CloseWrite()
		return
	}
	_ = to.Close()
	_ = from.Close()
}

// cut breaks every connection; new ones can be made.
func (r *relay) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.open {
		_ = c.Close()
	}
	clear(r.open)
}
