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
}

// Rule is one rule of a listener.
type Rule struct {
	Record   *model.Rule // nil for the default rule
	Priority int         // 0 for the default rule, as access logs have it
	Action   *model.Action
	// Groups are those of a forward action, in the order of its record; nil where one does not exist.
	Groups []*Group
}

// Group is a target group with its targets.
type Group struct {
	Record *model.TargetGroup
	// Targets are all that are registered or draining, in the order of their paths.
	Targets []*Target
	// Eligible are those that may get new requests now: the healthy ones, or where too few are healthy all that are
	// healthy, unhealthy or initial (fail open). Never one that is draining.
	Eligible []*Target
	// FailOpen says that Eligible has targets that are not healthy.
	FailOpen bool
	// Registered counts the targets that are not draining. A group without any answers 503.
	Registered int
}

// Target is one target of a group.
type Target struct {
	Record *model.Target
	Path   string // Record.Path()
	Health Health
	// SlowStart says that it takes up its share little by little since Health.Since.
	SlowStart bool
}

// Request is what rules look at.
type Request struct {
	Method string
	Host   string // the first Host header or :authority, as it came
	Path   string // raw, as it came: percent-encoded, without the query
	Query  string // raw, without the question mark
	Header func(name string) []string
	Source netip.Addr // of the connection, never of a header
}
