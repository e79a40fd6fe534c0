package storetest

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strings"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// T is what a check needs of a *testing.T or *rapid.T.
type T interface {
	Helper()
	Errorf(format string, args ...any)
}

// CheckView compares everything that a view answers with what follows from its records alone.
func CheckView(t T, v *store.View) {
	t.Helper()
	c := &checker{t: t, v: v}
	for x := range v.All() {
		c.all = append(c.all, x)
		r, version, ok := v.Get(x.Key)
		if !ok || r != x.Record || version != x.Version || v.Version(x.Key) != version {
			t.Errorf("Get(%s) = %v of version %d, %v; want that of version %d", x.Key, r, version, ok, x.Version)
		}
	}
	for _, k := range model.Kinds() {
		n := 0
		for _, x := range c.all {
			if x.Key.Kind == k {
				n++
			}
		}
		if v.Count(k) != n {
			t.Errorf("Count(%s) = %d, want %d", k, v.Count(k), n)
		}
	}
	c.tasks()
	c.services()
	c.definitions()
	c.machines()
}

type checker struct {
	t   T
	v   *store.View
	all []store.Versioned
}

// of picks the records of a type, in an order.
func of[R model.Record](c *checker, order func(a, b R) int, keep func(R) bool) []R {
	var list []R
	for _, x := range c.all {
		if r, ok := x.Record.(R); ok && keep(r) {
			list = append(list, r)
		}
	}
	slices.SortFunc(list, order)
	return list
}

func groups[R model.Record](c *checker, group func(R) string) []string {
	names := []string{"", "nobody"}
	for _, x := range c.all {
		if r, ok := x.Record.(R); ok {
			names = append(names, group(r))
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func same[R any](c *checker, what string, got iter.Seq[R], want []R) {
	c.t.Helper()
	if diff := gocmp.Diff(names(want), names(slices.Collect(got))); diff != "" {
		c.t.Errorf("%s differs (-want +got):\n%s", what, diff)
	}
}

// names shows records as they are told apart: by key and identity.
func names[R any](list []R) []string {
	shown := []string{}
	for _, r := range list {
		shown = append(shown, fmt.Sprintf("%v", r))
	}
	return shown
}

func (c *checker) tasks() {
	watched := map[string]*model.Observed{}
	for _, x := range c.all {
		if o, ok := x.Record.(*model.Observed); ok {
			watched[x.Key.Path] = o
		}
	}
	keep := func(belongs func(*model.Task) bool, order func(a, b *model.Task) int) []model.TaskState {
		var list []model.TaskState
		for _, t := range of(c, order, belongs) {
			list = append(list, model.TaskState{Task: t, Seen: watched[t.Key().Path]})
		}
		return list
	}
	byARN := func(a, b *model.Task) int {
		return cmp.Or(strings.Compare(a.ARN, b.ARN), strings.Compare(a.Machine, b.Machine))
	}
	every := func(*model.Task) bool { return true }
	same(c, "Tasks", c.v.Tasks(), keep(every, func(a, b *model.Task) int {
		return cmp.Or(strings.Compare(a.Machine, b.Machine), byARN(a, b))
	}))
	for _, g := range groups(c, func(t *model.Task) string { return t.Service }) {
		want := keep(func(t *model.Task) bool { return t.Service == g && g != "" }, byARN)
		same(c, "TasksOfService "+g, c.v.TasksOfService(g), want)
		same(c, "AppendTasksOfService "+g, slices.Values(c.v.AppendTasksOfService(nil, g)), want)
	}
	for _, g := range groups(c, func(t *model.Task) string { return t.Cluster }) {
		same(c, "TasksOfCluster "+g, c.v.TasksOfCluster(g), keep(func(t *model.Task) bool { return t.Cluster == g }, byARN))
		same(c, "StandaloneTasks "+g, c.v.StandaloneTasks(g), keep(func(t *model.Task) bool { return t.Cluster == g && t.Service == "" }, byARN))
	}
	for _, g := range groups(c, func(t *model.Task) string { return t.Machine }) {
		same(c, "TasksOnMachine "+g, c.v.TasksOnMachine(g), keep(func(t *model.Task) bool { return t.Machine == g }, byARN))
	}
	for _, want := range keep(every, byARN) {
		if got, ok := c.v.Task(want.ARN); !ok || got.ARN != want.ARN {
			c.t.Errorf("Task(%s) = %v, %v", want.ARN, got, ok)
		}
		delete(watched, want.Key().Path)
	}
	if n := len(slices.Collect(c.v.Orphans())); n != len(watched) {
		c.t.Errorf("there are %d Orphans, want %d", n, len(watched))
	}
}

func (c *checker) services() {
	arn := func(a, b *model.Service) int { return strings.Compare(a.ARN, b.ARN) }
	for _, g := range groups(c, func(s *model.Service) string { return s.Cluster }) {
		same(c, "Services "+g, c.v.Services(g), of(c, arn, func(s *model.Service) bool { return s.Cluster == g }))
	}
	for _, g := range groups(c, func(d *model.Deployment) string { return d.Service }) {
		newest := func(a, b *model.Deployment) int {
			return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), strings.Compare(b.ID, a.ID))
		}
		same(c, "Deployments "+g, c.v.Deployments(g), of(c, newest, func(d *model.Deployment) bool { return d.Service == g }))
	}
	for _, g := range groups(c, func(e *model.ServiceEvent) string { return e.Service }) {
		newest := func(a, b *model.ServiceEvent) int { return b.Number - a.Number }
		same(c, "Events "+g, c.v.Events(g), of(c, newest, func(e *model.ServiceEvent) bool { return e.Service == g }))
	}
}

func (c *checker) definitions() {
	order := func(a, b *model.TaskDefinition) int {
		return cmp.Or(strings.Compare(a.Family, b.Family), a.Revision-b.Revision, strings.Compare(a.ARN, b.ARN))
	}
	for _, g := range groups(c, func(d *model.TaskDefinition) string { return d.Region + " " + d.Family }) {
		region, family, _ := strings.Cut(g, " ")
		same(c, "Revisions "+g, c.v.Revisions(region, family), of(c, order, func(d *model.TaskDefinition) bool {
			return d.Region == region && d.Family == family
		}))
		prefix := family[:len(family)/2]
		same(c, "TaskDefinitions "+g, c.v.TaskDefinitions(region, prefix), of(c, order, func(d *model.TaskDefinition) bool {
			return d.Region == region && strings.HasPrefix(d.Family, prefix)
		}))
	}
}

func (c *checker) machines() {
	arn := func(a, b *model.Instance) int { return strings.Compare(a.ARN, b.ARN) }
	for _, g := range groups(c, func(i *model.Instance) string { return i.Cluster }) {
		same(c, "InstancesOfCluster "+g, c.v.InstancesOfCluster(g), of(c, arn, func(i *model.Instance) bool { return i.Cluster == g }))
	}
	for _, g := range groups(c, func(i *model.Instance) string { return i.Machine }) {
		same(c, "InstancesOfMachine "+g, c.v.InstancesOfMachine(g), of(c, arn, func(i *model.Instance) bool { return i.Machine == g }))
	}
}
