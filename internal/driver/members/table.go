package members

import (
	"github.com/maitred/maitred/internal/model"
)

// row knows one field of a struct of model: the members of a definition that it stands for, those that are set.
type row[T any] struct {
	field string
	set   func(*T) []Member
}

// plain is the row of a field that is one member.
func plain[T any](field, name string, set func(*T) bool) row[T] {
	return row[T]{field, func(of *T) []Member {
		if set(of) {
			return []Member{{Name: name}}
		}
		return nil
	}}
}

// valued is the row of a field that is one member, honoured by its value.
func valued[T any](field, name string, value func(*T) string) row[T] {
	return row[T]{field, func(of *T) []Member {
		if v := value(of); v != "" {
			return []Member{{Name: name, Value: v}}
		}
		return nil
	}}
}

// no is the row of a field with which no driver has anything to do.
func no[T any](field string) row[T] { return row[T]{field, func(*T) []Member { return nil }} }

// taskRows are the fields of a task definition.
func taskRows() []row[model.TaskDefinition] {
	type task = model.TaskDefinition
	return []row[task]{
		no[task]("ARN"), no[task]("Region"), no[task]("Family"), no[task]("Revision"), no[task]("Status"),
		valued("NetworkMode", "networkMode", func(d *task) string { return d.NetworkMode }),
		plain("CPU", "cpu", func(d *task) bool { return d.CPU != 0 }),
		plain("Memory", "memory", func(d *task) bool { return d.Memory != 0 }),
		valued("PIDMode", "pidMode", func(d *task) string { return d.PIDMode }),
		valued("IPCMode", "ipcMode", func(d *task) string { return d.IPCMode }),
		plain("Storage", "ephemeralStorage", func(d *task) bool { return d.Storage != 0 }),
		{"Volumes", volumes},
		plain("TaskRole", "taskRoleArn", func(d *task) bool { return d.TaskRole != "" }),
		plain("ExecutionRole", "executionRoleArn", func(d *task) bool { return d.ExecutionRole != "" }),
		no[task]("Containers"), // each has rows of its own
		// Where a task runs is the scheduler's business.
		no[task]("Constraints"), no[task]("Requires"),
		no[task]("Tags"), no[task]("Document"), no[task]("CreatedAt"), no[task]("ClosedAt"), no[task]("Cause"),
	}
}

// volumes tells the sorts of volumes, each once: volumes are those that are empty when the task begins.
func volumes(d *model.TaskDefinition) []Member {
	var list []Member
	seen := map[Member]bool{}
	for i := range d.Volumes {
		v := &d.Volumes[i]
		m := Member{Name: "volumes"}
		switch {
		case v.Unmet != "":
			m = Member{Name: "volumes." + v.Unmet, Unmet: true}
		case v.Docker != nil:
			m = Member{Name: "volumes.dockerVolumeConfiguration", Value: v.Docker.Driver}
			if m.Value == "" {
				m.Value = "local"
			}
		case v.HostPath != "":
			m = Member{Name: "volumes.host"}
		}
		if !seen[m] {
			seen[m], list = true, append(list, m)
		}
	}
	return list
}

// containerRows are the fields of a container definition.
func containerRows() []row[model.ContainerDefinition] {
	type container = model.ContainerDefinition
	return []row[container]{
		no[container]("Name"), no[container]("Essential"), // of its task
		no[container]("Image"), // every driver has its own idea of what an image is
		plain("EntryPoint", "entryPoint", func(c *container) bool { return len(c.EntryPoint) > 0 }),
		plain("Command", "command", func(c *container) bool { return len(c.Command) > 0 }),
		plain("Environment", "environment", func(c *container) bool { return len(c.Environment) > 0 }),
		plain("WorkingDirectory", "workingDirectory", func(c *container) bool { return c.WorkingDirectory != "" }),
		plain("User", "user", func(c *container) bool { return c.User != "" }),
		plain("CPU", "cpu", func(c *container) bool { return c.CPU != 0 }),
		plain("Memory", "memory", func(c *container) bool { return c.Memory != 0 }),
		plain("MemoryReservation", "memoryReservation", func(c *container) bool { return c.MemoryReservation != 0 }),
		plain("GPUs", "resourceRequirements.GPU", func(c *container) bool { return c.GPUs != 0 }),
		{"Ports", ports},
		plain("DependsOn", "dependsOn", func(c *container) bool { return len(c.DependsOn) > 0 }),
		plain("StartTimeout", "startTimeout", func(c *container) bool { return c.StartTimeout != 0 }),
		plain("StopTimeout", "stopTimeout", func(c *container) bool { return c.StopTimeout != 0 }),
		plain("HealthCheck", "healthCheck", func(c *container) bool { return c.HealthCheck != nil }),
		plain("Restart", "restartPolicy", func(c *container) bool { return c.Restart != nil }),
		plain("Ulimits", "ulimits", func(c *container) bool { return len(c.Ulimits) > 0 }),
		plain("Labels", "dockerLabels", func(c *container) bool { return len(c.Labels) > 0 }),
		plain("EnvironmentFiles", "environmentFiles", func(c *container) bool { return len(c.EnvironmentFiles) > 0 }),
		plain("Secrets", "secrets", func(c *container) bool { return len(c.Secrets) > 0 }),
		plain("Registry", "repositoryCredentials", func(c *container) bool { return c.Registry != "" }),
		plain("Unpinned", "versionConsistency", func(c *container) bool { return c.Unpinned }),
		{"Log", log},
		{"Linux", linux},
		plain("ReadonlyRoot", "readonlyRootFilesystem", func(c *container) bool { return c.ReadonlyRoot }),
		plain("Privileged", "privileged", func(c *container) bool { return c.Privileged }),
		plain("SecurityOptions", "dockerSecurityOptions", func(c *container) bool { return len(c.SecurityOptions) > 0 }),
		plain("Interactive", "interactive", func(c *container) bool { return c.Interactive }),
		plain("Terminal", "pseudoTerminal", func(c *container) bool { return c.Terminal }),
		plain("Mounts", "mountPoints", func(c *container) bool { return len(c.Mounts) > 0 }),
		plain("VolumesFrom", "volumesFrom", func(c *container) bool { return len(c.VolumesFrom) > 0 }),
		plain("Sysctls", "systemControls", func(c *container) bool { return len(c.Sysctls) > 0 }),
		plain("Hostname", "hostname", func(c *container) bool { return c.Hostname != "" }),
		plain("ExtraHosts", "extraHosts", func(c *container) bool { return len(c.ExtraHosts) > 0 }),
		plain("DNSServers", "dnsServers", func(c *container) bool { return len(c.DNSServers) > 0 }),
		plain("DNSSearch", "dnsSearchDomains", func(c *container) bool { return len(c.DNSSearch) > 0 }),
		plain("NoNetwork", "disableNetworking", func(c *container) bool { return c.NoNetwork }),
		plain("Links", "links", func(c *container) bool { return len(c.Links) > 0 }),
		{"Unmet", unmet},
	}
}

// ports tells single ports and ranges apart.
func ports(c *model.ContainerDefinition) []Member {
	single, ranges := false, false
	for _, p := range c.Ports {
		single, ranges = single || p.Last == 0, ranges || p.Last != 0
	}
	return given(option{"portMappings", single}, option{"portMappings.containerPortRange", ranges})
}

// log tells the log driver; that its secret options are honoured is another matter.
func log(c *model.ContainerDefinition) []Member {
	if c.Log == nil {
		return nil
	}
	list := []Member{{Name: "logConfiguration.logDriver", Value: c.Log.Driver}}
	return append(list, given(option{"logConfiguration.secretOptions", len(c.Log.Secrets) > 0})...)
}

func linux(c *model.ContainerDefinition) []Member {
	l := c.Linux
	if l == nil {
		return nil
	}
	list := make([]Member, 0, len(linuxRows()))
	for _, row := range linuxRows() {
		list = append(list, row.set(l)...)
	}
	return list
}

// linuxRows are the fields of linuxParameters.
func linuxRows() []row[model.LinuxParameters] {
	type parameters = model.LinuxParameters
	const of = "linuxParameters."
	return []row[parameters]{
		plain("Add", of+"capabilities.add", func(l *parameters) bool { return len(l.Add) > 0 }),
		plain("Drop", of+"capabilities.drop", func(l *parameters) bool { return len(l.Drop) > 0 }),
		plain("Devices", of+"devices", func(l *parameters) bool { return len(l.Devices) > 0 }),
		plain("Init", of+"initProcessEnabled", func(l *parameters) bool { return l.Init }),
		plain("Tmpfs", of+"tmpfs", func(l *parameters) bool { return len(l.Tmpfs) > 0 }),
		plain("SharedSize", of+"sharedMemorySize", func(l *parameters) bool { return l.SharedSize != 0 }),
		plain("MaxSwap", of+"maxSwap", func(l *parameters) bool { return l.MaxSwap != nil }),
		plain("Swappiness", of+"swappiness", func(l *parameters) bool { return l.Swappiness != nil }),
	}
}

func unmet(c *model.ContainerDefinition) []Member {
	var list []Member
	for _, name := range c.Unmet {
		list = append(list, Member{Name: name, Unmet: true})
	}
	return list
}

// option is a part of a field that is a member by itself.
type option struct {
	name string
	set  bool
}

func given(options ...option) []Member {
	var list []Member
	for _, o := range options {
		if o.set {
			list = append(list, Member{Name: o.name})
		}
	}
	return list
}
