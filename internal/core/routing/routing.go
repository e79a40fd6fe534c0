// Package routing says where a request goes: it compiles load balancers, listeners, rules, target groups and targets into
// one immutable table, and answers from it which rule a request matches, and which target groups and targets may take it
// ("Listener rules for your Application Load Balancer", "Target group health"). It is pure: a balancer makes a new table
// whenever something changes and swaps it in by one pointer; whoever still holds the old one is not disturbed.
package routing

import (
	"iter"
	"net/netip"
	"time"

	"github.com/maitred/maitred/internal/model"
)

// Input is what a table is made of. Records that have not changed since the last table are the same pointers, and what
// was compiled from them is used again. Sequences are ordered and always the same.
type Input struct {
	LoadBalancers iter.Seq[*model.LoadBalancer]
	Listeners     iter.Seq[*model.Listener]
	Rules         func(listener string) iter.Seq[*model.Rule]
	Group         func(arn string) (*model.TargetGroup, bool)
	Targets       func(group string) iter.Seq[*model.Target]
	// Health is what this balancer knows of a target (given by its path).
	Health func(target string) Health
}

// Health is what a balancer knows of a target.
type Health struct {
	State model.TargetState
	Since time.Time // of the state; a slow start begins with healthy
}

// Table is what all listeners do with connections and requests. It never changes.
type Table struct {
	// Listeners are by ARN.
	Listeners map[string]*Listener
	// Groups are those that some listener leads to, by ARN.
	Groups map[string]*Group
}

// Listener is one listener of a table.
type Listener struct {
	Record       *model.Listener
	LoadBalancer *model.LoadBalancer
	// Rules are ordered by priority; the default rule is the last one.
	Rules []*Rule

	plan *plan // what requests are compared with; shared by tables until a rule changes
}

// Default is the rule for whatever no other rule matches, and the only one that a Network Load Balancer has.
func (l *Listener) Default() *Rule { return l.Rules[len(l.Rules)-1] }

// Rule is one rule of a listener.
type Rule struct {
	Record   *model.Rule // nil for the default rule
	Priority int         // 0 for the default rule, as access logs have it
	// Evaluated is how many rules, the default one not counted, a request is compared with that this one is found for, when
	// they are looked at in their order.
	Evaluated int
	// Action is the one that is carried out; nil if the record has none.
	Action *model.Action
	// Groups are those of a forward action, in the order of its record; nil where one does not exist.
	Groups []*Group
	// Err says why the rule can never match, or why its transforms cannot be applied: what the API has let through and
	// cannot be compiled.
	Err error

	compiled *compiled
	one      [1]*Group // Groups of the usual rule, without a second allocation
}

// Group is a target group with its targets.
type Group struct {
	Record *model.TargetGroup
	// Targets are all that are registered or draining, in the order of their paths.
	Targets []*Target
	// Eligible are those that may get new requests now: the healthy ones, or where too few are healthy all that are
	// healthy, unhealthy, initial or unavailable (fail open). Never one that is draining. In the order of their paths. It
	// is empty where nothing may get a request: 503.
	Eligible []*Target
	// FailOpen says that Eligible has targets that are not healthy.
	FailOpen bool
	// Registered counts the targets that are not draining. A group without any answers 503.
	Registered int
	// Settings are the attributes that are needed for each request.
	Settings Settings

	settled  []*Target // of Eligible, those with their full share
	ramping  []*Target // of Eligible, those in slow start
	rampsEnd time.Time // when the last of them has its full share
}

// Settings are attributes of a target group as values ("Target group attributes").
type Settings struct {
	Algorithm  string        // round_robin, least_outstanding_requests or weighted_random; "" for groups of TCP and UDP
	Mitigation bool          // of anomalies, of weighted_random
	SlowStart  time.Duration // 0: off

	MinHealthy        int // fewer healthy targets: all get requests
	MinHealthyPercent int // the same in percent of the targets; 0: off

	Sticky            bool
	StickyType        string // lb_cookie, app_cookie, source_ip …
	CookieDuration    time.Duration
	AppCookie         string // name of the application's cookie
	AppCookieDuration time.Duration

	ProxyProtocol      bool // version 2 of it, before the first byte
	Terminate          bool // connections are closed when the deregistration delay is over
	TerminateUnhealthy bool // connections are closed when a target becomes unhealthy
}

// Target is one target of a group.
type Target struct {
	Record *model.Target
	Path   string // Record.Path()
	Health Health
	// SlowStart says that it takes up its share little by little since Health.Since.
	SlowStart bool

	served   bool   // it was healthy in this table or one before
	returned bool   // it is healthy again
	hash     uint64 // of Path
}

// Request is what rules look at.
type Request struct {
	Method string
	Host   string // the first Host header or :authority, as it came
	Path   string // raw, as it came: percent-encoded, without the query
	Query  string // raw, without the question mark
	// Header gives the values of a header, in their order; nil for none. The name is in the form of net/http: X-Tenant.
	Header func(name string) []string
	Source netip.Addr // of the connection, never of a header
}
