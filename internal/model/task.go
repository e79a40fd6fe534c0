package model

import (
	"time"
)

// TaskStatus is a state of a task's life ("Amazon ECS task lifecycle").
type TaskStatus string

// The states, in the only order in which a task passes through them; any may be skipped.
const (
	TaskProvisioning   TaskStatus = "PROVISIONING"
	TaskPending        TaskStatus = "PENDING"
	TaskActivating     TaskStatus = "ACTIVATING"
	TaskRunning        TaskStatus = "RUNNING"
	TaskDeactivating   TaskStatus = "DEACTIVATING"
	TaskStopping       TaskStatus = "STOPPING"
	TaskDeprovisioning TaskStatus = "DEPROVISIONING"
	TaskStopped        TaskStatus = "STOPPED"
)

// Order gives a state's place in a task's life; higher is later, -1 is no state at all.
func (s TaskStatus) Order() int {
	for i, t := range TaskStatuses() {
		if t == s {
			return i
		}
	}
	return -1
}

// TaskStatuses lists the states in order.
func TaskStatuses() []TaskStatus {
	return []TaskStatus{
		TaskProvisioning, TaskPending, TaskActivating, TaskRunning,
		TaskDeactivating, TaskStopping, TaskDeprovisioning, TaskStopped,
	}
}

// StopCode says in one word why a task stopped.
type StopCode string

// The stop codes ("Task").
const (
	StopFailedToStart   StopCode = "TaskFailedToStart"
	StopContainerExited StopCode = "EssentialContainerExited"
	StopUser            StopCode = "UserInitiated"
	StopScheduler       StopCode = "ServiceSchedulerInitiated"
	StopTermination     StopCode = "TerminationNotice"
)

// Health is the result of health checks.
type Health string

// The health states.
const (
	Healthy   Health = "HEALTHY"
	Unhealthy Health = "UNHEALTHY"
	Unknown   Health = "UNKNOWN"
)

// Task is one run of a task definition on one machine, as wanted. It never moves to another machine and never runs a
// second time. Desired only ever changes from RUNNING to STOPPED.
type Task struct {
	ARN            string     `json:"arn"`
	Cluster        string     `json:"cluster"`              // ARN
	TaskDefinition string     `json:"taskdef"`              // ARN
	Machine        string     `json:"machine"`              // id
	Instance       string     `json:"instance"`             // ARN
	Service        string     `json:"service,omitempty"`    // ARN, "" for a standalone task
	Deployment     string     `json:"deployment,omitempty"` // id of the revision that it runs
	Group          string     `json:"group"`
	StartedBy      string     `json:"startedBy,omitempty"`
	LaunchType     string     `json:"launch"`
	Desired        TaskStatus `json:"desired"` // RUNNING or STOPPED
	Reserved       Resources  `json:"reserved"`
	Tags           []Tag      `json:"tags,omitempty"`
	Overrides      *Overrides `json:"overrides,omitempty"`
	// Network is where the task's own network interface shall be; nil for all modes but awsvpc.
	Network *NetworkConfiguration `json:"network,omitempty"`
	// Images are the digests that the deployment's images are bound to, by container; those that are not known yet are
	// resolved by the agent ("Container image resolution").
	Images map[string]string `json:"images,omitempty"`
	// ExecuteCommand says that people may run commands in it (enableExecuteCommand).
	ExecuteCommand bool      `json:"exec,omitempty"`
	ProtectedUntil time.Time `json:"protected,omitzero"` // task scale-in protection
	CreatedAt      time.Time `json:"created"`
	Start          Cause     `json:"start"`
	// What follows is set when Desired becomes STOPPED.
	StopAt     time.Time `json:"stopAt,omitzero"`
	StopCode   StopCode  `json:"stopCode,omitempty"`
	StopReason string    `json:"stopReason,omitempty"`
	Stop       *Cause    `json:"stop,omitempty"`
	// DrainBy is how long the stop signal waits for the task's targets to be drained, zero where there are none. It is sent
	// as soon as Drained is true.
	DrainBy time.Time `json:"drainBy,omitzero"`
	Drained bool      `json:"drained,omitempty"`
}

// Key implements Record.
func (t *Task) Key() Key { return TaskKey(t.Machine, t.ARN) }

// TaskKey is the key of a task: the tasks of a machine are one prefix, which its agent watches.
func TaskKey(machine, arn string) Key { return Key{KindTask, machine + "/" + arn} }

// TaskARN gives the ARN, for lists of tasks and of task states alike.
func (t *Task) TaskARN() string { return t.ARN }

// Protected says whether the task is protected from scale-in now ("Task scale-in protection").
func (t *Task) Protected(now time.Time) bool { return now.Before(t.ProtectedUntil) }

// Overrides are what RunTask and StartTask change of a task definition.
type Overrides struct {
	Containers []ContainerOverride `json:"containers,omitempty"`
	CPU        int                 `json:"cpu,omitempty"`
	Memory     int                 `json:"mem,omitempty"`
	// TaskRole, ExecutionRole and Storage replace the definition's unless they are zero.
	TaskRole      string `json:"role,omitempty"`
	ExecutionRole string `json:"execRole,omitempty"`
	Storage       int    `json:"storage,omitempty"`
	// Document is the whole override as given, in the AWS API's JSON.
	Document []byte `json:"doc,omitempty"`
}

// ContainerOverride changes a container for one task; nil means unchanged.
type ContainerOverride struct {
	Name              string            `json:"name"`
	Command           []string          `json:"command,omitempty"`
	Environment       map[string]string `json:"env,omitempty"`
	EnvironmentFiles  []string          `json:"envFiles,omitempty"`
	GPUs              *int              `json:"gpus,omitempty"`
	CPU               *int              `json:"cpu,omitempty"`
	Memory            *int              `json:"mem,omitempty"`
	MemoryReservation *int              `json:"memres,omitempty"`
}

// Observed is what the agent of a machine saw of a task. Its status only moves forward.
type Observed struct {
	Task               string              `json:"task"` // ARN
	Machine            string              `json:"machine"`
	Status             TaskStatus          `json:"status"`
	Health             Health              `json:"health,omitempty"`
	PullStartedAt      time.Time           `json:"pullStarted,omitzero"`
	PullStoppedAt      time.Time           `json:"pullStopped,omitzero"`
	StartedAt          time.Time           `json:"started,omitzero"`          // became RUNNING
	StoppingAt         time.Time           `json:"stopping,omitzero"`         // the stop began
	ExecutionStoppedAt time.Time           `json:"executionStopped,omitzero"` // an essential container ended
	StoppedAt          time.Time           `json:"stopped,omitzero"`
	StopCode           StopCode            `json:"stopCode,omitempty"`   // when it ended by itself
	StopReason         string              `json:"stopReason,omitempty"` // likewise
	Attachment         *Attachment         `json:"attachment,omitempty"`
	Containers         []ObservedContainer `json:"containers,omitempty"`
}

// Key implements Record.
func (o *Observed) Key() Key { return ObservedKey(o.Machine, o.Task) }

// ObservedKey is the key of an observation.
func ObservedKey(machine, task string) Key { return Key{KindObserved, machine + "/" + task} }

// ObservedContainer is what the agent saw of a container.
type ObservedContainer struct {
	Name      string        `json:"name"`
	Status    TaskStatus    `json:"status"` // PENDING, RUNNING, STOPPED
	Health    Health        `json:"health,omitempty"`
	ExitCode  *int          `json:"exit,omitempty"` // nil when it never started, or nobody saw its end
	Reason    string        `json:"reason,omitempty"`
	RuntimeID string        `json:"runtime,omitempty"`
	Image     string        `json:"image,omitempty"` // digest, where the driver knows one
	Bindings  []PortBinding `json:"bindings,omitempty"`
	Restarts  int           `json:"restarts,omitempty"`
}

// PortBinding is a published port.
type PortBinding struct {
	Address       string `json:"addr"` // bind address
	ContainerPort int    `json:"container"`
	HostPort      int    `json:"host"`
	Protocol      string `json:"proto"`
}

// TaskState is a task as it is known: what is wanted together with what was observed. Seen is nil until the agent
// has first reported.
type TaskState struct {
	*Task
	Seen *Observed
}

// LastStatus is the state that the API shows. What nobody has observed yet is PENDING.
func (t TaskState) LastStatus() TaskStatus {
	if t.Seen == nil {
		return TaskPending
	}
	return t.Seen.Status
}

// Stopped says that the task is over.
func (t TaskState) Stopped() bool { return t.LastStatus() == TaskStopped }

// Running says that the task runs and shall run.
func (t TaskState) Running() bool { return t.Desired == TaskRunning && t.LastStatus() == TaskRunning }

// Alive says that the task is wanted and not over: RUNNING or on its way there.
func (t TaskState) Alive() bool { return t.Desired == TaskRunning && !t.Stopped() }

// EverRan says that the task reached RUNNING.
func (t TaskState) EverRan() bool { return t.Seen != nil && !t.Seen.StartedAt.IsZero() }

// Health is the task's health as last observed.
func (t TaskState) Health() Health {
	if t.Seen == nil || t.Seen.Health == "" {
		return Unknown
	}
	return t.Seen.Health
}

// HealthyAt says since when a running task counts as healthy in a deployment, and whether that can be said yet:
// with a container health check when it passes, else wait after it became RUNNING
// ("DeploymentConfiguration", minimumHealthyPercent).
func (t TaskState) HealthyAt(checked bool, wait time.Duration) (time.Time, bool) {
	if !t.Running() {
		return time.Time{}, false
	}
	if checked {
		return t.Seen.StartedAt, t.Seen.Health == Healthy
	}
	return t.Seen.StartedAt.Add(wait), true
}
