package ec2

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/maitred/maitred/internal/api/paging"
	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
)

// fail is an error by EC2's name for it.
func fail(code, format string, args ...any) error {
	return &model.Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// attributes are what filters ask about a resource, by the filters' names.
type attributes map[string][]string

// tagged adds what filters ask about tags.
func (a attributes) tagged(tags []model.Tag) attributes {
	for _, t := range tags {
		a["tag:"+t.Key] = []string{t.Value}
		a["tag-key"] = append(a["tag-key"], t.Key)
	}
	return a
}

// lister chooses resources of one kind, sorted by id, and cuts them into pages.
type lister[T any] struct {
	kind       string // for "InvalidSubnetID.NotFound"
	id         func(T) string
	attributes func(T) attributes
	filters    []string // that may be asked for, beside those about tags
}

// filtersMax bounds a request ("Using filtering"): 200 values in all.
const filtersMax = 200

// choose gives the resources with the ids (all if there are none) that match all filters.
func (l lister[T]) choose(all []T, ids []string, filters []filter) ([]T, error) {
	for _, id := range ids {
		if !slices.ContainsFunc(all, func(x T) bool { return l.id(x) == id }) {
			return nil, fail(l.kind+".NotFound", "The %s '%.100s' does not exist", kinds()[l.kind], id)
		}
	}
	if err := l.check(filters); err != nil {
		return nil, err
	}
	var chosen []T
	for _, x := range all {
		if (len(ids) == 0 || slices.Contains(ids, l.id(x))) && matches(l.attributes(x), filters) {
			chosen = append(chosen, x)
		}
	}
	return chosen, nil
}

// kinds are the words for resources in "does not exist".
func kinds() map[string]string {
	return map[string]string{
		"InvalidVpcID": "vpc ID", "InvalidSubnetID": "subnet ID", "InvalidGroup": "security group",
		"InvalidSecurityGroupRuleId": "security group rule ID", "InvalidNetworkInterfaceID": "networkInterface ID",
	}
}

func (l lister[T]) check(filters []filter) error {
	n := 0
	for _, f := range filters {
		name := aws.ToString(f.Name)
		switch {
		case name == "":
			return fail("MissingParameter", "The request must contain the parameter Filter.Name")
		case len(f.Values) == 0:
			return fail("InvalidParameterValue", "The filter '%.100s' needs at least one value", name)
		case !slices.Contains(l.filters, name) && name != "tag-key" && !strings.HasPrefix(name, "tag:"):
			return fail("InvalidParameterValue", "The filter '%.100s' is invalid: it should be one of %s, tag:KEY, tag-key",
				name, strings.Join(l.filters, ", "))
		}
		n += len(f.Values)
	}
	if n > filtersMax {
		return fail("FilterLimitExceeded", "The request has %d filter values; at most %d are allowed", n, filtersMax)
	}
	return nil
}

func matches(a attributes, filters []filter) bool {
	for _, f := range filters {
		if !slices.ContainsFunc(a[*f.Name], func(value string) bool {
			return slices.ContainsFunc(f.Values, func(pattern string) bool { return wildcard(pattern, value) })
		}) {
			return false
		}
	}
	return true
}

// wildcard matches a text with a pattern in which * stands for any characters and ? for one; a backslash takes the next
// one literally ("Using filtering").
func wildcard(pattern, text string) bool {
	star, mark := -1, 0
	p, t := 0, 0
	for t < len(text) {
		switch literal := p < len(pattern) && pattern[p] == '\\' && p+1 < len(pattern); {
		case literal && pattern[p+1] == text[t]:
			p, t = p+2, t+1
		case !literal && p < len(pattern) && pattern[p] == '*':
			star, mark = p, t
			p++
		case !literal && p < len(pattern) && (pattern[p] == '?' || pattern[p] == text[t]):
			p, t = p+1, t+1
		case star >= 0:
			mark++
			p, t = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// The bounds of a page ("DescribeSubnets").
const (
	pageLeast = 5
	pageMost  = 1000
)

// cut gives a page of the chosen resources and the token of the next one, nil for the last. A token names the last
// resource of the page before, and holds for requests with the same filters.
func (l lister[T]) cut(call control.Call, chosen []T, ids []string, filters []filter, p page) ([]T, *string, error) {
	limit := pageMost
	if p.max != nil {
		limit = int(*p.max)
		switch {
		case len(ids) > 0:
			return nil, nil, fail("InvalidParameterCombination", "The parameter MaxResults cannot be used with ids")
		case limit < pageLeast || limit > pageMost:
			return nil, nil, fail("InvalidParameterValue", "Value ( %d ) for parameter maxResults is invalid. Expecting a value between %d and %d.", limit, pageLeast, pageMost)
		}
	}
	var texts []string
	for _, f := range filters {
		texts = append(texts, fmt.Sprintf("%q%q", aws.ToString(f.Name), f.Values))
	}
	query := paging.Of(call, texts...)
	after, ok := query.Key(p.token)
	if !ok {
		return nil, nil, fail("InvalidNextToken.Malformed", "The token '%.100s' is invalid", *p.token)
	}
	part, next := paging.Cut(query, chosen, l.id, strings.Compare, after, limit)
	return part, next, nil
}

func tagsOut(tags []model.Tag) []tag {
	list := []tag{}
	for _, t := range tags {
		list = append(list, tag{aws.String(t.Key), aws.String(t.Value)})
	}
	return list
}

// The bounds of tags ("Tag your Amazon EC2 resources").
const (
	tagsMax     = 50
	tagKeyMax   = 127
	tagValueMax = 255
)

// mergeTags adds tags to those of a resource, or changes them.
func mergeTags(old []model.Tag, add []tagIn) ([]model.Tag, error) {
	all := map[string]string{}
	for _, t := range old {
		all[t.Key] = t.Value
	}
	for _, t := range add {
		key, value := aws.ToString(t.Key), aws.ToString(t.Value)
		switch {
		case key == "":
			return nil, fail("InvalidParameterValue", "Tag keys cannot be empty")
		case strings.HasPrefix(strings.ToLower(key), "aws:"):
			return nil, fail("InvalidParameterValue", "Value ( %.150s ) for parameter key is invalid. Tag keys starting with 'aws:' are reserved for internal use", key)
		case len([]rune(key)) > tagKeyMax || len([]rune(value)) > tagValueMax:
			return nil, fail("InvalidParameterValue", "The tag %.150q is too long: a key has at most %d characters, a value %d", key, tagKeyMax, tagValueMax)
		}
		all[key] = value
	}
	if len(all) > tagsMax {
		return nil, fail("TagLimitExceeded", "The resource would have %d tags; at most %d are allowed", len(all), tagsMax)
	}
	var tags []model.Tag
	for _, key := range slices.Sorted(maps.Keys(all)) {
		tags = append(tags, model.Tag{Key: key, Value: all[key]})
	}
	return tags, nil
}

// tagsOf are the tags that a request gives what it makes.
func tagsOf(specs []tagSpecification, kind string) ([]model.Tag, error) {
	var tags []model.Tag
	for _, s := range specs {
		if aws.ToString(s.ResourceType) != kind {
			return nil, fail("InvalidParameterValue", "'%.100s' is not a valid taggable resource type for this operation: it is %s", aws.ToString(s.ResourceType), kind)
		}
		var err error
		if tags, err = mergeTags(tags, s.Tags); err != nil {
			return nil, err
		}
	}
	return tags, nil
}
