package control

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// LogGroupsMax is how many log groups a region may have: agents look at all of them. At AWS the quota is a million.
const LogGroupsMax = 10_000

// NewLogGroup is what CreateLogGroup asks for.
type NewLogGroup struct {
	Name string
	Tags []model.Tag
}

// CreateLogGroup makes a log group whose events are kept for ever ("CreateLogGroup").
func CreateLogGroup(tx *store.Tx, call Call, in NewLogGroup) error {
	if problem := model.LogGroupNameProblem(in.Name); problem != "" {
		return model.InvalidParameter("logGroupName: " + problem + ".")
	}
	if _, ok := tx.View().LogGroup(call.Region, in.Name); ok {
		return refused("ResourceAlreadyExistsException", "The specified log group already exists")
	}
	n := 0
	for range tx.View().LogGroups(call.Region, "") {
		n++
	}
	if n >= LogGroupsMax {
		return refused("LimitExceededException", "There are %d log groups already; at most %d are allowed.", n, LogGroupsMax)
	}
	tx.Put(&model.LogGroup{Region: call.Region, Name: in.Name, Tags: in.Tags, CreatedAt: call.Now})
	return nil
}

// EnsureLogGroup makes a log group unless there is one, as a container with awslogs-create-group does.
func EnsureLogGroup(tx *store.Tx, region, name string, now time.Time) error {
	if _, ok := tx.View().LogGroup(region, name); ok {
		return nil
	}
	return CreateLogGroup(tx, Call{Scope: arn.Scope{Region: region}, Now: now}, NewLogGroup{Name: name})
}

// FindLogGroup finds a log group by name.
func FindLogGroup(v *store.View, region, name string) (*model.LogGroup, error) {
	g, ok := v.LogGroup(region, name)
	if !ok {
		return nil, refused("ResourceNotFoundException", "The specified log group does not exist.")
	}
	return g, nil
}

// DeleteLogGroup deletes a log group. Those who keep its events drop them when they see that it is gone
// ("DeleteLogGroup").
func DeleteLogGroup(tx *store.Tx, call Call, name string) error {
	g, err := FindLogGroup(tx.View(), call.Region, name)
	if err != nil {
		return err
	}
	tx.Delete(g.Key())
	return nil
}

// Retentions lists for how many days events may be kept ("PutRetentionPolicy").
func Retentions() []int {
	return []int{
		1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
	}
}

// SetRetention says for how many days the events of a group are kept, 0 for ever ("PutRetentionPolicy").
func SetRetention(tx *store.Tx, call Call, name string, days int) error {
	g, err := FindLogGroup(tx.View(), call.Region, name)
	if err != nil {
		return err
	}
	if days != 0 && !slices.Contains(Retentions(), days) {
		return model.InvalidParameter(fmt.Sprintf("retentionInDays should be one of %s, got %d.",
			strings.ReplaceAll(strings.Trim(fmt.Sprint(Retentions()), "[]"), " ", ", "), days))
	}
	changed := *g
	changed.RetentionDays = days
	tx.Put(&changed)
	return nil
}

// TagLogGroup adds tags to a log group ("TagResource").
func TagLogGroup(tx *store.Tx, call Call, name string, add []model.Tag) error {
	g, err := FindLogGroup(tx.View(), call.Region, name)
	if err != nil {
		return err
	}
	changed := *g
	changed.Tags = mergeTags(g.Tags, add)
	if n := countTags(changed.Tags); n > TagsMax {
		return refused("TooManyTagsException", "The log group would have %d tags; at most %d are allowed.", n, TagsMax)
	}
	tx.Put(&changed)
	return nil
}

// UntagLogGroup removes tags from a log group by their keys ("UntagResource").
func UntagLogGroup(tx *store.Tx, call Call, name string, keys []string) error {
	g, err := FindLogGroup(tx.View(), call.Region, name)
	if err != nil {
		return err
	}
	changed := *g
	changed.Tags = slices.DeleteFunc(slices.Clone(g.Tags), func(t model.Tag) bool { return slices.Contains(keys, t.Key) })
	tx.Put(&changed)
	return nil
}

// LogsKeptFrom is the time of the oldest event that a group keeps now, in milliseconds since 1970; 0 if it keeps all.
func LogsKeptFrom(g *model.LogGroup, now time.Time) int64 {
	if g.RetentionDays == 0 {
		return 0
	}
	return now.AddDate(0, 0, -g.RetentionDays).UnixMilli()
}
