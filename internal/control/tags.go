package control

import (
	"fmt"
	"slices"
	"strings"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// TagsMax is how many tags a resource may have, those of ECS itself not counted ("Tagging Amazon ECS resources").
const TagsMax = 50

// Tags gives the tags of a resource by ARN.
func Tags(v *store.View, resource string) ([]model.Tag, error) {
	_, tags, err := tagged(v, resource)
	if err != nil {
		return nil, err
	}
	return *tags, nil
}

// Tag adds tags to a resource (given by ARN); those that it has under the same keys get the new values ("TagResource").
func Tag(tx *store.Tx, resource string, add []model.Tag) error {
	record, tags, err := tagged(tx.View(), resource)
	if err != nil {
		return err
	}
	*tags = mergeTags(*tags, add)
	if n := countTags(*tags); n > TagsMax {
		return model.InvalidParameter(fmt.Sprintf("tags: the resource would have %d tags; at most %d are allowed.", n, TagsMax))
	}
	tx.Put(record)
	return nil
}

// Untag removes tags from a resource (given by ARN) by their keys ("UntagResource").
func Untag(tx *store.Tx, resource string, keys []string) error {
	record, tags, err := tagged(tx.View(), resource)
	if err != nil {
		return err
	}
	*tags = slices.DeleteFunc(slices.Clone(*tags), func(t model.Tag) bool { return slices.Contains(keys, t.Key) })
	tx.Put(record)
	return nil
}

func mergeTags(old, add []model.Tag) []model.Tag {
	merged := slices.Clone(old)
	for _, t := range add {
		if i := slices.IndexFunc(merged, func(x model.Tag) bool { return x.Key == t.Key }); i >= 0 {
			merged[i] = t
		} else {
			merged = append(merged, t)
		}
	}
	return merged
}

// countTags counts the tags of the user.
func countTags(tags []model.Tag) int {
	n := 0
	for _, t := range tags {
		if !ReservedTag(t.Key) {
			n++
		}
	}
	return n
}

// ReservedTag says whether a key belongs to AWS.
func ReservedTag(key string) bool { return len(key) >= 4 && strings.EqualFold(key[:4], "aws:") }

// tagged finds a resource that has tags and copies it: the copy's tags may be replaced, and the copy put.
func tagged(v *store.View, resource string) (model.Record, *[]model.Tag, error) {
	a, ok := arn.Parse(resource)
	if !ok || a.Service != "ecs" {
		return nil, nil, model.InvalidParameter("resourceArn: " + quote(resource) + " is not the ARN of an Amazon ECS resource.")
	}
	switch a.Type {
	case "cluster":
		return taggedCluster(v, resource)
	case "task-definition":
		return taggedDefinition(v, resource)
	case "service", "task", "container-instance":
		if !strings.Contains(a.ID, "/") {
			return nil, nil, model.InvalidParameter("Long arn format must be used for tagging operations: resourceArn " + quote(resource) + ".")
		}
		return taggedMember(v, a.Type, resource)
	}
	return nil, nil, model.InvalidParameter("resourceArn: resources of the type " + quote(a.Type) + " cannot be tagged; " +
		"cluster, service, task, task-definition and container-instance can.")
}

func taggedCluster(v *store.View, resource string) (model.Record, *[]model.Tag, error) {
	old, ok := v.Cluster(resource)
	if !ok {
		return nil, nil, model.ClusterNotFound()
	}
	if old.Status != model.Active {
		return nil, nil, gone("cluster", "inactive", "active")
	}
	c := *old
	return &c, &c.Tags, nil
}

func taggedDefinition(v *store.View, resource string) (model.Record, *[]model.Tag, error) {
	old, ok := v.TaskDefinition(resource)
	if !ok {
		return nil, nil, missing("task definition")
	}
	if old.Status != model.Active {
		return nil, nil, gone("task definition", "inactive", "active")
	}
	d := *old
	return &d, &d.Tags, nil
}

func taggedMember(v *store.View, kind, resource string) (model.Record, *[]model.Tag, error) {
	switch kind {
	case "service":
		old, ok := v.Service(resource)
		if !ok || old.Status == model.Inactive {
			return nil, nil, missing("service")
		}
		s := *old
		return &s, &s.Tags, nil
	case "task":
		old, ok := v.Task(resource)
		if !ok {
			return nil, nil, missing("task")
		}
		if old.Stopped() || old.Desired == model.TaskStopped {
			return nil, nil, gone("task", "stopped", "running")
		}
		t := *old.Task
		return &t, &t.Tags, nil
	}
	old, ok := v.Instance(resource)
	if !ok || old.Status == model.Inactive {
		return nil, nil, missing("container instance")
	}
	i := *old
	return &i, &i.Tags, nil
}

func missing(what string) error {
	return model.InvalidParameter("The specified " + what + " was not found. Check resourceArn.")
}

func gone(what, is, not string) error {
	return model.InvalidParameter("The specified " + what + " is " + is + ". Specify " + article(not) + " " + what + " and try again.")
}

func article(word string) string {
	if strings.ContainsRune("aeiou", rune(word[0])) {
		return "an " + word
	}
	return "a " + word
}

func quote(s string) string { return fmt.Sprintf("%.200q", s) }
