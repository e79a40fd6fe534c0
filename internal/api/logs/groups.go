package logs

import (
	"context"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/logs"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

func (a *API) createLogGroup(
	ctx context.Context, call control.Call, in *cloudwatchlogs.CreateLogGroupInput,
) (*cloudwatchlogs.CreateLogGroupOutput, error) {
	switch {
	case in.KmsKeyId != nil:
		return nil, invalid("kmsKeyId: maitred does not encrypt logs; leave it out.")
	case in.LogGroupClass != "" && in.LogGroupClass != types.LogGroupClassStandard:
		return nil, invalid("logGroupClass: %.50q is not supported by maitred; use STANDARD.", in.LogGroupClass)
	case aws.ToBool(in.DeletionProtectionEnabled):
		return nil, invalid("deletionProtectionEnabled is not supported by maitred; leave it out.")
	}
	tags, err := tagsIn(in.Tags)
	if err != nil {
		return nil, err
	}
	err = a.Update(ctx, func(tx *store.Tx) error {
		return control.CreateLogGroup(tx, call, control.NewLogGroup{Name: aws.ToString(in.LogGroupName), Tags: tags})
	})
	return &cloudwatchlogs.CreateLogGroupOutput{}, err
}

func (a *API) deleteLogGroup(
	ctx context.Context, call control.Call, in *cloudwatchlogs.DeleteLogGroupInput,
) (*cloudwatchlogs.DeleteLogGroupOutput, error) {
	g, err := a.group(call, in.LogGroupName, nil)
	if err != nil {
		return nil, err
	}
	err = a.Update(ctx, func(tx *store.Tx) error { return control.DeleteLogGroup(tx, call, g.Name) })
	return &cloudwatchlogs.DeleteLogGroupOutput{}, err
}

func (a *API) describeLogGroups(
	ctx context.Context, call control.Call, in *cloudwatchlogs.DescribeLogGroupsInput,
) (*cloudwatchlogs.DescribeLogGroupsOutput, error) {
	n, err := limit(in.Limit, 50, 50)
	if err != nil {
		return nil, err
	}
	prefix, part := aws.ToString(in.LogGroupNamePrefix), aws.ToString(in.LogGroupNamePattern)
	if prefix != "" && part != "" {
		return nil, invalid("LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.")
	}
	after, err := nameToken(in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &cloudwatchlogs.DescribeLogGroupsOutput{LogGroups: []types.LogGroup{}}
	for g := range a.Store.View().LogGroups(call.Region, prefix) {
		if g.Name <= after || !strings.Contains(g.Name, part) || !a.named(call, in.LogGroupIdentifiers, g.Name) {
			continue
		}
		if in.LogGroupClass != "" && in.LogGroupClass != types.LogGroupClassStandard {
			continue
		}
		if len(out.LogGroups) == n {
			out.NextToken = newNameToken(aws.ToString(out.LogGroups[n-1].LogGroupName))
			break
		}
		out.LogGroups = append(out.LogGroups, a.groupOut(ctx, call, g))
	}
	return out, nil
}

// named says whether a group is one of those that identifiers name; none name all.
func (a *API) named(call control.Call, identifiers []string, name string) bool {
	return len(identifiers) == 0 || slices.ContainsFunc(identifiers, func(id string) bool {
		n, err := a.groupOfARN(call, id)
		return err == nil && n == name
	})
}

func (a *API) groupOut(ctx context.Context, call control.Call, g *model.LogGroup) types.LogGroup {
	created := g.CreatedAt.UnixMilli()
	arn := groupARN(call.Scope, g.Name)
	bytes := int64(0)
	// What cannot be asked at the moment is not counted.
	streams, _ := a.Sources().Streams(ctx, logs.Group{Region: g.Region, Name: g.Name, Created: created}, "")
	for _, s := range streams {
		bytes += s.Bytes
	}
	out := types.LogGroup{
		LogGroupName: aws.String(g.Name), Arn: aws.String(arn + ":*"), LogGroupArn: aws.String(arn),
		CreationTime: aws.Int64(created), LogGroupClass: types.LogGroupClassStandard, MetricFilterCount: aws.Int32(0),
		StoredBytes: aws.Int64(bytes),
	}
	if g.RetentionDays > 0 {
		out.RetentionInDays = aws.Int32(int32(g.RetentionDays))
	}
	return out
}

func (a *API) putRetentionPolicy(
	ctx context.Context, call control.Call, in *cloudwatchlogs.PutRetentionPolicyInput,
) (*cloudwatchlogs.PutRetentionPolicyOutput, error) {
	g, err := a.group(call, in.LogGroupName, nil)
	if err != nil {
		return nil, err
	}
	days := int(aws.ToInt32(in.RetentionInDays))
	if days == 0 {
		return nil, invalid("retentionInDays should be at least 1, got 0; DeleteRetentionPolicy keeps events for ever.")
	}
	err = a.Update(ctx, func(tx *store.Tx) error { return control.SetRetention(tx, call, g.Name, days) })
	return &cloudwatchlogs.PutRetentionPolicyOutput{}, err
}

func (a *API) deleteRetentionPolicy(
	ctx context.Context, call control.Call, in *cloudwatchlogs.DeleteRetentionPolicyInput,
) (*cloudwatchlogs.DeleteRetentionPolicyOutput, error) {
	g, err := a.group(call, in.LogGroupName, nil)
	if err != nil {
		return nil, err
	}
	err = a.Update(ctx, func(tx *store.Tx) error { return control.SetRetention(tx, call, g.Name, 0) })
	return &cloudwatchlogs.DeleteRetentionPolicyOutput{}, err
}

// tagsIn checks and converts tags, in the order of their keys ("Tag").
func tagsIn(tags map[string]string) ([]model.Tag, error) {
	var list []model.Tag
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		value := tags[key]
		switch {
		case key == "" || utf8.RuneCountInString(key) > 128:
			return nil, invalid("tags: the key %.100q should have 1 to 128 characters.", key)
		case utf8.RuneCountInString(value) > 256:
			return nil, invalid("tags: the value of %.100q should have at most 256 characters.", key)
		case control.ReservedTag(key):
			return nil, invalid("tags: the key %.100q begins with aws:, which is reserved for AWS.", key)
		}
		list = append(list, model.Tag{Key: key, Value: value})
	}
	if len(list) > control.TagsMax {
		return nil, invalid("tags: %d were given; at most %d are allowed.", len(list), control.TagsMax)
	}
	return list, nil
}

func tagsOut(tags []model.Tag) map[string]string {
	out := make(map[string]string, len(tags))
	for _, t := range tags {
		out[t.Key] = t.Value
	}
	return out
}

func (a *API) tag(ctx context.Context, call control.Call, name, resource *string, tags map[string]string) error {
	g, err := a.group(call, name, resource)
	if err != nil {
		return err
	}
	add, err := tagsIn(tags)
	if err != nil {
		return err
	}
	if len(add) == 0 {
		return invalid("tags should not be empty.")
	}
	return a.Update(ctx, func(tx *store.Tx) error { return control.TagLogGroup(tx, call, g.Name, add) })
}

func (a *API) untag(ctx context.Context, call control.Call, name, resource *string, keys []string) error {
	g, err := a.group(call, name, resource)
	if err != nil {
		return err
	}
	if len(keys) == 0 {
		return invalid("tagKeys should not be empty.")
	}
	return a.Update(ctx, func(tx *store.Tx) error { return control.UntagLogGroup(tx, call, g.Name, keys) })
}

func (a *API) tagResource(
	ctx context.Context, call control.Call, in *cloudwatchlogs.TagResourceInput,
) (*cloudwatchlogs.TagResourceOutput, error) {
	return &cloudwatchlogs.TagResourceOutput{}, a.tag(ctx, call, nil, in.ResourceArn, in.Tags)
}

func (a *API) untagResource(
	ctx context.Context, call control.Call, in *cloudwatchlogs.UntagResourceInput,
) (*cloudwatchlogs.UntagResourceOutput, error) {
	return &cloudwatchlogs.UntagResourceOutput{}, a.untag(ctx, call, nil, in.ResourceArn, in.TagKeys)
}

func (a *API) listTagsForResource(
	_ context.Context, call control.Call, in *cloudwatchlogs.ListTagsForResourceInput,
) (*cloudwatchlogs.ListTagsForResourceOutput, error) {
	g, err := a.group(call, nil, in.ResourceArn)
	if err != nil {
		return nil, err
	}
	return &cloudwatchlogs.ListTagsForResourceOutput{Tags: tagsOut(g.Tags)}, nil
}

// The operations on tags by name are older than those on ARNs; clients still call them.

func (a *API) tagLogGroup(
	ctx context.Context, call control.Call, in *cloudwatchlogs.TagLogGroupInput, //nolint:staticcheck // as clients call it
) (*cloudwatchlogs.TagLogGroupOutput, error) { //nolint:staticcheck // likewise
	return &cloudwatchlogs.TagLogGroupOutput{}, a.tag(ctx, call, in.LogGroupName, nil, in.Tags) //nolint:staticcheck // likewise
}

func (a *API) untagLogGroup(
	ctx context.Context, call control.Call, in *cloudwatchlogs.UntagLogGroupInput, //nolint:staticcheck // as clients call it
) (*cloudwatchlogs.UntagLogGroupOutput, error) { //nolint:staticcheck // likewise
	return &cloudwatchlogs.UntagLogGroupOutput{}, a.untag(ctx, call, in.LogGroupName, nil, in.Tags) //nolint:staticcheck // likewise
}

func (a *API) listTagsLogGroup(
	_ context.Context, call control.Call, in *cloudwatchlogs.ListTagsLogGroupInput, //nolint:staticcheck // as clients call it
) (*cloudwatchlogs.ListTagsLogGroupOutput, error) { //nolint:staticcheck // likewise
	g, err := a.group(call, in.LogGroupName, nil)
	if err != nil {
		return nil, err
	}
	return &cloudwatchlogs.ListTagsLogGroupOutput{Tags: tagsOut(g.Tags)}, nil //nolint:staticcheck // likewise
}
