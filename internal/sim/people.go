package sim

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// people call the API.
type people struct {
	w        *world
	programs map[string]*program // by ARN of the task definition
	services []*wish             // in the order in which they were first created
	calls    int
	families int
	answered []answered
	hand     *hand // nil: nobody registers targets by hand
}

// wish is a service that somebody asked for.
type wish struct {
	name   string
	daemon bool
	port   int  // that its tasks need on their machines, 0 for none
	apart  bool // each task on a machine of its own
	family string
	last   int // revision
	checks bool
	groups []string      // ARNs of the target groups that it may use
	idle   time.Duration // after which it sleeps; 0: never
}

// answered is a call that changed a service, and what the caller knows of it.
type answered struct {
	service string
	request string
	sure    bool // it was acknowledged, and must not be lost
}

// single says that a machine can have one task of the service at a time.
func (s *wish) single() bool { return s.port > 0 || s.apart }

func newPeople(w *world) *people { return &people{w: w, programs: map[string]*program{}} }

func (w *world) requestID() string {
	w.people.calls++
	return fmt.Sprintf("r%d", w.people.calls)
}

// found makes the cluster, as the first request does.
func (p *people) found() {
	st, err := store.OpenSync(p.w.ctx, p.w.backend, store.Scope{})
	if err != nil {
		panic(err)
	}
	defer st.Close()
	cause := model.Cause{Kind: model.CauseAPI, Subject: "CreateCluster", At: p.w.now}
	p.retry(func() error {
		var err error
		p.w.backend.as(actor{api: true}, func() {
			_, err = st.Update(p.w.ctx, func(tx *store.Tx) error {
				tx.Put(&model.Cluster{
					ARN: clusterARN(), Name: "demo", Region: region, Status: model.Active, CreatedAt: p.w.now, Cause: cause,
				})
				return nil
			})
			if err == nil {
				err = p.alarms(st)
			}
		})
		return err
	})
}

// retry does something until it works.
func (p *people) retry(do func() error) {
	for range 100 {
		if do() == nil {
			return
		}
	}
	p.w.fail("bounded work", "a call fails a hundred times in a row")
}

// begin plans what people do in the time of trouble.
func (p *people) begin() {
	for range 1 + p.w.rng.IntN(3) {
		p.w.after(p.w.between(0, 10*time.Second), p.create)
	}
	if p.w.faults.Balancers > 0 && p.w.chance(0.2) {
		p.w.after(p.w.between(0, 10*time.Second), p.hold)
	}
	for range p.w.faults.Actions {
		p.w.after(p.w.within(), func() {
			if !p.w.calm {
				p.something()
			}
		})
	}
}

// server is one that answers, nil if none does.
func (p *people) server() *server {
	for _, i := range p.w.rng.Perm(len(p.w.servers)) {
		if s := p.w.servers[i]; s.store != nil {
			if _, err := s.store.Pump(p.w.ctx); err != nil {
				panic(err)
			}
			return s
		}
	}
	return nil
}

// something does what people do.
func (p *people) something() {
	if p.server() == nil {
		return
	}
	switch n := p.w.rng.IntN(100); {
	case n < 12:
		p.create()
	case n < 30:
		p.update(func(*wish) control.ServiceUpdate { return control.ServiceUpdate{DesiredCount: p.count()} })
	case n < 50:
		p.update(func(s *wish) control.ServiceUpdate {
			td := p.define(s, p.w.chance(p.w.faults.Broken))
			return control.ServiceUpdate{TaskDefinition: &td}
		})
	case n < 55:
		p.update(func(*wish) control.ServiceUpdate { return control.ServiceUpdate{Force: true} })
	case n < 57:
		p.rebalance()
	case n < 62:
		p.update(func(s *wish) control.ServiceUpdate {
			lower, upper := p.percents(s)
			return control.ServiceUpdate{MinHealthy: &lower, MaxPercent: &upper}
		})
	case n < 68:
		p.remove()
	case n < 76:
		p.runTask()
	case n < 83:
		p.stopTask()
	case n < 86:
		p.deregisterTarget()
	case n < 89:
		p.protect()
	case n < 93:
		p.watched(n == 92)
	case n < 98:
		p.drain()
	default:
		p.deregister()
	}
}

// count draws a number of tasks.
func (p *people) count() *int {
	n := p.w.rng.IntN(6)
	if p.w.chance(0.03) {
		n = 16 + p.w.rng.IntN(24)
	}
	return &n
}

func (p *people) percents(s *wish) (lower, upper int) {
	if s.daemon || s.single() {
		return 0, 100
	}
	return pick(p.w, []int{0, 50, 66, 75, 100, 100}), pick(p.w, []int{100, 125, 133, 150, 200, 200})
}

// define registers a revision of a service's task definition, and gives its ARN.
func (p *people) define(s *wish, broken bool) string {
	w := p.w
	s.last++
	name := fmt.Sprintf("%s:%d", s.family, s.last)
	prog := &program{
		name: name, family: s.family, startsIn: w.faults.lag(200 * time.Millisecond), stopsIn: w.faults.lag(100 * time.Millisecond),
		deaf: w.chance(0.1),
	}
	if broken {
		switch n := w.rng.IntN(3); {
		case len(s.groups) > 0 && w.chance(0.3):
			prog.unready = true
		case n == 0:
			prog.cannot = true
		case n == 1:
			prog.runs = w.between(time.Second, time.Minute)
		default:
			prog.sick = s.checks
			prog.cannot = !s.checks
		}
	}
	prog.recovers = s.checks && w.chance(0.2)
	c := model.ContainerDefinition{Name: "app", Image: name, Essential: true, CPU: 128 * (1 + w.rng.IntN(2)), Memory: 64}
	if s.checks {
		c.HealthCheck = &model.HealthCheck{Command: []string{"CMD", "true"}, Interval: 10 * time.Second, Timeout: 2 * time.Second, Retries: 2}
	}
	if s.port > 0 || len(s.groups) > 0 {
		c.Ports = []model.PortMapping{{ContainerPort: 80, HostPort: s.port, Protocol: "tcp"}}
	}
	return p.register(s.family, s.last, c, prog)
}

func (p *people) register(family string, revision int, c model.ContainerDefinition, prog *program) string {
	def := &model.TaskDefinition{
		ARN: scope().TaskDefinition(prog.name), Region: region, Family: family, Revision: revision, Status: model.Active,
		NetworkMode: "bridge", Containers: []model.ContainerDefinition{c}, CreatedAt: p.w.now,
		Cause: model.Cause{Kind: model.CauseAPI, Subject: "RegisterTaskDefinition", At: p.w.now},
	}
	p.programs[def.ARN] = prog
	p.w.tell("somebody registers %s: %+v", prog.name, *prog)
	p.retry(func() error {
		s := p.server()
		if s == nil {
			s = p.w.servers[0]
			s.boot()
		}
		_, err := s.call("RegisterTaskDefinition", func(tx *store.Tx, _ control.Call) error {
			tx.Put(def)
			return nil
		})
		return err
	})
	return def.ARN
}

// create makes a service, or one anew that was deleted.
func (p *people) create() {
	srv := p.server()
	if srv == nil {
		return
	}
	var s *wish
	if n := p.w.rng.IntN(6); n < len(p.services) {
		s = p.services[n]
	} else {
		p.families++
		s = &wish{name: fmt.Sprintf("s%d", p.families), family: fmt.Sprintf("f%d", p.families), checks: p.w.chance(0.4)}
		s.daemon = !p.w.faults.Tight && p.w.chance(0.15) // no room is kept for daemons
		if !p.w.faults.Tight && p.w.chance(0.2) {
			s.port = 8000 + p.families
		}
		s.apart = !p.w.faults.Tight && !s.daemon && p.w.chance(0.2)
		if p.w.faults.Balancers > 0 && p.w.chance(0.7) {
			p.expose(s)
			p.doze(s)
		}
		p.services = append(p.services, s)
	}
	lower, upper := p.percents(s)
	in := control.NewService{
		Cluster: clusterARN(), Name: s.name, TaskDefinition: p.define(s, p.w.chance(p.w.faults.Broken)), DesiredCount: *p.count(),
		Scheduling: model.Replica, LaunchType: "EC2", MinHealthy: lower, MaxPercent: upper,
	}
	switch p.w.rng.IntN(6) {
	case 0:
		in.Strategy = []model.Strategy{{Type: model.StrategyBinpack, Field: "memory"}}
	case 1:
		in.Strategy = []model.Strategy{{Type: model.StrategyRandom}}
	}
	if s.apart {
		in.Constraints = []model.Constraint{{Type: model.DistinctInstance}}
	}
	if len(s.groups) > 0 {
		in.LoadBalancers = p.some(s)
		in.HealthGrace = pick(p.w, []time.Duration{0, 0, 15 * time.Second, time.Minute})
	}
	if s.daemon {
		in.Scheduling, in.DesiredCount, in.Strategy = model.Daemon, 0, nil
	}
	in.Monitors, in.Tags = p.monitors(), p.allow(s)
	srv = p.server()
	p.w.tell("somebody creates service %s: %d of %s, %d%% to %d%%", s.name, in.DesiredCount, model.ShortID(in.TaskDefinition), lower, upper)
	p.call(srv, "CreateService", s.name, func(tx *store.Tx, call control.Call) error {
		_, err := control.CreateService(tx, call, in)
		return err
	})
}

// call makes a call that changes a service, and remembers what the caller was told.
func (p *people) call(s *server, operation, name string, use func(*store.Tx, control.Call) error) {
	wrote := false
	request, err := s.call(operation, func(tx *store.Tx, call control.Call) error {
		wrote = true
		return use(tx, call)
	})
	var refused *model.Error
	switch {
	case errors.As(err, &refused):
		p.w.tell("  is refused: %v", err)
	case err != nil:
		p.w.tell("  and is told: %v", err)
		p.answered = append(p.answered, answered{name, request, false})
	case wrote:
		if svc, ok := s.store.View().Service(serviceARN(name)); ok && svc.Cause.ID == request {
			p.answered = append(p.answered, answered{name, request, true})
		}
	}
}

func serviceARN(name string) string { return arn.Service(clusterARN(), name) }

// active lists the services that can be changed.
func (p *people) active() (list []*wish) {
	s := p.server()
	if s == nil {
		return nil
	}
	for _, wish := range p.services {
		if svc, ok := s.store.View().Service(serviceARN(wish.name)); ok && svc.Status == model.Active {
			list = append(list, wish)
		}
	}
	return list
}

func (p *people) update(what func(*wish) control.ServiceUpdate) {
	list := p.active()
	if len(list) == 0 {
		return
	}
	p.change(pick(p.w, list), what)
}

func (p *people) change(s *wish, what func(*wish) control.ServiceUpdate) {
	in := what(s)
	if s.daemon {
		in.DesiredCount = nil
	}
	p.w.tell("somebody updates service %s: %s", s.name, described(in))
	p.call(p.server(), "UpdateService", s.name, func(tx *store.Tx, call control.Call) error {
		_, err := control.UpdateService(tx, call, serviceARN(s.name), in)
		return err
	})
}

// described says what an update changes.
func described(in control.ServiceUpdate) string {
	var parts []string
	number := func(name string, n *int) {
		if n != nil {
			parts = append(parts, fmt.Sprintf("%s=%d", name, *n))
		}
	}
	number("desired", in.DesiredCount)
	number("min", in.MinHealthy)
	number("max", in.MaxPercent)
	if in.TaskDefinition != nil {
		parts = append(parts, model.ShortID(*in.TaskDefinition))
	}
	if in.Edit != nil {
		parts = append(parts, "load balancers")
	}
	if in.Force {
		parts = append(parts, "anew")
	}
	return strings.Join(parts, " ")
}

func (p *people) remove() {
	list := p.active()
	if len(list) == 0 {
		return
	}
	s := pick(p.w, list)
	p.w.tell("somebody deletes service %s", s.name)
	p.call(p.server(), "DeleteService", s.name, func(tx *store.Tx, call control.Call) error {
		_, err := control.DeleteService(tx, call, serviceARN(s.name), true)
		return err
	})
}

// runTask starts some standalone tasks.
func (p *people) runTask() {
	p.families++
	family := fmt.Sprintf("job%d", p.families)
	prog := &program{name: family + ":1", standalone: true, startsIn: time.Second, stopsIn: time.Second, runs: p.w.between(time.Second, time.Minute)}
	c := model.ContainerDefinition{Name: "app", Essential: true, CPU: 128, Memory: 64}
	td := p.register(family, 1, c, prog)
	count := 1 + p.w.rng.IntN(3)
	p.w.tell("somebody runs %d tasks of %s", count, family)
	_, err := p.server().call("RunTask", func(tx *store.Tx, call control.Call) error {
		_, _, err := control.Run(tx, call, control.RunTask{Cluster: clusterARN(), TaskDefinition: td, Count: count, LaunchType: "EC2"})
		return err
	})
	if err != nil {
		p.w.tell("  and is told: %v", err)
	}
}

// someTask draws a task that is wanted.
func (p *people) someTask() (t model.TaskState, ok bool) {
	tasks := slices.Collect(p.server().store.View().Tasks())
	tasks = slices.DeleteFunc(tasks, func(t model.TaskState) bool { return !t.Alive() })
	if len(tasks) == 0 {
		return t, false
	}
	return pick(p.w, tasks), true
}

func (p *people) stopTask() {
	t, ok := p.someTask()
	if !ok {
		return
	}
	p.stop(t.ARN)
}

// hasty stops a task that has only just begun to run, before all others have heard of that.
func (p *people) hasty(task string) {
	if !p.w.calm && p.w.chance(0.02) {
		p.w.after(p.w.between(0, p.w.faults.lag(20*time.Millisecond)), func() {
			if p.server() != nil {
				p.stop(task)
			}
		})
	}
}

func (p *people) stop(task string) {
	p.w.tell("somebody stops task %s", short(task))
	_, _ = p.server().call("StopTask", func(tx *store.Tx, call control.Call) error {
		_, err := control.StopTask(tx, call, task, "")
		return err
	})
}

func (p *people) protect() {
	t, ok := p.someTask()
	if !ok || t.Service == "" {
		return
	}
	d := p.w.between(time.Second, 3*time.Minute)
	p.w.tell("somebody protects task %s for %v", short(t.ARN), d)
	_, _ = p.server().call("UpdateTaskProtection", func(tx *store.Tx, call control.Call) error {
		control.Protect(tx, t.ARN, call.Now.Add(d))
		return nil
	})
}

// instances lists the container instances in some states.
func (p *people) instances(states ...model.Status) (list []*model.Instance) {
	for i := range p.server().store.View().InstancesOfCluster(clusterARN()) {
		if slices.Contains(states, i.Status) {
			list = append(list, i)
		}
	}
	return list
}

// drain takes a machine out of service, or back.
func (p *people) drain() {
	list := p.instances(model.Active, model.Draining)
	if len(list) == 0 {
		return
	}
	i := pick(p.w, list)
	to := model.Draining
	if i.Status == model.Draining {
		to = model.Active
	}
	p.status(i, to)
}

func (p *people) status(i *model.Instance, to model.Status) {
	p.w.tell("somebody makes %s %s", i.Machine, to)
	_, _ = p.server().call("UpdateContainerInstancesState", func(tx *store.Tx, call control.Call) error {
		_, err := control.SetInstanceStatus(tx, call, i.ARN, to)
		return err
	})
}

// deregister gives up a machine for ever, and sets up another one in its place.
func (p *people) deregister() {
	list := p.instances(model.Active, model.Draining)
	if len(list) == 0 || len(p.w.fleet) > 8 {
		return
	}
	i := pick(p.w, list)
	p.w.tell("somebody deregisters %s", i.Machine)
	_, _ = p.server().call("DeregisterContainerInstance", func(tx *store.Tx, call control.Call) error {
		_, err := control.Deregister(tx, call, i.ARN, true)
		return err
	})
	p.w.newMachine() // it may have been carried out, whatever the answer was
}

func short(taskARN string) string { return model.ShortID(taskARN)[:6] }
