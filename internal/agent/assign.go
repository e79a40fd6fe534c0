package agent

import (
	"errors"
	"fmt"
	"strings"

	"github.com/maitred/maitred/internal/agent/lifecycle"
	"github.com/maitred/maitred/internal/agent/policy"
	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// networkOwn is the networkMode of tasks that have a network interface of their own.
const networkOwn = "awsvpc"

// assign gives a task its host ports and its network interface: those that it has already, or new ones. It says why this
// machine cannot run it, or cannot give it what it needs.
func (l *loop) assign(view *store.View, e *entry, t model.TaskState, fresh bool) (refused string) {
	kept := l.holdingsOf(t)
	l.addresses.Adopt(e.id, kept.Attachment)
	l.stale = l.stale || e.def.NetworkMode == networkOwn
	if !fresh {
		e.holdings, e.boxed = kept, true
		l.pool.Adopt(e.arn, kept.Bindings)
		return ""
	}
	l.pool.Drop(e.arn)                      // what an earlier agent chose, and did not use
	e.holdings.Attachment = kept.Attachment // for which there may be a network by now
	if t.Desired == model.TaskStopped {
		return ""
	}
	if why := l.refuse(e.def); why != "" {
		return "CannotCreateContainerError: " + why
	}
	if err := l.attach(view, e, t); err != nil {
		return "ResourceInitializationError: " + err.Error()
	}
	if err := l.bind(e); err != nil {
		return "CannotStartContainerError: " + err.Error()
	}
	return ""
}

// refuse says why this machine cannot run a definition, "" if it can.
func (l *loop) refuse(def *model.TaskDefinition) string {
	if why := policy.Refuse(l.a.config.Machine.Policy, def); why != "" {
		return why
	}
	return l.driver.Refuse(def)
}

// bind gives a task its host ports, and remembers what it has.
func (l *loop) bind(e *entry) (err error) {
	e.holdings.Bindings, err = l.pool.Take(e.arn, e.def, l.a.config.BindAddress, l.now())
	if err != nil {
		return err
	}
	return l.ledger.put(e.arn, e.holdings)
}

// attach gives a task its network interface, if its networkMode asks for one and it has none yet.
func (l *loop) attach(view *store.View, e *entry, t model.TaskState) (err error) {
	if e.def.NetworkMode != networkOwn || e.holdings.Attachment != nil {
		return nil
	}
	if t.Network == nil {
		return errors.New("the task has no networkConfiguration")
	}
	var subnets []*model.Subnet
	for _, id := range t.Network.Subnets {
		if s, ok := view.Subnet(arn.ScopeOf(t.ARN).Region, id); ok {
			subnets = append(subnets, s)
		}
	}
	if len(subnets) == 0 && len(t.Network.Subnets) > 0 {
		return fmt.Errorf("there is no subnet %s", strings.Join(t.Network.Subnets, ", "))
	}
	e.holdings.Attachment, err = l.addresses.Take(e.id, subnets, l.a.config.Machine.Zone(), l.now())
	return err
}

// holdingsOf is what was chosen for a task earlier, as far as is known.
func (l *loop) holdingsOf(t model.TaskState) lifecycle.Holdings {
	kept, ok := l.ledger.kept[t.ARN]
	if ok || t.Seen == nil {
		return kept
	}
	kept.Attachment = t.Seen.Attachment
	for i := range t.Seen.Containers {
		if c := &t.Seen.Containers[i]; len(c.Bindings) > 0 {
			if kept.Bindings == nil {
				kept.Bindings = map[string][]model.PortBinding{}
			}
			kept.Bindings[c.Name] = c.Bindings
		}
	}
	return kept
}
