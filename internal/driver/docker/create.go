package docker

import (
	"fmt"
	"maps"
	"net/netip"
	"strconv"
	"strings"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/model"
)

// create is what the daemon is asked to make of a spec, of an image and in a task's sandbox.
func (d *Driver) create(spec driver.Spec, of image, in sandbox) (client.ContainerCreateOptions, error) {
	def := &spec.Definition
	host, err := d.hostConfig(spec, in)
	if err != nil {
		return client.ContainerCreateOptions{}, err
	}
	exposed, bindings, err := ports(spec)
	if err != nil {
		return client.ContainerCreateOptions{}, err
	}
	host.PortBindings = bindings
	return client.ContainerCreateOptions{
		Name: d.name(spec.ID),
		Config: &container.Config{
			Image:        of.name,
			Entrypoint:   def.EntryPoint,
			Cmd:          def.Command,
			Env:          spec.Env,
			WorkingDir:   def.WorkingDirectory,
			User:         def.User,
			Hostname:     def.Hostname,
			Tty:          def.Terminal,
			OpenStdin:    def.Interactive,
			ExposedPorts: exposed,
			StopSignal:   spec.StopSignal,
			Labels:       d.labels(spec, of.digest),
			// Health checks are the agent's; an image's own does not count ("HealthCheck").
			Healthcheck: &container.HealthConfig{Test: []string{"NONE"}},
		},
		HostConfig: host,
	}, nil
}

// labels are the definition's with ours. Of ours the definition can set none, for by them we know what a container is.
func (d *Driver) labels(spec driver.Spec, digest string) map[string]string {
	labels := map[string]string{}
	for name, value := range spec.Definition.Labels {
		if !strings.HasPrefix(name, labelPrefix) {
			labels[name] = value
		}
	}
	labels[labelScope] = d.scope
	labels[labelID] = spec.ID
	labels[labelTask] = spec.Task
	labels[labelTaskID] = spec.Sandbox.Task
	labels[labelContainer] = spec.Definition.Name
	labels[labelDigest] = digest
	return labels
}

// hostConfig is what a container may do on the machine, and what of it it sees.
func (d *Driver) hostConfig(spec driver.Spec, in sandbox) (*container.HostConfig, error) {
	def := &spec.Definition
	h := &container.HostConfig{
		NetworkMode:    containerNetwork(spec, in),
		RestartPolicy:  container.RestartPolicy{Name: container.RestartPolicyDisabled},
		Resources:      resources(spec, in),
		LogConfig:      logConfig(def.Log, spec.LogSecrets),
		Privileged:     def.Privileged,
		ReadonlyRootfs: def.ReadonlyRoot,
		SecurityOpt:    securityOptions(def),
		Sysctls:        def.Sysctls,
		DNSSearch:      def.DNSSearch,
		PidMode:        container.PidMode(joined(spec.Sandbox.PIDMode, in)),
		IpcMode:        container.IpcMode(joined(spec.Sandbox.IPCMode, in)),
	}
	h.CapAdd, h.CapDrop = capabilities(def)
	for _, e := range def.ExtraHosts {
		h.ExtraHosts = append(h.ExtraHosts, e.Name+":"+e.Address)
	}
	for _, server := range def.DNSServers {
		address, err := netip.ParseAddr(server)
		if err != nil {
			return nil, fmt.Errorf("dnsServers: %w", err)
		}
		h.DNS = append(h.DNS, address)
	}
	linux(h, def.Linux)
	var err error
	if h.Links, err = d.links(spec); err != nil {
		return nil, err
	}
	if h.VolumesFrom, err = d.volumesFrom(spec); err != nil {
		return nil, err
	}
	h.Binds, h.Mounts, err = d.mounts(spec)
	return h, err
}

// containerNetwork is where a container's network is: the task's own is its pause container's.
func containerNetwork(spec driver.Spec, in sandbox) container.NetworkMode {
	mode := networkMode(spec.Sandbox.NetworkMode)
	switch {
	case spec.Definition.NoNetwork:
		mode = modeNone
	case mode == modeVPC:
		mode = "container:" + in.pause
	}
	return container.NetworkMode(mode)
}

// joined turns pidMode and ipcMode into Docker's: the task's namespace is its pause container's.
func joined(mode string, in sandbox) string {
	if mode == "task" {
		return "container:" + in.pause
	}
	return mode
}

// pidsLimit bounds the processes and threads of a container, so that none can take all of the machine's.
const pidsLimit = 4096

const mebibyte = 1 << 20

// resources are the container's limits. Where there is no common roof over the containers of a task, its limits bound
// each of them.
func resources(spec driver.Spec, in sandbox) container.Resources {
	def := &spec.Definition
	memory := def.Memory
	if memory == 0 || spec.Sandbox.Memory > 0 && spec.Sandbox.Memory < memory {
		// The roof alone would let the kernel choose among all containers of the task which one has to go.
		memory = spec.Sandbox.Memory
	}
	r := container.Resources{
		CgroupParent:      in.parent,
		CPUShares:         shares(def.CPU),
		Memory:            int64(memory) * mebibyte,
		MemoryReservation: int64(def.MemoryReservation) * mebibyte,
		PidsLimit:         new(int64(pidsLimit)),
	}
	if spec.Sandbox.CPU > 0 && in.parent == "" {
		r.CPUPeriod, r.CPUQuota = quota(spec.Sandbox.CPU)
	}
	for _, u := range def.Ulimits {
		r.Ulimits = append(r.Ulimits, &container.Ulimit{Name: u.Name, Soft: u.Soft, Hard: u.Hard})
	}
	if l := def.Linux; l != nil && l.MaxSwap != nil && memory > 0 {
		r.MemorySwap = int64(memory+*l.MaxSwap) * mebibyte
		if l.Swappiness != nil { // without maxSwap it does not count ("LinuxParameters")
			r.MemorySwappiness = new(int64(*l.Swappiness))
		}
	}
	return r
}

// quota turns CPU units into microseconds of each tenth of a second, as the Amazon ECS container agent sets it for a
// task.
func quota(units int) (period, quota int64) {
	period = 100_000
	return period, max(int64(units)*period/1024, 1000)
}

// shares turns CPU units into Docker's shares: 0 and 1 are the kernel's least, 2, and more than 256 vCPU its most
// ("ContainerDefinition", cpu).
func shares(units int) int64 { return min(max(int64(units), 2), 262144) }

// linux adds what Linux alone knows.
func linux(h *container.HostConfig, l *model.LinuxParameters) {
	if l == nil {
		return
	}
	if l.Init {
		h.Init = new(true)
	}
	h.ShmSize = int64(l.SharedSize) * mebibyte
	for _, t := range l.Tmpfs {
		if h.Tmpfs == nil {
			h.Tmpfs = map[string]string{}
		}
		h.Tmpfs[t.Path] = strings.Join(append(append([]string{}, t.Options...), fmt.Sprintf("size=%dm", t.Size)), ",")
	}
	for _, device := range l.Devices {
		h.Devices = append(h.Devices, container.DeviceMapping{
			PathOnHost: device.HostPath, PathInContainer: device.ContainerPath, CgroupPermissions: permissions(device.Permissions),
		})
	}
}

func permissions(words []string) string {
	var letters strings.Builder
	for _, word := range words {
		letters.WriteString(word[:min(1, len(word))]) // read, write, mknod
	}
	return letters.String()
}

// spared are the capabilities of Docker's fourteen that containers seldom need and attacks like: raw packets, device
// files, entries of the audit log and capabilities of files. Whoever needs one adds it (linuxParameters.capabilities).
func spared() []string { return []string{"NET_RAW", "MKNOD", "AUDIT_WRITE", "SETFCAP"} }

// capabilities are what a definition adds and drops, and what is dropped without being asked. Docker drops first.
func capabilities(def *model.ContainerDefinition) (add, drop []string) {
	if def.Linux != nil {
		add, drop = def.Linux.Add, def.Linux.Drop
	}
	if def.Privileged {
		return add, drop
	}
	wanted := map[string]bool{}
	for _, c := range add {
		wanted[strings.TrimPrefix(strings.ToUpper(c), "CAP_")] = true
	}
	drop = append([]string{}, drop...)
	for _, c := range spared() {
		if !wanted[c] && !wanted["ALL"] {
			drop = append(drop, c)
		}
	}
	return add, drop
}

const noNewPrivileges = "no-new-privileges"

// securityOptions are the definition's in Docker's form. That a program cannot gain privileges by executing another one
// needs not be asked for.
func securityOptions(def *model.ContainerDefinition) []string {
	var options []string
	asked := def.Privileged
	for _, o := range def.SecurityOptions {
		if strings.HasPrefix(o, noNewPrivileges) {
			asked = true
		}
		if !strings.Contains(o, "=") {
			o = strings.Replace(o, ":", "=", 1)
		}
		options = append(options, o)
	}
	if !asked {
		options = append(options, noNewPrivileges)
	}
	return options
}

// The size and number of the files that the daemon keeps of a container's output, unless the definition says otherwise.
const (
	logSize  = "10m"
	logFiles = "3"
)

// logConfig is where the daemon writes a container's output. What is for CloudWatch Logs it keeps here in files, like
// what nobody says anything of, for they are read from there.
func logConfig(l *model.LogConfiguration, secrets map[string]string) container.LogConfig {
	config := container.LogConfig{Type: "json-file", Config: map[string]string{}}
	if l != nil {
		if l.Driver != "awslogs" {
			config.Type = l.Driver
			maps.Copy(config.Config, l.Options)
		}
		for _, option := range []string{"mode", "max-buffer-size"} { // are any log driver's
			if value, ok := l.Options[option]; ok {
				config.Config[option] = value
			}
		}
		maps.Copy(config.Config, secrets)
	}
	if config.Type == "json-file" {
		setDefault(config.Config, "max-size", logSize)
		setDefault(config.Config, "max-file", logFiles)
	}
	return config
}

func setDefault(options map[string]string, name, value string) {
	if _, ok := options[name]; !ok {
		options[name] = value
	}
}

// links are Docker's CONTAINER:ALIAS of the definition's NAME or NAME:ALIAS.
func (d *Driver) links(spec driver.Spec) ([]string, error) {
	var links []string
	for _, l := range spec.Definition.Links {
		name, alias, ok := strings.Cut(l, ":")
		if !ok {
			alias = name
		}
		id, ok := spec.Peers[name]
		if !ok {
			return nil, fmt.Errorf("links: container %s has not been started", name)
		}
		links = append(links, d.name(id)+":"+alias)
	}
	return links, nil
}

func (d *Driver) volumesFrom(spec driver.Spec) ([]string, error) {
	var from []string
	for _, v := range spec.Definition.VolumesFrom {
		id, ok := spec.Peers[v.Container]
		if !ok {
			return nil, fmt.Errorf("volumesFrom: container %s has not been started", v.Container)
		}
		name := d.name(id)
		if v.ReadOnly {
			name += ":ro"
		}
		from = append(from, name)
	}
	return from, nil
}

// ports are the published ports. In the machine's own network, the task's own, or none, there is nothing to publish.
func ports(spec driver.Spec) (network.PortSet, network.PortMap, error) {
	if networkMode(spec.Sandbox.NetworkMode) != modeBridge || spec.Definition.NoNetwork {
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
