package store

import (
	"slices"
	"strings"

	"github.com/maitred/maitred/internal/model"
)

// Scope is the part of the world that a Store holds: everything, or what concerns one machine, or one balancer. The zero
// Scope is everything.
type Scope struct {
	// Machine is the id of a machine. Its scope is its own record, its tasks and what was observed of them, and all
	// task definitions, networks, log groups and secrets (which are sealed).
	Machine string
	// Balancer is the id of a balancer, in place of a machine. Its scope is its own record, what it knows of targets, and
	// all load balancers with what belongs to them.
	Balancer string
}

// Range is a part of a table.
type Range struct {
	Kind   model.Kind
	Prefix string // of the paths; "" is the whole table
	Exact  bool   // the path is Prefix itself
}

// Contains says whether a key is in the range.
func (r Range) Contains(k model.Key) bool {
	if k.Kind != r.Kind {
		return false
	}
	if r.Exact {
		return k.Path == r.Prefix
	}
	return strings.HasPrefix(k.Path, r.Prefix)
}

// Ranges lists the parts of the tables that make up the scope, in the order of their keys. None means everything.
func (s Scope) Ranges() []Range {
	if s.Balancer != "" {
		return s.balancerRanges()
	}
	if s.Machine == "" {
		return nil
	}
	return []Range{
		{Kind: model.KindMachine, Prefix: s.Machine, Exact: true},
		{Kind: model.KindObserved, Prefix: s.Machine + "/"},
		{Kind: model.KindTask, Prefix: s.Machine + "/"},
		{Kind: model.KindTaskDefinition},
		{Kind: model.KindVPC},
		{Kind: model.KindSubnet},
		{Kind: model.KindSecurityGroup},
		{Kind: model.KindSecret},
		{Kind: model.KindLogGroup},
	}
}

func (s Scope) balancerRanges() []Range {
	return []Range{
		{Kind: model.KindBalancer, Prefix: s.Balancer, Exact: true},
		{Kind: model.KindCertificate},
		{Kind: model.KindDemand, Prefix: s.Balancer + "/"},
		{Kind: model.KindListener},
		{Kind: model.KindLoadBalancer},
		{Kind: model.KindRule},
		{Kind: model.KindTarget},
		{Kind: model.KindTargetGroup},
		{Kind: model.KindTargetHealth, Prefix: s.Balancer + "/"},
	}
}

// Contains says whether a key is in the scope.
func (s Scope) Contains(k model.Key) bool {
	if s.Balancer != "" {
		return slices.ContainsFunc(s.balancerRanges(), func(r Range) bool { return r.Contains(k) })
	}
	if s.Machine == "" {
		return true
	}
	switch k.Kind {
	case model.KindTaskDefinition, model.KindVPC, model.KindSubnet, model.KindSecurityGroup, model.KindSecret,
		model.KindLogGroup:
		return true
	case model.KindMachine:
		return k.Path == s.Machine
	case model.KindTask, model.KindObserved:
		rest, ok := strings.CutPrefix(k.Path, s.Machine)
		return ok && strings.HasPrefix(rest, "/")
	}
	return false
}
