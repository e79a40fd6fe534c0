package model

import "time"

// Rollout is the state of a deployment as DescribeServices shows it.
type Rollout string

// The rollout states.
const (
	RolloutInProgress Rollout = "IN_PROGRESS"
	RolloutCompleted  Rollout = "COMPLETED"
	RolloutFailed     Rollout = "FAILED"
)

// DeploymentStatus is the state of a service deployment in its history ("ServiceDeployment").
type DeploymentStatus string

// The states of a service deployment.
const (
	DeploymentPending            DeploymentStatus = "PENDING"
	DeploymentInProgress         DeploymentStatus = "IN_PROGRESS"
	DeploymentSuccessful         DeploymentStatus = "SUCCESSFUL"
	DeploymentStopped            DeploymentStatus = "STOPPED"
	DeploymentRollbackRequested  DeploymentStatus = "ROLLBACK_REQUESTED"
	DeploymentRollbackInProgress DeploymentStatus = "ROLLBACK_IN_PROGRESS"
	DeploymentRollbackSuccessful DeploymentStatus = "ROLLBACK_SUCCESSFUL"
	DeploymentRollbackFailed     DeploymentStatus = "ROLLBACK_FAILED"
)

// Over says that a service deployment has come to its end.
func (s DeploymentStatus) Over() bool {
	switch s {
	case DeploymentPending, DeploymentInProgress, DeploymentRollbackRequested, DeploymentRollbackInProgress:
		return false
	default:
		return true
	}
}

// The ways to give the threshold of a circuit breaker ("ThresholdConfiguration").
const (
	BoundedPercent   = "BOUNDED_PERCENT"
	UnboundedPercent = "UNBOUNDED_PERCENT"
	CountOfTasks     = "COUNT"
)

// CircuitBreaker fails a deployment whose tasks keep failing ("DeploymentCircuitBreaker").
type CircuitBreaker struct {
	Rollback bool   `json:"rollback,omitempty"`
	Type     string `json:"type"`  // BOUNDED_PERCENT, UNBOUNDED_PERCENT or COUNT
	Value    int    `json:"value"` // percent of the desired count, or tasks
	// KeepCount says that a task that becomes healthy does not set the count back to 0 (resetOnHealthyTask is false).
	KeepCount bool `json:"keep,omitempty"`
}

// DeploymentAlarms fail a deployment during which one of them goes into ALARM ("DeploymentAlarms").
type DeploymentAlarms struct {
	Names    []string `json:"names"` // of the service's region
	Rollback bool     `json:"rollback,omitempty"`
}

// Monitors are what may fail a deployment; nil: it does not.
type Monitors struct {
	Breaker *CircuitBreaker   `json:"breaker,omitempty"`
	Alarms  *DeploymentAlarms `json:"alarms,omitempty"`
	// Bake is how long the alarms are followed when all tasks have been replaced (bakeTimeInMinutes), nil: as long as the
	// alarms' own periods say.
	Bake *time.Duration `json:"bake,omitempty"`
}

// Deployment is one rollout of a revision of a service, and that revision itself: ECS's deployment, service deployment
// and service revision in one record (their ids are derived from one another, see package arn). A service always has at
// least one. It stays as history after its end.
type Deployment struct {
	ID             string `json:"id"`      // ecs-svc/<19 digits>
	Token          string `json:"token"`   // 21 characters, the id of the service deployment
	Service        string `json:"service"` // ARN
	TaskDefinition string `json:"taskdef"` // ARN
	LaunchType     string `json:"launch"`
	// Network is where the tasks' own network interfaces shall be; nil for all modes but awsvpc.
	Network *NetworkConfiguration `json:"network,omitempty"`
	// LoadBalancers are the target groups in which the tasks are registered.
	LoadBalancers []ServiceBalancer `json:"lbs,omitempty"`
	// Fine is what Service.Fine is while this is the primary one.
	Fine         []string         `json:"fine,omitempty"`
	Rollout      Rollout          `json:"rollout"`
	Status       DeploymentStatus `json:"status"`
	StatusReason string           `json:"reason,omitempty"`
	// Images are the digests that the first tasks found behind the images of their containers, by container: later tasks
	// run these very images, wherever the names point to by then ("Container image resolution").
	Images map[string]string `json:"images,omitempty"`
	// Current says that it still has, or may have, tasks: PRIMARY or ACTIVE, not history.
	Current bool `json:"current,omitempty"`
	// Want is how many tasks the scheduler still wants of it, once a newer deployment replaces it: what it lost by itself
	// is restored, what was stopped to make room is not. Basis is the desired count that Want belongs to.
	Want  int `json:"want"`
	Basis int `json:"basis"`
	// Sources are the ids of the deployments that were current when this one was made.
	Sources []string `json:"sources,omitempty"`
	Failed  int      `json:"failed,omitempty"` // tasks in a row that failed
	// Monitors, and what they have seen.
	Monitors Monitors `json:"monitors,omitzero"`
	Watched  Watched  `json:"watched,omitzero"`
	// RolloutReason says why it failed, or that it is rolled out again; "" for what goes without saying.
	RolloutReason string `json:"rolloutReason,omitempty"`
	// Failure is why it failed, nil if it did not; Rollback what became of the service then, nil if nothing did.
	Failure  *Cause    `json:"failure,omitempty"`
	Rollback *Rollback `json:"rolledBack,omitempty"`
	// RollsBack is the id of the failed deployment in whose place this one, which was once completed, is rolled out again,
	// "" when it is completed again. Resumed is why it was.
	RollsBack  string    `json:"rollsBack,omitempty"`
	Resumed    *Cause    `json:"resumed,omitempty"`
	CreatedAt  time.Time `json:"created"`
	StartedAt  time.Time `json:"started,omitzero"`
	UpdatedAt  time.Time `json:"updated"`
	FinishedAt time.Time `json:"finished,omitzero"`
	// Document keeps the members of the revision that are given back as they were given, in the AWS API's JSON.
	Document []byte `json:"doc,omitempty"`
	Cause    Cause  `json:"cause"`
}

// ServiceBalancer is a target group in which a port of each task is registered ("LoadBalancer" of a service).
type ServiceBalancer struct {
	Group     string `json:"group"` // ARN
	Container string `json:"container"`
	Port      int    `json:"port"` // of the container
}

// Key implements Record.
func (d *Deployment) Key() Key { return DeploymentKey(d.Service, d.ID) }

// DeploymentKey is the key of a deployment.
func DeploymentKey(service, id string) Key { return Key{KindDeployment, service + "/" + ShortID(id)} }

// Why is why it is rolled out, or was last.
func (d *Deployment) Why() *Cause {
	if d.Resumed != nil {
		return d.Resumed
	}
	return &d.Cause
}

// Proved says that its revision was completed once, and has not failed since.
func (d *Deployment) Proved() bool {
	return d.Rollout == RolloutCompleted || d.Rollout == RolloutInProgress && d.RollsBack != ""
}

// Watched is what the monitors of a deployment have seen.
type Watched struct {
	// Failures are the failed tasks that the circuit breaker counts; Healthy is how many tasks were healthy when it counted
	// the last one, and Last how that one failed. Tripped says that they were enough.
	Failures int    `json:"failures,omitempty"`
	Tripped  bool   `json:"tripped,omitempty"`
	Healthy  int    `json:"healthy,omitempty"`
	Last     *Cause `json:"last,omitempty"`
	// NoRoomAt is when it last counted that no task found room.
	NoRoomAt time.Time `json:"noRoom,omitzero"`
	// InAlarm are those of the alarms that were in ALARM when the deployment began: it follows none of them then. LeftAlarm
	// is when each had last left that state. Triggered are those that failed it.
	InAlarm   []string             `json:"inAlarm,omitempty"`
	LeftAlarm map[string]time.Time `json:"leftAlarm,omitempty"`
	Triggered []string             `json:"triggered,omitempty"`
	// Bake is how long it is watched when all is replaced, BakeUntil until when, zero before.
	Bake      time.Duration `json:"bake,omitempty"`
	BakeUntil time.Time     `json:"bakeUntil,omitzero"`
}

// Rollback is how a service went back from a deployment that failed ("Rollback").
type Rollback struct {
	To     string    `json:"to"` // id of the deployment that was rolled out again
	At     time.Time `json:"at"`
	Reason string    `json:"reason"`
}
