package autoscaling

import (
	"context"
	"maps"
	"slices"

	client "github.com/aws/aws-sdk-go-v2/service/applicationautoscaling"

	"github.com/maitred/maitred/internal/api/wire"
	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// The bounds of tags ("TagResource").
const (
	tagKeyMax   = 128
	tagValueMax = 256
	arnMax      = 1011
)

// tagsIn checks tags that are given, and sorts them by key.
func tagsIn(in map[string]string) ([]model.Tag, error) {
	var tags []model.Tag
	for _, key := range slices.Sorted(maps.Keys(in)) {
		if err := text("tags.key", &key, tagKeyMax, unprintable); err != nil {
			return nil, err
		}
		if control.ReservedTag(key) {
			return nil, invalid("The tag key '%.150s' is reserved: keys may not begin with 'aws:'", key)
		}
		if in[key] != "" {
			if err := text("tags.value", new(in[key]), tagValueMax, unprintable); err != nil {
				return nil, err
			}
		}
		tags = append(tags, model.Tag{Key: key, Value: in[key]})
	}
	if len(tags) > control.TagsMax {
		return nil, wire.Errorf("TooManyTagsException", "%d tags were specified; at most %d are allowed", len(tags), control.TagsMax)
	}
	return tags, nil
}

func (a *API) tagResource(ctx context.Context, call control.Call, in *client.TagResourceInput) (*client.TagResourceOutput, error) {
	if err := text("resourceARN", in.ResourceARN, arnMax, nil); err != nil {
		return nil, err
	}
	if in.Tags == nil {
		return nil, null("tags")
	}
	tags, err := tagsIn(in.Tags)
	if err == nil {
		err = a.Update(ctx, func(tx *store.Tx) error { return control.TagScalableTarget(tx, call, *in.ResourceARN, tags) })
	}
	return &client.TagResourceOutput{}, about(in.ResourceARN, err)
}

func (a *API) untagResource(ctx context.Context, call control.Call, in *client.UntagResourceInput) (*client.UntagResourceOutput, error) {
	if err := text("resourceARN", in.ResourceARN, arnMax, nil); err != nil {
		return nil, err
	}
	if in.TagKeys == nil {
		return nil, null("tagKeys")
	}
	err := a.Update(ctx, func(tx *store.Tx) error { return control.UntagScalableTarget(tx, call, *in.ResourceARN, in.TagKeys) })
	return &client.UntagResourceOutput{}, about(in.ResourceARN, err)
}

func (a *API) listTagsForResource(_ context.Context, call control.Call, in *client.ListTagsForResourceInput) (*client.ListTagsForResourceOutput, error) {
	if err := text("resourceARN", in.ResourceARN, arnMax, nil); err != nil {
		return nil, err
	}
	t, err := control.ScalableTargetByARN(a.Store.View(), call, *in.ResourceARN)
	if err != nil {
		return nil, about(in.ResourceARN, err)
	}
	out := &client.ListTagsForResourceOutput{Tags: map[string]string{}}
	for _, tag := range t.Tags {
		out.Tags[tag.Key] = tag.Value
	}
	return out, nil
}

// about adds the resource to an error that has a member for it.
func about(resource *string, err error) error {
	if err == nil {
		return nil
	}
	err = wireError(err)
	if e, ok := err.(*wire.Error); ok && (e.Code == "ResourceNotFoundException" || e.Code == "TooManyTagsException") { //nolint:errorlint // as it was just made
		named := *e
		named.Fields = map[string]any{"ResourceName": *resource}
		return &named
	}
	return err
}
