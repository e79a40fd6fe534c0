package docker

import (
	"fmt"
	"maps"
	"net/netip"
	"strconv"
	"strings"

	"github.com/distribution/reference"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/driver/members"
	"github.com/maitred/maitred/internal/model"
)

// Refuse says why a definition cannot run as it stands, "" if it can. Whether an image exists is no part of it.
func Refuse(def *model.TaskDefinition) string {
	switch def.NetworkMode {
	case "", "bridge", "host", "none":
	default:
		return fmt.Sprintf("networkMode %s: the docker driver of this version knows bridge, host and none; use one of them",
			def.NetworkMode)
	}
	for i := range def.Containers {
		c := &def.Containers[i]
		if reason := refuseContainer(c, def.NetworkMode); reason != "" {
			return fmt.Sprintf("container %s: %s", c.Name, reason)
		}
	}
	return members.Refuse(def, "the docker driver of this version", honoured()...)
}

// honoured are the members that containers of a daemon can have. Volumes that nobody mounts mean nothing.
func honoured() []string {
	return []string{
		"networkMode", "cpu", "memory", "memoryReservation", "entryPoint", "command", "workingDirectory", "user", "ulimits",
		"portMappings", "dockerLabels", "logConfiguration.logDriver=awslogs", "logConfiguration.logDriver=json-file",
		"volumes", "volumes.host", "volumes.dockerVolumeConfiguration",
	}
}

func refuseContainer(c *model.ContainerDefinition, networkMode string) string {
	if reason := refuseImage(c.Image); reason != "" {
		return reason
	}
	if networkMode == "none" && len(c.Ports) > 0 {
		return "portMappings: with networkMode none there is nothing to publish; leave them out, or use bridge"
	}
	return ""
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

// create is what the daemon is asked to make of a spec; digest is the image's, "" if it has none.
func (d *Driver) create(spec driver.Spec, digest string) (client.ContainerCreateOptions, error) {
	def := &spec.Definition
	exposed, bindings, err := ports(spec)
	if err != nil {
		return client.ContainerCreateOptions{}, err
	}
	return client.ContainerCreateOptions{
		Name: d.name(spec.ID),
		Config: &container.Config{
			Image:        def.Image,
			Entrypoint:   def.EntryPoint,
			Cmd:          def.Command,
			Env:          spec.Env,
			WorkingDir:   def.WorkingDirectory,
			User:         def.User,
			ExposedPorts: exposed,
			StopSignal:   spec.StopSignal,
			Labels:       d.labels(spec, digest),
			// Health checks are the agent's; an image's own does not count ("HealthCheck").
			Healthcheck: &container.HealthConfig{Test: []string{"NONE"}},
		},
		HostConfig: &container.HostConfig{
			NetworkMode:   networkMode(spec.Sandbox.NetworkMode),
			PortBindings:  bindings,
			RestartPolicy: container.RestartPolicy{Name: container.RestartPolicyDisabled},
			Resources:     resources(spec),
			LogConfig: container.LogConfig{
				Type: "json-file", Config: map[string]string{"max-size": "10m", "max-file": "3"},
			},
		},
	}, nil
}

// labels are the definition's with ours, which win.
func (d *Driver) labels(spec driver.Spec, digest string) map[string]string {
	labels := map[string]string{}
	maps.Copy(labels, spec.Definition.Labels)
	labels[labelScope] = d.scope
	labels[labelID] = spec.ID
	labels[labelTask] = spec.Task
	labels[labelContainer] = spec.Definition.Name
	labels[labelDigest] = digest
	return labels
}

func networkMode(mode string) container.NetworkMode {
	if mode == "" {
		mode = network.NetworkBridge
	}
	return container.NetworkMode(mode)
}

// resources are the container's limits. Those of its task bound each container: there is no common roof over them.
func resources(spec driver.Spec) container.Resources {
	const mebibyte = 1 << 20
	memory := spec.Definition.Memory
	if memory == 0 || spec.Sandbox.Memory > 0 && spec.Sandbox.Memory < memory {
		memory = spec.Sandbox.Memory
	}
	r := container.Resources{
		CPUShares:         shares(spec.Definition.CPU),
		Memory:            int64(memory) * mebibyte,
		MemoryReservation: int64(spec.Definition.MemoryReservation) * mebibyte,
	}
	if spec.Sandbox.CPU > 0 {
		// A quota of each tenth of a second, as the Amazon ECS container agent sets it for a task.
		r.CPUPeriod = 100_000
		r.CPUQuota = max(int64(spec.Sandbox.CPU)*r.CPUPeriod/1024, 1000)
	}
	for _, u := range spec.Definition.Ulimits {
		r.Ulimits = append(r.Ulimits, &container.Ulimit{Name: u.Name, Soft: u.Soft, Hard: u.Hard})
	}
	return r
}

// shares turns CPU units into Docker's shares: 0 and 1 are the kernel's least, 2, and more than 256 vCPU its most
// ("ContainerDefinition", cpu).
func shares(units int) int64 { return min(max(int64(units), 2), 262144) }

// ports are the published ports. In the machine's own network, or in none, there is nothing to publish.
func ports(spec driver.Spec) (network.PortSet, network.PortMap, error) {
	if mode := networkMode(spec.Sandbox.NetworkMode); mode != network.NetworkBridge {
		return nil, nil, nil
	}
	exposed, published := network.PortSet{}, network.PortMap{}
	for _, b := range spec.Bindings {
		protocol := b.Protocol
		if protocol == "" {
			protocol = "tcp"
		}
		port, ok := network.PortFrom(uint16(b.ContainerPort), network.IPProtocol(protocol))
		address, err := netip.ParseAddr(b.Address)
		if err != nil || !ok || b.HostPort <= 0 {
			// An address or a port left open would be the daemon's choice: every address, a port that nobody knows.
			return nil, nil, fmt.Errorf("container port %d cannot be published at address %q, port %d: both have to be chosen",
				b.ContainerPort, b.Address, b.HostPort)
		}
		exposed[port] = struct{}{}
		published[port] = append(published[port], network.PortBinding{HostIP: address, HostPort: strconv.Itoa(b.HostPort)})
	}
	return exposed, published, nil
}
