package core_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/cockroachdb/datadriven"

	"github.com/maitred/maitred/internal/model"
)

// show prints something of the world.
func (s *story) show(d *datadriven.TestData) string {
	switch d.Cmd {
	case "tasks":
		return s.listTasks()
	case "images":
		return s.listImages()
	case "deployments":
		return s.listDeployments(service(first(d)))
	case "events":
		return s.listEvents(service(first(d)))
	case "why":
		return s.why(first(d))
	case "note":
		return ""
	}
	d.Fatalf(s.t, "unknown command %s", d.Cmd)
	return ""
}

// news is what services said since the last time, and how those are that changed.
func (s *story) news() string {
	var out strings.Builder
	v := s.store.View()
	for svc := range v.AllServices() {
		events := slices.Collect(v.Events(svc.ARN))
		for _, e := range slices.Backward(events) {
			if e.Number > s.said[svc.ARN] {
				s.said[svc.ARN] = e.Number
				out.WriteString("  " + s.short(e.Message) + "\n")
			}
		}
	}
	for svc := range v.AllServices() {
		if now := s.state(svc); now != s.shown[svc.ARN] {
			s.shown[svc.ARN] = now
			out.WriteString(now)
		}
	}
	now := s.describe(func(t model.TaskState) bool { return t.Service == "" })
	if now != s.shown[""] {
		s.shown[""] = now
		out.WriteString("standalone: " + now + "\n")
	}
	return out.String()
}

// short puts short names in the place of ids, and leaves out what every such event says.
func (s *story) short(text string) string {
	var pairs []string
	for id, name := range s.names {
		pairs = append(pairs, id, name)
	}
	text = strings.NewReplacer(pairs...).Replace(text)
	text, _, _ = strings.Cut(text, " For more information, see")
	return text
}

// state is a service in a line: its deployments from the oldest to the newest, each with its tasks.
func (s *story) state(svc *model.Service) string {
	var parts []string
	v := s.store.View()
	deployments := slices.Collect(v.Deployments(svc.ARN))
	for _, d := range slices.Backward(deployments) {
		tasks := s.describe(func(t model.TaskState) bool { return t.Deployment == d.ID })
		if tasks == "" && d.ID != svc.Primary {
			continue
		}
		if tasks == "" {
			tasks = "no task"
		}
		parts = append(parts, fmt.Sprintf("%s %s: %s", s.name(d.ID), d.Rollout, tasks))
	}
	status := ""
	if svc.Status != model.Active {
		status = string(svc.Status) + " "
	}
	return status + strings.Join(parts, " | ") + "\n"
}

// describe lists tasks that are not over, those of a run of numbers that are alike together.
func (s *story) describe(which func(model.TaskState) bool) string {
	var list []model.TaskState
	for t := range s.store.View().Tasks() {
		if which(t) && (!t.Stopped() || t.Desired != model.TaskStopped) {
			list = append(list, t)
		}
	}
	slices.SortFunc(list, func(a, b model.TaskState) int { return strings.Compare(a.ARN, b.ARN) })
	var parts []string
	for i := 0; i < len(list); {
		n := i + 1
		for n < len(list) && word(list[n]) == word(list[i]) {
			n++
		}
		names := make([]string, 0, n-i)
		for _, t := range list[i:n] {
			names = append(names, s.name(t.ARN)+"@"+t.Machine)
		}
		parts = append(parts, strings.Join(names, " ")+" "+word(list[i]))
		i = n
	}
	return strings.Join(parts, ", ")
}

func word(t model.TaskState) string {
	word := strings.ToLower(string(t.LastStatus()))
	if t.Desired == model.TaskStopped {
		word += " but stopping"
	}
	if t.Seen != nil && t.Seen.Health != "" {
		word += " " + string(t.Seen.Health)
	}
	return word
}

func (s *story) listTasks() string {
	var out strings.Builder
	tasks := slices.SortedFunc(s.store.View().Tasks(), func(a, b model.TaskState) int { return strings.Compare(a.ARN, b.ARN) })
	for _, t := range tasks {
		fmt.Fprintf(&out, "%s on %s, %s, wanted %s", s.name(t.ARN), t.Machine, t.LastStatus(), t.Desired)
		if t.StopReason != "" {
			fmt.Fprintf(&out, ": %s: %s", t.StopCode, s.short(t.StopReason))
		}
		out.WriteString("\n")
	}
	return out.String()
}

// listImages tells what the tasks that are not over run, and what they were bound to when they were started.
func (s *story) listImages() string {
	var out strings.Builder
	tasks := slices.SortedFunc(s.store.View().Tasks(), func(a, b model.TaskState) int { return strings.Compare(a.ARN, b.ARN) })
	for _, t := range tasks {
		if t.Stopped() {
			continue
		}
		runs := "nothing"
		if t.Seen != nil && len(t.Seen.Containers) > 0 {
			runs = cmp.Or(t.Seen.Containers[0].Image, "no digest")
		}
		fmt.Fprintf(&out, "%s runs %s, bound to %s\n", s.name(t.ARN), runs, cmp.Or(t.Images["app"], "nothing"))
	}
	return out.String()
}

func (s *story) listDeployments(service string) string {
	var out strings.Builder
	for d := range s.store.View().Deployments(service) {
		current := "history"
		if d.Current {
			current = "current"
		}
		fmt.Fprintf(&out, "%s of %s: %s, %s, %s, %d failed. %s\n", s.name(d.ID), model.ShortID(d.TaskDefinition), d.Rollout, d.Status, current, d.Failed, s.short(d.StatusReason))
		if d.RolloutReason != "" {
			out.WriteString("  " + s.short(d.RolloutReason) + "\n")
		}
		if d.Failure != nil {
			s.tell(&out, "  failed", d.Failure)
		}
	}
	return out.String()
}

func (s *story) listEvents(service string) string {
	var out strings.Builder
	for e := range s.store.View().Events(service) {
		fmt.Fprintf(&out, "%d %s %s\n", e.Number, e.At.Format("15:04:05"), s.short(e.Message))
	}
	return out.String()
}

// why prints the chains of causes of a task.
func (s *story) why(name string) string {
	var out strings.Builder
	t, ok := s.store.View().Task(s.arns[name])
	if !ok {
		return "no such task\n"
	}
	s.tell(&out, "started", &t.Start)
	if t.Stop != nil {
		s.tell(&out, "stopped", t.Stop)
	}
	return out.String()
}

func (s *story) tell(out *strings.Builder, head string, c *model.Cause) {
	for _, link := range c.Chain() {
		fmt.Fprintf(out, "%s %s %s: %s\n", head, link.Kind, s.name(link.Subject), s.short(link.Detail))
		head = "  because"
	}
}
