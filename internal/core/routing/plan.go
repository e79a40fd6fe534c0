package routing

import (
	"cmp"
	"errors"
	"iter"
	"slices"

	"github.com/maitred/maitred/internal/model"
)

// plan is what the rules of a listener compare requests with, the default rule aside. It knows target groups by name
// only, so that it outlives every change of targets.
type plan struct {
	records []*model.Rule      // in the order in which they were given
	rules   []*compiled        // by priority
	index   *node              // of rules, by their position
	uses    map[string][]int32 // the positions of the rules that lead to a group, by its ARN
}

// compiled is a rule without its target groups.
type compiled struct {
	record     *model.Rule
	priority   int
	action     *model.Action
	groups     []string // ARNs
	conditions []condition
	transforms []transform
	never      bool  // it cannot match, for err
	err        error // of Rule.Err
}

// compilePlan makes the plan of a listener's rules; it is old itself when they are the same records.
func compilePlan(old *plan, rules iter.Seq[*model.Rule]) *plan {
	if old == nil {
		old = &plan{}
	} else if old.isOf(rules) {
		return old
	}
	records := slices.AppendSeq(make([]*model.Rule, 0, len(old.records)+1), rules)
	known := make(map[*model.Rule]*compiled, len(old.rules))
	for _, c := range old.rules {
		known[c.record] = c
	}
	p := &plan{records: records, rules: make([]*compiled, len(records)), uses: map[string][]int32{}}
	for i, r := range records {
		c, ok := known[r]
		if !ok {
			c = compileRule(r)
		}
		p.rules[i] = c
	}
	slices.SortStableFunc(p.rules, func(a, b *compiled) int { return cmp.Compare(a.priority, b.priority) })
	for i, c := range p.rules {
		for _, arn := range c.groups {
			p.uses[arn] = append(p.uses[arn], int32(i))
		}
	}
	p.index = buildIndex(p.rules)
	return p
}

// isOf says whether the plan is that of these records.
func (p *plan) isOf(rules iter.Seq[*model.Rule]) bool {
	n := 0
	for r := range rules {
		if n == len(p.records) || p.records[n] != r {
			return false
		}
		n++
	}
	return n == len(p.records)
}

func compileRule(r *model.Rule) *compiled {
	c := &compiled{record: r, priority: r.Priority}
	c.act(r.Actions)
	for i := range r.Conditions {
		cond, err := compileCondition(&r.Conditions[i])
		if err != nil {
			c.never = true
			c.err = errors.Join(c.err, err)
		}
		c.conditions = append(c.conditions, cond)
	}
	slices.SortStableFunc(c.conditions, func(a, b condition) int { return cmp.Compare(a.cost(), b.cost()) })
	for i := range r.Transforms {
		t, err := compileTransform(&r.Transforms[i])
		if err != nil {
			c.err = errors.Join(c.err, err)
		}
		c.transforms = append(c.transforms, t)
	}
	return c
}

// compileDefault compiles the default rule, which has neither conditions nor transforms.
func compileDefault(l *model.Listener) *compiled {
	c := &compiled{}
	c.act(l.Actions)
	return c
}

// act finds the action that is carried out: the last one that is a forward, a redirect or a fixed response.
func (c *compiled) act(actions []model.Action) {
	for i := range actions {
		a := &actions[i]
		switch a.Type {
		case model.ActionForward, model.ActionRedirect, model.ActionFixed:
			if c.action == nil || a.Order >= c.action.Order {
				c.action = a
			}
		}
	}
	if c.action == nil || c.action.Forward == nil {
		return
	}
	for _, g := range c.action.Forward.Groups {
		c.groups = append(c.groups, g.Group)
	}
}

func (c *compiled) matches(s *subject) bool {
	if c.never {
		return false
	}
	for i := range c.conditions {
		if !c.conditions[i].matches(s) {
			return false
		}
	}
	return true
}

// Match gives the rule that a request matches: the one with the lowest priority of which it meets all conditions, or the
// default rule. It allocates nothing, but for requests with control characters, which rules do not look at.
func (l *Listener) Match(req *Request) *Rule {
	s := subject{req: req, host: visible(hostname(req.Host)), path: visible(req.Path), query: visible(req.Query)}
	return l.Rules[l.plan.index.lookup(l.plan.rules, &s, len(l.plan.rules))]
}
