package docker

import (
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/moby/client"

	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/testneeds"
)

// sandboxTests are about what the containers of a task share.
func sandboxTests() map[string]func(*world) {
	return map[string]func(*world){
		"a task's own network":                           rooted(ownNetwork),
		"subnets of no VPC":                              rooted(loneSubnet),
		"networks that cannot be made":                   rooted(noLAN),
		"rules that nobody enforces":                     rooted(nobodySecures),
		"a network and an image removed behind our back": rooted(lostNetwork),
		"a task's process namespace":                     taskProcesses,
		"a task's IPC namespace":                         taskIPC,
		"the machine's process and IPC namespaces":       machineNamespaces,
		"a task's limits bound the sum":                  rooted(taskLimits),
		"a sandbox outlives the driver":                  rooted(sandboxOutlives),
		"many containers of one task":                    rooted(manyOfOneTask),
		"release of what is not there":                   releaseNothing,
	}
}

// attachment is an address in a range that is this test's alone, which the world's drivers take for a VPC.
func (w *world) attachment(host byte) *model.Attachment {
	if len(w.vpc) == 0 {
		w.vpc = []netip.Prefix{testneeds.Range(w)}
	}
	base := w.vpc[0].Addr().As4()
	base[3] = host
	return &model.Attachment{
		Address: netip.AddrFrom4(base).String(), Prefix: 25, Gateway: w.vpc[0].Addr().Next().String(),
		MAC: fmt.Sprintf("0a:58:%02x:%02x:%02x:%02x", base[0], base[1], base[2], base[3]),
	}
}

// vpcSpec is a container of a task with an address of its own.
func (w *world) vpcSpec(task, id string, host byte, words ...string) driver.Spec {
	spec := w.spec(id, words...)
	spec.Sandbox = driver.Sandbox{
		Task: task, NetworkMode: modeVPC, Attachment: w.attachment(host),
		Rules: []model.FirewallRule{{Protocol: "-1", From: -1, To: -1, Ranges: []string{"0.0.0.0/0"}}},
	}
	return spec
}

func ownNetwork(w *world) {
	server := w.vpcSpec("t1", "server", 10, "serve", "8080")
	d := w.connect()
	w.must(d, server)
	w.poll("the server", func() bool { return strings.Contains(w.log(d, "server"), "ready") })
	at := "http://" + server.Sandbox.Attachment.Address + ":8080/"
	if got := w.get(at); got != "hello from a container" {
		w.Errorf("from the machine, it answers %q", got)
	}
	if use, err := d.Usage(w.ctx); err != nil || use["server"].Network == nil || use["server"].Network.Received < 100 || use["server"].Network.Sent < 100 {
		w.Errorf("Usage = %+v, %v, want what one request takes", use["server"].Network, err)
	}
	// Another container of the task has the same interface.
	same := w.vpcSpec("t1", "same", 10, "get", "http://127.0.0.1:8080/")
	if got := w.says(d, same); got != "hello from a container" {
		w.Errorf("from a container of the task, it answers %q", got)
	}
	mac := w.vpcSpec("t1", "mac", 10, "mac")
	a := mac.Sandbox.Attachment
	if got, want := w.says(d, mac), a.MAC+" ["+a.Address+"/24]"; got != want {
		w.Errorf("the interface is %q, want %q", got, want)
	}
	// Another task, in the other half of the VPC, reaches it at its address.
	other := w.vpcSpec("t2", "other", 200, "get", at)
	if got := w.says(d, other); got != "hello from a container" {
		w.Errorf("from another task, it answers %q", got)
	}
	if got, err := d.Sandboxes(w.ctx); !slices.Equal(got, []string{"t1", "t2"}) || err != nil {
		w.Errorf("Sandboxes = %v, %v, want both tasks", got, err)
	}
	if all, err := d.List(w.ctx); len(all) != 4 || err != nil {
		w.Errorf("List = %v, %v, want the four containers and nothing else", all, err)
	}
	w.wantRules(2, 1)
	if err := d.Secure(w.ctx, "t1", nil); err != nil {
		w.Errorf("Secure = %v", err)
	}
	w.wantRules(2, 0)
	if err := d.Secure(w.ctx, "unknown", nil); err != nil {
		w.Errorf("Secure of an unknown task = %v, want nil", err)
	}
	// An address that is in use is nobody else's.
	thief := w.vpcSpec("t3", "thief", 10, "sleep")
	_, err := d.Start(w.ctx, thief)
	w.wantName(err, cannotPrepare, "Address already in use")
}

// wantRules checks that so many namespaces are secured, one of them by so many rules, at the VPC's first address.
func (w *world) wantRules(namespaces, rules int) {
	w.Helper()
	w.firewall.mu.Lock()
	defer w.firewall.mu.Unlock()
	found := false
	for path, r := range w.firewall.rules {
		found = found || len(r) == rules
		if !strings.HasPrefix(path, "/proc/") || !strings.HasSuffix(path, "/ns/net") {
			w.Errorf("secured is %s, want a process's network namespace", path)
		}
	}
	if len(w.firewall.rules) != namespaces || !found || w.firewall.at != w.vpc[0].Addr().Next() {
		w.Errorf("secured are %v with the gateway %v, want %d, one by %d rules", w.firewall.rules, w.firewall.at, namespaces, rules)
	}
}

func loneSubnet(w *world) {
	spec := w.vpcSpec("t", "a", 10, "mac")
	w.vpc = nil
	if got, want := w.says(w.connect(), spec), spec.Sandbox.Attachment.Address+"/25"; !strings.Contains(got, want) {
		w.Errorf("the interface is %q, want %q", got, want)
	}
}

func noLAN(w *world) {
	first := w.vpcSpec("t", "a", 10, "sleep")
	d := w.connect()
	w.must(d, first)
	// Another scope's range overlaps.
	neighbour := newWorld(w.T, w.host, w.image)
	neighbour.vpc = w.vpc
	_, err := neighbour.connect().Start(w.ctx, first)
	w.wantName(err, cannotPrepare, "overlaps")
	for reason, change := range map[string]func(*driver.Sandbox){
		"no network interface": func(s *driver.Sandbox) { s.Attachment = nil },
		"is not IPv4":          func(s *driver.Sandbox) { s.Attachment.Address = "fe80::1" },
		"the task's MAC":       func(s *driver.Sandbox) { s.Attachment.MAC = "one" },
		"needs an id":          func(s *driver.Sandbox) { s.Task = "" },
	} {
		spec := w.vpcSpec("bad", "b", 11, "sleep")
		change(&spec.Sandbox)
		_, err := d.Start(w.ctx, spec)
		w.wantName(err, cannotPrepare, reason)
	}
}

func nobodySecures(w *world) {
	spec := w.vpcSpec("t", "a", 10, "sleep")
	d, err := New(w.ctx, Config{Host: w.host, Scope: w.scope, VPC: w.vpc})
	if err != nil {
		w.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	_, err = d.Start(w.ctx, spec)
	w.wantName(err, cannotPrepare, "nobody who enforces")
	if err := d.Release(w.ctx, "t"); err != nil {
		w.Errorf("Release = %v", err)
	}
	w.wantNothing(d)
}

func lostNetwork(w *world) {
	first := w.vpcSpec("t", "a", 10, "sleep")
	d := w.connect()
	w.must(d, first)
	w.must(d, w.vpcSpec("t1", "b", 11, "exit", "0"))
	for _, id := range []string{"a", "b"} {
		if err := errors.Join(d.Kill(w.ctx, id)); err != nil {
			w.Fatal(err)
		}
	}
	w.until(w.watch(d), "a", driver.Exited)
	if err := errors.Join(d.Release(w.ctx, "t"), d.Release(w.ctx, "t1")); err != nil {
		w.Fatalf("Release = %v", err)
	}
	home, _, err := d.lanOf(w.attachment(12))
	if err != nil {
		w.Fatal(err)
	}
	if _, err := d.client.NetworkRemove(w.ctx, home.name, client.NetworkRemoveOptions{}); err != nil {
		w.Fatal(err)
	}
	name, _, err := pauseImage(runtime.GOARCH)
	if err != nil {
		w.Fatal(err)
	}
	if _, err := d.client.ImageRemove(w.ctx, name, client.ImageRemoveOptions{Force: true}); err != nil {
		w.Fatal(err)
	}
	w.must(d, w.vpcSpec("t2", "c", 12, "exit", "0"))
}

func taskProcesses(w *world) {
	d := w.connect()
	first := w.spec("a", "sleep")
	first.Sandbox.PIDMode = "task"
	w.must(d, first)
	spec := w.spec("b", "processes")
	spec.Sandbox = first.Sandbox
	got := w.says(d, spec)
	if !strings.HasPrefix(got, "1 pause\n") || strings.Count(got, " program") != 2 {
		w.Errorf("the processes are %q, want pause as the first, and those of both containers", got)
	}
}

func taskIPC(w *world) {
	d := w.connect()
	first := w.spec("a", "write", "/dev/shm/file", "text")
	first.Sandbox.IPCMode = "task"
	w.says(d, first)
	spec := w.spec("b", "read", "/dev/shm/file")
	spec.Sandbox = first.Sandbox
	if got := w.says(d, spec); got != "text" {
		w.Errorf("in the shared memory is %q, want what the other container wrote", got)
	}
	alone := w.spec("c", "read", "/proc/self/mounts")
	alone.Sandbox.IPCMode = "none"
	if got := w.says(d, alone); strings.Contains(got, "/dev/shm") {
		w.Errorf("with ipcMode none, it has /dev/shm: %q", got)
	}
}

func machineNamespaces(w *world) {
	d := w.connect()
	spec := w.spec("a", "sleep")
	spec.Sandbox.PIDMode, spec.Sandbox.IPCMode = "host", "host"
	c, err := d.inspect(w.ctx, w.must(d, spec).RuntimeID)
	if err != nil {
		w.Fatal(err)
	}
	for _, kind := range []string{"pid", "ipc", "net"} {
		mine, err1 := os.Readlink("/proc/self/ns/" + kind)
		its, err2 := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", c.State.Pid, kind))
		if kind != "net" && (mine != its || err1 != nil || err2 != nil) {
			w.Errorf("its %s namespace is %s (%v), want the machine's, %s (%v)", kind, its, err2, mine, err1)
		}
	}
}

func taskLimits(w *world) {
	d := w.connect()
	first := w.spec("a", "eat", "60")
	first.Sandbox.CPU, first.Sandbox.Memory = 512, 96
	w.must(d, first)
	w.poll("the memory to be taken", func() bool { return strings.Contains(w.log(d, "a"), "full") })
	if use, err := d.Usage(w.ctx); use["a"].Memory < 60<<20 || use["a"].CPU <= 0 || err != nil {
		w.Errorf("Usage = %v, %v, want at least 60 MiB of a", use, err)
	}
	spec := w.spec("b", "eat", "60")
	spec.Sandbox = first.Sandbox
	seen := w.watch(d)
	w.must(d, spec)
	// One of the two has to go.
	var s driver.Status
	for s.State != driver.Exited || s.Reason == "" {
		select {
		case s = <-seen:
		case <-w.ctx.Done():
			w.Fatal("two containers of 60 MiB live in a task of 96")
		}
	}
	w.wantCode(s, 137, reasonMemory)
	r, err := d.openedRoofs(w.ctx)
	if err != nil || r == nil {
		w.Fatalf("openedRoofs = %v, %v", r, err)
	}
	if got := r.list(); !slices.Equal(got, []string{"a"}) {
		w.Errorf("the tasks with a cgroup are %v, want a", got)
	}
	if files, _ := filepath.Glob(filepath.Join(cgroupRoot, "*", r.parent("a"), "cpu.cfs_quota_us")); len(files) > 0 {
		if got, err := os.ReadFile(files[0]); strings.TrimSpace(string(got)) != "50000" {
			w.Errorf("the quota of the task is %q, %v, want half a core", got, err)
		}
	}
}

func sandboxOutlives(w *world) {
	first := w.vpcSpec("t", "a", 10, "serve", "8080")
	first.Sandbox.Memory, first.Sandbox.Volumes = 64, []model.Volume{{Name: "v"}}
	d := w.connect()
	w.must(d, first)
	w.poll("the server", func() bool { return strings.Contains(w.log(d, "a"), "ready") })
	again := w.connect()
	spec := w.vpcSpec("t", "b", 10, "get", "http://127.0.0.1:8080/")
	spec.Sandbox.Memory, spec.Sandbox.Volumes = 64, first.Sandbox.Volumes
	if got := w.says(again, spec); got != "hello from a container" {
		w.Errorf("after a restart, another container of the task gets %q", got)
	}
	third := w.connect()
	if err := third.Kill(w.ctx, "a"); err != nil {
		w.Fatal(err)
	}
	w.until(w.watch(third), "a", driver.Exited)
	for range 2 {
		if err := third.Release(w.ctx, "t"); err != nil {
			w.Fatalf("Release = %v", err)
		}
	}
	if err := errors.Join(third.Remove(w.ctx, "a"), third.Remove(w.ctx, "b")); err != nil {
		w.Fatalf("Remove = %v", err)
	}
	w.wantNothing(third)
}

func manyOfOneTask(w *world) {
	_ = w.attachment(10)
	d := w.connect()
	var all sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		spec := w.vpcSpec("t", fmt.Sprintf("c%d", i), 10, "sleep")
		all.Go(func() { _, errs[i] = d.Start(w.ctx, spec) })
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		w.Fatalf("Start = %v", err)
	}
	w.wantRules(1, 1)
}

func releaseNothing(w *world) {
	d := w.connect()
	if err := d.Release(w.ctx, "never"); err != nil {
		w.Errorf("Release of an unknown task = %v, want nil", err)
	}
	w.must(d, w.spec("a", "exit", "0"))
	if err := d.Release(w.ctx, "a"); err != nil {
		w.Errorf("Release of a task that shares nothing = %v, want nil", err)
	}
}

// TestPauseProgram checks the form of the programs; that the one of this machine works is seen in TestDocker.
func TestPauseProgram(t *testing.T) {
	t.Parallel()
	for arch, want := range map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64} {
		program, err := pauseProgram(arch)
		if err != nil {
			t.Fatal(err)
		}
		f, err := elf.NewFile(bytes.NewReader(program))
		if err != nil {
			t.Fatalf("%s: %v", arch, err)
		}
		if f.Machine != want || f.Type != elf.ET_EXEC || len(f.Progs) != 1 || len(program) > 300 {
			t.Errorf("%s: the program is a %v for %v of %d bytes, want a small one for %v", arch, f.Type, f.Machine, len(program), want)
		}
		load := f.Progs[0]
		if inside := f.Entry - load.Vaddr; inside >= load.Filesz || load.Filesz != uint64(len(program)) {
			t.Errorf("%s: the entry %#x is not in the segment of %d bytes", arch, f.Entry, load.Filesz)
		}
		// The action is where the instruction that loads its address says: SIG_IGN and nothing else.
		action := program[len(program)-32:]
		if diff := cmp.Diff(append([]byte{1}, make([]byte, 31)...), action); diff != "" {
			t.Errorf("%s: the action (-want +got):\n%s", arch, diff)
		}
		name, archive, err := pauseImage(arch)
		if again, _, _ := pauseImage(arch); name != again || len(archive) == 0 || err != nil {
			t.Errorf("%s: the image is %s, then %s, %v, want the same", arch, name, again, err)
		}
	}
	amd64, _ := pauseProgram("amd64")
	arm64, _ := pauseProgram("arm64")
	const entry = 120
	if at := entry + 17 + int(amd64[entry+13]); at != len(amd64)-32 {
		t.Errorf("amd64: the action is looked for at %d, want %d", at, len(amd64)-32)
	}
	adr := uint32(arm64[entry+4]) | uint32(arm64[entry+5])<<8 | uint32(arm64[entry+6])<<16
	if at := entry + 4 + int(adr>>5<<2); at != len(arm64)-32 {
		t.Errorf("arm64: the action is looked for at %d, want %d", at, len(arm64)-32)
	}
	if _, _, err := pauseImage("riscv64"); err == nil || !strings.Contains(err.Error(), "riscv64") {
		t.Errorf("pauseImage of another machine = %v, want an error that names it", err)
	}
}

// TestFlights is about who waits for whom.
func TestFlights(t *testing.T) {
	t.Parallel()
	var f flights[int]
	begun, goOn := make(chan struct{}), make(chan struct{})
	ctx, giveUp := context.WithCancel(t.Context())
	first := make(chan error, 1)
	go func() {
		_, err := f.do(ctx, "k", func(ctx context.Context) (int, error) {
			close(begun)
			<-ctx.Done()
			return 0, ctx.Err()
		})
		first <- err
	}()
	<-begun
	second := make(chan int, 1)
	go func() {
		n, err := f.do(t.Context(), "k", func(context.Context) (int, error) {
			close(goOn)
			return 7, nil
		})
		if err != nil {
			t.Errorf("do = %v, want nil", err)
		}
		second <- n
	}()
	impatient, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.do(impatient, "k", func(context.Context) (int, error) { return 1, nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("do of who does not wait = %v, want context.Canceled", err)
	}
	giveUp()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("do of who gave up = %v, want context.Canceled", err)
	}
	<-goOn
	if got := <-second; got != 7 {
		t.Errorf("do of who took over = %d, want 7", got)
	}
}
