package elbv2

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// priorityMax is the largest priority of a rule; that of the default rule is none ("CreateRule").
const priorityMax = 50000

func (a *API) createRule(ctx context.Context, call control.Call, in *client.CreateRuleInput) (*client.CreateRuleOutput, error) {
	id := aws.ToString(in.ListenerArn)
	if err := first(required("listenerArn", id), number("priority", in.Priority, 1, priorityMax)); err != nil {
		return nil, err
	}
	if in.Priority == nil {
		return nil, null("priority")
	}
	r := model.Rule{Priority: int(*in.Priority)}
	var err error
	if r.Conditions, err = conditionsIn(in.Conditions); err != nil {
		return nil, err
	}
	if r.Actions, err = actionsIn(in.Actions); err != nil {
		return nil, err
	}
	if r.Transforms, err = transformsIn(in.Transforms); err != nil {
		return nil, err
	}
	if r.Tags, err = tagsIn(in.Tags); err != nil {
		return nil, err
	}
	var made *model.Rule
	if err := a.Update(ctx, func(tx *store.Tx) (err error) {
		made, err = control.CreateRule(tx, call, id, r)
		return err
	}); err != nil {
		return nil, err
	}
	return &client.CreateRuleOutput{Rules: []elb.Rule{ruleOut(made)}}, nil
}

func (a *API) modifyRule(ctx context.Context, call control.Call, in *client.ModifyRuleInput) (*client.ModifyRuleOutput, error) {
	id := aws.ToString(in.RuleArn)
	if err := required("ruleArn", id); err != nil {
		return nil, err
	}
	if in.Conditions == nil && in.Actions == nil && in.Transforms == nil && !aws.ToBool(in.ResetTransforms) {
		return nil, invalid("You must specify conditions, actions or transforms")
	}
	if in.Transforms != nil && aws.ToBool(in.ResetTransforms) {
		return nil, invalid("Transforms cannot be specified when they are reset")
	}
	edit, err := ruleEdit(in)
	if err != nil {
		return nil, err
	}
	var r *model.Rule
	if err := a.Update(ctx, func(tx *store.Tx) (err error) {
		r, err = control.ModifyRule(tx, call, id, edit)
		return err
	}); err != nil {
		return nil, err
	}
	return &client.ModifyRuleOutput{Rules: []elb.Rule{ruleOut(r)}}, nil
}

// ruleEdit changes what is given of a rule; a list that is given replaces the old one.
func ruleEdit(in *client.ModifyRuleInput) (func(*model.Rule) error, error) {
	var given model.Rule
	var err error
	if in.Conditions != nil {
		if given.Conditions, err = conditionsIn(in.Conditions); err != nil {
			return nil, err
		}
	}
	if in.Actions != nil {
		if given.Actions, err = actionsIn(in.Actions); err != nil {
			return nil, err
		}
	}
	if given.Transforms, err = transformsIn(in.Transforms); err != nil {
		return nil, err
	}
	return func(r *model.Rule) error {
		if given.Conditions != nil {
			r.Conditions = given.Conditions
		}
		if given.Actions != nil {
			r.Actions = given.Actions
		}
		if in.Transforms != nil || aws.ToBool(in.ResetTransforms) {
			r.Transforms = given.Transforms
		}
		return nil
	}, nil
}

func (a *API) deleteRule(ctx context.Context, call control.Call, in *client.DeleteRuleInput) (*client.DeleteRuleOutput, error) {
	id := aws.ToString(in.RuleArn)
	if err := required("ruleArn", id); err != nil {
		return nil, err
	}
	err := a.Update(ctx, func(tx *store.Tx) error { return control.DeleteRule(tx, call, id) })
	return &client.DeleteRuleOutput{}, err
}

func (a *API) setRulePriorities(ctx context.Context, call control.Call, in *client.SetRulePrioritiesInput) (*client.SetRulePrioritiesOutput, error) {
	if len(in.RulePriorities) == 0 {
		return nil, invalid("At least one rule and its priority must be specified")
	}
	priorities := map[string]int{}
	for _, p := range in.RulePriorities {
		id := aws.ToString(p.RuleArn)
		if err := first(required("rulePriorities.member.ruleArn", id), number("rulePriorities.member.priority", p.Priority, 1, priorityMax)); err != nil {
			return nil, err
		}
		if p.Priority == nil {
			return nil, null("rulePriorities.member.priority")
		}
		if _, ok := priorities[id]; ok {
			return nil, invalid("The rule '%.300s' is specified more than once", id)
		}
		priorities[id] = int(*p.Priority)
	}
	if len(priorities) > control.ListenerRulesMax {
		return nil, invalid("At most %d rules can be specified in one request", control.ListenerRulesMax)
	}
	out := &client.SetRulePrioritiesOutput{}
	err := a.Update(ctx, func(tx *store.Tx) error {
		rules, err := control.SetRulePriorities(tx, call, priorities)
		out.Rules = nil
		for _, r := range rules {
			out.Rules = append(out.Rules, ruleOut(r))
		}
		return err
	})
	return out, err
}

func (a *API) describeRules(_ context.Context, call control.Call, in *client.DescribeRulesInput) (*client.DescribeRulesOutput, error) {
	id := aws.ToString(in.ListenerArn)
	v := a.Store.View()
	var list []ordered
	switch {
	case id != "" && len(in.RuleArns) > 0:
		return nil, invalid("Listener rule ARNs and a listener ARN cannot be specified at the same time")
	case id != "":
		l, _, err := control.FindListener(v, call, id)
		if err != nil {
			return nil, err
		}
		for r := range v.Rules(l.ARN) {
			list = append(list, ordered{ruleOut(r), priorityKey(l, r)})
		}
		list = append(list, ordered{defaultRuleOut(l), priorityKey(l, nil)})
	case len(in.RuleArns) == 0:
		return nil, invalid("You must specify either listener rule ARNs or a listener ARN")
	}
	for _, id := range in.RuleArns {
		r, l, err := control.FindRule(v, call, id)
		if err != nil {
			return nil, err
		}
		key := priorityKey(l, r)
		if slices.ContainsFunc(list, func(x ordered) bool { return x.key == key }) {
			continue
		}
		if r == nil {
			list = append(list, ordered{defaultRuleOut(l), key})
		} else {
			list = append(list, ordered{ruleOut(r), key})
		}
	}
	list, next, err := page(call, list, func(x ordered) string { return x.key }, in.Marker, in.PageSize, in.RuleArns, []string{id})
	out := &client.DescribeRulesOutput{Rules: []elb.Rule{}, NextMarker: next}
	for _, x := range list {
		out.Rules = append(out.Rules, x.rule)
	}
	return out, err
}

// ordered is a rule with the key by which rules are in order: that of their listener, then that in which they are looked at.
type ordered struct {
	rule elb.Rule
	key  string
}

func priorityKey(l *model.Listener, r *model.Rule) string {
	priority := priorityMax + 1
	if r != nil {
		priority = r.Priority
	}
	return fmt.Sprintf("%s %05d", l.ARN, priority)
}

func ruleOut(r *model.Rule) elb.Rule {
	return elb.Rule{
		RuleArn: aws.String(r.ARN), Priority: aws.String(strconv.Itoa(r.Priority)), IsDefault: aws.Bool(false),
		Conditions: conditionsOut(r.Conditions), Actions: actionsOut(r.Actions), Transforms: transformsOut(r.Transforms),
	}
}

// defaultRuleOut is the rule that stands for the default actions of a listener.
func defaultRuleOut(l *model.Listener) elb.Rule {
	return elb.Rule{
		RuleArn: aws.String(arn.DefaultRule(l.ARN)), Priority: aws.String("default"), IsDefault: aws.Bool(true),
		Conditions: []elb.RuleCondition{}, Actions: actionsOut(l.Actions), Transforms: []elb.RuleTransform{},
	}
}
