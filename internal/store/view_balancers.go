package store

import (
	"iter"

	"github.com/maitred/maitred/internal/model"
)

// LoadBalancer finds a load balancer by ARN.
func (v *View) LoadBalancer(arn string) (*model.LoadBalancer, bool) {
	return lookup[*model.LoadBalancer](v, tLoadBalancer, arn)
}

// LoadBalancers yields all load balancers by ARN.
func (v *View) LoadBalancers() iter.Seq[*model.LoadBalancer] {
	return whole[*model.LoadBalancer](v, tLoadBalancer)
}

// Listener finds a listener of a load balancer (given by ARN) by its own ARN.
func (v *View) Listener(loadBalancer, arn string) (*model.Listener, bool) {
	return lookup[*model.Listener](v, tListener, model.ListenerKey(loadBalancer, arn).Path)
}

// Listeners yields the listeners of a load balancer (given by ARN) by ARN, of all if it is "".
func (v *View) Listeners(loadBalancer string) iter.Seq[*model.Listener] {
	return prefixed[*model.Listener](v, tListener, parent(loadBalancer))
}

// Rule finds a rule of a listener (given by ARN) by its own ARN.
func (v *View) Rule(listener, arn string) (*model.Rule, bool) {
	return lookup[*model.Rule](v, tRule, model.RuleKey(listener, arn).Path)
}

// Rules yields the rules of a listener (given by ARN) by ARN, of all if it is "".
func (v *View) Rules(listener string) iter.Seq[*model.Rule] {
	return prefixed[*model.Rule](v, tRule, parent(listener))
}

// TargetGroup finds a target group by ARN.
func (v *View) TargetGroup(arn string) (*model.TargetGroup, bool) {
	return lookup[*model.TargetGroup](v, tTargetGroup, arn)
}

// TargetGroups yields all target groups by ARN.
func (v *View) TargetGroups() iter.Seq[*model.TargetGroup] {
	return whole[*model.TargetGroup](v, tTargetGroup)
}

// Target finds a target by its path.
func (v *View) Target(path string) (*model.Target, bool) {
	return lookup[*model.Target](v, tTarget, path)
}

// Targets yields the targets of a group (given by ARN) by owner and address, draining ones included; of all groups if it
// is "".
func (v *View) Targets(group string) iter.Seq[*model.Target] {
	return prefixed[*model.Target](v, tTarget, parent(group))
}

// TargetsOfService yields the targets of the tasks of a service (given by ARN) by group and owner, draining ones included.
func (v *View) TargetsOfService(service string) iter.Seq[*model.Target] {
	return grouped[*model.Target](v, xTargets, service, serviceOfTarget)
}

// TargetHealths yields what the balancers know of a target (given by its path), by balancer.
func (v *View) TargetHealths(target string) iter.Seq[*model.TargetHealth] {
	return grouped[*model.TargetHealth](v, xHealth, target, targetOfHealth)
}

// TargetHealthsOf yields all that a balancer (given by id) knows of targets.
func (v *View) TargetHealthsOf(balancer string) iter.Seq[*model.TargetHealth] {
	return prefixed[*model.TargetHealth](v, tTargetHealth, parent(balancer))
}

// Balancers yields all balancers by id.
func (v *View) Balancers() iter.Seq[*model.Balancer] { return whole[*model.Balancer](v, tBalancer) }

// Demands yields for which target groups requests wait at a balancer (given by id), at all balancers if it is "".
func (v *View) Demands(balancer string) iter.Seq[*model.Demand] {
	return prefixed[*model.Demand](v, tDemand, parent(balancer))
}

// Certificate finds a certificate by ARN.
func (v *View) Certificate(arn string) (*model.Certificate, bool) {
	return lookup[*model.Certificate](v, tCertificate, arn)
}

// Certificates yields all certificates by ARN.
func (v *View) Certificates() iter.Seq[*model.Certificate] {
	return whole[*model.Certificate](v, tCertificate)
}

// parent is the prefix of the paths below something, of all if it is nothing.
func parent(path string) string {
	if path == "" {
		return ""
	}
	return path + "/"
}
