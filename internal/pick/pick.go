// Package pick finds the task and the container that a person means, who types an ARN, an id or its beginning, or the
// name of a service.
package pick

import (
	"fmt"
	"slices"
	"strings"

	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// minPrefix is how much of an id has to be typed.
const minPrefix = 4

// maxNames is how many names an error lists.
const maxNames = 10

// Choice is a task that was found.
type Choice struct {
	Task model.TaskState
	// Service is the ARN of the service by whose name the task was found: it is that one's newest. "" if the task itself
	// was named.
	Service string
}

// Task finds the running task that is meant. The error is a *model.Error that says what is there instead.
func Task(v *store.View, ref string) (Choice, error) {
	c, err := find(v, ref)
	if err != nil {
		return Choice{}, err
	}
	t := c.Task
	switch {
	case t.Stopped():
		return Choice{}, refuse("task %s is stopped%s", model.ShortID(t.ARN), because(t))
	case t.LastStatus() != model.TaskRunning:
		return Choice{}, refuse("task %s is %s: it does not run yet, or no more", model.ShortID(t.ARN), t.LastStatus())
	}
	return c, nil
}

func because(t model.TaskState) string {
	switch {
	case t.Seen.StopReason != "":
		return ": " + t.Seen.StopReason
	case t.StopReason != "":
		return ": " + t.StopReason
	}
	return ""
}

// find is Task for tasks in any state.
func find(v *store.View, ref string) (Choice, error) {
	if t, ok := v.Task(ref); ok {
		return Choice{Task: t}, nil
	}
	if services := named(v, ref); len(services) > 0 {
		return newest(v, ref, services)
	}
	if len(ref) < minPrefix {
		return Choice{}, notFound(v, ref)
	}
	var found []model.TaskState
	for t := range v.Tasks() {
		if strings.HasPrefix(model.ShortID(t.ARN), ref) {
			found = append(found, t)
		}
	}
	switch len(found) {
	case 0:
		return Choice{}, notFound(v, ref)
	case 1:
		return Choice{Task: found[0]}, nil
	}
	ids := make([]string, len(found))
	for i, t := range found {
		ids[i] = model.ShortID(t.ARN)
	}
	return Choice{}, refuse("%q begins the ids of %d tasks; say which: %s", ref, len(found), list(ids))
}

// named lists the services that have a name, a CLUSTER/NAME or an ARN.
func named(v *store.View, ref string) []*model.Service {
	if s, ok := v.Service(ref); ok {
		return []*model.Service{s}
	}
	var found []*model.Service
	for s := range v.AllServices() {
		if s.Status != model.Inactive && (s.Name == ref || strings.HasSuffix(s.ARN, ":service/"+ref)) {
			found = append(found, s)
		}
	}
	return found
}

// newest gives the newest task of a service that runs.
func newest(v *store.View, ref string, services []*model.Service) (Choice, error) {
	if len(services) > 1 {
		names := make([]string, len(services))
		for i, s := range services {
			_, names[i], _ = strings.Cut(s.ARN, ":service/")
		}
		return Choice{}, refuse("%q is the name of %d services; say which: %s", ref, len(services), list(names))
	}
	c := Choice{Service: services[0].ARN}
	for t := range v.TasksOfService(c.Service) {
		if t.Running() && (c.Task.Task == nil || t.Seen.StartedAt.After(c.Task.Seen.StartedAt)) {
			c.Task = t
		}
	}
	if c.Task.Task == nil {
		return Choice{}, refuse("service %s has no running task; `maitred why %s` tells why", services[0].Name, ref)
	}
	return c, nil
}

// Container gives the name of the container of a task that is meant: "" is the only one, or the only essential one. The
// error names those that there are.
func Container(v *store.View, t model.TaskState, name string) (string, error) {
	def, ok := v.TaskDefinition(t.TaskDefinition)
	if !ok {
		return "", refuse("the task definition of task %s is no longer known", model.ShortID(t.ARN))
	}
	var names, essential []string
	for i := range def.Containers {
		names = append(names, def.Containers[i].Name)
		if def.Containers[i].Essential {
			essential = append(essential, def.Containers[i].Name)
		}
	}
	switch {
	case name == "" && len(names) == 1:
		return names[0], nil
	case name == "" && len(essential) == 1:
		return essential[0], nil
	case name == "":
		return "", refuse("task %s has several containers; say which: %s", model.ShortID(t.ARN), list(names))
	case !slices.Contains(names, name):
		return "", refuse("task %s has no container %q; it has: %s", model.ShortID(t.ARN), name, list(names))
	}
	for _, c := range t.Seen.Containers {
		if c.Name == name && c.Status != model.TaskRunning {
			return "", refuse("container %s of task %s is %s", name, model.ShortID(t.ARN), c.Status)
		}
	}
	return name, nil
}

func notFound(v *store.View, ref string) error {
	var names []string
	for s := range v.AllServices() {
		if s.Status == model.Active {
			names = append(names, s.Name)
		}
	}
	text := fmt.Sprintf("there is no task or service %q", ref)
	if len(names) > 0 {
		text += "; the services are: " + list(names)
	}
	return &model.Error{Code: "ResourceNotFoundException", Message: text}
}

func refuse(format string, args ...any) error {
	return model.InvalidParameter(fmt.Sprintf(format, args...))
}

// list joins names, the first ones of very many.
func list(names []string) string {
	if len(names) > maxNames {
		return strings.Join(names[:maxNames], ", ") + " …"
	}
	return strings.Join(names, ", ")
}
