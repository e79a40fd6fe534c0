package store

import (
	"strings"

	"github.com/maitred/maitred/internal/model"
)

// taskRow joins what is wanted of a task with what was observed of it, so that reading the two together costs nothing.
// Rows are immutable: a change of either side makes a new one.
type taskRow struct {
	model.TaskState        // Task is nil for an observation whose task is gone, or not there yet
	machine         string // with arn the key of both sides; in a pivot, the group
	arn             string
	version         int64 // of the task, 0 for none
	seenVersion     int64 // of the observation, 0 for none
}

// rowOf gives the pivot of a path of the tables of tasks and observations.
func rowOf(path string) *taskRow {
	machine, arn, _ := strings.Cut(path, "/")
	return &taskRow{machine: machine, arn: arn}
}

func (r *taskRow) path() string { return r.machine + "/" + r.arn }

func byMachine(a, b *taskRow) bool {
	if c := strings.Compare(a.machine, b.machine); c != 0 {
		return c < 0
	}
	return a.arn < b.arn
}

func byARN(a, b *taskRow) bool {
	if c := strings.Compare(a.arn, b.arn); c != 0 {
		return c < 0
	}
	return a.machine < b.machine
}

// owner is the service of a task; that of a standalone task is its cluster.
func (r *taskRow) owner() string {
	switch {
	case r.Task == nil:
		return r.machine
	case r.Service == "":
		return r.Cluster
	}
	return r.Service
}

func byOwner(a, b *taskRow) bool {
	if c := strings.Compare(a.owner(), b.owner()); c != 0 {
		return c < 0
	}
	return byARN(a, b)
}

func (r *taskRow) cluster() string {
	if r.Task == nil {
		return r.machine
	}
	return r.Cluster
}

func byCluster(a, b *taskRow) bool {
	if c := strings.Compare(a.cluster(), b.cluster()); c != 0 {
		return c < 0
	}
	return byARN(a, b)
}

// taskTable holds the joined rows: all of them by machine, those with a task in three more indexes, those without in
// one of their own.
type taskTable struct {
	machine *tree[*taskRow]
	arn     *tree[*taskRow]
	owner   *tree[*taskRow]
	cluster *tree[*taskRow]
	orphan  *tree[*taskRow]
	tasks   int
	seen    int
}

func newTaskTable() taskTable {
	return taskTable{
		machine: newTree(byMachine), arn: newTree(byARN), owner: newTree(byOwner), cluster: newTree(byCluster),
		orphan: newTree(byMachine),
	}
}

// replace puts a row in the place of old, which may be nil.
func (t *taskTable) replace(old, row *taskRow) {
	t.machine.set(row)
	if old != nil && old.Task == nil {
		t.orphan.del(old)
	}
	switch {
	case row.Task == nil:
		t.orphan.set(row)
		if old != nil && old.Task != nil {
			t.unindex(old)
		}
	case old == nil || old.Task == nil:
		t.arn.set(row)
		t.owner.set(row)
		t.cluster.set(row)
	default:
		t.arn.set(row)
		t.owner.move(old, row)
		t.cluster.move(old, row)
	}
}

func (t *taskTable) unindex(old *taskRow) {
	t.arn.del(old)
	t.owner.del(old)
	t.cluster.del(old)
}

// drop removes a row that has neither side any more.
func (t *taskTable) drop(old *taskRow) {
	t.machine.del(old)
	if old.Task == nil {
		t.orphan.del(old)
		return
	}
	t.unindex(old)
}

func (t *taskTable) putTask(task *model.Task, version int64) model.Record {
	row := &taskRow{TaskState: model.TaskState{Task: task}, machine: task.Machine, arn: task.ARN, version: version}
	old, ok := t.machine.live.Get(row)
	if ok {
		row.Seen, row.seenVersion = old.Seen, old.seenVersion
	}
	t.replace(old, row)
	if !ok || old.Task == nil {
		t.tasks++
		return nil
	}
	return old.Task
}

func (t *taskTable) putSeen(seen *model.Observed, version int64) model.Record {
	row := &taskRow{TaskState: model.TaskState{Seen: seen}, machine: seen.Machine, arn: seen.Task, seenVersion: version}
	old, ok := t.machine.live.Get(row)
	if ok {
		row.Task, row.version = old.Task, old.version
	}
	t.replace(old, row)
	if !ok || old.Seen == nil {
		t.seen++
		return nil
	}
	return old.Seen
}

func (t *taskTable) removeTask(path string) model.Record {
	old, ok := t.machine.live.Get(rowOf(path))
	if !ok || old.Task == nil {
		return nil
	}
	t.tasks--
	if old.Seen == nil {
		t.drop(old)
		return old.Task
	}
	row := *old
	row.Task, row.version = nil, 0
	t.replace(old, &row)
	return old.Task
}

func (t *taskTable) removeSeen(path string) model.Record {
	old, ok := t.machine.live.Get(rowOf(path))
	if !ok || old.Seen == nil {
		return nil
	}
	t.seen--
	if old.Task == nil {
		t.drop(old)
		return old.Seen
	}
	row := *old
	row.Seen, row.seenVersion = nil, 0
	t.replace(old, &row)
	return old.Seen
}

// taskView is a snapshot of a taskTable.
type taskView struct {
	machine, arn, owner, cluster, orphan *ordered[*taskRow]
	tasks, seen                          int
}

func (t *taskTable) view() taskView {
	return taskView{
		machine: t.machine.snapshot(), arn: t.arn.snapshot(), owner: t.owner.snapshot(), cluster: t.cluster.snapshot(),
		orphan: t.orphan.snapshot(), tasks: t.tasks, seen: t.seen,
	}
}
