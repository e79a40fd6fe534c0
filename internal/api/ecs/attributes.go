package ecs

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// What attributes may be made of ("Attribute").
var (
	attributeName  = regexp.MustCompile(`^[A-Za-z0-9_\-./\\]{1,128}$`)
	attributeValue = regexp.MustCompile(`^[A-Za-z0-9_\-.@/\\: ]{1,128}$`)
)

// reservedAttributes begin the names of those that agents report of their machines.
func reservedAttributes() []string { return []string{"ecs.", "com.amazonaws."} }

func attributeOut(a control.Attribute) types.Attribute {
	out := types.Attribute{Name: aws.String(a.Name)}
	if a.Value != "" {
		out.Value = aws.String(a.Value)
	}
	return out
}

// targetedOut is attributeOut where the answer is about several container instances.
func targetedOut(a control.Attribute) types.Attribute {
	out := attributeOut(a)
	out.TargetId = aws.String(a.Instance)
	return out
}

// attributesIn checks and converts the attributes of a request; without values if they are to be deleted.
func attributesIn(call control.Call, cluster string, list []types.Attribute, valued bool) ([]control.Attribute, error) {
	if len(list) == 0 {
		return nil, model.InvalidParameter("attributes can not be empty.")
	}
	if err := atMost("attributes", list, control.AttributesMax); err != nil {
		return nil, err
	}
	var out []control.Attribute
	for i, in := range list {
		member := fmt.Sprintf("attributes[%d]", i)
		a := control.Attribute{Name: aws.ToString(in.Name), Value: aws.ToString(in.Value)}
		if err := checkAttribute(member, a); err != nil {
			return nil, err
		}
		if !valued && in.Value != nil {
			return nil, model.InvalidParameter(member + ".value should not be given: an attribute is deleted by its name.")
		}
		var err error
		if a.Instance, err = attributeTarget(call, cluster, member, in); err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	return out, nil
}

func checkAttribute(member string, a control.Attribute) error {
	if !attributeName.MatchString(a.Name) {
		return model.InvalidParameter(fmt.Sprintf(
			`%s.name: %.200q should be 1 to 128 letters, digits, hyphens, underscores, slashes, back slashes and periods.`, member, a.Name))
	}
	for _, prefix := range reservedAttributes() {
		if strings.HasPrefix(a.Name, prefix) {
			return model.InvalidParameter(fmt.Sprintf(
				"%s.name: %s begins with %s, which is reserved for what agents report.", member, a.Name, prefix))
		}
	}
	if a.Value != "" && (!attributeValue.MatchString(a.Value) || strings.TrimSpace(a.Value) != a.Value) {
		return model.InvalidParameter(fmt.Sprintf("%s.value: %.200q should be 1 to 128 letters, digits, hyphens, underscores, "+
			"periods, at signs, slashes, back slashes, colons and spaces, none of these at its ends.", member, a.Value))
	}
	return nil
}

// attributeTarget gives the ARN of the container instance that has an attribute.
func attributeTarget(call control.Call, cluster, member string, in types.Attribute) (string, error) {
	target := aws.ToString(in.TargetId)
	if err := checkEnum(member+".targetType", in.TargetType); err != nil {
		return "", err
	}
	switch {
	case target == "":
		return "", model.InvalidParameter(member + ".targetId should not be empty.")
	case !strings.HasPrefix(target, "arn:") && in.TargetType == "":
		return "", model.InvalidParameter(member + ".targetType should be container-instance when targetId is no ARN.")
	}
	return instanceMember(member+".targetId").find(call, cluster, target)
}

// changeAttributes carries out an operation that changes attributes, and gives them as they were asked for.
func (a *API) changeAttributes(
	ctx context.Context, call control.Call, clusterRef *string, list []types.Attribute, valued bool,
	change func(*store.Tx, []control.Attribute) error,
) ([]types.Attribute, error) {
	cluster, err := clusterARN(call, clusterRef)
	if err != nil {
		return nil, err
	}
	attributes, err := attributesIn(call, cluster, list, valued)
	if err != nil {
		return nil, err
	}
	err = a.Update(ctx, func(tx *store.Tx) error {
		if _, err := control.FindCluster(tx.View(), cluster); err != nil {
			return err
		}
		return change(tx, attributes)
	})
	if err != nil {
		return nil, err
	}
	out := make([]types.Attribute, 0, len(attributes))
	for _, attribute := range attributes {
		out = append(out, targetedOut(attribute))
	}
	return out, nil
}

func (a *API) putAttributes(ctx context.Context, call control.Call, in *ecs.PutAttributesInput) (*ecs.PutAttributesOutput, error) {
	out, err := a.changeAttributes(ctx, call, in.Cluster, in.Attributes, true, control.PutAttributes)
	return &ecs.PutAttributesOutput{Attributes: out}, err
}

func (a *API) deleteAttributes(ctx context.Context, call control.Call, in *ecs.DeleteAttributesInput) (*ecs.DeleteAttributesOutput, error) {
	out, err := a.changeAttributes(ctx, call, in.Cluster, in.Attributes, false, control.DeleteAttributes)
	return &ecs.DeleteAttributesOutput{Attributes: out}, err
}

func (a *API) listAttributes(_ context.Context, call control.Call, in *ecs.ListAttributesInput) (*ecs.ListAttributesOutput, error) {
	cluster, err := clusterARN(call, in.Cluster)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(in.TargetType.Values(), in.TargetType) {
		return nil, notOneOf("targetType", in.TargetType, in.TargetType.Values())
	}
	name, value := aws.ToString(in.AttributeName), aws.ToString(in.AttributeValue)
	if name == "" && value != "" {
		return nil, model.InvalidParameter("attributeValue can only be given together with attributeName.")
	}
	p, err := newPager(call, pageLimits{100, 100}, in.MaxResults, in.NextToken, cluster, name, value)
	if err != nil {
		return nil, err
	}
	view := a.Store.View()
	if _, err := control.FindCluster(view, cluster); err != nil {
		return nil, err
	}
	instances, err := control.SelectInstances(view, call, cluster, "")
	if err != nil {
		return nil, err
	}
	list := []types.Attribute{}
	for _, i := range instances {
		for _, attribute := range control.InstanceAttributes(view, i) {
			if (name == "" || name == attribute.Name) && (value == "" || value == attribute.Value) {
				list = append(list, targetedOut(attribute))
			}
		}
	}
	list, next := page(p, list, func(x types.Attribute) string { return arn.Name(*x.TargetId) + " " + *x.Name }, cmp.Compare[string])
	return &ecs.ListAttributesOutput{Attributes: list, NextToken: next}, nil
}
