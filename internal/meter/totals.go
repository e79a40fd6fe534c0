package meter

import (
	"cmp"
	"maps"
	"slices"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/meter/exposition"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/reading"
	"github.com/maitred/maitred/internal/store"
)

// totals are what was collected since the collector began, and the last that each source told.
type totals struct {
	tasks     map[sourceID][]taskNow
	groups    map[sourceID][]reading.Group
	listeners map[sourceID][]reading.Listener
	flowing   map[sourceID][]reading.Flow

	requests map[wayKey]*reading.Requests
	flows    map[flowKey]*reading.Flows
	opened   map[string]int64 // connections to Application Load Balancers, by ARN
}

// wayKey is a load balancer and one of its target groups, or "" for what got none; ARNs.
type wayKey struct{ balancer, group string }

// flowKey is a load balancer (by ARN) and a protocol.
type flowKey struct{ balancer, protocol string }

// taskNow is what a task used in the last second.
type taskNow struct {
	facts
	reading.Task
}

func newTotals() totals {
	return totals{
		tasks: map[sourceID][]taskNow{}, groups: map[sourceID][]reading.Group{}, listeners: map[sourceID][]reading.Listener{},
		flowing: map[sourceID][]reading.Flow{}, requests: map[wayKey]*reading.Requests{}, flows: map[flowKey]*reading.Flows{},
		opened: map[string]int64{},
	}
}

// count adds a frame to the totals.
func (c *Collector) count(v *store.View, src *source, f *reading.Frame) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := &c.totals
	if !src.id.balancer {
		now := make([]taskNow, 0, len(f.Tasks))
		for _, task := range f.Tasks {
			if facts, ok := factsOf(v, task.ARN); ok {
				now = append(now, taskNow{facts, task})
			}
		}
		t.tasks[src.id] = now
		return
	}
	t.groups[src.id], t.listeners[src.id], t.flowing[src.id] = f.Groups, f.Listeners, f.Flows
	for i := range f.Routes {
		r := &f.Routes[i]
		at(t.requests, wayKey{arn.LoadBalancerOfListener(r.Listener), r.Group}).Add(&r.Requests)
	}
	for i := range f.Flows {
		r := &f.Flows[i]
		at(t.flows, flowKey{arn.LoadBalancerOfListener(r.Listener), r.Protocol}).Add(&r.Flows)
	}
	for _, l := range f.Listeners {
		t.opened[arn.LoadBalancerOfListener(l.ARN)] += l.New
	}
}

func at[K comparable, V any](m map[K]*V, k K) *V {
	v := m[k]
	if v == nil {
		v = new(V)
		m[k] = v
	}
	return v
}

// lose forgets what a source that has gone told last.
func (c *Collector) lose(id sourceID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.totals.tasks, id)
	delete(c.totals.groups, id)
	delete(c.totals.listeners, id)
	delete(c.totals.flowing, id)
}

// prune forgets load balancers that are not there any more.
func (t *totals) prune(v *store.View) {
	gone := func(balancer string) bool {
		_, ok := v.LoadBalancer(balancer)
		return !ok
	}
	maps.DeleteFunc(t.requests, func(k wayKey, _ *reading.Requests) bool { return gone(k.balancer) })
	maps.DeleteFunc(t.flows, func(k flowKey, _ *reading.Flows) bool { return gone(k.balancer) })
	maps.DeleteFunc(t.opened, func(k string, _ int64) bool { return gone(k) })
}

// Families is all that was collected, as Prometheus reads it: counters since the collector began, and gauges as they are
// now. Each call makes it anew; it may be called from any goroutine.
func (c *Collector) Families() []exposition.Family {
	v := c.config.Store.View()
	all := serviceFamilies(v, c.config.Desired(v))
	all = append(all, clusterFamilies(v)...)
	c.mu.Lock()
	defer c.mu.Unlock()
	t := &c.totals
	t.prune(v)
	all = append(all, t.taskFamilies()...)
	all = append(all, t.requestFamilies()...)
	all = append(all, t.connectionFamilies()...)
	return append(all, t.groupFamilies()...)
}

func gauge(name, help string) exposition.Family {
	return exposition.Family{Name: "maitred_" + name, Type: exposition.Gauge, Help: help}
}

func counter(name, help string) exposition.Family {
	return exposition.Family{Name: "maitred_" + name + "_total", Type: exposition.Counter, Help: help}
}

func serviceFamilies(v *store.View, desired func(*model.Service) int) []exposition.Family {
	want, run := gauge("service_desired_tasks", "Tasks that a service shall have."), gauge("service_running_tasks", "Tasks of a service that run.")
	wait := gauge("service_pending_tasks", "Tasks of a service that shall run and do not yet.")
	rollouts := gauge("service_deployments", "Deployments of a service that have tasks.")
	for svc := range v.AllServices() {
		if svc.Status != model.Active {
			continue
		}
		labels := []string{"region", svc.Region, "cluster", arn.Name(svc.Cluster), "service", svc.Name}
		n := countTasks(v, svc.ARN)
		want.Add(float64(desired(svc)), labels...)
		run.Add(float64(n.running), labels...)
		wait.Add(float64(n.pending), labels...)
		rollouts.Add(float64(deployments(v, svc.ARN)), labels...)
	}
	return []exposition.Family{want, run, wait, rollouts}
}

func clusterFamilies(v *store.View) []exposition.Family {
	instances := gauge("cluster_container_instances", "Container instances of a cluster.")
	tasks := gauge("cluster_running_tasks", "Tasks of a cluster that run.")
	cpu := gauge("cluster_cpu_cores", "Cores that container instances of a cluster have, and that its tasks have reserved.")
	memory := gauge("cluster_memory_bytes", "Memory that container instances of a cluster have, and that its tasks have reserved.")
	for cluster := range v.Clusters() {
		if cluster.Status != model.Active {
			continue
		}
		labels := []string{"region", cluster.Region, "cluster", cluster.Name}
		u := useOf(v, cluster.ARN)
		instances.Add(float64(u.instances), labels...)
		tasks.Add(float64(u.tasks), labels...)
		for i, r := range []model.Resources{u.registered, u.reserved} {
			labels := append(slices.Clip(labels), "state", []string{"registered", "reserved"}[i])
			cpu.Add(float64(r.CPU)/unitsPerCore, labels...)
			memory.Add(float64(r.Memory)*mib, labels...)
		}
	}
	return []exposition.Family{instances, tasks, cpu, memory}
}

func (t *totals) taskFamilies() []exposition.Family {
	total := counter("task_cpu_seconds", "Processor time of the containers of a task that run, since each began.")
	cores := gauge("task_cpu_cores", "Cores that a task used in the last second.")
	reserved := gauge("task_cpu_reserved_cores", "Cores that a task has reserved.")
	memory := gauge("task_memory_bytes", "Memory that a task uses.")
	size := gauge("task_memory_reserved_bytes", "Memory that a task has reserved.")
	network := counter("task_network_bytes", "Bytes that went through the networks of a task, since each was made.")
	disk := counter("task_disk_bytes", "Bytes that the containers of a task that run have read and written on block devices, since each began.")
	for id, tasks := range ordered(t.tasks) {
		for i := range tasks {
			n := &tasks[i]
			labels := []string{
				"region", n.region, "cluster", n.subject.cluster, "service", n.subject.service, "family", n.family,
				"task", n.subject.task, "machine", id.id,
			}
			with := func(more ...string) []string { return append(slices.Clip(labels), more...) }
			if n.Network != nil {
				network.Add(float64(n.Network.Received), with("direction", "in")...)
				network.Add(float64(n.Network.Sent), with("direction", "out")...)
			}
			if n.Disk != nil {
				disk.Add(float64(n.Disk.Read), with("operation", "read")...)
				disk.Add(float64(n.Disk.Written), with("operation", "write")...)
			}
			total.Add(n.CPU, labels...)
			cores.Add(n.Cores, labels...)
			memory.Add(float64(n.Memory), labels...)
			reserved.Add(float64(n.cpu)/unitsPerCore, labels...)
			size.Add(float64(n.memory)*mib, labels...)
		}
	}
	return []exposition.Family{total, cores, reserved, memory, size, network, disk}
}

// ordered goes through a map of sources in their order.
func ordered[V any](m map[sourceID]V) func(func(sourceID, V) bool) {
	return func(yield func(sourceID, V) bool) {
		keys := slices.SortedFunc(maps.Keys(m), func(a, b sourceID) int { return cmp.Compare(a.id, b.id) })
		for _, k := range keys {
			if !yield(k, m[k]) {
				return
			}
		}
	}
}
