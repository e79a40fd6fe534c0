package control

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
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
	Reference      string // what the caller calls the task; told in its cause
	LaunchType     string
	Constraints    []model.Constraint
	Strategy       []model.Strategy
	Network        *NetworkRequest // nil: none is given
	Overrides      *model.Overrides
	Tags           []model.Tag
	PropagateTags  string
	ManagedTags    bool
	ExecuteCommand bool   // people may run commands in it
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
	if err := suits(def, in); err != nil {
		return nil, nil, err
	}
	network, err := Network(tx, call, in.Network)
	if err != nil {
		return nil, nil, err
	}
	in.Group, in.Tags = cmp.Or(in.Group, "family:"+def.Family), runTags(cluster, def, in)
	if n := countTags(in.Tags); n > TagsMax {
		return nil, nil, model.InvalidParameter(fmt.Sprintf(
			"tags: a task would have %d tags together with those of its definition; at most %d are allowed.", n, TagsMax))
	}
	resolved := def.With(in.Overrides)
	search, err := core.NewRoom(tx.View(), call.Connected).Search(place.Request{
		Cluster: cluster.ARN, Group: in.Group, Demand: place.Demand(def, in.Overrides), Requires: def.Requires, Zones: network.InZones(),
		Constraints: slices.Concat(def.Constraints, in.Constraints), Strategy: in.Strategy,
		Refuse: func(m *model.Machine) string { return call.Refuse(m, resolved) },
	})
	if err != nil {
		return nil, nil, model.InvalidParameter(err.Error())
	}
	seats, failures, err := seat(tx.View(), call, search, in)
	if err != nil {
		return nil, nil, err
	}
	tasks := begin(tx, call, cluster, def, network, in, seats)
	remember(tx, call, in, tasks)
	return tasks, failures, nil
}

// begin writes the tasks that have found their places, which depend on the machines being occupied as they were.
func begin(
	tx *store.Tx, call Call, cluster *model.Cluster, def *model.TaskDefinition, network *model.NetworkConfiguration,
	in RunTask, seats []place.Seat,
) []model.TaskState {
	var tasks []model.TaskState
	placed := map[string]int{}
	for _, s := range seats {
		t := standalone(call, cluster, def, in, s)
		t.Network = network
		tx.Put(t)
		placed[s.Machine.ID]++
		tasks = append(tasks, model.TaskState{Task: t})
	}
	for _, machine := range slices.Sorted(maps.Keys(placed)) {
		occupy(tx, machine, placed[machine])
	}
	return tasks
}

// inactiveForRun turns the error of an inactive task definition into the one that RunTask has.
func inactiveForRun(err error) error {
	var e *model.Error
	if errors.As(err, &e) && e.Message == "TaskDefinition is inactive" {
		return model.InvalidParameter(e.Message)
	}
	return err
}

// constraintsMax is how many placement constraints a task may have, with those of its definition ("RunTask").
const constraintsMax = 10

// suits says what of a request does not go together with the task definition.
func suits(def *model.TaskDefinition, in RunTask) error {
	awsvpc := def.NetworkMode == "awsvpc"
	switch n := len(def.Constraints) + len(in.Constraints); {
	case awsvpc && in.Network == nil:
		return model.InvalidParameter("Network Configuration must be provided when networkMode 'awsvpc' is specified.")
	case in.Network != nil && !awsvpc:
		return model.InvalidParameter("Network Configuration is not valid for the given networkMode of this task definition.")
	case n > constraintsMax:
		return model.InvalidParameter(fmt.Sprintf(
			"placementConstraints: the task would have %d together with those of its definition; at most %d are allowed.", n, constraintsMax))
	case in.Overrides == nil:
		return nil
	}
	for _, o := range in.Overrides.Containers {
		c := def.Container(o.Name)
		if c == nil {
			return model.InvalidParameter(fmt.Sprintf("Override for container named %.255s is not a container in the TaskDefinition.", o.Name))
		}
		memory, reservation := c.Memory, c.MemoryReservation
		set(&memory, o.Memory)
		set(&reservation, o.MemoryReservation)
		if memory != 0 && memory < reservation {
			return model.InvalidParameter(fmt.Sprintf(
				"overrides: container %s would have the memory %d, less than its memoryReservation %d.", o.Name, memory, reservation))
		}
	}
	return nil
}

// seat finds places for the tasks.
func seat(v *store.View, call Call, search *place.Search, in RunTask) (seats []place.Seat, failures []place.Failure, err error) {
	if len(in.Instances) > 0 {
		seats, failures = seatOn(v, search, in.Instances)
		return seats, failures, nil
	}
	for n := range in.Count {
		bits := call.IDs()
		s, ok := search.Place(binary.BigEndian.Uint64(bits[:8]))
		if !ok {
			why := search.Explain()
			if why.Empty() {
				return nil, nil, model.InvalidParameter(place.NoInstances)
			}
			return seats, forEach(why.Failures(), in.Count-n), nil
		}
		seats = append(seats, s)
	}
	return seats, nil, nil
}

// seatOn places a task on each of the named container instances.
func seatOn(v *store.View, search *place.Search, instances []string) (seats []place.Seat, failures []place.Failure) {
	for _, i := range instances {
		if known, ok := v.Instance(i); ok && known.Status == model.Inactive {
			failures = append(failures, place.Failure{ARN: i, Reason: "INACTIVE", Detail: "the container instance is INACTIVE"})
			continue
		}
		s, misfits := search.PlaceOn(i)
		if len(misfits) > 0 {
			failures = append(failures, place.Failure{ARN: i, Reason: misfits[0].Reason, Detail: misfits[0].Detail})
			continue
		}
		seats = append(seats, s)
	}
	return seats, failures
}

// forEach makes the failures at least as many as the tasks that found no place: one who asks for 5 tasks and gets 3 is
// given 2 failures or more.
func forEach(failures []place.Failure, unplaced int) []place.Failure {
	for i := 0; len(failures) > 0 && len(failures) < unplaced; i++ {
		failures = append(failures, failures[i])
	}
	return failures
}

func standalone(call Call, cluster *model.Cluster, def *model.TaskDefinition, in RunTask, s place.Seat) *model.Task {
	detail := fmt.Sprintf("a task of %s on %s", def.Name(), s.Machine.Host)
	if in.Reference != "" {
		detail += ", reference " + in.Reference
	}
	return &model.Task{
		ARN: arn.Task(cluster.ARN, call.IDs.Hex()), Cluster: cluster.ARN, TaskDefinition: def.ARN,
		Machine: s.Machine.ID, Instance: s.Instance.ARN, Group: in.Group, StartedBy: in.StartedBy, LaunchType: in.LaunchType,
		Desired: model.TaskRunning, Reserved: place.Demand(def, in.Overrides), Tags: in.Tags,
		Overrides: in.Overrides, ExecuteCommand: in.ExecuteCommand, CreatedAt: call.Now, Start: call.Cause(detail),
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

// occupy tells everybody else who places tasks on a machine that its room has changed, or that nothing may be placed
// there any more, and depends on nobody else having placed a task there meanwhile: others like this one write the
// occupancy too, the scheduler its mark. To guard the tasks themselves would cost as much as there ever were on the machine.
func occupy(tx *store.Tx, machine string, placed int) {
	o := &model.Occupancy{Machine: machine, Placements: placed}
	if r, _, ok := tx.View().Get(model.OccupancyKey(machine)); ok {
		o.Placements += r.(*model.Occupancy).Placements
	}
	tx.Put(o)
	tx.Guard(model.PlacementKey(machine))
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

// Wanted is the desired status that the API shows of a task. One that ends by itself is wanted stopped from then on, even
// before the scheduler has taken note ("Task").
func Wanted(t model.TaskState) model.TaskStatus {
	if t.LastStatus().Order() > model.TaskRunning.Order() {
		return model.TaskStopped
	}
	return t.Desired
}

// FindTask finds a task (given by ARN) that the API still knows: a stopped one is forgotten after a while
// ("DescribeTasks"). Its record lives on, to tell why it stopped.
func FindTask(v *store.View, call Call, task string) (model.TaskState, bool) {
	t, ok := v.Task(task)
	return t, ok && Known(call, t)
}

// Known says whether the API still knows a task.
func Known(call Call, t model.TaskState) bool {
	return !t.Stopped() || call.Now.Before(t.Seen.StoppedAt.Add(call.Timings.StoppedRetention))
}

// StopTask asks a task (given by ARN) to stop, and takes its tags away ("StopTask"). One that is over, or on its way
// there, is left as it is.
func StopTask(tx *store.Tx, call Call, task, reason string) (model.TaskState, error) {
	t, ok := FindTask(tx.View(), call, task)
	if !ok {
		return t, model.InvalidParameter("The referenced task was not found.")
	}
	if Wanted(t) == model.TaskStopped {
		return t, nil
	}
	tx.Guard(model.ObservedKey(t.Machine, t.ARN)) // whether it has ended by itself decides
	if reason == "" {
		reason = "Task stopped by user"
	}
	stopped := *t.Task
	stopped.Desired, stopped.StopAt, stopped.Tags = model.TaskStopped, call.Now, nil
	stopped.StopCode, stopped.StopReason, stopped.DrainBy = model.StopUser, reason, drainBy(tx.View(), t, call.Now)
	cause := call.Cause(reason)
	stopped.Stop = &cause
	tx.Put(&stopped)
	t.Task = &stopped
	return t, nil
}

// Protectable says why a task (given by ARN) cannot be protected from scale-in, in the words of a failure: MISSING, or
// TASK_NOT_VALID for a task of no service or one that is stopping; "" if it can ("UpdateTaskProtection").
func Protectable(v *store.View, task string) (t model.TaskState, failure string) {
	t, ok := v.Task(task)
	switch {
	case !ok:
		return t, "MISSING"
	case t.Service == "" || Wanted(t) != model.TaskRunning:
		return t, "TASK_NOT_VALID"
	}
	return t, ""
}

// Protect sets a task's protection from scale-in until a time, or takes it away with a zero time. The failure is that of
// Protectable.
func Protect(tx *store.Tx, task string, until time.Time) (failure string) {
	t, failure := Protectable(tx.View(), task)
	if failure != "" {
		return failure
	}
	protected := *t.Task
	protected.ProtectedUntil = until
	tx.Put(&protected)
	return ""
}
