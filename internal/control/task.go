package control

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/core"
	"github.com/maitred/maitred/internal/core/place"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// RunTask is what RunTask and StartTask ask for.
type RunTask struct {
	Cluster        string // ARN
	TaskDefinition string // ARN
	Count          int
	Instances      []string // ARNs, for StartTask: one task on each; then Count does not matter
	Group          string   // "" for family:FAMILY
	StartedBy      string
	LaunchType     string
	Constraints    []model.Constraint
	Strategy       []model.Strategy
	Overrides      *model.Overrides
	Tags           []model.Tag
	PropagateTags  string
	ManagedTags    bool
	Token          string // client token, "" for none
	Request        string // hash of the parameters, to tell a repeated call from another one
}

// Run starts standalone tasks. It places them at once: what finds no room comes back as failures, and is not started.
// Called again with the same token, it gives the tasks of the first call.
func Run(tx *store.Tx, call Call, in RunTask) ([]model.TaskState, []place.Failure, error) {
	cluster, err := activeCluster(tx, in.Cluster)
	if err != nil {
		return nil, nil, err
	}
	if tasks, known, err := remembered(tx, call, in); known || err != nil {
		return tasks, nil, err
	}
	def, err := activeDefinition(tx, in.TaskDefinition)
	if err != nil {
		return nil, nil, inactiveForRun(err)
	}
	if in.Group == "" {
		in.Group = "family:" + def.Family
	}
	search, err := core.NewRoom(tx.View()).Search(place.Request{
		Cluster: cluster.ARN, Group: in.Group, Demand: place.Demand(def, in.Overrides), Requires: def.Requires,
		Constraints: slices.Concat(def.Constraints, in.Constraints), Strategy: in.Strategy,
		Refuse: func(m *model.Machine) string { return call.Refuse(m, def) },
	})
	if err != nil {
		return nil, nil, model.InvalidParameter(err.Error())
	}
	seats, failures, err := seat(call, search, in)
	if err != nil {
		return nil, nil, err
	}
	var tasks []model.TaskState
	for _, s := range seats {
		t := standalone(call, cluster, def, in, s)
		tx.Put(t)
		occupy(tx, s.Machine.ID)
		tasks = append(tasks, model.TaskState{Task: t})
	}
	remember(tx, call, in, tasks)
	return tasks, failures, nil
}

// inactiveForRun turns the error of an inactive task definition into the one that RunTask has.
func inactiveForRun(err error) error {
	var e *model.Error
	if errors.As(err, &e) && e.Message == "TaskDefinition is inactive" {
		return model.InvalidParameter(e.Message)
	}
	return err
}

// seat finds places for the tasks.
func seat(call Call, search *place.Search, in RunTask) (seats []place.Seat, failures []place.Failure, err error) {
	for _, i := range in.Instances {
		s, misfits := search.PlaceOn(i)
		if len(misfits) > 0 {
			failures = append(failures, place.Failure{ARN: i, Reason: misfits[0].Reason, Detail: misfits[0].Detail})
			continue
		}
		seats = append(seats, s)
	}
	if len(in.Instances) > 0 {
		return seats, failures, nil
	}
	for range in.Count {
		bits := call.IDs()
		s, ok := search.Place(binary.BigEndian.Uint64(bits[:8]))
		if !ok {
			why := search.Explain()
			if why.Empty() {
				return nil, nil, model.InvalidParameter(place.NoInstances)
			}
			return seats, why.Failures(), nil
		}
		seats = append(seats, s)
	}
	return seats, nil, nil
}

func standalone(call Call, cluster *model.Cluster, def *model.TaskDefinition, in RunTask, s place.Seat) *model.Task {
	return &model.Task{
		ARN: arn.Task(cluster.ARN, call.IDs.Hex()), Cluster: cluster.ARN, TaskDefinition: def.ARN,
		Machine: s.Machine.ID, Instance: s.Instance.ARN, Group: in.Group, StartedBy: in.StartedBy, LaunchType: in.LaunchType,
		Desired: model.TaskRunning, Reserved: place.Demand(def, in.Overrides), Tags: runTags(cluster, def, in),
		Overrides: in.Overrides, CreatedAt: call.Now,
		Start: call.Cause(fmt.Sprintf("a task of %s on %s", def.Name(), s.Machine.Host)),
	}
}

func runTags(cluster *model.Cluster, def *model.TaskDefinition, in RunTask) []model.Tag {
	tags := slices.Clone(in.Tags)
	if in.ManagedTags {
		tags = append(tags, model.Tag{Key: "aws:ecs:clusterName", Value: cluster.Name})
	}
	if in.PropagateTags == "TASK_DEFINITION" {
		for _, t := range def.Tags {
			if !slices.ContainsFunc(tags, func(x model.Tag) bool { return x.Key == t.Key }) {
				tags = append(tags, t)
			}
		}
	}
	return tags
}

// occupy tells everybody else who places tasks on a machine that its room has changed, and depends on nobody else
// having placed one there meanwhile.
func occupy(tx *store.Tx, machine string) {
	o := &model.Occupancy{Machine: machine, Placements: 1}
	if r, _, ok := tx.View().Get(model.OccupancyKey(machine)); ok {
		o.Placements += r.(*model.Occupancy).Placements
	}
	tx.Put(o)
	tx.GuardPrefix(model.KindTask, machine+"/")
}

// remembered finds the tasks of an earlier call with the same token.
func remembered(tx *store.Tx, call Call, in RunTask) (tasks []model.TaskState, known bool, err error) {
	token, ok := tx.View().Token(model.TokenKey(call.Region, "RunTask/"+in.Cluster, in.Token))
	if in.Token == "" || !ok || !call.Now.Before(token.Expires) {
		return nil, false, nil
	}
	if token.Request != in.Request {
		return nil, false, &model.Error{
			Code: "ConflictException", Resources: token.Results,
			Message: "The clientToken was used before with other parameters.",
		}
	}
	for _, arn := range token.Results {
		if t, ok := tx.View().Task(arn); ok {
			tasks = append(tasks, t)
		}
	}
	return tasks, true, nil
}

func remember(tx *store.Tx, call Call, in RunTask, tasks []model.TaskState) {
	if in.Token == "" || len(tasks) == 0 {
		return
	}
	token := &model.Token{
		Region: call.Region, Action: "RunTask/" + in.Cluster, Value: in.Token, Request: in.Request,
		Expires: call.Now.Add(call.Timings.TokenLifetime),
	}
	for _, t := range tasks {
		token.Results = append(token.Results, t.ARN)
	}
	tx.Put(token)
}

// StopTask asks a task (given by ARN) to stop. A task that is over is left as it is; its tags go in either case.
func StopTask(tx *store.Tx, call Call, task, reason string) (model.TaskState, error) {
	t, ok := tx.View().Task(task)
	if !ok {
		return t, model.InvalidParameter("The referenced task was not found.")
	}
	if t.Desired == model.TaskStopped {
		return t, nil
	}
	if reason == "" {
		reason = "Task stopped by user"
	}
	stopped := *t.Task
	stopped.Desired, stopped.StopAt, stopped.Tags = model.TaskStopped, call.Now, nil
	stopped.StopCode, stopped.StopReason = model.StopUser, reason
	cause := call.Cause(reason)
	stopped.Stop = &cause
	tx.Put(&stopped)
	t.Task = &stopped
	return t, nil
}

// Protect sets a task's protection from scale-in until a time, or takes it away with a zero time. The error is a
// failure's reason: MISSING, or TASK_NOT_VALID for a task of no service or one that is stopping.
func Protect(tx *store.Tx, task string, until time.Time) (failure string) {
	t, ok := tx.View().Task(task)
	switch {
	case !ok:
		return "MISSING"
	case t.Service == "" || t.Desired != model.TaskRunning:
		return "TASK_NOT_VALID"
	}
	protected := *t.Task
	protected.ProtectedUntil = until
	tx.Put(&protected)
	return ""
}
