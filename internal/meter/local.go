package meter

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/meter/exposition"
	"github.com/maitred/maitred/internal/reading"
	"github.com/maitred/maitred/internal/store"
)

// Local is what one agent or balancer measured itself, for a Prometheus that scrapes it. Its names begin with those of the
// role, so that they are not added to what a server, which knows of all of them, tells of the same. Counters count since the
// process began. It is safe for concurrent use.
type Local struct {
	store *store.Store

	mu        sync.Mutex
	tasks     []reading.Task
	groups    []reading.Group
	listeners []reading.Listener
	flowing   []reading.Flow
	routes    map[routeKey]*reading.Requests
	latency   map[routeKey]*reading.Latency // by listener, rule and group
	flows     map[routeKey]*reading.Flows
	opened    map[string]*reading.Listener
	seen      map[routeKey]int64 // the second in which something last happened on a way, or to a listener
	now       int64              // the newest second
}

// linger is for how many seconds what happened on a way is told of when that way is gone: a scrape must not miss the last of it.
const linger = 300

// routeKey is a way through a balancer: ARNs, and the path of a target; "" for where it did not get to.
type routeKey struct{ listener, rule, group, target, protocol string }

// NewLocal makes one; the store says which tasks, listeners and targets there still are.
func NewLocal(s *store.Store) *Local {
	return &Local{
		store: s, routes: map[routeKey]*reading.Requests{}, latency: map[routeKey]*reading.Latency{},
		flows: map[routeKey]*reading.Flows{}, opened: map[string]*reading.Listener{}, seen: map[routeKey]int64{},
	}
}

// Agent takes what an agent measured in a second.
func (l *Local) Agent(f *reading.Frame) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tasks = f.Tasks
}

// Balancer takes what a balancer measured in a second.
func (l *Local) Balancer(f *reading.Frame) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.groups, l.listeners, l.flowing, l.now = f.Groups, f.Listeners, f.Flows, f.Second
	for i := range f.Routes {
		r := f.Routes[i]
		way := routeKey{listener: r.Listener, rule: r.Rule, group: r.Group}
		l.seen[way] = f.Second
		at(l.latency, way).Add(&r.Latency)
		r.Latency = reading.Latency{} // one distribution for each target would be many
		way.target = r.Target
		l.seen[way] = f.Second
		at(l.routes, way).Add(&r.Requests)
	}
	for i := range f.Flows {
		r := &f.Flows[i]
		way := flowWay(r)
		l.seen[way] = f.Second
		at(l.flows, way).Add(&r.Flows)
	}
	for _, x := range f.Listeners {
		l.seen[routeKey{listener: x.ARN}] = f.Second
		sum := at(l.opened, x.ARN)
		sum.New, sum.TLSFails = sum.New+x.New, sum.TLSFails+x.TLSFails
	}
}

func flowWay(r *reading.Flow) routeKey {
	return routeKey{listener: r.Listener, group: r.Group, target: r.Target, protocol: r.Protocol}
}

// Families is all that was measured, as Prometheus reads it.
func (l *Local) Families() []exposition.Family {
	l.mu.Lock()
	defer l.mu.Unlock()
	v := l.store.View()
	l.prune(v)
	all := agentFamilies(v, l.tasks)
	all = append(all, l.routeFamilies()...)
	all = append(all, l.flowFamilies()...)
	all = append(all, l.listenerFamilies()...)
	return append(all, localGroups(l.groups)...)
}

// prune forgets listeners, groups and targets that are not there any more: of targets there are new ones with each
// deployment.
func (l *Local) prune(v *store.View) {
	gone := func(k routeKey) bool {
		if l.now-l.seen[k] < linger {
			return false
		}
		if _, ok := v.Listener(arn.LoadBalancerOfListener(k.listener), k.listener); !ok {
			return true
		}
		if _, ok := v.TargetGroup(k.group); !ok && k.group != "" {
			return true
		}
		_, ok := v.Target(k.target)
		return !ok && k.target != ""
	}
	maps.DeleteFunc(l.routes, func(k routeKey, _ *reading.Requests) bool { return gone(k) })
	maps.DeleteFunc(l.latency, func(k routeKey, _ *reading.Latency) bool { return gone(k) })
	maps.DeleteFunc(l.flows, func(k routeKey, _ *reading.Flows) bool { return gone(k) })
	maps.DeleteFunc(l.opened, func(k string, _ *reading.Listener) bool { return gone(routeKey{listener: k}) })
	maps.DeleteFunc(l.seen, func(k routeKey, _ int64) bool { return gone(k) })
}

// agentFamilies are those of the tasks of a machine.
func agentFamilies(v *store.View, tasks []reading.Task) []exposition.Family {
	total := counter("agent_task_cpu_seconds", "Processor time of the containers of a task that run, since each began.")
	cores := gauge("agent_task_cpu_cores", "Cores that a task used in the last second.")
	reserved := gauge("agent_task_cpu_reserved_cores", "Cores that a task has reserved.")
	memory := gauge("agent_task_memory_bytes", "Memory that a task uses.")
	size := gauge("agent_task_memory_reserved_bytes", "Memory that a task has reserved.")
	for _, t := range tasks {
		f, ok := factsOf(v, t.ARN)
		if !ok {
			continue
		}
		labels := []string{
			"region", f.region, "cluster", f.subject.cluster, "service", f.subject.service, "family", f.family, "task", f.subject.task,
		}
		total.Add(t.CPU, labels...)
		cores.Add(t.Cores, labels...)
		memory.Add(float64(t.Memory), labels...)
		reserved.Add(float64(f.cpu)/unitsPerCore, labels...)
		size.Add(float64(f.memory)*mib, labels...)
	}
	return []exposition.Family{total, cores, reserved, memory, size}
}

// wayLabels are those of a way through a balancer. Where a request did not get to a part, its label is "".
func wayLabels(k *routeKey) []string {
	of := balancerSubject(k.listener)
	labels := []string{"region", of.region, "load_balancer", of.balancer, "listener", lastPart(k.listener)}
	if k.protocol != "" {
		labels = append(labels, "protocol", k.protocol)
	} else {
		labels = append(labels, "rule", lastPart(k.rule))
	}
	return append(labels, "target_group", groupSubject(k.group).group)
}

// targetLabels are those of a way to its end: a target is an address, and the task that has it, if one does.
func targetLabels(k *routeKey) []string {
	owner, _, _ := strings.Cut(strings.TrimPrefix(k.target, k.group+"/"), "/")
	return append(wayLabels(k), "target", lastPart(k.target), "task", strings.TrimPrefix(owner, "-"))
}

// lastPart is the last part of an ARN or a path.
func lastPart(of string) string { return of[strings.LastIndexByte(of, '/')+1:] }

func (l *Local) routeFamilies() []exposition.Family {
	requests := counter("lb_requests", "Requests for which a target was chosen, by the way that they took.")
	answers := counter("lb_responses", "Responses by the class of their codes, and by who made them: a target, or the load balancer itself.")
	moved := counter("lb_http_bytes", "Bytes of requests and responses, heads included.")
	failed := counter("lb_target_connection_errors", "Connections to targets that failed.")
	for _, k := range ways(l.routes) {
		r := l.routes[k]
		labels := targetLabels(&k)
		addAnswers(&answers, &moved, labels, r)
		if k.target != "" {
			requests.Add(float64(r.Chosen), labels...)
			failed.Add(float64(r.ConnErrors), labels...)
		}
	}
	return []exposition.Family{requests, answers, moved, failed, l.latencies()}
}

func (l *Local) latencies() exposition.Family {
	times := exposition.Family{
		Name: "maitred_lb_target_response_seconds", Type: exposition.Histogram, Help: "Time until targets began to answer.",
	}
	for _, k := range ways(l.latency) {
		if k.group != "" {
			addLatency(&times, l.latency[k], wayLabels(&k))
		}
	}
	return times
}

func ways[V any](m map[routeKey]V) []routeKey {
	return slices.SortedFunc(maps.Keys(m), func(a, b routeKey) int {
		return cmp.Or(strings.Compare(a.listener, b.listener), strings.Compare(a.rule, b.rule), strings.Compare(a.group, b.group),
			strings.Compare(a.target, b.target), strings.Compare(a.protocol, b.protocol))
	})
}

func (l *Local) flowFamilies() []exposition.Family {
	flows := counter("lb_flows", "Connections of TCP and TLS and flows of UDP that got a target.")
	open := gauge("lb_open_flows", "Connections of TCP and TLS and flows of UDP that are open.")
	moved := counter("lb_flow_bytes", "Bytes of connections of TCP and TLS and flows of UDP.")
	resets := counter("lb_flow_resets", "Connections of TCP and TLS that were reset, by who did it.")
	refused := counter("lb_flows_refused", "Connections of TCP and TLS and flows of UDP that got no target.")
	for _, k := range ways(l.flows) {
		f := l.flows[k]
		labels := targetLabels(&k)
		with := func(more ...string) []string { return append(slices.Clip(labels), more...) }
		flows.Add(float64(f.New), labels...)
		moved.Add(float64(f.Received), with("direction", "in")...)
		moved.Add(float64(f.Sent), with("direction", "out")...)
		resets.Add(float64(f.ClientResets), with("by", "client")...)
		resets.Add(float64(f.TargetResets), with("by", "target")...)
		resets.Add(float64(f.OwnResets), with("by", "load_balancer")...)
		refused.Add(float64(f.Rejected+f.NoTarget+f.Unreachable+f.ClientTLS+f.TargetTLS), labels...)
	}
	for i := range l.flowing {
		f := &l.flowing[i]
		k := flowWay(f)
		open.Add(float64(f.Active), targetLabels(&k)...)
	}
	return []exposition.Family{flows, open, moved, resets, refused}
}

func (l *Local) listenerFamilies() []exposition.Family {
	opened := counter("lb_connections", "Connections that clients opened to a listener of an Application Load Balancer.")
	active := gauge("lb_open_connections", "Connections of clients to a listener of an Application Load Balancer that are open.")
	failed := counter("lb_client_tls_errors", "Connections to a listener of an Application Load Balancer that agreed on no TLS.")
	labels := func(listener string) []string {
		of := balancerSubject(listener)
		return []string{"region", of.region, "load_balancer", of.balancer, "listener", lastPart(listener)}
	}
	for _, listener := range slices.Sorted(maps.Keys(l.opened)) {
		opened.Add(float64(l.opened[listener].New), labels(listener)...)
		failed.Add(float64(l.opened[listener].TLSFails), labels(listener)...)
	}
	for _, x := range l.listeners {
		active.Add(float64(x.Active), labels(x.ARN)...)
	}
	return []exposition.Family{opened, active, failed}
}

// localGroups are what a balancer knows of target groups.
func localGroups(groups []reading.Group) []exposition.Family {
	targets := gauge("lb_target_group_targets", "Targets of a target group by state; eligible are those that get requests.")
	flight := gauge("lb_target_group_in_flight", "Requests, connections and flows that targets of a target group have.")
	for _, g := range groups {
		of := groupSubject(g.ARN)
		labels := []string{"region", of.region, "target_group", of.group}
		for i, n := range [...]int{g.Healthy, g.Unhealthy, g.Registered, g.Eligible} {
			state := [...]string{"healthy", "unhealthy", "registered", "eligible"}[i]
			targets.Add(float64(n), append(slices.Clip(labels), "state", state)...)
		}
		flight.Add(float64(g.InFlight), labels...)
	}
	return []exposition.Family{targets, flight}
}
