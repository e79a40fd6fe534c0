// Package model holds the nouns of Amazon ECS as plain values: clusters, task definitions, services, deployments, tasks,
// machines, load balancers, and the causes that tie their changes together.
//
// Values are immutable once they are in the store: whoever wants to change one copies it first. References between
// records are ARNs (or the id, where ECS itself uses one). The package imports the standard library only; it knows
// neither the wire nor the database.
package model

import "strings"

// Kind names a table of the store.
type Kind string

// The tables. The part before the colon says who writes it: the control plane writes what is wanted, the agent of a
// machine or a balancer what it observed. No table has two writers.
const (
	KindCluster         Kind = "cluster"         // control: Cluster
	KindTaskDefinition  Kind = "taskdef"         // control: TaskDefinition
	KindFamily          Kind = "family"          // control: Family
	KindService         Kind = "service"         // control: Service
	KindServiceState    Kind = "servicestate"    // control (the scheduler): ServiceState
	KindDeployment      Kind = "deployment"      // control: Deployment
	KindEvent           Kind = "event"           // control (the scheduler): ServiceEvent
	KindTask            Kind = "task"            // control: Task
	KindObserved        Kind = "observed"        // agent: Observed
	KindMachine         Kind = "machine"         // agent: Machine
	KindInstance        Kind = "instance"        // control: Instance
	KindOccupancy       Kind = "occupancy"       // control: Occupancy
	KindPlacement       Kind = "placement"       // control (the scheduler): Placement
	KindSetting         Kind = "setting"         // control: Setting
	KindToken           Kind = "token"           // control: Token
	KindVPC             Kind = "vpc"             // control: VPC
	KindSubnet          Kind = "subnet"          // control: Subnet
	KindSecurityGroup   Kind = "group"           // control: SecurityGroup
	KindSecret          Kind = "secret"          // control: StoredSecret
	KindLogGroup        Kind = "loggroup"        // control: LogGroup
	KindLoadBalancer    Kind = "loadbalancer"    // control: LoadBalancer
	KindListener        Kind = "listener"        // control: Listener
	KindRule            Kind = "rule"            // control: Rule
	KindTargetGroup     Kind = "targetgroup"     // control: TargetGroup
	KindTarget          Kind = "target"          // control: Target
	KindTargetHealth    Kind = "targethealth"    // balancer: TargetHealth
	KindBalancer        Kind = "balancer"        // balancer: Balancer
	KindDemand          Kind = "demand"          // balancer: Demand
	KindCertificate     Kind = "certificate"     // control: Certificate
	KindAlarm           Kind = "alarm"           // control: Alarm
	KindAlarmState      Kind = "alarmstate"      // control: AlarmState
	KindAlarmEvent      Kind = "alarmevent"      // control: AlarmEvent
	KindScalable        Kind = "scalable"        // control: ScalableTarget
	KindScalingPolicy   Kind = "scalingpolicy"   // control: ScalingPolicy
	KindScheduledAction Kind = "scheduled"       // control: ScheduledAction
	KindScalingState    Kind = "scalingstate"    // control: ScalingState
	KindScalingActivity Kind = "scalingactivity" // control: ScalingActivity
	KindServer          Kind = "server"          // server: Server
)

// Kinds lists every table.
func Kinds() []Kind {
	return []Kind{
		KindCluster, KindTaskDefinition, KindFamily, KindService, KindServiceState, KindDeployment, KindEvent,
		KindTask, KindObserved, KindMachine, KindInstance, KindOccupancy, KindPlacement, KindSetting,
		KindToken, KindVPC, KindSubnet, KindSecurityGroup, KindSecret, KindLogGroup,
		KindLoadBalancer, KindListener, KindRule, KindTargetGroup, KindTarget, KindTargetHealth, KindBalancer, KindDemand, KindCertificate,
		KindAlarm, KindAlarmState, KindAlarmEvent, KindScalable,
		KindScalingPolicy, KindScheduledAction, KindScalingState, KindScalingActivity, KindServer,
	}
}

// Key identifies a record: its table and its path inside the table. Paths are chosen so that a prefix is something one
// wants to read or guard at once: the tasks of a machine, the deployments of a service.
type Key struct {
	Kind Kind
	Path string
}

// String gives the key as "kind/path".
func (k Key) String() string { return string(k.Kind) + "/" + k.Path }

// Record is anything that the store keeps.
type Record interface {
	Key() Key
}

// New returns an empty record of a table, for decoding; nil for an unknown table.
func New(k Kind) Record { //nolint:gocyclo,funlen // one case for each table
	switch k {
	case KindCluster:
		return &Cluster{}
	case KindTaskDefinition:
		return &TaskDefinition{}
	case KindFamily:
		return &Family{}
	case KindService:
		return &Service{}
	case KindServiceState:
		return &ServiceState{}
	case KindDeployment:
		return &Deployment{}
	case KindEvent:
		return &ServiceEvent{}
	case KindTask:
		return &Task{}
	case KindObserved:
		return &Observed{}
	case KindMachine:
		return &Machine{}
	case KindInstance:
		return &Instance{}
	case KindOccupancy:
		return &Occupancy{}
	case KindPlacement:
		return &Placement{}
	case KindSetting:
		return &Setting{}
	case KindToken:
		return &Token{}
	case KindVPC:
		return &VPC{}
	case KindSubnet:
		return &Subnet{}
	case KindSecurityGroup:
		return &SecurityGroup{}
	case KindSecret:
		return &StoredSecret{}
	case KindLogGroup:
		return &LogGroup{}
	case KindLoadBalancer:
		return &LoadBalancer{}
	case KindListener:
		return &Listener{}
	case KindRule:
		return &Rule{}
	case KindTargetGroup:
		return &TargetGroup{}
	case KindTarget:
		return &Target{}
	case KindTargetHealth:
		return &TargetHealth{}
	case KindBalancer:
		return &Balancer{}
	case KindDemand:
		return &Demand{}
	case KindCertificate:
		return &Certificate{}
	case KindAlarm:
		return &Alarm{}
	case KindAlarmState:
		return &AlarmState{}
	case KindAlarmEvent:
		return &AlarmEvent{}
	}
	return newOfScaling(k)
}

// newOfScaling is New for the tables of scaling, and of servers.
func newOfScaling(k Kind) Record {
	switch k {
	case KindScalable:
		return &ScalableTarget{}
	case KindScalingPolicy:
		return &ScalingPolicy{}
	case KindScheduledAction:
		return &ScheduledAction{}
	case KindScalingState:
		return &ScalingState{}
	case KindScalingActivity:
		return &ScalingActivity{}
	case KindServer:
		return &Server{}
	}
	return nil
}

// Tag is a key and a value on a resource ("Tagging Amazon ECS resources").
type Tag struct {
	Key   string `json:"k"`
	Value string `json:"v,omitempty"`
}

// ShortID is the last part of an ARN: the id or name that a person types.
func ShortID(arn string) string { return arn[strings.LastIndexByte(arn, '/')+1:] }
