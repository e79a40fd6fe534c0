package oci

import (
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/driver/keeper"
	"github.com/maitred/maitred/internal/image"
	"github.com/maitred/maitred/internal/model"
)

const (
	// specVersion is the version of the runtime specification whose members are used. All runtimes of the floor know it.
	specVersion = "1.0.2"
	// pidsLimit is how many processes a container may have, so that none can exhaust the machine's.
	pidsLimit = 4096
	// defaultShm is the size of /dev/shm in MiB, as Docker's.
	defaultShm = 64
	// minShares are the CPU shares of a container that names none ("Task definition parameters": cpu).
	minShares = 2
	mib       = 1 << 20
)

// The annotations of a configuration, by which the driver finds again what it has made.
const (
	noteTask    = "dev.maitred.task"    // the task's id
	noteAddress = "dev.maitred.address" // the container's, for links
	noteVolumes = "dev.maitred.volumes" // the destinations of its volumes, one a line, for volumesFrom
	noteHosts   = "dev.maitred.host"    // those among them that are paths of the machine
)

// blueprint is all that a container's configuration is made from.
type blueprint struct {
	spec     driver.Spec
	image    image.RunConfig
	args     []string
	user     specs.User
	hostname string // of a UTS namespace of its own; "" for the machine's
	netns    string // a file; "" for the machine's network
	pidns    string // a file of the task's; "" for one of its own, or the machine's
	ipcns    string // likewise
	shm      string // a directory of the task's, or the machine's; "" for one of its own
	cgroup   string // its path below each hierarchy's root
	rootfs   string
	init     string        // the program that is run as the init process; "" for none
	files    []specs.Mount // /etc/hosts and the like
	volumes  []volume
	devices  []specs.LinuxDevice // of the machine, beside the usual ones
	address  string
	foreign  bool // it may run 32-bit programs
	host     machine
}

// volume is one of a container's.
type volume struct {
	specs.Mount
	host bool // its source is a path of the machine, which others than the driver may change
}

// machine is what a configuration depends on of the machine that it is made on.
type machine struct {
	capabilities uint64 // that this process could give, as bits by their numbers
	unified      bool   // cgroup version 2
	swap         bool   // the kernel limits swap
	seccomp      func(caps []string, all bool) (*specs.LinuxSeccomp, error)
}

// configure makes the configuration of a container.
func configure(b *blueprint) (*specs.Spec, error) {
	c := &b.spec.Definition
	caps := capabilities(c, b.host.capabilities)
	s := &specs.Spec{
		Version:     specVersion,
		Root:        &specs.Root{Path: b.rootfs, Readonly: c.ReadonlyRoot},
		Hostname:    b.hostname,
		Process:     process(b, caps),
		Mounts:      mounts(b),
		Annotations: map[string]string{noteTask: b.spec.Sandbox.Task, noteAddress: b.address},
		Linux: &specs.Linux{
			CgroupsPath: b.cgroup, Namespaces: namespaces(b), Resources: resources(b), Devices: b.devices,
			Sysctl: c.Sysctls,
		},
	}
	var targets, hosts []string
	for _, v := range b.volumes {
		targets = append(targets, v.Destination)
		if v.host {
			hosts = append(hosts, v.Destination)
		}
	}
	s.Annotations[noteVolumes], s.Annotations[noteHosts] = strings.Join(targets, "\n"), strings.Join(hosts, "\n")
	if c.Privileged {
		return s, nil
	}
	s.Linux.MaskedPaths, s.Linux.ReadonlyPaths = maskedPaths(), readonlyPaths()
	var err error
	s.Linux.Seccomp, err = b.host.seccomp(caps, b.foreign)
	return s, err
}

// process is the container's first one.
func process(b *blueprint, caps []string) *specs.Process {
	c := &b.spec.Definition
	p := &specs.Process{
		Terminal: c.Terminal, User: b.user, Args: b.args, Cwd: cwd(c, &b.image),
		Env:             environment(b.image.Env, b.spec.Env, b.hostname),
		Capabilities:    &specs.LinuxCapabilities{Bounding: caps, Effective: caps, Permitted: caps},
		NoNewPrivileges: !c.Privileged,
	}
	if b.init != "" {
		p.Args = append([]string{initPath, initVerb, "--"}, p.Args...)
	}
	if c.Terminal && !slices.ContainsFunc(p.Env, func(e string) bool { return strings.HasPrefix(e, "TERM=") }) {
		p.Env = append(p.Env, "TERM=xterm")
	}
	for _, u := range c.Ulimits {
		// -1 becomes the largest number, which is the kernel's "no limit".
		p.Rlimits = append(p.Rlimits, specs.POSIXRlimit{
			Type: "RLIMIT_" + strings.ToUpper(u.Name), Soft: uint64(u.Soft), Hard: uint64(u.Hard),
		})
	}
	return p
}

func cwd(c *model.ContainerDefinition, img *image.RunConfig) string {
	switch {
	case c.WorkingDirectory != "":
		return c.WorkingDirectory
	case img.WorkingDir != "":
		return img.WorkingDir
	}
	return "/"
}

// namespaces are those that the container is put in; the others are the machine's.
func namespaces(b *blueprint) []specs.LinuxNamespace {
	list := []specs.LinuxNamespace{{Type: specs.MountNamespace}}
	add := func(kind specs.LinuxNamespaceType, path string) {
		list = append(list, specs.LinuxNamespace{Type: kind, Path: path})
	}
	if b.spec.Sandbox.PIDMode != modeHost {
		add(specs.PIDNamespace, b.pidns)
	}
	if b.spec.Sandbox.IPCMode != modeHost {
		add(specs.IPCNamespace, b.ipcns)
	}
	if b.netns != "" {
		add(specs.NetworkNamespace, b.netns)
	}
	if b.hostname != "" {
		add(specs.UTSNamespace, "")
	}
	if !b.spec.Definition.Privileged {
		add(specs.CgroupNamespace, "")
	}
	return list
}

// resources are the container's limits. Shares become weights in version 2; the runtime does that.
func resources(b *blueprint) *specs.LinuxResources {
	c := &b.spec.Definition
	shares, pids := uint64(max(c.CPU, minShares)), int64(pidsLimit)
	r := &specs.LinuxResources{
		CPU:     &specs.LinuxCPU{Shares: &shares},
		Pids:    &specs.LinuxPids{Limit: &pids},
		Memory:  memory(c, b.host.swap),
		Devices: []specs.LinuxDeviceCgroup{{Access: "rwm"}},
	}
	if c.Privileged {
		r.Devices[0].Allow = true
		return r
	}
	for _, d := range b.devices {
		r.Devices = append(r.Devices, specs.LinuxDeviceCgroup{
			Allow: true, Type: d.Type, Major: &d.Major, Minor: &d.Minor, Access: access(c, d.Path),
		})
	}
	return r
}

// memory are the limits of memory, nil for none. The limit of swap is that of both together, as Docker and the runtime
// count; a container that says nothing of it may swap as much as it may have memory.
func memory(c *model.ContainerDefinition, swap bool) *specs.LinuxMemory {
	m := &specs.LinuxMemory{}
	if c.Memory > 0 {
		m.Limit = bytesOf(c.Memory)
		if swap {
			m.Swap = bytesOf(2 * c.Memory)
		}
	}
	if c.MemoryReservation > 0 {
		m.Reservation = bytesOf(c.MemoryReservation)
	}
	if l := c.Linux; l != nil && c.Memory > 0 && swap {
		if l.MaxSwap != nil {
			m.Swap = bytesOf(c.Memory + *l.MaxSwap)
		}
		if l.Swappiness != nil {
			n := uint64(*l.Swappiness)
			m.Swappiness = &n
		}
	}
	if *m == (specs.LinuxMemory{}) {
		return nil
	}
	return m
}

func bytesOf(mebibytes int) *int64 {
	n := int64(mebibytes) * mib
	return &n
}

// access is what a container may do with a device, in the cgroup's letters.
func access(c *model.ContainerDefinition, path string) string {
	letters := map[string]string{"read": "r", "write": "w", "mknod": "m"}
	for _, d := range c.Linux.Devices {
		if d.ContainerPath == path {
			var text strings.Builder
			for _, permission := range d.Permissions {
				text.WriteString(letters[permission])
			}
			return text.String()
		}
	}
	return ""
}

// mounts are a container's, in the order in which they are made: the kernel's file systems, then what the definition
// asks for from the shortest path on, so that none hides another one.
func mounts(b *blueprint) []specs.Mount {
	c := &b.spec.Definition
	sys := "ro"
	if c.Privileged {
		sys = "rw"
	}
	list := []specs.Mount{
		{Destination: "/proc", Type: "proc", Source: "proc", Options: []string{"nosuid", "noexec", "nodev"}},
		{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "strictatime", "mode=755", "size=65536k"}},
		{Destination: "/dev/pts", Type: "devpts", Source: "devpts", Options: []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}},
		{Destination: "/sys", Type: "sysfs", Source: "sysfs", Options: []string{"nosuid", "noexec", "nodev", sys}},
		{Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "cgroup", Options: []string{"nosuid", "noexec", "nodev", "relatime", sys}},
		{Destination: "/dev/mqueue", Type: "mqueue", Source: "mqueue", Options: []string{"nosuid", "noexec", "nodev"}},
		shm(b),
	}
	if b.init != "" {
		list = append(list, bind(b.init, initPath, true))
	}
	own := slices.Clone(b.files)
	for _, v := range b.volumes {
		own = append(own, v.Mount)
	}
	own = append(own, tmpfs(c)...)
	slices.SortStableFunc(own, func(x, y specs.Mount) int {
		return strings.Count(strings.TrimRight(x.Destination, "/"), "/") - strings.Count(strings.TrimRight(y.Destination, "/"), "/")
	})
	return append(list, own...)
}

// shm is the container's shared memory.
func shm(b *blueprint) specs.Mount {
	const path = "/dev/shm"
	if b.shm != "" {
		return bind(b.shm, path, false)
	}
	size := defaultShm
	if l := b.spec.Definition.Linux; l != nil && l.SharedSize > 0 {
		size = l.SharedSize
	}
	return specs.Mount{
		Destination: path, Type: "tmpfs", Source: "shm",
		Options: []string{"nosuid", "noexec", "nodev", "mode=1777", "size=" + strconv.Itoa(size) + "m"},
	}
}

func tmpfs(c *model.ContainerDefinition) []specs.Mount {
	if c.Linux == nil {
		return nil
	}
	list := make([]specs.Mount, 0, len(c.Linux.Tmpfs))
	for _, t := range c.Linux.Tmpfs {
		options := append([]string{"noexec", "nosuid", "nodev"}, t.Options...)
		list = append(list, specs.Mount{
			Destination: t.Path, Type: "tmpfs", Source: "tmpfs",
			Options: append(options, "size="+strconv.Itoa(t.Size)+"m"),
		})
	}
	return list
}

// bind puts a file or directory of the machine into a container, without what is mounted on it later.
func bind(source, destination string, readonly bool) specs.Mount {
	options := []string{"rbind", "rprivate"}
	if readonly {
		options = append(options, "ro")
	}
	return specs.Mount{Destination: destination, Type: "bind", Source: source, Options: options}
}

// lend has the keeper mount those volumes of a configuration that are paths of the machine, by their descriptors, in a
// directory where nobody else can change them; the configuration then names these. It changes nothing that it shares with
// another one.
func lend(s *specs.Spec, volumes []volume, dir string) []keeper.Bind {
	var binds []keeper.Bind
	s.Mounts = slices.Clone(s.Mounts)
	for i := range s.Mounts {
		m := &s.Mounts[i]
		if !slices.ContainsFunc(volumes, func(v volume) bool {
			return v.host && v.Destination == m.Destination && v.Source == m.Source
		}) {
			continue
		}
		target := filepath.Join(dir, "host-"+strconv.Itoa(len(binds)))
		binds = append(binds, keeper.Bind{Source: m.Source, Target: target})
		m.Source = target
	}
	return binds
}

// volumesOf finds the volumes in a container's configuration, for another one that mounts them too.
func volumesOf(s *specs.Spec, readonly bool) []volume {
	targets, hosts := lines(s.Annotations[noteVolumes]), lines(s.Annotations[noteHosts])
	var list []volume
	for _, m := range s.Mounts {
		if targets[m.Destination] {
			if readonly && !slices.Contains(m.Options, "ro") {
				m.Options = append(slices.Clone(m.Options), "ro")
			}
			list = append(list, volume{m, hosts[m.Destination]})
		}
	}
	return list
}

// lines are those of an annotation.
func lines(text string) map[string]bool {
	set := map[string]bool{}
	for line := range strings.SplitSeq(text, "\n") {
		set[line] = true
	}
	return set
}

// hosts is the content of /etc/hosts: names in the order of their lines.
func hosts(own string, hostname string, extra []model.Host, links map[string]string) string {
	var text strings.Builder
	text.WriteString("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n")
	for _, alias := range slices.Sorted(maps.Keys(links)) {
		text.WriteString(links[alias] + "\t" + alias + "\n")
	}
	for _, h := range extra {
		text.WriteString(h.Address + "\t" + h.Name + "\n")
	}
	if own != "" && hostname != "" {
		text.WriteString(own + "\t" + hostname + "\n")
	}
	return text.String()
}
