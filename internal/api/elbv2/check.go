package elbv2

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/maitred/maitred/internal/api/constraint"
	"github.com/maitred/maitred/internal/api/wire"
	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
)

// validation is the code for a bad value.
const validation constraint.Code = "ValidationError"

// invalid refuses a bad value.
func invalid(format string, args ...any) *wire.Error {
	return wire.Errorf(string(validation), format, args...)
}

// unsupported refuses what ELB has and this version has not.
func unsupported(what, instead string) *wire.Error {
	return wire.Errorf("InvalidConfigurationRequest", "%s is not supported by this version of maitred: %s", what, instead)
}

// null refuses a member that is missing.
func null(member string) *wire.Error { return validation.Null(member) }

// required wants a member to be given. It is called with its name and its value in turn.
func required(members ...string) error {
	for i := 0; i+1 < len(members); i += 2 {
		if members[i+1] == "" {
			return null(members[i])
		}
	}
	return nil
}

// checkEnum refuses a value that is given and no member of its enumeration.
func checkEnum[E constraint.Enumeration[E]](member string, value E) error {
	return constraint.Enum(validation, member, value)
}

// number checks a number that is given.
func number(member string, n *int32, least, most int) error {
	return validation.Number(member, n, least, most)
}

// first gives the first of several errors.
func first(errs ...error) error { return cmp.Or(errs...) }

const (
	nameMax = 32
	portMax = 65535
)

// checkName checks the name of a load balancer or target group.
func checkName(what, name string) error {
	switch {
	case len(name) > nameMax:
		return invalid("%s name '%.100s' cannot be longer than '%d' characters", what, name, nameMax)
	case strings.ContainsFunc(name, func(r rune) bool { return !alphanumeric(r) && r != '-' }):
		return invalid("%s name '%s' can only contain characters that are alphanumeric characters and hyphens(-)", what, name)
	case strings.HasPrefix(name, "-") || strings.HasSuffix(name, "-"):
		return invalid("%s name '%s' cannot begin or end with a hyphen(-)", what, name)
	}
	return nil
}

func alphanumeric(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
}

// The bounds of tags ("Tag").
const (
	tagKeyMax   = 128
	tagValueMax = 256
)

// tagText is what keys and values of tags are made of ("Tag").
var tagText = regexp.MustCompile(`^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$`)

// tagsIn checks tags that are given.
func tagsIn(in []elb.Tag) ([]model.Tag, error) {
	var tags []model.Tag
	for _, t := range in {
		key, value := aws.ToString(t.Key), aws.ToString(t.Value)
		switch {
		case key == "":
			return nil, null("tags.member.key")
		case control.ReservedTag(key):
			return nil, invalid("The tag key '%.150s' is reserved: keys may not begin with 'aws:'", key)
		case len([]rune(key)) > tagKeyMax || !tagText.MatchString(key):
			return nil, invalid("The tag key '%.150s' is not valid: it has at most %d letters, digits, spaces and _.:/=+-@", key, tagKeyMax)
		case len([]rune(value)) > tagValueMax || !tagText.MatchString(value):
			return nil, invalid("The value of the tag '%s' is not valid: it has at most %d letters, digits, spaces and _.:/=+-@", key, tagValueMax)
		case slices.ContainsFunc(tags, func(old model.Tag) bool { return old.Key == key }):
			return nil, wire.Errorf("DuplicateTagKeys", "The tag key '%s' was specified more than once", key)
		}
		tags = append(tags, model.Tag{Key: key, Value: value})
	}
	if len(tags) > control.TagsMax {
		return nil, wire.Errorf("TooManyTags", "%d tags were specified; at most %d are allowed", len(tags), control.TagsMax)
	}
	return tags, nil
}

func tagsOut(tags []model.Tag) []elb.Tag {
	out := []elb.Tag{}
	for _, t := range tags {
		out = append(out, elb.Tag{Key: aws.String(t.Key), Value: aws.String(t.Value)})
	}
	return out
}
