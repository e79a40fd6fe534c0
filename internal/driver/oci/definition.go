package oci

import (
	"fmt"
	"slices"
	"strings"

	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/driver/keeper"
	"github.com/maitred/maitred/internal/driver/members"
	"github.com/maitred/maitred/internal/model"
)

// noNewPrivileges is the one dockerSecurityOptions entry that is honoured; it is so by default.
const noNewPrivileges = "no-new-privileges"

// Refuse says why a definition cannot run as containers of this driver, "" if it can.
func Refuse(def *model.TaskDefinition) string {
	if reason := members.Refuse(def, "the oci driver", honoured()...); reason != "" {
		return reason
	}
	for i := range def.Volumes {
		if reason := refuseVolume(&def.Volumes[i]); reason != "" {
			return fmt.Sprintf("volumes[%d] %s: %s", i, def.Volumes[i].Name, reason)
		}
	}
	for i := range def.Containers {
		if reason := refuseContainer(&def.Containers[i]); reason != "" {
			return fmt.Sprintf("container %s: %s", def.Containers[i].Name, reason)
		}
	}
	return ""
}

// honoured are the members that a container of this driver can have, whatever their value but where one is given.
func honoured() []string {
	const log, linux = "logConfiguration.logDriver=", "linuxParameters."
	return []string{
		"networkMode=bridge", "networkMode=host", "networkMode=awsvpc", "networkMode=none",
		"pidMode", "ipcMode", "cpu", "memory", "memoryReservation",
		"portMappings", "portMappings.containerPortRange", "repositoryCredentials",
		"entryPoint", "command", "workingDirectory", "user", "interactive", "pseudoTerminal", "dockerLabels",
		"volumes", "volumes.host", "volumes.dockerVolumeConfiguration=local", "mountPoints", "volumesFrom",
		"links", "hostname", "extraHosts", "dnsServers", "dnsSearchDomains", "disableNetworking",
		"readonlyRootFilesystem", "privileged", "dockerSecurityOptions", "ulimits", "systemControls",
		linux + "capabilities.add", linux + "capabilities.drop", linux + "devices", linux + "initProcessEnabled",
		linux + "tmpfs", linux + "sharedMemorySize", linux + "maxSwap", linux + "swappiness",
		log + "awslogs", log + "json-file",
	}
}

func refuseVolume(v *model.Volume) string {
	if v.Docker != nil && len(v.Docker.Options) > 0 {
		return "dockerVolumeConfiguration.driverOpts: the oci driver's volumes are directories and take no options"
	}
	return ""
}

func refuseContainer(c *model.ContainerDefinition) string {
	for _, option := range c.SecurityOptions {
		if option != noNewPrivileges && option != noNewPrivileges+":true" {
			return fmt.Sprintf("dockerSecurityOptions %q: the oci driver knows %s only, which is its default; "+
				"its seccomp profile is always in force", option, noNewPrivileges)
		}
	}
	for _, u := range c.Ulimits {
		if !keeper.KnownLimit(u.Name) {
			return fmt.Sprintf("ulimits: there is no limit %q", u.Name)
		}
	}
	if c.Linux == nil {
		return ""
	}
	for _, name := range slices.Concat(c.Linux.Add, c.Linux.Drop) {
		if canonical := capability(name); canonical != allCapabilities && !slices.Contains(capabilityNames(), canonical) {
			return fmt.Sprintf("linuxParameters.capabilities: there is no capability %q", name)
		}
	}
	return ""
}

// cannotCreate, cannotStart and cannotInit are the errors of a start, by ECS's names ("Stopped tasks error codes").
func cannotCreate(format string, args ...any) error {
	return &driver.Failure{Name: "CannotCreateContainerError", Err: fmt.Errorf(format, args...)}
}

func cannotStart(format string, args ...any) error {
	return &driver.Failure{Name: "CannotStartContainerError", Err: fmt.Errorf(format, args...)}
}

func cannotInit(format string, args ...any) error {
	return &driver.Failure{Name: "ResourceInitializationError", Err: fmt.Errorf(format, args...)}
}

// capability gives a capability's name as Linux writes it, from ECS's form of it, which may lack the CAP_.
func capability(name string) string {
	name = strings.ToUpper(name)
	if name == allCapabilities || strings.HasPrefix(name, "CAP_") {
		return name
	}
	return "CAP_" + name
}
