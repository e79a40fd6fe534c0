package ecs

import (
	"fmt"
	"iter"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// taskFilter is which tasks ListTasks is asked for; "" stands for any.
type taskFilter struct {
	cluster, instance, service string // ARNs
	family                     string
	startedBy                  string
	launchType                 string
	desired                    model.TaskStatus // RUNNING, STOPPED; PENDING is that of no task
}

// taskFilterIn checks and converts the filters of ListTasks.
func taskFilterIn(v *store.View, call control.Call, cluster string, in *ecs.ListTasksInput) (f taskFilter, err error) {
	f = taskFilter{
		cluster: cluster, family: aws.ToString(in.Family), startedBy: aws.ToString(in.StartedBy), launchType: string(in.LaunchType),
		desired: model.TaskRunning,
	}
	if err := checkEnum("launchType", in.LaunchType); err != nil {
		return f, err
	}
	if err := checkEnum("desiredStatus", in.DesiredStatus); err != nil {
		return f, err
	}
	if in.DesiredStatus != "" {
		f.desired = model.TaskStatus(in.DesiredStatus)
	}
	if aws.ToString(in.DaemonName) != "" {
		return f, model.Unsupported("daemonName is not supported by this version of maitred: there are no managed daemons.")
	}
	if err := startedByAlone(in); err != nil {
		return f, err
	}
	if ref := aws.ToString(in.ContainerInstance); ref != "" {
		if f.instance, err = instanceMember("containerInstance").find(call, cluster, ref); err != nil {
			return f, err
		}
		if _, ok := v.Instance(f.instance); !ok {
			return f, model.InvalidParameter(fmt.Sprintf("containerInstance: there is no %.300s in the cluster.", f.instance))
		}
	}
	if ref := aws.ToString(in.ServiceName); ref != "" {
		if f.service, err = listedService(v, call, cluster, ref); err != nil {
			return f, err
		}
	}
	return f, nil
}

// startedByAlone refuses other filters beside startedBy ("ListTasks"). The desired status is not counted as one:
// otherwise nobody could list the stopped tasks of a job.
func startedByAlone(in *ecs.ListTasksInput) error {
	if aws.ToString(in.StartedBy) == "" {
		return nil
	}
	for _, other := range []struct{ name, value string }{
		{"containerInstance", aws.ToString(in.ContainerInstance)},
		{"family", aws.ToString(in.Family)},
		{"serviceName", aws.ToString(in.ServiceName)},
		{"launchType", string(in.LaunchType)},
	} {
		if other.value != "" {
			return model.InvalidParameter("startedBy should be the only filter: leave out " + other.name + ".")
		}
	}
	return nil
}

// listedService gives the ARN of a service that has to exist.
func listedService(v *store.View, call control.Call, cluster, ref string) (string, error) {
	if strings.HasPrefix(ref, "arn:") {
		if _, err := resourceARN(call, "serviceName", "service", ref); err != nil {
			return "", err
		}
	}
	service := arn.Service(cluster, arn.Name(ref))
	if _, ok := v.Service(service); !ok {
		return "", model.ServiceNotFound()
	}
	return service, nil
}

// key tells one filter from another.
func (f taskFilter) key() []string {
	return []string{f.cluster, f.instance, f.service, f.family, f.startedBy, f.launchType, string(f.desired)}
}

// candidates yields the tasks that may match, by the index that leaves out most.
func (f taskFilter) candidates(v *store.View) iter.Seq[model.TaskState] {
	if f.service != "" {
		return v.TasksOfService(f.service)
	}
	if i, ok := v.Instance(f.instance); ok {
		return v.TasksOnMachine(i.Machine)
	}
	return v.TasksOfCluster(f.cluster)
}

func (f taskFilter) matches(call control.Call, t model.TaskState) bool {
	family, _, _ := strings.Cut(arn.Name(t.TaskDefinition), ":")
	return t.Cluster == f.cluster && control.Wanted(t) == f.desired && control.Known(call, t) &&
		(f.instance == "" || f.instance == t.Instance) &&
		(f.family == "" || f.family == family) &&
		(f.startedBy == "" || f.startedBy == t.StartedBy) &&
		(f.launchType == "" || f.launchType == t.LaunchType)
}
