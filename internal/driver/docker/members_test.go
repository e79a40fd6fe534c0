package docker

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/testneeds"
)

// memberTests run the members of a container definition for real.
func memberTests() map[string]func(*world) {
	return map[string]func(*world){
		"capabilities": capabilitySets,
		"privileged":   privileged,
		"a read-only root, tmpfs and shared memory": fileSystems,
		"a device":                          devices,
		"swap":                              swap,
		"host name, hosts and name servers": names,
		"system controls":                   sysctls,
		"links":                             links,
		"an init process":                   initProcess,
		"a terminal":                        terminal,
		"the image's stop signal":           imageStopSignal,
		"no network of one container":       disabledNetwork,
		"directories of the machine":        hostPaths,
		"volumes of the task":               taskVolumes,
		"shared volumes":                    sharedVolumes,
		"volumes from another container":    volumesFromPeer,
		"log drivers":                       logDrivers,
	}
}

// says runs a container to its end and gives what it wrote.
func (w *world) says(d *Driver, spec driver.Spec) string {
	w.Helper()
	s := w.ends(d, spec)
	text := w.log(d, spec.ID)
	if s.ExitCode == nil || *s.ExitCode != 0 {
		w.Errorf("container %s ended with %+v and wrote %q, want exit code 0", spec.ID, s, text)
	}
	return strings.TrimSuffix(text, "\n")
}

// field is the value of a line "NAME:\tVALUE".
func field(text, name string) string {
	for line := range strings.Lines(text) {
		if key, value, _ := strings.Cut(line, ":"); key == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func capabilitySets(w *world) {
	d := w.connect()
	const status = "/proc/self/status"
	for _, c := range []struct {
		id   string
		def  func(*model.ContainerDefinition)
		caps string // the bounding set
		nnp  string // whether privileges can be gained no more
	}{
		// Docker's fourteen without NET_RAW (13), MKNOD (27), AUDIT_WRITE (29) and SETFCAP (31).
		{"default", func(*model.ContainerDefinition) {}, "00000000000405fb&^10", "1"},
		{
			"more", func(c *model.ContainerDefinition) {
				c.Linux = &model.LinuxParameters{Add: []string{"NET_RAW", "SYS_PTRACE"}, Drop: []string{"CHOWN"}}
			}, "", "1",
		},
		{"none", func(c *model.ContainerDefinition) { c.Linux = &model.LinuxParameters{Drop: []string{"ALL"}} }, "0000000000000000", "1"},
		{"loose", func(c *model.ContainerDefinition) { c.SecurityOptions = []string{"no-new-privileges:false"} }, "", "0"},
	} {
		spec := w.spec(c.id, "read", status)
		c.def(&spec.Definition)
		text := w.says(d, spec)
		has := func(bit uint) bool { return bitOf(w.T, field(text, "CapBnd"), bit) }
		if got := field(text, "NoNewPrivs"); got != c.nnp {
			w.Errorf("%s: NoNewPrivs is %s, want %s", c.id, got, c.nnp)
		}
		switch c.id {
		case "default":
			if has(13) || has(27) || has(29) || has(31) || !has(0) || !has(10) {
				w.Errorf("the capabilities are %s, want Docker's without NET_RAW, MKNOD, AUDIT_WRITE, SETFCAP", field(text, "CapBnd"))
			}
		case "more":
			if !has(13) || !has(19) || has(0) || has(27) {
				w.Errorf("the capabilities are %s, want NET_RAW and SYS_PTRACE, and neither CHOWN nor MKNOD", field(text, "CapBnd"))
			}
		case "none":
			if got := field(text, "CapBnd"); got != c.caps {
				w.Errorf("the capabilities are %s, want none", got)
			}
		}
	}
}

func bitOf(t *testing.T, hex string, bit uint) bool {
	t.Helper()
	n := uint(len(hex)) - 1 - bit/4
	if n >= uint(len(hex)) {
		t.Fatalf("no bit %d in %q", bit, hex)
	}
	return strings.IndexByte("0123456789abcdef", hex[n])>>(bit%4)&1 == 1
}

// privileged looks at what the daemon was asked for: a machine may not have all the capabilities itself.
func privileged(w *world) {
	d := w.connect()
	spec := w.spec("a", "sleep")
	spec.Definition.Privileged = true
	w.create(d, spec)
	c, err := d.inspect(w.ctx, d.name("a"))
	if err != nil {
		w.Fatal(err)
	}
	h := c.HostConfig
	if !h.Privileged || len(h.CapDrop) > 0 || slices.Contains(h.SecurityOpt, noNewPrivileges) {
		w.Errorf("privileged is %t, dropped are %v, with %v; want all privileges", h.Privileged, h.CapDrop, h.SecurityOpt)
	}
}

func fileSystems(w *world) {
	d := w.connect()
	spec := w.spec("a", "write", "/file", "text")
	spec.Definition.ReadonlyRoot = true
	w.ends(d, spec)
	if got := w.log(d, "a"); !strings.Contains(got, "read-only file system") {
		w.Errorf("a write to a read-only root gave %q, want it refused", got)
	}
	spec = w.spec("b", "read", "/proc/self/mounts")
	spec.Definition.ReadonlyRoot = true
	spec.Sandbox.NetworkMode = modeNone // with the machine's network, its IPC settings stay private all the same
	spec.Definition.Linux = &model.LinuxParameters{
		Tmpfs: []model.Tmpfs{{Path: "/scratch", Size: 16, Options: []string{"noexec", "mode=1777"}}}, SharedSize: 32,
	}
	text := w.says(d, spec)
	for _, want := range [][]string{{" /scratch tmpfs rw", "size=16384k", "noexec"}, {" /dev/shm tmpfs rw", "size=32768k"}} {
		i := strings.Index(text, want[0])
		if i < 0 {
			w.Errorf("the mounts are %q, want %q among them", text, want[0])
			continue
		}
		line, _, _ := strings.Cut(text[i:], "\n")
		for _, word := range want {
			if !strings.Contains(line, word) {
				w.Errorf("the mount is %q, want %q in it", line, word)
			}
		}
	}
}

func devices(w *world) {
	d := w.connect()
	spec := w.spec("a", "sleep")
	spec.Definition.Linux = &model.LinuxParameters{
		Devices: []model.Device{{HostPath: "/dev/null", ContainerPath: "/dev/nothing", Permissions: []string{"read", "mknod"}}},
	}
	c, err := d.inspect(w.ctx, w.must(d, spec).RuntimeID)
	if err != nil {
		w.Fatal(err)
	}
	want := []container.DeviceMapping{{PathOnHost: "/dev/null", PathInContainer: "/dev/nothing", CgroupPermissions: "rm"}}
	if diff := cmp.Diff(want, c.HostConfig.Devices); diff != "" {
		w.Errorf("devices (-want +got):\n%s", diff)
	}
	if code, text, err := driver.Output(w.ctx, d, "a", []string{"/program", "read", "/dev/nothing"}); code != 0 || err != nil {
		w.Errorf("read of the device = %d, %q, %v, want it to work", code, text, err)
	}
}

func swap(w *world) {
	d := w.connect()
	spec := w.spec("a", "sleep")
	spec.Definition.Memory = 32
	spec.Definition.Linux = &model.LinuxParameters{MaxSwap: new(16), Swappiness: new(7)}
	c, err := d.inspect(w.ctx, w.must(d, spec).RuntimeID)
	if err != nil {
		w.Fatal(err)
	}
	h := c.HostConfig
	if h.MemorySwap>>20 != 48 || h.MemorySwappiness == nil || *h.MemorySwappiness != 7 {
		w.Errorf("memory and swap are %d MiB, swappiness %v, want 48 and 7", h.MemorySwap>>20, h.MemorySwappiness)
	}
}

func names(w *world) {
	d := w.connect()
	spec := w.spec("a", "read", "/etc/hosts", "/etc/resolv.conf", "/proc/sys/kernel/hostname")
	spec.Sandbox.NetworkMode = modeBridge
	spec.Definition.Hostname = "kitchen"
	spec.Definition.ExtraHosts = []model.Host{{Name: "oven", Address: "10.1.2.3"}}
	spec.Definition.DNSServers, spec.Definition.DNSSearch = []string{"10.9.8.7"}, []string{"example.test"}
	text := strings.Join(strings.Fields(w.says(d, spec)), " ")
	for _, want := range []string{"10.1.2.3 oven", "nameserver 10.9.8.7", "search example.test", "kitchen"} {
		if !strings.Contains(text, want) {
			w.Errorf("the container reads %q, want %q in it", text, want)
		}
	}
}

func sysctls(w *world) {
	d := w.connect()
	spec := w.spec("a", "read", "/proc/sys/net/core/somaxconn")
	spec.Sandbox.NetworkMode = modeNone
	spec.Definition.Sysctls = map[string]string{"net.core.somaxconn": "321"}
	if got := w.says(d, spec); got != "321" {
		w.Errorf("somaxconn is %q, want 321", got)
	}
}

func links(w *world) {
	d := w.connect()
	server := w.spec("server", "serve", "8080")
	server.Sandbox.NetworkMode = modeBridge
	w.must(d, server)
	w.poll("the server", func() bool { return strings.Contains(w.log(d, "server"), "ready") })
	spec := w.spec("a", "get", "http://backend:8080/")
	spec.Sandbox.NetworkMode = modeBridge
	spec.Definition.Links = []string{"web:backend"}
	_, err := d.Start(w.ctx, spec)
	w.wantName(err, cannotCreate, "links: container web has not been started")
	spec.ID, spec.Peers = "b", map[string]string{"web": "server"}
	if got := w.says(d, spec); got != "hello from a container" {
		w.Errorf("by the link it reads %q, want the greeting", got)
	}
}

// wantName checks that a start failed for good by ECS's name, for a reason.
func (w *world) wantName(err error, name, reason string) {
	w.Helper()
	if err == nil || !strings.HasPrefix(err.Error(), name+": ") || !strings.Contains(err.Error(), reason) ||
		strings.Contains(err.Error(), "Error response from daemon") {
		w.Errorf("Start = %v, want %s: … %s", err, name, reason)
	}
}

func initProcess(w *world) {
	if _, err := os.Stat("/usr/bin/docker-init"); err != nil {
		d := w.connect() // the daemon says that it has none; what counts is that it was asked for one
		spec := w.spec("a", "processes")
		spec.Definition.Linux = &model.LinuxParameters{Init: true}
		if _, err = d.Start(w.ctx, spec); err == nil {
			return
		}
		w.wantName(err, "Cannot", "docker-init")
		return
	}
	d := w.connect()
	spec := w.spec("a", "processes")
	spec.Definition.Linux = &model.LinuxParameters{Init: true}
	if got := w.says(d, spec); !strings.HasPrefix(got, "1 docker-init\n") {
		w.Errorf("the processes are %q, want docker-init as the first", got)
	}
}

func terminal(w *world) {
	d := w.connect()
	spec := w.spec("a", "long", "40000")
	spec.Definition.Terminal, spec.Definition.Interactive = true, true
	w.ends(d, spec)
	var lines []int
	for line, err := range d.Logs(w.ctx, "a", driver.LogOptions{}) {
		if err != nil {
			w.Fatal(err)
		}
		lines = append(lines, len(line.Text))
		if line.At.IsZero() || line.Stream != "" {
			w.Errorf("a terminal's line is at %v of %q, want a time and no stream", line.At, line.Stream)
		}
	}
	if diff := cmp.Diff([]int{16384, 16384, 40000 - 2*16384, 3}, lines); diff != "" {
		w.Errorf("lengths of lines (-want +got):\n%s", diff)
	}
}

func imageStopSignal(w *world) {
	d := w.connect()
	tagged := w.image + "-hup"
	built, err := d.client.ContainerCreate(w.ctx, client.ContainerCreateOptions{
		Config: &container.Config{Image: w.image, StopSignal: "SIGHUP", Labels: map[string]string{labelScope: w.scope, labelID: "base"}},
	})
	if err != nil {
		w.Fatal(err)
	}
	if _, err := d.client.ContainerCommit(w.ctx, built.ID, client.ContainerCommitOptions{Reference: tagged}); err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() {
		if _, err := d.client.ImageRemove(context.Background(), tagged, client.ImageRemoveOptions{Force: true}); err != nil {
			w.Error(err)
		}
	})
	spec := w.spec("a", "trap", "hangup", "5")
	spec.Definition.Image = tagged
	w.must(d, spec)
	w.poll("the program to be ready", func() bool { return strings.Contains(w.log(d, "a"), "ready") })
	seen := w.watch(d)
	if err := d.Signal(w.ctx, "a", ""); err != nil {
		w.Fatal(err)
	}
	w.wantCode(w.until(seen, "a", driver.Exited), 5, "")
}

func disabledNetwork(w *world) {
	d := w.connect()
	spec := w.spec("a", "interfaces")
	spec.Sandbox.NetworkMode = modeBridge
	spec.Definition.NoNetwork = true
	if got := w.says(d, spec); strings.Contains(got, "eth0") {
		w.Errorf("with disableNetworking it has %q, want no eth0", got)
	}
}

func hostPaths(w *world) {
	d := w.connect()
	dir := w.TempDir()
	spec := w.spec("a", "write", "/data/file", "text")
	spec.Sandbox.Volumes = []model.Volume{{Name: "v", HostPath: filepath.Join(dir, "made")}}
	spec.Definition.Mounts = []model.Mount{{Volume: "v", Path: "/data"}}
	w.says(d, spec)
	if got, err := os.ReadFile(filepath.Join(dir, "made", "file")); string(got) != "text" || err != nil {
		w.Errorf("in the machine's directory is %q, %v, want what the container wrote", got, err)
	}
	spec.ID, spec.Definition.Mounts[0].ReadOnly = "b", true
	w.ends(d, spec)
	if got := w.log(d, "b"); !strings.Contains(got, "read-only") {
		w.Errorf("a write to a read-only mount gave %q, want it refused", got)
	}
	spec.ID, spec.Definition.Mounts[0].Volume = "c", "other"
	_, err := d.Start(w.ctx, spec)
	w.wantName(err, cannotCreate, `no volume "other"`)
	spec.Sandbox.Task, spec.Sandbox.Volumes[0].HostPath, spec.Definition.Mounts[0].Volume = "c", "/a:b", "v"
	_, err = d.Start(w.ctx, spec)
	w.wantName(err, cannotCreate, "colon")
}

func taskVolumes(w *world) {
	d := w.connect()
	spec := w.spec("a", "write", "/data/file", "text")
	spec.Sandbox.Volumes = []model.Volume{{Name: "v"}, {Name: "tmp", Docker: &model.DockerVolume{
		Driver: "local", Options: map[string]string{"type": "tmpfs", "device": "tmpfs"}, Labels: map[string]string{"k": "v"},
	}}}
	spec.Definition.Mounts = []model.Mount{{Volume: "v", Path: "/data"}, {Volume: "tmp", Path: "/tmp"}}
	w.says(d, spec)
	spec.ID, spec.Definition.Command = "b", []string{"read", "/data/file", "/proc/self/mounts"}
	if got := w.says(d, spec); !strings.HasPrefix(got, "text") || !strings.Contains(got, " /tmp tmpfs ") {
		w.Errorf("another container of the task reads %q, want what the first one wrote, and a tmpfs", got)
	}
	if got, err := w.connect().Sandboxes(w.ctx); !slices.Equal(got, []string{"a"}) || err != nil {
		w.Errorf("Sandboxes = %v, %v, want the task's", got, err)
	}
	// The daemon keeps volumes as long as an ended container has them; they go with the last one.
	if err := d.Release(w.ctx, "a"); err != nil {
		w.Fatalf("Release = %v", err)
	}
	if got, err := d.Sandboxes(w.ctx); len(got) > 0 || err != nil {
		w.Errorf("Sandboxes after Release = %v, %v, want none", got, err)
	}
	for _, id := range []string{"a", "b"} {
		if err := d.Remove(w.ctx, id); err != nil {
			w.Fatalf("Remove = %v", err)
		}
	}
	w.wantNothing(d)
}

func sharedVolumes(w *world) {
	d := w.connect()
	name := strings.ToLower(strings.ReplaceAll(d.prefix, "-", "")) + "shared"
	w.Cleanup(func() {
		if _, err := d.client.VolumeRemove(context.Background(), name, client.VolumeRemoveOptions{}); err != nil {
			w.Error(err)
		}
	})
	shared := &model.DockerVolume{Shared: true}
	spec := w.spec("a", "write", "/data/file", "text")
	spec.Sandbox.Volumes = []model.Volume{{Name: name, Docker: shared}}
	spec.Definition.Mounts = []model.Mount{{Volume: name, Path: "/data"}}
	_, err := d.Start(w.ctx, spec)
	w.wantName(err, cannotPrepare, name+": it does not exist, and autoprovision is false")
	shared.Autoprovision = true
	w.says(d, spec)
	if err := d.Release(w.ctx, "a"); err != nil {
		w.Fatalf("Release = %v", err)
	}
	if err := d.Remove(w.ctx, "a"); err != nil {
		w.Fatalf("Remove = %v", err)
	}
	other := w.spec("b", "read", "/data/file")
	other.Sandbox.Volumes, other.Definition.Mounts = spec.Sandbox.Volumes, spec.Definition.Mounts
	if got := w.says(d, other); got != "text" {
		w.Errorf("another task reads %q, want what the first one wrote", got)
	}
	third := w.spec("c", "sleep")
	third.Sandbox.Volumes = []model.Volume{{Name: name, Docker: &model.DockerVolume{
		Shared: true, Autoprovision: true, Options: map[string]string{"type": "tmpfs"},
	}}}
	_, err = d.Start(w.ctx, third)
	w.wantName(err, cannotPrepare, "options")
	if err := d.Remove(w.ctx, "b"); err != nil {
		w.Fatalf("Remove = %v", err)
	}
}

func volumesFromPeer(w *world) {
	d := w.connect()
	first := w.spec("a", "write", "/data/file", "text")
	first.Sandbox.Volumes = []model.Volume{{Name: "v"}}
	first.Definition.Mounts = []model.Mount{{Volume: "v", Path: "/data"}}
	w.says(d, first)
	spec := w.spec("b", "read", "/data/file")
	spec.Sandbox = first.Sandbox
	spec.Definition.VolumesFrom = []model.VolumeFrom{{Container: "first", ReadOnly: true}}
	_, err := d.Start(w.ctx, spec)
	w.wantName(err, cannotCreate, "volumesFrom: container first has not been started")
	spec.Peers = map[string]string{"first": "a"}
	if got := w.says(d, spec); got != "text" {
		w.Errorf("it reads %q, want what the other one wrote", got)
	}
	spec.ID, spec.Definition.Command = "c", []string{"write", "/data/file", "more"}
	w.ends(d, spec)
	if got := w.log(d, "c"); !strings.Contains(got, "read-only") {
		w.Errorf("a write to read-only volumes gave %q, want it refused", got)
	}
}

// logDrivers sends lines to a listener by syslog, and reads them back from the copy that the daemon keeps.
func logDrivers(w *world) {
	d := w.connect()
	l, err := new(net.ListenConfig).ListenPacket(w.ctx, "udp", "127.0.0.1:0")
	if err != nil {
		w.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	spec := w.spec("a", "print", "one")
	spec.Definition.Log = &model.LogConfiguration{
		Driver: "syslog", Options: map[string]string{"syslog-address": "udp://" + l.LocalAddr().String()},
	}
	spec.LogSecrets = map[string]string{"tag": "hush"}
	if got := w.says(d, spec); got != "one" {
		w.Errorf("what was sent to syslog is read back as %q, want one", got)
	}
	packet := make([]byte, 1000)
	n, _, err := l.ReadFrom(packet)
	if got := string(packet[:n]); err != nil || !strings.Contains(got, "hush") || !strings.Contains(got, "one") {
		w.Errorf("syslog got %q, %v, want the line with the secret tag", got, err)
	}
	spec = w.spec("b", "print", "two")
	spec.Definition.Log = &model.LogConfiguration{
		Driver: "awslogs", Options: map[string]string{"awslogs-group": "g", "mode": "non-blocking", "max-buffer-size": "1m"},
	}
	s := w.ends(d, spec)
	c, err := d.inspect(w.ctx, s.RuntimeID)
	if err != nil {
		w.Fatal(err)
	}
	want := container.LogConfig{Type: "json-file", Config: map[string]string{
		"mode": "non-blocking", "max-buffer-size": "1m", "max-size": "10m", "max-file": "3",
	}}
	if diff := cmp.Diff(want, c.HostConfig.LogConfig); diff != "" {
		w.Errorf("awslogs for the daemon (-want +got):\n%s", diff)
	}
}

// TestRefuseMembers is about what Docker cannot do, or not in that network mode.
func TestRefuseMembers(t *testing.T) {
	t.Parallel()
	with := func(mode string, change func(*model.TaskDefinition, *model.ContainerDefinition)) *model.TaskDefinition {
		def := task(mode, model.ContainerDefinition{Name: "c", Image: "i"})
		change(&def, &def.Containers[0])
		return &def
	}
	type (
		task = model.TaskDefinition
		cont = model.ContainerDefinition
	)
	for want, def := range map[string]*task{
		"": with("bridge", func(d *task, c *cont) {
			d.PIDMode, d.IPCMode = "task", "task"
			c.Links, c.Hostname, c.DNSServers, c.Privileged, c.NoNetwork = []string{"x"}, "h", []string{"10.0.0.1"}, true, true
			c.SecurityOptions = []string{"no-new-privileges", "apparmor:unconfined", "label=type:x"}
			c.Log = &model.LogConfiguration{Driver: "splunk", Secrets: []model.Secret{{Name: "a", ValueFrom: "b"}}}
			c.Linux = &model.LinuxParameters{Init: true, MaxSwap: new(1), SharedSize: 1, Add: []string{"NET_RAW"}}
			c.Memory = 64
		}),
		"hostname, extraHosts": with("awsvpc", func(_ *task, c *cont) {
			c.Hostname, c.ExtraHosts = "h", []model.Host{{Name: "a", Address: "b"}}
		}),
		"dnsServers, dnsSearchDomains": with("awsvpc", func(_ *task, c *cont) {
			c.DNSServers, c.DNSSearch = []string{"10.0.0.1"}, []string{"x"}
		}),
		"disableNetworking":                   with("awsvpc", func(_ *task, c *cont) { c.NoNetwork = true }),
		"links: only containers":              with("host", func(_ *task, c *cont) { c.Links = []string{"x"} }),
		"linuxParameters.maxSwap":             with("", func(_ *task, c *cont) { c.Linux = &model.LinuxParameters{MaxSwap: new(1)} }),
		`dockerSecurityOptions "seccomp`:      with("", func(_ *task, c *cont) { c.SecurityOptions = []string{"seccomp=unconfined"} }),
		"logConfiguration.logDriver awsfirel": with("", func(_ *task, c *cont) { c.Log = &model.LogConfiguration{Driver: "awsfirelens"} }),
		"ephemeralStorage":                    with("", func(d *task, _ *cont) { d.Storage = 30 }),
		"volumes.efsVolumeConfiguration": with("", func(d *task, _ *cont) {
			d.Volumes = []model.Volume{{Name: "v", Unmet: "efsVolumeConfiguration"}}
		}),
	} {
		got := Refuse(def)
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("Refuse = %q, want %q in it", got, want)
		}
	}
}

// rooted are the tests that need root on the daemon's machine.
func rooted(test func(*world)) func(*world) {
	return func(w *world) {
		testneeds.Root(w.T)
		test(w)
	}
}
