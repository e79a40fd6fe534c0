package core_test

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// each carries out several commands, one a line.
func (s *story) each(d *datadriven.TestData, do func(*datadriven.TestData) string) string {
	var out strings.Builder
	for line := range strings.Lines(d.Input) {
		cmd, args, err := datadriven.ParseLine(strings.TrimSpace(line))
		if err != nil {
			d.Fatalf(s.t, "%v", err)
		}
		out.WriteString(do(&datadriven.TestData{Pos: d.Pos, Cmd: cmd, CmdArgs: args}))
	}
	return out.String()
}

// act carries out one command, lets the scheduler settle, and tells what came of it.
func (s *story) act(d *datadriven.TestData) string {
	out := s.command(d)
	s.settle()
	s.nameTasks()
	s.rest()
	return out + s.news()
}

// command carries out one command. Those of a user:
//
//	task-definition FAMILY:REVISION cpu=N mem=N [port=N] [gpus=N] [checked] [image=NAME] [unpinned]
//	push IMAGE DIGEST   what the image's name points to from now on
//	create-service NAME td=F:R desired=N [min=N max=N] [daemon] [grace=D] [lb=(GROUP:PORT,...)] [strategy=TYPE:FIELD] [constraint=EXPR]
//	update-service NAME [td=F:R] [desired=N] [min=N] [max=N] [grace=D] [force]
//	... [breaker[=rollback]] [threshold=TYPE:N] [keep] [alarms=NAME...] [back] [bake=D]   what fails its deployments
//	stop-deployment SERVICE     alarm NAME OK|ALARM [n=N]   an alarm of so many periods of 10 seconds is, or becomes so
//	delete-service NAME [force]
//	run-task td=F:R [count=N]      stop-task TASK      protect TASK for=D
//	drain|activate MACHINE         deregister MACHINE [force]
//
// Those of machines and agents; ALL stands for every task that is concerned:
//
//	machine NAME... [cpu=N mem=N zone=Z driver=D] [gone]
//	run TASK...         tasks that shall run do so
//	finish TASK...      tasks that shall stop have done so
//	exit TASK code=N    kill TASK...    fail-start TASK... [reason=TEXT]     health TASK HEALTHY|UNHEALTHY
//	work                all of them, until there is nothing to do
//
// And those of the script: advance D; tasks; images; deployments NAME; events NAME; why TASK; said TEXT.
func (s *story) command(d *datadriven.TestData) string {
	if out, ok := s.call(d); ok {
		return out
	}
	if out, ok := s.balancing(d); ok {
		return out
	}
	if out, ok := s.watching(d); ok {
		return out
	}
	switch d.Cmd {
	case "machine":
		s.machine(d)
	case "push":
		s.pushed[first(d)] = d.CmdArgs[1].Key
	case "run":
		s.observe(d, startable, s.run)
	case "finish":
		s.observe(d, stoppable, s.finish)
	case "exit":
		s.exit(s.task(d, first(d)), number(d, "code", 0))
	case "kill":
		s.observe(d, model.TaskState.Running, func(t model.TaskState) { s.exit(t, 137) })
	case "fail-start":
		s.failStart(d)
	case "health":
		s.health(d)
	case "work":
		return s.work()
	case "advance":
		by, err := time.ParseDuration(d.CmdArgs[0].Key)
		if err != nil {
			d.Fatalf(s.t, "%v", err)
		}
		s.advance(by)
	default:
		return s.show(d)
	}
	return ""
}

// call is for commands that are calls of the API.
func (s *story) call(d *datadriven.TestData) (out string, ok bool) {
	switch d.Cmd {
	case "task-definition":
		return s.define(d), true
	case "create-service":
		return s.createService(d), true
	case "update-service":
		return s.updateService(d), true
	case "delete-service":
		return s.update("DeleteService", func(tx *store.Tx, call control.Call) error {
			_, err := control.DeleteService(tx, call, service(first(d)), d.HasArg("force"))
			return err
		}), true
	case "run-task":
		return s.runTask(d), true
	case "stop-task":
		return s.update("StopTask", func(tx *store.Tx, call control.Call) error {
			_, err := control.StopTask(tx, call, s.arns[first(d)], text(d, "reason", ""))
			return err
		}), true
	case "protect":
		return s.update("UpdateTaskProtection", func(tx *store.Tx, _ control.Call) error {
			if failure := control.Protect(tx, s.arns[first(d)], s.now.Add(duration(s, d, "for"))); failure != "" {
				return fmt.Errorf("failure: %s", failure)
			}
			return nil
		}), true
	case "drain", "activate", "deregister":
		return s.instance(d), true
	}
	return "", false
}

func first(d *datadriven.TestData) string { return d.CmdArgs[0].Key }

func text(d *datadriven.TestData, key, otherwise string) string {
	if a, ok := d.Arg(key); ok && len(a.Vals) > 0 {
		return strings.Join(a.Vals, ",")
	}
	return otherwise
}

func number(d *datadriven.TestData, key string, otherwise int) int {
	n, err := strconv.Atoi(text(d, key, strconv.Itoa(otherwise)))
	if err != nil {
		panic(err)
	}
	return n
}

func optional(d *datadriven.TestData, key string) *int {
	if !d.HasArg(key) {
		return nil
	}
	n := number(d, key, 0)
	return &n
}

func duration(s *story, d *datadriven.TestData, key string) time.Duration {
	if !d.HasArg(key) {
		return 0
	}
	by, err := time.ParseDuration(text(d, key, ""))
	if err != nil {
		d.Fatalf(s.t, "%v", err)
	}
	return by
}

// definition is a task definition of one container; which one it is, the name tells.
func (s *story) define(d *datadriven.TestData) string {
	family, revision, _ := strings.Cut(first(d), ":")
	rev, _ := strconv.Atoi(revision)
	c := model.ContainerDefinition{
		Name: "app", Image: text(d, "image", family), Unpinned: d.HasArg("unpinned"), Essential: true, CPU: number(d, "cpu", 0), Memory: number(d, "mem", 0), GPUs: number(d, "gpus", 0),
	}
	if d.HasArg("port") {
		c.Ports = []model.PortMapping{{ContainerPort: 80, HostPort: number(d, "port", 0), Protocol: "tcp"}}
	}
	if d.HasArg("checked") {
		c.HealthCheck = &model.HealthCheck{Command: []string{"CMD", "true"}, Interval: 5 * time.Second, Timeout: 2 * time.Second, Retries: 3}
	}
	return s.update("RegisterTaskDefinition", func(tx *store.Tx, call control.Call) error {
		tx.Put(&model.TaskDefinition{
			ARN: scope().TaskDefinition(first(d)), Region: region, Family: family, Revision: rev, Status: model.Active,
			NetworkMode: "bridge", Containers: []model.ContainerDefinition{c}, CreatedAt: s.now, Cause: call.Cause(first(d)),
		})
		return nil
	})
}

func (s *story) createService(d *datadriven.TestData) string {
	in := control.NewService{
		Cluster: cluster(), Name: first(d), TaskDefinition: scope().TaskDefinition(text(d, "td", "")),
		DesiredCount: number(d, "desired", 0), Scheduling: model.Replica, LaunchType: "EC2",
		MinHealthy: number(d, "min", 100), MaxPercent: number(d, "max", 200), HealthGrace: duration(s, d, "grace"),
	}
	in.Monitors = s.monitors(d, model.Monitors{})
	if d.HasArg("daemon") {
		in.Scheduling, in.MinHealthy, in.MaxPercent = model.Daemon, number(d, "min", 0), number(d, "max", 100)
	}
	in.LoadBalancers = balancers(d)
	if a := text(d, "strategy", ""); a != "" {
		kind, field, _ := strings.Cut(a, ":")
		in.Strategy = []model.Strategy{{Type: kind, Field: field}}
	}
	if a := text(d, "constraint", ""); a != "" {
		in.Constraints = []model.Constraint{{Type: model.MemberOf, Expression: a}}
	}
	if d.HasArg("distinct") {
		in.Constraints = append(in.Constraints, model.Constraint{Type: model.DistinctInstance})
	}
	return s.update("CreateService", func(tx *store.Tx, call control.Call) error {
		_, err := control.CreateService(tx, call, in)
		return err
	})
}

func (s *story) updateService(d *datadriven.TestData) string {
	in := control.ServiceUpdate{
		DesiredCount: optional(d, "desired"), MinHealthy: optional(d, "min"), MaxPercent: optional(d, "max"), Force: d.HasArg("force"),
		Edit: func(e *control.ServiceEdit) error {
			e.Service.Monitors = s.monitors(d, e.Service.Monitors)
			if d.HasArg("grace") {
				e.Service.HealthGrace = duration(s, d, "grace")
			}
			return nil
		},
	}
	if td := text(d, "td", ""); td != "" {
		td = scope().TaskDefinition(td)
		in.TaskDefinition = &td
	}
	return s.update("UpdateService", func(tx *store.Tx, call control.Call) error {
		_, err := control.UpdateService(tx, call, service(first(d)), in)
		return err
	})
}

func (s *story) runTask(d *datadriven.TestData) string {
	var failed []string
	out := s.update("RunTask", func(tx *store.Tx, call control.Call) error {
		_, failures, err := control.Run(tx, call, control.RunTask{
			Cluster: cluster(), TaskDefinition: scope().TaskDefinition(text(d, "td", "")), Count: number(d, "count", 1), LaunchType: "EC2",
		})
		failed = nil
		for _, f := range failures {
			failed = append(failed, fmt.Sprintf("%s: %s, %s\n", s.name(f.ARN), f.Reason, f.Detail))
		}
		return err
	})
	return out + strings.Join(failed, "")
}

func (s *story) instance(d *datadriven.TestData) string {
	for i := range s.store.View().InstancesOfMachine(first(d)) {
		switch d.Cmd {
		case "deregister":
			return s.update("DeregisterContainerInstance", func(tx *store.Tx, call control.Call) error {
				_, err := control.Deregister(tx, call, i.ARN, d.HasArg("force"))
				return err
			})
		default:
			status := map[string]model.Status{"drain": model.Draining, "activate": model.Active}[d.Cmd]
			return s.update("UpdateContainerInstancesState", func(tx *store.Tx, call control.Call) error {
				_, err := control.SetInstanceStatus(tx, call, i.ARN, status)
				return err
			})
		}
	}
	return "no such machine\n"
}

func (s *story) machine(d *datadriven.TestData) {
	for _, a := range d.CmdArgs {
		if len(a.Vals) == 0 && a.Key != "gone" {
			s.join(d, a.Key)
		}
	}
}

func (s *story) join(d *datadriven.TestData, id string) {
	m := &model.Machine{ID: id, JoinedAt: s.now}
	if old, ok := s.store.View().Machine(id); ok {
		m2 := *old
		m = &m2
	} else {
		m.Capacity = model.Resources{CPU: 4096, Memory: 4096}
	}
	m.Host, m.Driver = m.ID, text(d, "driver", "fake")
	m.Capacity.CPU, m.Capacity.Memory = number(d, "cpu", m.Capacity.CPU), number(d, "mem", m.Capacity.Memory)
	if zone := text(d, "zone", m.Zone()); zone != "" {
		m.Attributes = map[string]string{model.AttributeZone: zone}
	}
	m.Connected, m.SeenAt, m.Address = !d.HasArg("gone"), s.now, "127.0.0.1"
	s.put(m)
	s.settle()
	for i := range s.store.View().InstancesOfMachine(m.ID) {
		s.names[model.ShortID(i.ARN)] = m.ID
	}
}

func startable(t model.TaskState) bool {
	return t.Desired == model.TaskRunning && t.LastStatus() == model.TaskPending
}

func stoppable(t model.TaskState) bool {
	return t.Desired == model.TaskStopped && !t.Stopped() && (t.Drained || t.DrainBy.IsZero())
}

// observe lets agents see something of the tasks that are named, or of all that are concerned.
func (s *story) observe(d *datadriven.TestData, concerned func(model.TaskState) bool, observe func(model.TaskState)) {
	for _, a := range d.CmdArgs {
		if a.Key != "ALL" {
			observe(s.task(d, a.Key))
			continue
		}
		for t := range s.store.View().Tasks() {
			if concerned(t) {
				observe(t)
			}
		}
	}
}

func (s *story) task(d *datadriven.TestData, name string) model.TaskState {
	t, ok := s.store.View().Task(s.arns[name])
	if !ok {
		d.Fatalf(s.t, "no task %s", name)
	}
	return t
}

func (s *story) seen(t model.TaskState) *model.Observed {
	if t.Seen == nil {
		return &model.Observed{Task: t.ARN, Machine: t.Machine, Status: model.TaskPending}
	}
	o := *t.Seen
	return &o
}

func (s *story) run(t model.TaskState) {
	o := s.seen(t)
	o.Status, o.StartedAt = model.TaskRunning, s.now
	o.Containers = []model.ObservedContainer{{Name: "app", Status: model.TaskRunning, Image: s.digest(t), Bindings: s.bindings(t)}}
	s.put(o)
}

// bindings are the host ports of a task: those that its definition names, else one of its own.
func (s *story) bindings(t model.TaskState) []model.PortBinding {
	def, _ := s.store.View().TaskDefinition(t.TaskDefinition)
	var all []model.PortBinding
	for _, p := range def.Containers[0].Ports {
		number, _ := strconv.Atoi(strings.TrimPrefix(s.name(t.ARN), "t"))
		all = append(all, model.PortBinding{ContainerPort: p.ContainerPort, HostPort: cmp.Or(p.HostPort, 30000+number), Protocol: "tcp"})
	}
	return all
}

// digest is that of the image that a task runs: the one that it is bound to, else what the name points to now.
func (s *story) digest(t model.TaskState) string {
	def, _ := s.store.View().TaskDefinition(t.TaskDefinition)
	return cmp.Or(t.Images["app"], s.pushed[def.Containers[0].Image])
}

func (s *story) finish(t model.TaskState) {
	o := s.seen(t)
	o.Status, o.StoppedAt = model.TaskStopped, s.now
	if !o.StartedAt.IsZero() {
		code := 143
		o.Containers = []model.ObservedContainer{{Name: "app", Status: model.TaskStopped, ExitCode: &code}}
	}
	s.put(o)
}

func (s *story) exit(t model.TaskState, code int) {
	o := s.seen(t)
	o.Status, o.StoppedAt, o.ExecutionStoppedAt = model.TaskStopped, s.now, s.now
	o.StopCode, o.StopReason = model.StopContainerExited, "Essential container in task exited"
	o.Containers = []model.ObservedContainer{{Name: "app", Status: model.TaskStopped, ExitCode: &code}}
	s.put(o)
}

func (s *story) failStart(d *datadriven.TestData) {
	var failed []model.Record
	for _, a := range d.CmdArgs {
		if a.Key == "reason" {
			continue
		}
		o := s.seen(s.task(d, a.Key))
		o.Status, o.StoppedAt, o.StopCode = model.TaskStopped, s.now, model.StopFailedToStart
		o.StopReason = text(d, "reason", "CannotStartContainerError: no such file")
		o.Containers = []model.ObservedContainer{{Name: "app", Status: model.TaskStopped, Reason: o.StopReason}}
		failed = append(failed, o)
	}
	s.put(failed...)
}

func (s *story) health(d *datadriven.TestData) {
	health := model.Health(d.CmdArgs[len(d.CmdArgs)-1].Key)
	named := &datadriven.TestData{Pos: d.Pos, CmdArgs: d.CmdArgs[:len(d.CmdArgs)-1]}
	s.observe(named, model.TaskState.Running, func(t model.TaskState) {
		o := s.seen(t)
		o.Health = health
		o.Containers = []model.ObservedContainer{{Name: "app", Status: model.TaskRunning, Health: health, Reason: "exit code 1"}}
		s.put(o)
	})
}

// work lets all agents do what they are asked to, and time pass, until nothing changes any more.
func (s *story) work() string {
	var out strings.Builder
	for range 50 {
		before := s.planned
		var todo []func()
		for t := range s.store.View().Tasks() {
			switch {
			case startable(t):
				todo = append(todo, func() { s.run(t) })
			case stoppable(t):
				todo = append(todo, func() { s.finish(t) })
			}
		}
		for _, do := range todo {
			do()
		}
		s.settle()
		s.advance(s.timings.HealthyAfter)
		s.settle()
		s.nameTasks()
		if s.planned == before && len(todo) == 0 {
			break
		}
		out.WriteString(s.news())
	}
	return out.String()
}

// nameTasks gives short names to what is new, in the order of creation.
func (s *story) nameTasks() {
	tasks := slices.SortedFunc(s.store.View().Tasks(), func(a, b model.TaskState) int { return strings.Compare(a.ARN, b.ARN) })
	for _, t := range tasks {
		if _, known := s.names[t.ARN]; !known {
			s.tasks++
			name := "t" + strconv.Itoa(s.tasks)
			s.names[t.ARN], s.names[model.ShortID(t.ARN)], s.arns[name] = name, name, t.ARN
		}
	}
	for svc := range s.store.View().AllServices() {
		deployments := slices.Collect(s.store.View().Deployments(svc.ARN))
		for i, d := range slices.Backward(deployments) {
			if _, known := s.names[d.ID]; !known {
				s.names[d.ID] = svc.Name + "-" + strconv.Itoa(len(deployments)-i)
			}
		}
	}
}

func (s *story) name(id string) string {
	if name, ok := s.names[id]; ok {
		return name
	}
	if name, ok := s.names[model.ShortID(id)]; ok {
		return name
	}
	return model.ShortID(id)
}
