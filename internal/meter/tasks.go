package meter

import (
	"slices"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/reading"
	"github.com/maitred/maitred/internal/store"
)

const (
	unitsPerCore = 1024
	mib          = 1 << 20
)

// facts are what has to be known of a task to say what it uses.
type facts struct {
	subject
	service  string // ARN, "" for a standalone task
	cluster  string // ARN
	cpu      int    // reserved units, 0 for none
	memory   int    // reserved MiB, 0 for none
	taskSize bool   // the CPU is that of the whole task, which cannot use more
}

// factsOf looks a task up; false for one that does not run.
func factsOf(v *store.View, task string) (f facts, ok bool) {
	t, ok := v.Task(task)
	if !ok || t.LastStatus() != model.TaskRunning {
		return f, false
	}
	f = facts{
		subject: subject{region: arn.ScopeOf(t.Cluster).Region, cluster: arn.Name(t.Cluster), task: model.ShortID(task)},
		service: t.Service, cluster: t.Cluster, cpu: t.Reserved.CPU, memory: t.Reserved.Memory,
	}
	if t.Service != "" {
		f.subject.service = arn.Name(t.Service)
	}
	if def, ok := v.TaskDefinition(t.TaskDefinition); ok {
		f.family = def.Family
		f.taskSize = def.CPU > 0 || t.Overrides != nil && t.Overrides.CPU > 0
	}
	return f, true
}

// utilization is what a task uses of what it has reserved, in percent: "Service utilization" of "Amazon ECS CloudWatch
// metrics". Where nothing is reserved, there is nothing to compare with.
type utilization struct {
	cpu, memory       float64
	hasCPU, hasMemory bool
}

func (f *facts) utilization(cores, memory float64) (u utilization) {
	if f.cpu > 0 {
		u.cpu, u.hasCPU = 100*cores*unitsPerCore/float64(f.cpu), true
	}
	if f.taskSize {
		u.cpu = min(u.cpu, 100)
	}
	if f.memory > 0 {
		u.memory, u.hasMemory = 100*memory/mib/float64(f.memory), true
	}
	return u
}

// tell adds a sample of each to a subject.
func (u *utilization) tell(s *sheet, of subject, namespace string) {
	if u.hasCPU {
		s.sample(key{of, namespace, model.MetricCPU, percent}, u.cpu)
	}
	if u.hasMemory {
		s.sample(key{of, namespace, model.MetricMemory, percent}, u.memory)
	}
}

// fine says which of a service's metrics are told by the third of a minute ("MonitoringConfiguration").
type fine struct{ cpu, memory bool }

func fineOf(v *store.View, service string) (f fine) {
	if svc, ok := v.Service(service); ok && len(svc.Fine) > 0 {
		f.cpu, f.memory = slices.Contains(svc.Fine, model.MetricCPU), slices.Contains(svc.Fine, model.MetricMemory)
	}
	return f
}

// ofService is the subject of the task's service.
func (f *facts) ofService() subject {
	return subject{region: f.region, cluster: f.subject.cluster, service: f.subject.service}
}

// fastTasks says what tasks used in one second.
func fastTasks(s *sheet, v *store.View, f *reading.Frame) {
	for _, t := range f.Tasks {
		facts, ok := factsOf(v, t.ARN)
		if !ok || facts.service == "" {
			continue
		}
		own := facts.subject
		own.family = ""
		u := facts.utilization(t.Cores, float64(t.Memory))
		u.tell(s, facts.ofService(), model.NamespaceFast)
		u.tell(s, own, model.NamespaceFast)
	}
}

// taskUse is what a task used in a period.
type taskUse struct {
	facts
	fine          fine
	seconds       int
	cores, memory float64 // sums over the seconds

	networked int             // seconds of which the network is known
	network   reading.Network // sums over them
	disk      *reading.Disk   // the last that is known
}

// add adds a second.
func (u *taskUse) add(t *reading.Task) {
	u.seconds++
	u.cores += t.Cores
	u.memory += float64(t.Memory)
	if t.Network != nil {
		u.networked++
		u.network.In, u.network.Out = u.network.In+t.Network.In, u.network.Out+t.Network.Out
	}
	if t.Disk != nil {
		u.disk = t.Disk
	}
}

// means are what it used, cores and bytes, and how much that is of what it has reserved.
func (u *taskUse) means() (cores, memory float64, of utilization) {
	cores, memory = u.cores/float64(u.seconds), u.memory/float64(u.seconds)
	return cores, memory, u.utilization(cores, memory)
}

// fineTasks says what tasks used in a third of a minute: of the metrics that their services want by it.
func fineTasks(s *sheet, tasks map[string]*taskUse) {
	for _, t := range tasks {
		_, _, u := t.means()
		u.hasCPU, u.hasMemory = u.hasCPU && t.fine.cpu, u.hasMemory && t.fine.memory
		u.tell(s, t.ofService(), model.NamespaceECS)
	}
}

// minuteTasks says what the tasks of a machine used in one minute of so many seconds that were measured: one sample for
// each task, in which the seconds are averaged.
func minuteTasks(s *sheet, v *store.View, machine string, tasks map[string]*taskUse, seconds int) {
	used := map[string]*taskUse{} // by cluster
	for _, t := range tasks {
		cores, memory, u := t.means()
		u.hasCPU, u.hasMemory = u.hasCPU && !t.fine.cpu, u.hasMemory && !t.fine.memory
		if t.service != "" {
			u.tell(s, t.ofService(), model.NamespaceECS)
		}
		insight(s, t, cores, memory)
		sum := used[t.cluster]
		if sum == nil {
			sum = &taskUse{}
			used[t.cluster] = sum
		}
		sum.cores += t.cores
		sum.memory += t.memory
	}
	clusters(s, v, machine, used, float64(seconds))
}

// insight says what a task used and reserved, to each of the sets of dimensions of Container Insights.
func insight(s *sheet, t *taskUse, cores, memory float64) {
	cluster := subject{region: t.region, cluster: t.subject.cluster}
	sets := []subject{cluster}
	if t.service != "" {
		sets = append(sets, t.ofService())
	}
	if t.family != "" {
		family := cluster
		family.family = t.family
		sets = append(sets, family)
	}
	for _, of := range sets {
		s.sample(key{of, model.NamespaceInsights, "CpuUtilized", none}, cores*unitsPerCore)
		s.sample(key{of, model.NamespaceInsights, "CpuReserved", none}, float64(t.cpu))
		s.sample(key{of, model.NamespaceInsights, "MemoryUtilized", megabytes}, memory/mib)
		s.sample(key{of, model.NamespaceInsights, "MemoryReserved", megabytes}, float64(t.memoryReserved()))
		t.traffic(s, of)
	}
}

// traffic says what went through a task's networks, each second, and what it has read and written since its containers began:
// the numbers of storage are cumulative, as AWS's are ("Container Insights performance log events for Amazon ECS"). Nothing is
// said of what nobody knows.
func (u *taskUse) traffic(s *sheet, of subject) {
	if n := float64(u.networked); n > 0 {
		s.sample(key{of, model.NamespaceInsights, "NetworkRxBytes", bytesPerSecond}, u.network.In/n)
		s.sample(key{of, model.NamespaceInsights, "NetworkTxBytes", bytesPerSecond}, u.network.Out/n)
	}
	if u.disk != nil {
		s.sample(key{of, model.NamespaceInsights, "StorageReadBytes", bytes}, float64(u.disk.Read))
		s.sample(key{of, model.NamespaceInsights, "StorageWriteBytes", bytes}, float64(u.disk.Written))
	}
}

func (u *taskUse) memoryReserved() int { return u.facts.memory }

// clusters says how much of a machine the tasks of each of its clusters used: "Cluster utilization" of "Amazon ECS
// CloudWatch metrics", which is of what is registered and not of what is reserved. One sample for each container instance.
func clusters(s *sheet, v *store.View, machine string, used map[string]*taskUse, seconds float64) {
	m, ok := v.Machine(machine)
	if !ok || seconds == 0 || m.Capacity.CPU <= 0 || m.Capacity.Memory <= 0 {
		return
	}
	for i := range v.InstancesOfMachine(machine) {
		if i.Status != model.Active && i.Status != model.Draining {
			continue
		}
		u := used[i.Cluster]
		if u == nil {
			u = &taskUse{}
		}
		of := subject{region: arn.ScopeOf(i.Cluster).Region, cluster: arn.Name(i.Cluster)}
		s.sample(key{of, model.NamespaceECS, model.MetricCPU, percent}, 100*u.cores/seconds*unitsPerCore/float64(m.Capacity.CPU))
		s.sample(key{of, model.NamespaceECS, model.MetricMemory, percent}, 100*u.memory/seconds/mib/float64(m.Capacity.Memory))
	}
}

// The units ("StandardUnit").
const (
	percent   = "Percent"
	count     = "Count"
	none      = "None"
	bytes     = "Bytes"
	seconds   = "Seconds"
	megabytes = "Megabytes"

	bytesPerSecond = "Bytes/Second"
)
