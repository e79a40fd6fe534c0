package model

import (
	"strconv"
	"time"
)

// The types of load balancers.
const (
	Application = "application"
	NetworkLB   = "network"
)

// LoadBalancer is an Application or a Network Load Balancer, as its owner wants it ("LoadBalancer"). Every balancer role
// (`maitred lb`) serves it at its Address.
type LoadBalancer struct {
	ARN            string    `json:"arn"`
	Name           string    `json:"name"`
	Region         string    `json:"region"`
	Type           string    `json:"type"`   // Application or NetworkLB
	Scheme         string    `json:"scheme"` // internet-facing or internal; both listen at Address
	VPC            string    `json:"vpc,omitempty"`
	Subnets        []string  `json:"subnets,omitempty"`
	SecurityGroups []string  `json:"groups,omitempty"`
	IPAddressType  string    `json:"ipType"`
	Address        string    `json:"addr"` // IP address at which its listeners listen
	Tags           []Tag     `json:"tags,omitempty"`
	CreatedAt      time.Time `json:"created"`
	// Attributes are those that were set; Attribute gives the others their defaults.
	Attributes map[string]string `json:"attributes,omitempty"`
	Cause      Cause             `json:"cause"` // the API call that last changed it
}

// Key implements Record.
func (b *LoadBalancer) Key() Key { return LoadBalancerKey(b.ARN) }

// LoadBalancerKey is the key of a load balancer.
func LoadBalancerKey(arn string) Key { return Key{KindLoadBalancer, arn} }

// Listener takes connections for a load balancer at one port ("Listener"). Its default actions are those of the rule
// that comes last.
type Listener struct {
	ARN          string    `json:"arn"`
	LoadBalancer string    `json:"lb"` // ARN
	Region       string    `json:"region"`
	Port         int       `json:"port"`
	Protocol     string    `json:"proto"` // HTTP, HTTPS, TCP, TLS, UDP, TCP_UDP
	SSLPolicy    string    `json:"ssl,omitempty"`
	Certificates []string  `json:"certs,omitempty"` // ARNs; the first is the default one
	ALPN         []string  `json:"alpn,omitempty"`
	Actions      []Action  `json:"actions"`
	Tags         []Tag     `json:"tags,omitempty"`
	CreatedAt    time.Time `json:"created"`
	// Attributes are those that were set; Attribute gives the others their defaults.
	Attributes map[string]string `json:"attributes,omitempty"`
	Cause      Cause             `json:"cause"`
}

// Key implements Record.
func (l *Listener) Key() Key { return ListenerKey(l.LoadBalancer, l.ARN) }

// ListenerKey is the key of a listener; those of a load balancer are one prefix.
func ListenerKey(loadBalancer, arn string) Key {
	return Key{KindListener, loadBalancer + "/" + ShortID(arn)}
}

// Rule says what a listener does with the requests that match all its conditions ("Rule"). The default rule is no record:
// it is Listener.Actions.
type Rule struct {
	ARN        string      `json:"arn"`
	Listener   string      `json:"listener"` // ARN
	Region     string      `json:"region"`
	Priority   int         `json:"priority"` // 1 to 50,000; lower ones are looked at first
	Conditions []Condition `json:"conditions"`
	Actions    []Action    `json:"actions"`
	Transforms []Transform `json:"transforms,omitempty"`
	Tags       []Tag       `json:"tags,omitempty"`
	CreatedAt  time.Time   `json:"created"`
	Cause      Cause       `json:"cause"`
}

// Key implements Record.
func (r *Rule) Key() Key { return RuleKey(r.Listener, r.ARN) }

// RuleKey is the key of a rule; those of a listener are one prefix.
func RuleKey(listener, arn string) Key { return Key{KindRule, listener + "/" + ShortID(arn)} }

// The fields of conditions ("RuleCondition").
const (
	FieldHost     = "host-header"
	FieldPath     = "path-pattern"
	FieldHeader   = "http-header"
	FieldMethod   = "http-request-method"
	FieldQuery    = "query-string"
	FieldSourceIP = "source-ip"
)

// Condition is true for a request when one of its values matches ("RuleCondition").
type Condition struct {
	Field  string     `json:"field"`
	Name   string     `json:"name,omitempty"`   // of the header of FieldHeader
	Values []string   `json:"values,omitempty"` // of all fields but FieldQuery; with the wildcards * and ? where the field has them
	Regex  []string   `json:"regex,omitempty"`  // regular expressions in place of Values: FieldHost, FieldPath, FieldHeader
	Query  []KeyValue `json:"query,omitempty"`  // of FieldQuery
}

// KeyValue is a pair of a query string; an empty key stands for any.
type KeyValue struct {
	Key   string `json:"k,omitempty"`
	Value string `json:"v"`
}

// The types of actions that are carried out; each rule has exactly one ("Action").
const (
	ActionForward  = "forward"
	ActionRedirect = "redirect"
	ActionFixed    = "fixed-response"
)

// Action is what is done with a request: exactly one of its members is set, after Type.
type Action struct {
	Type     string         `json:"type"`
	Order    int            `json:"order,omitempty"` // as given, 0 if it was not
	Forward  *Forward       `json:"forward,omitempty"`
	Redirect *Redirect      `json:"redirect,omitempty"`
	Fixed    *FixedResponse `json:"fixed,omitempty"`
}

// Forward sends a request to one of several target groups, by their weights ("ForwardActionConfig").
type Forward struct {
	Groups []WeightedGroup `json:"groups"`
	// Sticky is how long a client stays with a group ("TargetGroupStickinessConfig"); zero: not at all.
	Sticky time.Duration `json:"sticky,omitempty"`
}

// WeightedGroup is a target group with its share ("TargetGroupTuple").
type WeightedGroup struct {
	Group  string `json:"group"`  // ARN
	Weight int    `json:"weight"` // 0 to 999
}

// Redirect answers with another address ("RedirectActionConfig"). Members may have the placeholders #{protocol},
// #{host}, #{port}, #{path} and #{query}; none is empty but Query.
type Redirect struct {
	Protocol string `json:"proto"`
	Host     string `json:"host"`
	Port     string `json:"port"`
	Path     string `json:"path"`
	Query    string `json:"query"`
	Status   int    `json:"status"` // 301 or 302
}

// FixedResponse answers with a text ("FixedResponseActionConfig").
type FixedResponse struct {
	Status      int    `json:"status"`
	ContentType string `json:"type,omitempty"`
	Body        string `json:"body,omitempty"`
}

// Transform rewrites a request on its way to the target ("RuleTransform").
type Transform struct {
	Type    string `json:"type"` // host-header-rewrite or url-rewrite
	Regex   string `json:"regex"`
	Replace string `json:"replace"`
}

// TargetGroup is where requests go: targets, how they are checked and chosen ("TargetGroup").
type TargetGroup struct {
	ARN             string      `json:"arn"`
	Name            string      `json:"name"`
	Region          string      `json:"region"`
	Protocol        string      `json:"proto"`             // HTTP, HTTPS, TCP, TLS, UDP, TCP_UDP
	ProtocolVersion string      `json:"version,omitempty"` // HTTP1, HTTP2, GRPC, of HTTP and HTTPS
	Port            int         `json:"port"`
	TargetType      string      `json:"targetType"` // instance or ip
	IPAddressType   string      `json:"ipType"`
	VPC             string      `json:"vpc,omitempty"`
	Check           TargetCheck `json:"check"`
	Tags            []Tag       `json:"tags,omitempty"`
	CreatedAt       time.Time   `json:"created"`
	// Attributes are those that were set; Attribute gives the others their defaults.
	Attributes map[string]string `json:"attributes,omitempty"`
	// Wake says that requests without a target wait for one; nil: they are refused. The scaler alone sets it.
	Wake  *Wake `json:"wake,omitempty"`
	Cause Cause `json:"cause"`
}

// Key implements Record.
func (g *TargetGroup) Key() Key { return TargetGroupKey(g.ARN) }

// TargetGroupKey is the key of a target group.
func TargetGroupKey(arn string) Key { return Key{KindTargetGroup, arn} }

// HTTP says whether the targets of the group are spoken to in HTTP.
func (g *TargetGroup) HTTP() bool { return g.Protocol == "HTTP" || g.Protocol == "HTTPS" }

// TargetCheck is how the health of a group's targets is checked ("Health checks for target groups").
type TargetCheck struct {
	Disabled  bool          `json:"off,omitempty"`
	Protocol  string        `json:"proto"`          // HTTP, HTTPS, TCP
	Port      string        `json:"port"`           // a number, or traffic-port
	Path      string        `json:"path,omitempty"` // of HTTP and HTTPS
	Interval  time.Duration `json:"interval"`
	Timeout   time.Duration `json:"timeout"`
	Healthy   int           `json:"healthy"`           // successes in a row that make an unhealthy target healthy
	Unhealthy int           `json:"unhealthy"`         // failures in a row that make a target unhealthy
	Matcher   string        `json:"matcher,omitempty"` // codes that are successes: "200", "200,202", "200-299"
}

// Target is something that a target group sends requests to. Who it is, is its owner (a task, or whoever called
// RegisterTargets) and its address together: a task that gets the address of one that is being drained is another target.
type Target struct {
	Group   string `json:"group"`          // ARN
	ID      string `json:"id"`             // an IP address, or the id of a machine as an instance (i-…) for groups of instances
	Port    int    `json:"port"`           // of this target
	Zone    string `json:"zone,omitempty"` // as given
	Address string `json:"addr"`           // IP address where it is reached
	// Task and Service are the ARNs of whose target it is; "" for one that was registered by a call of the API.
	Task         string    `json:"task,omitempty"`
	Service      string    `json:"service,omitempty"`
	RegisteredAt time.Time `json:"registered"`
	// DrainAt is when its deregistration began, zero while it is registered: from then on it gets no new request. What is
	// in flight may take until DrainBy.
	DrainAt time.Time `json:"drainAt,omitzero"`
	DrainBy time.Time `json:"drainBy,omitzero"`
	Cause   Cause     `json:"cause"` // of its registration, or of its deregistration once that began
}

// Key implements Record.
func (t *Target) Key() Key { return Key{KindTarget, t.Path()} }

// Path identifies the target; those of a group are one prefix.
func (t *Target) Path() string {
	owner := "-"
	if t.Task != "" {
		owner = ShortID(t.Task)
	}
	return t.Group + "/" + owner + "/" + t.ID + ":" + strconv.Itoa(t.Port)
}

// Draining says that the target is being deregistered.
func (t *Target) Draining() bool { return !t.DrainAt.IsZero() }

// TargetState is the state of a target's health ("TargetHealth").
type TargetState string

// The states of targets. TargetUnused is known without a balancer: no listener leads to the group.
const (
	TargetInitial     TargetState = "initial"
	TargetHealthy     TargetState = "healthy"
	TargetUnhealthy   TargetState = "unhealthy"
	TargetUnused      TargetState = "unused"
	TargetDraining    TargetState = "draining"
	TargetUnavailable TargetState = "unavailable"
)

// The reasons of target states ("TargetHealth").
const (
	ReasonRegistration   = "Elb.RegistrationInProgress"
	ReasonInitialChecks  = "Elb.InitialHealthChecking"
	ReasonCodeMismatch   = "Target.ResponseCodeMismatch"
	ReasonTimeout        = "Target.Timeout"
	ReasonFailedChecks   = "Target.FailedHealthChecks"
	ReasonNotRegistered  = "Target.NotRegistered"
	ReasonNotInUse       = "Target.NotInUse"
	ReasonDeregistration = "Target.DeregistrationInProgress"
	ReasonCheckDisabled  = "Target.HealthCheckDisabled"
)

// TargetHealth is what one balancer knows of a target. It is written by that balancer when it changes, never at each probe.
type TargetHealth struct {
	Balancer    string      `json:"balancer"` // id
	Target      string      `json:"target"`   // Target.Path
	Service     string      `json:"service,omitempty"`
	State       TargetState `json:"state"`
	Reason      string      `json:"reason,omitempty"`
	Description string      `json:"desc,omitempty"` // as DescribeTargetHealth tells it
	Since       time.Time   `json:"since"`          // of State
	// Drained says that the balancer sends this target, which is being deregistered, nothing any more, and that nothing is
	// in flight there.
	Drained bool `json:"drained,omitempty"`
}

// Key implements Record.
func (h *TargetHealth) Key() Key { return TargetHealthKey(h.Balancer, h.Target) }

// TargetHealthKey is the key of what a balancer (given by id) knows of a target; all that it knows is one prefix.
func TargetHealthKey(balancer, target string) Key {
	return Key{KindTargetHealth, balancer + "/" + target}
}

// Balancer is a process that serves load balancers, as it describes itself.
type Balancer struct {
	ID       string    `json:"id"` // 32 hex digits, kept in its data directory
	Host     string    `json:"host"`
	Zone     string    `json:"zone,omitempty"` // availability zone of its machine
	Version  string    `json:"version"`
	JoinedAt time.Time `json:"joined"`
	SeenAt   time.Time `json:"seen"`
	// Connected is false once it said goodbye: it serves nothing any more. One that was killed still says true.
	Connected bool `json:"connected"`
	// Failed are the listeners that it cannot serve, by ARN, and why.
	Failed map[string]string `json:"failed,omitempty"`
	// Peer is how a server reads what it measured, nil where it cannot.
	Peer *Peer `json:"peer,omitempty"`
}

// Key implements Record.
func (b *Balancer) Key() Key { return BalancerKey(b.ID) }

// BalancerKey is the key of a balancer.
func BalancerKey(id string) Key { return Key{KindBalancer, id} }
