package agent

import (
	"context"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/firewall"
	"github.com/maitred/maitred/internal/model"
)

// guard is the firewall of a task's own network.
type guard struct {
	rules []model.FirewallRule
	turn  int  // counts the changes of rules
	busy  bool // the driver is being told
	again bool // there are others meanwhile
	alarm alarm
	pause backoff
}

// guarded says that a task has a network of its own that may be in use.
func (e *entry) guarded() bool {
	return e.life != nil && !e.life.Ended() && e.holdings.Attachment != nil && e.life.Task().Network != nil
}

// compile finds the firewall rules of all tasks, and has those enforced that changed. Tasks come and go and with them
// the members of groups that rules name; so all are looked at.
func (l *loop) compile() {
	l.stale = false
	members := map[string][]string{}
	for _, e := range l.tasks {
		if e.guarded() {
			for _, group := range e.life.Task().Network.SecurityGroups {
				members[group] = append(members[group], e.holdings.Attachment.Address)
			}
		}
	}
	view := l.a.config.Store.View()
	for _, task := range slices.Sorted(maps.Keys(l.tasks)) {
		e := l.tasks[task]
		if !e.guarded() {
			continue
		}
		rules := firewall.Compile(e.life.Task().Network.SecurityGroups, firewall.World{
			Members: members,
			Group: func(id string) *model.SecurityGroup {
				group, _ := view.SecurityGroup(arn.ScopeOf(task).Region, id)
				return group
			},
		})
		if e.guard.turn > 0 && reflect.DeepEqual(rules, e.guard.rules) {
			continue
		}
		e.guard.rules = rules
		e.guard.turn++
		if e.boxed { // else the first start brings them
			l.secure(e)
		}
	}
}

// secure has the driver enforce a task's rules, until that has worked.
func (l *loop) secure(e *entry) {
	l.alarms.set(&e.guard.alarm, time.Time{})
	if !e.guarded() {
		return
	}
	if e.guard.busy {
		e.guard.again = true
		return
	}
	e.guard.busy, e.guard.again = true, false
	rules := e.guard.rules
	l.guards.add(func() func() {
		ctx, cancel := context.WithTimeout(l.ctx, callTimeout)
		defer cancel()
		err := l.driver.Secure(ctx, e.id, rules)
		return func() { l.secured(e, err) }
	})
}

func (l *loop) secured(e *entry, err error) {
	e.guard.busy = false
	switch {
	case e.guard.again || !e.guarded():
		l.secure(e)
	case err != nil:
		l.log.Warn("the firewall rules of a task are not enforced yet; it is tried again", "taskArn", e.arn, "error", err)
		l.alarms.set(&e.guard.alarm, l.now().Add(e.guard.pause.next()))
	default:
		e.guard.pause.reset()
	}
}
