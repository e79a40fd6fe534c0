//go:build linux

package oci

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/driver/keeper"
	"github.com/maitred/maitred/internal/image"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/testneeds"
)

func TestArguments(t *testing.T) {
	t.Parallel()
	img := &image.RunConfig{Entrypoint: []string{"entry"}, Cmd: []string{"cmd"}}
	for name, c := range map[string]struct {
		definition model.ContainerDefinition
		want       string
	}{
		"the image's":   {model.ContainerDefinition{}, "entry cmd"},
		"a command":     {model.ContainerDefinition{Command: []string{"own"}}, "entry own"},
		"an entryPoint": {model.ContainerDefinition{EntryPoint: []string{"mine"}}, "mine"},
		"both":          {model.ContainerDefinition{EntryPoint: []string{"mine"}, Command: []string{"own"}}, "mine own"},
	} {
		if got := strings.Join(arguments(&c.definition, img), " "); got != c.want {
			t.Errorf("%s: arguments = %q, want %q", name, got, c.want)
		}
	}
}

func TestEnvironment(t *testing.T) {
	t.Parallel()
	got := environment([]string{"A=1", "PATH=/image"}, []string{"A=2", "B=x=y"}, "box")
	if diff := cmp.Diff([]string{"A=2", "PATH=/image", "B=x=y", "HOSTNAME=box"}, got); diff != "" {
		t.Errorf("environment (-want +got):\n%s", diff)
	}
}

func TestCapabilities(t *testing.T) {
	t.Parallel()
	const all = 1<<41 - 1
	for name, c := range map[string]struct {
		add, drop []string
		could     uint64
		want      int // how many
		has, not  string
	}{
		"default":              {nil, nil, all, 10, "CAP_CHOWN", "CAP_NET_RAW"},
		"add":                  {[]string{"net_raw"}, nil, all, 11, "CAP_NET_RAW", "CAP_SYS_ADMIN"},
		"drop":                 {nil, []string{"CHOWN"}, all, 9, "CAP_KILL", "CAP_CHOWN"},
		"add and drop one":     {[]string{"CHOWN"}, []string{"CHOWN"}, all, 10, "CAP_CHOWN", "CAP_BPF"},
		"drop all":             {[]string{"KILL"}, []string{"ALL"}, all, 1, "CAP_KILL", "CAP_CHOWN"},
		"add all":              {[]string{"ALL"}, []string{"SYS_ADMIN"}, all, 40, "CAP_BPF", "CAP_SYS_ADMIN"},
		"what cannot be given": {[]string{"ALL"}, nil, 1, 1, "CAP_CHOWN", "CAP_KILL"},
	} {
		got := capabilities(&model.ContainerDefinition{Linux: &model.LinuxParameters{Add: c.add, Drop: c.drop}}, c.could)
		if len(got) != c.want || !slices.Contains(got, c.has) || slices.Contains(got, c.not) {
			t.Errorf("%s: capabilities = %q, want %d with %s and without %s", name, got, c.want, c.has, c.not)
		}
	}
}

func TestMemory(t *testing.T) {
	t.Parallel()
	zero, ten := 0, 10
	for name, c := range map[string]struct {
		linux *model.LinuxParameters
		swap  bool
		want  int64 // of both, MiB; 0 for none
	}{
		"as much again":   {nil, true, 64},
		"none":            {&model.LinuxParameters{MaxSwap: &zero}, true, 32},
		"some":            {&model.LinuxParameters{MaxSwap: &ten}, true, 42},
		"no such a limit": {&model.LinuxParameters{MaxSwap: &ten}, false, 0},
	} {
		m := memory(&model.ContainerDefinition{Memory: 32, Linux: c.linux}, c.swap)
		got := int64(0)
		if m.Swap != nil {
			got = *m.Swap / mib
		}
		if got != c.want || *m.Limit != 32*mib {
			t.Errorf("%s: the limits are %d MiB and %d bytes, want %d and 32 MiB", name, got, *m.Limit, c.want)
		}
	}
	if got := memory(&model.ContainerDefinition{}, true); got != nil {
		t.Errorf("without limits memory = %v, want nil", got)
	}
}

// TestLend has the paths of the machine be mounted by the keeper, and no other ones; those who mount them too learn which
// they are, not where they are lent to.
func TestLend(t *testing.T) {
	t.Parallel()
	b := &blueprint{
		files: []specs.Mount{bind("/etc/hosts", "/etc/hosts", true)},
		volumes: []volume{
			{bind("/srv/a", "/a", true), true},
			{bind("/dir/volumes/b", "/b", false), false},
			{bind("/srv/c", "/odd\n/b", false), true},
			{bind("/etc/hosts", "/etc/hosts", false), true},
		},
		host: machine{seccomp: func([]string, bool) (*specs.LinuxSeccomp, error) { return nil, nil }},
	}
	config, err := configure(b)
	if err != nil {
		t.Fatal(err)
	}
	note := noted(config)
	want := []keeper.Bind{
		{Source: "/srv/a", Target: "/bundle/host-0"},
		{Source: "/etc/hosts", Target: "/bundle/host-1"},
		{Source: "/srv/c", Target: "/bundle/host-2"},
		{Source: "/etc/hosts", Target: "/bundle/host-3"},
	}
	got := lend(config, b.volumes, "/bundle")
	slices.SortFunc(got, func(x, y keeper.Bind) int { return strings.Compare(x.Target, y.Target) })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("lend (-want +got):\n%s", diff)
	}
	for _, v := range b.volumes {
		if v.host && slices.ContainsFunc(config.Mounts, func(m specs.Mount) bool { return m.Source == v.Source }) {
			t.Errorf("the configuration names %s itself", v.Source)
		}
	}
	shared := map[string]bool{}
	for _, v := range volumesOf(note, false) {
		shared[v.Source] = v.host
	}
	if diff := cmp.Diff(map[string]bool{"/srv/a": true, "/dir/volumes/b": true, "/etc/hosts": true}, shared); diff != "" {
		t.Errorf("the volumes for others, and whether they are the machine's (-want +got):\n%s", diff)
	}
}

func TestParseVersion(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"runc version 1.1.5+ds1\ncommit: x\n": "runc 1.1.5", "runc version 1.2.0-rc.1\n": "runc 1.2.0",
		"crun version 1.8\n": "crun 1.8", "crun version 1.14.3\ncommit: y": "crun 1.14.3",
		"runc version 1.1.4\n": "", "runc version 1.0.10\n": "", "crun version 1.7.2\n": "", "youki 1.0\n": "", "": "",
	} {
		name, version, err := parseVersion(text)
		if got := strings.TrimSpace(name + " " + version); got != want || (err == nil) != (want != "") {
			t.Errorf("parseVersion(%q) = %q, %v, want %q", text, got, err, want)
		}
	}
}

func TestCrunFits(t *testing.T) {
	t.Parallel()
	if err := crunFits(nil); err != nil {
		t.Errorf("crunFits without controllers = %v, want nil", err)
	}
	if err := crunFits([]string{"hugetlb"}); err == nil || !strings.Contains(err.Error(), "hugetlb") {
		t.Errorf("crunFits with a controller in version 2 = %v, want an error with its name", err)
	}
}

func TestHierarchies(t *testing.T) {
	t.Parallel()
	const one = "30 25 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n31 25 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
	const two = "32 25 0:28 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate\n"
	for name, c := range map[string]struct {
		mounts string
		dirs   []string
		cpu    string
	}{
		"version 1": {one, []string{"/sys/fs/cgroup/cpu,cpuacct/x", "/sys/fs/cgroup/memory/x"}, "/sys/fs/cgroup/cpu,cpuacct/x"},
		"version 2": {two, []string{"/sys/fs/cgroup/unified/x"}, "/sys/fs/cgroup/unified/x"},
		"both":      {one + two, []string{"/sys/fs/cgroup/cpu,cpuacct/x", "/sys/fs/cgroup/memory/x", "/sys/fs/cgroup/unified/x"}, "/sys/fs/cgroup/cpu,cpuacct/x"},
	} {
		h := findHierarchies(c.mounts)
		if diff := cmp.Diff(c.dirs, h.dirs("x")); diff != "" || h.of("cpu", "x") != c.cpu {
			t.Errorf("%s: dirs (-want +got):\n%s\ncpu in %s, want %s", name, diff, h.of("cpu", "x"), c.cpu)
		}
	}
}

// TestUnified has the files of cgroup version 2 be files of a directory, for machines that have version 1.
func TestUnified(t *testing.T) {
	t.Parallel()
	h := hierarchies{unified: t.TempDir()}
	if err := h.limit("/m/task-t", 512, 64); err != nil {
		t.Fatalf("limit = %v", err)
	}
	for name, want := range map[string]string{
		"m/task-t/cpu.max": "50000 100000", "m/task-t/memory.max": "67108864", "cgroup.subtree_control": "+io",
	} {
		if got, err := os.ReadFile(filepath.Join(h.unified, name)); err != nil || string(got) != want {
			t.Errorf("%s = %q, %v, want %q", name, got, err, want)
		}
	}
	for name, text := range map[string]string{
		"cpu.stat": "usage_usec 1500\nuser_usec 1\n", "memory.current": "1000\n", "memory.stat": "anon 1\ninactive_file 400\n",
	} {
		if err := os.WriteFile(filepath.Join(h.unified, "m", name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := h.usage("/m")
	if want := (driver.Usage{CPU: 1500000, Memory: 600}); err != nil || got != want {
		t.Errorf("usage = %+v, %v, want %+v", got, err, want)
	}
	if err := os.WriteFile(filepath.Join(h.unified, "m", "io.stat"), []byte("8:0 rbytes=10 wbytes=20 rios=1 wios=1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := h.usage("/m"); err != nil || got.Disk == nil || *got.Disk != (driver.Disk{Read: 10, Written: 20}) {
		t.Errorf("usage of the disk = %+v, %v, want 10 bytes read and 20 written", got.Disk, err)
	}
}

// TestOpenInLayers looks for files through what layers do to each other.
func TestOpenInLayers(t *testing.T) {
	t.Parallel()
	testneeds.Root(t)
	dir := t.TempDir()
	low, high := filepath.Join(dir, "low"), filepath.Join(dir, "high")
	for _, path := range []string{low + "/etc", low + "/opaque", low + "/real", high + "/etc", high + "/opaque"} {
		if err := os.MkdirAll(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{low + "/etc/both", low + "/etc/low", low + "/etc/deleted", low + "/opaque/file", low + "/real/file", high + "/etc/both"} {
		if err := os.WriteFile(path, []byte(strings.TrimPrefix(path, dir)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for target, link := range map[string]string{"/real": high + "/absolute", "../real/file": high + "/etc/relative", "../../../../../etc": high + "/out", "loop": high + "/loop"} {
		if err := os.Symlink(target, link); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mknod(high+"/etc/deleted", unix.S_IFCHR, 0); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setxattr(high+"/opaque", "trusted.overlay.opaque", []byte("y"), 0); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"etc/both": "/high/etc/both", "etc/low": "/low/etc/low", "etc/deleted": "", "opaque/file": "", "absolute/file": "/low/real/file",
		"etc/relative": "/low/real/file", "out/both": "/high/etc/both", "absent/x": "", "etc": "",
	} {
		f, err := openInLayers([]string{low, high}, name)
		got := ""
		if f != nil {
			text := make([]byte, 100)
			n, _ := f.Read(text)
			got = string(text[:n])
			_ = f.Close()
		}
		if err != nil || got != want {
			t.Errorf("openInLayers(%s) = %q, %v, want %q", name, got, err, want)
		}
	}
	if _, err := openInLayers([]string{low, high}, "loop"); err == nil {
		t.Error("openInLayers of a link to itself = nil, want an error")
	}
}

func TestRefuse(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]model.TaskDefinition{
		"":                       {NetworkMode: "awsvpc", PIDMode: "task", Containers: []model.ContainerDefinition{{Name: "a", Image: "nginx", Privileged: true}}},
		"seccomp=unconfined":     {Containers: []model.ContainerDefinition{{Name: "a", SecurityOptions: []string{"seccomp=unconfined"}}}},
		`no limit "speed"`:       {Containers: []model.ContainerDefinition{{Name: "a", Ulimits: []model.Ulimit{{Name: "speed"}}}}},
		`no capability "FLY"`:    {Containers: []model.ContainerDefinition{{Name: "a", Linux: &model.LinuxParameters{Add: []string{"FLY"}}}}},
		"driverOpts":             {Volumes: []model.Volume{{Name: "v", Docker: &model.DockerVolume{Options: map[string]string{"type": "nfs"}}}}},
		"efsVolumeConfiguration": {Volumes: []model.Volume{{Name: "v", Unmet: "efsVolumeConfiguration"}}},
		"ephemeralStorage":       {Storage: 30},
		"resourceRequirements":   {Containers: []model.ContainerDefinition{{Name: "a", GPUs: 1}}},
		"logConfiguration":       {Containers: []model.ContainerDefinition{{Name: "a", Log: &model.LogConfiguration{Driver: "splunk"}}}},
	} {
		got := Refuse(&c)
		if (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("Refuse = %q, want %q in it", got, want)
		}
	}
}

// FuzzHierarchies reads any text as a list of mounts; what it finds are paths of it.
func FuzzHierarchies(f *testing.F) {
	f.Add("32 25 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n")
	f.Add("30 25 0:26 / /m rw shared:1 - cgroup cgroup rw,memory\n - \n")
	f.Fuzz(func(t *testing.T, text string) {
		h := findHierarchies(text)
		for _, root := range h.roots {
			if root == "" || !strings.Contains(text, root) {
				t.Errorf("found %q in %q", root, text)
			}
		}
		if h.unified != "" && len(h.roots) > 0 {
			t.Errorf("both versions have the controllers in %q", text)
		}
	})
}
