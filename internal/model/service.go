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
	Declared    int           `json:"declared,omitempty"`
	Scaled      bool          `json:"scaled,omitempty"`
	LaunchType  string        `json:"launch"`  // EC2, FARGATE, EXTERNAL
	MinHealthy  int           `json:"min"`     // minimumHealthyPercent
	MaxPercent  int           `json:"max"`     // maximumPercent
	Primary     string        `json:"primary"` // id of the deployment that is rolled out, or was last
	Constraints []Constraint  `json:"constraints,omitempty"`
	Strategy    []Strategy    `json:"strategy,omitempty"`
	HealthGrace time.Duration `json:"grace,omitempty"` // healthCheckGracePeriodSeconds
	// Monitors say when a deployment of it fails; one that is under way has those of the time when it began.
	Monitors      Monitors `json:"monitors,omitzero"`
	PropagateTags string   `json:"propagate,omitempty"` // TASK_DEFINITION, SERVICE or ""
	ManagedTags   bool     `json:"managed,omitempty"`   // enableECSManagedTags
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
	// HeldBack is what was last said of unhealthy tasks that are not replaced yet; nil when none has been unhealthy since.
	HeldBack *HeldBack `json:"heldBack,omitempty"`
}

// HeldBack is when it was said how many unhealthy tasks the bounds of a service held back, and which bounds.
type HeldBack struct {
	Tasks      int       `json:"tasks"`
	MinHealthy int       `json:"min"`
	MaxPercent int       `json:"max"`
	At         time.Time `json:"at"`
	Event      int       `json:"event"` // its number
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
