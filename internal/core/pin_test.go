package core

import (
	"iter"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/maitred/maitred/internal/model"
)

// tasksView is a view of one task definition and some tasks of it.
type tasksView struct {
	View
	def   *model.TaskDefinition
	tasks []model.TaskState
}

func (v tasksView) TaskDefinition(string) (*model.TaskDefinition, bool) { return v.def, v.def != nil }

func (v tasksView) TasksOfService(string) iter.Seq[model.TaskState] { return slices.Values(v.tasks) }

// found is a task of a deployment that found digests behind its images, created some seconds after the first.
func found(deployment string, after int, images ...string) model.TaskState {
	t := model.TaskState{Task: &model.Task{Deployment: deployment, CreatedAt: time.Unix(int64(after), 0)}, Seen: &model.Observed{}}
	for i := 0; i < len(images); i += 2 {
		t.Seen.Containers = append(t.Seen.Containers, model.ObservedContainer{Name: images[i], Image: images[i+1]})
	}
	return t
}

func TestPin(t *testing.T) {
	t.Parallel()
	two := &model.TaskDefinition{Containers: []model.ContainerDefinition{{Name: "a", Image: "a:1"}, {Name: "b", Image: "b:1"}}}
	for name, tc := range map[string]struct {
		def   *model.TaskDefinition
		bound map[string]string
		tasks []model.TaskState
		want  map[string]string // nil: nothing changes
	}{
		"nothing seen":     {two, nil, []model.TaskState{{Task: &model.Task{Deployment: "d"}}}, nil},
		"no digest":        {two, nil, []model.TaskState{found("d", 0, "a", "", "b", "4711")}, nil},
		"another's":        {two, nil, []model.TaskState{found("e", 0, "a", "sha256:1")}, nil},
		"no definition":    {nil, nil, []model.TaskState{found("d", 0, "a", "sha256:1")}, nil},
		"unknown names":    {two, nil, []model.TaskState{found("d", 0, "c", "sha256:1")}, nil},
		"both":             {two, nil, []model.TaskState{found("d", 0, "a", "sha256:1", "b", "sha256:2")}, map[string]string{"a": "sha256:1", "b": "sha256:2"}},
		"one after other":  {two, map[string]string{"a": "sha256:1"}, []model.TaskState{found("d", 0, "a", "sha256:1", "b", "sha256:2")}, map[string]string{"a": "sha256:1", "b": "sha256:2"}},
		"never another":    {two, map[string]string{"a": "sha256:1"}, []model.TaskState{found("d", 0, "a", "sha256:9")}, nil},
		"the first counts": {two, nil, []model.TaskState{found("d", 2, "a", "sha256:2"), found("d", 1, "a", "sha256:1"), found("d", 1, "a", "sha256:3")}, map[string]string{"a": "sha256:1"}},
		"not those that are exact, or free": {
			&model.TaskDefinition{Containers: []model.ContainerDefinition{
				{Name: "a", Image: "a@sha256:1"}, {Name: "b", Image: "b", Unpinned: true}, {Name: "c", Image: "c"},
			}},
			nil,
			[]model.TaskState{found("d", 0, "a", "sha256:1", "b", "sha256:2", "c", "sha256:3")},
			map[string]string{"c": "sha256:3"},
		},
	} {
		updated := time.Unix(1, 0)
		d := &model.Deployment{ID: "d", Images: tc.bound, UpdatedAt: updated}
		w := &work{
			step: &step{View: tasksView{def: tc.def, tasks: tc.tasks}, in: Input{Now: time.Unix(9, 0)}},
			svc:  &model.Service{}, primary: d, edited: map[string]*model.Deployment{},
		}
		w.pin()
		written := w.written(d)
		if (written == nil) != (tc.want == nil) {
			t.Errorf("%s: the deployment is written as %+v, want one with images %v", name, written, tc.want)
			continue
		}
		want := tc.bound
		if tc.want != nil {
			want = tc.want
			if !written.UpdatedAt.Equal(updated) {
				t.Errorf("%s: updated at %s, want %s: digests are no update", name, written.UpdatedAt, updated)
			}
			if diff := cmp.Diff(want, written.Images); diff != "" {
				t.Errorf("%s: written (-want +got):\n%s", name, diff)
			}
		}
		if diff := cmp.Diff(want, w.images(d)); diff != "" {
			t.Errorf("%s: a new task has (-want +got):\n%s", name, diff)
		}
		if len(d.Images) != len(tc.bound) {
			t.Errorf("%s: the view's own record has become %v", name, d.Images)
		}
	}
}
