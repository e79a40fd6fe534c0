package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// runc starts containers with nothing but runc and a few calls of the kernel: a root file system that is there, and a
// network namespace with one end of a pair in it, the other on a bridge.
type runc struct {
	dir    string
	bridge netlink.Link
	serial int
}

// subnet is that of the bridge.
const subnet = "198.18.77." // "Benchmarking", RFC 2544

func openRunc(base, sleeper string) (*runc, error) {
	dir, err := os.MkdirTemp(base, "runc-")
	if err != nil {
		return nil, err
	}
	root := filepath.Join(dir, "rootfs")
	for _, d := range []string{root, filepath.Join(root, "proc"), filepath.Join(root, "dev"), filepath.Join(root, "sys"), filepath.Join(dir, "netns")} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return nil, err
		}
	}
	program, err := os.ReadFile(sleeper)
	if err == nil {
		err = os.WriteFile(filepath.Join(root, "sleeper"), program, 0o755)
	}
	if err != nil {
		return nil, err
	}
	bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: fmt.Sprintf("mbench%d", os.Getpid()%100000)}}
	address := &netlink.Addr{IPNet: &net.IPNet{IP: net.ParseIP(subnet + "1").To4(), Mask: net.CIDRMask(24, 32)}}
	if err := errors.Join(netlink.LinkAdd(bridge), netlink.AddrAdd(bridge, address), netlink.LinkSetUp(bridge)); err != nil {
		return nil, fmt.Errorf("make a bridge: %w", err)
	}
	return &runc{dir: dir, bridge: bridge}, nil
}

func (r *runc) close() error { return netlink.LinkDel(r.bridge) }

// bundle is a container to run.
type bundle struct {
	id, dir, netns string
	serial         int // the kernel takes its time to remove a pair, so names are not used again
}

// bundles writes what runc needs of n containers; that is not measured.
func (r *runc) bundles(n int) ([]bundle, error) {
	list := make([]bundle, n)
	for i := range list {
		r.serial++
		id := fmt.Sprintf("maitred-bench-%d-%d", os.Getpid(), r.serial)
		b := bundle{id: id, dir: filepath.Join(r.dir, id), netns: filepath.Join(r.dir, "netns", id), serial: r.serial}
		config, err := json.Marshal(r.spec(b))
		if err == nil {
			err = os.Mkdir(b.dir, 0o700)
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(b.dir, "config.json"), config, 0o600)
		}
		if err != nil {
			return nil, err
		}
		list[i] = b
	}
	return list, nil
}

// spec is the least that a container is.
func (r *runc) spec(b bundle) *specs.Spec {
	namespaces := []specs.LinuxNamespace{{Type: specs.NetworkNamespace, Path: b.netns}}
	for _, t := range []specs.LinuxNamespaceType{specs.PIDNamespace, specs.MountNamespace, specs.IPCNamespace, specs.UTSNamespace} {
		namespaces = append(namespaces, specs.LinuxNamespace{Type: t})
	}
	return &specs.Spec{
		Version: "1.0.2",
		Root:    &specs.Root{Path: filepath.Join(r.dir, "rootfs"), Readonly: true},
		Process: &specs.Process{Args: []string{"/sleeper"}, Cwd: "/", Env: []string{"PATH=/"}},
		Mounts: []specs.Mount{
			{Destination: "/proc", Type: "proc", Source: "proc"},
			{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "mode=755", "size=64k"}},
			{Destination: "/sys", Type: "sysfs", Source: "sysfs", Options: []string{"nosuid", "noexec", "nodev", "ro"}},
		},
		Linux: &specs.Linux{Namespaces: namespaces, CgroupsPath: "/maitred-bench/" + b.id},
	}
}

// run starts bundles with some workers and gives how long that took: the network, then runc.
func (r *runc) run(ctx context.Context, list []bundle, workers int) (time.Duration, error) {
	errs := make([]error, workers)
	var group sync.WaitGroup
	began := time.Now()
	for worker := range workers {
		group.Go(func() {
			for i := worker; i < len(list) && errs[worker] == nil; i += workers {
				errs[worker] = r.start(ctx, list[i])
			}
		})
	}
	group.Wait()
	return time.Since(began), errors.Join(errs...)
}

func (r *runc) start(ctx context.Context, b bundle) error {
	if err := r.network(b); err != nil {
		return fmt.Errorf("make a network: %w", err)
	}
	cmd := exec.CommandContext(ctx, "runc", "--log", filepath.Join(b.dir, "log"), "run", "--detach", "--bundle", b.dir, b.id)
	if err := cmd.Run(); err != nil {
		why, _ := os.ReadFile(filepath.Join(b.dir, "log"))
		return fmt.Errorf("runc run: %w: %s", err, why)
	}
	return nil
}

// network makes a namespace that a file holds, and a pair into it. The thread that made it is thrown away.
func (r *runc) network(b bundle) error {
	file, err := os.Create(b.netns)
	if err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	made := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			err = unix.Mount(fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid()), b.netns, "none", unix.MS_BIND, "")
		}
		made <- err
	}()
	if err := <-made; err != nil {
		return err
	}
	ns, err := netns.GetFromPath(b.netns)
	if err != nil {
		return err
	}
	defer func() { _ = ns.Close() }()
	outside := fmt.Sprintf("mb%d-%d", os.Getpid()%10000, b.serial)
	pair := &netlink.Veth{
		LinkAttrs: netlink.LinkAttrs{Name: outside, MasterIndex: r.bridge.Attrs().Index, Flags: net.FlagUp},
		PeerName:  "eth0", PeerNamespace: netlink.NsFd(ns),
	}
	if err := netlink.LinkAdd(pair); err != nil {
		return err
	}
	inside, err := netlink.NewHandleAt(ns)
	if err != nil {
		return err
	}
	defer inside.Close()
	return inner(inside, b.serial)
}

// inner gives the end inside its address and route.
func inner(h *netlink.Handle, i int) error {
	eth, err := h.LinkByName("eth0")
	if err != nil {
		return err
	}
	lo, err := h.LinkByName("lo")
	if err != nil {
		return err
	}
	address := &netlink.Addr{IPNet: &net.IPNet{IP: net.ParseIP(fmt.Sprintf("%s%d", subnet, 2+i%250)).To4(), Mask: net.CIDRMask(24, 32)}}
	return errors.Join(
		h.AddrAdd(eth, address), h.LinkSetUp(eth), h.LinkSetUp(lo),
		h.RouteAdd(&netlink.Route{LinkIndex: eth.Attrs().Index, Gw: net.ParseIP(subnet + "1")}),
	)
}

// remove ends containers and takes down what they had.
func (r *runc) remove(ctx context.Context, list []bundle) error {
	var errs []error
	for _, b := range list {
		if text, err := exec.CommandContext(ctx, "runc", "delete", "--force", b.id).CombinedOutput(); err != nil {
			errs = append(errs, fmt.Errorf("runc delete: %w: %s", err, text))
		}
		errs = append(errs, unix.Unmount(b.netns, unix.MNT_DETACH), os.Remove(b.netns), os.RemoveAll(b.dir))
	}
	return errors.Join(errs...)
}
