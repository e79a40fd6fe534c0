package model

import (
	"strconv"
	"time"
)

// The states of a task definition beyond ACTIVE and INACTIVE.
const DeleteInProgress Status = "DELETE_IN_PROGRESS"

// TaskDefinition is one immutable revision of a family. What decisions and drivers need is typed; Document keeps the
// whole definition, normalised as ECS answers it, in the AWS API's JSON, so that it is given back faithfully.
type TaskDefinition struct {
	ARN         string   `json:"arn"`
	Region      string   `json:"region"`
	Family      string   `json:"family"`
	Revision    int      `json:"rev"`
	Status      Status   `json:"status"`
	NetworkMode string   `json:"net,omitempty"`     // "", bridge, host, awsvpc, none
	CPU         int      `json:"cpu,omitempty"`     // units of the whole task, 0 if not given
	Memory      int      `json:"mem,omitempty"`     // MiB of the whole task, 0 if not given
	PIDMode     string   `json:"pid,omitempty"`     // "", host, task
	IPCMode     string   `json:"ipc,omitempty"`     // "", host, task, none
	Storage     int      `json:"storage,omitempty"` // GiB of ephemeral storage, 0 if not given
	Volumes     []Volume `json:"volumes,omitempty"`
	// TaskRole is the role of the programs, ExecutionRole of what is done for them; ARNs, "" if not given.
	TaskRole      string                `json:"role,omitempty"`
	ExecutionRole string                `json:"execRole,omitempty"`
	Containers    []ContainerDefinition `json:"containers"`
	Constraints   []Constraint          `json:"constraints,omitempty"`
	Requires      []string              `json:"requires,omitempty"` // attributes that an instance must have
	Tags          []Tag                 `json:"tags,omitempty"`
	Document      []byte                `json:"doc"`
	CreatedAt     time.Time             `json:"created"`
	ClosedAt      time.Time             `json:"closed,omitzero"`
	Cause         Cause                 `json:"cause"`
}

// Key implements Record.
func (d *TaskDefinition) Key() Key { return Key{KindTaskDefinition, d.ARN} }

// Name is family:revision.
func (d *TaskDefinition) Name() string { return d.Family + ":" + strconv.Itoa(d.Revision) }

// Container finds a container definition by name, nil if there is none.
func (d *TaskDefinition) Container(name string) *ContainerDefinition {
	for i := range d.Containers {
		if d.Containers[i].Name == name {
			return &d.Containers[i]
		}
	}
	return nil
}

// HealthChecked says whether an essential container has a health check, so that a task's health is known.
func (d *TaskDefinition) HealthChecked() bool {
	for i := range d.Containers {
		if d.Containers[i].Essential && d.Containers[i].HealthCheck != nil {
			return true
		}
	}
	return false
}

// Family counts the revisions of a family; the counter is never reused, even when all revisions are deleted.
type Family struct {
	Region string `json:"region"`
	Name   string `json:"name"`
	Last   int    `json:"last"` // the newest revision's number
}

// Key implements Record.
func (f *Family) Key() Key { return FamilyKey(f.Region, f.Name) }

// FamilyKey is the key of a family.
func FamilyKey(region, name string) Key { return Key{KindFamily, region + "/" + name} }

// ContainerDefinition is what a driver needs to know of a container of a task definition. Defaults are filled in.
type ContainerDefinition struct {
	Name              string            `json:"name"`
	Image             string            `json:"image"`
	EntryPoint        []string          `json:"entry,omitempty"`
	Command           []string          `json:"command,omitempty"`
	Environment       map[string]string `json:"env,omitempty"`
	WorkingDirectory  string            `json:"dir,omitempty"`
	User              string            `json:"user,omitempty"`
	CPU               int               `json:"cpu,omitempty"`    // units, 1024 to a core
	Memory            int               `json:"mem,omitempty"`    // hard limit in MiB, 0 for none
	MemoryReservation int               `json:"memres,omitempty"` // soft limit in MiB, 0 for none
	GPUs              int               `json:"gpus,omitempty"`
	Essential         bool              `json:"essential,omitempty"`
	Ports             []PortMapping     `json:"ports,omitempty"`
	DependsOn         []Dependency      `json:"deps,omitempty"`
	StartTimeout      time.Duration     `json:"startTimeout,omitempty"` // 0: no limit
	StopTimeout       time.Duration     `json:"stopTimeout,omitempty"`  // 0: the agent's default
	HealthCheck       *HealthCheck      `json:"health,omitempty"`
	Restart           *RestartPolicy    `json:"restart,omitempty"`
	Ulimits           []Ulimit          `json:"ulimits,omitempty"`
	Labels            map[string]string `json:"labels,omitempty"`

	EnvironmentFiles []string          `json:"envFiles,omitempty"` // ARNs of S3 objects
	Secrets          []Secret          `json:"secrets,omitempty"`
	Registry         string            `json:"registry,omitempty"` // repositoryCredentials: the secret's ARN or name
	Unpinned         bool              `json:"unpinned,omitempty"` // versionConsistency disabled
	Log              *LogConfiguration `json:"log,omitempty"`
	Linux            *LinuxParameters  `json:"linux,omitempty"`
	ReadonlyRoot     bool              `json:"readonly,omitempty"`
	Privileged       bool              `json:"privileged,omitempty"`
	SecurityOptions  []string          `json:"security,omitempty"` // dockerSecurityOptions
	Interactive      bool              `json:"interactive,omitempty"`
	Terminal         bool              `json:"tty,omitempty"` // pseudoTerminal
	Mounts           []Mount           `json:"mounts,omitempty"`
	VolumesFrom      []VolumeFrom      `json:"volumesFrom,omitempty"`
	Sysctls          map[string]string `json:"sysctls,omitempty"`
	Hostname         string            `json:"hostname,omitempty"`
	ExtraHosts       []Host            `json:"hosts,omitempty"`
	DNSServers       []string          `json:"dns,omitempty"`
	DNSSearch        []string          `json:"dnsSearch,omitempty"`
	NoNetwork        bool              `json:"noNetwork,omitempty"` // disableNetworking
	Links            []string          `json:"links,omitempty"`     // name or name:alias
	// Unmet names the members of the definition that are set, not typed above, and change how the container would run.
	// A driver that cannot honour one refuses the task by that name.
	Unmet []string `json:"unmet,omitempty"`
}

// PortMapping publishes a container's port ("PortMapping").
type PortMapping struct {
	Name          string `json:"name,omitempty"`
	ContainerPort int    `json:"container"`
	HostPort      int    `json:"host,omitempty"` // 0: the agent chooses a free one
	Protocol      string `json:"proto"`          // tcp or udp
	// Last is not 0 for a range of ports, which begins at ContainerPort (containerPortRange).
	Last int `json:"last,omitempty"`
}

// Dependency gates the start of a container on another one's state ("ContainerDependency").
type Dependency struct {
	Container string `json:"container"`
	Condition string `json:"condition"` // START, COMPLETE, SUCCESS, HEALTHY
}

// The conditions of a Dependency.
const (
	DependStart    = "START"
	DependComplete = "COMPLETE"
	DependSuccess  = "SUCCESS"
	DependHealthy  = "HEALTHY"
)

// HealthCheck is a command run inside a container ("HealthCheck").
type HealthCheck struct {
	Command     []string      `json:"command"`         // first element CMD or CMD-SHELL
	Interval    time.Duration `json:"interval"`        // 5 to 300 s, default 30 s
	Timeout     time.Duration `json:"timeout"`         // 2 to 60 s, default 5 s
	Retries     int           `json:"retries"`         // 1 to 10, default 3
	StartPeriod time.Duration `json:"start,omitempty"` // 0 to 300 s, default 0
}

// RestartPolicy restarts a container in place ("ContainerRestartPolicy").
type RestartPolicy struct {
	IgnoredExitCodes []int         `json:"ignored,omitempty"`
	AttemptPeriod    time.Duration `json:"period"` // a container must have run this long to be restarted
}

// Ulimit is a resource limit of a process.
type Ulimit struct {
	Name string `json:"name"`
	Soft int64  `json:"soft"`
	Hard int64  `json:"hard"`
}

// Secret is an environment variable whose value is kept elsewhere ("Secret").
type Secret struct {
	Name      string `json:"name"`
	ValueFrom string `json:"from"` // ARN or name, with what Secrets Manager appends
}

// LogConfiguration says where a container's output goes ("LogConfiguration").
type LogConfiguration struct {
	Driver  string            `json:"driver"`
	Options map[string]string `json:"options,omitempty"`
	Secrets []Secret          `json:"secrets,omitempty"` // options that are secret
}

// LinuxParameters are what Linux alone knows ("LinuxParameters").
type LinuxParameters struct {
	Add        []string `json:"add,omitempty"`  // capabilities
	Drop       []string `json:"drop,omitempty"` // capabilities
	Devices    []Device `json:"devices,omitempty"`
	Init       bool     `json:"init,omitempty"`
	Tmpfs      []Tmpfs  `json:"tmpfs,omitempty"`
	SharedSize int      `json:"shm,omitempty"`  // MiB of /dev/shm, 0 if not given
	MaxSwap    *int     `json:"swap,omitempty"` // MiB
	Swappiness *int     `json:"swappiness,omitempty"`
}

// Device is a device of the machine inside a container ("Device").
type Device struct {
	HostPath      string   `json:"host"`
	ContainerPath string   `json:"container"`   // never ""
	Permissions   []string `json:"permissions"` // read, write, mknod; never empty
}

// Tmpfs is a file system in memory ("Tmpfs").
type Tmpfs struct {
	Path    string   `json:"path"`
	Size    int      `json:"size"` // MiB
	Options []string `json:"options,omitempty"`
}

// Mount puts a volume into a container ("MountPoint").
type Mount struct {
	Volume   string `json:"volume"`
	Path     string `json:"path"`
	ReadOnly bool   `json:"readonly,omitempty"`
}

// VolumeFrom mounts all that another container mounts ("VolumeFrom").
type VolumeFrom struct {
	Container string `json:"container"`
	ReadOnly  bool   `json:"readonly,omitempty"`
}

// Host is a line of a container's hosts file ("HostEntry").
type Host struct {
	Name    string `json:"name"`
	Address string `json:"address"`
}

// Volume is storage that containers of a task mount ("Volume"). One without HostPath and Docker is empty when the task
// begins and goes with it.
type Volume struct {
	Name     string        `json:"name"`
	HostPath string        `json:"host,omitempty"` // a directory of the machine
	Docker   *DockerVolume `json:"docker,omitempty"`
	// Unmet says that its other members cannot be honoured here: efsVolumeConfiguration and the like, by name.
	Unmet string `json:"unmet,omitempty"`
}

// DockerVolume is a named volume ("DockerVolumeConfiguration").
type DockerVolume struct {
	Shared        bool              `json:"shared,omitempty"` // outlives the task
	Autoprovision bool              `json:"provision,omitempty"`
	Driver        string            `json:"driver,omitempty"` // "" or local: a directory of the machine
	Options       map[string]string `json:"options,omitempty"`
	Labels        map[string]string `json:"labels,omitempty"`
}

// Constraint limits where a task may be placed ("Task placement constraints").
type Constraint struct {
	Type       string `json:"type"` // distinctInstance or memberOf
	Expression string `json:"expr,omitempty"`
}

// Strategy prefers some places to others ("Task placement strategies").
type Strategy struct {
	Type  string `json:"type"` // random, spread, binpack
	Field string `json:"field,omitempty"`
}

// The types of constraints and strategies.
const (
	DistinctInstance = "distinctInstance"
	MemberOf         = "memberOf"
	StrategyRandom   = "random"
	StrategySpread   = "spread"
	StrategyBinpack  = "binpack"
)
