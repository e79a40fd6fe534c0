package live

import (
	"fmt"
	"slices"
	"strings"

	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// Subject is what logs are asked of: a service or a task, by ARN, and perhaps one container of it.
type Subject struct {
	Service   string
	Task      string
	Container string // "" for all
}

// Find finds what a person means: SERVICE, CLUSTER/SERVICE, a task's id or the beginning of it, or an ARN, each perhaps
// with /CONTAINER behind it. The error is a *model.Error that says what there is.
func Find(v *store.View, ref string) (Subject, error) {
	found := find(v, ref)
	if at := strings.LastIndexByte(ref, '/'); len(found) == 0 && at > 0 {
		found = find(v, ref[:at])
		for i := range found {
			if err := found[i].narrow(v, ref[at+1:]); err != nil {
				return Subject{}, err
			}
		}
	}
	switch len(found) {
	case 0:
		return Subject{}, unknown(v, ref)
	case 1:
		return found[0], nil
	}
	names := make([]string, 0, candidates)
	for _, s := range found[:min(len(found), candidates)] {
		names = append(names, s.name())
	}
	return Subject{}, model.InvalidParameter(fmt.Sprintf("%q may mean %d things; say which: %s", ref, len(found), strings.Join(names, ", ")))
}

const (
	candidates  = 8 // that an error names
	shortestRef = 4 // characters of a task's id
)

// name is how the subject can be named without doubt.
func (s Subject) name() string {
	if s.Task != "" {
		return model.ShortID(s.Task)
	}
	_, name, _ := strings.Cut(s.Service, ":service/")
	return name
}

// find lists what a reference without a container may mean.
func find(v *store.View, ref string) (found []Subject) {
	if _, ok := v.Task(ref); ok {
		return []Subject{{Task: ref}}
	}
	for s := range v.AllServices() {
		if s.Status != model.Inactive && (s.ARN == ref || s.Name == ref || strings.HasSuffix(s.ARN, ":service/"+ref)) {
			found = append(found, Subject{Service: s.ARN})
		}
	}
	if len(found) > 0 || len(ref) < shortestRef {
		return found
	}
	for t := range v.Tasks() {
		if strings.HasPrefix(model.ShortID(t.ARN), ref) {
			found = append(found, Subject{Task: t.ARN})
		}
	}
	return found
}

// narrow limits the subject to a container.
func (s *Subject) narrow(v *store.View, container string) error {
	names := s.containers(v)
	if !slices.Contains(names, container) {
		return &model.Error{
			Code:    "ResourceNotFoundException",
			Message: fmt.Sprintf("%s has no container %q; it has: %s", s.name(), container, strings.Join(names, ", ")),
		}
	}
	s.Container = container
	return nil
}

// containers names the containers of the subject's tasks, as far as they are known.
func (s *Subject) containers(v *store.View) (names []string) {
	defs := map[string]bool{}
	if t, ok := v.Task(s.Task); ok {
		defs[t.TaskDefinition] = true
	}
	for t := range v.TasksOfService(s.Service) {
		defs[t.TaskDefinition] = true
	}
	for d := range v.Deployments(s.Service) {
		defs[d.TaskDefinition] = true
	}
	for arn := range defs {
		if def, ok := v.TaskDefinition(arn); ok {
			for i := range def.Containers {
				names = append(names, def.Containers[i].Name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// unknown says that there is no such thing, and what there is.
func unknown(v *store.View, ref string) error {
	var names []string
	for s := range v.AllServices() {
		if s.Status != model.Inactive {
			names = append(names, Subject{Service: s.ARN}.name())
		}
	}
	text := fmt.Sprintf("There is no service or task %q.", ref)
	switch n := len(names); {
	case n == 0:
		text += " There are no services; `aws ecs list-tasks` lists tasks."
	case n > candidates:
		text += fmt.Sprintf(" There are %d services, among them: %s", n, strings.Join(names[:candidates], ", "))
	default:
		text += " The services are: " + strings.Join(names, ", ")
	}
	return &model.Error{Code: "ResourceNotFoundException", Message: text}
}
