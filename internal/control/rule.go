package control

import (
	"fmt"
	"maps"
	"slices"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// CreateRule makes a rule of a listener (given by ARN) ("CreateRule").
func CreateRule(tx *store.Tx, call Call, listener string, r model.Rule) (*model.Rule, error) {
	l, b, err := FindListener(tx.View(), call, listener)
	if err != nil {
		return nil, err
	}
	if b.Type != model.Application {
		return nil, refused("OperationNotPermitted", "Rules are not supported on listeners of load balancers of type '%s'", b.Type)
	}
	r.Listener, r.Region, r.CreatedAt = l.ARN, call.Region, call.Now
	if err := checkRule(tx, call, b, l, &r); err != nil {
		return nil, err
	}
	n := 0
	for x := range tx.View().Listeners(b.ARN) {
		for range tx.View().Rules(x.ARN) {
			n++
		}
	}
	if n >= ListenerRulesMax {
		return nil, refused("TooManyRules", "The load balancer '%s' has %d rules already; at most %d are allowed", b.ARN, n, ListenerRulesMax)
	}
	if err := freePriority(tx.View(), l.ARN, r.Priority, ""); err != nil {
		return nil, err
	}
	// Whoever takes the priority meanwhile is the first.
	tx.GuardPrefix(model.KindRule, l.ARN+"/")
	r.ARN = arn.Rule(l.ARN, call.IDs.Balancing())
	r.Cause = call.Cause(fmt.Sprintf("rule with the priority %d of %s's listener at port %d is made", r.Priority, b.Name, l.Port))
	tx.Put(&r)
	return &r, nil
}

func freePriority(v *store.View, listener string, priority int, except string) error {
	for r := range v.Rules(listener) {
		if r.Priority == priority && r.ARN != except {
			return refused("PriorityInUse", "Priority '%d' is currently in use", priority)
		}
	}
	return nil
}

// checkRule checks what a rule does against its listener, on which the transaction depends.
func checkRule(tx *store.Tx, call Call, b *model.LoadBalancer, l *model.Listener, r *model.Rule) error {
	tx.Guard(l.Key())
	tx.Guard(b.Key())
	return checkActions(tx, call, b, l.Protocol, r.Actions)
}

// ModifyRule changes a rule (given by ARN) as edit says, which may be called more than once. Its priority stays
// ("ModifyRule").
func ModifyRule(tx *store.Tx, call Call, id string, edit func(*model.Rule) error) (*model.Rule, error) {
	old, l, err := ownRule(tx.View(), call, id, "modified")
	if err != nil {
		return nil, err
	}
	_, b, err := FindListener(tx.View(), call, l.ARN)
	if err != nil {
		return nil, err
	}
	r := *old
	if err := edit(&r); err != nil {
		return nil, err
	}
	if err := checkRule(tx, call, b, l, &r); err != nil {
		return nil, err
	}
	r.Cause = call.Cause(fmt.Sprintf("rule with the priority %d of %s's listener at port %d is changed", r.Priority, b.Name, l.Port))
	tx.Put(&r)
	return &r, nil
}

// ownRule finds a rule that is not the default one, of which nothing may be changed or deleted.
func ownRule(v *store.View, call Call, id, what string) (*model.Rule, *model.Listener, error) {
	r, l, err := FindRule(v, call, id)
	if err == nil && r == nil {
		err = refused("OperationNotPermitted", "Default rule '%s' cannot be %s", id, what)
	}
	return r, l, err
}

// DeleteRule deletes a rule (given by ARN) ("DeleteRule").
func DeleteRule(tx *store.Tx, call Call, id string) error {
	r, _, err := ownRule(tx.View(), call, id, "deleted")
	if err != nil {
		return err
	}
	tx.Delete(r.Key())
	return nil
}

// SetRulePriorities gives rules (ARNs) other priorities, all or none. Those that are not named keep theirs
// ("SetRulePriorities").
func SetRulePriorities(tx *store.Tx, call Call, priorities map[string]int) ([]*model.Rule, error) {
	var changed []*model.Rule
	listeners := map[string]bool{}
	for _, id := range slices.Sorted(maps.Keys(priorities)) {
		old, l, err := ownRule(tx.View(), call, id, "modified")
		if err != nil {
			return nil, err
		}
		r := *old
		r.Priority = priorities[id]
		r.Cause = call.Cause(fmt.Sprintf("the priority of the rule changes from %d to %d", old.Priority, r.Priority))
		changed = append(changed, &r)
		listeners[l.ARN] = true
	}
	for listener := range listeners {
		tx.GuardPrefix(model.KindRule, listener+"/")
		if err := distinctPriorities(tx.View(), listener, priorities); err != nil {
			return nil, err
		}
	}
	for _, r := range changed {
		tx.Put(r)
	}
	return changed, nil
}

// distinctPriorities refuses priorities that two rules of a listener would have.
func distinctPriorities(v *store.View, listener string, priorities map[string]int) error {
	taken := map[int]bool{}
	for r := range v.Rules(listener) {
		p := r.Priority
		if other, ok := priorities[r.ARN]; ok {
			p = other
		}
		if taken[p] {
			return refused("PriorityInUse", "Priority '%d' is currently in use", p)
		}
		taken[p] = true
	}
	return nil
}

// RulesInOrder lists the rules of a listener in the order in which they are looked at. The default rule, which comes last,
// is not among them.
func RulesInOrder(v *store.View, l *model.Listener) []*model.Rule { return byPriority(v, l.ARN) }
