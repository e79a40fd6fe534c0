package policy_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/maitred/maitred/internal/agent/policy"
	"github.com/maitred/maitred/internal/model"
)

func mounts(volumes ...model.Volume) *model.TaskDefinition {
	c := model.ContainerDefinition{Name: "web"}
	for i := range volumes {
		volumes[i].Name = string(rune('a' + i))
		c.Mounts = append(c.Mounts, model.Mount{Volume: volumes[i].Name, Path: "/data"})
	}
	return &model.TaskDefinition{Volumes: volumes, Containers: []model.ContainerDefinition{c}}
}

func TestRefuse(t *testing.T) {
	t.Parallel()
	deviceAt := func(path string) *model.TaskDefinition {
		return &model.TaskDefinition{Containers: []model.ContainerDefinition{
			{Name: "web", Linux: &model.LinuxParameters{Devices: []model.Device{{HostPath: path}}}},
		}}
	}
	device := deviceAt("/dev/kvm")
	privileged := &model.TaskDefinition{Containers: []model.ContainerDefinition{{Name: "web", Privileged: true}}}
	named := func(device string) *model.TaskDefinition {
		return mounts(model.Volume{Docker: &model.DockerVolume{Options: map[string]string{"o": "bind", "device": device}}})
	}
	unmounted := mounts(model.Volume{HostPath: "/etc"})
	unmounted.Containers[0].Mounts = nil
	for _, test := range []struct {
		name   string
		policy model.Policy
		def    *model.TaskDefinition
		want   string
	}{
		{"nothing", model.Policy{}, mounts(model.Volume{}), ""},
		{"unmounted", model.Policy{}, unmounted, ""},
		{
			"privileged",
			model.Policy{},
			privileged,
			"container web: privileged: this machine's operator does not allow it (--allow-privileged)",
		},
		{"privileged, allowed", model.Policy{Privileged: true}, privileged, ""},
		{
			"a path",
			model.Policy{HostPaths: []string{"/srv"}},
			mounts(model.Volume{}, model.Volume{HostPath: "/mnt"}),
			"volumes[1].host.sourcePath /mnt: this machine's operator does not allow it (--allow-host-path)",
		},
		{
			"a device",
			model.Policy{HostPaths: []string{"/"}},
			device,
			"container web: linuxParameters.devices[0].hostPath /dev/kvm: this machine's operator does not allow it (--allow-host-path)",
		},
		{
			"a device that a container made in a volume",
			model.Policy{HostPaths: []string{"/srv"}},
			deviceAt("/srv/disk"),
			"container web: linuxParameters.devices[0].hostPath /srv/disk: a device has to be in /dev, where the machine's own are",
		},
		{
			"a device that a container made in the machine's shared memory",
			model.Policy{HostPaths: []string{"/dev"}},
			deviceAt("/dev/kvm/../shm/disk"),
			"container web: linuxParameters.devices[0].hostPath /dev/kvm/../shm/disk: a device has to be in /dev, where the machine's own are",
		},
		{"a device, allowed", model.Policy{HostPaths: []string{"/dev/kvm"}}, device, ""},
		{
			"a named volume that mounts a path",
			model.Policy{},
			named("/etc"),
			"volumes[0].dockerVolumeConfiguration.driverOpts.device /etc: this machine's operator does not allow it (--allow-host-path)",
		},
		{
			"a named volume that binds a path which begins nowhere",
			model.Policy{HostPaths: []string{"/etc"}},
			named("./../../../etc"),
			"volumes[0].dockerVolumeConfiguration.driverOpts.device ./../../../etc: it has to be an absolute path",
		},
		{"a named volume of another sort", model.Policy{}, optioned("type", "tmpfs", "device", "tmpfs"), ""},
		{"a named volume of another machine", model.Policy{}, optioned("type", "nfs", "o", "addr=192.0.2.1,rw", "device", ":/export"), ""},
	} {
		if got := policy.Refuse(test.policy, test.def); got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}

// optioned is a definition with a named volume of some options.
func optioned(pairs ...string) *model.TaskDefinition {
	options := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		options[pairs[i]] = pairs[i+1]
	}
	return mounts(model.Volume{Docker: &model.DockerVolume{Driver: "local", Options: options}})
}

// TestOwning refuses what comes to the same as privileged, and only that.
func TestOwning(t *testing.T) {
	t.Parallel()
	adding := func(network, pid string, names ...string) *model.TaskDefinition {
		return &model.TaskDefinition{NetworkMode: network, PIDMode: pid, Containers: []model.ContainerDefinition{
			{Name: "web", Linux: &model.LinuxParameters{Add: names}},
		}}
	}
	const add, kind = "container web: linuxParameters.capabilities.add ", "volumes[0].dockerVolumeConfiguration.driverOpts.type "
	for _, test := range []struct {
		name, want string
		def        *model.TaskDefinition
	}{
		{"all capabilities", add + "ALL", adding("", "", "ALL")},
		{"mounting", add + "SYS_ADMIN", adding("", "", "CHOWN", "SYS_ADMIN")},
		{"mounting, spelt otherwise", add + "cap_sys_admin", adding("", "", "cap_sys_admin")},
		{"files by their numbers", add + "DAC_READ_SEARCH", adding("", "", "DAC_READ_SEARCH")},
		{"debugging its own", "", adding("", "task", "SYS_PTRACE")},
		{"the machine's processes, other tasks' among them", "pidMode host", adding("", "host")},
		{"its own network", "", adding("awsvpc", "", "NET_ADMIN")},
		{"the machine's network", add + "NET_ADMIN", adding("host", "", "NET_ADMIN")},
		{"harmless", "", adding("host", "task", "NET_RAW", "MKNOD", "SYS_NICE", "IPC_LOCK")},
		{"the machine's processes", kind + "proc", optioned("type", "proc", "device", "proc")},
		{"directories below an overlay", kind + "overlay", optioned("type", "overlay", "device", "overlay", "o", "lowerdir=/etc:/root")},
		{"the machine's control groups", kind + "cgroup", optioned("type", "cgroup", "device", "cgroup", "o", "devices")},
		{"a size", "", optioned("type", "tmpfs", "device", "tmpfs", "o", "size=10m,uid=1000")},
	} {
		want := test.want
		if want != "" {
			want += ": this machine's operator does not allow it (--allow-privileged)"
		}
		if got := policy.Refuse(model.Policy{}, test.def); got != want {
			t.Errorf("%s: got %q, want %q", test.name, got, want)
		}
		if got := policy.Refuse(model.Policy{Privileged: true}, test.def); got != "" {
			t.Errorf("%s, with all allowed: got %q, want nothing", test.name, got)
		}
	}
	for _, device := range []string{"etc", "proc/self/root"} {
		def := optioned("type", "tmpfs", "o", "size=1m,rbind", "device", device)
		if got := policy.Refuse(model.Policy{Privileged: true, HostPaths: []string{"/"}}, def); got == "" {
			t.Errorf("bound device %q: got it allowed, want it refused", device)
		}
	}
}

func TestPaths(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		path    string
		allowed []string
		want    bool
	}{
		{"/srv", nil, false},
		{"/srv", []string{"/srv"}, true},
		{"/srv/", []string{"/srv"}, true},
		{"/srv", []string{"/srv/"}, true},
		{"/srv/app", []string{"/srv"}, true},
		{"/srv2", []string{"/srv"}, false},
		{"/", []string{"/srv"}, false},
		{"/srv/../etc", []string{"/srv"}, false},
		{"/srv/./app/../x", []string{"/srv"}, true},
		{"srv", []string{"/"}, false},
		{"", []string{"/"}, false},
		{"/srv", []string{"/"}, true},
		{"/", []string{"/"}, true},
		{"/etc", []string{"/"}, false},
		{"/etc", []string{"/etc"}, true},
		{"/etc/ssl", []string{"/"}, false},
		{"/etc/ssl", []string{"/etc"}, true},
		{"/etc/ssl/certs", []string{"/etc/ssl"}, true},
		{"/etc/shadow", []string{"/etc/ssl"}, false},
		{"/run/docker.sock", []string{"/run"}, false},
		{"/var/run/docker.sock", []string{"/var/run"}, false},
		{"/run/docker.sock", []string{"/run/docker.sock"}, true},
		{"/var/lib", []string{"/var"}, false},     // Docker's directory is in it
		{"/var/lib", []string{"/var/lib"}, true},  // it was named
		{"/var/log", []string{"/var"}, true},      //
		{"/maitred/store", []string{"/"}, false},  // its own
		{"/maitred", []string{"/maitred"}, true},  // named
		{"/proc/1/root", []string{"/proc"}, true}, // named
	} {
		p := model.Policy{HostPaths: test.allowed, Guarded: []string{"/maitred"}}
		why := policy.Refuse(p, mounts(model.Volume{HostPath: test.path}))
		if got := why == "" && test.path != ""; got != test.want {
			t.Errorf("%q with %q: got %q, want allowed: %v", test.path, test.allowed, why, test.want)
		}
	}
}

// TestResolve follows symbolic links and "..": what is allowed by name is not allowed when it leads elsewhere.
func TestResolve(t *testing.T) {
	t.Parallel()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"allowed/sub", "secret/inner", "own"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{
		"allowed/out": "../secret", "allowed/absolute": filepath.Join(root, "secret"), "allowed/in": "sub",
		"allowed/nowhere": "../not-yet", "alias": "allowed", "allowed/chain": "out/inner",
	} {
		if err := os.Symlink(to, filepath.Join(root, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(root, "allowed", "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ path, allow, want, trouble string }{
		{"allowed", "allowed", "allowed", ""},
		{"allowed/sub", "allowed", "allowed/sub", ""},
		{"allowed/in", "allowed", "allowed/sub", ""},
		{"allowed/new/deep", "allowed", "allowed/new/deep", ""},
		{"allowed/in/new", "allowed", "allowed/sub/new", ""},
		{"alias/sub", "alias", "allowed/sub", ""},
		{"alias/sub", "allowed", "allowed/sub", ""},
		{"allowed/out", "allowed", "", "does not allow it"},
		{"allowed/out/new", "allowed", "", "does not allow it"},
		{"allowed/absolute", "allowed", "", "does not allow it"},
		{"allowed/chain", "allowed", "", "does not allow it"},
		{"allowed/../secret", "allowed", "", "does not allow it"},
		{"allowed/out/../own", "allowed", "", "does not allow it"},
		{"allowed/new/../../secret", "allowed", "", "after what does not exist"},
		{"allowed/nowhere", "allowed", "", "leads nowhere"},
		{"allowed/nowhere/", "allowed", "", "leads nowhere"},
		{"allowed//./new/", "allowed", "allowed/new", ""},
		{"allowed/nowhere/x", "allowed", "", "leads nowhere"},
		{"allowed/file/x", "allowed", "", "not a directory"},
		{"own", ".", "", "does not allow it"},
	} {
		p := model.Policy{HostPaths: []string{filepath.Join(root, test.allow)}, Guarded: []string{filepath.Join(root, "own")}}
		got, err := policy.Resolve(p, root+"/"+test.path)
		if test.trouble != "" {
			if err == nil || !strings.Contains(err.Error(), test.trouble) {
				t.Errorf("%s: got %q, %v, want %q", test.path, got, err, test.trouble)
			}
			continue
		}
		if want := filepath.Join(root, test.want); got != want || err != nil {
			t.Errorf("%s: got %q, %v, want %q", test.path, got, err, want)
		}
	}
	if got, err := policy.Resolve(model.Policy{HostPaths: []string{"/"}}, "/"); got != "/" || err != nil {
		t.Errorf("/: got %q, %v, want /", got, err)
	}
	if _, err := policy.Resolve(model.Policy{HostPaths: []string{"/"}}, "relative"); err == nil {
		t.Error("a relative path: got nil, want an error")
	}
}

func TestResolveAll(t *testing.T) {
	t.Parallel()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(root, "link")
	if err := os.Symlink(root, link); err != nil {
		t.Fatal(err)
	}
	p := model.Policy{HostPaths: []string{root}}
	def := mounts(model.Volume{}, model.Volume{HostPath: link})
	got, err := policy.ResolveAll(p, def)
	if diff := cmp.Diff([]model.Volume{{Name: "a"}, {Name: "b", HostPath: root}}, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if def.Volumes[1].HostPath != link {
		t.Errorf("the definition was changed: %+v", def.Volumes)
	}
	def.Containers[0].Linux = &model.LinuxParameters{Devices: []model.Device{{HostPath: "/dev/null"}}}
	if _, err := policy.ResolveAll(p, def); err == nil || !strings.Contains(err.Error(), "devices[0].hostPath /dev/null") {
		t.Errorf("a device: got %v, want an error that names it", err)
	}
	if _, err := policy.ResolveAll(p, mounts(model.Volume{HostPath: "/etc"})); err == nil {
		t.Error("another directory: got nil, want an error")
	}
}

func FuzzRefuse(f *testing.F) {
	for _, seed := range []string{"", "/", "/srv/..", "/srv//x", "srv", "/srv/../srv/a", "/srvx", "/srv/\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, path string) {
		why := policy.Refuse(model.Policy{HostPaths: []string{"/srv"}}, mounts(model.Volume{HostPath: path}))
		clean := filepath.Clean(path)
		below := clean == "/srv" || strings.HasPrefix(clean, "/srv/")
		if why == "" && path != "" && !below {
			t.Errorf("%q is allowed, and it is %q", path, clean)
		}
	})
}
