package docker

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/distribution/reference"

	"github.com/maitred/maitred/internal/driver/members"
	"github.com/maitred/maitred/internal/model"
)

// The network modes of a task definition ("TaskDefinition", networkMode).
const (
	modeBridge = "bridge"
	modeVPC    = "awsvpc"
	modeNone   = "none"
)

// volumeNames are the names that the daemon takes for volumes (RestrictedNamePattern). Those of volumes that are a task's
// own are longer than they are in the definition, and begin with ours.
var volumeNames = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]+$`)

// Refuse says why a definition cannot run as it stands, "" if it can. Whether an image exists is no part of it.
func Refuse(def *model.TaskDefinition) string {
	switch def.NetworkMode {
	case "", modeBridge, "host", modeNone, modeVPC:
	default:
		return fmt.Sprintf("networkMode %s: the docker driver knows awsvpc, bridge, host and none; use one of them",
			def.NetworkMode)
	}
	for i := range def.Volumes {
		if v := &def.Volumes[i]; v.Docker != nil && v.Docker.Shared && !volumeNames.MatchString(v.Name) {
			return fmt.Sprintf("volumes[%d].name %q: Docker wants a shared volume's name to have two characters at least, "+
				"and to begin with a letter or a digit", i, v.Name)
		}
	}
	for i := range def.Containers {
		c := &def.Containers[i]
		if reason := refuseContainer(c, def); reason != "" {
			return fmt.Sprintf("container %s: %s", c.Name, reason)
		}
	}
	return members.Refuse(def, "the docker driver", honoured()...)
}

// honoured are the members that containers of a daemon can have, whatever their value but where one is given.
func honoured() []string {
	const log, linux = "logConfiguration.logDriver=", "linuxParameters."
	return []string{
		"networkMode", "pidMode", "ipcMode", "cpu", "memory", "memoryReservation", "portMappings",
		"portMappings.containerPortRange", "repositoryCredentials",
		"entryPoint", "command", "workingDirectory", "user", "interactive", "pseudoTerminal", "dockerLabels",
		"volumes", "volumes.host", "volumes.dockerVolumeConfiguration", "mountPoints", "volumesFrom",
		"links", "hostname", "extraHosts", "dnsServers", "dnsSearchDomains", "disableNetworking",
		"readonlyRootFilesystem", "privileged", "dockerSecurityOptions", "ulimits", "systemControls",
		linux + "capabilities.add", linux + "capabilities.drop", linux + "devices", linux + "initProcessEnabled",
		linux + "tmpfs", linux + "sharedMemorySize", linux + "maxSwap", linux + "swappiness",
		log + "awslogs", log + "json-file", log + "syslog", log + "fluentd", log + "gelf", log + "journald", log + "splunk",
		"logConfiguration.secretOptions",
	}
}

func refuseContainer(c *model.ContainerDefinition, def *model.TaskDefinition) string {
	mode := networkMode(def.NetworkMode)
	if reason := refuseImage(c.Image); reason != "" {
		return reason
	}
	switch {
	case mode == modeNone && len(c.Ports) > 0:
		return "portMappings: with networkMode none there is nothing to publish; leave them out, or use bridge"
	case mode == modeVPC && len(ofNamespace(c)) > 0:
		return fmt.Sprintf("%s: with networkMode awsvpc the containers of a task share their network's; leave out what is named",
			strings.Join(ofNamespace(c), ", "))
	case mode != modeBridge && len(c.Links) > 0:
		return "links: only containers in networkMode bridge have links; use bridge, or leave them out"
	case c.Linux != nil && c.Linux.MaxSwap != nil && c.Memory == 0 && def.Memory == 0:
		return "linuxParameters.maxSwap: Docker limits swap together with memory alone; give the container a memory"
	}
	for _, o := range c.SecurityOptions {
		if !knownSecurityOption(o) {
			return fmt.Sprintf("dockerSecurityOptions %q: the docker driver knows no-new-privileges, apparmor:PROFILE and label:VALUE", o)
		}
	}
	return ""
}

// ofNamespace names the members that belong to a network namespace of a container's own, as far as they are set.
func ofNamespace(c *model.ContainerDefinition) []string {
	var names []string
	for _, m := range []struct {
		name string
		set  bool
	}{
		{"hostname", c.Hostname != ""},
		{"extraHosts", len(c.ExtraHosts) > 0},
		{"dnsServers", len(c.DNSServers) > 0},
		{"dnsSearchDomains", len(c.DNSSearch) > 0},
		{"links", len(c.Links) > 0},
		{"disableNetworking", c.NoNetwork},
	} {
		if m.set {
			names = append(names, m.name)
		}
	}
	return names
}

// knownSecurityOption tells the options that ECS lets pass on Linux ("ContainerDefinition", dockerSecurityOptions).
// seccomp is not among them.
func knownSecurityOption(option string) bool {
	name, _, _ := strings.Cut(strings.ReplaceAll(option, "=", ":"), ":")
	return name == noNewPrivileges || name == "apparmor" || name == "label"
}

// refuseImage tells what the process driver takes for image apart from images.
func refuseImage(image string) string {
	if image == "process" || strings.HasPrefix(image, "/") || strings.HasPrefix(image, "./") || strings.HasPrefix(image, "../") {
		return fmt.Sprintf("image %q is a plain program's, for --driver process; the docker driver needs the name of an image", image)
	}
	if _, err := reference.ParseAnyReference(image); err != nil {
		return fmt.Sprintf("image %q is not the name of an image: %v", image, err)
	}
	return ""
}

// networkMode is a definition's network mode with ECS's default on Linux.
func networkMode(mode string) string {
	if mode == "" {
		return modeBridge
	}
	return mode
}
