package ecs

import (
	"context"
	"fmt"
	"regexp"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// What tags may be made of ("Tag").
const (
	tagKeyMax   = 128
	tagValueMax = 256
)

var tagPattern = regexp.MustCompile(`^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$`)

// tagsIn checks and converts the tags of a request.
func tagsIn(tags []types.Tag) ([]model.Tag, error) {
	if len(tags) > control.TagsMax {
		return nil, model.InvalidParameter(fmt.Sprintf("tags: %d were given; at most %d are allowed.", len(tags), control.TagsMax))
	}
	seen := map[string]bool{}
	var list []model.Tag
	for i, t := range tags {
		key, value := aws.ToString(t.Key), aws.ToString(t.Value)
		if err := checkTag(key, value); err != nil {
			return nil, model.InvalidParameter(fmt.Sprintf("tags[%d]: %s.", i, err))
		}
		if seen[key] {
			return nil, model.InvalidParameter(fmt.Sprintf("tags[%d]: the key %q is given twice.", i, key))
		}
		seen[key] = true
		list = append(list, model.Tag{Key: key, Value: value})
	}
	return list, nil
}

func checkTag(key, value string) error {
	switch {
	case key == "":
		return fmt.Errorf("the key is empty")
	case utf8.RuneCountInString(key) > tagKeyMax:
		return fmt.Errorf("the key is longer than %d characters", tagKeyMax)
	case utf8.RuneCountInString(value) > tagValueMax:
		return fmt.Errorf("the value of %q is longer than %d characters", key, tagValueMax)
	case control.ReservedTag(key):
		return fmt.Errorf("the key %q begins with aws:, which is reserved for AWS", key)
	case !tagPattern.MatchString(key), !tagPattern.MatchString(value):
		return fmt.Errorf("the tag %q has a character that is none of letters, digits, spaces and _ . : / = + - @", key)
	}
	return nil
}

// tagsOut converts tags for an answer; none are an empty list.
func tagsOut(tags []model.Tag) []types.Tag {
	list := make([]types.Tag, 0, len(tags))
	for _, t := range tags {
		list = append(list, types.Tag{Key: aws.String(t.Key), Value: aws.String(t.Value)})
	}
	return list
}

// taggedARN reads resourceArn.
func taggedARN(call control.Call, ref *string) (string, error) {
	resource := aws.ToString(ref)
	if resource == "" {
		return "", model.InvalidParameter("resourceArn should not be empty.")
	}
	return resource, owned(call, "resourceArn", resource)
}

func (a *API) tagResource(ctx context.Context, call control.Call, in *ecs.TagResourceInput) (*ecs.TagResourceOutput, error) {
	resource, err := taggedARN(call, in.ResourceArn)
	if err != nil {
		return nil, err
	}
	tags, err := tagsIn(in.Tags)
	if err != nil {
		return nil, err
	}
	if len(tags) == 0 {
		return nil, model.InvalidParameter("tags should not be empty.")
	}
	err = a.Update(ctx, func(tx *store.Tx) error { return control.Tag(tx, resource, tags) })
	return &ecs.TagResourceOutput{}, err
}

func (a *API) untagResource(ctx context.Context, call control.Call, in *ecs.UntagResourceInput) (*ecs.UntagResourceOutput, error) {
	resource, err := taggedARN(call, in.ResourceArn)
	if err != nil {
		return nil, err
	}
	if len(in.TagKeys) == 0 {
		return nil, model.InvalidParameter("tagKeys should not be empty.")
	}
	for _, key := range in.TagKeys {
		if control.ReservedTag(key) {
			return nil, model.InvalidParameter(fmt.Sprintf("tagKeys: %q begins with aws:, which is reserved for AWS.", key))
		}
	}
	err = a.Update(ctx, func(tx *store.Tx) error { return control.Untag(tx, resource, in.TagKeys) })
	return &ecs.UntagResourceOutput{}, err
}

func (a *API) listTagsForResource(
	_ context.Context, call control.Call, in *ecs.ListTagsForResourceInput,
) (*ecs.ListTagsForResourceOutput, error) {
	resource, err := taggedARN(call, in.ResourceArn)
	if err != nil {
		return nil, err
	}
	tags, err := control.Tags(a.Store.View(), resource)
	if err != nil {
		return nil, err
	}
	return &ecs.ListTagsForResourceOutput{Tags: tagsOut(tags)}, nil
}
