package routing

import (
	"maps"
	"slices"

	"github.com/maitred/maitred/internal/model"
)

// Compile makes the table of what the input says. Whatever has not changed since prev (nil at first) is taken from it, so
// that the cost is that of the changes and of looking at each record once; when nothing has changed, prev itself is given
// back. The one thing that depends on what was before is which targets are in slow start: that is decided when a target
// becomes healthy, and stays. A listener whose load balancer does not exist is left out.
func Compile(prev *Table, in Input) *Table {
	if prev == nil {
		prev = &Table{}
	}
	b := &builder{prev: prev, in: in, next: &Table{Listeners: map[string]*Listener{}, Groups: map[string]*Group{}}}
	balancers := map[string]*model.LoadBalancer{}
	for lb := range in.LoadBalancers {
		balancers[lb.ARN] = lb
	}
	for record := range in.Listeners {
		if lb, ok := balancers[record.LoadBalancer]; ok {
			b.next.Listeners[record.ARN] = b.listener(record, lb)
		}
	}
	if maps.Equal(b.next.Listeners, prev.Listeners) && maps.Equal(b.next.Groups, prev.Groups) && prev.Listeners != nil {
		return prev
	}
	return b.next
}

// Retarget makes the table that Compile would make of it when nothing has changed since t was made but targets of these
// groups (given by ARN), or what is known of their health. It looks neither at rules nor at other groups, so it costs
// what these groups' targets cost and the rules that lead to them.
func (t *Table) Retarget(in Input, groups ...string) *Table {
	changed := map[string]*Group{}
	for _, arn := range groups {
		old, ok := t.Groups[arn]
		if !ok {
			continue // no listener leads there
		}
		record, ok := in.Group(arn)
		if !ok || record != old.Record {
			return Compile(t, in) // more has changed than was said
		}
		if g := compileGroup(old, record, in); g != old {
			changed[arn] = g
		}
	}
	if len(changed) == 0 {
		return t
	}
	next := &Table{Listeners: maps.Clone(t.Listeners), Groups: maps.Clone(t.Groups)}
	maps.Copy(next.Groups, changed)
	for arn, l := range t.Listeners {
		next.Listeners[arn] = l.retarget(next.Groups, func(group string) bool { return changed[group] != nil })
	}
	return next
}

type builder struct {
	prev *Table
	in   Input
	next *Table
	gone map[string]bool // groups that do not exist
}

// group puts a group into the new table, once, unless it does not exist.
func (b *builder) group(arn string) {
	if _, ok := b.next.Groups[arn]; ok || b.gone[arn] {
		return
	}
	record, ok := b.in.Group(arn)
	if !ok {
		if b.gone == nil {
			b.gone = map[string]bool{}
		}
		b.gone[arn] = true
		return
	}
	b.next.Groups[arn] = compileGroup(b.prev.Groups[arn], record, b.in)
}

func (b *builder) listener(record *model.Listener, lb *model.LoadBalancer) *Listener {
	old := b.prev.Listeners[record.ARN]
	var before *plan
	if old != nil {
		before = old.plan
	}
	p := compilePlan(before, b.in.Rules(record.ARN))
	fallback := compileDefault(record)
	for arn := range p.uses {
		b.group(arn)
	}
	for _, arn := range fallback.groups {
		b.group(arn)
	}
	if old != nil && old.plan == p && old.Record == record && old.LoadBalancer == lb {
		return old.retarget(b.next.Groups, func(arn string) bool { return b.prev.Groups[arn] != b.next.Groups[arn] })
	}
	l := &Listener{Record: record, LoadBalancer: lb, plan: p, Rules: make([]*Rule, len(p.rules)+1)}
	for i := range l.Rules {
		c := fallback
		if i < len(p.rules) {
			c = p.rules[i]
		}
		l.Rules[i] = &Rule{}
		c.fill(l.Rules[i], b.next.Groups)
		l.Rules[i].Evaluated = min(i+1, len(p.rules))
	}
	return l
}

// retarget gives the listener with its rules leading to these groups. It is the same one when none of those that its
// rules lead to has changed.
func (l *Listener) retarget(groups map[string]*Group, changed func(arn string) bool) *Listener {
	next := l
	renew := func(arn string, positions ...int32) {
		if next == l {
			c := *l
			c.Rules = slices.Clone(l.Rules)
			next = &c
		}
		// One piece of memory for all: it is kept by the last of them, and each of them goes when the group changes again.
		rules, g := make([]Rule, len(positions)), groups[arn]
		for k, i := range positions {
			rules[k].become(next.Rules[i], arn, g)
			next.Rules[i] = &rules[k]
		}
	}
	for arn, positions := range l.plan.uses {
		if changed(arn) {
			renew(arn, positions...)
		}
	}
	for _, arn := range l.Default().compiled.groups {
		if changed(arn) {
			renew(arn, int32(len(l.Rules)-1))
		}
	}
	return next
}

// become makes r the other rule, with another group of this name.
func (r *Rule) become(other *Rule, arn string, g *Group) {
	*r = *other
	r.Groups = r.one[:0]
	for i, was := range other.Groups {
		if other.compiled.groups[i] == arn {
			was = g
		}
		r.Groups = append(r.Groups, was)
	}
}

// fill makes r the compiled rule with its target groups.
func (c *compiled) fill(r *Rule, groups map[string]*Group) {
	*r = Rule{Record: c.record, Priority: c.priority, Action: c.action, Err: c.err, compiled: c}
	if len(c.groups) == 0 {
		return
	}
	r.Groups = r.one[:0]
	for _, arn := range c.groups {
		r.Groups = append(r.Groups, groups[arn])
	}
}
