// Package policy says what tasks may do to the machine that they run on: which directories and devices of it they may
// have, and whether they may be privileged, as its operator allowed.
package policy

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/maitred/maitred/internal/model"
)

// The flags that allow what is refused.
const (
	flagPrivileged = "--allow-privileged"
	flagPath       = "--allow-host-path"
)

// sensitive are directories and files through which a program would own the machine. What is allowed above them does not
// count for them: they are named, or something in them is.
func sensitive() []string {
	return []string{
		"/etc", "/proc", "/sys", "/dev", "/root", "/boot",
		"/run/docker.sock", "/var/run/docker.sock", "/var/lib/docker",
	}
}

// hostPath is a path of the machine that a definition asks for.
type hostPath struct {
	member string
	path   string
	device bool
}

// Refuse says why a machine's operator does not let it run a definition: one sentence that names the member; "" if
// nothing is against it. It is pure: what symbolic links lead to is found out when a task starts, by Resolve.
func Refuse(p model.Policy, def *model.TaskDefinition) string {
	if !p.Privileged {
		if member := owning(def); member != "" {
			return fmt.Sprintf("%s: this machine's operator does not allow it (%s)", member, flagPrivileged)
		}
	}
	for _, h := range hostPaths(def) {
		if why := refusePath(p, h); why != "" {
			return fmt.Sprintf("%s %s: %s", h.member, h.path, why)
		}
	}
	return ""
}

// hostPaths lists the paths of the machine that a definition asks for. Volumes that nobody mounts mean nothing.
func hostPaths(def *model.TaskDefinition) []hostPath {
	var list []hostPath
	for i := range def.Volumes {
		v := &def.Volumes[i]
		if !mounted(def, v.Name) {
			continue
		}
		if v.HostPath != "" {
			list = append(list, hostPath{member: fmt.Sprintf("volumes[%d].host.sourcePath", i), path: v.HostPath})
		}
		if device := bound(v); device != "" {
			list = append(list, hostPath{member: fmt.Sprintf("volumes[%d].dockerVolumeConfiguration.driverOpts.device", i), path: device})
		}
	}
	for i := range def.Containers {
		c := &def.Containers[i]
		if c.Linux == nil {
			continue
		}
		for n := range c.Linux.Devices {
			member := fmt.Sprintf("container %s: linuxParameters.devices[%d].hostPath", c.Name, n)
			list = append(list, hostPath{member, c.Linux.Devices[n].HostPath, true})
		}
	}
	return list
}

// mounted says whether a container mounts a volume.
func mounted(def *model.TaskDefinition, volume string) bool {
	return slices.ContainsFunc(def.Containers, func(c model.ContainerDefinition) bool {
		return slices.ContainsFunc(c.Mounts, func(m model.Mount) bool { return m.Volume == volume })
	})
}

// bound is the path of the machine that a named volume's options mount, "" for none. Devices that are no path (tmpfs) and
// those of other machines (:/export of nfs) are none, unless they are bound: then the kernel asks for nothing but a path.
func bound(v *model.Volume) string {
	if v.Docker == nil {
		return ""
	}
	device := v.Docker.Options["device"]
	if strings.HasPrefix(device, "/") || device != "" && binds(v.Docker) {
		return device
	}
	return ""
}

// refusePath says why a path is not allowed, "" if it is.
func refusePath(p model.Policy, h hostPath) string {
	name := h.path
	switch {
	case !path.IsAbs(name):
		return "it has to be an absolute path"
	case h.device && !machineDevice(path.Clean(name)):
		return noDevice
	case !allowed(p.HostPaths, guarded(p), path.Clean(name)):
		return fmt.Sprintf("this machine's operator does not allow it (%s)", flagPath)
	}
	return ""
}

// noDevice says why a path is none of a device.
const noDevice = "a device has to be in /dev, where the machine's own are"

// machineDevice says whether a clean path can be that of a device which the machine itself made. Elsewhere, in a volume
// for example, a container with MKNOD makes a file of any device, which only its control group keeps it from opening.
func machineDevice(name string) bool {
	return within(name, "/dev") && name != "/dev" && !within(name, "/dev/shm") && !within(name, "/dev/mqueue")
}

// guarded are all directories and files that have to be named to be allowed.
func guarded(p model.Policy) []string {
	list := sensitive()
	for _, dir := range p.Guarded {
		list = append(list, path.Clean(dir))
	}
	return list
}

// allowed says whether a clean path is one of some directories or below one. What is guarded, or is in something that is,
// counts only if that is what is named, or something in it; what contains something guarded has to be named itself.
func allowed(dirs, guarded []string, name string) bool {
	return slices.ContainsFunc(dirs, func(dir string) bool {
		dir = path.Clean(dir)
		if dir == name {
			return true
		}
		return within(name, dir) && !slices.ContainsFunc(guarded, func(g string) bool {
			return within(g, name) || within(name, g) && !within(dir, g)
		})
	})
}

// within says whether a clean path is a directory or below it.
func within(name, dir string) bool {
	return name == dir || dir == "/" || strings.HasPrefix(name, dir+"/")
}
