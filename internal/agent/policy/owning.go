package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/maitred/maitred/internal/model"
)

// owning names the first member of a definition by which a program would own the machine, "" if none does: privileged,
// and what comes to the same by another name.
func owning(def *model.TaskDefinition) string {
	if def.PIDMode == "host" {
		// It may end every process of the machine, and read the environment and the files of all other tasks.
		return "pidMode host"
	}
	for i := range def.Volumes {
		if v := &def.Volumes[i]; mounted(def, v.Name) {
			if member := foreignMount(v.Docker); member != "" {
				return fmt.Sprintf("volumes[%d].dockerVolumeConfiguration.driverOpts.%s", i, member)
			}
		}
	}
	for i := range def.Containers {
		c := &def.Containers[i]
		if c.Privileged {
			return fmt.Sprintf("container %s: privileged", c.Name)
		}
		if c.Linux == nil {
			continue
		}
		for _, name := range c.Linux.Add {
			if owns(def, name) {
				return fmt.Sprintf("container %s: linuxParameters.capabilities.add %s", c.Name, name)
			}
		}
	}
	return ""
}

// owns says whether a capability opens a way from a container to all of the machine: by mounting, by loading code into
// the kernel, by opening any file by its number, and, in a namespace of the machine, by what is in there.
func owns(def *model.TaskDefinition, capability string) bool {
	switch strings.TrimPrefix(strings.ToUpper(capability), "CAP_") {
	case "ALL", "SYS_ADMIN", "SYS_MODULE", "SYS_RAWIO", "SYS_BOOT", "DAC_READ_SEARCH", "MAC_ADMIN", "MAC_OVERRIDE", "BPF":
		return true
	case "NET_ADMIN":
		return def.NetworkMode == "host"
	}
	return false
}

// foreignMount names the option that makes Docker mount something else than a directory of its own, a memory, a share
// of another machine, or a path that can be looked up in the list of those that are allowed; "" if none does. The daemon
// mounts as the machine's root: proc would be the machine's, and an overlay's lower directories any.
func foreignMount(v *model.DockerVolume) string {
	if v == nil || v.Driver != "" && v.Driver != "local" {
		return ""
	}
	kind := v.Options["type"]
	if binds(v) || slices.Contains([]string{"", "none", "tmpfs", "nfs", "nfs4", "cifs", "ext2", "ext3", "ext4", "xfs", "btrfs", "vfat"}, kind) {
		return ""
	}
	return "type " + kind
}

// binds says whether a volume's options bind a path: then its type means nothing.
func binds(v *model.DockerVolume) bool {
	return slices.ContainsFunc(strings.Split(v.Options["o"], ","), func(o string) bool { return o == "bind" || o == "rbind" })
}
