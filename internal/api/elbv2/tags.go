package elbv2

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/store"
)

// resourcesIn checks the ARNs of the resources that a request about tags names.
func resourcesIn(arns []string) error {
	switch {
	case len(arns) == 0:
		return invalid("At least one resource ARN must be specified")
	case len(arns) > namedMax:
		return invalid("At most %d resources can be specified in one request, got %d", namedMax, len(arns))
	}
	seen := map[string]bool{}
	for _, id := range arns {
		if seen[id] {
			return invalid("The resource '%.300s' is specified more than once", id)
		}
		seen[id] = true
	}
	return nil
}

func (a *API) addTags(ctx context.Context, call control.Call, in *client.AddTagsInput) (*client.AddTagsOutput, error) {
	tags, err := tagsIn(in.Tags)
	if err := first(resourcesIn(in.ResourceArns), err); err != nil {
		return nil, err
	}
	if len(tags) == 0 {
		return nil, invalid("At least one tag must be specified")
	}
	err = a.Update(ctx, func(tx *store.Tx) error { return control.TagBalancing(tx, call, in.ResourceArns, tags) })
	return &client.AddTagsOutput{}, err
}

func (a *API) removeTags(ctx context.Context, call control.Call, in *client.RemoveTagsInput) (*client.RemoveTagsOutput, error) {
	if err := resourcesIn(in.ResourceArns); err != nil {
		return nil, err
	}
	if len(in.TagKeys) == 0 {
		return nil, invalid("At least one tag key must be specified")
	}
	err := a.Update(ctx, func(tx *store.Tx) error { return control.UntagBalancing(tx, call, in.ResourceArns, in.TagKeys) })
	return &client.RemoveTagsOutput{}, err
}

func (a *API) describeTags(_ context.Context, call control.Call, in *client.DescribeTagsInput) (*client.DescribeTagsOutput, error) {
	if err := resourcesIn(in.ResourceArns); err != nil {
		return nil, err
	}
	out := &client.DescribeTagsOutput{}
	for _, id := range in.ResourceArns {
		tags, err := control.BalancingTags(a.Store.View(), call, id)
		if err != nil {
			return nil, err
		}
		out.TagDescriptions = append(out.TagDescriptions, elb.TagDescription{ResourceArn: aws.String(id), Tags: tagsOut(tags)})
	}
	return out, nil
}
