package ec2

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

func (a *API) createTags(ctx context.Context, call control.Call, in *tagsInput) (*tagsOutput, error) {
	if len(in.Tags) == 0 {
		return nil, fail("MissingParameter", "The request must contain the parameter tags")
	}
	return a.retag(ctx, call, in, func(old []model.Tag) ([]model.Tag, error) { return mergeTags(old, in.Tags) })
}

// deleteTags deletes the named tags: those with a value only if they have it; without any all are ("DeleteTags").
func (a *API) deleteTags(ctx context.Context, call control.Call, in *tagsInput) (*tagsOutput, error) {
	return a.retag(ctx, call, in, func(old []model.Tag) ([]model.Tag, error) {
		return slices.DeleteFunc(slices.Clone(old), func(t model.Tag) bool {
			return len(in.Tags) == 0 || slices.ContainsFunc(in.Tags, func(x tagIn) bool {
				return aws.ToString(x.Key) == t.Key && (x.Value == nil || *x.Value == t.Value)
			})
		}), nil
	})
}

// retag changes the tags of resources, all or none.
func (a *API) retag(ctx context.Context, call control.Call, in *tagsInput, change func([]model.Tag) ([]model.Tag, error)) (*tagsOutput, error) {
	if len(in.Resources) == 0 {
		return nil, fail("MissingParameter", "The request must contain the parameter resourceIdSet")
	}
	if err := dryRun(in.DryRun); err != nil {
		return nil, err
	}
	err := a.Update(ctx, func(tx *store.Tx) error {
		for _, id := range in.Resources {
			if err := retagOne(tx, call, id, change); err != nil {
				return err
			}
		}
		return nil
	})
	return &tagsOutput{Return: aws.Bool(true)}, err
}

func retagOne(tx *store.Tx, call control.Call, id string, change func([]model.Tag) ([]model.Tag, error)) error {
	var copied model.Record
	var tags *[]model.Tag
	switch kind, _, _ := strings.Cut(id, "-"); kind {
	case "vpc":
		for v := range tx.View().VPCs(call.Region) {
			if v.ID == id {
				c := *v
				copied, tags = &c, &c.Tags
			}
		}
	case "subnet":
		if s, ok := tx.View().Subnet(call.Region, id); ok {
			c := *s
			copied, tags = &c, &c.Tags
		}
	case "sg":
		if g, ok := tx.View().SecurityGroup(call.Region, id); ok {
			c := *g
			copied, tags = &c, &c.Tags
		}
	case "sgr":
		if g, i := findRule(tx.View(), call, id); g != nil {
			c := *g
			c.Rules = slices.Clone(g.Rules)
			copied, tags = &c, &c.Rules[i].Tags
		}
	}
	if copied == nil {
		return fail("InvalidID", "The ID '%.100s' is not valid: a vpc-, subnet-, sg- or sgr- that exists can have tags", id)
	}
	changed, err := change(*tags)
	if err != nil {
		return err
	}
	*tags = changed
	tx.Put(copied)
	return nil
}

func findRule(v *store.View, call control.Call, id string) (*model.SecurityGroup, int) {
	for g := range v.SecurityGroups(call.Region) {
		if i := slices.IndexFunc(g.Rules, func(r model.SecurityGroupRule) bool { return r.ID == id }); i >= 0 {
			return g, i
		}
	}
	return nil, -1
}

func (a *API) describeTags(_ context.Context, call control.Call, in *describeTagsInput) (*describeTagsOutput, error) {
	if err := dryRun(in.DryRun); err != nil {
		return nil, err
	}
	l := lister[resourceTag]{
		id:      func(t resourceTag) string { return *t.ResourceID + "\x00" + *t.Key },
		filters: []string{"key", "resource-id", "resource-type", "value"},
		attributes: func(t resourceTag) attributes {
			return attributes{
				"key": {*t.Key}, "resource-id": {*t.ResourceID}, "resource-type": {*t.Type}, "value": {*t.Value}, "tag-key": {*t.Key},
				"tag:" + *t.Key: {*t.Value},
			}
		},
	}
	all := allTags(a.Store.View(), call)
	slices.SortFunc(all, func(x, y resourceTag) int { return cmp.Compare(l.id(x), l.id(y)) })
	chosen, err := l.choose(all, nil, in.Filters)
	if err != nil {
		return nil, err
	}
	chosen, next, err := l.cut(call, chosen, nil, in.Filters, page{in.MaxResults, in.NextToken})
	return &describeTagsOutput{Tags: slices.Concat([]resourceTag{}, chosen), NextToken: next}, err
}

func allTags(v *store.View, call control.Call) []resourceTag {
	var all []resourceTag
	add := func(id, kind string, tags []model.Tag) {
		for _, t := range tags {
			all = append(all, resourceTag{aws.String(t.Key), aws.String(id), aws.String(kind), aws.String(t.Value)})
		}
	}
	for x := range v.VPCs(call.Region) {
		add(x.ID, "vpc", x.Tags)
	}
	for x := range v.Subnets(call.Region) {
		add(x.ID, "subnet", x.Tags)
	}
	for g := range v.SecurityGroups(call.Region) {
		add(g.ID, "security-group", g.Tags)
		for _, r := range g.Rules {
			add(r.ID, "security-group-rule", r.Tags)
		}
	}
	return all
}
