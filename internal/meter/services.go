package meter

import (
	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// taskCounts is how many tasks of a service there are, as DescribeServices counts them.
type taskCounts struct{ running, pending int }

func countTasks(v *store.View, service string) (n taskCounts) {
	for t := range v.TasksOfService(service) {
		switch status := t.LastStatus(); {
		case status == model.TaskRunning:
			n.running++
		case t.Desired == model.TaskRunning && status.Order() < model.TaskRunning.Order():
			n.pending++
		}
	}
	return n
}

func serviceSubject(svc *model.Service) subject {
	return subject{region: svc.Region, cluster: arn.Name(svc.Cluster), service: svc.Name}
}

// fastServices says how many tasks services have and shall have. Daemon services are not scaled, and left out.
func fastServices(s *sheet, v *store.View) {
	for svc := range v.AllServices() {
		if svc.Status != model.Active || svc.Scheduling == model.Daemon {
			continue
		}
		of := serviceSubject(svc)
		s.add(key{of, model.NamespaceFast, "RunningTaskCount", count}, float64(countTasks(v, svc.ARN).running))
		s.add(key{of, model.NamespaceFast, "DesiredTaskCount", count}, float64(svc.DesiredCount))
	}
}

// minuteServices says what the store knows of clusters and services at the end of a minute: the counts of "Amazon ECS
// Container Insights metrics", and what is reserved of clusters.
func minuteServices(s *sheet, v *store.View, desired func(*model.Service) int) {
	services := map[string]int{} // by cluster
	for svc := range v.AllServices() {
		if svc.Status == model.Inactive {
			continue
		}
		services[svc.Cluster]++
		n, of := countTasks(v, svc.ARN), serviceSubject(svc)
		want := 0
		if svc.Status == model.Active {
			want = desired(svc)
		}
		s.add(key{of, model.NamespaceInsights, "RunningTaskCount", count}, float64(n.running))
		s.add(key{of, model.NamespaceInsights, "PendingTaskCount", count}, float64(n.pending))
		s.add(key{of, model.NamespaceInsights, "DesiredTaskCount", count}, float64(want))
		s.add(key{of, model.NamespaceInsights, "DeploymentCount", count}, float64(deployments(v, svc.ARN)))
	}
	for c := range v.Clusters() {
		if c.Status == model.Active {
			minuteCluster(s, v, c, services[c.ARN])
		}
	}
}

func deployments(v *store.View, service string) (n int) {
	for d := range v.Deployments(service) {
		if d.Current {
			n++
		}
	}
	return n
}

// minuteCluster says what is in a cluster, and how much of its container instances is reserved by its tasks ("Cluster
// reservation" of "Amazon ECS CloudWatch metrics").
func minuteCluster(s *sheet, v *store.View, c *model.Cluster, services int) {
	of := subject{region: c.Region, cluster: c.Name}
	u := useOf(v, c.ARN)
	s.add(key{of, model.NamespaceInsights, "ServiceCount", count}, float64(services))
	s.add(key{of, model.NamespaceInsights, "TaskCount", count}, float64(u.tasks))
	s.add(key{of, model.NamespaceInsights, "ContainerInstanceCount", count}, float64(u.instances))
	if u.registered.CPU > 0 {
		s.add(key{of, model.NamespaceECS, "CPUReservation", percent}, 100*float64(u.reserved.CPU)/float64(u.registered.CPU))
	}
	if u.registered.Memory > 0 {
		s.add(key{of, model.NamespaceECS, "MemoryReservation", percent}, 100*float64(u.reserved.Memory)/float64(u.registered.Memory))
	}
}

// clusterUse is what a cluster has and what its tasks have reserved.
type clusterUse struct {
	instances, tasks     int // tasks are those that run
	registered, reserved model.Resources
}

func useOf(v *store.View, cluster string) (u clusterUse) {
	for i := range v.InstancesOfCluster(cluster) {
		m, ok := v.Machine(i.Machine)
		if !ok || i.Status != model.Active && i.Status != model.Draining {
			continue
		}
		u.instances++
		u.registered.CPU += m.Capacity.CPU
		u.registered.Memory += m.Capacity.Memory
	}
	for t := range v.TasksOfCluster(cluster) {
		if t.Stopped() {
			continue
		}
		u.reserved.CPU += t.Reserved.CPU
		u.reserved.Memory += t.Reserved.Memory
		if t.LastStatus() == model.TaskRunning {
			u.tasks++
		}
	}
	return u
}
