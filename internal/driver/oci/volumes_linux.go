package oci

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/image"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/network"
)

// volumesFor are the volumes of a container: its own, those of other containers, and those that its image asks for and
// nobody else gives it.
func (d *Driver) volumesFor(spec *driver.Spec, img *image.Image) ([]specs.Mount, error) {
	c := &spec.Definition
	var list []specs.Mount
	add := func(mounts ...specs.Mount) {
		for _, m := range mounts {
			m.Destination = filepath.Clean("/" + m.Destination)
			if !slices.ContainsFunc(list, func(o specs.Mount) bool { return o.Destination == m.Destination }) {
				list = append(list, m)
			}
		}
	}
	for _, m := range c.Mounts {
		source, err := d.volume(spec, m, img.Layers)
		if err != nil {
			return nil, err
		}
		add(bind(source, m.Path, m.ReadOnly))
	}
	for _, from := range c.VolumesFrom {
		peer, err := readNote(d.bundle(spec.Peers[from.Container]))
		if err != nil || spec.Peers[from.Container] == "" {
			return nil, cannotCreate("volumesFrom: container %s has not been started", from.Container)
		}
		add(volumesOf(peer, from.ReadOnly)...)
	}
	for i, path := range img.Config.Volumes {
		source := filepath.Join(d.layer(spec.ID), fmt.Sprintf("volume-%d", i))
		if slices.ContainsFunc(list, func(o specs.Mount) bool { return o.Destination == filepath.Clean("/"+path) }) {
			continue
		}
		if err := d.create(source, path, img.Layers); err != nil {
			return nil, cannotCreate("volume %s of the image: %w", path, err)
		}
		add(bind(source, path, false))
	}
	return list, nil
}

// volume finds the directory that is a volume of a task.
func (d *Driver) volume(spec *driver.Spec, m model.Mount, layers []string) (string, error) {
	name := m.Volume
	i := slices.IndexFunc(spec.Sandbox.Volumes, func(v model.Volume) bool { return v.Name == name })
	if i < 0 {
		return "", cannotCreate("mountPoints: the task has no volume %q", name)
	}
	v := &spec.Sandbox.Volumes[i]
	if v.HostPath != "" {
		return d.hostPath(v.HostPath)
	}
	if strings.ContainsRune(name, '/') || !filepath.IsLocal(name) {
		return "", cannotCreate("volume %q: its name is no name of a directory", name)
	}
	dir := filepath.Join(d.volumes("task"), task(spec), name)
	if v.Docker != nil && v.Docker.Shared {
		dir = filepath.Join(d.volumes("shared"), name)
		if _, err := os.Stat(dir); !v.Docker.Autoprovision && errors.Is(err, os.ErrNotExist) {
			return "", cannotCreate("volume %s does not exist, and autoprovision is false", name)
		}
	}
	if err := d.create(dir, m.Path, layers); err != nil {
		return "", cannotCreate("volume %s: %w", name, err)
	}
	return dir, nil
}

// hostPath gives the directory of the machine that a path leads to, without any symbolic link, and makes it if it is not
// there, as Docker does. That it still leads there is looked at once more, for it is a race with whoever may write there.
func (d *Driver) hostPath(path string) (string, error) {
	target, err := d.cfg.HostPath(path)
	if errors.Is(err, os.ErrNotExist) {
		if err := os.MkdirAll(path, 0o755); err != nil { //nolint:gosec // as Docker makes it
			return "", cannotCreate("host.sourcePath %s: %w", path, err)
		}
		target, err = d.cfg.HostPath(path)
	}
	if err != nil {
		return "", cannotCreate("host.sourcePath %s: %w", path, err)
	}
	if err := os.MkdirAll(target, 0o755); err != nil && !errors.Is(err, unix.ENOTDIR) { //nolint:gosec // as above
		return "", cannotCreate("host.sourcePath %s: %w", path, err)
	}
	fd, err := unix.Openat2(unix.AT_FDCWD, target, &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_SYMLINKS})
	if err != nil {
		return "", cannotCreate("host.sourcePath %s: %s: %w", path, target, err)
	}
	return target, unix.Close(fd)
}

// files are the files of a container that tell it names: /etc/hosts, /etc/hostname and /etc/resolv.conf.
func (d *Driver) files(b *blueprint) ([]specs.Mount, error) {
	c := &b.spec.Definition
	if b.netns == "" && len(c.ExtraHosts)+len(c.DNSServers)+len(c.DNSSearch) == 0 {
		var list []specs.Mount
		for _, path := range []string{"/etc/hosts", "/etc/resolv.conf"} {
			if _, err := os.Stat(path); err == nil {
				list = append(list, bind(path, path, true))
			}
		}
		return list, nil
	}
	links, err := d.links(b)
	if err != nil {
		return nil, err
	}
	resolv, err := resolvers(c, b.netns != "")
	if err != nil {
		return nil, cannotCreate("resolv.conf: %w", err)
	}
	var list []specs.Mount
	for _, f := range [][2]string{
		{"hosts", hosts(b.address, b.hostname, c.ExtraHosts, links)},
		{"resolv.conf", resolv},
		{"hostname", b.hostname + "\n"},
	} {
		path := filepath.Join(d.bundle(b.spec.ID), f[0])
		if err := os.WriteFile(path, []byte(f[1]), 0o644); err != nil { //nolint:gosec // every user of the container reads it
			return nil, cannotCreate("%w", err)
		}
		list = append(list, bind(path, "/etc/"+f[0], false))
	}
	return list, nil
}

// links are the addresses of the containers that a container of mode bridge is linked to, by name.
func (d *Driver) links(b *blueprint) (map[string]string, error) {
	found := map[string]string{}
	for _, link := range b.spec.Definition.Links {
		name, alias, renamed := strings.Cut(link, ":")
		peer, err := readNote(d.bundle(b.spec.Peers[name]))
		if err != nil || b.spec.Peers[name] == "" {
			return nil, cannotCreate("links: container %s has not been started", name)
		}
		address := peer.Annotations[noteAddress]
		if address == "" {
			return nil, cannotCreate("links: container %s has no network of its own", name)
		}
		found[name] = address
		if renamed {
			found[alias] = address
		}
	}
	return found, nil
}

// resolvers is the content of /etc/resolv.conf: the definition's, else the machine's as far as they can be reached.
func resolvers(c *model.ContainerDefinition, own bool) (string, error) {
	text := ""
	if len(c.DNSServers) == 0 || len(c.DNSSearch) == 0 {
		r, err := network.Resolvers()
		if err != nil {
			return "", err
		}
		if len(c.DNSServers) > 0 {
			r.Nameservers = nil
		}
		if len(c.DNSSearch) > 0 {
			r.Search = nil
		}
		text = r.String()
		if !own && len(c.DNSServers) == 0 {
			machine, err := os.ReadFile("/etc/resolv.conf")
			if err == nil {
				text = string(machine)
			}
		}
	}
	for _, server := range c.DNSServers {
		text += "nameserver " + server + "\n"
	}
	if len(c.DNSSearch) > 0 {
		text += "search " + strings.Join(c.DNSSearch, " ") + "\n"
	}
	return text, nil
}

// findDevices are the devices of the machine that a container has beside the usual ones; a privileged one has all.
func findDevices(c *model.ContainerDefinition) ([]specs.LinuxDevice, error) {
	if c.Privileged {
		return allDevices()
	}
	if c.Linux == nil {
		return nil, nil
	}
	var list []specs.LinuxDevice
	for _, wanted := range c.Linux.Devices {
		device, err := findDevice(wanted.HostPath)
		if err != nil {
			return nil, fmt.Errorf("linuxParameters.devices: %w", err)
		}
		device.Path = wanted.ContainerPath
		list = append(list, *device)
	}
	return list, nil
}

// findDevice looks at a device of the machine.
func findDevice(path string) (*specs.LinuxDevice, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	var kind string
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFCHR:
		kind = "c"
	case unix.S_IFBLK:
		kind = "b"
	default:
		return nil, fmt.Errorf("%s is no device", path)
	}
	mode := os.FileMode(st.Mode & 0o777)
	return &specs.LinuxDevice{
		Path: path, Type: kind, Major: int64(unix.Major(st.Rdev)), Minor: int64(unix.Minor(st.Rdev)),
		FileMode: &mode, UID: &st.Uid, GID: &st.Gid,
	}, nil
}

// allDevices are those in /dev, but for what is the container's own.
func allDevices() ([]specs.LinuxDevice, error) {
	own := []string{"/dev/pts", "/dev/shm", "/dev/mqueue", "/dev/fd", "/dev/console"}
	var list []specs.LinuxDevice
	err := filepath.WalkDir("/dev", func(path string, entry os.DirEntry, err error) error {
		switch {
		case err != nil:
			return nil //nolint:nilerr // what is gone meanwhile, or hidden, is left out
		case slices.Contains(own, path) && entry.IsDir():
			return filepath.SkipDir
		case slices.Contains(own, path), entry.Type()&os.ModeDevice == 0:
			return nil
		}
		if device, err := findDevice(path); err == nil {
			list = append(list, *device)
		}
		return nil
	})
	return list, err
}
