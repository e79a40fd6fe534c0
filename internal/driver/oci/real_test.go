//go:build linux

package oci_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/driver/oci"
	"github.com/maitred/maitred/internal/model"
)

// patience bounds a test; nothing depends on how long something takes below it.
const patience = 2 * time.Minute

// bench is a driver under test.
type bench struct {
	*testing.T
	ctx context.Context
	w   *world
	d   *oci.Driver
}

// TestReal are what the suite does not know of: the members of a definition that containers honour.
func TestReal(t *testing.T) {
	t.Parallel()
	needs(t)
	for name, test := range map[string]func(*bench){
		"command and environment":       commandAndEnvironment,
		"a user of the image":           users,
		"the default restrictions":      restrictions,
		"capabilities that are added":   addedCapabilities,
		"privileged":                    privileged,
		"the working directory is made": workingDirectory,
		"a read-only root":              readonlyRoot,
		"too much memory":               tooMuchMemory,
		"a task's memory":               taskMemory,
		"limits":                        limits,
		"an init process":               initProcess,
		"a terminal":                    terminal,
		"standard input":                interactive,
		"tmpfs and shared memory":       memoryFiles,
		"volumes":                       volumes,
		"a host path and its links":     hostPath,
		"a host path that is swapped":   swapped,
		"a host path of another":        lentOn,
		"a host path that is not there": missingPath,
		"devices":                       devices,
		"a device that is swapped":      swappedDevice,
		"namespaces of the machine":     hostNamespaces,
		"namespaces of the task":        taskNamespaces,
		"hosts and resolvers":           names,
		"volumes of the image":          imageVolumes,
		"the image's stop signal":       imageSignal,
		"errors of a start":             startErrors,
		"usage":                         usage,
		"the environment is hidden":     hidden,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			t.Cleanup(cancel)
			b := &bench{T: t, ctx: ctx, w: newWorld(t)}
			b.d = b.w.connect(t)
			d := b.d
			t.Cleanup(func() { _ = d.Close() })
			test(b)
			b.w.clear(ctx, t, b.d)
			b.w.wantNothing(t)
		})
	}
}

// spec is a container of task t.
func (b *bench) spec(id string, c model.ContainerDefinition) driver.Spec {
	c.Name = id
	if c.Image == "" {
		c.Image = "test"
	}
	return driver.Spec{ID: id, Definition: c, Sandbox: driver.Sandbox{Task: "t"}}
}

func (b *bench) start(spec driver.Spec) driver.Status {
	b.Helper()
	s, err := b.d.Start(b.ctx, spec)
	if err != nil {
		b.Fatalf("Start(%s) = %v", spec.ID, err)
	}
	return s
}

// run runs a container to its end and gives what it wrote.
func (b *bench) run(spec driver.Spec) string {
	b.Helper()
	b.start(spec)
	end := awaitEnd(b.ctx, b.T, b.d, spec.ID)
	text, err := driver.Text(b.d.Logs(b.ctx, spec.ID, driver.LogOptions{}))
	if err != nil {
		b.Fatalf("Logs = %v", err)
	}
	if end.ExitCode == nil {
		b.Errorf("the end of %s has no exit code: %s", spec.ID, end.Reason)
	}
	return text
}

// says runs words in a container and compares what it wrote.
func (b *bench) says(id string, c model.ContainerDefinition, want string, words ...string) {
	b.Helper()
	c.Command = words
	if diff := cmp.Diff(want, b.run(b.spec(id, c))); diff != "" {
		b.Errorf("%s (-want +got):\n%s", id, diff)
	}
}

// awaitLog follows a container's log until a line.
func (b *bench) awaitLog(id, want string) {
	b.Helper()
	for line, err := range b.d.Logs(b.ctx, id, driver.LogOptions{Follow: true}) {
		if err != nil {
			b.Fatalf("Logs = %v", err)
		}
		if strings.Contains(string(line.Text), want) {
			return
		}
	}
	b.Fatalf("the log of %s ended without %q", id, want)
}

// exec gives the output of the test program in a container.
func (b *bench) exec(id string, words ...string) string {
	b.Helper()
	_, out, err := driver.Output(b.ctx, b.d, id, append([]string{"/program"}, words...))
	if err != nil {
		b.Errorf("Exec = %v", err)
	}
	return string(out)
}

func commandAndEnvironment(b *bench) {
	b.w.images.image.Config.Cmd = []string{"env"}
	spec := b.spec("a", model.ContainerDefinition{Hostname: "box"})
	spec.Env = []string{"OWN=1", "FROM=definition"}
	got := b.run(spec)
	want := "FROM=definition\nHOME=/root\nHOSTNAME=box\nOWN=1\nPATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"
	if diff := cmp.Diff(want, got); diff != "" {
		b.Errorf("the environment (-want +got):\n%s", diff)
	}
	b.says("b", model.ContainerDefinition{EntryPoint: []string{"/program", "print"}}, "x\n", "x")
}

func users(b *bench) {
	b.says("a", model.ContainerDefinition{User: "web"}, "1000 100 [200]\n", "ids")
	b.says("b", model.ContainerDefinition{User: "web:extra"}, "1000 200 []\n", "ids")
	b.says("c", model.ContainerDefinition{User: "77:88"}, "77 88 []\n", "ids")
	b.w.images.image.Config.User = "web"
	b.says("d", model.ContainerDefinition{}, "1000 100 [200]\n", "ids")
	_, err := b.d.Start(b.ctx, b.spec("e", model.ContainerDefinition{User: "nobody-here", Command: []string{"ids"}}))
	if err == nil || !strings.Contains(err.Error(), "CannotStartContainerError") || !strings.Contains(err.Error(), "nobody-here") {
		b.Errorf("Start as an unknown user = %v, want CannotStartContainerError with the name", err)
	}
}

func restrictions(b *bench) {
	b.says("status", model.ContainerDefinition{},
		"CapInh:\t0000000000000000\nCapBnd:\t00000000000405fb\nNoNewPrivs:\t1\nSeccomp:\t2\n", "status", "CapInh", "CapBnd", "NoNewPrivs", "Seccomp:")
	b.says("raw", model.ContainerDefinition{}, "operation not permitted\n", "raw")
	b.says("keyctl", model.ContainerDefinition{}, "operation not permitted\n", "keyctl")
	b.says("masked", model.ContainerDefinition{}, "", "read", "/proc/interrupts")
	b.says("sysrq", model.ContainerDefinition{}, "open /proc/sys/kernel/pid_max: read-only file system\n", "write", "/proc/sys/kernel/pid_max", "9")
	b.says("pids", model.ContainerDefinition{}, "refused after true\n", "bomb", "5000")
}

func addedCapabilities(b *bench) {
	b.says("add", model.ContainerDefinition{Linux: &model.LinuxParameters{Add: []string{"NET_RAW"}}}, "", "raw")
	b.says("drop", model.ContainerDefinition{Linux: &model.LinuxParameters{Drop: []string{"ALL"}, Add: []string{"KILL"}}},
		"CapBnd:\t0000000000000020\n", "status", "CapBnd")
}

func privileged(b *bench) {
	got := b.run(b.spec("a", model.ContainerDefinition{Privileged: true, Command: []string{"status", "NoNewPrivs", "Seccomp:"}}))
	if want := "NoNewPrivs:\t0\nSeccomp:\t0\n"; got != want {
		b.Errorf("a privileged container says %q, want %q", got, want)
	}
	b.says("keyctl", model.ContainerDefinition{Privileged: true}, "", "keyctl")
}

func workingDirectory(b *bench) {
	b.says("a", model.ContainerDefinition{WorkingDirectory: "/not/there/yet"}, "/not/there/yet\n", "where")
}

func readonlyRoot(b *bench) {
	c := model.ContainerDefinition{ReadonlyRoot: true, Linux: &model.LinuxParameters{Tmpfs: []model.Tmpfs{{Path: "/tmp", Size: 1}}}}
	b.says("a", c, "open /file: read-only file system\n", "write", "/file", "x")
	b.says("b", c, "", "write", "/tmp/file", "x")
	b.says("c", model.ContainerDefinition{}, "", "write", "/readme", "x")
	b.says("d", model.ContainerDefinition{}, "of the image\n", "read", "/readme") // what c wrote is c's alone
}

func tooMuchMemory(b *bench) {
	b.start(b.spec("a", model.ContainerDefinition{Memory: 16, Command: []string{"eat", "64"}}))
	b.wantOOM("a")
}

func taskMemory(b *bench) {
	spec := b.spec("a", model.ContainerDefinition{Command: []string{"eat", "64"}})
	spec.Sandbox.Memory, spec.Sandbox.CPU = 24, 512
	b.start(spec)
	b.wantOOM("a")
}

func (b *bench) wantOOM(id string) {
	b.Helper()
	end := awaitEnd(b.ctx, b.T, b.d, id)
	if want := "OutOfMemoryError: Container killed due to memory usage"; end.Reason != want || end.ExitCode == nil || *end.ExitCode != 137 {
		b.Errorf("a container that took too much memory ended %+v, want 137 and %q", end, want)
	}
}

func limits(b *bench) {
	c := model.ContainerDefinition{Ulimits: []model.Ulimit{{Name: "sigpending", Soft: 77, Hard: 99}}, Sysctls: map[string]string{"kernel.shmmax": "4096"}}
	b.says("a", c, "77 99\n", "limit", "11")
	b.says("b", c, "4096\n", "read", "/proc/sys/kernel/shmmax")
	b.says("c", model.ContainerDefinition{CPU: 256, Memory: 32}, "", "read", "/dev/null")
	b.start(b.spec("d", model.ContainerDefinition{CPU: 256, Memory: 32, MemoryReservation: 16, Command: []string{"sleep"}}))
	for file, want := range map[string]string{
		"cpu/cpu.shares": "256", "memory/memory.limit_in_bytes": "33554432", "memory/memory.soft_limit_in_bytes": "16777216", "pids/pids.max": "4096",
	} {
		controller, name, _ := strings.Cut(file, "/")
		path := "/sys/fs/cgroup/" + controller + "/" + b.w.group + "/d/" + name
		text, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) {
			continue // cgroup version 2
		}
		if got := strings.TrimSpace(string(text)); err != nil || got != want {
			b.Errorf("%s = %q, %v, want %s", file, got, err, want)
		}
	}
}

func initProcess(b *bench) {
	c := model.ContainerDefinition{Linux: &model.LinuxParameters{Init: true}, EntryPoint: []string{"/program"}}
	b.says("a", c, "/dev/init init -- /program orphan \n", "orphan")
	c.Command = []string{"trap", "terminated", "7"}
	b.start(b.spec("b", c))
	b.awaitLog("b", "ready")
	if err := b.d.Signal(b.ctx, "b", ""); err != nil {
		b.Errorf("Signal = %v", err)
	}
	if end := awaitEnd(b.ctx, b.T, b.d, "b"); end.ExitCode == nil || *end.ExitCode != 7 {
		b.Errorf("the end behind an init process is %+v, want code 7", end)
	}
}

func terminal(b *bench) {
	b.says("a", model.ContainerDefinition{Terminal: true}, "terminal true xterm\r\n", "tty")
}

// interactive has a container read, which would end at once if its input were empty.
func interactive(b *bench) {
	b.start(b.spec("a", model.ContainerDefinition{Interactive: true, Command: []string{"echo"}}))
	b.says("b", model.ContainerDefinition{}, "end\n", "echo")
	all, err := b.d.List(b.ctx)
	if err != nil || len(all) != 2 || all[0].State != driver.Running {
		b.Errorf("List = %+v, %v, want a to run", all, err)
	}
}

func memoryFiles(b *bench) {
	c := model.ContainerDefinition{Linux: &model.LinuxParameters{SharedSize: 1, Tmpfs: []model.Tmpfs{{Path: "/run/x", Size: 2}}}}
	got := b.run(b.spec("a", model.ContainerDefinition{Linux: c.Linux, Command: []string{"read", "/proc/mounts"}}))
	for _, want := range []string{"/dev/shm tmpfs", "size=1024k", "/run/x tmpfs", "size=2048k"} {
		if !strings.Contains(got, want) {
			b.Errorf("the mounts are\n%s\nwant %q in them", got, want)
		}
	}
}

func volumes(b *bench) {
	spec := func(id string, readonly bool, words ...string) driver.Spec {
		s := b.spec(id, model.ContainerDefinition{
			Command: words,
			Mounts:  []model.Mount{{Volume: "own", Path: "/own", ReadOnly: readonly}, {Volume: "shared", Path: "/shared"}},
		})
		s.Sandbox.Volumes = []model.Volume{{Name: "own"}, {Name: "shared", Docker: &model.DockerVolume{Shared: true, Autoprovision: true}}}
		return s
	}
	data := filepath.Join(b.w.images.image.Layers[1], "own")
	put(b, data+"/sub/of-the-image", "copied\n", 0o640)
	if err := errors.Join(os.Chown(data, 1000, 100), os.Symlink("sub", filepath.Join(data, "link"))); err != nil {
		b.Fatal(err)
	}
	first := spec("a", false, "write", "/own/file", "mine\n")
	first.Definition.User = "web" // to whom the image gives the directory
	if got := b.run(first); got != "" {
		b.Errorf("writing into the image's own directory said %q", got)
	}
	if got := b.run(spec("a2", false, "read", "/own/link/of-the-image")); got != "copied\n" {
		b.Errorf("the volume begins with %q, want what the image has there", got)
	}
	b.run(spec("b", false, "write", "/shared/file", "ours\n"))
	if got := b.run(spec("c", true, "read", "/own/file", "/shared/file")); got != "mine\nours\n" {
		b.Errorf("the volumes hold %q, want what the others wrote", got)
	}
	if got := b.run(spec("d", true, "write", "/own/file", "x")); got != "open /own/file: read-only file system\n" {
		b.Errorf("writing into a read-only volume said %q", got)
	}
	from := b.spec("e", model.ContainerDefinition{
		Command: []string{"read", "/own/file"}, VolumesFrom: []model.VolumeFrom{{Container: "c", ReadOnly: true}},
	})
	from.Peers = map[string]string{"c": "c"}
	if got := b.run(from); got != "mine\n" {
		b.Errorf("volumesFrom shows %q, want the other's file", got)
	}
	if err := b.d.Release(b.ctx, "t"); err != nil {
		b.Errorf("Release = %v", err)
	}
	if got := b.run(spec("f", true, "read", "/shared/file", "/own/file")); got != "ours\nopen /own/file: no such file or directory\n" {
		b.Errorf("after Release the volumes hold %q, want the shared one alone", got)
	}
	absent := spec("g", true, "sleep")
	absent.Sandbox.Volumes = []model.Volume{{Name: "own"}, {Name: "shared", Docker: &model.DockerVolume{Shared: true, Driver: "local"}}}
	absent.Definition.Mounts[1].Volume = "never"
	if _, err := b.d.Start(b.ctx, absent); err == nil || !strings.Contains(err.Error(), "never") {
		b.Errorf("Start with an unknown volume = %v, want an error with its name", err)
	}
	absent.Sandbox.Volumes[1].Name = "never"
	_, err := b.d.Start(b.ctx, absent)
	if failure, ok := errors.AsType[*driver.Failure](err); !ok || failure.Name != "ResourceInitializationError" ||
		!errors.Is(err, driver.ErrNoVolume) || !strings.Contains(err.Error(), "never") {
		b.Errorf("Start with a shared volume that is not there = %v, want ResourceInitializationError with its name", err)
	}
}

func imageVolumes(b *bench) {
	b.w.images.image.Config.Volumes = []string{"/etc"}
	b.says("a", model.ContainerDefinition{ReadonlyRoot: true}, "", "write", "/etc/new", "x")
	b.says("b", model.ContainerDefinition{}, "group\nhosts\npasswd\nresolv.conf\n", "list", "/etc") // and nothing of a's
}

func devices(b *bench) {
	c := model.ContainerDefinition{Linux: &model.LinuxParameters{Devices: []model.Device{
		{HostPath: "/dev/zero", ContainerPath: "/dev/mine", Permissions: []string{"read"}},
	}}}
	b.says("a", c, "", "device", "/dev/mine")
	b.says("b", c, "", "device", "/dev/zero")
	_, err := b.d.Start(b.ctx, b.spec("c", model.ContainerDefinition{Command: []string{"sleep"}, Linux: &model.LinuxParameters{Devices: []model.Device{
		{HostPath: "/dev/absent", ContainerPath: "/dev/absent", Permissions: []string{"read"}},
	}}}))
	if err == nil || !strings.Contains(err.Error(), "/dev/absent") {
		b.Errorf("Start with an absent device = %v, want an error with its name", err)
	}
}

func hostNamespaces(b *bench) {
	spec := b.spec("a", model.ContainerDefinition{Command: []string{"namespaces", "pid", "ipc", "net"}})
	spec.Sandbox.PIDMode, spec.Sandbox.IPCMode = "host", "host"
	var want strings.Builder
	for _, name := range []string{"pid", "ipc", "net"} {
		link, err := os.Readlink("/proc/self/ns/" + name)
		if err != nil {
			b.Fatal(err)
		}
		want.WriteString(link + "\n")
	}
	if got := b.run(spec); got != want.String() {
		b.Errorf("the namespaces are %q, want the machine's %q", got, want.String())
	}
	// Without a pid namespace nothing but the cgroup holds what leaves its parent.
	spec.ID, spec.Definition.Command = "b", []string{"session", "-", "sleep"}
	b.start(spec)
	b.awaitLog("b", "left")
	if err := b.d.Kill(b.ctx, "b"); err != nil {
		b.Errorf("Kill = %v", err)
	}
	awaitEnd(b.ctx, b.T, b.d, "b")
}

func taskNamespaces(b *bench) {
	spec := func(id string, words ...string) driver.Spec {
		s := b.spec(id, model.ContainerDefinition{Command: words})
		s.Sandbox.PIDMode, s.Sandbox.IPCMode = "task", "task"
		return s
	}
	b.start(spec("a", "sleep"))
	b.start(spec("b", "sleep"))
	x, y := b.exec("a", "namespaces", "pid", "ipc"), b.exec("b", "namespaces", "pid", "ipc")
	if x == "" || x != y {
		b.Errorf("the namespaces of two containers are %q and %q, want the same", x, y)
	}
	if seen := b.exec("a", "processes"); strings.Count(seen, "program") < 4 {
		b.Errorf("a sees the processes\n%s\nwant both containers', the holder's and its own", seen)
	}
	b.run(spec("c", "write", "/dev/shm/file", "shared\n"))
	if got := b.run(spec("d", "read", "/dev/shm/file")); got != "shared\n" {
		b.Errorf("the shared memory holds %q", got)
	}
	if all, err := b.d.List(b.ctx); err != nil || len(all) != 4 {
		b.Errorf("List = %v, %v, want four containers and not who holds the namespaces", all, err)
	}
	if err := b.d.Kill(b.ctx, "a"); err != nil {
		b.Errorf("Kill = %v", err)
	}
	awaitEnd(b.ctx, b.T, b.d, "a")
	if got := b.exec("b", "print", "alive"); got != "alive\n" {
		b.Errorf("after the end of the other container, exec says %q", got)
	}
}

func names(b *bench) {
	c := model.ContainerDefinition{
		ExtraHosts: []model.Host{{Name: "db", Address: "10.0.0.9"}}, DNSServers: []string{"10.0.0.2"}, DNSSearch: []string{"example.com"},
	}
	got := b.run(b.spec("a", model.ContainerDefinition{
		ExtraHosts: c.ExtraHosts, DNSServers: c.DNSServers, DNSSearch: c.DNSSearch, Command: []string{"read", "/etc/hosts", "/etc/resolv.conf"},
	}))
	for _, want := range []string{"10.0.0.9\tdb\n", "127.0.0.1\tlocalhost\n", "nameserver 10.0.0.2\n", "search example.com\n"} {
		if !strings.Contains(got, want) {
			b.Errorf("hosts and resolv.conf are\n%s\nwant %q in them", got, want)
		}
	}
	b.says("b", model.ContainerDefinition{Hostname: "box"}, "box\n", "hostname")
}

func imageSignal(b *bench) {
	b.w.images.image.Config.StopSignal = "SIGQUIT"
	b.start(b.spec("a", model.ContainerDefinition{Command: []string{"trap", "quit", "5"}}))
	b.awaitLog("a", "ready")
	if err := b.d.Signal(b.ctx, "a", ""); err != nil {
		b.Errorf("Signal = %v", err)
	}
	if end := awaitEnd(b.ctx, b.T, b.d, "a"); end.ExitCode == nil || *end.ExitCode != 5 {
		b.Errorf("the end is %+v, want code 5", end)
	}
}

func startErrors(b *bench) {
	for name, c := range map[string]struct {
		spec driver.Spec
		want []string
	}{
		"program": {b.spec("a", model.ContainerDefinition{EntryPoint: []string{"nowhere"}}), []string{"CannotStartContainerError: exec", "nowhere", "not found in $PATH"}},
		"image":   {b.spec("b", model.ContainerDefinition{Image: "other"}), []string{"CannotPullContainerError: ", "other"}},
		"command": {b.spec("c", model.ContainerDefinition{EntryPoint: []string{""}}), []string{"CannotStartContainerError: "}},
		"volume":  {b.spec("d", model.ContainerDefinition{Mounts: []model.Mount{{Volume: "v", Path: "/v"}}, Command: []string{"sleep"}}), []string{"CannotCreateContainerError: ", `"v"`}},
		"id":      {b.spec("../e", model.ContainerDefinition{}), []string{"CannotCreateContainerError: ", "no id"}},
		"sysctl":  {b.spec("f", model.ContainerDefinition{Command: []string{"sleep"}, Sysctls: map[string]string{"kernel.hostname": "x"}}), []string{"CannotStartContainerError: ", "sysctl"}},
		"network": {driver.Spec{ID: "g", Definition: model.ContainerDefinition{Image: "test", Command: []string{"sleep"}}, Sandbox: driver.Sandbox{Task: "t2", NetworkMode: "awsvpc"}}, []string{"ResourceInitializationError: ", "awsvpc"}},
		"peer":    {b.spec("h", model.ContainerDefinition{Command: []string{"sleep"}, VolumesFrom: []model.VolumeFrom{{Container: "x"}}}), []string{"CannotCreateContainerError: ", "volumesFrom", "x"}},
	} {
		_, err := b.d.Start(b.ctx, c.spec)
		var failure *driver.Failure
		if !errors.As(err, &failure) || slices.ContainsFunc(c.want, func(part string) bool { return !strings.Contains(err.Error(), part) }) {
			b.Errorf("%s: Start = %v, want %q in a *driver.Failure", name, err, c.want)
		}
	}
	all, err := b.d.List(b.ctx)
	if err != nil || len(all) != 0 {
		b.Errorf("after failed starts List = %v, %v, want nothing", all, err)
	}
}

func usage(b *bench) {
	b.start(b.spec("a", model.ContainerDefinition{Command: []string{"eat", "8"}}))
	b.awaitLog("a", "full")
	b.run(b.spec("b", model.ContainerDefinition{Command: []string{"exit", "0"}}))
	use, err := b.d.Usage(b.ctx)
	if err != nil || len(use) != 1 || use["a"].Memory < 8<<20 || use["a"].CPU <= 0 {
		b.Errorf("Usage = %v, %v, want 8 MiB of a and nothing else", use, err)
	}
	if use["a"].Network != nil {
		b.Errorf("the network of a = %+v, want none: it has the machine's", use["a"].Network)
	}
}
