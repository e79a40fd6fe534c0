package model

import (
	"fmt"
	"time"
)

// The scheduling strategies of a service.
const (
	Replica = "REPLICA"
	Daemon  = "DAEMON"
)

// Service is what its owner wants: so many tasks of a task definition, kept running. It is written by API calls, and DesiredCount by the scaler.
type Service struct {
	ARN          string `json:"arn"`
	Name         string `json:"name"`
	Cluster      string `json:"cluster"` // ARN
	Region       string `json:"region"`
	Status       Status `json:"status"`
	Scheduling   string `json:"scheduling"` // REPLICA or DAEMON
	DesiredCount int    `json:"desired"`    // of a REPLICA service: the count that the scheduler keeps
	// Declared is the desired count that an API call last gave; Scaled says that a scaler has set DesiredCount since. A
	// call that declares the same again leaves what the scaler set.
	Declared      int           `json:"declared,omitempty"`
	Scaled        bool          `json:"scaled,omitempty"`
	LaunchType    string        `json:"launch"`  // EC2, FARGATE, EXTERNAL
	MinHealthy    int           `json:"min"`     // minimumHealthyPercent
	MaxPercent    int           `json:"max"`     // maximumPercent
	Primary       string        `json:"primary"` // id of the deployment that is rolled out, or was last
	Constraints   []Constraint  `json:"constraints,omitempty"`
	Strategy      []Strategy    `json:"strategy,omitempty"`
	HealthGrace   time.Duration `json:"grace,omitempty"`     // healthCheckGracePeriodSeconds
	PropagateTags string        `json:"propagate,omitempty"` // TASK_DEFINITION, SERVICE or ""
	ManagedTags   bool          `json:"managed,omitempty"`   // enableECSManagedTags
	// ExecuteCommand says that people may run commands in the tasks that are started from now on (enableExecuteCommand).
	ExecuteCommand bool `json:"exec,omitempty"`
	// Fine are the metrics of utilization, by name, that are kept by 20 s instead of by the minute (monitoring). In their order.
	Fine      []string  `json:"fine,omitempty"`
	Tags      []Tag     `json:"tags,omitempty"`
	CreatedAt time.Time `json:"created"`
	ClosedAt  time.Time `json:"closed,omitzero"` // when it became INACTIVE
	// Document keeps the members that are given back as they were given, in the AWS API's JSON.
	Document []byte `json:"doc,omitempty"`
	// Cause is the API call that last changed the service.
	Cause Cause `json:"cause"`
}

// Key implements Record.
func (s *Service) Key() Key { return ServiceKey(s.ARN) }

// ServiceKey is the key of a service.
func ServiceKey(arn string) Key { return Key{KindService, arn} }

// ServiceState is what the scheduler remembers of a service between two looks at it. Deadlines are data, so that a new
// leader loses none.
type ServiceState struct {
	Service string `json:"service"` // ARN
	// LastEvent numbers the newest ServiceEvent.
	LastEvent int `json:"lastEvent,omitempty"`
	// Said holds, by topic, the message that was last said and when, to suppress duplicates ("Service event messages").
	Said map[string]Saying `json:"said,omitempty"`
	// SteadyAt is when "has reached a steady state" was last said; zero while the service is not steady.
	SteadyAt time.Time `json:"steady,omitzero"`
	// StartFailures counts rounds of starts in a row of which a task failed to start ("Service throttle logic");
	// FailedRound is when the newest of these rounds was started, FailedOf the deployment that they belong to.
	StartFailures int       `json:"startFailures,omitempty"`
	FailedRound   time.Time `json:"failedRound,omitzero"`
	FailedOf      string    `json:"failedOf,omitempty"`
	// ThrottledUntil is when the next start may be tried.
	ThrottledUntil time.Time `json:"throttledUntil,omitzero"`
	// Failure is the end of the last task that failed to start: the cause of what the throttle does.
	Failure *Cause `json:"failure,omitempty"`
}

// Saying is a message and when it was said.
type Saying struct {
	Message string    `json:"m"`
	At      time.Time `json:"at"`
}

// Key implements Record.
func (s *ServiceState) Key() Key { return ServiceStateKey(s.Service) }

// ServiceStateKey is the key of a service's state.
func ServiceStateKey(arn string) Key { return Key{KindServiceState, arn} }

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
	DeploymentPending    DeploymentStatus = "PENDING"
	DeploymentInProgress DeploymentStatus = "IN_PROGRESS"
	DeploymentSuccessful DeploymentStatus = "SUCCESSFUL"
	DeploymentStopped    DeploymentStatus = "STOPPED"
)

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
	Rollout       Rollout           `json:"rollout"`
	Status        DeploymentStatus  `json:"status"`
	StatusReason  string            `json:"reason,omitempty"`
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
	Sources    []string  `json:"sources,omitempty"`
	Failed     int       `json:"failed,omitempty"` // tasks in a row that failed
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

// ServiceEvent is one line of a service's events.
type ServiceEvent struct {
	ID      string    `json:"id"` // uuid
	Service string    `json:"service"`
	Number  int       `json:"n"` // counts up; only the last MaxServiceEvents are kept
	At      time.Time `json:"at"`
	Message string    `json:"m"`
}

// MaxServiceEvents is how many events of a service are kept ("Viewing Amazon ECS service event messages").
const MaxServiceEvents = 100

// Key implements Record.
func (e *ServiceEvent) Key() Key { return EventKey(e.Service, e.Number) }

// EventKey is the key of an event; events of a service sort by number.
func EventKey(service string, number int) Key {
	return Key{KindEvent, fmt.Sprintf("%s/%010d", service, number)}
}
