package oci

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/image"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/network"
)

// volumesFor are the volumes of a container: its own, those of other containers, and those that its image asks for and
// nobody else gives it.
func (d *Driver) volumesFor(spec *driver.Spec, img *image.Image) ([]volume, error) {
	c := &spec.Definition
	var list []volume
	has := func(path string) bool {
		return slices.ContainsFunc(list, func(v volume) bool { return v.Destination == path })
	}
	add := func(volumes ...volume) {
		for _, v := range volumes {
			if v.Destination = filepath.Clean("/" + v.Destination); !has(v.Destination) {
				list = append(list, v)
			}
		}
	}
	for _, m := range c.Mounts {
		v, err := d.volume(spec, m, img.Layers)
		if err != nil {
			return nil, err
		}
		add(v)
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
		if has(filepath.Clean("/" + path)) {
			continue
		}
		if err := d.create(source, path, img.Layers); err != nil {
			return nil, cannotCreate("volume %s of the image: %w", path, err)
		}
		add(volume{Mount: bind(source, path, false)})
	}
	return list, nil
}

// volume finds what a container mounts at a mount point.
func (d *Driver) volume(spec *driver.Spec, m model.Mount, layers []string) (volume, error) {
	i := slices.IndexFunc(spec.Sandbox.Volumes, func(v model.Volume) bool { return v.Name == m.Volume })
	if i < 0 {
		return volume{}, cannotCreate("%w", driver.UnknownVolume(m.Volume))
	}
	v := &spec.Sandbox.Volumes[i]
	find := func() (string, error) { return d.directory(spec, v, m.Path, layers) }
	if v.HostPath != "" {
		find = func() (string, error) { return d.hostPath(v.HostPath) }
	}
	source, err := find()
	return volume{bind(source, m.Path, m.ReadOnly), v.HostPath != ""}, err
}

// directory finds the directory that is a volume of a task, or of several.
func (d *Driver) directory(spec *driver.Spec, v *model.Volume, path string, layers []string) (string, error) {
	name := v.Name
	if strings.ContainsRune(name, '/') || !filepath.IsLocal(name) {
		return "", cannotInit("volume %q: its name is no name of a directory", name)
	}
	dir := filepath.Join(d.volumes("task"), task(spec), name)
	if v.Docker != nil && v.Docker.Shared {
		dir = filepath.Join(d.volumes("shared"), name)
		if _, err := os.Stat(dir); !v.Docker.Autoprovision && errors.Is(err, os.ErrNotExist) {
			return "", cannotInit("volume %s: %w", name, driver.ErrNoVolume)
		}
	}
	if err := d.create(dir, path, layers); err != nil {
		return "", cannotInit("volume %s: %w", name, err)
	}
	return dir, nil
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
