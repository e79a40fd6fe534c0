package ecs

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

func (a *API) registerTaskDefinition(
	ctx context.Context, call control.Call, in *ecs.RegisterTaskDefinitionInput,
) (*ecs.RegisterTaskDefinitionOutput, error) {
	spec, err := a.newTaskDefinition(in)
	if err != nil {
		return nil, err
	}
	var made *model.TaskDefinition
	err = a.Update(ctx, func(tx *store.Tx) (err error) {
		made, err = control.RegisterTaskDefinition(tx, call, spec)
		return err
	})
	if err != nil {
		return nil, err
	}
	out, err := a.taskDefinitionOut(made)
	return &ecs.RegisterTaskDefinitionOutput{TaskDefinition: out, Tags: tagsOut(made.Tags)}, err
}

// taskDefinitionOut describes a task definition: the document, and what the record knows besides.
func (a *API) taskDefinitionOut(d *model.TaskDefinition) (*types.TaskDefinition, error) {
	out := &types.TaskDefinition{}
	if err := a.docs.decode(d.Document, out); err != nil {
		return nil, err
	}
	out.TaskDefinitionArn = aws.String(d.ARN)
	out.Revision = int32(d.Revision)
	out.Status = types.TaskDefinitionStatus(d.Status)
	out.RegisteredAt = timestamp(d.CreatedAt)
	out.RegisteredBy = aws.String(arn.ScopeOf(d.ARN).Root())
	out.DeregisteredAt = timestamp(d.ClosedAt)
	if d.Status == model.DeleteInProgress {
		out.DeleteRequestedAt = timestamp(d.Cause.At)
	}
	return out, nil
}

func (a *API) describeTaskDefinition(
	_ context.Context, call control.Call, in *ecs.DescribeTaskDefinitionInput,
) (*ecs.DescribeTaskDefinitionOutput, error) {
	if err := checkEnums("include", in.Include); err != nil {
		return nil, err
	}
	ref := aws.ToString(in.TaskDefinition)
	if ref == "" {
		return nil, model.InvalidParameter("taskDefinition should not be empty.")
	}
	d := control.FindTaskDefinition(a.Store.View(), call.Scope, ref)
	if d == nil {
		return nil, control.UnknownTaskDefinition()
	}
	described, err := a.taskDefinitionOut(d)
	if err != nil {
		return nil, err
	}
	out := &ecs.DescribeTaskDefinitionOutput{TaskDefinition: described}
	if includes(in.Include, types.TaskDefinitionFieldTags) {
		out.Tags = tagsOut(d.Tags)
	}
	return out, nil
}

func (a *API) deregisterTaskDefinition(
	ctx context.Context, call control.Call, in *ecs.DeregisterTaskDefinitionInput,
) (*ecs.DeregisterTaskDefinitionOutput, error) {
	ref := aws.ToString(in.TaskDefinition)
	if ref == "" {
		return nil, model.InvalidParameter("taskDefinition should not be empty.")
	}
	var d *model.TaskDefinition
	err := a.Update(ctx, func(tx *store.Tx) (err error) {
		d, err = control.DeregisterTaskDefinition(tx, call, ref)
		return err
	})
	if err != nil {
		return nil, err
	}
	out, err := a.taskDefinitionOut(d)
	return &ecs.DeregisterTaskDefinitionOutput{TaskDefinition: out}, err
}

// deletedDefinitionsMax is how many task definitions one request may delete ("DeleteTaskDefinitions").
const deletedDefinitionsMax = 10

func (a *API) deleteTaskDefinitions(
	ctx context.Context, call control.Call, in *ecs.DeleteTaskDefinitionsInput,
) (*ecs.DeleteTaskDefinitionsOutput, error) {
	if len(in.TaskDefinitions) == 0 {
		return nil, model.InvalidParameter("taskDefinitions should not be empty.")
	}
	if err := atMost("taskDefinitions", in.TaskDefinitions, deletedDefinitionsMax); err != nil {
		return nil, err
	}
	var deleted []*model.TaskDefinition
	var failures []types.Failure
	err := a.Update(ctx, func(tx *store.Tx) error {
		deleted, failures = nil, []types.Failure{}
		for _, ref := range in.TaskDefinitions {
			d, failure := control.DeleteTaskDefinition(tx, call, ref)
			if failure != "" {
				failures = append(failures, types.Failure{Arn: aws.String(definitionARN(call, ref)), Reason: &failure})
				continue
			}
			deleted = append(deleted, d)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	out := &ecs.DeleteTaskDefinitionsOutput{Failures: failures, TaskDefinitions: []types.TaskDefinition{}}
	for _, d := range deleted {
		described, err := a.taskDefinitionOut(d)
		if err != nil {
			return nil, err
		}
		out.TaskDefinitions = append(out.TaskDefinitions, *described)
	}
	return out, nil
}

// definitionARN is the ARN of what a request names, be it there or not.
func definitionARN(call control.Call, ref string) string {
	if strings.HasPrefix(ref, "arn:") {
		return ref
	}
	return call.TaskDefinition(ref)
}

func (a *API) listTaskDefinitions(
	_ context.Context, call control.Call, in *ecs.ListTaskDefinitionsInput,
) (*ecs.ListTaskDefinitionsOutput, error) {
	if err := cmp.Or(checkEnum("status", in.Status), checkEnum("sort", in.Sort)); err != nil {
		return nil, err
	}
	status := model.Status(cmp.Or(in.Status, types.TaskDefinitionStatusActive))
	family := aws.ToString(in.FamilyPrefix)
	p, err := newPager(call, pageLimits{100, 100}, in.MaxResults, in.NextToken, family, string(status), string(in.Sort))
	if err != nil {
		return nil, err
	}
	// The member is called a prefix, but it names one whole family ("ListTaskDefinitions").
	all := a.Store.View().TaskDefinitions(call.Region, "")
	if family != "" {
		all = a.Store.View().Revisions(call.Region, family)
	}
	var names []string
	for d := range all {
		if d.Status == status {
			names = append(names, d.Name())
		}
	}
	compare := compareRevisions
	if in.Sort == types.SortOrderDesc {
		slices.Reverse(names)
		compare = func(a, b string) int { return compareRevisions(b, a) }
	}
	names, next := page(p, names, itself, compare)
	out := &ecs.ListTaskDefinitionsOutput{TaskDefinitionArns: make([]string, len(names)), NextToken: next}
	for i, name := range names {
		out.TaskDefinitionArns[i] = call.TaskDefinition(name)
	}
	return out, nil
}

// compareRevisions orders FAMILY:REVISION by family, then by the number of the revision.
func compareRevisions(a, b string) int {
	familyA, revisionA, _ := strings.Cut(a, ":")
	familyB, revisionB, _ := strings.Cut(b, ":")
	if c := strings.Compare(familyA, familyB); c != 0 {
		return c
	}
	x, _ := strconv.Atoi(revisionA)
	y, _ := strconv.Atoi(revisionB)
	return x - y
}

func (a *API) listTaskDefinitionFamilies(
	_ context.Context, call control.Call, in *ecs.ListTaskDefinitionFamiliesInput,
) (*ecs.ListTaskDefinitionFamiliesOutput, error) {
	if err := checkEnum("status", in.Status); err != nil {
		return nil, err
	}
	prefix := aws.ToString(in.FamilyPrefix)
	status := cmp.Or(in.Status, types.TaskDefinitionFamilyStatusAll)
	p, err := newPager(call, pageLimits{100, 100}, in.MaxResults, in.NextToken, prefix, string(status))
	if err != nil {
		return nil, err
	}
	// A family whose revisions are all gone keeps its counter, but is not shown any more.
	families := []string{}
	active := map[string]bool{}
	for d := range a.Store.View().TaskDefinitions(call.Region, prefix) {
		if n := len(families); n == 0 || families[n-1] != d.Family {
			families = append(families, d.Family)
		}
		active[d.Family] = active[d.Family] || d.Status == model.Active
	}
	families = slices.DeleteFunc(families, func(family string) bool {
		return status != types.TaskDefinitionFamilyStatusAll && active[family] != (status == types.TaskDefinitionFamilyStatusActive)
	})
	families, next := page(p, families, itself, strings.Compare)
	return &ecs.ListTaskDefinitionFamiliesOutput{Families: families, NextToken: next}, nil
}
