package cloudwatch

import (
	"cmp"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/maitred/maitred/internal/api/constraint"
	"github.com/maitred/maitred/internal/api/wire"
	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
)

// validation is the code for a bad value.
const validation constraint.Code = "ValidationError"

// invalid refuses a bad value of an operation on alarms, and of GetMetricData.
func invalid(format string, args ...any) *wire.Error {
	return wire.Errorf(string(validation), format, args...)
}

// badValue refuses a bad value of the older operations on metrics.
func badValue(format string, args ...any) *wire.Error {
	return wire.Errorf(invalidParameter, format, args...)
}

// badCombination refuses parameters that do not go together.
func badCombination(format string, args ...any) *wire.Error {
	return wire.Errorf(invalidCombination, format, args...)
}

// unsupported refuses what CloudWatch has and this version has not.
func unsupported(what, instead string) *wire.Error {
	return invalid("%s is not supported by this version of maitred: %s", what, instead)
}

// broken says in AWS's words that a member breaks a rule of the API's model.
func broken(member, value, rule string) *wire.Error {
	return validation.Broken(member, value, rule)
}

func quoted(value string) string { return constraint.Quoted(value) }

// text checks the length of a text in characters.
func text(member, value string, least, most int) error {
	switch n := utf8.RuneCountInString(value); {
	case n == 0 && least > 0:
		return broken(member, "null", "not be null")
	case n > most:
		return broken(member, quoted(value), fmt.Sprintf("have length less than or equal to %d", most))
	}
	return nil
}

// count checks the length of a list.
func count(member string, n, most int) error {
	if n > most {
		return broken(member, fmt.Sprintf("'[%d members]'", n), fmt.Sprintf("have length less than or equal to %d", most))
	}
	return nil
}

// number checks a number that is given.
func number(member string, n *int32, least, most int) error {
	return validation.Number(member, n, least, most)
}

// checkEnum refuses a value that is given and no member of its enumeration.
func checkEnum[E constraint.Enumeration[E]](member string, value E) error {
	return constraint.Enum(validation, member, value)
}

// first gives the first of several errors.
func first(errs ...error) error { return cmp.Or(errs...) }

// The bounds of tags ("Tag").
const (
	tagKeyMax   = 128
	tagValueMax = 256
)

// tagsIn checks tags that are given.
func tagsIn(in []types.Tag) ([]model.Tag, error) {
	var tags []model.Tag
	for _, t := range in {
		key, value := aws.ToString(t.Key), aws.ToString(t.Value)
		switch {
		case text("tags.member.key", key, 1, tagKeyMax) != nil:
			return nil, text("tags.member.key", key, 1, tagKeyMax)
		case text("tags.member.value", value, 0, tagValueMax) != nil:
			return nil, text("tags.member.value", value, 0, tagValueMax)
		case control.ReservedTag(key):
			return nil, invalid("The tag key '%s' is not valid: aws: is reserved for AWS", key)
		case slices.ContainsFunc(tags, func(t model.Tag) bool { return t.Key == key }):
			return nil, invalid("The tag key '%s' is given more than once", key)
		}
		tags = append(tags, model.Tag{Key: key, Value: value})
	}
	if len(tags) > control.TagsMax {
		return nil, invalid("There are %d tags; at most %d are allowed", len(tags), control.TagsMax)
	}
	return tags, nil
}

func tagsOut(tags []model.Tag) []types.Tag {
	out := make([]types.Tag, 0, len(tags))
	for _, t := range tags {
		out = append(out, types.Tag{Key: aws.String(t.Key), Value: aws.String(t.Value)})
	}
	return out
}
