// Package reading is what agents and balancers tell of one second: a Frame for each, kept for a little more than a minute
// (Feed) and served as a stream on the direct line, one line of JSON a frame, so that a server that was away for a moment
// reads on where it stopped (Cursor, Follow).
//
// A frame of JSON names each ARN once: what was measured refers to its list of names.
package reading

import "time"

// Frame is what was measured in one second.
type Frame struct {
	// Seq counts the frames of one start of the process that measures, from 1.
	Seq uint64
	// Second is when the second began, in Unix time.
	Second int64

	Tasks     []Task     // of an agent: those that run
	Routes    []Route    // of a balancer: those that something happened on
	Flows     []Flow     // likewise, and those on which connections are open
	Listeners []Listener // those of Application Load Balancers, as long as they are served
	Groups    []Group    // all that some listener leads to
}

// At is the start of the second.
func (f *Frame) At() time.Time { return time.Unix(f.Second, 0).UTC() }

// Task is what the running containers of a task use together.
type Task struct {
	ARN    string
	Cores  float64 // processor time per time over the last second
	CPU    float64 // seconds of processor time since the start of each container that runs
	Memory int64   // bytes
	// Network is what went through the networks of its own, nil where nobody knows or it has the machine's. Of containers that
	// share a network it is counted once.
	Network *Network
	Disk    *Disk // nil where nobody knows
}

// Network is what went through networks, in bytes.
type Network struct {
	In, Out        float64 `json:",omitempty"` // each second, over the last one
	Received, Sent int64   `json:",omitempty"` // since the networks were made
}

// Disk is what the containers that run have read and written on block devices since each started, in bytes.
type Disk struct {
	Read, Written int64 `json:",omitempty"`
}

// Route is what became of the requests that took one way. Names are ARNs, "" where a request did not get that far.
type Route struct {
	Listener, Rule, Group string
	Target                string // path
	Requests
}

// The places in Requests.Answers and Requests.Own.
const (
	Class2XX = iota
	Class3XX
	Class4XX
	Class5XX
)

// Requests are counts of requests of HTTP that ended in the second. The counts have the names of CloudWatch's in their
// comments ("CloudWatch metrics for your Application Load Balancer").
type Requests struct {
	Chosen     int64    `json:"n,omitempty"` // RequestCount: those for which a target was chosen
	Answers    [4]int64 `json:"t"`           // HTTPCode_Target_2XX_Count …
	Own        [4]int64 `json:"o"`           // HTTPCode_ELB_3XX_Count …; those of 2XX are fixed responses
	Own500     int64    `json:"o500,omitempty"`
	Own502     int64    `json:"o502,omitempty"`
	Own503     int64    `json:"o503,omitempty"`
	Own504     int64    `json:"o504,omitempty"`
	Redirects  int64    `json:"rd,omitempty"`   // HTTP_Redirect_Count
	Fixed      int64    `json:"fx,omitempty"`   // HTTP_Fixed_Response_Count
	GRPC       int64    `json:"grpc,omitempty"` // GrpcRequestCount
	Dropped    int64    `json:"dh,omitempty"`   // DroppedInvalidHeaderRequestCount
	Desync     int64    `json:"ds,omitempty"`   // DesyncMitigationMode_NonCompliant_Request_Count
	Unhealthy  int64    `json:"uh,omitempty"`   // UnhealthyRoutingRequestCount
	ConnErrors int64    `json:"ce,omitempty"`   // TargetConnectionErrorCount
	TLSErrors  int64    `json:"te,omitempty"`   // TargetTLSNegotiationErrorCount
	Long       int64    `json:"rl,omitempty"`   // HTTP_Redirect_Url_Limit_Exceeded_Count
	NonSticky  int64    `json:"ns,omitempty"`   // NonStickyRequestCount
	Invalid    int64    `json:"fi,omitempty"`   // ForwardedInvalidHeaderRequestCount
	Rules      int64    `json:"re,omitempty"`   // RuleEvaluations
	Received   int64    `json:"in,omitempty"`   // bytes from clients
	Sent       int64    `json:"out,omitempty"`  // bytes to clients
	Latency    Latency  `json:"l,omitzero"`     // TargetResponseTime
}

// Flow is what became of connections of TCP and TLS and flows of UDP that took one way. Group and Target are "" for those
// that got no target.
type Flow struct {
	Listener, Group string
	Target          string // path
	Flows
}

// Flows are counts of connections and flows in the second ("CloudWatch metrics for your Network Load Balancer").
type Flows struct {
	Protocol     string `json:"p"`            // TCP, TLS, UDP
	New          int64  `json:"n,omitempty"`  // NewFlowCount
	Active       int64  `json:"a,omitempty"`  // ActiveFlowCount: open at the end of the second
	ClientResets int64  `json:"cr,omitempty"` // TCP_Client_Reset_Count
	TargetResets int64  `json:"tr,omitempty"` // TCP_Target_Reset_Count
	OwnResets    int64  `json:"or,omitempty"` // TCP_ELB_Reset_Count
	Rejected     int64  `json:"rj,omitempty"` // RejectedFlowCount
	Blocked      int64  `json:"bl,omitempty"` // SecurityGroupBlockedFlowCount_Inbound
	NoTarget     int64  `json:"nt,omitempty"`
	Unreachable  int64  `json:"ur,omitempty"`
	ClientTLS    int64  `json:"ct,omitempty"` // ClientTLSNegotiationErrorCount
	TargetTLS    int64  `json:"tt,omitempty"` // TargetTLSNegotiationErrorCount
	Unhealthy    int64  `json:"uh,omitempty"` // UnhealthyRoutingFlowCount
	Received     int64  `json:"in,omitempty"` // bytes from clients
	Sent         int64  `json:"out,omitempty"`
}

// Listener is how many connections clients have to a listener of an Application Load Balancer.
type Listener struct {
	ARN      string
	Active   int64 // open at the end of the second
	New      int64 // opened in it
	TLSFails int64 // ClientTLSNegotiationErrorCount
}

// Group is what a balancer knows of a target group at the end of the second.
type Group struct {
	ARN        string
	Healthy    int   // HealthyHostCount
	Unhealthy  int   // UnHealthyHostCount
	Registered int   // targets that are not draining
	Eligible   int   // targets that get new requests: the healthy ones, or all if too few are
	InFlight   int64 // requests, connections and flows that its targets have
	FailOpen   bool  // Eligible has targets that are not healthy
	Judged     bool  // anomalies are looked for
	Anomalous  int   // AnomalousHostCount
	Mitigated  int   // MitigatedHostCount
}

// Period is when the period began that is to be measured next: that of now, or the one after it if that was measured last:
// a timer may be a little early.
func Period(now, last time.Time, every time.Duration) time.Time {
	begin := now.Truncate(every)
	if begin.Equal(last) {
		return begin.Add(every)
	}
	return begin
}

// The paths on the direct line at which agents and balancers serve their feeds.
const (
	AgentPath    = "/v1/readings/agent"
	BalancerPath = "/v1/readings/balancer"
)

// Add makes it the counts of both.
func (r *Requests) Add(o *Requests) {
	r.Chosen += o.Chosen
	for i := range r.Answers {
		r.Answers[i] += o.Answers[i]
		r.Own[i] += o.Own[i]
	}
	r.Own500, r.Own502, r.Own503, r.Own504 = r.Own500+o.Own500, r.Own502+o.Own502, r.Own503+o.Own503, r.Own504+o.Own504
	r.Redirects, r.Fixed, r.GRPC = r.Redirects+o.Redirects, r.Fixed+o.Fixed, r.GRPC+o.GRPC
	r.Dropped, r.Desync, r.Unhealthy = r.Dropped+o.Dropped, r.Desync+o.Desync, r.Unhealthy+o.Unhealthy
	r.ConnErrors, r.TLSErrors, r.Long = r.ConnErrors+o.ConnErrors, r.TLSErrors+o.TLSErrors, r.Long+o.Long
	r.NonSticky, r.Invalid, r.Rules = r.NonSticky+o.NonSticky, r.Invalid+o.Invalid, r.Rules+o.Rules
	r.Received, r.Sent = r.Received+o.Received, r.Sent+o.Sent
	r.Latency.Add(&o.Latency)
}

// Add makes it the counts of both; what is open is added too.
func (f *Flows) Add(o *Flows) {
	f.New, f.Active = f.New+o.New, f.Active+o.Active
	f.ClientResets, f.TargetResets, f.OwnResets = f.ClientResets+o.ClientResets, f.TargetResets+o.TargetResets, f.OwnResets+o.OwnResets
	f.Rejected, f.NoTarget, f.Unreachable = f.Rejected+o.Rejected, f.NoTarget+o.NoTarget, f.Unreachable+o.Unreachable
	f.ClientTLS, f.TargetTLS, f.Unhealthy = f.ClientTLS+o.ClientTLS, f.TargetTLS+o.TargetTLS, f.Unhealthy+o.Unhealthy
	f.Blocked, f.Received, f.Sent = f.Blocked+o.Blocked, f.Received+o.Received, f.Sent+o.Sent
}
