package arn

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// The words for types of load balancers in ARNs.
const (
	application = "app"
	network     = "net"
)

func (s Scope) elb(resource string) string {
	return "arn:aws:elasticloadbalancing:" + s.Region + ":" + s.Account + ":" + resource
}

// ApplicationLoadBalancer is arn:aws:elasticloadbalancing:R:A:loadbalancer/app/NAME/ID.
func (s Scope) ApplicationLoadBalancer(name, id string) string {
	return s.elb("loadbalancer/" + application + "/" + name + "/" + id)
}

// NetworkLoadBalancer is arn:aws:elasticloadbalancing:R:A:loadbalancer/net/NAME/ID.
func (s Scope) NetworkLoadBalancer(name, id string) string {
	return s.elb("loadbalancer/" + network + "/" + name + "/" + id)
}

// TargetGroup is arn:aws:elasticloadbalancing:R:A:targetgroup/NAME/ID.
func (s Scope) TargetGroup(name, id string) string { return s.elb("targetgroup/" + name + "/" + id) }

// Listener is the ARN of a listener of a load balancer (given by ARN): …:listener/app/NAME/LBID/ID.
func Listener(loadBalancer, id string) string {
	return strings.Replace(loadBalancer, ":loadbalancer/", ":listener/", 1) + "/" + id
}

// Rule is the ARN of a rule of a listener (given by ARN): …:listener-rule/app/NAME/LBID/LISTENERID/ID.
func Rule(listener, id string) string {
	return strings.Replace(listener, ":listener/", ":listener-rule/", 1) + "/" + id
}

// DefaultRule is the ARN of a listener's default rule; its id follows from the listener.
func DefaultRule(listener string) string {
	sum := sha256.Sum256([]byte(listener))
	return Rule(listener, hex.EncodeToString(sum[:balancerID]))
}

// ListenerOfRule gives the ARN of the listener that a rule (given by ARN) belongs to.
func ListenerOfRule(rule string) string {
	return parentOf(strings.Replace(rule, ":listener-rule/", ":listener/", 1))
}

// LoadBalancerOfListener gives the ARN of the load balancer that a listener (given by ARN) belongs to.
func LoadBalancerOfListener(listener string) string {
	return parentOf(strings.Replace(listener, ":listener/", ":loadbalancer/", 1))
}

func parentOf(s string) string {
	if i := strings.LastIndexByte(s, '/'); i >= 0 {
		return s[:i]
	}
	return s
}

// Balancing says what kind of resource of Elastic Load Balancing an ARN names: loadbalancer, listener, listener-rule or
// targetgroup; "" if it has not the form of any.
func Balancing(s string) string {
	a, ok := Parse(s)
	if !ok || a.Partition != "aws" || a.Service != "elasticloadbalancing" || strings.Contains(a.ID, ":") {
		return ""
	}
	parts := strings.Split(a.ID, "/")
	want := map[string]int{"loadbalancer": 3, "listener": 4, "listener-rule": 5, "targetgroup": 2}[a.Type]
	if len(parts) != want {
		return ""
	}
	if a.Type != "targetgroup" {
		if parts[0] != application && parts[0] != network {
			return ""
		}
		parts = parts[1:]
	}
	if parts[0] == "" {
		return ""
	}
	for _, id := range parts[1:] {
		if !isHex(id) {
			return ""
		}
	}
	return a.Type
}

func isHex(s string) bool { return s != "" && strings.Trim(s, "0123456789abcdef") == "" }

// balancerID is the length of ids of Elastic Load Balancing, in bytes.
const balancerID = 8

// Balancing is an id of Elastic Load Balancing: 16 hex digits.
func (ids IDs) Balancing() string {
	b := ids()
	return hex.EncodeToString(b[:balancerID])
}

// instanceDigits is the length of the ids of EC2 instances.
const instanceDigits = 17

// InstanceID is the id under which a machine (given by its own id) is a target: "i-" and 17 hex digits, as EC2 instances
// have it. They are the first ones of the machine's id, so that a person sees which one it is.
func InstanceID(machine string) string {
	if len(machine) < instanceDigits || !isHex(machine[:instanceDigits]) {
		sum := sha256.Sum256([]byte(machine))
		machine = hex.EncodeToString(sum[:])
	}
	return "i-" + machine[:instanceDigits]
}
